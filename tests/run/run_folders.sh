#!/bin/sh
# A run's folder that is not as a run left it: what cannot be read, what others have put there, what is moved or removed. Nothing is lost, nothing waits.
. tests/run/common
build line <<'END' || exit 1
rate = 0.01
data x: [2] from "ring"
noise z: [2] ~ normal
network G(z: [2]) -> [2] = z |> Linear(3) |> relu |> Linear(2)
network D(x: [2]) -> [] = x |> Linear(1) |> scalar
D minimizes E[(D(x) - 1)^2] + E[D(G(z))^2]
G minimizes E[(D(G(z)) - 1)^2]
train { batch = 4; optimize D, G by sgd(lr = rate); update D; update G }
output fakes = G(z)
END
chmod 755 "$work"
mkdir "$work/here"
cd "$work/here" || exit 1
line=$work/line
# line, that must not wait for anybody
at_once() { timeout -s KILL 10 "$line" "$@"; }
# nobody COMMAND...: as somebody whom permissions bind
if [ "$(id -u)" = 0 ]; then
  chown 65534:65534 .
  nobody() { setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }
else nobody() { "$@"; }; fi

# Checkpoints that cannot be listed may be there: nobody starts over.
status 0 nobody "$line" train --steps 4 --log-every 1 --sample-every 2 --run closed
cp -r closed before
chmod 000 closed/checkpoints
for option in '' --resume --dry-run '--resume --dry-run'; do
  # shellcheck disable=SC2086
  status 1 nobody "$line" train --steps 4 --run closed $option
  says "$work/err" 'cannot read the folder closed/checkpoints: Permission denied'
done
status 1 nobody "$line" sample --run closed -o fakes.npy
says "$work/err" 'cannot read the folder closed/checkpoints: Permission denied'
chmod 755 closed/checkpoints
diff -r closed before >"$work/differs" || fail "a run that could not be read was changed: $(cat "$work/differs")"
status 0 nobody "$line" train --steps 5 --run closed --resume

mkdir runs && chmod 000 runs && chown --reference=. runs
status 1 nobody "$line" sample -o fakes.npy
says "$work/err" 'cannot read the folder runs: Permission denied'
rmdir runs

# --dry-run, as the start, sees what the run could not write later on.
status 0 nobody "$line" train --steps 2 --run written
for part in checkpoints samples stats.jsonl config.json .lock; do
  mode=$(stat -c %a "written/$part")
  chmod a-w "written/$part"
  for option in '' --dry-run; do
    # shellcheck disable=SC2086
    status 1 nobody "$line" train --steps 3 --run written --resume $option
    says "$work/err" "written/$part: Permission denied"
  done
  chmod "$mode" "written/$part"
done
status 0 nobody "$line" train --steps 3 --run written --resume --dry-run

# --dry-run, as the start, sees that a feed has too few rows for what the schedule takes for certain.
build feeds <<'END' || exit 1
noise z: [] ~ normal
state a = 0
state b = 0
train {
  batch = 4
  repeat 2 { a <- E[z] }
  every 3 { b <- E[z] }
  if a > 100 { b <- 2 * E[z] }
}
END
head -c 160 /dev/zero | npy forty.npy '<f4' '(40,)'
for option in '' --dry-run; do
  # rounds take 12, 8, 8, 12: 40 in all
  # shellcheck disable=SC2086
  status 1 "$work/feeds" train --feed z=forty.npy --steps 1000000000000 --run short $option
  says "$work/err" 'feed z: forty.npy has 40 rows, and step 5 needs rows up to 47 (counted from 0): feed more of them, or train fewer --steps, up to 4'
done
[ ! -e short ] || fail 'a run that cannot be fed leaves a folder'
status 0 "$work/feeds" train --feed z=forty.npy --steps 3 --run fed
status 1 "$work/feeds" train --feed z=forty.npy --steps 5 --run fed --resume --dry-run
says "$work/err" 'step 5 needs rows up to 47'
status 0 "$work/feeds" train --feed z=forty.npy --steps 4 --run fed --resume

# What others have put where a run has its files is neither waited for nor written through.
status 0 "$line" train --steps 2 --run sound
# planted NAME COMMAND: in a copy of that run, COMMAND makes what is at $path instead of NAME
# shellcheck disable=SC2016
planted() {
  rm -rf planted
  cp -r sound planted
  path=planted/$1
  rm -f "$path"
  eval "$2"
}
echo 'a diary' >diary
for name in .lock config.json stats.jsonl; do
  for kind in 'mkfifo $path|a pipe' 'ln -s ../diary $path|a link' 'ln -s ../new $path|a link' 'mkdir $path|a folder'; do
    planted $name "${kind%|*}"
    for option in --resume '--resume --dry-run'; do
      # shellcheck disable=SC2086
      status 1 at_once train --steps 4 --run planted $option
      says "$work/err" "$path is ${kind#*|}"
    done
    rm -r planted/checkpoints
    status 1 at_once train --steps 4 --run planted
    says "$work/err" "$path is "
  done
