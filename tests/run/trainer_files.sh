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

# began RUN FILE [OPTIONS]: a run that goes on until it finds that its data have changed.
began() {
  run=$1 file=$2
  shift 2
  "$walk" train --data x="$file" --steps 1000000000 --log-every 1 --sample-every 0 --checkpoint-every 0 --run "$run" \
    "$@" >out 2>err &
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
began long long.npy --checkpoint-every 200
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
