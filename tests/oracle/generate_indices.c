/* Random index notation: reads at affine and computed subscripts, reductions under conditions, `y[…] =`, `y[…] +=`,
   functions whose bodies do that. */
#include <string.h>

#include "generate.h"

typedef struct Index {
  const char *name;
  int extent;
  bool bounded;
} Index; /* bounded: said explicitly, so a bare read may be longer */
typedef struct Indices {
  int count;
  Index at[8];
} Indices;

static const Thing *tensor_in(const Things *scope) {
  for (int tries = 0; tries < 8; tries++) {
    const Thing *thing = any_thing(scope);
    if (thing != NULL && thing->shape.rank > 0 && thing->plain) return thing;
  }
  return NULL;
}

static const Index *index_of_extent(const Indices *indices, int extent) {
  for (int tries = 0; tries < 6 && indices->count > 0; tries++) {
    const Index *index = &indices->at[random_below(indices->count)];
    if (index->extent == extent || (index->bounded && index->extent < extent)) return index;
  }
  return NULL;
}

static const char *computed_subscript(const Things *scope, int extent) {
  for (int tries = 0; tries < 4; tries++) {
    const Thing *thing = any_thing(scope);
    if (thing == NULL || !thing->plain || !thing->random) continue;
    if (thing->classes > 0) return thing->text;
    if (thing->shape.rank == 0)
      return one_in(2) ? arena_format("floor(abs(2 * %s))", thing->text)
                       : arena_format("round(%d * sigmoid(%s))", extent, thing->text);
  }
  return NULL;
}

/* A subscript of an axis of so many elements. */
static const char *subscript(const Things *scope, const Indices *indices, int extent) {
  const Index *bare = index_of_extent(indices, extent);
  if (bare != NULL && !one_in(3)) return bare->name;
  if (one_in(7)) {
    const char *computed = computed_subscript(scope, extent);
    if (computed != NULL) return computed;
  }
  if (indices->count == 0 || one_in(6)) return arena_format("%d", random_below(extent));
  const char *i = indices->at[random_below(indices->count)].name, *j = indices->at[random_below(indices->count)].name;
  int c = 1 + random_below(3);
  switch (random_below(12)) {
  case 0: return arena_format("%s + %d", i, c);
  case 1: return arena_format("%s - %d", i, c);
  case 2: return arena_format("%d - %s", extent - 1, i);
  case 3: return arena_format("2*%s + %d", i, random_below(2));
  case 4: return arena_format("%d - 2*%s", extent, i);
  case 5: return arena_format("%s // 2", i);
  case 6: return arena_format("%s %% %d", i, 1 + random_below(extent));
  case 7: return arena_format("%s + %s - %d", i, j, random_below(3));
  case 8: return arena_format("(%s + %d) // 3", i, c);
  case 9: return arena_format("2*%s - %s", i, j);
  case 10: return arena_format("(%s + %s) %% %d", i, j, 1 + random_below(extent));
  default: return arena_format("3*%s - %d", i, c);
  }
}

/* T[…] with all its axes subscripted; `forced`, if it is one of its axes, by that index. */
static const char *read(const Things *scope, const Indices *indices, const Thing *tensor, int forced, const char *by) {
  const char *text = tensor->text;
  for (int d = 0; d < tensor->shape.rank; d++) {
    const char *at = d == forced ? by : subscript(scope, indices, tensor->shape.at[d]);
    text = arena_format("%s%s%s", text, d == 0 ? "[" : ", ", at);
  }
  return arena_format("%s]", text);
}

static const char *element(const Things *scope, const Indices *indices, int depth);

static const char *factor(const Things *scope, const Indices *indices) {
  const Thing *tensor = one_in(5) ? any_thing(scope) : tensor_in(scope);
  if (tensor == NULL || tensor->classes > 0) return any_number();
  if (tensor->shape.rank == 0) return tensor->text;
  const char *text = read(scope, indices, tensor, -1, NULL);
  switch (random_below(12)) {
  case 0: return arena_format("E[%s]", text);
  case 1: return pointwise(text);
  case 2: return arena_format("(%s - %s)", text, any_number());
  default: return text;
  }
}

