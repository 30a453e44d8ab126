#!/bin/sh
# Wrong models and what is said about them: tests/bad/CODE_what.gan against CODE_what.expected. With PROMOTE=1 shows the differences and accepts them.
# Every code of a message about models must have a bad program here.
. tests/run/common
: "${PROMOTE:=0}"
[ $# -gt 0 ] || set -- tests/bad/*.gan
all=$#

for model in "$@"; do
  name=$(basename "$model" .gan)
  code=${name%%_*}
  "$GANC" check "$model" >"$work/out" 2>"$work/err"
  got=$?
  case $code in W*) wanted=0 ;; *) wanted=1 ;; esac
  [ "$got" = "$wanted" ] || fail "status $got instead of $wanted: $model"
  says "$work/err" "[$code]" || true
  expected=${model%.gan}.expected
  [ -f "$expected" ] || : >"$work/empty"
  diff -u "$([ -f "$expected" ] && echo "$expected" || echo "$work/empty")" "$work/err" >"$work/difference" && continue
  if [ "$PROMOTE" = 1 ]; then
    cat "$work/difference"
    cp "$work/err" "$expected"
  else
    fail "the messages about $model have changed (./x promote accepts them):"
    sed 's/^/    /' "$work/difference" >&2
  fi
done

if [ "$all" -gt 40 ]; then
  "$GANC" explain | sed -n 's/^\([EW][0-9]*\) .*/\1/p' | grep -v '^E5' | while read -r code; do
    ls tests/bad/"$code"_*.gan >/dev/null 2>&1 || grep -qx "$code .*" tests/bad/WITHOUT || echo "$code"
  done >"$work/missing"
  [ ! -s "$work/missing" ] || fail "no bad program for $(tr '\n' ' ' <"$work/missing")"
fi
finish
