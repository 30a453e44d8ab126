/* Random contractions (graph_contractions.h), their first and their second derivatives as one routine, natively and in
   the interpreter. Each kind has a quota.

   CONTRACTIONS says how many (2000: a long test); CONTRACTION=NUMBER runs that one alone; with CONTRACTION_TABLE the
   kinds are counted on stderr. The first one that fails is made smaller as long as it fails, and printed. */
#include "graph_contraction_nodes.h"
#include "schedule_run.h"

/* TOGETHER: what shares code to load, and a process. */
enum { CASES = 260, TOGETHER = 20, EFFECTS = 16, SEED = 8 };

/* ---- one case ---------------------------------------------------------------------------------------------------- */

typedef struct Case {
  int number;
  Contraction contraction;
  Session *session;
  Graph *graph;
  Interpreter *interpreter;
  EffectList effects;
  Effect items[EFFECTS];
  int second; /* effects from here on are of second order */
} Case;

static void add_effect(Case *c, Node *value) {
  Node *target = input_like(c->graph, session_format(c->session, "out%d", c->effects.count), value);
  c->items[c->effects.count++] = (Effect){target, value, SPAN};
}

/* A step of an optimizer: the factor and its moment move, which others read as they were. */
static void add_step(Case *c, Node *factor, Node *gradient) {
  Graph *g = c->graph;
  Node *moment = input_like(g, "moment", factor);
  const Scalar *slower = add(g, multiply(g, number(g, 0.5), all(g, moment)), all(g, gradient));
  const Scalar *moved = subtract(g, all(g, factor), multiply(g, number(g, 0.125), slower));
  c->items[c->effects.count++] = (Effect){moment, map_like(g, factor, slower), SPAN};
  c->items[c->effects.count++] = (Effect){factor, map_like(g, factor, moved), SPAN};
}

/* The result; the gradients of a sum of it with random factors; those of a sum of these. */
static void add_effects(Case *c, const Contraction *contraction, const Contracted *made) {
  Graph *g = c->graph;
  Node *seed = input_like(g, "seed", made->result);
  Node *first = total(g, made->result, multiply(g, all(g, made->result), all(g, seed)));
  const Scalar *sum = number(g, 0);
  add_effect(c, made->result);
  for (int s = 0; s < made->statistic_count; s++) {
    add_effect(c, made->statistics[s]);
    Node *part = total(g, made->statistics[s], multiply(g, all(g, made->statistics[s]), number(g, 0.125)));
    first = graph_map(g, 0, NULL, false, add(g, number_at(g, first), number_at(g, part)), SPAN);
  }
  for (int f = 0; f < made->factor_count; f++) {
    Node *factor = made->factors[f], *gradient = graph_grad(g, first, factor, SPAN);
    Node *direction = input_like(g, session_format(c->session, "direction%d", f), factor);
    if (f == 1 && c->number % 3 == 0) add_step(c, factor, gradient);
    else add_effect(c, gradient);
    Node *part = total(g, factor, multiply(g, all(g, gradient), all(g, direction)));
    sum = add(g, sum, number_at(g, part));
  }
  if (made->operand_count > made->factor_count && contraction->epilogue != MAKE_NORMALISED) /* there all cancels */
    add_effect(c, graph_grad(g, first, made->operands[made->operand_count - 1], SPAN));
  Node *second = graph_map(g, 0, NULL, false, sum, SPAN);
  c->second = c->effects.count;
  for (int f = 0; f < made->factor_count; f++) add_effect(c, graph_grad(g, second, made->factors[f], SPAN));
  add_effect(c, graph_grad(g, second, seed, SPAN));
}

/* Multiples of 1/8 up to 1: float32 adds products of them exactly, so that masks agree. */
static void set_input(void *context, Node *node) {
  Case *c = context;
  if (node->kind != NODE_INPUT) return;
  Random random = {(uint64_t)c->number * 1009};
  for (const char *letter = node->name; *letter != '\0'; letter++)
    random.state = random_bits(&random) + (uint64_t)*letter;
  double *numbers = malloc(((size_t)node_size(node) + 1) * sizeof *numbers);
  for (int64_t i = 0; i < node_size(node); i++) numbers[i] = (double)random_integer(&random, -8, 8) / 8;
  interpreter_set(c->interpreter, node, numbers);
  free(numbers);
}

static Case *case_new(int number, const Contraction *contraction) {
  Case *c = calloc(1, sizeof *c);
  c->number = number, c->contraction = *contraction;
  c->session = session_new();
  c->graph = graph_new(c->session);
  c->interpreter = interpreter_new(c->graph);
  c->effects.items = c->items;
  Contracted made = contraction_build(c->graph, contraction);
  add_effects(c, contraction, &made);
  EffectList effects = transform_sums(c->graph, c->effects);
  effects = transform_differentiate(c->graph, transform_normalise(c->graph, effects));
  c->effects = transform_simplify(c->graph, effects);
  if (!graph_verify(c->graph, &c->effects, "simplify")) diagnostic_print_all(c->session, stderr);
  graph_walk(c->graph, &c->effects, set_input, c);
  return c;
}

