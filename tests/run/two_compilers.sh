#!/bin/sh
# The machine code of a model does not depend on the C compiler that built ganc. GANC_OTHER is a ganc of the same source, built by another compiler;
# without it there is nothing to compare, and the test is skipped.
[ -n "${GANC_OTHER:-}" ] || exit 77
. tests/run/common

for model in examples/*.gan tests/models/*.gan; do
  for real in f32 f64; do
    for march in x86-64-v3 x86-64-v4; do
      status 0 "$GANC" build "$model" --real $real --march $march --emit obj -o "$work/one.o" || continue
      status 0 "$GANC_OTHER" build "$model" --real $real --march $march --emit obj -o "$work/other.o" || continue
      cmp "$work/one.o" "$work/other.o" || fail "$model ($real, $march): the two compilers' objects differ"
    done
  done
done
finish
