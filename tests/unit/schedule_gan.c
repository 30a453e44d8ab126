/* Whole updates, forward, backward and Adam, natively against the interpreter, on machines of several widths and at
   widths that no vector divides. */
#include "printed_text.h"
#include "schedule_gan.h"

typedef struct Setting {
  RegisterType real;
  const char *march;
  int64_t batch;
  int64_t generator[4], discriminator[4];
  double tolerance;
} Setting;
static const Setting settings[] = {
    {REGISTER_F64, "native", 5, {3, 7, 9, 6}, {6, 11, 5, 1}, 1e-12},
    {REGISTER_F32, "native", 5, {3, 7, 9, 6}, {6, 11, 5, 1}, 2e-5},
    {REGISTER_F32, "x86-64-v3", 8, {4, 16, 24, 10}, {10, 16, 8, 1}, 2e-5},
    {REGISTER_F64, "x86-64-v3", 3, {4, 16, 24, 10}, {10, 16, 8, 1}, 1e-12},
    {REGISTER_F32, "native", 64, {20, 45, 64, 50}, {50, 70, 33, 1}, 2e-5},
    {REGISTER_F64, "native", 24, {20, 45, 64, 50}, {50, 70, 33, 1}, 1e-12},
};

typedef struct Inputs {
  Random random;
  Interpreter *interpreter;
  NativeRun *run;
} Inputs;

static void set_input(void *context, Node *node) {
  Inputs *inputs = context;
  if (node->kind != NODE_INPUT) return;
  double *numbers = malloc(((size_t)node_size(node) + 1) * sizeof *numbers);
  size_t length = strlen(node->name);
  bool positive = length > 1 && (node->name[length - 1] == 'v' || node->name[length - 1] == 't'),
       rate = strcmp(node->name, "rate") == 0;
  for (int64_t i = 0; i < node_size(node); i++) {
    double unit = (double)random_integer(&inputs->random, 0, (1 << 24) - 1) / (1 << 24); /* exact in float32 */
    numbers[i] = rate ? 0.001 : node->rank == 0 ? 3 : positive ? unit : 2 * unit - 1;
  }
  both_set(inputs->run, inputs->interpreter, node, numbers);
  free(numbers);
}

START_TEST(native_updates_match_the_interpreter) {
  const Setting *setting = &settings[_i / 2];
  int player = _i % 2;
  Session *session = session_new();
  Target *target = target_new(session, setting->march);
  ck_assert_ptr_nonnull(target);
  Gan gan;
  gan_new(&gan, session, setting->batch, 3, setting->generator, setting->discriminator);
  EffectList effects = gan_update(&gan, player);
  NativeRun *run = run_new(session, target, gan.graph, effects, setting->real);
  Inputs inputs = {{17}, interpreter_new(gan.graph), run};
  run->counters = (DrawCounters){.seed = 9, .round = 4, .ordinal = 1};
  interpreter_draws(inputs.interpreter, run->counters);
  graph_walk(gan.graph, &effects, set_input, &inputs);
  for (int turn = 0; turn < 2; turn++) {
    run_steps(run);
    interpreter_apply(inputs.interpreter, &effects);
  }
  for (int i = 0; i < effects.count; i++) {
    Node *node = effects.items[i].target;
    double away = run_distance(run, node, inputs.interpreter, node);
    ck_assert_msg(away <= setting->tolerance, "%s: %g away", node->name, away);
  }
  interpreter_free(inputs.interpreter);
  run_free(run);
  session_free(session);
}
END_TEST

/* The reference model: every product is a tile, a gradient is never in memory (the optimizer runs where it is made),
   few programs are left. */
