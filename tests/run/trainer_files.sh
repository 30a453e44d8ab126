#!/bin/sh
# What a trainer reads: regular files, that stay as they are while they are read.
. tests/run/common
build walk <<'END' || exit 1
data x: [2]
noise z: [2] ~ normal
network G(z: [2]) -> [2] = z |> Linear(2)
G minimizes E[sumsq(G(z) - x)]
train { batch = 64; optimize G by sgd(lr = 1e-3); update G }
output fakes = G(z)
END
walk=$work/walk
cd "$work" || exit 1
zeros() { head -c $(($2 * 8)) /dev/zero | npy "$1" '<f4' "($2, 2)"; }
zeros fine.npy 1000
status 0 "$walk" train --data x=fine.npy --steps 1 --run run

# What is no regular file is refused, with its kind, and at once: nobody writes to this pipe.
mkfifo pipe
mkdir folder
refused() {
  status 1 timeout -s KILL 5 "$@"
}
for kind in 'pipe|is a pipe' 'folder|is a folder' '/dev/zero|is a device'; do
  path=${kind%|*} says=${kind#*|}
  refused "$walk" train --data x="$path" --steps 1 --run new && says err "$path $says, expected a regular file"
  refused "$walk" train --data x=fine.npy --feed z="$path" --steps 1 --run new && says err "$path $says"
  refused "$walk" train --data x=fine.npy --init "$path" --steps 1 --run new && says err "$path $says"
  refused "$walk" sample --weights "$path" -o fakes.npy && says err "$path $says"
  refused "$walk" eval --run run --data x="$path" && says err "$path $says"
done
mkdir piped
mkfifo piped/config.json
mkdir piped/checkpoints
mkfifo piped/checkpoints/step-000001.safetensors
refused "$walk" train --resume --run piped && says err 'piped/config.json is a pipe'
cp run/config.json config
rm piped/config.json && cp config piped/config.json
refused "$walk" sample --run piped -o fakes.npy && says err 'step-000001.safetensors is a pipe'

# Samples never replace what the command reads: the run's own data, what --data, --feed and --weights name, by whatever path.
cp fine.npy spare.npy
zeros noise.npy 64
ln fine.npy hard.npy
ln -s fine.npy soft.npy
cp "$(newest run)" weights.npy
ln "$(newest run)" checkpoint.npy
ln run/config.json config.npy
"$walk" train --data x=fine.npy --feed z=noise.npy --steps 1 --run with_feed >out 2>err || fail "$(cat err)"
protects() {
  cp "$1" before
  status 2 "$walk" sample -o "$@" && says err "-o $1 is "
  cmp -s "$1" before || fail "samples replaced $1"
}
for target in fine.npy ./fine.npy hard.npy soft.npy checkpoint.npy config.npy; do protects "$target" --run run; done
says err "is the run's config.json"
protects spare.npy --run run --data x=spare.npy
says err '--data x=spare.npy'
protects noise.npy --run run --feed z=noise.npy
says err '--feed z=noise.npy'
protects noise.npy --run with_feed
protects weights.npy --weights weights.npy
[ -L soft.npy ] || fail 'a link was replaced'
status 0 "$walk" sample --run run -o fakes.npy && status 0 "$walk" sample --run run -o fakes.npy
ln -s over.npy under.npy && status 0 "$walk" sample --run run -o under.npy
[ -L under.npy ] && [ -f over.npy ] || fail 'a link that leads nowhere yet was not followed'

# A link that leads to itself is an error, and stays.
ln -s round.npy round.npy
ln -s ring.npy other.npy && ln -s other.npy ring.npy
for target in round.npy ring.npy; do
  status 1 "$walk" sample --run run -o $target && says err "cannot write $target: Too many levels of symbolic links"
  [ -L $target ] || fail "the link $target was replaced"
done

# An option that takes one value is given once.
for twice in '--run run --run other' '-o a.npy --run run' '--run=run --count 3 --count=3' '--seed 1 --run run --seed 2'; do
  # shellcheck disable=SC2086
  status 2 "$walk" sample -o fakes.npy $twice && says err 'was given twice'
done
says err '--seed was given twice'
status 2 "$walk" sample -o a.npy -o b.npy && says err '-o was given twice'
status 2 "$walk" train --steps 1 --steps 2 --data x=fine.npy && says err '--steps was given twice'
[ ! -e a.npy ] && [ ! -e runs ] || fail 'an option that was given twice had an effect'

# What is said to a standard output that was closed is an error; training says nothing that matters there.
"$walk" info >&- 2>err && fail 'a closed standard output is nothing to info'
says err 'what was to be said could not be written to the standard output: Bad file descriptor'
"$walk" --version >&- 2>err && fail 'a closed standard output is nothing to --version'
"$walk" train --data x=fine.npy --dry-run >&- 2>err && fail 'a closed standard output is nothing to --dry-run'
"$walk" train --data x=fine.npy --steps 3 --run silent <&- >&- 2>&- || fail 'no training with closed descriptors'
[ -n "$(newest silent)" ] || fail 'training with closed descriptors left no checkpoint'

# Names in files of others do not steer the terminal.
esc=$(printf '\033')
header=$(printf '{"\\u001b]0;gone\\u0007\\nforged: fine":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}')
{ printf "\\$(printf %03o ${#header})\\0\\0\\0\\0\\0\\0\\0%s" "$header" && printf '\0\0\0\0'; } >foreign.safetensors
status 1 "$walk" train --data x=fine.npy --init foreign.safetensors --run steered && says err '\x1b]0;gone\x07'
grep -q "$esc" err && fail 'an escape sequence of a file reached the terminal'
grep -q '^forged' err && fail 'a name of a file began a line of its own'
status 2 "$walk" train --data "$(printf 'x\033[2J=1')" && says err '\x1b[2J'

# Too small a stack is said.
if [ "$SANITIZE" = 0 ]; then                              # which need more before they can say so
  # shellcheck disable=SC3045
  (ulimit -s 64 && exec "$walk" train --data x=fine.npy --steps 1 --run narrow) >out 2>err
  got=$?
  [ $got = 1 ] || fail "status $got with a stack of 64 kB"
  says err 'ulimit -s'
fi
ln -s nowhere runs
status 1 "$walk" train --data x=fine.npy --steps 1 && says err 'runs is a link to nowhere, where nothing is'
rm runs

# began RUN FILE [PERIOD]: a run, with a checkpoint so often, that goes on until it finds that its data have changed.
began() {
  run=$1 file=$2 every=${3:-0}
  "$walk" train --data x="$file" --steps 1000000000 --log-every 1 --sample-every 0 --checkpoint-every "$every" \
    --run "$run" >out 2>err &
  pid=$!
  for _ in $(seq 400); do [ -s "$run/stats.jsonl" ] && return || sleep 0.05; done
  fail "$run does not train"
}
# stopped TEXT...: it does, soon.
stopped() {
  for _ in $(seq 200); do kill -0 "$pid" 2>ignored && sleep 0.05; done
  kill -s TERM "$pid" 2>ignored
  wait "$pid"
  got=$?
  [ "$got" = 1 ] || fail "status $got instead of 1: $(cat err)"
  for text; do says err "$text"; done
}
# At the end of a pass.
zeros grows.npy 4096
began grown grows.npy
printf '12345678' >>grows.npy
stopped 'data x: grows.npy has changed while it was in use (32896 bytes before, 32904 now)'
zeros touched.npy 4096
began touched touched.npy
touch touched.npy
stopped 'data x: touched.npy has changed while it was in use (its time or place is another)'
# At a checkpoint: the pass would last for hours. None is written any more; the last one is named.
zeros long.npy 4000000
began long long.npy 200
for _ in $(seq 400); do [ -n "$(newest long)" ] && break || sleep 0.05; done
touch long.npy
stopped 'data x: long.npy has changed while it was in use'
# In the middle of a pass a page is not there any more.
zeros short.npy 4000000
began short short.npy
truncate -s 4096 short.npy
stopped "$(pwd -P)/short.npy cannot be read to its end: it became shorter while it was in use, or its disk failed"
# What is not there any more is still mapped.
zeros gone.npy 4096
began gone gone.npy
rm gone.npy
sleep 0.3
kill -s TERM "$pid"
wait "$pid" || fail "a file that was removed ends a run: $(cat err)"
finish
