#!/bin/sh
# What models of the language are worth: tests/values/*.gan say what is given (`# given x: [2, 4] = 1 2 3 4`, the rows of a variable) and what is right
# (`# right a = 0 2 3 0`, a state or weight after one round), found by hand or by a program that knows nothing of ganc. Trainers in float64 must agree to 1e-12.
. tests/run/common

for model in tests/values/*.gan; do
  name=$(basename "$model" .gan)
  mkdir -p "$work/$name"
  status 0 "$BUILD/tests/check_values" feeds "$model" "$work/$name" || continue
  status 0 "$GANC" build "$model" --real f64 -o "$work/$name/trainer" || continue
  grep -F '[W6008]' "$work/err" && fail "$model: every name of it is used"
  set -- train --steps 1 --sample-every 0 --threads 1 --run "$work/$name/run"
  for feed in "$work/$name"/*.npy; do
    [ -f "$feed" ] && set -- "$@" --feed "$(basename "$feed" .npy)=$feed"
  done
  status 0 "$work/$name/trainer" "$@" || continue
  status 0 "$BUILD/tests/check_values" states "$model" "$(newest "$work/$name/run")"
done
finish