static const char *brackets_condition(const Things *scope, const Indices *indices, const Index *own) {
  const char *k = own->name;
  const Thing *thing = any_thing(scope);
  switch (random_below(7)) {
  case 0: return arena_format("%s %% 2 == %d", k, random_below(2));
  case 1:
    if (indices->count > 0) return arena_format("%s != %s", k, indices->at[random_below(indices->count)].name);
    return arena_format("%s != 1", k);
  case 2:
    if (indices->count > 0)
      return arena_format("%s %s %s", k, CHOSEN("<=", ">", ">="), indices->at[random_below(indices->count)].name);
    return arena_format("%s > 0", k);
  case 3:
    if (thing != NULL && thing->shape.rank == 0 && thing->classes == 0 && thing->plain)
      return arena_format("%s %s %s", thing->text, CHOSEN("<", ">", "<=", ">="), any_number());
    return arena_format("%s >= 1", k);
  case 4: return arena_format("%s > %d", k, own->extent + random_below(2) - 1); /* over one, or over nothing */
  default:
    if (thing != NULL && thing->shape.rank > 0 && thing->plain) {
      Indices with = *indices;
      if (with.count < 8) with.at[with.count++] = *own;
      return arena_format("%s %s %s", read(scope, &with, thing, -1, NULL), CHOSEN("<", ">"), any_number());
    }
    return arena_format("not (%s == 1)", k);
  }
}

/* sum[k, …] of a product of one to five factors; the first reads k bare, which bounds it. */
static const char *reduction(const Things *scope, const Indices *outer, int depth) {
  const Thing *tensor = tensor_in(scope);
  if (tensor == NULL || outer->count > 5 || maker->budget < 1) return NULL;
  maker->budget--;
  Indices indices = *outer;
  const char *op = CHOSEN("sum", "sum", "sum", "mean", "mean", "max", "min"), *brackets = "", *product = NULL;
  int own = 1 + one_in(3), factors = 1 + random_below(maker->wide ? 3 : 5);
  for (int k = 0; k < own; k++) {
    const Thing *of = k == 0 ? tensor : tensor_in(scope);
    if (of == NULL) break;
    int axis = random_below(of->shape.rank), extent = of->shape.at[axis];
    Index index = {new_name("k"), extent, false};
    const char *item = index.name;
    if (one_in(5) && extent > 1) {
      index.extent = extent - 1;
      index.bounded = true;
      item = arena_format("%s < %d", index.name, extent - 1);
    } else if (one_in(8) && extent > 1) {
      index.bounded = true;
      item = arena_format("%s in %d..%d", index.name, random_below(2), extent - 1);
    }
    indices.at[indices.count++] = index;
    const char *first = read(scope, &indices, of, axis, index.name);
    product = product == NULL ? first : arena_format("%s * %s", product, first);
    brackets = arena_format("%s%s%s", brackets, k > 0 ? ", " : "", item);
  }
  for (int k = 1; k < factors; k++)
    product = arena_format("%s %s %s", product, one_in(9) ? "/ 3 *" : "*", factor(scope, &indices));
  int conditions = one_in(3) ? 1 + one_in(4) : 0;
  for (int k = 0; k < conditions; k++)
    brackets = arena_format("%s, %s", brackets, brackets_condition(scope, outer, &indices.at[outer->count]));
  if (depth > 1 && one_in(5)) product = arena_format("(%s + %s)", product, element(scope, &indices, depth - 2));
  return arena_format("%s%s[%s] %s", one_in(8) ? "-" : "", op, brackets, product);
}

const char *inline_reduction(const Things *scope) {
  const char *text = reduction(scope, &(Indices){0}, 1);
  return text == NULL ? NULL : arena_format("(0.2 * %s)", text);
}

/* The largest of elements of which some are one: equal candidates share the derivative. */
static const char *tied(const Things *scope, const Indices *indices) {
  const Thing *tensor = tensor_in(scope);
  if (tensor == NULL || indices->count > 6) return NULL;
  Indices inner = *indices;
  const char *k = new_name("k");
  inner.at[inner.count++] = (Index){k, 2 * tensor->shape.at[0], true};
  return arena_format("%s[%s < %d] %s", CHOSEN("max", "min"), k, 2 * tensor->shape.at[0],
                      read(scope, &inner, tensor, 0, arena_format("%s // 2", k)));
}

