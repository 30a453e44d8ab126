#!/bin/sh
# The command line: statuses, help, suggestions, where output goes.
. tests/run/common
model=tests/fixtures/gan.gan

status 0 "$GANC" --help && says "$work/out" 'ganc build'
status 0 "$GANC" && says "$work/out" 'ganc build'
status 0 "$GANC" --version && says "$work/out" 'ganc '
for command in build check run fmt explain cache; do
  status 0 "$GANC" "$command" --help && says "$work/out" "ganc $command"
done

# wrong command lines: 2, with a caret and a hint
status 2 "$GANC" biuld $model && says "$work/err" '[E5001]' && says "$work/err" 'did you mean `build`?'
status 2 "$GANC" build --rael f64 $model && says "$work/err" '[E5002]' && says "$work/err" 'did you mean `--real`?'
status 2 "$GANC" check --emit graph $model && says "$work/err" '[E5002]' && says "$work/err" 'ganc build'
status 2 "$GANC" build $model -o && says "$work/err" '[E5003]'
status 2 "$GANC" build $model -o '' && says "$work/err" '[E5003]'
status 2 "$GANC" build $model --output= && says "$work/err" '[E5003]'
status 2 "$GANC" build - && says "$work/err" '[E5003]'
status 2 "$GANC" build --real f16 $model && says "$work/err" '[E5004]' && says "$work/err" 'f32 or f64'
status 2 "$GANC" build --emit grpah $model && says "$work/err" '[E5004]' && says "$work/err" 'did you mean `graph`?'
status 2 "$GANC" build --feeds=yes $model && says "$work/err" '[E5004]'
status 2 "$GANC" build --set lr $model && says "$work/err" '[E5004]'
status 2 "$GANC" build --fuse-limit=-1 $model && says "$work/err" '[E5004]'
status 2 "$GANC" build && says "$work/err" '[E5005]'
status 2 "$GANC" build --strategy tyle $model && says "$work/err" '[E5004]' && says "$work/err" 'nest, turn, scatter' &&
  says "$work/err" 'did you mean `tile`?'
for words in x57=nest n=nest 57=nest n99999999999=nest n5=; do
  status 2 "$GANC" build --strategy $words $model && says "$work/err" '[E5004]'
done
status 2 "$GANC" build --strategy nest,n5=, $model
status 0 "$GANC" build --help && says "$work/out" '--strategy [nID=]NAME' && says "$work/out" 'added up in memory, term by term'
status 2 "$GANC" build --stop-after=simplfy $model && says "$work/err" '[E5011]' && says "$work/err" 'did you mean `simplify`?'
status 2 "$GANC" build --march pentium99 $model -o "$work/t" && says "$work/err" '[E5012]'
status 2 "$GANC" explain E20004 && says "$work/err" '[E5013]'
status 2 "$GANC" build $model $model && says "$work/err" '[E5018]'
status 2 "$GANC" build --emit graph --stop-after=read $model && says "$work/err" '[E5019]'
status 2 "$GANC" build --real f64 --real f32 $model && says "$work/err" '[E5019]' && says "$work/err" 'given twice'
status 2 "$GANC" check --set a=1 --set a=2 $model && says "$work/err" '[E5019]'
status 2 "$GANC" build --bad "$(printf 'a\nb')"
status 2 "$GANC" build --bad "$(printf '\377\376')"

# wrong models and files: 1
status 1 "$GANC" check "$work/nothing.gan" && says "$work/err" '[E1001]'
head -c 68000000 /dev/zero | tr '\0' '#' >"$work/large.gan"
status 1 "$GANC" check "$work/large.gan" && says "$work/err" '[E1016]'
printf 'network G(\n' >"$work/wrong.gan"
status 1 "$GANC" check "$work/wrong.gan"
status 1 "$GANC" build "$work/wrong.gan" -o "$work/wrong"
[ ! -e "$work/wrong" ] || fail 'a model with errors left a trainer'
status 1 "$GANC" build $model -o "$work/no/such/folder/trainer"
status 1 "$GANC" build --set nothing=1 $model -o "$work/t" && says "$work/err" '[E5008]'

