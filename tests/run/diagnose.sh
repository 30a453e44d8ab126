#!/bin/sh
# Derivatives against differences, by trainers in double precision: what `diagnose` must hold still, and what it must not.
. tests/run/common

# agrees NAME MODEL: the model's trainer finds all derivatives right.
agrees() {
  printf '%s\n' "$2" >"$work/$1.gan"
  status 0 "$GANC" build --real f64 "$work/$1.gan" -o "$work/$1" || return
  status 0 "$work/$1" train --steps 1 --run "$work/$1-run"
  status 0 "$work/$1" diagnose || cat "$work/out" >&2
  says "$work/out" 'all derivatives agree with differences'
}

# Nothing to hold: no comparison, no maximum.
agrees smooth 'data x: [2] from "ring"
network D(x: [2]) -> [] = x |> Linear(1) |> scalar
D minimizes E[D(x)^2]
train { batch = 4; optimize D by sgd(lr = 0.1); update D }'

# What `diagnose` runs can be left out; the trainer says so.
status 0 "$GANC" build --real f64 --no-diagnose "$work/smooth.gan" -o "$work/without"
status 0 "$work/without" train --steps 1 --run "$work/without-run"
status 1 "$work/without" diagnose
says "$work/err" 'built with --no-diagnose'

# Constants are held at the base point, as derivatives hold them.
agrees constant 'data x: [2] from "ring"
network D(x: [2]) -> [] = x |> Linear(4) |> relu |> Linear(1) |> scalar
D minimizes E[D(x) * constant(D(x))]
train { batch = 4; optimize D by sgd(lr = 0.1); update D }'

# Spectral norm: a state, moved by a step of the power method, whose vectors are constant; a penalty on the slope of every sample; constants of gradients.
agrees spectral 'data x: [2] from "ring"
noise z: [4] ~ normal
layer Spectral(w: [m, n]) -> [m, n] {
  state u: [m] = 1
  v[j] = sum[i] w[i, j] * u[i]
  v = constant(normalize(v))
  t[i] = sum[j] w[i, j] * v[j]
  t = constant(normalize(t))
  u <- t
  y[i, j] = w[i, j] / (sum[a, b] t[a] * w[a, b] * v[b])
  y
}
network G(z: [4]) -> [2] = z |> Linear(8) |> leaky_relu(0.2) |> Linear(2)
network D(x: [2]) -> [] = x |> Linear(6, scaled = Spectral) |> leaky_relu(0.2) |> Linear(1, scaled = Spectral) |> scalar
D minimizes E[real_loss(D(x))] + E[fake_loss(D(G(z)))] + E[gradient_penalty(D, x, G(z))] + E[slope(D, x) * constant(slope(D, x))]
G minimizes E[real_loss(D(G(z)))]
train { batch = 4; optimize D, G by sgd(lr = 0.1); update D; update G }'

# Straight through a rounding, with a state that the value moves; and one player'"'"'s gradient held in the other'"'"'s objective.
agrees through 'data x: [2] from "ring"
noise z: [4] ~ normal
layer Rounded(x: [n]) -> [n] {
  state scale = 1
  if training { scale <- lerp(scale, E[mean(abs(x))], 0.1) }
  x / scale + constant(round(x / scale) - x / scale)
}
network G(z: [4]) -> [2] = z |> Linear(8) |> Rounded |> Linear(2)
network D(x: [2]) -> [] = x |> Linear(6) |> tanh |> Linear(1) |> scalar
V = E[fake_loss(D(G(z)))]
D minimizes E[real_loss(D(x))] + V + 0.1 * sum([sum(constant(g) * w) for (g, w) in zip(grad(V, D), D)])
G minimizes E[real_loss(D(G(z)))] + 0.1 * sum([sum(g * constant(g)) for g in grad(V, G)])
train { batch = 4; optimize D, G by sgd(lr = 0.1); update D; update G }'

# Convolutions in both directions, with strides, pads, dilation and groups, pools and norms between them; a penalty differentiates their derivatives.
agrees images 'data x: [2] from "ring"
noise z: [4] ~ normal
network G(z: [4]) -> [2, 5, 6] {
  z |> reshape([4, 1, 1]) |> ConvTranspose(4, [3, 2], bias = false) |> BatchNorm |> elu
    |> ConvTranspose(4, [2, 3], [1, 2], groups = 2) |> InstanceNorm(affine = true) |> tanh
    |> Upsample([1, 2], "bilinear") |> Conv(2, [2, 5], [1, 2], [1, 3]) |> tanh
}
fn picture(x: [2]) -> y: [2, 5, 6] {
  y[k, i, j] = x[k] * sin(2*i + 3*j + k)
}
network D(x: [2, 5, 6]) -> [] {
  x |> Conv(4, 3, pad = 1) |> leaky_relu(0.2) |> AvgPool(2, 1, 1) |> Conv(4, 2, [2, 1], dilation = [1, 2], groups = 2) |> GroupNorm(2, 0.1)
    |> tanh |> Upsample |> MaxPool(3, 2, 1) |> Conv(4, [3, 2], groups = 4) |> softplus |> flatten |> Linear(1) |> scalar
}
D minimizes E[D(G(z))] - E[D(picture(x))] + 10 * E[gradient_penalty(D, picture(x), G(z))]
G minimizes -E[D(G(z))]
train { batch = 3; optimize D, G by adam(lr = 1e-3); update D; update G }'

finish
