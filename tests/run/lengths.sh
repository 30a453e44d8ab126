#!/bin/sh
# How long training lasts: what a trainer says about --steps beyond the model's own length, and counts that come out impossible while it runs.
. tests/run/common

model() {
  printf '%s\n' 'data x: [2] from "ring"' "$2" 'network D(x: [2]) -> [] = x |> Linear(1) |> scalar' 'D minimizes E[(D(x) - 1)^2]' "$3" >"$work/$1.gan"
  status 0 "$GANC" build "$work/$1.gan" -o "$work/$1"
}

# silent COMMAND...: fine, and nothing about progress.
silent() {
  status 0 "$@"
  grep -q progress "$work/err" && fail "a note without a reason: $*"
}

model fading '' 'train for 2000 images { batch = 4; optimize D by sgd(lr = 1e-3 * (1 - progress)); update D }'
status 0 "$work/fading" train --steps 600 --run "$work/beyond"
says "$work/err" '`train for 2000 images` ends at step 500: from there to step 600 `progress` stays 1'
silent "$work/fading" train --run "$work/whole"
silent "$work/fading" train --steps 500 --run "$work/same"
model even '' 'train for 500 steps { batch = 4; optimize D by sgd(lr = 1e-3); update D }'
silent "$work/even" train --steps 600 --run "$work/even-run"

model turns 'n = 2' 'train { batch = 4; optimize D by sgd(lr = 1e-3); repeat n { update D } }'
status 0 "$work/turns" train --steps 2 --run "$work/two"
status 1 "$work/turns" train --steps 2 --set n=1e20 --run "$work/endless"
says "$work/err" 'line 5: the count of `repeat` came out as 1e+20 at step 0; it must be at least 0 and at most 4294967296'
status 1 "$work/turns" train --steps 2 --set n=-1 --run "$work/backwards"
says "$work/err" 'line 5: the count of `repeat` came out as -1 at step 0'
model periods 'n = 2' 'train { batch = 4; optimize D by sgd(lr = 1e-3); every n { update D }; update D }'
status 1 "$work/periods" train --steps 2 --set n=1e20 --run "$work/never"
says "$work/err" 'line 5: the period of `every` must be at least 1 and at most 9007199254740992, not 1e+20'

finish