# right ones: 0; from standard input, too
status 0 "$GANC" check $model
status 0 "$GANC" check - <$model
status 0 "$GANC" build - -o "$work/piped" <$model && [ -x "$work/piped" ] || fail 'no trainer from standard input'
status 0 "$GANC" build $model -o "$work/-odd name" && [ -x "$work/-odd name" ] || fail 'no trainer under an odd name'
status 0 "$GANC" build --output="$work/other" -- $model && [ -x "$work/other" ] || fail 'no trainer with --output='
[ -z "$(find "$work" -name '.ganc-*')" ] || fail 'files written aside were left over'
case $GANC in /*) ganc=$GANC ;; *) ganc=$PWD/$GANC ;; esac
here=$PWD
(cd "$work" && "$ganc" build "$here/$model" && [ -x gan ]) || fail 'no trainer under the name of the model'

# a link over an existing trainer replaces it at once, also while it runs
status 0 "$GANC" build $model -o "$work/other" || fail 'an existing trainer is not replaced'

# passes stop where they are told to, and what they made can be printed
for pass in read expand normalise differentiate simplify axes layout fuse schedule plan emit link; do
  status 0 "$GANC" build $model --stop-after=$pass --dump-after=$pass -o "$work/t.$pass"
  [ -s "$work/out" ] || fail "nothing was printed after $pass"
done
[ ! -e "$work/t.emit" ] || fail '--stop-after=emit made a trainer'
for form in ast graph kernels llvm asm; do
  status 0 "$GANC" build $model --emit $form && cp "$work/out" "$work/first"
  [ -s "$work/first" ] || fail "--emit $form printed nothing"
  status 0 "$GANC" build $model --emit $form -o "$work/second" && cmp -s "$work/first" "$work/second" || fail "--emit $form differs between two runs"
done
status 0 "$GANC" build $model --emit obj -o "$work/model.o"
undefined=$(nm -u "$work/model.o" | awk '{ print $2 }' | grep -vxE 'memcpy|memset|_GLOBAL_OFFSET_TABLE_' || true)
[ -z "$undefined" ] || fail "the object needs $undefined"
status 0 "$GANC" build $model --time-passes -o "$work/t" && says "$work/err" differentiate

# what was decided is printed, and can be forced, of one node or of all that it fits; a word where it cannot
schedule() { status 0 "$GANC" build examples/gan.gan --march x86-64-v3 --stop-after=schedule --dump-after=schedule "$@"; }
decided() { sed -n 's/^decided: n\([0-9]*\)[ :].*: \('"$1"'\)\(, .*\)/\1 \3/p' "$work/out"; }
schedule && [ -n "$(decided tile)" ] || fail 'no tile was decided'
node=$(decided tile | sed -n "1s/ .*//p")
decided tile | grep -q 'Mcycles; instead: .*nest [0-9]' || fail 'a tile has no rival with a cost'
schedule --strategy nest && [ -z "$(decided tile)" ] && [ -n "$(decided 'nest as asked')" ] || fail 'nest was not forced'
schedule --strategy "n$node=nest" && [ "$(decided "nest as asked" | sed "s/ .*//" | sort -u)" = "$node" ] || fail "nest was not forced for n$node"
schedule --strategy "nest,n$node=turn,n$node=serial,tile" && [ "$(decided "serial nest as asked" | sed "s/ .*//" | sort -u)" = "$node" ] || fail 'the second choice was not taken'
[ ! -s "$work/err" ] || fail "a word about a choice that was not needed: $(cat "$work/err")"
schedule --strategy "n$node=turn" && says "$work/err" "[W5024]" && says "$work/err" "\`turn\` does not fit n$node; \`tile\` is taken"
schedule --strategy n1=tile && says "$work/err" 'no program begins with n1'

# the cache: the second run builds nothing, another option builds again
run() { "$GANC" run "$@"; }
status 0 run $model info && status 0 run $model info
[ "$(find "$work/cache/ganc" -type f | wc -l)" = 1 ] || fail "the cache holds $(ls "$work/cache/ganc")"
status 0 run --real f64 $model info
[ "$(find "$work/cache/ganc" -type f | wc -l)" = 2 ] || fail "the cache holds $(ls "$work/cache/ganc")"
status 1 run "$work/wrong.gan"

# explain: every code has a page
"$GANC" explain >"$work/codes"
[ "$(wc -l <"$work/codes")" -gt 100 ] || fail 'explain lists too few codes'
while read -r code _; do
  [ -f "lang/explain/$code.md" ] || { fail "no page for $code"; continue; }
  "$GANC" explain "$code" | cmp -s - "lang/explain/$code.md" || fail "explain $code does not give its page"
done <"$work/codes"
finish
