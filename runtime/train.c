/* The command `train`. Takes a trainer; runs round after round, and leaves a run folder: config.json, stats.jsonl,
   sample grids, checkpoints. Everything that is written is written after so many steps, never after so much time, so a
   run that is stopped and resumed leaves the bits of one that was not. Never keeps a state outside of checkpoints. */
#include "runtime/runtime.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DEFAULT_STEPS = 10000, GRID_SAMPLES = 64, SHOWN_OBJECTIVES = 16 };

typedef struct Training {
  Trainer *trainer;
  Engine engine;
  RunFolder *folder;
  Interrupt *interrupt;
  TensorView *views;
  size_t view_count;
  Progress progress;
  Blame *blame;                        /* NULL: there was no memory for it */
  bool spoilt;                         /* the run ends in a number that is not finite: */
  int64_t spoilt_tensor, spoilt_round; /* as blame_search wants it */
  int64_t first_step, saved_step;      /* saved_step: of the last checkpoint, -1: none */
  double started, shown;               /* seconds: begin of training, last progress line */
  double spent;                        /* seconds of training before this process */
} Training;

/* Its last value; NaN where no update that it belongs to has run since this training started. */
static double objective_value(const Training *training, int64_t k) {
  const Execution *execution = &training->engine.execution;
  int64_t tensor = training->trainer->model.objectives[k].tensor;
  return execution_has(execution, tensor) ? execution_scalar(execution, tensor) : NAN;
}

/* The learning rate of its last update, likewise. */
static double player_rate(const Training *training, int64_t k) {
  const Execution *execution = &training->engine.execution;
  const PlayerRecord *player = &training->trainer->model.players[k];
  if (player->rate_tensor < 0) return player->rate;
  return execution_has(execution, player->rate_tensor) ? execution_scalar(execution, player->rate_tensor) : NAN;
}

/* ---- what is no number ------------------------------------------------------------------------------------------- */

/* Always false. What is wrong, when, what there is to go on from, and how. */
static bool set_diverged(Training *training, int64_t tensor, const char *what, Problem *problem) {
  training->spoilt = true;
  training->spoilt_tensor = tensor;
  training->spoilt_round = training->engine.clock.step - 1;
  char *saved = training->saved_step >= 0 && training->folder
                    ? run_folder_checkpoint_path(run_folder_path(training->folder), training->saved_step)
                    : NULL;
  problem_set(problem,
              "%s at step %lld; %s%s%s. Such numbers come from steps that are too large (a smaller lr), or from a "
              "formula that is infinite somewhere, or whose "
              "derivative is; unchanged, the run would come here again",
              what, (long long)training->engine.clock.step,
              saved ? "the last good checkpoint is " : "no checkpoint was written", saved ? saved : "",
              saved ? " (to start from it: --init)" : "");
  free(saved);
  return false;
}

/* Before anything is kept of them: no checkpoint may hold what no run can use. */
static bool check_weights(Training *training, Problem *problem) {
  Problem found;
  return tensors_are_finite(training->views, training->view_count, &found) ||
         set_diverged(training, BLAME_WEIGHTS, found.text, problem);
}

/* Of a round that has ended early: was it for a count, a period or a condition that is none? */
static void note_spoilt_count(Training *training) {
  const Descriptor *model = &training->trainer->model;
  for (int64_t k = 0; k < model->schedule_count && !training->spoilt; k++) {
    int64_t tensor = model->schedules[k].value;
    if (tensor < 0 || isfinite(execution_scalar(&training->engine.execution, tensor))) continue;
    training->spoilt = true;
    training->spoilt_tensor = tensor;
    training->spoilt_round = training->engine.clock.step;
  }
}

/* After every step, as it costs nothing; weights may be spoilt one step earlier. */
static bool check_objectives(Training *training, Problem *problem) {
  const Descriptor *model = &training->trainer->model;
  for (int64_t k = 0; k < model->objective_count; k++) {
    double value = execution_scalar(&training->engine.execution, model->objectives[k].tensor);
    if (isfinite(value)) continue;
    Problem found, weights;
    bool fine = tensors_are_finite(training->views, training->view_count, &weights);
    problem_set(&found, "the objective %s (%s:%lld) became %s%s%s", model->objective_names[k], model->header->file,
                (long long)model->objectives[k].line, number_word(value), fine ? "" : ", and ",
                fine ? "" : weights.text);
    return set_diverged(training, model->objectives[k].tensor, found.text, problem);
  }
  return true;
}

