#!/bin/sh
# The machine code of a model does not depend on the C compiler that built ganc: BUILD has the ganc of gcc, BUILD/clang that of clang.
GANC=$BUILD/ganc
. tests/run/common

for model in examples/*.gan tests/models/*.gan; do
  for real in f32 f64; do
    for march in x86-64-v3 x86-64-v4; do
      status 0 "$GANC" build "$model" --real $real --march $march --emit obj -o "$work/one.o" || continue
      status 0 "$BUILD/clang/ganc" build "$model" --real $real --march $march --emit obj -o "$work/other.o" || continue
      cmp "$work/one.o" "$work/other.o" || fail "$model ($real, $march): the two compilers' objects differ"
    done
  done
done
finish