/* One number for every value of the indices. */
static const char *element(const Things *scope, const Indices *indices, int depth) {
  const char *made = NULL;
  if (depth <= 0 || maker->budget < 1) return factor(scope, indices);
  maker->budget--;
  switch (random_below(10)) {
  case 9: made = tied(scope, indices); return made == NULL ? factor(scope, indices) : arena_format("(%s)", made);
  case 0:
  case 1:
  case 2:
    made = reduction(scope, indices, depth - 1);
    return made == NULL ? factor(scope, indices) : arena_format("(%s%s)", CHOSEN("", "0.5 * ", "0.2 * "), made);
  case 3: return arena_format("%s * %s", factor(scope, indices), factor(scope, indices));
  case 4: return arena_format("%s + %s", element(scope, indices, depth - 1), element(scope, indices, depth - 1));
  case 5: return pointwise(element(scope, indices, depth - 1));
  case 6: {
    const char *a = element(scope, indices, depth - 1);
    const char *when = indices->count > 0 && one_in(2) ? arena_format("%s %% 2 == 0", indices->at[0].name)
                                                       : arena_format("%s > %s", factor(scope, indices), any_number());
    return arena_format("(if %s then %s else %s)", when, a, factor(scope, indices));
  }
  case 7: return arena_format("(%s - %s)", element(scope, indices, depth - 1), factor(scope, indices));
  default: return factor(scope, indices);
  }
}

/* `name[i, j] = …`, of a declared shape or of one that the right side gives. */
static const char *index_definition(const Things *scope, const char *name, Shape shape, bool declared) {
  Indices indices = {0};
  const char *left = name;
  for (int d = 0; d < shape.rank; d++) indices.at[indices.count++] = (Index){new_name("i"), shape.at[d], !declared};
  const char *right = element(scope, &indices, 3);
  for (int d = 0; d < shape.rank; d++)
    left = arena_format("%s%s%s%s", left, d == 0 ? "[" : ", ", indices.at[d].name,
                        declared ? "" : arena_format(" < %d", shape.at[d]));
  return arena_format("%s] = %s\n", left, right);
}

static const char *left_subscript(const Indices *indices, const Things *scope, int extent) {
  const char *i = indices->at[random_below(indices->count)].name, *j = indices->at[random_below(indices->count)].name;
  switch (random_below(9)) {
  case 0:
  case 1: return i;
  case 2: return arena_format("2*%s + %s - 1", i, j);
  case 3: return arena_format("%s + %s - 1", i, j);
  case 4: return arena_format("%s // 2", i);
  case 5: return arena_format("%d - %s", extent - 1, i);
  case 6: return arena_format("%s %% %d", i, extent);
  case 7: {
    const char *computed = computed_subscript(scope, extent);
    if (computed != NULL) return computed;
    return arena_format("%d", random_below(extent));
  }
  default: return arena_format("2*%s", i);
  }
}

/* An index that runs over a part of its axis. */
static const char *cut_short(const Indices *indices) {
  const Index *index = &indices->at[random_below(indices->count)];
  int last = random_below(index->extent);
  if (one_in(2)) return arena_format("%s < %d", index->name, last + 1);
  return arena_format("%s in %d..%d", index->name, random_below(last + 1), last);
}

