/* What a loop program costs: cycles of one core, from a row of machines.def. Takes a program; returns a number. Looks
   at statements, trips of loops and how addresses move, never at what is computed.

   Of the statements of one loop, arithmetic, loads and stores go on at the same time, and no turn is faster than the
   sum that it hands to the next. What comes from beyond the nearest cache is added: of each address, how much is
   touched between two turns of a loop that does not move it.

   Loops are measured before it is decided that they are made, of an item alone, in memory that is given back. */
#include "strategy.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

/* AHEAD: operations that a core looks ahead: sums shorter than that overlap with the next ones. */
enum { DEPTH_LIMIT = 64, LATENCY = 4, TURN_CYCLES = 1, AHEAD = 256 };

typedef struct Trips {
  int variable;
  double count;
  const Affine *from; /* where it starts, perhaps with variables of loops around it; NULL: 0 */
} Trips;

typedef struct Counting {
  const Program *program;
  const MachineRow *row;
  int depth;
  Trips loops[DEPTH_LIMIT]; /* that are open, unrolled ones too; the first is the task's number */
  double traffic;           /* cycles that lines take to come and go, all in all */
} Counting;

/* Of one turn, in vector operations. */
typedef struct Use {
  double arithmetic, loads, stores, inner, latency;
} Use;

static double use_cycles(const Counting *counting, const Use *use) {
  const MachineRow *row = counting->row;
  double cycles = fmax(use->arithmetic / row->multiply_adds, use->loads / row->loads);
  return fmax(fmax(cycles, use->stores / row->stores), use->latency) + use->inner;
}

/* Vectors of full width that hold a register. */
static double operand_vectors(const Counting *counting, const Operand *operand) {
  const Register *reg = &counting->program->registers[operand->reg];
  int bytes = reg->type == REGISTER_MASK ? 0 : register_bytes(reg->type) * reg->lanes;
  return bytes <= counting->row->vector_bytes ? 1 : (double)bytes / counting->row->vector_bytes;
}

/* ---- what comes from beyond the nearest cache -------------------------------------------------------------------- */

/* Cycles of a byte beyond those of the nearest cache, where so many bytes are gone through again and again. */
static double byte_cycles(const MachineRow *row, double footprint) {
  double near = 1 / (row->loads * row->vector_bytes);
  if (footprint <= 0.5 * (double)row->l1_bytes) return 0;
  if (footprint <= 0.9 * (double)row->l2_bytes) return fmax(0, 1 / row->l2_rate - near);
  return 1 / (footprint <= 0.8 * (double)row->l3_bytes ? row->l3_rate : row->memory_rate) - near;
}

/* The bytes of one access, `again` where a loop does not move it, and once at all: from the innermost loop out. */
static void count_traffic(Counting *counting, const Address *address, int lanes, double times) {
  enum { LINE_BYTES = 64 };
  const Buffer *buffer = &counting->program->buffers[address->buffer];
  double element = (double)storage_bytes(buffer->storage), whole = element * (double)buffer->elements, outside = 1;
  double touched = address->lane_stride == 0 ? element : element * lanes, cycles = 0;
  bool apart = llabs(address->lane_stride) > 1;
  if (apart) touched = fmin(LINE_BYTES, element * (double)llabs(address->lane_stride)) * lanes;
  Affine offset = address->offset;
  for (int l = 0; l < counting->depth; l++) outside *= counting->loops[l].count;
  for (int l = counting->depth - 1; l >= 0; l--) {
    const Trips *loop = &counting->loops[l];
    int64_t coefficient = affine_coefficient(offset, loop->variable), moved = llabs(coefficient);
    if (moved != 0 && loop->from != NULL && loop->from->term_count > 0) /* what moves the start of a loop moves it */
      offset = affine_add(offset, affine_scale(*loop->from, coefficient));
    outside /= loop->count;
    if (moved != 0) { /* within a line that is there already, where the step is small */
      bool near = apart && (double)moved * element < LINE_BYTES;
      touched = fmin(whole, near ? fmax(touched, touched * loop->count * (double)moved * element / LINE_BYTES)
                                 : touched * loop->count);
    } else cycles += (loop->count - 1) * outside * touched * byte_cycles(counting->row, 2 * touched);
  }
  cycles += touched * byte_cycles(counting->row, fmax(whole, 4 * (double)counting->row->l2_bytes));
  counting->traffic += times * cycles;
}