done
planted .lock 'ln diary $path'
status 1 at_once train --steps 4 --run planted --resume
says "$work/err" 'planted/.lock is a file that has another name'
[ ! -e new ] && [ "$(cat diary)" = 'a diary' ] || fail 'a link out of a run is written through'
for name in checkpoints/step-000004.safetensors samples/fakes-000004.png; do
  for kind in 'mkfifo $path|a pipe' 'ln -s ../../new $path|a link' 'mkdir $path|a folder'; do
    planted $name "${kind%|*}"
    status 1 at_once train --steps 9 --checkpoint-every 1 --sample-every 1 --run planted --resume
    says "$work/err" "$path is ${kind#*|}, where a run has a regular file: remove it"
    case $name in
      check*) left='; the last sound checkpoint is planted/checkpoints/step-000003.safetensors: go on with' ;;
      *) left='; step 4 is saved: go on with' ;;
    esac
    says "$work/err" "$left $line train --run planted --resume"
    [ ! -e new ] || fail 'a link out of a run is written through'
    rm -r "$path"
    status 0 "$line" train --steps 9 --run planted --resume
  done
done
mkdir sound/eval
mkfifo "sound/eval/fakes-against-x-000002.json"
status 1 at_once eval --run sound --count 64
says "$work/err" 'sound/eval/fakes-against-x-000002.json is a pipe'
planted checkpoints/step-000001.safetensors 'mkdir $path'
status 0 at_once train --steps 6 --checkpoint-every 1 --keep 1 --run planted --resume
[ -d "$path" ] || fail 'what no run has written is removed'

# Who is at work is said by a number, whatever stands there.
planted .lock 'printf "1; rm -r /\n" >$path'
flock -F planted/.lock sleep 30 &
for _ in $(seq 100); do flock -n planted/.lock true || break; sleep 0.05; done
status 1 "$line" train --run planted --resume
says "$work/err" 'another trainer is at work in planted'
grep -F 'rm -r' "$work/err" && fail 'text of a file is told as a process'
kill $!

# A run without a checkpoint that can be read says how to begin anew.
planted config.json 'cp sound/config.json $path'
cp planted/checkpoints/step-000002.safetensors good
truncate -s 100 planted/checkpoints/step-000002.safetensors
cp good planted/checkpoints/step-000001.safetensors
status 1 "$line" train --run planted --resume
says "$work/err" 'none of the 2 checkpoints in planted can be read; remove what is in planted/checkpoints to start the run over, or choose another folder'
rm -rf planted
status 0 "$line" train --steps 2 --checkpoint-every 1 --run planted
truncate -s 100 planted/checkpoints/step-000002.safetensors
status 0 "$line" train --steps 3 --run planted --resume
says "$work/err" 'passed over: planted/checkpoints/step-000002.safetensors'
grep -n '^$' "$work/err" && fail 'an empty line'

# A folder that is moved or removed while its run is at work: the weights are saved where it is by then, or beside.
# ends TEXT...: the run at work ends with these words.
ends() {
  for _ in $(seq 200); do kill -0 "$pid" 2>"$work/ignored" && sleep 0.05; done
  kill -s KILL "$pid" 2>"$work/ignored" && fail 'the run does not see that its folder is gone'
  wait "$pid" 2>"$work/ignored"
  got=$?
  [ "$got" = 1 ] || fail "status $got instead of 1"
  for text; do says "$work/err" "$text"; done
}
began() {
  "$line" train --steps 1000000000 --log-every "$2" --sample-every "$3" --checkpoint-every "$4" --set rate=0.001 --run "$1" \
    >"$work/out" 2>"$work/err" &
  pid=$!
  for _ in $(seq 400); do
    [ -n "$(find "$1" -name '*.png' -o -name 'step*' -o -name stats.jsonl -size +0 2>"$work/ignored")" ] && return
    sleep 0.05
  done
  fail "$1 does not train"
}
never=1000000000000
for each in '20000 0 0' "$never 20000 0" "$never 0 20000"; do
  # shellcheck disable=SC2086
  began moves $each
  mv moves moved
  place=$(pwd -P)/moved
  ends 'moves was moved or removed while this run was at work in it' "is saved: go on with $line train --run $place --resume"
  [ ! -e moves ] || fail 'a new folder in the old place'
  step=$(newest moved | sed 's/.*step-0*//; s/[.].*//')
  status 0 "$line" train --run "$place" --resume --steps $((step + 1))
  # shellcheck disable=SC2086
  began goes $each
  rm -r goes 2>"$work/ignored" || rm -r goes
  ends 'goes was moved or removed while this run was at work in it' "is saved: go on with $line train --run goes-saved-1 --resume"
  [ ! -e goes ] || fail 'what was removed comes back'
  step=$(newest goes-saved-1 | sed 's/.*step-0*//; s/[.].*//')
  status 0 "$line" train --run goes-saved-1 --resume --steps $((step + 1))
  grep -qF '"rate": 0.001' goes-saved-1/config.json || fail 'the new folder does not know the settings'
  rm -r moved goes-saved-1
done
finish