/* `name[f(i)] += …`: every index is read bare on the right, on some axis. */
static const char *scatter(const Things *scope, const char *name, Shape shape) {
  const Thing *first = tensor_in(scope), *second = one_in(2) ? tensor_in(scope) : NULL;
  if (first == NULL) return NULL;
  Indices indices = {0};
  const char *right = NULL, *left = name;
  const Thing *both[2] = {first, second};
  for (int t = 0; t < 2 && both[t] != NULL && indices.count < 5; t++) {
    const char *text = both[t]->text;
    for (int d = 0; d < both[t]->shape.rank; d++) {
      const Index *known = t > 0 && one_in(3) ? index_of_extent(&indices, both[t]->shape.at[d]) : NULL;
      if (known == NULL) {
        indices.at[indices.count] = (Index){new_name("i"), both[t]->shape.at[d], false};
        known = &indices.at[indices.count++];
      }
      text = arena_format("%s%s%s", text, d == 0 ? "[" : ", ", known->name);
    }
    right = right == NULL ? arena_format("%s]", text) : arena_format("%s * %s]", right, text);
  }
  if (one_in(3)) right = arena_format("%s * %s", right, factor(scope, &indices));
  for (int d = 0; d < shape.rank; d++)
    left = arena_format("%s%s%s", left, d == 0 ? "[" : ", ",
                        d == 0 && one_in(6) ? cut_short(&indices) : left_subscript(&indices, scope, shape.at[d]));
  return arena_format("%s] += %s\n", left, right);
}

/* A call of a function that differentiates by a row of a tensor, and by nothing else of the tensor, which it reads
   too. */
static const char *steep(const Thing *row, Shape shape, const Thing *tensor) {
  const char *name = new_name("f"), *p = new_name("p"), *q = new_name("p"), *inner = pointwise(p);
  while (strstr(inner, "constant") != NULL) inner = pointwise(p);
  const char *factor = one_in(2)   ? arena_format("(1 + mean(%s))", q)
                       : one_in(2) ? arena_format("%s * max(%s)", p, q)
                                   : any_number();
  define(arena_format("fn %s(%s: %s, %s: %s) = grad(sum(%s * %s), %s)\n", name, p, shape_text(shape), q,
                      shape_text(tensor->shape), inner, factor, p));
  return arena_format("%s(%s, %s)", name, row->text, tensor->text);
}

/* `name[i] = e`, e of the shape without its first axis: whole axes, functions per index. */
static const char *per_index(const Things *scope, const char *name, Shape shape) {
  Shape inner = {.rank = shape.rank - 1};
  const char *i = new_name("i");
  Things rows = {0};
  const Thing *tensors[THING_LIMIT]; /* of which each is a row */
  for (int d = 0; d < inner.rank; d++) inner.at[d] = shape.at[d + 1];
  for (int k = 0; k < scope->count; k++) {
    const Thing *thing = &scope->at[k];
    if (thing->shape.rank < 1 || thing->shape.at[0] != shape.at[0] || !thing->plain || rows.count > 20) continue;
    Shape row = {.rank = thing->shape.rank - 1};
    for (int d = 0; d < row.rank; d++) row.at[d] = thing->shape.at[d + 1];
    add_thing(&rows, arena_format("%s[%s]", thing->text, i), row, thing->random, 0);
    rows.at[rows.count - 1].plain = false;
    tensors[rows.count - 1] = thing;
  }
  if (rows.count == 0) return NULL;
  int own = rows.count;
  const Thing *whole = thing_of_shape(scope, inner);
  if (whole != NULL)
    add_thing(&rows, whole->text, inner, whole->random, whole->classes), rows.at[rows.count - 1].plain = false;
  bool random;
  const char *right = NULL;
  const Thing *row = thing_of_shape(&rows, inner);
  bool is_row = row != NULL && row->random && row - rows.at < own;
  if (is_row && one_in(2))
    right = steep(row, inner, tensors[row - rows.at]); /* a gradient for every value of the index */
  if (right == NULL)
    right = one_in(2) && maker->functions > 0 ? function_of(&rows, inner, &random) : expression(&rows, inner, 2);
  return arena_format("%s[%s] = %s\n", name, i, right);
}

/* Does the text mention a name that is random? What mentions none may be static. */
static bool mentions_random(const Things *scope, const char *text) {
  for (int k = 0; k < scope->count; k++) {
    const Thing *thing = &scope->at[k];
    if (!thing->random) continue;
    size_t length = strlen(thing->text);
    for (const char *at = strstr(text, thing->text); at != NULL; at = strstr(at + 1, thing->text))
      if ((at == text || strchr("([ -", at[-1]) != NULL) && strchr(")[], .*", at[length]) != NULL) return true;
  }
  return false;
}