static void case_free(Case *c) {
  interpreter_free(c->interpreter);
  session_free(c->session);
  free(c);
}

static Contraction numbered_contraction(int number) {
  Random random = {(uint64_t)number * 7919 + SEED};
  int64_t budget = INT64_C(1) << random_integer(&random, 11, 17);
  return contraction_draw(&random, budget + random_integer(&random, 0, budget));
}

/* Is some derivative of second order other than 0? */
static bool case_bends(Case *c) {
  for (int e = c->second; e < c->effects.count; e++) {
    Node *value = c->effects.items[e].value;
    const double *numbers = interpreter_value(c->interpreter, value);
    for (int64_t i = 0; i < node_size(value); i++)
      if (numbers[i] != 0) return true;
  }
  return false;
}

/* ---- natively ---------------------------------------------------------------------------------------------------- */

typedef struct Setting {
  const char *march;
  RegisterType real;
  int share; /* every so many cases */
} Setting;
static const Setting settings[] = {
    {"native", REGISTER_F32, 1},
    {"x86-64-v3", REGISTER_F32, 1},
    {"native", REGISTER_F64, 3},
    {"x86-64-v3", REGISTER_F64, 5},
};

/* Every strategy is forced wherever it fits, on each target, in every so many cases; in float64 where the number asks
   for it. */
enum { FORCED_SHARE = 8, STRATEGY_LIMIT = 16 };
/* Programs of a strategy in a thousand of these cases, at least. Of those that are rare, in all runs of a thousand
   cases: a copy is seldom all that a node is, and is turned for others. */
enum { FORCED_USES = 500, RARE_USES = 50 };
static bool is_rare(const char *name) { return strcmp(name, "turn") == 0; }

static int strategy_count(void) {
  int count = 0;
  while (strategy_name(count) != NULL) count++;
  return count;
}

static const char *forced_name(const ScheduleOptions *options) {
  return options->wanted_count > 0 ? strategy_name(options->wanted->strategy) : "the cheapest strategy";
}

static void copy_input(void *context, Node *node) {
  void **both = context;
  if (node->kind == NODE_INPUT) run_set(both[0], node, interpreter_value(((Case *)both[1])->interpreter, node));
}

/* The effect that is too far away, or -1; *away: how far the farthest is. */
static int run_compare(NativeRun *run, Case *c, double tolerance, double *away) {
  void *both[] = {run, c};
  graph_walk(c->graph, &c->effects, copy_input, both);
  run_steps(run);
  *away = 0;
  for (int e = 0; e < c->effects.count; e++) {
    double here = run_distance(run, c->effects.items[e].target, c->interpreter, c->effects.items[e].value);
    if (!(here <= *away)) *away = here;
    if (!(here <= tolerance)) return e;
  }
  return -1;
}

/* A sum of n rounded terms is off by about sqrt(n) units of the last place, by a few times that seldom; several follow
   each other. Behind a normalisation gradients cancel for the most part, and so lose digits. */
static double case_tolerance(const Case *c, const Setting *setting) {
  double unit = setting->real == REGISTER_F32 ? 0x1p-24 : 0x1p-53;
  double units = 64 + 4 * sqrt((double)contraction_points(&c->contraction));
  return unit * units * (c->contraction.epilogue == MAKE_NORMALISED ? 64 : 1);
}

static int compare_alone(Case *c, Session *session, Target *target, const ScheduleOptions *options,
                         const Setting *setting, double *away) {
  NativeRun *run = run_scheduled(c->session, c->graph, c->effects, options);
  runs_load(session, target, 1, &run);
  int wrong = run_compare(run, c, case_tolerance(c, setting), away);
  run_free(run);
  return wrong;
}

static void print_numbers(const Case *c, NativeRun *run, const Effect *effect) {
  double *found = malloc(((size_t)node_size(effect->value) + 1) * sizeof *found);
  const double *expected = interpreter_value(c->interpreter, effect->value);
  run_get(run, effect->target, found);
  for (int64_t i = 0, shown = 0; i < node_size(effect->value) && shown < 12; i++)
    if (fabs(found[i] - expected[i]) > 1e-6) {
      fprintf(stderr, "  element %d: expected %g, found %g\n", (int)i, expected[i], found[i]);
      shown++;
    }
  free(found);
}

