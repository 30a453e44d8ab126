#!/bin/sh
# Against PyTorch: the same weights, data and noise in; after ten or five rounds the same weights and states out (tests/fixtures/make.py).
# float64: 1e-9 per tensor; float32: 1e-2 per tensor and 1e-3 per player, norm-wise against what moved. As the schedule has it, and, since models are
# narrow, with tiles wherever they fit.
. tests/run/common

compare() { # model, f32 or f64, limit per tensor, limit per player, rounds, strategies or nothing
  folder=tests/fixtures/$1
  status 0 "$GANC" build "$folder.gan" --real "$2" --feeds -o "$work/trainer" ${6:+--strategy "$6"} || return
  set -- "$1" "$2" "$3" "$4" train --steps "$5" --sample-every 0 --init "$folder/init.safetensors" --run "$work/$1-$2"
  for feed in "$folder"/feeds/*.npy; do
    name=$(basename "$feed" .npy)
    set -- "$@" --feed "$name=$feed"
  done
  model=$1 real=$2 limit=$3 player_limit=$4
  shift 4
  rm -rf "$work/$model-$real"
  status 0 "$work/trainer" "$@" || return
  status 0 "$BUILD/tests/compare_weights" "$folder/init.safetensors" "$folder/expected.safetensors" "$(newest "$work/$model-$real")" "$limit" "$player_limit"
  printf '%s %s: worst %s\n' "$model" "$real" "$(sed 's/^NO//' "$work/out" | awk '{ print $2, $1 }' | sort -g | tail -n 1)"
}

for pair in gan:10 wgan:10 wgan_gp:10 dcgan:5 dcgan_wgan_gp:5; do
  compare "${pair%:*}" f64 1e-9 1e-9 "${pair#*:}"
  compare "${pair%:*}" f32 1e-2 1e-3 "${pair#*:}"
  compare "${pair%:*}" f64 1e-9 1e-9 "${pair#*:}" tile,direct
  compare "${pair%:*}" f32 1e-2 1e-3 "${pair#*:}" direct,turned,tile
done
finish