/* A name for a shifted part of a tensor, all of whose axes are indices: what lies behind its ends is not its own. */
static const char *view(Things *scope) {
  const Thing *tensor = tensor_in(scope);
  if (tensor == NULL || tensor->shape.at[0] < 3) return "";
  const char *name = new_name("h"), *left = name, *right = tensor->text;
  Shape shape = tensor->shape;
  int more = 1 + random_below(2), from = random_below(more + 1);
  shape.at[0] -= more;
  if (one_in(3)) {
    const char *text = arena_format("%s = %s[%d..%d]\n", name, tensor->text, from, from + shape.at[0] - 1);
    add_thing(scope, name, shape, tensor->random, 0);
    return text;
  }
  for (int d = 0; d < shape.rank; d++) {
    const char *i = new_name("i");
    left = arena_format("%s%s%s < %d", left, d == 0 ? "[" : ", ", i, shape.at[d]);
    right =
        arena_format("%s%s%s%s", right, d == 0 ? "[" : ", ", i, d == 0 && from > 0 ? arena_format(" + %d", from) : "");
  }
  const char *text = arena_format("%s] = %s]\n", left, right);
  add_thing(scope, name, shape, tensor->random, 0);
  return text;
}

const char *statements_for(Things *scope, const char *result, Shape shape) {
  const char *text = "";
  for (int k = random_below(3); k > 0 && scope->count < THING_LIMIT - 4; k--)
    text = arena_format("%s%s", text, view(scope));
  for (int k = random_below(3); k > 0 && scope->count < THING_LIMIT - 2; k--) { /* values on the way */
    Shape inner = any_shape(2);
    const char *name = new_name("h"), *made = NULL;
    if (inner.rank > 0 && !one_in(3)) made = index_definition(scope, name, inner, false);
    else made = arena_format("%s = %s\n", name, expression(scope, inner, 2));
    text = arena_format("%s%s", text, made);
    add_thing(scope, name, inner, mentions_random(scope, made), 0);
    if (inner.rank > 0 && one_in(4)) {
      made = scatter(scope, name, inner);
      if (made != NULL) text = arena_format("%s%s", text, made);
    }
  }
  const char *made = NULL;
  if (shape.rank == 0)
    made =
        arena_format("%s = %s\n", result, one_in(2) ? element(scope, &(Indices){0}, 3) : expression(scope, shape, 3));
  else switch (random_below(8)) {
    case 0:
    case 1: made = scatter(scope, result, shape); break;
    case 2: made = per_index(scope, result, shape); break;
    case 3: made = arena_format("%s = %s\n", result, expression(scope, shape, 3)); break;
    case 4: {
      const char *more = scatter(scope, result, shape);
      made = index_definition(scope, result, shape, true);
      if (more != NULL) made = arena_format("%s%s", made, more);
      break;
    }
    default: break;
    }
  if (made == NULL) made = index_definition(scope, result, shape, true);
  return arena_format("%s%s", text, made);
}

const char *function_of(const Things *scope, Shape shape, bool *random) {
  const char *name = new_name("f"), *parameters = "", *arguments = "", *result = new_name("y");
  Things own = {0};
  int count = 1 + random_below(3);
  maker->functions--;
  *random = false;
  for (int k = 0; k < count; k++) {
    const Thing *thing = any_thing(scope);
    const char *parameter = new_name("p"), *type;
    if (thing->classes > 0) type = arena_format("class[%d]", thing->classes);
    else if (one_in(3) && thing->shape.rank > 0) { /* sizes by name */ type = "[";
      for (int d = 0; d < thing->shape.rank; d++) type = arena_format("%s%s%s", type, d > 0 ? ", " : "", new_name("n"));
      type = arena_format("%s]", type);
    } else type = shape_text(thing->shape);
    parameters = arena_format("%s%s%s: %s", parameters, k > 0 ? ", " : "", parameter, type);
    arguments = arena_format("%s%s%s", arguments, k > 0 ? ", " : "", thing->text);
    add_thing(&own, parameter, thing->shape, thing->random, thing->classes);
    *random |= thing->random;
  }
  const char *body = statements_for(&own, result, shape);
  define(arena_format("fn %s(%s) -> %s: %s {\n%s}\n", name, parameters, result, shape_text(shape), body));
  return arena_format("%s(%s)", name, arguments);
}
