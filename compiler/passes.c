/* The passes: for each row of passes.def how it runs, what is verified after it and how it is printed; and the one loop
   over them. Takes a compilation with options; returns a status and what the passes made. Never knows how a pass
   works. */
#include "compiler/compiler.h"
#include "compiler/llvm/llvm.h"
#include "runtime/words.h"

#include <string.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* ---- read: the model and the standard library -------------------------------------------------------------------- */

static bool standard_read(Compilation *compilation) {
  Session *session = compilation->session;
  int count = 0;
  for (const EmbeddedFile *file = embedded_files; file->name; file++) count++;
  compilation->standard = session_allocate(session, (size_t)(count + 1) * sizeof *compilation->standard);
  for (const EmbeddedFile *file = embedded_files; file->name; file++) {
    if (strncmp(file->name, "stdlib/", 7) != 0) continue;
    const Source *source = source_from_text(session, file->name, file->bytes, file->size);
    if (!source) return false;
    Source *marked = session_allocate(session, sizeof *marked);
    *marked = *source;
    marked->standard = true;
    Syntax *tree = syntax_parse(session, marked);
    if (!tree) return false;
    compilation->standard[compilation->standard_count++] = tree;
  }
  if (!compilation->standard_count) diagnostic_report(session, E5017, (Span){0}, NULL);
  return compilation->standard_count > 0;
}

bool compilation_read(Compilation *compilation) {
  if (!compilation->source) compilation->source = source_read(compilation->session, compilation->options->inputs[0]);
  return compilation->source != NULL;
}

static bool read_run(Compilation *compilation) {
  if (!compilation_read(compilation)) return false;
  compilation->file = syntax_parse(compilation->session, compilation->source);
  return compilation->file && standard_read(compilation);
}

static bool read_verify(Compilation *compilation) { return compilation->file != NULL; }
static void read_dump(const Compilation *compilation, FILE *out) { syntax_print(out, compilation->file); }

/* ---- expand, and what happens to graphs -------------------------------------------------------------------------- */

static bool expand_run(Compilation *compilation) {
  const CommandLine *options = compilation->options;
  ExpandOptions expand = {options->feeds, options->real == REGISTER_F64 && !options->no_diagnose,
                          options->setting_count, options->settings};
  compilation->model = expand_model(compilation->session, compilation->file, compilation->standard_count,
                                    compilation->standard, &expand);
  return compilation->model != NULL;
}

static bool graphs_verify(Compilation *compilation, const char *pass) {
  const Model *model = compilation->model;
  for (int at = 0; at < model->routine_count; at++) {
    if (!graph_verify(model->graph, &model->routines[at].effects, pass)) return false;
  }
  return true;
}

static void graphs_dump(const Compilation *compilation, FILE *out) {
  const Model *model = compilation->model;
  for (int at = 0; at < model->routine_count; at++) {
    fprintf(out, "%s%s:\n", at ? "\n" : "", model->routines[at].name);
    graph_print(model->graph, &model->routines[at].effects, out);
  }
}

/* What is wrong with a model is said while it is expanded; passes over graphs say nothing. */
static bool graphs_run(Compilation *compilation, EffectList (*transform)(Graph *graph, EffectList effects)) {
  Model *model = compilation->model;
  for (int at = 0; at < model->routine_count; at++)
    model->routines[at].effects = transform(model->graph, model->routines[at].effects);
  return true;
}

static bool expand_verify(Compilation *compilation) { return graphs_verify(compilation, "expand"); }
static void expand_dump(const Compilation *compilation, FILE *out) { model_print(compilation->model, out); }

static bool sums_run(Compilation *compilation) {
  for (int rule = 0; rule < SUM_RULE_COUNT; rule++) {
    bool off = (compilation->options->without >> rule & 1) != 0;
    if (off) transform_without(compilation->model->graph, (SumRule)rule);
  }
  return graphs_run(compilation, transform_sums);
}
static bool sums_verify(Compilation *compilation) { return graphs_verify(compilation, "sums"); }
static void sums_dump(const Compilation *compilation, FILE *out) { graphs_dump(compilation, out); }

