#!/bin/sh
# Faults on purpose are in the source and in no compiler that anybody uses.
. tests/run/common

rows=$(sed -n 's/^MUTANT_ROW(\([a-z_]*\),.*/\1/p' tests/mutants/mutants.def)
for row in $rows; do
  grep -rqF --include='*.[cy]' "MUTANT($row)" lang compiler || fail "no place is broken by the mutant $row"
done

if [ "$MUTANTS" = 1 ]; then
  [ "$(GANC_MUTANT=list "$GANC" | cut -f1)" = "$rows" ] || fail 'GANC_MUTANT=list does not print the rows of mutants.def'
  status 2 env GANC_MUTANT=nothing "$GANC" --version && says "$work/err" 'GANC_MUTANT=nothing is no mutant'
else
  status 0 env GANC_MUTANT=nothing "$GANC" --version
  status 1 grep -cF -e GANC_MUTANT -e mutant_chosen "$GANC"
fi
finish
