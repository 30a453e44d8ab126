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

finish
