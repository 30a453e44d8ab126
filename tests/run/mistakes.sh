#!/bin/sh
# Mistakes that people make in models of this kind (tests/mistakes, a model and a mistake each; its first line says
# where such a one was seen): a message names the place, and the text that mends it. That text is applied, and what
# comes out compiles without a word.
# All messages stand in tests/mistakes/messages.expected; PROMOTE=1 shows the differences and accepts them.
. tests/run/common
: "${PROMOTE:=0}"
expected=tests/mistakes/messages.expected
count=0
mended=0

for model in tests/mistakes/*.gan; do
  count=$((count + 1))
  "$GANC" check "$model" >/dev/null 2>"$work/messages"
  [ -s "$work/messages" ] || fail "nothing is said about $model"
  { sed -n '1s/^# //p' "$model"; cat "$work/messages"; echo; } >>"$work/all"
  if "$BUILD/tests/mend" "$model" "$work/messages" >"$work/mended.gan" &&
    "$GANC" build --emit graph "$work/mended.gan" -o "$work/graph" 2>"$work/remains" && [ ! -s "$work/remains" ]; then
    mended=$((mended + 1))
  else
    echo "what is said does not mend $model" >&2
    sed 's/^/    /' "$work/messages" "$work/remains" >&2
  fi
done

[ "$count" -ge 35 ] || fail "$count models; 35 are promised"
[ "$((count - mended))" -le 2 ] || fail "$mended of $count are mended by what the messages say; at most two may not be"
echo "$mended of $count mistakes are mended by what the messages say"
[ -f "$expected" ] || : >"$work/empty"
if ! diff -u "$([ -f "$expected" ] && echo "$expected" || echo "$work/empty")" "$work/all" >"$work/difference"; then
  if [ "$PROMOTE" = 1 ]; then
    cat "$work/difference"
    cp "$work/all" "$expected"
  else
    fail "the messages have changed (PROMOTE=1 sh tests/run/mistakes.sh accepts them):"
    sed 's/^/    /' "$work/difference" >&2
  fi
fi
finish
