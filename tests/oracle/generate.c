/* Random models. A model has data, noise, states, functions, perhaps players; what it computes ends in states, weights,
   objectives and outputs. */
#include <string.h>

#include "generate.h"

Maker *maker;

/* ---- small choices ----------------------------------------------------------------------------------------------- */

const char *new_name(const char *stem) { return arena_format("%s%d", stem, ++maker->next); }

void define(const char *text) { maker->definitions = arena_format("%s%s", maker->definitions, text); }

void add_thing(Things *things, const char *text, Shape shape, bool random, int classes) {
  if (things->count < THING_LIMIT) things->at[things->count++] = (Thing){text, shape, random, classes, true};
}

const Thing *any_thing(const Things *things) {
  return things->count == 0 ? NULL : &things->at[random_below(things->count)];
}

const Thing *thing_of_shape(const Things *things, Shape shape) {
  const Thing *found = NULL;
  int seen = 0;
  for (int k = 0; k < things->count; k++)
    if (things->at[k].classes == 0 && shape_equal(things->at[k].shape, shape) && one_in(++seen)) found = &things->at[k];
  return found;
}

int any_size(void) { return maker->sizes[random_below(4)]; }

Shape any_shape(int rank_limit) {
  Shape shape = {.rank = random_below(rank_limit + 1)};
  for (int d = 0; d < shape.rank; d++) shape.at[d] = any_size();
  while (shape.rank > 1 && shape_size(shape) > (maker->wide ? 300 : 60)) shape.rank--;
  return shape;
}

const char *shape_text(Shape shape) {
  const char *text = "[";
  for (int d = 0; d < shape.rank; d++) text = arena_format("%s%s%d", text, d > 0 ? ", " : "", shape.at[d]);
  return arena_format("%s]", text);
}

const char *any_number(void) { return CHOSEN("0.5", "1", "-0.3", "2", "0.7", "0.25", "-1", "1.5", "0.1", "rate"); }

const char *chosen(int count, const char *const *from) { return from[random_below(count)]; }

static void choose_sizes(void) {
  static const int small[] = {1, 2, 2, 3, 3, 4, 5, 7}, wide[] = {1, 3, 8, 16, 17, 20, 33, 40};
  for (int k = 0; k < 4; k++) maker->sizes[k] = maker->wide && k < 2 ? wide[random_below(8)] : small[random_below(8)];
  if (one_in(3)) maker->sizes[1] = maker->sizes[0]; /* coincide on purpose */
}

/* ---- a file ------------------------------------------------------------------------------------------------------ */

typedef struct Draft {
  const char *head, *players, *train, *outputs;
  Things scope;
  Shape x, z;
  bool has_players, trunk;
  bool is_image;      /* x is [channels, extents…], and networks are convolutions */
  bool is_affordable; /* a penalty on derivatives of D */
} Draft;

static void put(const char **text, const char *line) { *text = arena_format("%s%s\n", *text, line); }

static void variables(Draft *draft) {
  put(&draft->head, "rate = 0.4");
  add_thing(&draft->scope, "rate", (Shape){0}, false, 0);
  draft->x = draft->is_image ? image_shape() : any_shape(3);
  put(&draft->head, arena_format("data x: %s", shape_text(draft->x)));
  add_thing(&draft->scope, "x", draft->x, true, 0);
  if (one_in(3)) {
    Shape shape = one_in(2) ? draft->x : any_shape(2);
    put(&draft->head, arena_format("data t: %s", shape_text(shape)));
    add_thing(&draft->scope, "t", shape, true, 0);
  }
  draft->z = (Shape){1, {any_size()}};
  put(&draft->head,
      arena_format("noise z: %s ~ %s", shape_text(draft->z), CHOSEN("normal", "normal(0.1, 0.6)", "uniform(-1, 1)")));
  add_thing(&draft->scope, "z", draft->z, true, 0);
  if (one_in(2)) {
    put(&draft->head, arena_format("noise u ~ %s", CHOSEN("uniform", "uniform(0.5, 1)", "normal")));
    add_thing(&draft->scope, "u", (Shape){0}, true, 0);
  }
  if (one_in(3)) {
    int classes = 2 + random_below(4);
    put(&draft->head,
        arena_format("noise c: class[%d] ~ %s", classes, CHOSEN("uniform", "uniform", "uniform(0.2, 0.9)")));
    add_thing(&draft->scope, "c", (Shape){0}, true, classes);
    if (one_in(2)) {
      put(&draft->head, "hot = onehot(c)");
      add_thing(&draft->scope, "hot", (Shape){1, {classes}}, true, 0);
    }
  }
}