/* The smallest contraction that fails like this one, printed. */
static void report(const Case *failed, Session *session, Target *target, const ScheduleOptions *options,
                   const Setting *setting) {
  Contraction smallest = failed->contraction;
  double away = 0;
  bool ended = false;
  for (int way = 0; !ended; way++) {
    Contraction smaller = smallest;
    if (!contraction_shrink(&smaller, way, &ended)) continue;
    Case *c = case_new(failed->number, &smaller);
    if (compare_alone(c, session, target, options, setting, &away) >= 0) smallest = smaller, way = -1;
    case_free(c);
  }
  Case *c = case_new(failed->number, &smallest);
  NativeRun *run = run_scheduled(c->session, c->graph, c->effects, options);
  runs_load(session, target, 1, &run);
  int wrong = run_compare(run, c, case_tolerance(c, setting), &away);
  fprintf(stderr, "contraction %d, %s, %s, %s:\n", failed->number, setting->march,
          setting->real == REGISTER_F32 ? "f32" : "f64", forced_name(options));
  contraction_print(&failed->contraction, stderr);
  fprintf(stderr, "the smallest that fails: effect %d is %g away in\n", wrong, away);
  contraction_print(&smallest, stderr);
  if (wrong >= 0) {
    EffectList one = {1, &c->effects.items[wrong]};
    graph_print(c->graph, &one, stderr);
    fusion_print(run->fusion, stderr);
    print_numbers(c, run, one.items);
  }
  run_free(run);
  case_free(c);
}

/* What processes tell each other. */
typedef struct Shared {
  int cases, kinds[CONTRACTION_KIND_COUNT], bent, tiles, nests, reported;
  int running, lost;  /* 0, or 1 and the number of the one under way, of one whose process ended */
  double farthest[2]; /* float32, float64 */
  int forced[STRATEGY_LIMIT], used[STRATEGY_LIMIT],
      met[STRATEGY_LIMIT]; /* by strategy: runs in which it was forced; programs of these, of all */
} Shared;
static Shared *shared;

static void count_uses(const NativeRun *run, const ScheduleOptions *options) {
  int counts[STRATEGY_LIMIT] = {0}, strategy = options->wanted_count > 0 ? options->wanted->strategy : -1;
  schedule_count_strategies(run->schedule, counts);
  for (int s = 0; s < STRATEGY_LIMIT; s++) shared->met[s] += counts[s];
  if (strategy < 0) return;
  shared->forced[strategy]++;
  shared->used[strategy] += counts[strategy];
}

/* Schedules every so many of the cases, loads them together, compares each. */
static void run_cases(int count, Case *const *cases, const Setting *setting, int share, int rest,
                      const ScheduleOptions *options, Session *session, Target *target) {
  NativeRun *runs[TOGETHER];
  Case *ran[TOGETHER];
  int run_count = 0;
  for (int i = 0; i < count; i++) {
    if (cases[i]->number % share != rest) continue;
    shared->running = cases[i]->number + 1;
    ran[run_count] = cases[i];
    runs[run_count++] = run_scheduled(cases[i]->session, cases[i]->graph, cases[i]->effects, options);
  }
  if (run_count == 0) return;
  runs_load(session, target, run_count, runs);
  for (int i = 0; i < run_count; i++) {
    double away;
    shared->running = ran[i]->number + 1;
    shared->tiles += runs[i]->schedule->tile_count, shared->nests += runs[i]->schedule->nest_count;
    count_uses(runs[i], options);
    int wrong = run_compare(runs[i], ran[i], case_tolerance(ran[i], setting), &away);
    int slot = setting->real == REGISTER_F64 ? 1 : 0; /* of all targets, forced or not */
    shared->farthest[slot] = fmax(shared->farthest[slot], away);
    if (wrong >= 0 && shared->reported++ == 0) report(ran[i], session, target, options, setting);
    ck_assert_msg(wrong < 0, "contraction %d, %s, %s: effect %d is %g away", ran[i]->number, setting->march,
                  forced_name(options), wrong, away);
  }
  for (int i = run_count - 1; i >= 0; i--) run_free(runs[i]);
}

static int asked(const char *variable, int otherwise) {
  const char *text = getenv(variable);
  return text == NULL ? otherwise : atoi(text);
}

static void count_kinds(Case *c, int64_t lanes) {
  bool kinds[CONTRACTION_KIND_COUNT];
  contraction_kinds(&c->contraction, lanes, kinds);
  for (int k = 0; k < CONTRACTION_KIND_COUNT; k++) shared->kinds[k] += kinds[k];
  shared->bent += case_bends(c);
  shared->cases++;
}