/* ---- what is written --------------------------------------------------------------------------------------------- */

static bool write_stats(Training *training, Problem *problem) {
  const Descriptor *model = &training->trainer->model;
  const Clock *clock = &training->engine.clock;
  JsonWriter *writer = json_writer_new(false);
  if (!writer) return problem_out_of_memory(problem, "stats.jsonl", 0);
  json_open_object(writer, NULL);
  json_put_integer(writer, "step", clock->step);
  json_put_integer(writer, "image", clock->image);
  if (clock->first_data_samples > 0) json_put_number(writer, "epoch", clock_epoch(clock));
  json_put_number(writer, "seconds", training->spent + seconds_now() - training->started);
  json_put_number(writer, "ms_per_step", progress_median(&training->progress));
  json_open_object(writer, "rates");
  for (int64_t k = 0; k < model->player_count; k++)
    if (model->players[k].has_rate) json_put_number(writer, model->players[k].name, player_rate(training, k));
  json_close(writer);
  json_open_object(writer, "gradients");
  for (int64_t k = 0; k < model->player_count; k++)
    if (model->players[k].gradient >= 0)
      json_put_number(writer, model->players[k].name,
                      execution_scalar(&training->engine.execution, model->players[k].gradient));
  json_close(writer);
  json_open_object(writer, "objectives");
  for (int64_t k = 0; k < model->objective_count; k++)
    json_put_number(writer, model->objective_names[k], objective_value(training, k));
  json_close(writer);
  json_open_object(writer, "outputs");
  bool fine = engine_log_outputs(&training->engine, writer, problem);
  json_close(writer);
  json_close(writer);
  const char *text = json_writer_text(writer);
  if (fine)
    fine = text ? run_folder_append_stats(training->folder, text, problem)
                : problem_out_of_memory(problem, "stats.jsonl", 0);
  json_writer_free(writer);
  return fine;
}

static bool write_samples(Training *training, Problem *problem) {
  const Descriptor *model = &training->trainer->model;
  const Options *options = &training->trainer->options;
  int64_t step = training->engine.clock.step;
  for (int64_t k = 0; k < model->output_count; k++) {
    if (!model->outputs[k].random) continue;
    const TensorRecord *tensor = &model->tensors[model->outputs[k].tensor];
    bool picture = picture_possible(tensor->rank - 1, tensor->shape + 1);
    int64_t count = picture && tensor->rank - 1 == 1
                        ? 16 * GRID_SAMPLES
                        : GRID_SAMPLES; /* points of the plane: a cloud shows more than a grid */
    float *samples = engine_samples(&training->engine, k, count, problem);
    Problem found;
    bool broken = samples && !samples_are_finite(&training->engine, k, samples, count, &found);
    if (broken && !check_weights(training, problem)) { /* that is why, and the end of this run */
      free(samples);
      return false;
    }
    if (broken) report_note(training->trainer->program, "step %lld: %s", (long long)step, found.text);
    const char *name = model->outputs[k].name, *ending = picture ? "png" : "npy";
    char *path = samples ? run_folder_sample_path(training->folder, name, step, ending, problem) : NULL;
    bool fine = path && samples_write(model, k, samples, count, path, problem);
    if (fine && options->keep_samples > 0)
      fine = run_folder_thin_samples(training->folder, name, ending, step, options->sample_every, options->keep_samples,
                                     problem);
    free(path);
    free(samples);
    if (!fine) return false;
  }
  return true;
}

static bool write_checkpoint(Training *training, Problem *problem) {
  const Descriptor *model = &training->trainer->model;
  const Engine *engine = &training->engine;
  CheckpointState state = {.step = engine->clock.step,
                           .image = engine->clock.image,
                           .seed = engine->execution.seed,
                           .model = model->header->name,
                           .source_hash = model->header->source_hash};
  state.counts = supply_positions(engine->supply, &state.count_count);
  if (!check_weights(training, problem) || !supply_check_files(engine->supply, problem)) return false;
  bool fine = run_folder_save_checkpoint(training->folder, &state, training->views, training->view_count,
                                         (int)training->trainer->options.keep, problem);
  int64_t written = run_folder_saved_step(training->folder); /* also where an old one could not be removed */
  if (written >= 0) training->saved_step = written;
  if (!fine) return false;
  blame_keep(training->blame, true);
  return true;
}