/* States of the file, and names that stand for expressions. */
static void states_and_names(Draft *draft) {
  int states = 1 + random_below(2);
  for (int k = 0; k < states; k++) {
    const char *name = arena_format("s%d", maker->next + 1);
    Shape shape = any_shape(2);
    new_name("s");
    put(&draft->head, shape.rank == 0 ? arena_format("state %s = %s", name, any_number())
                                      : arena_format("state %s: %s = %s", name, shape_text(shape), any_number()));
    add_thing(&draft->scope, name, shape, false, 0);
  }
  for (int k = random_below(3); k > 0; k--) {
    const char *name = new_name("d");
    Shape shape = any_shape(2);
    const char *right = expression(&draft->scope, shape, 3);
    if (one_in(6)) {
      const Thing *alias = thing_of_shape(&draft->scope, shape);
      if (alias != NULL && strcmp(alias->text, "rate") != 0) right = alias->text;
    }
    put(&draft->head, arena_format("%s = %s", name, right));
    add_thing(&draft->scope, name, shape, true, 0);
  }
}

static const char *moved_state(const Draft *draft, int depth) {
  const Thing *state = NULL;
  for (int tries = 0; tries < 20 && state == NULL; tries++) {
    const Thing *thing = &draft->scope.at[random_below(draft->scope.count)];
    if (thing->text[0] == 's' && thing->text[1] >= '0' && thing->text[1] <= '9') state = thing;
  }
  if (state == NULL) return "";
  const char *value = arena_format("E[%s]", expression(&draft->scope, state->shape, depth));
  if (one_in(5) && maker->functions > 0) { /* by states alone, its own elements among them */
    Things states = {0};
    bool random;
    for (int k = 0; k < draft->scope.count; k++)
      if (strcmp(draft->scope.at[k].text, "rate") != 0 && !draft->scope.at[k].random)
        states.at[states.count++] = draft->scope.at[k];
    return arena_format("%s <- %s\n", state->text, function_of(&states, state->shape, &random));
  }
  if (one_in(3)) value = arena_format("lerp(%s, %s, 0.3)", state->text, value);
  return arena_format("%s <- %s\n", state->text, value);
}

/* ---- players ----------------------------------------------------------------------------------------------------- */

static const char *optimizer(void) {
  switch (random_below(10)) {
  case 0: return "sgd(lr = 0.1, momentum = 0.5)";
  case 1: return "rmsprop(lr = 0.02, eps = 1e-3)";
  case 2: return "adam(lr = 0.05, beta1 = 0.5, eps = 1e-3)";
  case 3: return "clipped(0.5, sgd(0.1))";
  case 4: return "sgd(0.1 / (1 + step))";
  case 5: {
    const char *name = new_name("opt");
    define(arena_format("layer %s(lr, beta = 0.9)(w: [...s], g: [...s]) -> [...s] {\nstate m: [...s] = 0\ndirection = "
                        "tanh(lerp(g, m, beta))\nm <- lerp(g, m, beta)\nw - lr * direction\n}\n",
                        name));
    return arena_format("%s(lr = 0.05)", name);
  }
  case 6: {
    const char *name = new_name("opt");
    define(arena_format("layer %s(lr)(w: [...s], g: [...s], all) -> [...s] {\nstate n = 0\nn <- n + 1\nw - lr * g / (1 "
                        "+ norm(all)) / n\n}\n",
                        name));
    return arena_format("%s(0.2)", name);
  }
  default: return "sgd(0.1)";
  }
}

/* Gives the batch that such networks leave room for. */
static int networks_of_convolutions(Draft *draft) {
  Work of_g, of_d;
  const char *to_image = convolutions_to_image("z", draft->z, draft->x, &of_g);
  const char *to_number = convolutions_to_number("x", draft->x, &of_d);
  put(&draft->players,
      arena_format("network G(z: %s) -> %s {\n%s}", shape_text(draft->z), shape_text(draft->x), to_image));
  put(&draft->players, arena_format("network D(x: %s) -> [] {\n%s}", shape_text(draft->x), to_number));
  int least = strstr(to_image, "Batch") != NULL ? 2 : 1; /* that can be normalised over */
  return batch_of_convolutions(of_g, of_d, shape_size(draft->x), least, &draft->is_affordable);
}

