#!/bin/sh
# The commands on the pages of `ganc explain`: the first one of a page fails with its code (or warns), the second one does not.
# (Examples in the language: unit/expand_pages.)
. tests/run/common
root=$PWD
case $GANC in /*) ;; *) GANC=$root/$GANC ;; esac
mkdir "$work/bin" "$work/here"
ln -s "$GANC" "$work/bin/ganc"
for name in gan wgan ring model began model_that_reads_a_table; do
  printf '%s\n' 'data x: [2] from "ring"' 'width = 4' 'gamma = 0.5' \
    'network D(x: [2]) -> [] = x |> Linear(width) |> relu |> Linear(1) |> scalar' \
    'D minimizes gamma * E[(D(x) - 1)^2]' 'train { batch = 4; optimize D by sgd(lr = 0.1); update D }' \
    >"$work/here/$name.gan"
done

# What no command here can show: a file of 64 MiB, a compiler or a library that is broken, another processor.
without='E1016 E5007 E5014 E5015 E5017 E5021'
for page in lang/explain/*.md; do
  code=$(basename "$page" .md)
  case " $without " in *" $code "*) continue ;; esac
  awk '/^```sh/ { inside = 1; next } /^```/ { inside = 0 } inside' "$page" >"$work/commands"
  [ -s "$work/commands" ] || continue
  number=0
  while read -r command; do
    number=$((number + 1))
    (cd "$work/here" && PATH=$work/bin:$PATH sh -c "$command") >"$work/out" 2>"$work/err" </dev/null
    got=$?
    if [ "$number" = 1 ]; then
      case $code in
      W*) [ "$got" = 0 ] || fail "$code: $command fails" ;;
      *) [ "$got" != 0 ] || fail "$code: $command succeeds" ;;
      esac
      says "$work/err" "[$code]" || printf '    %s: %s\n' "$code" "$command" >&2
    elif [ "$got" != 0 ] || grep -qF "[$code]" "$work/err"; then
      fail "$code: $command fails"
      sed 's/^/    /' "$work/err" >&2
    fi
  done <"$work/commands"
  [ "$number" -ge 2 ] || fail "$code shows $number commands"
done
finish
