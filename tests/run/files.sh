#!/bin/sh
# Files: what may be replaced and how, what is written in place, pipes as models, full disks, closed descriptors, what a
# kill leaves behind.
. tests/run/common
model=tests/fixtures/gan.gan
permissions() { stat -c %a "$1"; }

# ---- -o never names the model
cp $model "$work/model.gan"
ln "$work/model.gan" "$work/hard.gan"
ln -s model.gan "$work/soft.gan"
for target in "$work/model.gan" "$work/../$(basename "$work")/model.gan" "$work/hard.gan" "$work/soft.gan"; do
  for input in "$work/model.gan" "$work/soft.gan"; do
    status 2 "$GANC" build "$input" -o "$target" && says "$work/err" '[E5023]'
    status 2 "$GANC" build "$input" --emit ast -o "$target" && says "$work/err" '[E5023]'
  done
done
# shellcheck disable=SC2094
status 2 "$GANC" build - --emit ast -o "$work/model.gan" <"$work/model.gan" && says "$work/err" '[E5023]'
ln -s model.gan "$work/model"
case $GANC in /*) ganc=$GANC ;; *) ganc=$PWD/$GANC ;; esac
(cd "$work" && "$ganc" build model.gan) 2>"$work/err" && fail 'the default output replaced the model'
says "$work/err" '[E5023]'
cmp -s $model "$work/model.gan" || fail 'the model was written over'
status 2 "$GANC" build $model -o "$work/a" -o "$work/b" && says "$work/err" '[E5019]'
status 2 "$GANC" build $model --output="$work/a" -o "$work/b" && says "$work/err" '[E5019]'
[ ! -e "$work/a" ] && [ ! -e "$work/b" ] || fail 'one of two outputs was written'

# ---- what is no regular file is written in place
mkfifo "$work/fifo"
ln -s fifo "$work/to_fifo"
status 0 "$GANC" build $model --emit ast && cp "$work/out" "$work/tree"
for target in "$work/fifo" "$work/to_fifo"; do
  timeout 20 cat "$work/fifo" >"$work/through" &
  status 0 "$GANC" build $model --emit ast -o "$target"
  wait $!
  cmp -s "$work/tree" "$work/through" || fail 'the pipe did not get what was written'
done
if [ ! -p "$work/fifo" ] || [ ! -L "$work/to_fifo" ]; then
  fail 'a pipe was replaced'                               # and so might devices be, which come next
  finish
  exit 1
fi
for device in null full stdout; do ln -s /dev/$device "$work/$device"; done
status 0 "$GANC" build $model --emit ast -o "$work/stdout"
cmp -s "$work/tree" "$work/out" || fail '/dev/stdout is not standard output'
{ echo before; "$GANC" build $model --emit ast -o "$work/stdout"; echo after; } >"$work/appended"
{ echo before; cat "$work/tree"; echo after; } | cmp -s - "$work/appended" || fail '/dev/stdout was written over'
timeout 20 cat "$work/fifo" >"$work/through" &
status 0 "$GANC" build $model -o "$work/fifo"
wait $!
chmod +x "$work/through" && status 0 "$work/through" info
for form in '' '--emit=ast' '--emit=obj'; do
  # shellcheck disable=SC2086
  status 0 "$GANC" build $model $form -o "$work/null"
done
[ -L "$work/null" ] && [ -c /dev/null ] || fail 'a link to a device was replaced'
mkdir "$work/folder"
status 1 "$GANC" build $model -o "$work/folder" && says "$work/err" '[E5006]' && says "$work/err" 'Is a directory'

# ---- links stay links, also those that lead nowhere yet
mkdir "$work/far"
ln -s far/there "$work/link"
status 0 "$GANC" build $model --emit ast -o "$work/link"
[ -L "$work/link" ] && cmp -s "$work/tree" "$work/far/there" || fail 'a link without a target was not followed'
printf old >"$work/far/there"
status 0 "$GANC" build $model --emit ast -o "$work/link"
[ -L "$work/link" ] && cmp -s "$work/tree" "$work/far/there" || fail 'a link was not followed'
status 0 "$GANC" build $model -o "$work/link" && status 0 "$work/link" info
[ -L "$work/link" ] && [ -x "$work/far/there" ] || fail 'a link to a trainer was not followed'
printf 'a  =  1\n' >"$work/far/there"
status 0 "$GANC" fmt "$work/link" && says "$work/far/there" 'a = 1'
[ -L "$work/link" ] || fail 'fmt replaced a link'
ln -s round "$work/round"
status 1 "$GANC" build $model --emit ast -o "$work/round" && says "$work/err" '[E5006]'

# ---- permissions stay
for mode in 600 640 666; do
  printf 'a  =  1\n' >"$work/plain.gan" && chmod $mode "$work/plain.gan"
  status 0 "$GANC" fmt "$work/plain.gan" && says "$work/plain.gan" 'a = 1'
  [ "$(permissions "$work/plain.gan")" = $mode ] || fail "fmt made $mode into $(permissions "$work/plain.gan")"
  : >"$work/text" && chmod $mode "$work/text"
  status 0 "$GANC" build $model --emit ast -o "$work/text"
  [ "$(permissions "$work/text")" = $mode ] || fail "--emit made $mode into $(permissions "$work/text")"
done
: >"$work/t" && chmod 640 "$work/t"
status 0 "$GANC" build $model -o "$work/t"                 # a trainer can be executed by those who may read it
[ "$(permissions "$work/t")" = 750 ] || fail "a trainer over 640 has $(permissions "$work/t")"
(umask 027 && "$GANC" build $model -o "$work/fresh" && "$GANC" build $model --emit ast -o "$work/fresh.ast")
[ "$(permissions "$work/fresh") $(permissions "$work/fresh.ast")" = '750 640' ] || fail 'the umask is not followed'
printf 'a  =  1\n' >"$work/plain.gan" && chmod 444 "$work/plain.gan"
status 1 "$GANC" fmt "$work/plain.gan" && says "$work/err" 'read-only' && says "$work/err" '0444'
grep -qx 'a  =  1' "$work/plain.gan" || fail 'fmt replaced a read-only file'
printf old >"$work/kept" && chmod 555 "$work/kept"
status 1 "$GANC" build $model -o "$work/kept" && says "$work/err" 'read-only'
[ "$(cat "$work/kept")" = old ] || fail 'a read-only file was replaced'

# ---- files aside have names that nobody can foresee
printf precious >"$work/precious"
for form in '--emit=ast' '--emit=llvm' '--emit=obj' '--real=f32'; do
  # shellcheck disable=SC2016
  status 0 sh -c 'ln -sf precious "$2.$$.new" && exec "$0" build "$3" "$1" -o "$2"' \
    "$GANC" $form "$work/foreseen" $model
done
[ "$(cat "$work/precious")" = precious ] || fail 'a planted link was followed'
rm -f "$work"/foreseen.*.new

# ---- a kill leaves nothing behind
if [ "$SANITIZE" = 0 ]; then
  mkdir "$work/slow" "$work/target"
  for name in ld ld.bfd; do
    # shellcheck disable=SC2016
    printf '#!/bin/sh\nwhile [ "$1" != -o ]; do shift; done\necho half >"$2"\necho $$ >"%s"\nexec sleep 60\n' \
      "$work/linker" >"$work/slow/$name"
    chmod +x "$work/slow/$name"
  done
  PATH="$work/slow:$PATH" "$GANC" build $model -o "$work/target/t" &
  builder=$!
  while [ ! -s "$work/linker" ]; do sleep 0.1; done
  kill -TERM $builder
  wait $builder
  kill "$(cat "$work/linker")"
  [ -z "$(ls -A "$work/target")" ] || fail "a build that was killed left $(ls -A "$work/target")"
fi
# ---- every linker that is there links alike: none needs a file with a name
if [ "$SANITIZE" = 0 ]; then
  for linker in ld.bfd ld.lld; do
    command -v $linker >/dev/null || continue
    mkdir "$work/$linker" && ln -s "$(command -v $linker)" "$work/$linker/$linker"
    status 0 env PATH="$work/$linker" "$ganc" build $model -o "$work/by_$linker" && status 0 "$work/by_$linker" info
  done
  mkdir "$work/no_linker"
  status 1 env PATH="$work/no_linker" "$ganc" build $model -o "$work/by_none" && says "$work/err" 'install binutils'
  printf '#!/bin/sh\necho what is wrong >&2\nexit 1\n' >"$work/no_linker/ld.bfd" && chmod +x "$work/no_linker/ld.bfd"
  status 1 env PATH="$work/no_linker" "$ganc" build $model -o "$work/by_none" && says "$work/err" 'what is wrong'
  printf '#!/bin/sh\nkill -KILL $$\n' >"$work/no_linker/ld.bfd"
  status 1 env PATH="$work/no_linker" "$ganc" build $model -o "$work/by_none" && says "$work/err" 'ld.bfd: Killed'
  [ ! -e "$work/by_none" ] || fail 'a trainer without a linker'
fi
find "$work" -name '.ganc-*' -o -name '*.new' >"$work/left"
[ ! -s "$work/left" ] || fail "left over: $(cat "$work/left")"

# ---- models may be pipes, read to the end
"$GANC" build $model --emit graph -o "$work/graph"
mkfifo "$work/source"
for command in 'check' 'build --emit graph -o' 'build -o'; do
  timeout 20 sh -c "{ head -c 100 $model; sleep 0.2; tail -c +101 $model; } >'$work/source'" &
  # shellcheck disable=SC2086
  case $command in
  check) status 0 "$GANC" check "$work/source" ;;
  *) status 0 "$GANC" $command "$work/from" "$work/source" ;;
  esac
  wait $!
  case $command in *graph*) cmp -s "$work/graph" "$work/from" || fail 'a model from a pipe is another one' ;; esac
done
status 0 "$work/from" info
# shellcheck disable=SC2002
cat $model | status 0 "$GANC" check - || failures=$((failures + 1))
# shellcheck disable=SC2002
cat $model | status 0 "$GANC" check /dev/stdin || failures=$((failures + 1))
status 2 timeout 20 "$GANC" build "$work/source" && says "$work/err" '[E5003]' && says "$work/err" '-o FILE'
status 2 "$GANC" build - <$model && says "$work/err" '[E5003]'
timeout 20 sh -c "echo 'a  =  1' >'$work/source'" &
status 1 "$GANC" fmt "$work/source" && says "$work/err" 'ganc fmt -'
wait $!
status 1 "$GANC" check "$work/folder" && says "$work/err" '[E1001]' && says "$work/err" 'Is a directory'

# ---- a full disk is known to every command, with its cause
printf 'a  =  1\n' >"$work/plain2.gan"
full() {
  "$@" >/dev/full 2>"$work/err" && fail "a full disk is nothing to: $*"
  says "$work/err" '[E5006]' && says "$work/err" 'No space left on device'
}
full "$GANC" --help
full "$GANC" run --help
full "$GANC" --version
full "$GANC" explain
full "$GANC" explain E2004
full "$GANC" cache
full "$GANC" fmt - <"$work/plain2.gan"
for form in ast graph kernels llvm asm; do full "$GANC" build $model --emit $form; done
full "$GANC" build $model --emit obj -o "$work/stdout"
full "$GANC" build $model -o "$work/stdout"
[ -L "$work/full" ] && [ -c /dev/full ] || fail 'a device was replaced'
for pass in read differentiate; do full "$GANC" check $model --dump-after $pass; done
full "$GANC" build $model --dump-after emit --stop-after emit
for form in ast llvm obj; do
  status 1 "$GANC" build $model --emit $form -o "$work/full" && says "$work/err" 'No space left on device'
done
status 1 "$GANC" build $model -o "$work/full" && says "$work/err" 'No space left on device'
"$GANC" check tests/bad/W6002_shared.gan >"$work/out" 2>/dev/full && fail 'warnings were lost silently'
(ulimit -f 1; exec "$GANC" explain) >"$work/none" 2>"$work/err" && fail 'a file that may not grow is nothing'
says "$work/err" 'File too large'

# ---- standard output that leads to the model, or that was closed, is an error
cp $model "$work/own.gan"
for form in '-o -' '--emit ast' "--dump-after read -o $work/over" '--stop-after read --dump-after read'; do
  # shellcheck disable=SC2086
  "$GANC" build "$work/own.gan" $form 1<>"$work/own.gan" 2>"$work/err" && fail "a model printed over itself: $form"
  says "$work/err" '[E5023]'
  cmp -s $model "$work/own.gan" || { fail "the model was written over by $form" && cp $model "$work/own.gan"; }
done
"$GANC" check "$work/own.gan" --dump-after read 1<>"$work/own.gan" 2>"$work/err" && fail 'check printed over its model'
cmp -s $model "$work/own.gan" || { fail 'the model was written over by check' && cp $model "$work/own.gan"; }
printf 'a  =  1\n' >"$work/plain3.gan"
# shellcheck disable=SC2094
"$GANC" fmt - <"$work/plain3.gan" 1<>"$work/plain3.gan" 2>"$work/err" && fail 'fmt printed over its model'
grep -qx 'a  =  1' "$work/plain3.gan" || fail 'the model was written over by fmt'
unheard() {
  "$@" >&- 2>"$work/err" && fail "a closed standard output is nothing to: $*"
  says "$work/err" '[E5006]' && says "$work/err" 'Bad file descriptor'
}
unheard "$GANC" --help
unheard "$GANC" build $model -o -
unheard "$GANC" build $model --emit graph
unheard "$GANC" check $model --dump-after read
unheard "$GANC" fmt - <"$work/plain3.gan"
"$GANC" check - <&- >"$work/out" 2>"$work/err" && fail 'a closed standard input is a model'
says "$work/err" 'Bad file descriptor'

# ---- limits of the system, and what it lacks, are no mistakes of the compiler
for blocks in 10 4000; do
  (ulimit -f $blocks && exec "$GANC" build $model -o "$work/limited") >"$work/out" 2>"$work/err"
  got=$?
  [ $got = 1 ] || [ $blocks = 4000 ] || fail "status $got under a limit of $blocks blocks"
  [ $got = 0 ] || [ $got = 1 ] || fail "status $got under a limit of $blocks blocks"
  [ $blocks = 4000 ] || { says "$work/err" '[E5006]' && says "$work/err" 'ulimit -f'; }
done
# sanitizers need /proc themselves
if [ "$SANITIZE" = 0 ] && unshare -m sh -c 'mount -t tmpfs none /proc' 2>"$work/ignored"; then
  # shellcheck disable=SC2016
  status 1 unshare -m sh -c 'mount -t tmpfs none /proc && exec "$0" build "$1" -o "$2"' "$GANC" $model "$work/noproc"
  says "$work/err" '[E5007]' && says "$work/err" 'mount -t proc'
fi

# ---- names of files and words of models do not steer the terminal
esc=$(printf '\033')
status 1 "$GANC" check "$work/no${esc}]0;gone" && says "$work/err" '\x1b]0;gone'
grep -q "$esc" "$work/err" && fail 'an escape sequence of a name reached the terminal'
cp $model "$work/odd${esc}[2J.gan" && echo 'train { ' >>"$work/odd${esc}[2J.gan"
status 1 "$GANC" check "$work/odd${esc}[2J.gan" && says "$work/err" '\x1b[2J.gan:'
grep -q "$esc" "$work/err" && fail 'an escape sequence of a place reached the terminal'

# ---- descriptors that were closed stay out of files
status 0 "$GANC" build $model -o "$work/open"
"$GANC" build $model -o "$work/closed" <&- >&- 2>&- || fail 'no trainer with closed descriptors'
cmp -s "$work/open" "$work/closed" || fail 'closed descriptors make another trainer'
"$GANC" build $model --emit ast -o "$work/closed.ast" <&- >&- 2>&- ||
  fail 'no tree with closed descriptors'
cmp -s "$work/tree" "$work/closed.ast" || fail 'closed descriptors change what is written'
build point <<'END'
data x: [2] from "ring"
network D(x: [2]) -> [] = x |> Linear(1) |> scalar |> sigmoid
D minimizes E[-log(D(x))]
train { batch = 4; optimize D by sgd(lr = 0.1); update D }
END
"$work/point" train --steps 100000000 --checkpoint-every 1 --run "$work/run" <&- >&- 2>&- &
trainer=$!
while [ -z "$(newest "$work/run" 2>/dev/null)" ]; do sleep 0.1; done
for descriptor in 0 1 2; do
  file=$(readlink /proc/$trainer/fd/$descriptor)
  [ "$file" = /dev/null ] || fail "descriptor $descriptor of a trainer is $file"
done
kill -TERM $trainer
wait $trainer
status 0 "$work/point" train --init "$(newest "$work/run")" --steps 1 --run "$work/again"
finish
