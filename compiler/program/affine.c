/* Affine expressions of loop variables. Takes and returns them by value, terms sorted by variable and never 0;
   allocates nothing. */
#include "program.h"

#include <stdlib.h>

Affine affine_constant(int64_t value) { return (Affine){.constant = value}; }

static void add_term(Affine *sum, int variable, int64_t coefficient) {
  if (coefficient == 0) return;
  if (sum->term_count == TERM_LIMIT) internal_error(HERE, "an address of more loops than any schedule makes");
  sum->terms[sum->term_count++] = (AffineTerm){variable, coefficient};
}

Affine affine_variable(int variable, int64_t coefficient) {
  Affine result = {0};
  add_term(&result, variable, coefficient);
  return result;
}

Affine affine_add(Affine a, Affine b) {
  Affine sum = {.constant = a.constant + b.constant};
  int i = 0, j = 0;
  while (i < a.term_count || j < b.term_count) {
    bool from_a = j == b.term_count || (i < a.term_count && a.terms[i].variable <= b.terms[j].variable);
    bool from_b = i == a.term_count || (j < b.term_count && b.terms[j].variable <= a.terms[i].variable);
    int variable = from_a ? a.terms[i].variable : b.terms[j].variable;
    add_term(&sum, variable, (from_a ? a.terms[i].coefficient : 0) + (from_b ? b.terms[j].coefficient : 0));
    i += from_a;
    j += from_b;
  }
  return sum;
}

Affine affine_scale(Affine a, int64_t factor) {
  Affine result = {.constant = a.constant * factor};
  for (int i = 0; i < a.term_count; i++) add_term(&result, a.terms[i].variable, a.terms[i].coefficient * factor);
  return result;
}

int64_t affine_coefficient(Affine affine, int variable) {
  for (int t = 0; t < affine.term_count; t++)
    if (affine.terms[t].variable == variable) return affine.terms[t].coefficient;
  return 0;
}

bool affine_equal(Affine a, Affine b) {
  if (a.constant != b.constant || a.term_count != b.term_count) return false;
  for (int t = 0; t < a.term_count; t++)
    if (a.terms[t].variable != b.terms[t].variable || a.terms[t].coefficient != b.terms[t].coefficient) return false;
  return true;
}
