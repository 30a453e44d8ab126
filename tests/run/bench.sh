#!/bin/sh
# What `./x bench` is made of: layers have right numbers in every direction, and whoever asks for what is not there is told so.
. tests/run/common

for filter in 'D 512-1' 'dense 256-1' 'G 100-512' 'one 512-512 2x2'; do
  status 0 "$BUILD/bench/layers" --filter "$filter" --json || continue
  [ "$(grep -c '"of_peak": [0-9]' "$work/out")" = 3 ] || fail "$filter: these are not three rows: $(cat "$work/out")"
done
status 0 "$BUILD/bench/layers" --filter 'dense 256-1 weight' --real f64 --march x86-64-v3 --verbose && says "$work/out" 'largest error'
status 2 "$BUILD/bench/layers" --filter 'no such layer' && says "$work/err" 'no layer'
status 2 "$BUILD/bench/layers" --march z80 && says "$work/err" 'E5012'
status 2 "$BUILD/bench/layers" --filter && says "$work/err" 'value is missing'
status 2 sh tests/bench/run.sh "$BUILD" --threads 1 "$work/nothing.gan" && says "$work/err" "there is no model $work/nothing.gan"
finish
