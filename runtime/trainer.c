/* A trainer's front door. Takes arguments, descriptor and kernels; checks the processor before anything else, reads the
   model and the options, and runs one command. Returns the exit status: 0 fine, 1 the run failed, 2 wrong usage, 70 an
   internal error. */
#include "runtime/runtime.h"

static int (*const commands[COMMAND_COUNT])(Trainer *) = {
#define COMMAND(NAME, name, help) command_##name,
#include "runtime/commands.def"
#undef COMMAND
};

static bool processor_fits(const Descriptor *model, Problem *problem) {
  char missing[64];
  if (processor_has(model->header->features, missing, sizeof missing)) return true;
  return problem_set(problem,
                     "this trainer was compiled for %s and needs %s, which this processor or system does not have; "
                     "build it here: ganc build %s --march native",
                     model->header->target, missing, model->header->file);
}

static void print_version(const Descriptor *model) {
  printf("%s (%s, %s) for %s, compiled by ganc %s\n", model->header->name, model->header->file, model->header->real,
         model->header->target, model->header->build);
}

int trainer_main(int count, char **arguments, const uint8_t *descriptor, uint64_t descriptor_size,
                 const Kernel *kernels) {
  Problem problem;
  Trainer trainer = {.program = count > 0 ? arguments[0] : "trainer", .kernels = kernels};
  if (!process_begin(&problem)) {
    report_error(trainer.program, &problem);
    return EXIT_FAILED;
  }
  if (!descriptor_read(&trainer.model, descriptor, descriptor_size, &problem)) {
    report_error(trainer.program, &problem);
    return EXIT_INTERNAL;
  }
  int status = EXIT_USAGE;
  bool talk = false;
  if (!processor_fits(&trainer.model, &problem)) {
    report_error(trainer.program, &problem);
    status = EXIT_FAILED;
  } else if (options_read(&trainer.options, count, arguments, trainer.program)) {
    if (trainer.options.help || trainer.options.version) {
      if (trainer.options.help) options_help(&trainer.options, trainer.program, &trainer.model);
      else print_version(&trainer.model);
      status = EXIT_FINE;
    } else if (!options_fit_model(&trainer.options, &trainer.model, &problem)) {
      report_error(trainer.program, &problem);
    } else {
      talk = trainer.options.command == COMMAND_TRAIN && !trainer.options.dry_run;
      status = commands[trainer.options.command](&trainer);
    }
  }
  descriptor_free(&trainer.model);
  return process_end(trainer.program, status, talk);
}
