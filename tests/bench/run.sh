#!/bin/sh
# run.sh BUILD [THREADS]: peak, ours, PyTorch and JAX in turn, three rounds; medians and ratios. PEERS=DIR: where they are installed; PEERS=none: without them.
set -eu
build=${1:?usage: run.sh BUILD [THREADS]}
threads=${2:-$(nproc)}
here=$(dirname "$0")
bench=$build/bench
mkdir -p "$bench"
rm -f "$bench"/results.*

peers=${PEERS:-$bench/peers}
if [ "$peers" != none ]; then
  [ -f "$peers/env" ] || { echo 'installing PyTorch and JAX (some minutes)' >&2; sh "$here/install" "$peers" >&2; }
  # shellcheck source=/dev/null
  . "$peers/env"
fi
processors=$(awk -v n="$threads" 'BEGIN { for (i = 0; i < n; i++) printf "%s%d", i ? "," : "", i }')

gcc -O2 -std=gnu17 -march=native "$here/peak.c" -o "$bench/peak" -pthread
gcc -O2 -std=gnu17 "$here/spent.c" -o "$bench/spent"
start=$(date +%s%N)
"$build/ganc" build examples/gan.gan -o "$bench/gan"
built=$((($(date +%s%N) - start) / 1000000))

# note NAME MS FIRST MEMORY
note() { printf '%s\t%s\t%s\t%s\n' "$@" >>"$bench/results.times"; }
peer() {
  taskset -c "$processors" "$peers/bin/python" "$@" |
    sed -n 's/^{"name": "\(.*\)", "ms": \([0-9.]*\), "first": \([0-9.]*\), "memory": \([0-9.]*\)}$/\1\t\2\t\3\t\4/p' >>"$bench/results.times"
}
# Ours: whole runs, with everything a run does (data, log, checkpoint): 900 steps less 100 give the time of a step, one step the start.
train() { # STEPS FILE
  rm -rf "$bench/run"
  "$bench/spent" "$2" taskset -c "$processors" "$bench/gan" train --steps "$1" --threads "$threads" --sample-every 0 --run "$bench/run" >/dev/null 2>&1
}
ours() {
  train 1 "$bench/time.first"
  train 100 "$bench/time.short"
  train 900 "$bench/time.long"
  # shellcheck disable=SC2046
  note "ganc $("$build/ganc" --version | awk 'NR == 1 { print $2 }')" $(paste -d' ' "$bench/time.first" "$bench/time.short" "$bench/time.long" |
    awk '{ printf "%.3f %.3f %.1f", ($5 - $3) / 0.8, $1, $6 }')
}

for round in 1 2 3; do
  echo "round $round of 3" >&2
  "$bench/peak" "$threads" >>"$bench/results.peak"
  ours
  [ "$peers" = none ] && continue
  peer "$here/torch_step.py" "$threads" 100
  peer "$here/torch_step.py" "$threads" 100 ftz
  peer "$here/torch_step.py" "$threads" 100 ftz foreach
  peer "$here/torch_step.py" "$threads" 100 ftz fused
  peer "$here/jax_step.py" 200
done

needed=$("$bench/gan" info --json | sed -n 's/.*"needed_flops": *\([0-9.e+]*\).*/\1/p')
peak=$(sort -g "$bench/results.peak" | sed -n 2p)
printf '\nexamples/gan.gan, %s threads, float32; medians of 3. Peak %s GFLOP/s, needed %s FLOPs a step. `ganc build` took %s ms.\n\n' "$threads" "$peak" "${needed:-2.04e9}" "$built"
sort -t"$(printf '\t')" -k1,1 -k2,2g "$bench/results.times" | awk -F'\t' -v peak="$peak" -v needed="${needed:-2.04e9}" '
  { if ($1 != last) { last = $1; names[++count] = $1; seen[$1] = 0 } seen[$1]++; row[$1, seen[$1]] = $0 }
  END {
    floor = needed / peak / 1e6
    printf "%-40s%10s%12s%14s%12s\n", "", "ms a step", "over floor", "first step s", "memory MB"
    printf "%-40s%10.2f%12.2f\n", "floor: needed FLOPs at the peak", floor, 1
    for (i = 1; i <= count; i++) {
      split(row[names[i], int((seen[names[i]] + 1) / 2)], f, "\t")
      printf "%-40s%10.2f%12.2f%14.2f%12.0f\n", f[1], f[2], f[2] / floor, f[3], f[4]
      if (f[1] ~ /^ganc/) ours = f[2]
      else if (f[1] ~ /^PyTorch/ && (!torch || f[2] < torch)) torch = f[2]
      else if (f[1] ~ /^JAX/) jax = f[2]
    }
    if (ours && torch) printf "\n%.2f times PyTorch at its best", torch / ours
    if (ours && jax) printf ", %.2f times JAX", jax / ours
    printf "\n"
  }'