static int operand_lanes(const Counting *counting, const Operand *operand) {
  return counting->program->registers[operand->reg].lanes;
}

/* Loads or stores that an access is; what it takes besides is added to `extra`. */
static double count_access(const Counting *counting, const Address *address, const Operand *value, double *extra) {
  int lanes = operand_lanes(counting, value);
  bool together = lanes == 1 || (address->computed_count == 0 && llabs(address->lane_stride) <= 1);
  *extra += address->has_valid + 2.0 * address->guard_count + 2.0 * address->computed_count;
  if (!together) *extra += lanes / 2.0;
  return together ? operand_vectors(counting, value) : lanes;
}

/* ---- statements -------------------------------------------------------------------------------------------------- */

static double operation_operations(const Counting *counting, Operation operation) {
  if (operation == OP_SQRT || operation == OP_DIVIDE)
    return counting->row->root_and_divide / 2 * counting->row->multiply_adds;
  return operation_rows[operation].cost;
}

/* Does a turn of the innermost loop wait for the same register of the turn before? */
static bool waits_for_itself(const Counting *counting, const Statement *statement) {
  int innermost = counting->depth - 1;
  for (int a = 0; a < statement_arity(statement); a++) {
    const Operand *argument = &statement->arguments[a];
    if (argument->reg != statement->result.reg || !affine_equal(argument->index, statement->result.index)) continue;
    if (affine_coefficient(argument->index, counting->loops[innermost].variable) == 0) return true;
  }
  return false;
}

static Use block_use(Counting *counting, const Statement *statement);

static void use_add(Use *sum, const Use *more, double times) {
  sum->arithmetic += more->arithmetic * times, sum->loads += more->loads * times;
  sum->stores += more->stores * times, sum->inner += more->inner * times;
  sum->latency = fmax(sum->latency, more->latency);
}

/* Bounds that depend on variables are those of the first turn of the loops around. */
static double loop_trips(const Statement *loop) {
  int64_t end = loop->to.constant;
  if (loop->has_limit && loop->limit.constant < end) end = loop->limit.constant;
  return end <= loop->from.constant ? 1 : ceil((double)(end - loop->from.constant) / (double)loop->step);
}

static void count_for(Counting *counting, const Statement *loop, Use *use) {
  if (counting->depth == DEPTH_LIMIT) internal_error(HERE, "loops deeper than any schedule makes");
  double trips = loop_trips(loop);
  counting->loops[counting->depth++] = (Trips){loop->variable, trips, &loop->from};
  Use body = block_use(counting, loop->body);
  counting->depth--;
  body.latency *= fmin(1, trips * (body.arithmetic + body.loads + body.stores) / AHEAD);
  if (loop->loop == LOOP_UNROLLED) use_add(use, &body, trips);
  else use->inner += trips * (use_cycles(counting, &body) + TURN_CYCLES);
}

static void count_if(Counting *counting, const Statement *branch, Use *use) {
  Use body = block_use(counting, branch->body), otherwise = block_use(counting, branch->otherwise);
  use_add(use, use_cycles(counting, &body) >= use_cycles(counting, &otherwise) ? &body : &otherwise, 1);
}

static void count_load(Counting *counting, const Statement *load, Use *use) {
  use->loads += count_access(counting, &load->address, &load->result, &use->arithmetic);
  count_traffic(counting, &load->address, operand_lanes(counting, &load->result), 1);
}

/* What is added to an element may have to wait for what was added to the same one before. */
static void count_store(Counting *counting, const Statement *store, Use *use) {
  double each = count_access(counting, &store->address, &store->arguments[0], &use->arithmetic);
  use->stores += each;
  if (store->accumulate) use->loads += each, use->arithmetic += each, use->inner += LATENCY;
  count_traffic(counting, &store->address, operand_lanes(counting, &store->arguments[0]), 2);
}

static void count_random(Counting *counting, const Statement *draw, Use *use) {
  enum { DRAW_OPERATIONS = 60, NORMAL_OPERATIONS = 60 };
  bool normal = draw->distribution == DISTRIBUTION_NORMAL;
  use->arithmetic += operand_vectors(counting, &draw->result) * (DRAW_OPERATIONS + (normal ? NORMAL_OPERATIONS : 0));
}