static bool normalise_run(Compilation *compilation) { return graphs_run(compilation, transform_normalise); }
static bool normalise_verify(Compilation *compilation) { return graphs_verify(compilation, "normalise"); }
static void normalise_dump(const Compilation *compilation, FILE *out) { graphs_dump(compilation, out); }

static bool differentiate_run(Compilation *compilation) {
  expand_differentiate(compilation->model);
  return true;
}
static bool differentiate_verify(Compilation *compilation) { return graphs_verify(compilation, "differentiate"); }
static void differentiate_dump(const Compilation *compilation, FILE *out) { graphs_dump(compilation, out); }

static bool simplify_run(Compilation *compilation) { return graphs_run(compilation, transform_simplify); }
static bool simplify_verify(Compilation *compilation) { return graphs_verify(compilation, "simplify"); }
static void simplify_dump(const Compilation *compilation, FILE *out) { graphs_dump(compilation, out); }

static bool axes_run(Compilation *compilation) { return graphs_run(compilation, transform_axes); }
static bool axes_verify(Compilation *compilation) { return graphs_verify(compilation, "axes"); }
static void axes_dump(const Compilation *compilation, FILE *out) { graphs_dump(compilation, out); }

/* ---- layout: one order for every tensor, whichever routine meets it ---------------------------------------------- */

static bool layout_run(Compilation *compilation) {
  Model *model = compilation->model;
  compilation->layout = layout_new(compilation->session);
  for (int at = 0; at < model->routine_count; at++)
    layout_decide(compilation->layout, model->graph, &model->routines[at].effects);
  return true;
}

static bool layout_verify(Compilation *compilation) {
  Model *model = compilation->model;
  for (int at = 0; at < model->routine_count; at++)
    if (!layout_holds(compilation->layout, model->graph, &model->routines[at].effects)) return false;
  return true;
}

static void layout_dump(const Compilation *compilation, FILE *out) {
  const Model *model = compilation->model;
  for (int at = 0; at < model->routine_count; at++) {
    fprintf(out, "%s%s:\n", at ? "\n" : "", model->routines[at].name);
    layout_print(compilation->layout, model->graph, &model->routines[at].effects, out);
  }
}

/* ---- fuse and schedule: each routine by itself ------------------------------------------------------------------- */

bool compilation_target(Compilation *compilation) {
  if (compilation->target) return true;
  compilation->backend = &cpu_backend;
  compilation->target = compilation->backend->target(compilation->session, compilation->options->march);
  return compilation->target != NULL;
}

/* What --strategy asks for and is not to be had, nor anything else that it asks for there. */
static void report_untaken(Session *session, const WantedStrategy *wanted) {
  bool missed = wanted->node >= 0 && wanted->met == 0;
  if (wanted->taken > 0 || (!missed && wanted->unfit == 0)) return;
  const char *name = strategy_name(wanted->strategy);
  Diagnostic *diagnostic = diagnostic_report(session, W5024, (Span){0}, NULL);
  if (missed) diagnostic_title(diagnostic, "no program begins with n%d", wanted->node);
  else if (wanted->node < 0) diagnostic_title(diagnostic, "`%s` fits nothing in this model", name);
  else
    diagnostic_title(diagnostic, "`%s` does not fit n%d; `%s` is taken", name, wanted->node,
                     strategy_name(wanted->instead));
  diagnostic_hint(diagnostic, "--dump-after=schedule lists what fits each program");
}

static bool fuse_run(Compilation *compilation) {
  Model *model = compilation->model;
  const ScheduleOptions options = {
      .machine = compilation->backend->machine(compilation->target),
      .strategies = compilation->backend->strategies,
      .wanted_count = compilation->options->wanted_count,
      .wanted = compilation->options->wanted,
      .real = compilation->options->real,
      .fuse_limit = compilation->options->trace ? 0 : compilation->options->fuse_limit,
      .trace = compilation->options->trace,
      .layout = compilation->layout,
  };
  compilation->fusions =
      session_allocate(compilation->session, (size_t)(model->routine_count + 1) * sizeof *compilation->fusions);
  for (int at = 0; at < model->routine_count; at++) {
    ScheduleOptions *own = session_allocate(compilation->session, sizeof *own); /* the fusion keeps it */
    *own = options;
    own->told = model->routines[at].told;
    compilation->fusions[at] = schedule_fuse(compilation->session, model->graph, model->routines[at].effects, own);
    if (!compilation->fusions[at]) return false;
  }
  for (int at = 0; at < options.wanted_count; at++) report_untaken(compilation->session, &options.wanted[at]);
  return true;
}

