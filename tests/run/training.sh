#!/bin/sh
# Training: the same bits for any number of threads, and for a run that was stopped and resumed; a model learns.
. tests/run/common

# same A B: two checkpoints hold the same bits of weights and states (what precedes them, as the count of outputs logged so far, may differ).
numbers() { tail -c +$(($(od -A n -t u8 -N 8 "$1") + 9)) "$1"; }
same() {
  numbers "$1" >"$work/numbers"
  numbers "$2" | cmp -s - "$work/numbers"
}

for example in examples/*.gan; do
  name=$(basename "$example" .gan)
  status 0 "$GANC" build "$example" -o "$work/$name" || continue
  status 0 "$work/$name" info
  steps=4
  for threads in 1 2 3 7; do
    status 0 "$work/$name" train --steps $steps --threads $threads --seed 5 --run "$work/$name-$threads" || continue
    [ "$threads" = 1 ] || same "$(newest "$work/$name-1")" "$(newest "$work/$name-$threads")" || fail "$name: $threads threads give other bits than 1"
  done
  for stop in 1 3; do
    status 0 "$work/$name" train --steps $stop --threads 2 --seed 5 --run "$work/$name-r$stop" || continue
    status 0 "$work/$name" train --steps $steps --threads 1 --resume --run "$work/$name-r$stop" || continue
    same "$(newest "$work/$name-1")" "$(newest "$work/$name-r$stop")" || fail "$name: stopped after $stop steps and resumed, it gives other bits"
  done
done

# A broken compiler cannot reach this: at least seven of the eight modes of the ring, four samples in five within three deviations of one.
if [ "$SANITIZE" = 0 ]; then
  status 0 "$work/ring" train --seed 1 --run "$work/learned"
  status 0 "$work/ring" eval --run "$work/learned"
  cat "$work/out"
  awk '/^modes:/ { found = 1; if ($2 < 7 || $7 + 0 < 80) bad = 1 } END { exit bad || !found }' "$work/out" || fail 'the ring was not learned'
fi
finish
