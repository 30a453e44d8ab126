#!/bin/sh
# `ganc fmt`: what is in the repository is canonical, the form is a fixed point, nothing is lost, and what does not parse is left alone.
. tests/run/common

status 0 "$GANC" fmt --check stdlib/*.gan examples/*.gan tests/fixtures/*.gan tests/bench/*.gan tests/values/*.gan

for file in stdlib/*.gan examples/*.gan; do
  sed 's/^  *//; s/  */ /g' "$file" >"$work/crooked.gan"
  status 0 "$GANC" fmt "$work/crooked.gan" && cp "$work/crooked.gan" "$work/once.gan"
  status 0 "$GANC" fmt --check "$work/crooked.gan"
  grep -c '#' "$file" >"$work/a"; grep -c '#' "$work/once.gan" >"$work/b"
  cmp -s "$work/a" "$work/b" || fail "comments of $file were lost"
done

printf 'a  =  1\n' >"$work/plain.gan"
status 1 "$GANC" fmt --check "$work/plain.gan" && says "$work/err" '[E5020]'
grep -qx 'a  =  1' "$work/plain.gan" || fail 'fmt --check changed the file'
status 0 "$GANC" fmt - <"$work/plain.gan" && says "$work/out" 'a = 1'
status 0 "$GANC" fmt "$work/plain.gan" && says "$work/plain.gan" 'a = 1'
printf 'a = (\n' >"$work/broken.gan"
status 1 "$GANC" fmt "$work/broken.gan" && says "$work/broken.gan" 'a = ('
finish