static void networks(Draft *draft) {
  bool noisy = one_in(3);
  const char *to_image = network_body("z", draft->z, draft->x, noisy), *to_number;
  put(&draft->players,
      arena_format("network G(z: %s) -> %s {\n%s}", shape_text(draft->z), shape_text(draft->x), to_image));
  draft->trunk = one_in(5);
  Shape seen = draft->x;
  if (draft->trunk) {
    seen = (Shape){1, {any_size()}};
    put(&draft->players, arena_format("network Trunk(x: %s) -> %s {\n%s}", shape_text(draft->x), shape_text(seen),
                                      network_body("x", draft->x, seen, noisy)));
    to_number = network_body("v", seen, (Shape){0}, noisy);
    put(&draft->players,
        arena_format("network D(x: %s) -> [] {\nv = x |> Trunk |> tanh\n%s}", shape_text(draft->x), to_number));
    put(&draft->players, arena_format("network Q(x: %s) -> %s = x |> Trunk |> %s", shape_text(draft->x),
                                      shape_text(draft->z), arena_format("Linear(%d)", draft->z.at[0])));
  } else
    put(&draft->players, arena_format("network D(x: %s) -> [] {\n%s}", shape_text(draft->x),
                                      network_body("x", draft->x, (Shape){0}, noisy)));
}

/* Penalties of the second order come first. */
static const char *penalty(const Draft *draft) {
  int way = random_below(9);
  if (draft->is_image) way = draft->is_affordable ? random_below(5) : 5 + random_below(3);
  switch (way) {
  case 0: return "0.1 * E[slope(D, x)]";
  case 1: return "0.1 * E[gradient_penalty(D, x, G(z))]";
  case 2: return "0.1 * E[sumsq(grad(D(G(z)), z))]";
  case 3: return "0.01 * sum([sumsq(g) for g in grad(E[D(x)], D)])";
  case 4: return "0.05 * sum([sumsq(w) for w in D if rank(w) > 1])";
  case 5: return "0.1 * E[D(fresh G(z))^2]";
  case 6: return "0 * E[D(x)]";
  case 7: return "0.1 * norm(E[D(x) * x])";
  default: return arena_format("0.1 * E[D(x) * (%s)]", expression(&draft->scope, (Shape){0}, 2));
  }
}

static void objectives(Draft *draft) {
  const char *real = CHOSEN("softplus(-D(x))", "(D(x) - 1)^2", "-D(x)", "hinge_real(D(x))", "-log(sigmoid(D(x)))");
  const char *fake =
      CHOSEN("softplus(D(G(z)))", "D(G(z))^2", "D(G(z))", "hinge_fake(D(G(z)))", "-log(1 - sigmoid(D(G(z))))");
  const char *more = one_in(2) ? arena_format(" + %s", penalty(draft)) : "";
  bool maximizes = one_in(4);
  if (maximizes) put(&draft->players, arena_format("D maximizes -(E[%s] + E[%s]%s)", real, fake, more));
  else put(&draft->players, arena_format("D minimizes E[%s] + E[%s]%s", real, fake, more));
  if (one_in(3)) put(&draft->players, arena_format("r1: D minimizes %s + E[D(x)^2] / 9", penalty(draft)));
  else put(&draft->players, "r1: D minimizes E[D(x)^2] / 9");
  const char *generator = CHOSEN("softplus(-D(G(z)))", "(D(G(z)) - 1)^2", "-D(G(z))");
  put(&draft->players, arena_format("G minimizes E[%s]%s", generator, one_in(3) ? " + 0.1 * E[mean(G(z)^2)]" : ""));
  if (draft->trunk) put(&draft->players, "info: D, Q, G minimize E[l2(Q(G(z)), z)]");
}

static const char *update_statement(const Draft *draft, bool inside) {
  switch (random_below(inside ? 5 : 9)) {
  case 0: return "update D by r1\n";
  case 1: return "update G\n";
  case 2: return draft->trunk ? "update D, Q by info\n" : "update D, G\n";
  case 3: return draft->trunk ? "update G, Q by info\n" : "update D\n";
  case 4: return "update D\n";
  case 5:
    return arena_format("draw {\n%sa%d = E[D(x)]\n%s%s}\n", update_statement(draft, true), ++maker->next,
                        update_statement(draft, true), one_in(2) ? moved_state(draft, 2) : "");
  case 6:
    return arena_format("repeat %s { %s}\n", CHOSEN("2", "1 + step", "if step < 1 then 2 else 1"),
                        update_statement(draft, true));
  case 7: return arena_format("every %d { %s}\n", 1 + random_below(2), update_statement(draft, true));
  default:
    return arena_format("if step %% 2 == %d { %s} else { %s}\n", random_below(2), update_statement(draft, true),
                        update_statement(draft, true));
  }
}

