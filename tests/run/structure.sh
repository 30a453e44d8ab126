#!/bin/sh
# What the schedule makes of each example, for named processors: tiles and nests of every routine, and kernels that are compiled. Golden, so that a lost
# fusion is seen; with PROMOTE=1 shows the differences and accepts them. The passes print the same, run after run.
. tests/run/common
: "${PROMOTE:=0}"
expected=tests/run/structure.expected

for example in examples/*.gan; do
  for target in x86-64-v3 x86-64-v4; do
    status 0 "$GANC" build "$example" --march $target --dump-after=schedule --stop-after=schedule || continue
    printf '%s, %s\n' "$(basename "$example")" "$target" >>"$work/found"
    sed -n 's/^\(.*: [0-9]* tiles, [0-9]* nests\)$/  \1/p' "$work/out" >>"$work/found"
  done
done
if ! diff -u "$expected" "$work/found" >"$work/difference"; then
  if [ "$PROMOTE" = 1 ]; then
    cat "$work/difference"
    cp "$work/found" "$expected"
  else
    fail 'tiles and nests have changed (./x promote accepts them):'
    cat "$work/difference" >&2
  fi
fi
finish
