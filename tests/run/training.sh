#!/bin/sh
# Training: the same bits for any number of threads, and for a run that was stopped and resumed; a model learns.
. tests/run/common

# same_weights A B: two checkpoints hold the same bits, up to what they say about the run.
same() { status 0 "$BUILD/tests/compare_weights" "$1" "$1" "$2" 0 0; }

for example in examples/*.gan; do
  name=$(basename "$example" .gan)
  status 0 "$GANC" build "$example" -o "$work/$name" || continue
  status 0 "$work/$name" info
  steps=4
  for threads in 1 2 3 7; do
    status 0 "$work/$name" train --steps $steps --threads $threads --seed 5 --run "$work/$name-$threads" || continue
    [ "$threads" = 1 ] || cmp -s "$(newest "$work/$name-1")" "$(newest "$work/$name-$threads")" || fail "$name: $threads threads give other bits than 1"
  done
  for stop in 1 3; do
    status 0 "$work/$name" train --steps $stop --threads 2 --seed 5 --run "$work/$name-r$stop" || continue
    status 0 "$work/$name" train --steps $steps --threads 1 --resume --run "$work/$name-r$stop" || continue
    cmp -s "$(newest "$work/$name-1")" "$(newest "$work/$name-r$stop")" || fail "$name: stopped after $stop steps and resumed, it gives other bits"
  done
done

# a broken compiler cannot reach this: all modes of the ring, most samples near one
if [ "$SANITIZE" = 0 ] && [ -x "$work/ring" ]; then
  status 0 "$work/ring" train --seed 1 --run "$work/learned" && status 0 "$work/ring" eval --run "$work/learned" && cat "$work/out"
fi
finish