START_TEST(native_contractions_match_the_interpreter) {
  int only = asked("CONTRACTION", -1), from = only >= 0 ? only : _i * TOGETHER;
  int end = only >= 0 ? only + 1 : from + TOGETHER, all_cases = asked("CONTRACTIONS", CASES);
  Case *cases[TOGETHER];
  int count = 0;
  if (shared->running > 0) shared->lost = shared->running;
  for (int number = from; number < end && (only >= 0 || number < all_cases); number++) {
    Contraction contraction = numbered_contraction(number);
    cases[count] = case_new(number, &contraction);
    count_kinds(cases[count++], 16);
  }
  for (int s = 0; s < LENGTH(settings); s++) {
    Session *session = session_new();
    Target *target = target_new(session, settings[s].march);
    ck_assert_ptr_nonnull(target);
    ScheduleOptions options = {.machine = target_machine(target), .real = settings[s].real, .fuse_limit = -1};
    run_cases(count, cases, &settings[s], settings[s].share, 0, &options, session, target);
    for (int strategy = 0; settings[s].share == 1 && strategy < strategy_count(); strategy++) {
      WantedStrategy wanted = {.node = -1, .strategy = strategy};
      options.wanted_count = 1, options.wanted = &wanted;
      options.real = (_i + strategy) % 5 == 4 ? REGISTER_F64 : settings[s].real;
      Setting forced = {settings[s].march, options.real, FORCED_SHARE};
      int share = only >= 0 ? 1 : FORCED_SHARE, rest = only >= 0 ? 0 : (strategy + 3 * s) % FORCED_SHARE;
      run_cases(count, cases, &forced, share, rest, &options, session, target);
    }
    session_free(session);
  }
  for (int i = 0; i < count; i++) case_free(cases[i]);
  shared->running = 0;
}
END_TEST

START_TEST(every_kind_was_among_them) {
  static const struct {
    int promille;
    const char *title;
  } quotas[] = {
#define KIND(name, promille, title) {promille, title},
      CONTRACTION_KINDS(KIND)
#undef KIND
  };
  int cases = asked("CONTRACTIONS", CASES);
  for (int k = 0; k < LENGTH(quotas) && getenv("CONTRACTION_TABLE") != NULL; k++)
    fprintf(stderr, "%4d of 1000, wanted %3d: %s\n", shared->kinds[k] * 1000 / cases, quotas[k].promille,
            quotas[k].title);
  if (getenv("CONTRACTION_TABLE") != NULL) {
    fprintf(stderr, "%d have second derivatives; %d tiles, %d nests; at most", shared->bent, shared->tiles,
            shared->nests);
    fprintf(stderr, " %.1e and %.1e away\n", shared->farthest[0], shared->farthest[1]);
    for (int s = 0; s < strategy_count(); s++)
      fprintf(stderr, "%s: %d programs in %d cases that force it, %d in all\n", strategy_name(s), shared->used[s],
              shared->forced[s], shared->met[s]);
  }
  if (shared->running > 0) shared->lost = shared->running;
  ck_assert_msg(shared->lost == 0, "contraction %d was begun and is not right", shared->lost - 1);
  ck_assert_int_eq(shared->cases, cases);
  for (int k = 0; k < LENGTH(quotas); k++)
    ck_assert_msg(shared->kinds[k] * 1000 >= cases * quotas[k].promille, "only %d of %d contractions are %s",
                  shared->kinds[k], cases, quotas[k].title);
  ck_assert_msg(shared->bent * 5 >= cases * 4, "only %d of %d have a second derivative", shared->bent, cases);
  ck_assert_msg(shared->tiles * 4 >= cases, "only %d tiles", shared->tiles);
  ck_assert_int_le(strategy_count(), STRATEGY_LIMIT);
  for (int s = 0; s < strategy_count(); s++) {
    ck_assert_msg(shared->forced[s] * FORCED_SHARE >= cases, "%s was forced in %d cases", strategy_name(s),
                  shared->forced[s]);
    bool enough = is_rare(strategy_name(s)) ? shared->met[s] * 1000 >= cases * RARE_USES
                                            : shared->used[s] * 1000 >= shared->forced[s] * FORCED_USES;
    ck_assert_msg(enough, "%s made %d programs, %d in the %d cases in which it was forced", strategy_name(s),
                  shared->met[s], shared->used[s], shared->forced[s]);
  }
}
END_TEST

int main(void) {
  bool alone = asked("CONTRACTION", -1) >= 0;
  int cases = alone ? 1 : asked("CONTRACTIONS", CASES);
  shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) return EXIT_FAILURE;
  return check_main(
      &(CheckProgram){.seconds = 300,
                      .loops = {{native_contractions_match_the_interpreter, 0, (cases + TOGETHER - 1) / TOGETHER},
                                {every_kind_was_among_them, 0, alone ? 0 : 1}}});
}
