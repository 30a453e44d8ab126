/* compare_weights START EXPECTED FOUND TENSOR_LIMIT PLAYER_LIMIT: do two checkpoints agree, measured against what
   moved? For every tensor of EXPECTED: |found - expected| / |expected - start|, norm-wise; a tensor that START lacks
   (an optimizer's state) started at 0. The same over all weights of a player (the name up to the first dot), which are
   what EXPECTED has optimizer states of. Where a weight does not move, it and its optimizer states must agree to 1e-6
   absolute. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/io.h"

enum { PLAYER_COUNT = 16, NAME_SIZE = 256 };

static const double still = 1e-9, still_limit = 1e-6;

typedef struct Distance {
  double error, moved;
} Distance; /* squares */
typedef struct Player {
  char name[NAME_SIZE];
  Distance sum;
} Player;

/* The tensor's numbers on the heap; zeros if the file lacks it and `may_lack`. */
static double *numbers_read(SafeTensors *file, const char *name, int64_t size, bool may_lack) {
  double *numbers = calloc((size_t)size, sizeof *numbers);
  const StoredTensor *tensor = safetensors_find(file, name);
  Problem problem = {""};
  TensorView view = {.name = name, .type = STORAGE_F64, .rank = 1, .shape = {size}, .stride = {1}, .data = numbers};
  if (!numbers || (!tensor && may_lack)) return numbers;
  if (tensor) {
    view.rank = tensor->rank;
    for (int64_t axis = tensor->rank - 1, stride = 1; axis >= 0; stride *= view.shape[axis--]) {
      view.shape[axis] = tensor->shape[axis];
      view.stride[axis] = stride;
    }
    if (safetensors_read(file, tensor, &view, &problem)) return numbers;
  }
  fprintf(stderr, "%s: %s\n", name, tensor ? problem.text : "not in the checkpoint");
  free(numbers);
  return NULL;
}

static int64_t stored_size(const StoredTensor *tensor) {
  int64_t size = 1;
  for (int64_t axis = 0; axis < tensor->rank; axis++) size *= tensor->shape[axis];
  return size;
}

static bool distance_measure(SafeTensors *const files[3], const char *name, Distance *distance) {
  int64_t size = stored_size(safetensors_find(files[1], name));
  double *start = numbers_read(files[0], name, size, strchr(name, '/') != NULL),
         *expected = numbers_read(files[1], name, size, false);
  double *found = numbers_read(files[2], name, size, false);
  bool fine = start && expected && found;
  *distance = (Distance){0, 0};
  for (int64_t at = 0; fine && at < size; at++) {
    distance->error += (found[at] - expected[at]) * (found[at] - expected[at]);
    distance->moved += (expected[at] - start[at]) * (expected[at] - start[at]);
  }
  free(start);
  free(expected);
  free(found);
  return fine;
}

static void player_add(Player *players, const char *name, Distance distance) {
  size_t length = strcspn(name, ".");
  Player *player = players;
  while (player->name[0] && (strlen(player->name) != length || strncmp(player->name, name, length) != 0)) player++;
  snprintf(player->name, sizeof player->name, "%.*s", (int)length, name);
  player->sum.error += distance.error;
  player->sum.moved += distance.moved;
}

/* NaN is never within. */
static bool distance_within(const char *name, Distance distance, bool is_still, double limit) {
  double ratio = is_still ? sqrt(distance.error) : sqrt(distance.error / distance.moved);
  bool fine = ratio <= (is_still ? still_limit : limit);
  printf("%s %-32s %.2e%s\n", fine ? "  " : "NO", name, ratio, is_still ? " (does not move)" : "");
  return fine;
}

int main(int count, char **arguments) {
  if (count != 6) {
    fputs("usage: compare_weights START EXPECTED FOUND TENSOR_LIMIT PLAYER_LIMIT\n", stderr);
    return 2;
  }
  SafeTensors *files[3];
  for (int at = 0; at < 3; at++) {
    Problem problem = {""};
    files[at] = safetensors_open(arguments[1 + at], &problem);
    if (!files[at]) {
      fprintf(stderr, "%s\n", problem.text);
      return 2;
    }
  }
  double limit = strtod(arguments[4], NULL), player_limit = strtod(arguments[5], NULL);
  Player players[PLAYER_COUNT] = {0};
  bool fine = true;
  char last[NAME_SIZE] = "";
  for (size_t at = 0; at < safetensors_count(files[1]); at++) {
    const char *name = safetensors_tensor(files[1], at)->name;
    char weight[NAME_SIZE];
    Distance distance, of_weight;
    snprintf(weight, sizeof weight, "%.*s", (int)strcspn(name, "/"), name);
    if (!distance_measure(files, name, &distance) || !distance_measure(files, weight, &of_weight)) return 1;
    bool is_still = sqrt(of_weight.moved) < still;
    fine = distance_within(name, distance, is_still, limit) && fine;
    if (!is_still && strchr(name, '/') && strcmp(weight, last)) player_add(players, weight, of_weight);
    snprintf(last, sizeof last, "%s", strchr(name, '/') ? weight : "");
  }
  for (const Player *player = players; player->name[0]; player++)
    fine = distance_within(player->name, player->sum, false, player_limit) && fine;
  for (int at = 0; at < 3; at++) safetensors_close(files[at]);
  return fine ? 0 : 1;
}