static bool fuse_verify(Compilation *compilation) { return graphs_verify(compilation, "fuse"); }

static void fuse_dump(const Compilation *compilation, FILE *out) {
  for (int at = 0; at < compilation->model->routine_count; at++) {
    fprintf(out, "%s%s:\n", at ? "\n" : "", compilation->model->routines[at].name);
    fusion_print(compilation->fusions[at], out);
  }
}

static bool schedule_run(Compilation *compilation) {
  int count = compilation->model->routine_count;
  compilation->schedules = session_allocate(compilation->session, (size_t)(count + 1) * sizeof *compilation->schedules);
  for (int at = 0; at < count; at++) {
    compilation->schedules[at] = schedule_programs(compilation->fusions[at]);
    if (!compilation->schedules[at]) return false;
  }
  return true;
}

static bool schedule_verify(Compilation *compilation) {
  for (int at = 0; at < compilation->model->routine_count; at++) {
    const Schedule *schedule = compilation->schedules[at];
    for (int step = 0; step < schedule->step_count; step++) {
      if (!program_verify(compilation->session, schedule->steps[step].program)) return false;
    }
  }
  return true;
}

static void schedule_dump(const Compilation *compilation, FILE *out) {
  for (int at = 0; at < compilation->model->routine_count; at++) {
    const Schedule *schedule = compilation->schedules[at];
    fprintf(out, "%s%s: %d tiles, %d nests\n", at ? "\n" : "", compilation->model->routines[at].name,
            schedule->tile_count, schedule->nest_count);
    for (int step = 0; step < schedule->step_count; step++) {
      group_print_decision(schedule->steps[step].group, out);
      program_print(schedule->steps[step].program, out);
    }
  }
}

/* ---- plan, emit, link: the whole model --------------------------------------------------------------------------- */

static bool plan_run(Compilation *compilation) {
  Session *session = compilation->session;
  PlanOptions options = {
      .machine = compilation->backend->machine(compilation->target),
      .real = compilation->options->real,
      .layout = compilation->layout,
      .feeds = compilation->options->feeds,
      .trace = compilation->options->trace,
      .build = build_version(),
      .file = compilation->source->path,
      .source_hash = session_format(
          session, "%016llx",
          (unsigned long long)hash_fnv(HASH_START, compilation->source->text, compilation->source->length)),
  };
  compilation->plan = plan_model(session, compilation->model, compilation->schedules, &options);
  return compilation->plan != NULL;
}

static bool plan_verify(Compilation *compilation) { return compilation->plan->descriptor_size > 0; }
static void plan_dump(const Compilation *compilation, FILE *out) { plan_print(compilation->plan, out); }

/* The form that --emit asks for; else an object, for the linker. */
static bool emit_run(Compilation *compilation) {
  Session *session = compilation->session;
  const Plan *plan = compilation->plan;
  const EmitForm *form = compilation->options->emit;
  long processors = sysconf(_SC_NPROCESSORS_ONLN);
  OutputFile *file = &compilation->object;
  if (!output_open(session, "model.o", file)) return false;
  bool fine = compilation->backend->emit(session, compilation->target, plan->program_count, plan->programs,
                                         plan->descriptor, plan->descriptor_size, form ? form->kind : EMIT_OBJECT,
                                         file->stream, processors > 0 ? (int)processors : 1);
  return output_end(session, file) && fine;
}

