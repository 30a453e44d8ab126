/* Makes a failing model small: tries, again and again, to leave a statement out or to put a part of an expression in
   place of the whole, as long as the model fails in the same way. Every try runs in a process of its own, whose memory
   goes with it. */
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "oracle.h"

enum { TRIES = 1500 };

typedef struct Reducer {
  const Setup *setup;
  const Plan *plan;
  Tree *file;
  Trial like;
  int tries;
} Reducer;

/* What a report says first; numbers and names change as a model shrinks. */
static bool fails_alike(const Trial *trial, const Trial *like) {
  if (trial->verdict != like->verdict || trial->reason != like->reason) return false;
  const char *code = strstr(like->report, "[E"), *now = strstr(trial->report, "[E");
  return code == NULL || (now != NULL && strncmp(code, now, 6) == 0);
}

static bool still_fails(Reducer *reducer) {
  if (reducer->tries++ >= TRIES) return false;
  pid_t child = fork();
  if (child < 0) perror("fork"), exit(3);
  if (child == 0) {
    Trial trial = try_model(reducer->setup, reducer->plan, reducer->file);
    _exit(fails_alike(&trial, &reducer->like) ? 42 : 0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 42;
}

static bool try_in_place(Reducer *reducer, Tree **place, Tree *instead) {
  Tree *before = *place;
  *place = instead;
  if (still_fails(reducer)) return true;
  *place = before;
  return false;
}

/* Leaves out children of a list, the last one first: halves, then one by one. */
static bool leave_out(Reducer *reducer, Tree *list) {
  bool smaller = false;
  for (int width = list->count; width >= 1; width /= 2)
    for (int from = list->count - width; from >= 0; from -= width) {
      int count = list->count;
      Tree **items = arena_allocate((size_t)(count + 1) * sizeof *items);
      memcpy(items, list->items, (size_t)count * sizeof *items);
      memmove(list->items + from, list->items + from + width, (size_t)(count - from - width) * sizeof *items);
      list->count -= width;
      if (still_fails(reducer)) {
        smaller = true;
        continue;
      }
      list->count = count;
      memcpy(list->items, items, (size_t)count * sizeof *items);
    }
  return smaller;
}

static bool is_expression(const Tree *tree) {
  return tree != NULL && tree->kind <= T_TUPLE && tree->kind != T_NAMED && tree->kind != T_TURN;
}

static bool shrink(Reducer *reducer, Tree **place) {
  Tree *tree = *place;
  bool smaller = false;
  if (tree == NULL || reducer->tries >= TRIES) return false;
  if (tree->kind == T_BLOCK) smaller |= leave_out(reducer, tree);
  if (is_expression(tree) && tree->count > 0) {
    if (try_in_place(reducer, place, tree_number(1))) return true;
    for (int k = 0; k < tree->count; k++)
      if (is_expression(tree->items[k]) && try_in_place(reducer, place, tree->items[k])) return true;
  }
  if (tree->kind == S_DRAW || tree->kind == S_REPEAT || tree->kind == S_EVERY) {
    Tree *inner = tree->items[tree->count - 1];
    if (inner->count == 1 && try_in_place(reducer, place, inner->items[0])) return true;
  }
  for (int k = 0; k < tree->count; k++) smaller |= shrink(reducer, &tree->items[k]);
  return smaller;
}

Tree *reduce_model(const Setup *setup, const Plan *plan, const Tree *file, const Trial *trial) {
  Reducer reducer = {setup, plan, tree_copy(file), *trial, 0};
  while (shrink(&reducer, &reducer.file) && reducer.tries < TRIES) continue;
  return reducer.file;
}
