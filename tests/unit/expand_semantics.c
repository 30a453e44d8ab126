/* The rules of the language, one small model each: names, calls that are one, states in order, draws, index notation,
   settings, initial values. What is expected is computed here by hand. */
#include "expand_check.h"

/* A model around networks and outputs that only matter for what they show. */
#define TAIL \
  "network N(v: [2]) -> [] = v |> Linear(1) |> scalar\n" \
  "N minimizes E[N(x)^2]\n" \
  "data x: [2] in -1..1\n" \
  "train { batch = 3; optimize N by sgd(lr = 0.1); update N }\n"

static bool near(double a, double b) { return fabs(a - b) <= 1e-12 * fmax(1, fabs(b)); }
#define ck_near(a, b) \
  do { \
    double a_ = (a), b_ = (b); \
    ck_assert_msg(near(a_, b_), "%s is %.17g, not %.17g", #a, a_, b_); \
  } while (0)

static void check_output(World *world, const char *name, int count, const double *expected) {
  const double *values = world_output(world, name);
  for (int k = 0; k < count; k++)
    ck_assert_msg(near(values[k], expected[k]), "%s[%d] is %.17g, not %.17g", name, k, values[k], expected[k]);
}
#define EXPECT(world, name, ...) check_output(world, name, LENGTH(((double[]){__VA_ARGS__})), (double[]){__VA_ARGS__})

static void check_names(World *world, int count, const char *const *names) {
  int found = 0;
  for (int k = 0; k < world->model->tensor_count; k++) {
    const ModelTensor *row = &world->model->tensors[k];
    if (row->role != ROLE_WEIGHT && row->role != ROLE_STATE) continue;
    found++;
    bool known = false;
    for (int n = 0; n < count; n++) known |= strcmp(names[n], row->name) == 0;
    ck_assert_msg(known, "unexpected name %s", row->name);
  }
  ck_assert_int_eq(found, count);
}
/* ---- names in checkpoints ---------------------------------------------------------------------------------------- */

START_TEST(names) {
  World world =
      world_of("layer L(a = 1)(v: [n]) -> [n] { weight w: [n] = a; v * w }\n"
               "layer Two(v: [n]) -> [n] { weight s: [n] = 1; v |> L |> L(2) |> inner(s) }\n"
               "fn inner(v, s) = (v |> L |> identity |> L(4)) * s\n"
               "layer Block(v) { mine = L(3); a = mine(v); b = mine(a); b |> Two }\n"
               "layer List(parts)(v) { for p in parts { v = p(v) }; v }\n"
               "layer Kept(recipe)(v) { r = recipe; v |> r |> recipe |> recipe }\n"
               "network N(v: [2]) -> [] {\n"
               "  for l in [3, 1, 3] { v = v |> L; for k in 7..8 { v = v |> Block } }\n"
               "  layers = [L(1), L(2)]\n"
               "  v = v |> layers[1] |> layers[0]\n"
               "  v = [v |> L for q < 2][1]\n"
               "  v = v |> List([L(5), L(6)]) |> Kept(L(7))\n"
               "  if false { v = v |> L }\n"
               "  sum(v |> L)\n"
               "}\n"
               "N minimizes E[N(x)^2]\ndata x: [2]\ntrain { batch = 3; optimize N by adam(lr = 0.1); update N }\n");
  static const char *const turns[] = {"[3]", "[1]", "[3, 2]"};
  static const char *const parts[] = {
      "mine.w", "Two_1.s", "Two_1.L_1.w", "Two_1.L_2.w", "Two_1.inner_1.L_1.w", "Two_1.inner_1.L_2.w"};
  const char *list[128];
  int count = 0;
  for (int t = 0; t < 3; t++) {
    list[count++] = session_format(world.session, "N.L_1%s.w", turns[t]);
    for (int k = 7; k <= 8; k++)
      for (int p = 0; p < LENGTH(parts); p++)
        list[count++] = session_format(world.session, "N.Block_1%s[%d].%s", turns[t], k, parts[p]);
  }
  static const char *const others[] = {
      "N.layers[0].w",           "N.layers[1].w", "N.L_4[0].w",          "N.L_4[1].w",          "N.List_1.p_1[item].w",
      "N.List_1.p_1[item, 2].w", "N.Kept_1.r.w",  "N.Kept_1.recipe_1.w", "N.Kept_1.recipe_2.w", "N.L_9.w"};
  for (int k = 0; k < LENGTH(others); k++) list[count++] = others[k];
  check_names(&world, count, list);
  ck_assert_int_ge(model_tensor(world.model, "N.layers[1].w/adam.m"), 0);
  world_free(&world);
}
END_TEST

/* ---- calls that are one, and states in order --------------------------------------------------------------------- */

START_TEST(equal_calls) {
  World world = world_of(
      "layer Count(v: [n]) -> [n] { state c = 0; c <- c + 1; v }\n"
      "layer Mean(v: [n]) -> [n] { state m = 0; weight w = 1; m <- lerp(m, E[mean(v)], 0.5); w * v }\n"
      "network A(v: [2]) -> [] = v |> Count |> Mean |> sum\n"
      "network B(v: [2]) -> [] { c = Count; a = c(v); b = c(v); d = c(2*v); a + b + d |> Linear(1) |> scalar }\n"
      "both = E[A(x)] + E[A(x)]\n"
      "A minimizes both + E[A(x)] + E[A(2*x)]\n"
      "B minimizes E[B(x)]\n"
      "data x: [2]\ntrain { batch = 3; optimize A, B by sgd(lr = 0.1); draw { update A; update B } }\noutput last = "
      "E[mean(x)]\n");
  world_round(&world);
  ck_near(world_value(&world, "A.Count_1.c"), 2);
  ck_near(world_value(&world, "B.c.c"), 2);
  world_free(&world);
}
END_TEST

/* What only --set will part is two calls already. */
START_TEST(calls_with_settings) {
  World world = world_of("gain = 2\nlayer Use(v, f) = f * v\n"
                         "network N(v: [2]) -> [] { with = Use; weight w = 1; w * sum(with(v, gain) - with(v, 2)) }\n"
                         "N minimizes E[N(x)^2]\ndata x: [2]\ntrain { batch = 3; optimize N by sgd(lr = 0.1); update N "
                         "}\noutput apart = N([1, 3])\n");
  const double gain = 5;
  world_set(&world, "gain", 1, &gain);
  EXPECT(&world, "apart", 12);
  world_free(&world);
}
END_TEST

START_TEST(calls_again_after_weights_move) {
  World world = world_of("layer Count(v: [n]) -> [n] { state c = 0; weight w = 1; c <- c + 1; w * v }\nnetwork A(v: "
                         "[2]) -> [] = v |> Count |> sum\n"
                         "A minimizes E[A(x)]\ndata x: [2]\ntrain { batch = 3; optimize A by sgd(lr = 0.1); draw { "
                         "update A; update A }; update A }\n");
  world_round(&world);
  ck_near(world_value(&world, "A.Count_1.c"), 3);
  world_free(&world);
}
END_TEST

/* The last call decides: A(x), then A(2*x) through the state that the first left. */
START_TEST(states_thread) {
  World world = world_of("layer Trace(v: []) -> [] { state s = 1; weight w = 1; s <- 10*s + E[v]; w * v }\nnetwork "
                         "A(v: []) -> [] = v |> Trace\n"
                         "A minimizes E[A(2)] + E[A(3)] + E[A(2)]\ndata x: []\ntrain { batch = 3; optimize A by sgd(lr "
                         "= 0); update A }\n");
  world_round(&world);
  ck_near(world_value(&world, "A.Trace_1.s"), 123);
  world_free(&world);
}
END_TEST

/* After `<-` a state is what was assigned, derivative and all: d/dw of (w x + s)^2 with s = w x. */
START_TEST(states_carry_derivatives) {
  World world = world_of("layer Double(v: []) -> [] { state s = 0; weight w = 2; s <- w * v; w * v + s }\nnetwork A(v: "
                         "[]) -> [] = v |> Double\n"
                         "A minimizes A(3)\ndata x: []\ntrain { batch = 3; optimize A by sgd(lr = 1); update A }\n");
  world_round(&world);
  ck_near(world_value(&world, "A.Double_1.w"), 2 - 6);
  ck_near(world_value(&world, "A.Double_1.s"), 6);
  world_free(&world);
}
END_TEST

/* ---- updates ----------------------------------------------------------------------------------------------------- */

#define PAIR \
  "network D() -> [] { weight a = 1; a }\nnetwork G() -> [] { weight b = 2; b }\nD minimizes (D() - G())^2 / 2\nG " \
  "minimizes (G() - D())^2 / 2\ndata x: []\n" \
  "train { batch = 3; optimize D, G by sgd(lr = 0.1); "

START_TEST(updates_in_a_draw) {
  static const struct {
    const char *text;
    double a, b;
  } cases[] = {{PAIR "draw { update D; update G } }", 1.1, 1.91},
               {PAIR "update D; update G }", 1.1, 1.91},
               {PAIR "update D, G }", 1.1, 1.9},
               {PAIR "draw { update G; update D } }", 1.09, 1.9},
               {PAIR "repeat 2 { update D } }", 1.19, 2},
               {PAIR "for k < 2 { update D } }", 1.19, 2},
               {PAIR "if step == 0 { update D } else { update G } }", 1.1, 2},
               {PAIR "if step != 0 { update D } else if step == 0 { update G } }", 1, 1.9},
               {PAIR "every 2 { update D } }", 1.1, 2},
               {PAIR "for w in D { w <- 5*w }; update G }", 5, 2.3},
               {PAIR "draw { for w in D { w <- 5*w }; update G } }", 5, 2.3}};
  World world = world_of(cases[_i].text);
  world_round(&world);
  ck_near(world_value(&world, "D.a"), cases[_i].a);
  ck_near(world_value(&world, "G.b"), cases[_i].b);
  world_free(&world);
}
END_TEST

/* A weight that no objective at hand reaches stays, its optimizer too; one whose derivative comes out 0 is moved. */
START_TEST(reached) {
  World world = world_of(
      "network D(v: [2]) -> (a: [], b: []) { a = v |> Linear(1) |> scalar; b = v |> Linear(1) |> scalar }\n"
      "D minimizes E[sumsq(grad(D(x).a, x))]\nother: D minimizes constant(E[D(x).a]) + E[D(x).b]\n"
      "data x: [2]\ntrain { batch = 3; optimize D by adam(lr = 0.1); update D; if step == 1 { update D by other } }\n");
  world_round(&world);
  ck_near(world_value(&world, "D.Linear_1.W/adam.t"), 1);
  ck_near(world_value(&world, "D.Linear_1.b/adam.t"), 1);
  ck_near(world_value(&world, "D.Linear_2.W/adam.t"), 0);
  world_round(&world);
  ck_near(world_value(&world, "D.Linear_1.W/adam.t"), 2);
  ck_near(world_value(&world, "D.Linear_2.W/adam.t"), 1);
  world_free(&world);
}
END_TEST

/* Objectives of several players count once for a weight that several of them hold; objectives with names are those that
   an update asks for. */
START_TEST(objectives) {
  static const struct {
    const char *text;
    double t, a;
  } cases[] = {{"D, T minimize D()", 1 - 0.3, 3 - 0.1},
               {"D minimizes D()\nT maximizes 2*T()", 1 - 0.3 + 0.2, 3 - 0.1},
               {"D, T minimize D()\nmore: D minimizes 5*D()", 1 - 0.3, 3 - 0.1}};
  Session *texts = session_new();
  World world = world_of(session_format(
      texts,
      "network T() -> [] { weight t = 1; t }\nnetwork D() -> [] { weight a = 3; a * T() }\n%s\ndata x: []\n"
      "train { batch = 1; optimize D, T by sgd(lr = 0.1); update D, T }\n",
      cases[_i].text));
  world_round(&world);
  ck_near(world_value(&world, "T.t"), cases[_i].t);
  ck_near(world_value(&world, "D.a"), cases[_i].a);
  world_free(&world);
  session_free(texts);
}
END_TEST

START_TEST(named_objectives) {
  static const struct {
    const char *by;
    double a;
  } cases[] = {{"", 3 - 0.1}, {" by two", 3 - 0.2}, {" by two + four", 3 - 0.6}};
  Session *texts = session_new();
  World world = world_of(session_format(texts,
                                        "network D() -> [] { weight a = 3; a }\nD minimizes D()\ntwo: D minimizes "
                                        "2*D()\nfour: D maximizes -4*D()\ndata x: []\n"
                                        "train { batch = 1; optimize D by sgd(lr = 0.1); update D%s }\n",
                                        cases[_i].by));
  world_round(&world);
  ck_near(world_value(&world, "D.a"), cases[_i].a);
  world_free(&world);
  session_free(texts);
}
END_TEST

/* Two players, one trunk: it moves once, by the sum; `all` of clipped is the gradients of one player. */
START_TEST(trunk) {
  World world = world_of("network T() -> [] { weight t = 1; t }\nnetwork D() -> [] { weight a = 3; a * T() }\nnetwork "
                         "Q() -> [] { weight b = 4; b * T() }\n"
                         "D minimizes D()\nQ minimizes Q()\ndata x: []\ntrain { batch = 1; optimize D, Q by sgd(lr = "
                         "0.1); optimize T by sgd(lr = 1); update D, Q }\n");
  world_round(&world);
  ck_near(world_value(&world, "T.t"), 1 - 7);
  ck_near(world_value(&world, "D.a"), 3 - 0.1);
  ck_near(world_value(&world, "Q.b"), 4 - 0.1);
  world_free(&world);
  world = world_of("network D() -> [] { weight a = 3; weight b = 4; (a^2 + b^2) / 2 }\nD minimizes D()\ndata x: []\n"
                   "train { batch = 1; optimize D by clipped(1, sgd(lr = 1)); update D }\n");
  world_round(&world);
  ck_near(world_value(&world, "D.a"), 3 - 0.6);
  ck_near(world_value(&world, "D.b"), 4 - 0.8);
  world_free(&world);
}
END_TEST

START_TEST(definitions_in_train) {
  World world = world_of("network D() -> [] { weight a = 3; a }\nstate s = 0\nstate t = 0\nstate u = 0\nD minimizes s "
                         "* D()^2 / 2 + D()\ndata x: []\n"
                         "train {\n batch = 1\n optimize D by sgd(lr = 1)\n before = D()\n pair = [D(), 2*D()]\n (one, "
                         "two) = (D(), 3*D())\n s <- before - 2\n update D\n"
                         " t <- before + pair[1]\n u <- one + two - D()\n}\n");
  world_round(&world);
  ck_near(world_value(&world, "D.a"), 3 - 4);
  ck_near(world_value(&world, "s"), 1);
  ck_near(world_value(&world, "t"), 9);
  ck_near(world_value(&world, "u"), 13);
  world_free(&world);
}
END_TEST

/* ---- draws ------------------------------------------------------------------------------------------------------- */

START_TEST(draws) {
  World world = world_of(
      "noise z ~ normal\nnoise c: class[5] ~ uniform\nfn other(v) = v - fresh z\nfn own(v) { noise u ~ uniform; v + u "
      "}\n" TAIL
      "output same = E[abs(z - z)]\noutput apart = E[abs(z - fresh z)]\noutput places = E[abs(fresh z - fresh z)]\n"
      "output functions = E[abs(other(z) - other(z))]\noutput turns = min([E[abs(a)] for a in pairs([fresh z for i < "
      "3])])\n"
      "output noises = E[abs(own(z) - own(z))]\noutput calls = E[abs(mask(x) - mask(x))[0]]\noutput others = "
      "min(E[abs(mask(x) / x - mask(3*x) / (3*x))])\n"
      "fn pairs(l) = [l[0] - l[1], l[0] - l[2], l[1] - l[2]]\nfn mask(v) = Noisy(v)\nnetwork Noisy(v: [2]) -> [2] { "
      "weight w = 1; noise u: [2] ~ uniform; w * v * u }\n"
      "Noisy minimizes E[sum(Noisy(x))]\n"
      "output shared = min(E[abs(twice(x))])\nnetwork twice(v: [2]) -> [2] { weight w = 1; drop = Scramble; a = "
      "drop(v) / v; b = drop(3*v) / (3*v); w * (a - b) }\n"
      "layer Scramble(v: [2]) { noise u: [2] ~ uniform; v * u }\ntwice minimizes E[sum(twice(x))]\n"
      "output again = max(E[abs(once(x))])\nnetwork once(v: [2]) -> [2] { weight w = 1; drop = Scramble; w * (drop(v) "
      "- drop(v)) }\nonce minimizes E[sum(once(x))]\n"
      "output along = E[abs(each(x)[0] - each(x)[1])]\nfn each(v: [n]) -> y: [n] { y[i] = noisy([v[i], v[i]]) / v[i] "
      "}\nfn noisy(l) { noise u ~ uniform; u * l[0] }\n"
      "output setting = E[abs(given(x)[0] - given(x)[1])]\nfn given(v: [n]) -> y: [n] { s = [1, 2]; y[i] = "
      "moved(s[i])(1) / s[i] }\nfn moved(f)(a) { noise u ~ uniform; a * u * f }\n"
      "output label = E[if c in 0..4 then 1 else 0]\noutput whole = E[abs(c - floor(c))]\n");
  EXPECT(&world, "same", 0);
  EXPECT(&world, "calls", 0);
  EXPECT(&world, "again", 0);
  EXPECT(&world, "label", 1);
  EXPECT(&world, "whole", 0);
  static const char *const different[] = {"apart",  "places", "functions", "turns",  "noises",
                                          "others", "shared", "along",     "setting"};
  for (int k = 0; k < LENGTH(different); k++)
    ck_assert_msg(*world_output(&world, different[k]) > 1e-6, "%s draw the same", different[k]);
  world_free(&world);
}
END_TEST

/* Every update draws anew; what stands in one draw shares it; an edit of networks moves nothing. */
START_TEST(evaluations) {
  World world = world_of("noise z ~ normal\nstate a = 0\nstate b = 0\nstate c = 0\nstate d = 0\n" TAIL);
  world_free(&world);
  world = world_of("noise z ~ normal\nstate a = 0\nstate b = 0\nstate c = 0\nstate d = 0\nnetwork N() -> [] { weight w "
                   "= 1; w }\nN minimizes N()^2\ndata x: []\n"
                   "train { batch = 3; optimize N by sgd(lr = 0.1); draw { a <- E[z]; b <- E[z] }; c <- E[z]; update "
                   "N; repeat 2 { d <- d + E[z] } }\n");
  world_round(&world);
  double a = world_value(&world, "a"), d = world_value(&world, "d");
  ck_near(a, world_value(&world, "b"));
  ck_assert(fabs(a - world_value(&world, "c")) > 1e-6);
  int ordinals = 0;
  for (int r = 0; r < world.model->routine_count; r++) ordinals += world.model->routines[r].ordinal >= 0;
  ck_assert_int_eq(ordinals, 4);
  (void)d;
  world_free(&world);
}
END_TEST

/* ---- index notation ---------------------------------------------------------------------------------------------- */

START_TEST(indices) {
  World world = world_of(
      "a = [[1, 2, 3], [4, 5, 6]]\nv = [1, 10, 100, 1000]\n" TAIL "rows[i] = sum[j] a[i, j]\noutput rows = rows\n"
      "output diagonal = sum[i < 2] a[i, i]\n"
      "turned[j, i] = a[i, j]\noutput turned = turned\n"
      "output outside = sum[i < 4] (v[i - 1] + v[i + 1])\n"
      "shifted[i < 6] = v[i - 1]\noutput shifted = shifted\n"
      "output slice = sum(v[1..2])\noutput row = a[1]\noutput part = a[0..1][1][2]\n"
      "output conditional = sum[i, j < 4, j != i] v[i] * (j + 1)\noutput below = sum[i < 3, j <= i] a[1, j]\n"
      "average[i < 3] = mean[j < 3, j < i] v[j]\noutput average = average\n"
      "output largest = max[i, j] (a[i, j] % 4)\noutput least = min[i in 1..2] v[i]\n"
      "output precedence = sum[i < 2] v[i] * 2 + 1\noutput negative = sum[i < 2] -v[i]\n"
      "output halves = sum[i < 4] v[i // 2]\noutput table = sum[i < 4] v[[3, 2, 1, 0][i]]\n"
      "fn spread(w: [n], stride) -> y: [2*n + 1] { y[stride*i + t - 1] += w[i] * (t + 1) * ones[i, t] }\nones = "
      "fill(1, [4, 3])\noutput spread = spread(v, 2)\n"
      "fn twice(w: [n]) -> y: [n] { y[i] += w[i]; y[i] += 2*w[i]; y += 1; y[0] += 5 }\noutput twice = twice(v)\n"
      "fn old(w: [n]) -> y: [n] { y = w; y[i] = y[n - 1 - i] }\noutput old = old(v)\n"
      "fn inner(w: [k]) -> y: [k] { y[i] = w[k - 1 - i] }\nflipped[i] = inner(a[i])\noutput flipped = flipped\n"
      "fn total(w) = sum(w)\nsums[k] = total(a[k])\noutput sums = sums\nfew[i < 1] = total(a[i])\noutput few = few\n"
      "output product = matmul(a, transpose(a))\noutput single = [sum[i] v[i], max(v)][0]\n");
  EXPECT(&world, "rows", 6, 15);
  EXPECT(&world, "diagonal", 6);
  EXPECT(&world, "turned", 1, 4, 2, 5, 3, 6);
  EXPECT(&world, "outside", 111 + 1110);
  EXPECT(&world, "shifted", 0, 1, 10, 100, 1000, 0);
  EXPECT(&world, "slice", 110);
  EXPECT(&world, "row", 4, 5, 6);
  EXPECT(&world, "part", 6);
  EXPECT(&world, "conditional", 9 + 80 + 700 + 6000);
  EXPECT(&world, "below", 4 + 9 + 15);
  EXPECT(&world, "average", 0, 1, 5.5);
  EXPECT(&world, "largest", 3);
  EXPECT(&world, "least", 10);
  EXPECT(&world, "precedence", 23);
  EXPECT(&world, "negative", -11);
  EXPECT(&world, "halves", 22);
  EXPECT(&world, "table", 1111);
  EXPECT(&world, "spread", 2, 3 + 10, 20, 30 + 100, 200, 300 + 1000, 2000, 3000, 0);
  EXPECT(&world, "twice", 9, 31, 301, 3001);
  EXPECT(&world, "old", 1000, 100, 10, 1);
  EXPECT(&world, "flipped", 3, 2, 1, 6, 5, 4);
  EXPECT(&world, "sums", 6, 15);
  EXPECT(&world, "few", 6);
  EXPECT(&world, "product", 14, 32, 32, 77);
  EXPECT(&world, "single", 1111);
  world_free(&world);
}
END_TEST

/* A layer on what depends on an index: the same weights for every value of it; also where two indices run over
   different parts. */
START_TEST(layers_along_an_index) {
  World world = world_of(
      "layer Scale(v: [n]) -> [n] { weight w = 3; w * v + mean(v) }\n"
      "network A() -> [4, 2] {\n weight v: [4, 2] = [[1, 2], [3, 4], [5, 6], [7, 8]]\n one = Scale\n"
      " a[i < 2] = one(v[i]); b[i] = one(v[i]); c[j] = one(v[j]); b + c + concat(a, a)\n}\n"
      "A minimizes sum(A())\ndata x: []\ntrain { batch = 1; optimize A by sgd(lr = 0); update A }\noutput all = A()\n");
  double expected[8];
  for (int k = 0; k < 8; k++) {
    double value = 3 * (k + 1) + (4 * (k / 2) + 3) / 2.0, early = 3 * (k % 4 + 1) + (4 * (k % 4 / 2) + 3) / 2.0;
    expected[k] = 2 * value + early;
  }
  check_output(&world, "all", 8, expected);
  ck_assert_int_eq(model_count(world.model, ROLE_WEIGHT), 2);
  world_free(&world);
}
END_TEST

/* ---- strata ------------------------------------------------------------------------------------------------------ */

START_TEST(settings) {
  World world =
      world_of("n = 2\ng = 0.5\nh = 3\nunit = g * 2\nbranch = 1\n"
               "network N(v: [2]) -> [] = v |> Linear(1) |> scalar\nN minimizes E[N(x)^2]\ndata x: [2] in -1..1\n"
               "train for 10 steps { batch = 3; optimize N by sgd(lr = 0.1); update N }\n"
               "output fixed = fill(g, [n])\noutput certain = E[g + 1]\noutput never = E[7]\noutput chosen = if branch "
               "== 1 then g else h\n"
               "output clock = 100*step + image + progress\noutput drops = E[sum(Dropout(0.5)(x) - x)]\noutput unit = "
               "unit^2\noutput infer = if training then 1 else 0\n"
               "output known = if g > 0 then 1 else 0\n");
  world_round(&world), world_round(&world);
  EXPECT(&world, "fixed", 0.5, 0.5);
  EXPECT(&world, "certain", 1.5);
  EXPECT(&world, "never", 7);
  EXPECT(&world, "drops", 0);
  EXPECT(&world, "infer", 0);
  EXPECT(&world, "clock", 100 + 3 + 0.1);
  static const struct {
    const char *name;
    bool frozen;
  } rows[] = {{"n", true}, {"g", true}, {"h", false}, {"branch", true}};
  for (int k = 0; k < LENGTH(rows); k++) {
    bool found = false;
    for (int s = 0; s < world.model->setting_count; s++)
      if (strcmp(world.model->settings[s].name, rows[k].name) == 0)
        found = true, ck_assert_msg((world.model->settings[s].tensor < 0) == rows[k].frozen, "%s", rows[k].name);
    ck_assert_msg(found || !rows[k].frozen, "%s is no setting", rows[k].name);
  }
  world_free(&world);
  world =
      world_of("g = 0.5\nunit = g * 2\nw = max(g, 0.1)\n" TAIL "output a = unit^2 + E[g] + w - (-g) + 2^g + log2(g)\n");
  world_set(&world, "g", 1, (double[]){4});
  EXPECT(&world, "a", 64 + 4 + 4 + 4 + 16 + 2);
  world_free(&world);
  world = world_of(
      "flag = 1\ntimes = 2\nstate s = 0\n"
      "network N() -> [] { weight w = 1; w }\nN minimizes N()\ndata x: []\n"
      "train { batch = 3; optimize N by sgd(lr = 0.1); update N; if flag > 0 { s <- s + 1 } else { s <- s + 100 }\n"
      "  repeat times { s <- s + 10 }; for (a, b) in zip([1, 2], [3, 4]) { s <- s + 1000*a*b } }\n");
  world_round(&world);
  ck_near(world_value(&world, "s"), 11021);
  world_set(&world, "flag", 1, (double[]){0});
  world_set(&world, "times", 1, (double[]){3});
  world_round(&world);
  ck_near(world_value(&world, "s"), 2 * 11000 + 21 + 130);
  world_free(&world);
}
END_TEST

START_TEST(inference) {
  World world = world_of("network N(v: [2]) -> [2] = v |> BatchNorm(momentum = 0.5, eps = 0, init = constantly(1))\nN "
                         "minimizes E[sumsq(N(x))]\ndata x: [2] in -1..1\n"
                         "train { batch = 3; optimize N by sgd(lr = 0); update N }\noutput trained = E[N(x, training = "
                         "true)[0]]\noutput used = E[N(x)[0]]\noutput mean_now = E[x[0]]\n");
  world_round(&world);
  double mean = world_values(&world, "N.BatchNorm_1.BatchStandard_1.mu")[0],
         variance = world_values(&world, "N.BatchNorm_1.BatchStandard_1.var")[0];
  ck_assert(fabs(*world_output(&world, "trained")) < 1e-12);
  EXPECT(&world, "used", (*world_output(&world, "mean_now") - mean) / sqrt(variance));
  ck_near(world_values(&world, "N.BatchNorm_1.BatchStandard_1.mu")[0], mean);
  world_free(&world);
}
END_TEST

START_TEST(initial_values) {
  World world = world_of("s = 2\nlayer Starts(v: [n]) -> [n] {\n weight a: [n] = 1/4\n weight b: [n] ~ uniform\n "
                         "weight c: [n] ~ uniform(-3, 2)\n weight d: [n] ~ normal(1, 0.5)\n"
                         " weight e: [n] ~ constantly(0.5)\n weight f: [3, n] ~ orthogonal(gain = 2)\n weight g: [n] = "
                         "[1, 2]\n weight h = s\n weight k: [n, 4] ~ he\n state m: [n] = 3\n"
                         " v + a + b + c + d + e + f[0] + g + h + k[0, 0] + m\n}\n"
                         "network N(v: [2]) -> [] = v |> Starts |> sum\nN minimizes E[N(x)^2]\ndata x: [2]\ntrain { "
                         "batch = 3; optimize N by sgd(lr = 0.1); update N }\n");
  static const struct {
    const char *name;
    InitialKind kind;
    double a, b;
  } rows[] = {{"a", INITIAL_CONSTANT, 0.25, 0}, {"b", INITIAL_UNIFORM, 0, 1},    {"c", INITIAL_UNIFORM, -3, 2},
              {"d", INITIAL_NORMAL, 1, 0.5},    {"e", INITIAL_CONSTANT, 0.5, 0}, {"f", INITIAL_ROUTINE, 0, 0},
              {"g", INITIAL_ROUTINE, 0, 0},     {"h", INITIAL_ROUTINE, 0, 0},    {"m", INITIAL_CONSTANT, 3, 0}};
  for (int k = 0; k < LENGTH(rows); k++) {
    const ModelTensor *row =
        &world.model->tensors[model_tensor(world.model, session_format(world.session, "N.Starts_1.%s", rows[k].name))];
    ck_assert_msg(row->initial == rows[k].kind && near(row->initial_a, rows[k].a) && near(row->initial_b, rows[k].b),
                  "%s: kind %d, %g, %g", rows[k].name, row->initial, row->initial_a, row->initial_b);
  }
  const double *f = world_values(&world, "N.Starts_1.f"), *g = world_values(&world, "N.Starts_1.g");
  ck_assert(fabs(f[0] * f[0] + f[2] * f[2] + f[4] * f[4] - 4) < 1e-9);
  ck_assert(fabs(f[0] * f[1] + f[2] * f[3] + f[4] * f[5]) < 1e-9);
  ck_near(g[1], 2);
  ck_near(world_value(&world, "N.Starts_1.h"), 2);
  const ModelTensor *he = &world.model->tensors[model_tensor(world.model, "N.Starts_1.k")];
  ck_assert(he->initial == INITIAL_NORMAL && near(he->initial_b, sqrt(0.5)));
  world_free(&world);
}
END_TEST

/* What constant holds has derivative 0; what `grad` takes is each sample's own. */
START_TEST(constants_and_gradients) {
  World world = world_of("network N() -> [] { weight w = 3; w }\nN minimizes constant(N()) * N()\ndata x: [2] in "
                         "-1..1\ntrain { batch = 3; optimize N by sgd(lr = 1); update N }\n"
                         "v = x\nfn cube(u) = sum(u^3)\noutput slopes = grad(cube(v), v)\noutput point = v\noutput "
                         "weights = grad(N()^2, N)[0]\n"
                         "output second = E[sum(grad(sum(grad(cube(v), v)), v))] - E[6 * sum(v)]\n");
  EXPECT(&world, "weights", 6);
  double slopes[6], point[6];
  memcpy(slopes, world_output(&world, "slopes"), sizeof slopes);
  memcpy(point, world_output(&world, "point"), sizeof point);
  for (int k = 0; k < 6; k++) ck_near(slopes[k], 3 * point[k] * point[k]);
  ck_assert(fabs(*world_output(&world, "second")) < 1e-12);
  world_round(&world);
  ck_near(world_value(&world, "N.w"), 0);
  world_free(&world);
}
END_TEST

/* ---- what never ends is refused, soon ---------------------------------------------------------------------------- */

START_TEST(refused) {
  static const struct {
    const char *text, *code;
  } cases[] = {
      {"fn R(v) = R(v) + R(v)\n", "E2036"},
      {"layer L(v) { for i < 1000000 { v = v + 1 }; v }\nfn R(v) = v |> L\n", "E2061"},
      {"fn deep(n, v) = if n == 0 then v else deep(n - 1, v) + deep(n - 1, 2*v)\nfn R(v) = deep(40, v)\n", "E2061"},
      {"layer L(v) { for i < 60000 { for j < 60000 { } }; v }\nfn R(v) = v |> L\n", "E2061"},
      {"fn R(v: [n]) -> y: [n] { y[i] = R(v + 1)[i] }\n", "E2061"},
      {"fn deep(n, v) = if n == 0 then v else BRACKETS\nfn R(v) = deep(380, v)\n", "E2036"},
      {"fn R(v) = R\nstate s = s + 1\n", "E2048"},
      {"fn R(v) = v\ndata y: [len(y)]\n", "E2048"}};
  Session *session = session_new();
  const char *brackets = "deep(n - 1, v)", *text = cases[_i].text, *place = strstr(text, "BRACKETS");
  for (int k = 0; k < 120; k++) brackets = session_format(session, "[%s][0]", brackets);
  if (place != NULL)
    text = session_format(session, "%.*s%s%s", (int)(place - text), text, brackets, place + strlen("BRACKETS"));
  text = session_format(session,
                        "%snetwork N(v: [2]) -> [] = R(v) |> Linear(1) |> scalar\nN minimizes E[N(x)^2]\ndata x: [2]\n"
                        "train { batch = 3; optimize N by sgd(lr = 0.1); update N }\n",
                        text);
  ck_assert_ptr_null(model_expand(session, "text.gan", text, strlen(text), false));
  char *messages = messages_text(session);
  ck_assert_msg(strstr(messages, cases[_i].code) != NULL, "not %s but %s", cases[_i].code, messages);
  free(messages);
  session_free(session);
}
END_TEST

CHECK_MAIN(.tests = {names, equal_calls, calls_with_settings, calls_again_after_weights_move, states_thread,
                     states_carry_derivatives, reached, trunk, definitions_in_train, draws, evaluations, indices,
                     layers_along_an_index, settings, inference, initial_values, constants_and_gradients},
           .loops = {{updates_in_a_draw, 0, 11}, {objectives, 0, 3}, {refused, 0, 8}, {named_objectives, 0, 3}})