/* ---- what is said ------------------------------------------------------------------------------------------------ */

/* Only that nobody reads it any more is a problem: a log that a full disk does not take is no reason to stop. */
static bool show_progress(Training *training, bool must, Problem *problem) {
  double now = seconds_now(), patience = training->progress.width > 0 ? 0.1 : 10;
  if (!must && now - training->shown < patience) return true;
  const Descriptor *model = &training->trainer->model;
  ProgressValue values[SHOWN_OBJECTIVES];
  char line[1024];
  size_t count = 0;
  training->progress.left_out = 0;
  for (int64_t k = 0; k < model->objective_count; k++) {
    double value = objective_value(training, k);
    if (!isfinite(value)) continue; /* it has none yet */
    if (count == SHOWN_OBJECTIVES) training->progress.left_out++;
    else values[count++] = (ProgressValue){model->objective_names[k], value};
  }
  progress_format(&training->progress, values, count, line, sizeof line);
  training->shown = now;
  errno = 0;
  bool written = fputs(line, stderr) != EOF && (!must || training->progress.width == 0 || fputc('\n', stderr) != EOF);
  return written || errno != EPIPE || problem_set_errno(problem, errno, "nobody reads what this run says");
}

static void show_end(const Training *training, const char *why) {
  const Engine *engine = &training->engine;
  int64_t done = engine->clock.step - training->first_step;
  printf("%s: %s at step %s; %s steps in %.1f s\n", run_folder_path(training->folder), why,
         text_count(engine->clock.step).text, text_count(done).text, seconds_now() - training->started);
  if (engine->clock.step < engine->clock.steps)
    printf("go on with: %s train --run %s --resume\n", training->trainer->program, run_folder_path(training->folder));
}

/* ---- the loop ---------------------------------------------------------------------------------------------------- */

static bool due(int64_t step, int64_t period) { return period > 0 && step % period == 0; }

/* The last step of a run that is done is written too, behind the checkpoint: one that goes on from there must not see
   that this run has ended in between. */
static bool write_last(Training *training, Problem *problem) {
  const Options *options = &training->trainer->options;
  int64_t step = training->engine.clock.step;
  if (step == training->first_step) return true;
  return (due(step, options->log_every) || write_stats(training, problem)) &&
         (options->sample_every == 0 || due(step, options->sample_every) || write_samples(training, problem));
}

/* Always false. What there is to go on from, and how. */
static bool name_saved(const Training *training, Problem *problem) {
  const char *directory = run_folder_path(training->folder), *program = training->trainer->program;
  size_t length = strlen(problem->text), room = sizeof problem->text - length;
  char *text = problem->text + length;
  long long step = training->saved_step;
  if (step < 0) snprintf(text, room, "; no checkpoint was written: %s train --run %s starts over", program, directory);
  else if (step == training->engine.clock.step)
    snprintf(text, room, "; step %lld is saved: go on with %s train --run %s --resume", step, program, directory);
  else
    snprintf(text, room,
             "; the last sound checkpoint is %s/checkpoints/step-%06lld.safetensors: go on with %s train --run %s "
             "--resume",
             directory, step, program, directory);
  return false;
}

/* The folder is not where it was: finds it, or makes one. */
static bool find_folder(Training *training, Problem *problem) {
  bool fresh;
  if (!run_folder_recover(&training->folder, &fresh, problem)) return false;
  if (!fresh) return true;
  training->saved_step = -1; /* of what was removed */
  return run_config_write(&training->engine, training->engine.config, training->folder, problem);
}

/* Always false. Something could not be written, or said: what was trained is kept all the same. */
static bool save_and_fail(Training *training, Problem *problem) {
  Problem inner = {""};
  if (training->spoilt) return false;
  if (!run_folder_stays(training->folder, &inner)) *problem = inner; /* that is why */
  bool placed = !run_folder_is_lost(training->folder) || find_folder(training, &inner);
  if (placed && training->saved_step != training->engine.clock.step &&
      tensors_are_finite(training->views, training->view_count, NULL))
    write_checkpoint(training, &inner);
  if (placed) return name_saved(training, problem);
  size_t length = strlen(problem->text);
  snprintf(problem->text + length, sizeof problem->text - length, "; and its weights are lost: %s", inner.text);
  return false;
}