static void count_fold(Counting *counting, const Statement *fold, Use *use) {
  use->inner += LATENCY * ceil(log2(operand_lanes(counting, &fold->arguments[0])));
}

static void count_transpose(Counting *counting, const Statement *transpose, Use *use) {
  (void)transpose;
  use->arithmetic += counting->program->lanes * ceil(log2(counting->program->lanes));
}

static void count_arithmetic(Counting *counting, const Statement *statement, double operations, Use *use) {
  use->arithmetic += operations * operand_vectors(counting, &statement->result);
  if (waits_for_itself(counting, statement)) use->latency = fmax(use->latency, LATENCY);
}

static void count_fma(Counting *counting, const Statement *fma, Use *use) { count_arithmetic(counting, fma, 1, use); }
static void count_operate(Counting *counting, const Statement *operate, Use *use) {
  count_arithmetic(counting, operate, operation_operations(counting, operate->operation), use);
}
static void count_convert(Counting *counting, const Statement *convert, Use *use) {
  use->arithmetic += operand_vectors(counting, &convert->result);
}
/* Beside what goes on in vectors, or before the loops that matter: nothing. */
static void count_let(Counting *counting, const Statement *let, Use *use) { (void)counting, (void)let, (void)use; }
static void count_set(Counting *counting, const Statement *set, Use *use) { (void)counting, (void)set, (void)use; }
static void count_number(Counting *counting, const Statement *number, Use *use) {
  use->arithmetic += operand_vectors(counting, &number->result);
}

static Use block_use(Counting *counting, const Statement *statement) {
  static void (*const counts[STATEMENT_COUNT])(Counting *counting, const Statement *statement, Use *use) = {
#define STATEMENT(NAME, name, text) [STATEMENT_##NAME] = count_##name,
#define FIELD(...)
#define END
#include "compiler/program/statements.def"
#undef STATEMENT
#undef FIELD
#undef END
  };
  Use use = {0};
  for (; statement != NULL; statement = statement->next) counts[statement->kind](counting, statement, &use);
  return use;
}

double program_cycles(const Program *program, const Machine *machine) {
  Counting counting = {.program = program, .row = machine->row, .depth = 1};
  counting.loops[0] = (Trips){0, (double)program->chunks, NULL};
  Use use = block_use(&counting, program->body);
  return use_cycles(&counting, &use) * (double)program->chunks + counting.traffic;
}

/* ---- loops that are not made yet --------------------------------------------------------------------------------- */

typedef struct Measuring {
  const Fusion *fusion;
  const Item *item;
} Measuring;

/* A draw is drawn where it is no value yet. */
static View view_alone(void *context, const Node *node) {
  const Measuring *measuring = context;
  const Fact *fact = fusion_fact(measuring->fusion, node);
  bool drawn = fact->residence == RESIDES_DRAWN || (node->kind == NODE_RANDOM && node == measuring->item->node);
  return drawn ? (View){.rank = node->rank} : fact->view;
}

bool strategy_measure(const Question *question, const Item *item, MakeLoops loops, Rival *rival) {
  const Fusion *fusion = question->fusion;
  Session *scratch = session_new();
  Measuring measuring = {fusion, item};
  Item *items[] = {(Item *)(uintptr_t)item};
  Phase phase = {.count = 1, .items = items};
  Builder *builder =
      subject_new(scratch, fusion->graph, fusion->options, "measured", (Span){0}, view_alone, &measuring);
  bool made = loops(builder, &phase, true);
  if (made) {
    const Program *program = builder_finish(builder);
    rival->work += program_cycles(program, fusion->options->machine), rival->chunks += program->chunks;
  }
  session_free(scratch);
  return made;
}

double loops_cost(const Question *question, const Rival *rival) {
  (void)question;
  return PROGRAM_START + strategy_cycles(rival->work, rival->chunks);
}

void loops_print(const Rival *decided, FILE *out) {
  fprintf(out, "  %" PRId64 " chunks, %.4g Mcycles of work\n", decided->chunks, decided->work * 1e-6);
}