START_TEST(the_reference_model_is_few_programs) {
  static const int64_t generator[] = {100, 256, 512, 1024, 784}, discriminator[] = {784, 1024, 512, 256, 1};
  Session *session = session_new();
  Target *target = target_new(session, "x86-64-v4");
  Gan gan;
  gan_new(&gan, session, 64, 4, generator, discriminator);
  ScheduleOptions options = {.machine = target_machine(target), .real = REGISTER_F32, .fuse_limit = -1};
  double flops = 0;
  for (int player = 0; player < 2; player++) {
    EffectList effects = gan_update(&gan, player);
    Schedule *schedule = schedule_programs(schedule_fuse(session, gan.graph, effects, &options));
    ck_assert_int_eq(schedule->tile_count, 17);
    ck_assert_int_le(schedule->nest_count, 16); /* copies that are turned once among them */
    flops += schedule->needed_flops;
    for (int k = 0; k < schedule->step_count; k++) {
      ck_assert(program_verify(session, schedule->steps[k].program));
      for (int b = 0; b < schedule->steps[k].program->bound_count; b++) {
        const Node *node = schedule->steps[k].bindings[b]->node;
        ck_assert_msg(node->kind == NODE_INPUT || node->batch || node_size(node) <= 1024,
                      "node %d, a gradient, is stored", node->id);
      }
    }
  }
  ck_assert_double_eq_tol(flops * 1e-9, 2.04, 0.01);
  session_free(session);
}
END_TEST

static int strategy_called(const char *name) {
  for (int number = 0; strategy_name(number) != NULL; number++)
    if (strcmp(strategy_name(number), name) == 0) return number;
  return -1;
}

/* A target takes no strategy that it has no code for, asked or not; what ours lists are strategies, all of them. */
START_TEST(a_target_takes_what_it_has_code_for) {
  static const int64_t generator[] = {100, 256, 784}, discriminator[] = {784, 256, 1};
  Session *session = session_new();
  Target *target = target_new(session, "x86-64-v4");
  Gan gan;
  gan_new(&gan, session, 64, 2, generator, discriminator);
  EffectList effects = gan_update(&gan, 0);
  WantedStrategy wanted = {.node = -1, .strategy = strategy_called("tile")};
  ScheduleOptions options = {.machine = target_machine(target), .real = REGISTER_F32, .fuse_limit = -1};
  options.strategies = "scatter nest", options.wanted_count = 1, options.wanted = &wanted;
  Schedule *schedule = schedule_programs(schedule_fuse(session, gan.graph, effects, &options));
  int counts[16] = {0}, others = 0;
  schedule_count_strategies(schedule, counts);
  for (int number = 0; strategy_name(number) != NULL; number++)
    if (!features_hold(options.strategies, strategy_name(number))) others += counts[number];
  ck_assert_int_eq(schedule->tile_count + others + wanted.taken, 0);
  ck_assert_int_gt(counts[strategy_called("nest")], 0);
  ck_assert_int_gt(wanted.unfit, 0);
  for (int number = 0; strategy_name(number) != NULL; number++)
    ck_assert_msg(features_hold(cpu_backend.strategies, strategy_name(number)), "%s", strategy_name(number));
  for (const char *name = cpu_backend.strategies; *name != '\0'; name += strspn(name, " ")) {
    size_t length = strcspn(name, " ");
    ck_assert_msg(strategy_called(session_intern(session, name, length)) >= 0, "%s", name);
    name += length;
  }
  session_free(session);
}
END_TEST

/* Adam's bias correction is one number a player, not one a task: two powers in all, made before what reads them. */
START_TEST(bias_corrections_are_computed_once) {
  static const int64_t generator[] = {20, 45, 64, 50}, discriminator[] = {50, 70, 33, 1};
  Session *session = session_new();
  Target *target = target_new(session, "x86-64-v4");
  Gan gan;
  gan_new(&gan, session, 64, 3, generator, discriminator);
  ScheduleOptions options = {.machine = target_machine(target), .real = REGISTER_F32, .fuse_limit = -1};
  for (int player = 0; player < 2; player++) {
    EffectList effects = gan_update(&gan, player);
    Schedule *schedule = schedule_programs(schedule_fuse(session, gan.graph, effects, &options));
    int powers = 0;
    for (int k = 0; k < schedule->step_count; k++) {
      const Program *program = schedule->steps[k].program;
      Printed printed;
      program_print(program, printed_begin(&printed));
      char *text = printed_end(&printed);
      for (const char *at = text; (at = strstr(at, " power(")) != NULL; at++) {
        ck_assert_msg(!program->tile && program->chunks == 1, "a power in every task of %s", program->title);
        powers++;
      }
      free(text);
    }
    ck_assert_int_eq(powers, 2);
  }
  session_free(session);
}
END_TEST

CHECK_MAIN(.tests = {the_reference_model_is_few_programs, bias_corrections_are_computed_once,
                     a_target_takes_what_it_has_code_for},
           .loops = {{native_updates_match_the_interpreter, 0, 2 * LENGTH(settings)}})
