#!/bin/sh
# Wrong models and what is said about them: tests/bad/CODE_what.gan against CODE_what.expected. With PROMOTE=1 shows the differences and accepts them.
# Every code that a line of the compiler reports about models must have a bad program here, or a reason in tests/bad/WITHOUT.
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
  codes=$(grep -rhoE --include='*.[cly]' '\b[EW][1-46][0-9]{3}\b' lang compiler | sort -u)
  for code in $codes; do
    ls tests/bad/"$code"_*.gan >/dev/null 2>&1 || grep -q "^$code " tests/bad/WITHOUT || fail "no bad program for $code"
  done
fi
finish