static bool emit_verify(Compilation *compilation) { return (void)compilation, true; }
static void emit_dump(const Compilation *compilation, FILE *out) {
  const Plan *plan = compilation->plan;
  compilation->backend->emit(compilation->session, compilation->target, plan->program_count, plan->programs,
                             plan->descriptor, plan->descriptor_size, EMIT_LLVM, out, 1);
}

static bool link_run(Compilation *compilation) {
  Session *session = compilation->session;
  int trainer = link_trainer(session, compilation->object.bytes, compilation->object.size);
  if (trainer < 0) return false;
  bool fine = !compilation->sealed || cache_seal(session, trainer, compilation->output);
  fine = fine && output_copy(session, trainer, compilation->output, compilation->sealed ? 0700 : 0777);
  close(trainer);
  return fine;
}

static bool link_verify(Compilation *compilation) { return (void)compilation, true; }
static void link_dump(const Compilation *compilation, FILE *out) { fprintf(out, "%s\n", compilation->output); }

/* ---- the loop ---------------------------------------------------------------------------------------------------- */

typedef struct Pass {
  const char *name;
  int status; /* when it fails */
  bool (*run)(Compilation *compilation);
  bool (*verify)(Compilation *compilation);
  void (*dump)(const Compilation *compilation, FILE *out);
} Pass;

static const Pass passes[] = {
#define PASS(name, status, title) {#name, status, name##_run, name##_verify, name##_dump},
#include "compiler/passes.def"
#undef PASS
};

static double seconds_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* A pass that fails says why; if it does not, or what it made does not hold, that is a mistake of the compiler. */
static int pass_run(Compilation *compilation, const Pass *pass) {
  Session *session = compilation->session;
  int before = diagnostic_error_count(session);
  bool fine = pass->run(compilation);
  if (fine && diagnostic_error_count(session) == before) {
    if (pass->verify(compilation)) return STATUS_FINE;
  } else if (diagnostic_error_count(session) > before) {
    return pass->status;
  }
  if (diagnostic_error_count(session) == before) {
    diagnostic_title(diagnostic_report(session, E5014, (Span){0}, NULL),
                     "the compiler found a mistake of its own after `%s`", pass->name);
  }
  return STATUS_INTERNAL;
}

static bool pass_dump(const Compilation *compilation, PassNumber number, const char *path) {
  OutputFile file;
  if (!output_open(compilation->session, path, &file)) return false;
  passes[number].dump(compilation, file.stream);
  return output_close(compilation->session, &file);
}

/* What --dump-after and --emit ask for; what `emit` has made lies there already. */
static bool pass_print(Compilation *compilation, PassNumber number) {
  const CommandLine *options = compilation->options;
  if (options->dump_after >> number & 1 && !pass_dump(compilation, number, "-")) return false;
  if (!options->emit || options->emit->last != number) return true;
  const OutputFile *object = &compilation->object;
  if (number == PASS_emit)
    return output_write(compilation->session, compilation->output, object->bytes, object->size, 0666);
  return pass_dump(compilation, number, compilation->output);
}

int compilation_run(Compilation *compilation) {
  PassNumber last = compilation->options->stop_after;
  double start = seconds_now(), times[PASS_COUNT];
  if (last >= PASS_fuse && !compilation_target(compilation)) return STATUS_USAGE;
  double target_time = seconds_now() - start;
  int status = STATUS_FINE, count = 0;
  while (count <= (int)last && status == STATUS_FINE) {
    double before = seconds_now();
    status = pass_run(compilation, &passes[count]);
    times[count] = seconds_now() - before;
    if (status == STATUS_FINE && !pass_print(compilation, (PassNumber)count)) status = STATUS_MODEL;
    count++;
  }
  free(compilation->object.bytes);
  compilation->object = (OutputFile){0};
  if (!compilation->options->time_passes) return status;
  if (last >= PASS_fuse) fprintf(stderr, "  %-14s%9.2f ms\n", "(target)", 1e3 * target_time);
  for (int at = 0; at < count; at++) fprintf(stderr, "  %-14s%9.2f ms\n", passes[at].name, 1e3 * times[at]);
  fprintf(stderr, "  %-14s%9.2f ms\n", "all", 1e3 * (seconds_now() - start));
  return status;
}
