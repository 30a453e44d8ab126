#!/bin/sh
# run.sh BUILD [--threads N] [MODEL.gan...]: for each model in turn the peak, ours, PyTorch and JAX, five rounds; medians and ratios. Without models, those
# of the benchmarks. PEERS=DIR: where the others are installed; PEERS=none: without them. ROUNDS=1: a first look.
set -eu
build=${1:?usage: run.sh BUILD [--threads N] [MODEL.gan...]}
shift
here=$(dirname "$0")
bench=$build/bench
threads=$(nproc)
if [ "${1:-}" = --threads ]; then
  threads=${2:?--threads needs a number}
  shift 2
fi
[ $# -gt 0 ] || set -- examples/gan.gan "$here/dcgan64.gan" "$here/wgan_gp64.gan" "$here/unet.gan"
for model; do
  [ -f "$model" ] || { echo "bench: there is no model $model" >&2; exit 2; }
done
rounds=${ROUNDS:-5} seconds=2 # of each, in each round
tab=$(printf '\t')

peers=${PEERS:-$bench/peers}
if [ "$peers" != none ]; then
  [ -f "$peers/env" ] || { echo 'installing PyTorch and JAX (some minutes)' >&2; sh "$here/install" "$peers" >&2; }
  # shellcheck source=/dev/null
  . "$peers/env"
fi

# The modes of PyTorch that are worth comparing, one to a line: no other was the fastest for a model of the kind.
modes() { # NAME
  case $1 in
  gan) printf '%s\n' '' ftz 'ftz foreach' 'ftz fused' ;;
  dcgan64 | wgan_gp64 | unet) printf '%s\n' 'cl ftz' 'cl ftz foreach' 'cl ftz fused' ;;
  esac
}

on() { # THREADS COMMAND...: on so many processors, the first ones
  last=$(($1 - 1))
  shift
  taskset -c "0-$last" "$@"
}

# note NAME MS FIRST MEMORY
note() { printf '%s\t%s\t%s\t%s\n' "$@" >>"$results.times"; }
peer() {
  on "$threads" "$peers/bin/python" "$@" |
    sed -n 's/^{"name": "\(.*\)", "ms": \([0-9.]*\), "first": \([0-9.]*\), "memory": \([0-9.]*\)}$/\1\t\2\t\3\t\4/p' >>"$results.times"
}

# Ours: whole runs, with everything a run does (data, log, checkpoint). What more steps cost than one gives the time of a step, one the start.
train() { # THREADS STEPS: leaves seconds and megabytes in $results.spent
  rm -rf "$bench/run"
  "$bench/spent" "$results.spent" taskset -c "0-$(($1 - 1))" "$trainer" train --steps "$2" --threads "$1" --sample-every 0 --run "$bench/run" \
    >"$results.log" 2>&1 || { cat "$results.log" >&2; exit 1; }
}
ours() { # THREADS NAME
  train "$1" 1
  first=$(cut -d' ' -f1 "$results.spent")
  train "$1" "$steps"
  # shellcheck disable=SC2046
  note "$2" $(awk -v first="$first" -v steps="$steps" '{ printf "%.4f %.3f %.1f", 1e3 * ($1 - first) / (steps - 1), first, $2 }' "$results.spent")
}
# As many steps as take those seconds, three at least, by what two take.
steps_of() {
  train "$threads" 1
  first=$(cut -d' ' -f1 "$results.spent")
  train "$threads" 3
  awk -v first="$first" -v seconds="$seconds" '{
    steps = seconds * 2 / ($1 > first ? $1 - first : 1e-4)
    print 1 + (steps < 3 ? 3 : steps > 2000 ? 2000 : int(steps)) }' "$results.spent"
}

number() { # NAME: of what `info --json` says
  "$trainer" info --json --threads "$threads" | sed -n "s/.*\"$1\": *\([0-9.e+]*\).*/\1/p" | head -n 1
}
middle() { sort -g | awk '{ row[NR] = $1 } END { print row[int((NR + 1) / 2)] }'; }

table() { # of the model at hand
  peak=$(cut -d' ' -f1 "$results.peak" | middle) bandwidth=$(cut -d' ' -f2 "$results.peak" | middle)
  needed=$(number needed_flops) weights=$(number weights) predicted=$(number predicted_bytes) batch=$(number batch)
  moved=0
  [ "$batch" != 1 ] || moved=$(awk -v weights="$weights" 'BEGIN { print 32 * weights }')
  printf '\n%s, batch %s, %s threads, float32; medians of %s. Peak %s GFLOP/s, memory %s GB/s, needed %.4g GFLOP a step, %s weights. `ganc build` took %s ms.\n\n' \
    "$model" "$batch" "$threads" "$rounds" "$peak" "$bandwidth" "$(awk -v needed="$needed" 'BEGIN { print needed / 1e9 }')" "$weights" "$built"
  sort -t"$tab" -k1,1 -k2,2g "$results.times" |
    awk -F'\t' -v peak="$peak" -v bandwidth="$bandwidth" -v needed="$needed" -v moved="$moved" -v predicted="$predicted" -v threads="$threads" '
    { if ($1 != last) { last = $1; names[++count] = $1 } seen[$1]++; row[$1, seen[$1]] = $0 }
    END {
      floor = needed / peak / 1e6 + moved / bandwidth / 1e6
      printf "%-40s%10s%12s%14s%12s\n", "", "ms a step", "over floor", "first step s", "memory MB"
      printf "%-40s%10.2f%12.2f\n", moved ? "floor: FLOPs at the peak, 32 bytes a weight" : "floor: needed FLOPs at the peak", floor, 1
      for (i = 1; i <= count; i++) {
        split(row[names[i], int((seen[names[i]] + 1) / 2)], f, "\t")
        printf "%-40s%10.2f%12s%14.2f%12.0f\n", f[1], f[2], f[1] ~ /one thread/ ? "" : sprintf("%.2f", f[2] / floor), f[3], f[4]
        if (f[1] ~ /one thread/) alone = f[2]
        else if (f[1] ~ /^ganc/) { ours = f[2]; used = f[4] }
        else if (f[1] ~ /^PyTorch/ && (!torch || f[2] < torch)) torch = f[2]
        else if (f[1] ~ /^JAX/) jax = f[2]
      }
      printf "\nmemory: %.0f MB predicted, %.0f MB used", predicted / 1048576, used
      if (alone) printf "; %.2f times one thread", alone / ours
      if (torch) printf "; %.2f times PyTorch at its best", torch / ours
      if (jax) printf ", %.2f times JAX", jax / ours
      printf "\n"
    }'
}

for model; do
  name=$(basename "$model" .gan)
  results=$bench/results.$name trainer=$bench/$name
  rm -f "$results".*
  start=$(date +%s%N)
  "$build/ganc" build "$model" -o "$trainer"
  built=$((($(date +%s%N) - start) / 1000000))
  steps=$(steps_of)
  version="ganc $("$build/ganc" --version | awk 'NR == 1 { print $2 }')"
  for round in $(seq "$rounds"); do
    echo "$name, round $round of $rounds" >&2
    on "$threads" "$bench/peak" "$threads" >>"$results.peak"
    ours "$threads" "$version"
    [ "$threads" = 1 ] || ours 1 "$version, one thread"
    [ "$peers" = none ] && continue
    modes "$name" >"$results.modes"
    while read -r mode; do
      # shellcheck disable=SC2086
      peer "$here/torch_step.py" "$name" "$threads" "$seconds" $mode </dev/null
    done <"$results.modes"
    [ ! -s "$results.modes" ] || peer "$here/jax_step.py" "$name" "$seconds"
  done
  table
done