/* Will the round to come have a line in stats.jsonl? Then a player that it does not move has no gradient in it. */
static void announce_stats(Training *training) {
  const Descriptor *model = &training->trainer->model;
  Clock *clock = &training->engine.clock;
  int64_t step = clock->step + 1;
  clock->told = due(step, training->trainer->options.log_every) || step == clock->steps;
  for (int64_t k = 0; k < model->player_count && clock->told; k++)
    if (model->players[k].gradient >= 0)
      execution_set_scalar(&training->engine.execution, model->players[k].gradient, NAN);
}

static bool train_loop(Training *training, Problem *problem) {
  const Options *options = &training->trainer->options;
  Engine *engine = &training->engine;
  Clock *clock = &engine->clock;
  while (clock->step < clock->steps && !interrupt_asked(training->interrupt)) {
    double start = seconds_now();
    announce_stats(training);
    if (!round_run(&engine->execution, clock, problem)) {
      note_spoilt_count(training);
      return name_saved(training, problem);
    }
    if (!check_objectives(training, problem)) return false;
    progress_note(&training->progress, clock->step, (seconds_now() - start) * 1e3);
    bool told = (!due(clock->step, options->log_every) || write_stats(training, problem)) &&
                (!due(clock->step, options->sample_every) || write_samples(training, problem));
    if (!told) return save_and_fail(training, problem);
    if (due(clock->step, options->checkpoint_every) && !write_checkpoint(training, problem))
      return save_and_fail(training, problem);
    blame_keep(training->blame, false);
    if (!show_progress(training, false, problem)) return save_and_fail(training, problem);
  }
  if (clock->step > training->first_step && !show_progress(training, true, problem))
    return save_and_fail(training, problem);
  bool fine = (training->saved_step == clock->step || write_checkpoint(training, problem)) &&
              (clock->step < clock->steps || write_last(training, problem));
  return fine || save_and_fail(training, problem);
}

/* ---- before the loop --------------------------------------------------------------------------------------------- */

/* As of data that were fed, or that the model did not have, when the checkpoint was written. */
static void note_missing_positions(const Training *training, const CheckpointState *state) {
  size_t count;
  const NamedCount *positions = supply_positions(training->engine.supply, &count);
  for (size_t k = 0; k < count; k++) {
    bool found = false;
    for (size_t s = 0; s < state->count_count; s++) found |= strcmp(positions[k].name, state->counts[s].name) == 0;
    if (!found)
      report_note(training->trainer->program,
                  "%s starts from its first row: the checkpoint does not say how far it was read", positions[k].name);
  }
}

/* The state that a run goes on from: everything that the checkpoint holds, positions included. */
static bool restore(Training *training, Checkpoint *checkpoint, Problem *problem) {
  Engine *engine = &training->engine;
  const CheckpointState *state = checkpoint_state(checkpoint, problem);
  if (!state) return false;
  if (strcmp(state->source_hash, training->trainer->model.header->source_hash) != 0)
    report_note(training->trainer->program, "the model's text has changed since this run began");
  if (!checkpoint_load(checkpoint, training->views, training->view_count, true, NULL, problem)) return false;
  for (size_t k = 0; k < state->count_count; k++) {
    const NamedCount *count = &state->counts[k];
    int64_t fed =
        strncmp(count->name, "feed ", 5) == 0 ? descriptor_find_tensor(&training->trainer->model, count->name + 5) : -1;
    if (fed >= 0 && descriptor_declares_variable(&training->trainer->model, fed) && count->value > 0 &&
        !supply_is_fed(engine->supply, fed))
      report_note(
          training->trainer->program,
          "%s was fed when this run began, and is drawn from here on; go on as it began with --feed %s=FILE.npy",
          count->name + 5, count->name + 5);
    if (!supply_seek(engine->supply, count->name, count->value, problem)) return false;
  }
  note_missing_positions(training, state);
  engine->clock.step = training->saved_step = state->step;
  engine->clock.image = state->image;
  return true;
}

