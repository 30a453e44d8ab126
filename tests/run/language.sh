#!/bin/sh
# The examples of the documents compile: every ```gan block of lang/README.md is checked, every ```gan bad block must fail, and every example is.
. tests/run/common

awk -v work="$work" '
  /^```gan( bad)?$/ { number++; file = sprintf("%s/%s_%03d.gan", work, $2 == "bad" ? "bad" : "good", number); printf "# line %d\n", NR >file; open = 1; next }
  /^```/ { if (open) close(file); open = 0; next }
  open { print >file }
' lang/README.md README.md
count=0
for snippet in "$work"/good_*.gan; do
  [ -f "$snippet" ] || continue
  count=$((count + 1))
  status 0 "$GANC" check "$snippet" || sed 's/^/    /' "$snippet" >&2
done
for snippet in "$work"/bad_*.gan; do
  [ -f "$snippet" ] || continue
  status 1 "$GANC" check "$snippet" || sed 's/^/    /' "$snippet" >&2
done
[ "$count" -ge 5 ] || fail "only $count snippets were found"
for example in examples/*.gan tests/fixtures/*.gan tests/bench/*.gan; do status 0 "$GANC" check "$example"; done
finish
