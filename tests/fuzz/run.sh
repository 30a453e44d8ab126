#!/bin/sh
# run.sh TARGET: gives a fuzz target its stored inputs, then for FUZZ_SECONDS (8) what libFuzzer makes of them. What fails, and what reaches new code, is
# kept in found/ beside the target's folder.
set -eu
target=$1
name=${target##*/fuzz_}
found=$(dirname "$target")/../found
mkdir -p "$found/$name"
unset ASAN_OPTIONS
exec "$target" -max_total_time="${FUZZ_SECONDS:-8}" -timeout=10 -rss_limit_mb=4096 -print_final_stats=1 -artifact_prefix="$found/" \
  "$found/$name" "tests/fuzz/$name"