/* What --steps means, where it may not be what was meant. `own`: the length of `train for`, 0: none. */
static void note_length(const Training *training, int64_t own) {
  const Options *options = &training->trainer->options;
  const Clock *clock = &training->engine.clock;
  const char *program = training->trainer->program, *unit = training->trainer->model.header->length_unit;
  Text steps = text_count(clock->steps), done = text_count(clock->step);
  if (options->resume && clock->steps < clock->step)
    report_note(program,
                "%s steps are done, which is more than the %s of %s: nothing is trained (they are counted "
                "from the run's beginning)",
                done.text, steps.text, options->has_steps ? "--steps" : "the run");
  else if (options->resume && clock->steps == clock->step)
    report_note(program, "all %s steps of this run are done: nothing is trained; with --steps N it goes on to step N",
                done.text);
  if (own == 0 || clock->steps <= own) return;
  Text end = text_count(own);
  if (clock->counters[COUNTER_PROGRESS] >= 0)
    report_note(program, "`train for %g %s` ends at step %s: from there to step %s `progress` stays 1", clock->length,
                unit, end.text, steps.text);
  else
    report_note(program, "`train for %g %s` ends at step %s: training goes on as before, to step %s", clock->length,
                unit, end.text, steps.text);
}

static bool find_length(Training *training, const Json *config, Problem *problem) {
  const Options *options = &training->trainer->options;
  Clock *clock = &training->engine.clock;
  const Json *stored = json_find(config, "steps");
  int64_t own = clock->unit == UNIT_NONE ? 0 : clock->steps;
  if (options->has_steps) clock->steps = options->steps;
  else if (stored) {
    if (!stored->whole || stored->integer < 0 || (double)stored->integer > LENGTH_LIMIT)
      return problem_set(problem,
                         "config.json of the run: \"steps\" must be a whole number from 0 to %.0f; say --steps N",
                         LENGTH_LIMIT);
    clock->steps = stored->integer;
  } else if (clock->unit == UNIT_NONE) {
    clock->steps = DEFAULT_STEPS;
    report_note(training->trainer->program, "the model does not say how long to train: %s steps (--steps N)",
                text_count(DEFAULT_STEPS).text);
  } else if (clock->unit == UNIT_EPOCHS && clock->first_data_samples <= 0)
    return problem_set(problem,
                       "`train for %g epochs` needs a data set to count by, but its data are fed; say --steps N",
                       clock->length);
  note_length(training, own);
  return rounds_can_be_fed(&training->trainer->model, training->engine.supply, clock->step, clock->steps, problem);
}

/* A run that goes on as something else is another run: only on purpose. */
static bool check_changes(const Training *training, const Json *config, Problem *problem) {
  const Options *options = &training->trainer->options;
  char *differences = run_config_differences(&training->engine, config);
  char *kept = run_config_kept(&training->engine, config);
  bool fine = (differences && kept) || problem_out_of_memory(problem, "what differs from the run", 0);
  if (fine && *kept)
    report_note(training->trainer->program, "goes on as it was begun; to change that, say it, with --accept-changes:%s",
                kept);
  if (fine && *differences && !options->accept_changes)
    fine = problem_set(
        problem, "this run was another one; leave out what changes it, or go on with --accept-changes:%s", differences);
  else if (fine && *differences) report_note(training->trainer->program, "goes on with changes:%s", differences);
  free(differences);
  free(kept);
  return fine;
}

/* Without its config.json nobody knows what a run was given, but its weights are there. */
static void name_way_out(const char *directory, Problem *problem) {
  size_t length = strlen(problem->text);
  snprintf(problem->text + length, sizeof problem->text - length,
           "; a new run can start from its weights: --init %s/checkpoints/step-….safetensors", directory);
}

/* The run that goes on: its folder is locked before anything in it is read, unless nothing is to be written. */
static bool begin_resumed(Training *training, const char *directory, Problem *problem) {
  Trainer *trainer = training->trainer;
  const Options *options = &trainer->options;
  char *notes = NULL;
  if (!options->dry_run && !(training->folder = run_folder_resume(directory, problem))) return false;
  Json *config = run_config_read(directory, problem);
  bool readable = config && run_config_check(config, trainer, directory, problem);
  if (!readable) name_way_out(directory, problem);
  Checkpoint *checkpoint = readable ? run_folder_newest_checkpoint(directory, &notes, problem) : NULL;
  const CheckpointState *state = checkpoint ? checkpoint_state(checkpoint, problem) : NULL;
  bool fine = state;
  if (notes && notes[0]) report_note(trainer->program, "%s", notes);
  if (fine && options->has_seed && options->seed != state->seed)
    fine = problem_set(problem, "this run began with --seed %llu and cannot go on with %llu",
                       (unsigned long long)state->seed, (unsigned long long)options->seed);
  fine = fine && engine_open(&training->engine, trainer, config, DATA_OF_ALL, state->seed, problem);
  if (fine) training->engine.config = config; /* and goes with it */
  fine = fine && check_changes(training, config, problem);
  if (fine) training->views = engine_kept_views(&training->engine, true, &training->view_count, problem);
  fine = fine && training->views && restore(training, checkpoint, problem) && check_weights(training, problem) &&
         find_length(training, config, problem);
  if (fine && training->folder)
    fine = run_config_write(&training->engine, config, training->folder, problem) &&
           run_folder_trim_stats(training->folder, training->engine.clock.step, &training->spent, problem);
  checkpoint_close(checkpoint);
  if (training->engine.config != config) json_free(config);
  free(notes);
  return fine;
}