static void schedule_of_players(Draft *draft) {
  const char *text = "";
  if (draft->trunk) {
    text = arena_format("optimize D, Q by %s\n%s", optimizer(),
                        one_in(3) ? arena_format("optimize Trunk by %s\n", optimizer()) : "");
    text = arena_format("%soptimize G by %s\n", text, optimizer());
  } else if (one_in(3)) text = arena_format("optimize D, G by %s\n", optimizer());
  else {
    const char *first = optimizer();
    text = arena_format("optimize D by %s\noptimize G by %s\n", first, optimizer());
  }
  text = arena_format("%supdate D\n%s", text, update_statement(draft, false));
  if (one_in(2)) text = arena_format("%supdate G\n", text);
  if (one_in(5)) text = arena_format("%sfor w in D { w <- clamp(w, -0.8, 0.8) }\n", text);
  if (one_in(8)) text = arena_format("%sbatch = %d\nupdate D\n", text, 2 + random_below(4));
  draft->train = arena_format("%s%s", draft->train, text);
}

/* ---- all together ------------------------------------------------------------------------------------------------ */

static void schedule_of_states(Draft *draft) {
  int statements = draft->has_players ? random_below(2) : 1 + random_below(3);
  if (!draft->has_players)
    draft->train =
        arena_format("%sv%d = E[mean(z)]\n", draft->train, ++maker->next); /* a train without draws is none */
  for (int k = 0; k < statements; k++) {
    const char *move = moved_state(draft, draft->has_players ? 2 : 4);
    switch (random_below(8)) {
    case 0: move = arena_format("draw {\n%s%s}\n", move, moved_state(draft, 2)); break;
    case 1:
      move = arena_format("v%d = E[%s]\n%s", ++maker->next, expression(&draft->scope, (Shape){0}, 2), move);
      break;
    case 2: move = arena_format("repeat 2 {\n%s}\n", move); break;
    case 3: move = arena_format("batch = %d\n%s", 1 + random_below(5), move); break;
    default: break;
    }
    draft->train = arena_format("%s%s", draft->train, move);
  }
}

/* Sizes that reach tiles and vectors: a product of matrices, in one of its four orders, one under a gradient, and a
   long state that moves by its own elements. */
static void wide_statements(Draft *draft) {
  static const int sizes[] = {16, 17, 20, 33};
  int m = 5 + random_below(12), k = sizes[random_below(4)], n = sizes[random_below(4)];
  bool a_turned = one_in(2), b_turned = one_in(2);
  define(arena_format("fn product_of(a: [%d, %d], b: [%d, %d]) -> y: [%d, %d] {\ny[i, j] = sum[k] a[%s] * b[%s]\n}\n",
                      a_turned ? k : m, a_turned ? m : k, b_turned ? n : k, b_turned ? k : n, m, n,
                      a_turned ? "k, i" : "i, k", b_turned ? "j, k" : "k, j"));
  define(arena_format("fn turned(a: [%d]) -> y: [%d] {\ny[i] = 0.5 * a[%s] + 0.3 * a[i]\n}\n", 2 * n, 2 * n,
                      CHOSEN("i - 1", "i + 1", "2*i", arena_format("%d - i", 2 * n - 1))));
  put(&draft->head,
      arena_format(
          "data w: [%d, %d]\nstate matrix: [%d, %d] ~ normal\nstate made: [%d, %d] = 0\nstate long: [%d] ~ normal",
          a_turned ? k : m, a_turned ? m : k, b_turned ? n : k, b_turned ? k : n, m, n, 2 * n));
  draft->train = arena_format("%smade <- E[product_of(w, matrix)]\nlong <- turned(long)\n", draft->train);
  /* A gradient over a batch, both of whose factors lie along the samples. */
  define(arena_format("fn through(a: [%d], m: [%d, %d]) -> y: [%d] {\ny[i] = sum[k] m[i, k] * a[k]\n}\n", k, n, k, n));
  put(&draft->head,
      arena_format("data v: [%d]\nstate weights: [%d, %d] ~ normal(0, 0.3)\nstate pull: [%d, %d] = 0", k, n, k, n, k));
  draft->train = arena_format("%sbatch = %d\npull <- grad(E[sum(tanh(through(v, weights)))], weights)\n", draft->train,
                              17 + random_below(20));
}

