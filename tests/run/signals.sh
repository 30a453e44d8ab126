#!/bin/sh
# What ends a trainer: signals, pipes that nobody reads, files beyond a limit, disks that are full. A run is saved, and
# nothing ends without a word.
. tests/run/common
build slow <<'END' || exit 1
data x: [2] from "ring"
network D(x: [2]) -> [] = x |> Linear(256) |> relu |> Linear(256) |> relu |> Linear(1) |> scalar
D minimizes E[(D(x) - 1)^2]
train { batch = 256; optimize D by sgd(lr = 1e-3); update D }
output w = norm(D)
END
endless='train --steps 100000000 --checkpoint-every 0 --log-every 1 --sample-every 0'

# trains NAME: waits until the run has begun.
trains() {
  for _ in $(seq 400); do
    [ -s "$work/$1/stats.jsonl" ] && return
    sleep 0.05
  done
  fail "$1 does not train"
}

# started NAME: a run that goes on until it is told to stop. (Shells ignore SIGINT for what they start beside them: env
# takes that back.)
started() {
  # shellcheck disable=SC2086
  env --default-signal=INT,TERM,HUP,PIPE,XFSZ "$work/slow" $endless --run "$work/$1" >"$work/out" 2>"$work/err" &
  pid=$!
  trains "$1"
}

# ended STATUS: the run that was started ends with it.
ended() {
  wait "$pid"
  got=$?
  [ "$got" = "$1" ] || fail "status $got instead of $1: $(cat "$work/err")"
}

# saved NAME
saved() { [ -n "$(newest "$work/$1")" ] || fail "$1: nothing was saved"; }

for signal in INT TERM HUP; do
  started "$signal"
  kill -s "$signal" "$pid"
  ended 0
  says "$work/err" 'stopping after this step, and saving; another signal, a second from now or later, ends it at once'
  says "$work/out" "train --run $work/$signal --resume"
  saved "$signal"
done

# What comes within a second is one wish, of one kind or several, as timeout and init systems say it.
started twice
kill -s TERM "$pid"
sleep 0.02
kill -s TERM "$pid" 2>"$work/ignored"
kill -s HUP "$pid" 2>"$work/ignored"
ended 0
saved twice
# shellcheck disable=SC2086
status 124 timeout 2 "$work/slow" $endless --run "$work/timeout"
saved timeout

# Signals that nobody watches for do no harm to the watch.
started other
kill -s USR2 "$pid"
sleep 0.2
kill -s TERM "$pid"
for _ in $(seq 100); do kill -0 "$pid" 2>"$work/ignored" && sleep 0.05; done
kill -s KILL "$pid" 2>"$work/ignored"
ended 0
saved other

# nohup stays nohup.
# shellcheck disable=SC2086
(trap '' HUP && exec "$work/slow" $endless --run "$work/nohup" >"$work/out" 2>"$work/err") &
pid=$!
trains nohup
kill -s HUP "$pid"
sleep 0.2
grep -q stopping "$work/err" && fail 'a run under nohup stops at SIGHUP'
kill -s TERM "$pid"
ended 0
saved nohup

# Nobody reads what the run says any more: an error, and saved.
{
  # shellcheck disable=SC2086
  env --default-signal=PIPE "$work/slow" $endless --run "$work/broken" 2>&1 >"$work/out"
  echo $? >"$work/status"
} | head -n 1 >"$work/ignored"
[ "$(cat "$work/status")" = 1 ] || fail "a broken pipe: status $(cat "$work/status") instead of 1"
saved broken

# A limit on the size of files, here 4 kB: statistics reach it, checkpoints of such a model do not.
build narrow <<'END' || exit 1
data x: [2] from "ring"
network D(x: [2]) -> [] = x |> Linear(1) |> scalar
D minimizes E[(D(x) - 1)^2]
train { batch = 4; optimize D by sgd(lr = 1e-3); update D }
output w = norm(D)
END
# shellcheck disable=SC2086
status 1 sh -c "ulimit -f 8 && exec env --default-signal=XFSZ '$work/narrow' $endless --run '$work/limit'"
says "$work/err" 'stats.jsonl: File too large'
says "$work/err" "is saved: go on with $work/narrow train --run $work/limit --resume"
saved limit

# Every command knows when what it says is lost.
# full STATUS COMMAND...: with nothing but a full disk to say it to.
full() {
  "$@" >/dev/full 2>"$work/err"
  got=$?
  [ "$got" = 1 ] || fail "status $got instead of 1, said to a full disk: $*"
  says "$work/err" 'No space left on device'
}
status 0 "$work/narrow" train --steps 2 --run "$work/narrow-run"
full "$work/narrow" info
full "$work/narrow" info --json
full "$work/narrow" --help
full "$work/narrow" train --help
full "$work/narrow" --version
full "$work/narrow" bench --steps 1
full "$work/narrow" bench --steps 1 --json
full "$work/narrow" train --dry-run
full "$work/narrow" train --steps 1 --run "$work/full"
saved full
build points <<'END' || exit 1
data x: [2] from "ring"
noise z: [2] ~ normal
network G(z: [2]) -> [2] = z |> Linear(2)
network D(x: [2]) -> [] = x |> Linear(1) |> scalar
D minimizes E[real_loss(D(x))] + E[fake_loss(D(G(z)))]
G minimizes E[real_loss(D(G(z)))]
train { batch = 16; optimize D, G by sgd(lr = 1e-3); update D; update G }
output fakes = G(z)
END
status 0 "$work/points" train --steps 2 --run "$work/points-run"
full "$work/points" eval --count 10 --run "$work/points-run"
full "$work/points" eval --count 10 --json --run "$work/points-run"
[ -s "$work/points-run/eval/fakes-against-x-000002.json" ] || fail 'a full disk for words costs the numbers of eval'
full "$work/points" sample -o "$work/fakes.npy" --run "$work/points-run"

# What is written to is written to: a device stays one, a link stays a link, a file keeps its permissions.
mknod "$work/device" c 1 7 2>"$work/ignored" || mkfifo "$work/device"
if [ -c "$work/device" ]; then
  status 1 "$work/points" sample -o "$work/device" --run "$work/points-run"
  says "$work/err" '.png or .npy'
  mv "$work/device" "$work/device.npy"
  status 1 "$work/points" sample -o "$work/device.npy" --run "$work/points-run"
  says "$work/err" 'device.npy: No space left on device'
  [ -c "$work/device.npy" ] || fail '-o replaces a device by a file'
fi
echo old >"$work/private.npy"
chmod 600 "$work/private.npy"
ln -s private.npy "$work/link.npy"
ln -s nothing-yet.npy "$work/ahead.npy"
status 0 "$work/points" sample -o "$work/link.npy" --run "$work/points-run"
[ -L "$work/link.npy" ] || fail '-o replaces a link by a file'
[ "$(stat -c %a "$work/private.npy")" = 600 ] || fail "permissions become $(stat -c %a "$work/private.npy")"
cmp -s "$work/private.npy" "$work/fakes.npy" || fail 'a link is not followed'
status 0 "$work/points" sample -o "$work/ahead.npy" --run "$work/points-run"
cmp -s "$work/nothing-yet.npy" "$work/fakes.npy" || fail 'a link to a file that is not there yet is not followed'
[ -z "$(find "$work" -name '*.partial')" ] || fail 'files written aside are left over'
finish
