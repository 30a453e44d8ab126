/* The command `sample`. Takes trained weights and the name of a random output; leaves a picture or an array. Never
   changes a run. */
#include "runtime/runtime.h"

#include <stdlib.h>

enum { SAMPLE_COUNT = 64 };

int command_sample(Trainer *trainer) {
  Problem problem;
  const Options *options = &trainer->options;
  if (!options->file) {
    problem_set(&problem, "sample expects -o F.png or -o F.npy");
    report_error(trainer->program, &problem);
    return EXIT_USAGE;
  }
  Engine engine = {0};
  float *samples = NULL;
  int64_t output = trainer_output(trainer, &problem), count = options->count ? options->count : SAMPLE_COUNT;
  bool fine = output >= 0 && engine_open_trained(&engine, trainer, trainer->model.outputs[output].routine, &problem);
  if (fine) samples = engine_samples(&engine, output, count, &problem);
  if (samples && !samples_are_finite(&engine, output, samples, count, &problem))
    report_note(trainer->program, "%s", problem.text);
  fine = samples && samples_write(&trainer->model, output, samples, count, options->file, &problem);
  if (fine)
    printf("%s: %s samples of %s, by %s\n", options->file, text_count(count).text, trainer->model.outputs[output].name,
           engine.weights);
  else report_error(trainer->program, &problem);
  free(samples);
  engine_close(&engine);
  return fine ? EXIT_FINE : EXIT_FAILED;
}