/* Two programs that are alike but for a constant. */
static void twins(Draft *draft) {
  const char *name = new_name("f"), *first = new_name("s"), *second = new_name("s"), *shape = shape_text(draft->z);
  define(arena_format("fn %s(v: %s, a) -> %s = a * tanh(v + a)\n", name, shape, shape));
  put(&draft->head, arena_format("state %s: %s = 0\nstate %s: %s = 0", first, shape, second, shape));
  draft->train = arena_format("%s%s <- E[%s(z, 0.3)]\n%s <- E[%s(z, 0.7)]\n", draft->train, first, name, second, name);
}

/* Noise in a layer outside of networks, once for all of a tensor or once for every row. */
static void noise_outside(Draft *draft) {
  const char *state = new_name("s"), *rows = new_name("f"), *layer = noisy_layer(), *shape = shape_text(draft->x);
  define(arena_format("fn %s(x: %s) -> y: %s {\n%s\n}\n", rows, shape, shape,
                      draft->x.rank > 0 && one_in(2) ? arena_format("y[i] = x[i] |> %s", layer)
                                                     : arena_format("y = x |> %s", layer)));
  put(&draft->head,
      draft->x.rank == 0 ? arena_format("state %s = 0", state) : arena_format("state %s: %s = 0", state, shape));
  draft->train = arena_format("%s%s <- E[%s(x) * %s(x)]\n", draft->train, state, rows, one_in(2) ? rows : layer);
}

static void outputs(Draft *draft) {
  if (one_in(2)) put(&draft->outputs, arena_format("output o1 = E[%s]", expression(&draft->scope, (Shape){0}, 2)));
  if (draft->has_players && one_in(2))
    put(&draft->outputs, arena_format("output o2 = %s", CHOSEN("E[D(x)]", "norm(D)", "E[D(G(z))]", "E[mean(G(z))]")));
}

Plan generate(uint64_t seed) {
  random_start(seed);
  Maker making = {.wide = one_in(8), .definitions = ""};
  Plan plan = {.seed = seed,
               .wide = making.wide,
               .fed = one_in(2),
               .narrow = making.wide ? !one_in(3) : one_in(4),
               .steps = 1 + random_below(3),
               .rows = 5 + random_below(20)};
  Draft draft = {.head = "", .players = "", .train = "", .outputs = ""};
  maker = &making;
  making.fed = plan.fed;
  making.functions = 3 + random_below(4);
  making.budget = 12 + random_below(50);
  draft.is_image = one_in(4);
  if (draft.is_image) {
    making.budget /= 3;
    making.wide = false;
  }
  choose_sizes();
  draft.has_players = one_in(2);
  variables(&draft);
  states_and_names(&draft);
  if (draft.is_image) plan.wide = making.wide = one_in(3);
  int batch = making.wide ? 3 + random_below(18) : 1 + draft.has_players + random_below(6);
  if (draft.has_players && draft.is_image) {
    batch = networks_of_convolutions(&draft);
    plan.steps = making.wide ? 1 : 1 + random_below(2);
  } else if (draft.has_players) networks(&draft);
  put(&draft.train, arena_format("batch = %d", batch));
  if (draft.has_players) {
    objectives(&draft);
    schedule_of_players(&draft);
  }
  making.budget += 15;
  schedule_of_states(&draft);
  if (draft.is_image && (!draft.has_players || one_in(4))) {
    convolution_statements(draft.x, &draft.head, &draft.train);
    if (making.wide) plan.steps = 1;
  }
  if (making.wide && !draft.is_image && (!draft.has_players || one_in(2))) wide_statements(&draft);
  if (one_in(8)) twins(&draft);
  if (one_in(8)) noise_outside(&draft);
  outputs(&draft);
  const char *length = one_in(3) ? CHOSEN("for 5 steps ", "for 10 images ", "for 2 epochs ") : "";
  plan.text = arena_format("%s%s%strain %s{\n%s}\n%s", making.definitions, draft.head, draft.players, length,
                           draft.train, draft.outputs);
  plan.compiler = random_below(4);
  plan.processor = random_below(4);
  return plan;
}
