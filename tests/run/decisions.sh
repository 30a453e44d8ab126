#!/bin/sh
# How the programs of some models are computed, for named processors: of every routine the strategies with the losers, the cheapest first, and the sizes
# of tiles; small phases by their number. Golden, so that a strategy that is lost, or a cost that tips, is seen; with PROMOTE=1 shows the differences and
# accepts them. What was decided depends on the target alone: run after run, whatever the processor at hand.
. tests/run/common
: "${PROMOTE:=0}"
expected=tests/run/decisions.expected

# Without the numbers of nodes, and without those of cycles, which tell of a changed cost what the order does not.
decisions() {
  awk '
    / tiles, [0-9]* nests$/ { flush(); print "  " $0; next }
    /^decided: / {
      take()
      if ($0 ~ /: serial /) { serial++; line = ""; next }
      sub(/^decided: /, ""); sub(/ and [0-9]+ more: /, ": "); sub(/ Mcycles/, "")
      gsub(/ \(axis [0-9]+ innermost\)/, ""); gsub(/n[0-9]+ [+] /, ""); sub(/^n[0-9]+ ?/, ""); gsub(/ ?%[0-9]+ ?/, "")
      gsub(/,? [0-9.]+(e[+-]?[0-9]+)?(;|,|$)/, ","); gsub(/,+ instead: /, " before "); sub(/,+$/, "")
      line = $0; next
    }
    /^  [0-9]+ rows/ { if (line != "") { sub(/; [0-9.e+]+ Mcycles$/, ""); gsub(/ \(index [0-9]+\)/, ""); line = line ";" substr($0, 2) } }
    /^program|^  [a-z]/ { take() }
    function take() { if (line != "") lines[line]++; line = "" }
    function flush(text, sorted) {
      take()
      for (text in lines) printf "    %d x %s\n", lines[text], text | "LC_ALL=C sort -k 3"
      close("LC_ALL=C sort -k 3")
      if (serial) printf "    %d small phases\n", serial
      split("", lines); serial = 0
    }
    END { flush() }' "$work/out"
}

for model in examples/gan.gan examples/dcgan.gan tests/models/groups.gan tests/fixtures/dcgan.gan; do
  for target in znver5 sapphirerapids x86-64-v3; do
    status 0 "$GANC" build "$model" --march $target --dump-after=schedule --stop-after=schedule || continue
    printf '%s, %s\n' "$model" "$target" >>"$work/found"
    decisions >>"$work/found"
  done
done
if ! diff -u "$expected" "$work/found" >"$work/difference"; then
  if [ "$PROMOTE" = 1 ]; then
    cat "$work/difference"
    cp "$work/found" "$expected"
  else
    fail 'what the schedule decides has changed (./x promote accepts it):'
    cat "$work/difference" >&2
  fi
fi
finish