/* A folder of its own comes last: a run that cannot begin leaves none. */
static bool begin_new(Training *training, Problem *problem) {
  Trainer *trainer = training->trainer;
  const Options *options = &trainer->options;
  bool fine = run_folder_ready(options->run, false, problem) &&
              engine_open(&training->engine, trainer, NULL, DATA_OF_ALL, options->seed, problem);
  if (fine) training->views = engine_kept_views(&training->engine, true, &training->view_count, problem);
  fine = fine && training->views && engine_init(&training->engine, problem) && check_weights(training, problem) &&
         find_length(training, NULL, problem);
  if (!fine || options->dry_run) return fine;
  training->folder = run_folder_create(options->run, trainer->model.header->name, problem);
  return training->folder && run_config_write(&training->engine, NULL, training->folder, problem);
}

static bool prepare(Training *training, Problem *problem) {
  const Options *options = &training->trainer->options;
  if (options->resume && options->init)
    return problem_set(problem,
                       "--resume and --init exclude each other: a resumed run goes on from its own checkpoint");
  if (options->accept_changes && !options->resume)
    return problem_set(problem, "--accept-changes belongs to --resume: a new run has nothing that could change");
  if (!options->resume) return begin_new(training, problem);
  char *directory = run_directory(training->trainer, problem);
  bool fine = directory && run_folder_ready(directory, true, problem) && begin_resumed(training, directory, problem);
  free(directory);
  return fine;
}

static void show_dry_run(const Training *training) {
  const Descriptor *model = &training->trainer->model;
  const Engine *engine = &training->engine;
  int threads = pool_threads(engine->execution.pool);
  double bytes = 2 * (double)model->header->persistent_bytes + (double)model->header->arena_bytes +
                 (double)model->header->workspace_bytes * threads;
  printf("%s: steps %s to %s of batch %s, %d threads, %s\n", model->header->name, text_count(engine->clock.step).text,
         text_count(engine->clock.steps).text, text_count(model->header->batch).text, threads, text_bytes(bytes).text);
  for (int64_t k = 0; k < model->tensor_count; k++) {
    const Dataset *dataset = descriptor_declares_data(model, k) ? supply_dataset(engine->supply, k) : NULL;
    if (dataset)
      printf("%s %s: %s, %s samples\n", model->tensors[k].data, text_shape(&model->tensors[k], false).text,
             dataset->name, text_count(dataset->count).text);
  }
  printf("everything fits; nothing was trained (--dry-run)\n");
}

static void training_end(Training *training) {
  run_folder_close(training->folder);
  blame_free(training->blame);
  free(training->views);
  engine_close(&training->engine);
  interrupt_end(training->interrupt);
}

int command_train(Trainer *trainer) {
  Problem problem;
  Training training = {.trainer = trainer, .saved_step = -1};
  training.interrupt = interrupt_watch(&problem);
  bool fine = training.interrupt && prepare(&training, &problem);
  if (fine && trainer->options.dry_run) show_dry_run(&training);
  else if (fine) {
    Clock *clock = &training.engine.clock;
    training.first_step = clock->step;
    training.started = training.shown = seconds_now();
    training.blame = blame_new(&training.engine, training.views, training.view_count);
    training.progress =
        progress_start(terminal_width(STDERR_FILENO), clock->step, clock->steps, (double)trainer->model.header->batch);
    fine = train_loop(&training, &problem);
    if (fine) show_end(&training, clock->step < clock->steps ? "stopped and saved" : "done");
  }
  if (!fine && training.progress.width > 0) fputc('\n', stderr); /* behind the progress line */
  if (!fine) report_error(trainer->program, &problem);
  if (training.spoilt && training.blame)
    blame_search(training.blame, training.spoilt_tensor, training.spoilt_round, training.interrupt);
  training_end(&training);
  return fine ? EXIT_FINE : EXIT_FAILED;
}
