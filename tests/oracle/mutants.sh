#!/bin/sh
# mutants.sh BUILD [COUNT] [NAME...]: for each way in which the compiler of BUILD can be broken (or those named), how many random models until the oracle sees it.
# COUNT models (2000) that see nothing are a failure.
set -eu
build=$1
count=${2:-2000}
[ $# -lt 2 ] || shift
shift
names=${*:-$(GANC_MUTANT=list "$build/ganc" | awk '{print $1}')}
missed=0
for name in $names; do
  # Bad values are seen by differences; a model that is refused or a compiler that stops is no proof that numbers are watched.
  if GANC_MUTANT=$name "$build/tests/oracle" --compiler "$build/ganc" --folder "$build/hunt" --stop --no-reduce "$count" 1 >"$build/hunt.txt" 2>&1; then
    verdict='not found'
  elif grep -q ' [1-9][0-9]* differ' "$build/hunt.txt"; then verdict='found after'
  else verdict='seen only by errors'
  fi
  [ "$verdict" = 'found after' ] || missed=$((missed + 1))
  printf '%-22s %s %s\n' "$name" "$verdict" "$(sed -n 's/^\([0-9]* models\) from seed [0-9]*:.* \([0-9]* differ\), \([0-9]* refused\), \([0-9]* crashed\).*/\1 (\2, \3, \4)/p' "$build/hunt.txt")"
done
[ "$missed" = 0 ] || { echo "$missed were not found in $count models"; exit 1; }
