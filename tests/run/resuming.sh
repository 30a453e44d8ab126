#!/bin/sh
# Runs: what starts over, what goes on, with what, from where; what is kept of it.
. tests/run/common
case $GANC in /*) ganc=$GANC ;; *) ganc=$PWD/$GANC ;; esac
build line <<'END' || exit 1
rate = 0.01
width = 3
data x: [2] from "points.npy"
noise z: [2] ~ normal
network G(z: [2]) -> [2] = z |> Linear(width) |> relu |> Linear(2)
network D(x: [2]) -> [] = x |> Linear(1) |> scalar
D minimizes E[(D(x) - 1)^2] + E[D(G(z))^2]
G minimizes E[(D(G(z)) - 1)^2]
train for 40 steps { batch = 4; optimize D, G by sgd(lr = rate); update D; update G }
output fakes = G(z)
END
line=$work/line
status 0 "$ganc" build "$line.gan" --real f64 -o "$line-64"
mkdir "$work/here" "$work/there"
cd "$work/here" || exit 1
floats 0 1 1 0 0 1 1 1 1 0 1 1 0 0 0 1 | npy points.npy '<f4' '(8, 2)'
floats 1 1 1 1 0 1 1 1 1 0 1 1 0 0 0 1 | npy others.npy '<f4' '(8, 2)'

# began NAME [CHECKPOINTS [PICTURES]]: a run that goes on until somebody ends it; how often each is written, or never.
began() {
  run=$1
  "$line" train --steps 1000000000 --log-every 1 --checkpoint-every "${2:-0}" --sample-every "${3:-0}" --run "$run" \
    >"$work/began" 2>&1 &
  pid=$!
  for _ in $(seq 400); do [ -s "$run/stats.jsonl" ] && return || sleep 0.05; done
  fail "$run does not train: $(cat "$work/began")"
}
killed() {
  kill -s KILL "$pid"
  wait "$pid" 2>"$work/ignored"
}

# A run that ends before its first checkpoint starts over: nothing of it is mixed with the new one.
began early 0 1
killed
status 1 "$line" train --resume --run early
says "$work/err" 'there is nothing to resume in early: that run ended before its first checkpoint; leave out --resume'
touch early/samples/notes.txt
status 0 "$line" train --steps 3 --log-every 1 --sample-every 2 --run early
[ "$(wc -l <early/stats.jsonl)" = 3 ] || fail "lines of the run before: $(wc -l <early/stats.jsonl)"
[ "$(ls early/samples)" = "$(printf '%s\n' fakes-000002.png fakes-000003.png notes.txt)" ] ||
  fail "pictures of the run before stay, or what is not its own goes: $(ls early/samples)"
status 1 "$line" train --steps 3 --run early
says "$work/err" 'early holds a run already: go on with it by --run early --resume'

# A run that somebody is at work in, with and without checkpoints.
began busy
for option in '' --resume --dry-run '--resume --dry-run'; do
  # shellcheck disable=SC2086
  status 1 "$line" train --run busy $option
  says "$work/err" "another trainer, process $pid, is at work in busy"
done
killed
began busy 1
sleep 0.2
for option in '' --resume --dry-run '--resume --dry-run'; do
  # shellcheck disable=SC2086
  status 1 "$line" train --run busy $option
  says "$work/err" "another trainer, process $pid, is at work in busy"
done
killed
status 0 "$line" train --resume --dry-run --run busy

# --dry-run finds what would stop the run, and leaves nothing.
touch file
status 1 "$line" train --dry-run --run file/run
says "$work/err" 'cannot create the folder file/run: Not a directory'
status 1 "$line" train --dry-run --run early
says "$work/err" 'early holds a run already'
status 1 "$line" train --dry-run --resume --run early --set rate=1
says "$work/err" 'setting rate: it was 0.01, and is 1'
status 0 "$line" train --dry-run --run new/run
[ ! -e new ] || fail '--dry-run makes folders'

# Going on with something else wants --accept-changes, and says what it is; then the run has it.
same() {
  status 0 "$line" train --resume --run "$1" --steps "$2"
  grep 'goes on with changes' "$work/err" && fail "$1: nothing has changed"
}
# differs RUN STEPS TEXT OPTIONS...
differs() {
  run=$1 steps=$2 text=$3
  shift 3
  status 1 "$line" train --resume --run "$run" --steps "$steps" "$@"
  says "$work/err" "$text"
  says "$work/err" 'go on with --accept-changes'
  status 0 "$line" train --resume --run "$run" --steps "$steps" --accept-changes "$@"
  says "$work/err" "$text"
}
status 0 "$line" train --steps 2 --run changes
differs changes 4 'setting rate: it was 0.01, and is 0.02' --set rate=0.02
same changes 5
status 0 "$line" train --resume --run changes --steps 6 --set rate=0.02
differs changes 7 'data x: it was points.npy, and is others.npy' --data x=others.npy
same changes 8
status 0 "$line" train --resume --run changes --steps 9 --data x=./others.npy
differs changes 10 'feed x: it was none, and is points.npy' --feed x=points.npy
differs changes 11 'feed x: it was points.npy, and is none'
same changes 12
floats 1 1 1 1 0 1 1 1 1 0 1 1 0 0 0 1 1 1 | npy others.npy '<f4' '(9, 2)'
differs changes 13 'others.npy had 8 samples, and has 9'
same changes 14
status 1 "$line-64" train --resume --run changes --steps 16
says "$work/err" 'precision: it was f32, and is f64 (ganc build --real)'
status 0 "$line-64" train --resume --run changes --steps 16 --accept-changes
status 0 "$line" train --steps 2 --run plain
status 0 "$ganc" build "$line.gan" --set width=4 -o "$line-wide"
status 1 "$line-wide" train --resume --run plain --steps 3
says "$work/err" 'setting width: it was 3, and is 4'
mkdir "$work/edited"
sed 's/^rate = 0.01/rate = 0.03/; s/points.npy/others.npy/' "$line.gan" >"$work/edited/line.gan"
status 0 "$ganc" build "$work/edited/line.gan" -o "$line-edited"
status 0 "$line" train --steps 2 --run edited
status 0 "$line-edited" train --resume --steps 3 --run edited
says "$work/err" 'setting rate: it stays 0.01; the text says 0.03 (--set rate=0.03)'
says "$work/err" 'data x: they stay points.npy; the text says others.npy (--data x=others.npy)'
status 0 "$line-edited" train --resume --steps 4 --run edited
grep 'stays' "$work/err" && fail 'what was said once is said again'
cp "$work/edited/line.gan" "$line-other.gan" && status 0 "$ganc" build "$line-other.gan" -o "$line-other"
status 1 "$line-other" train --resume --steps 5 --run edited
says "$work/err" 'model: it was line, and is line-other'

# A config that is damaged is no config of defaults.
cp edited/config.json whole.json
for damage in 's/.*/{}/; 2,$d' 's/"rate": .*/"rate": "fast",/' 's/"width"/"height"/' 's/"model": "line"/"model": 7/' \
  's/"source_hash"/"hash"/' 's/"batch": 4/"batch": 4.5/' 's/"real": "f32"/"real": null/' 's/"steps"/"stops"/' \
  's/"data": {/"date": {/' 's/"files": {/"flies": {/' 's/"settings": {/"setting": {/' 's/"x": "points.npy"/"x": 7/'; do
  sed "$damage" whole.json >edited/config.json
  cmp -s whole.json edited/config.json && fail "no damage: $damage"
  status 1 "$line-edited" train --resume --steps 5 --run edited
  says "$work/err" 'edited/config.json is damaged: '
  says "$work/err" 'a new run can start from its weights: --init edited/checkpoints/step-'
  status 1 "$line-edited" sample --run edited -o x.npy
  says "$work/err" 'edited/config.json is damaged: '
done
cp whole.json edited/config.json

# Data and feeds of the same name and length are others where the file is.
mine() { floats "$@" 1 0 0 1 0 1 1 1 1 0 1 1 0 0 0 | npy mine.npy '<f4' '(8, 2)'; }
mine 5
floats $(seq 64) | npy noise.npy '<f4' '(32, 2)'
status 0 "$line" train --steps 1 --run content --data x=mine.npy --feed z=noise.npy
status 0 "$line" train --steps 2 --run content --resume --feed z=noise.npy --data x=./mine.npy
mine 6
floats $(seq 2 65) | npy noise.npy '<f4' '(32, 2)'
for option in '' '--data x=mine.npy'; do
  # shellcheck disable=SC2086
  status 1 "$line" train --resume --steps 3 --run content --feed z=noise.npy $option
  says "$work/err" 'mine.npy has changed since (its time or place is another'
  says "$work/err" 'feed z: noise.npy has changed since (its time or place is another'
  says "$work/err" 'go on with --accept-changes'
done
status 0 "$line" train --resume --steps 3 --run content --feed z=noise.npy --accept-changes
status 0 "$line" train --resume --steps 4 --run content --feed z=noise.npy
grep 'changed' "$work/err" && fail 'a change that was accepted is told again'
cp mine.npy noise.npy "$work/there"
(cd "$work/there" && "$line" train --resume --steps 5 --run ../here/content --data x=mine.npy --feed z=noise.npy) \
  >"$work/out" 2>"$work/err" && fail 'another file of the same name is taken'
here=$(pwd -P) there=$(cd "$work/there" && pwd -P)
says "$work/err" "data x: it was $here/mine.npy, and is $there/mine.npy"
says "$work/err" "feed z: it was $here/noise.npy, and is $there/noise.npy"
grep -qF "$here/mine.npy" content/config.json || fail 'what was refused is in the config'
mkdir "$work/moved" && mv mine.npy "$work/moved" && cp "$work/moved/mine.npy" "$work/there"
(cd "$work/there" && "$line" train --resume --steps 5 --run ../here/content --feed z="$here/noise.npy") \
  >"$work/out" 2>"$work/err" && fail 'another file of the same name is taken where the first one is gone'
says "$work/err" "data x: it was "
mv edited/config.json edited/lost.json
status 1 "$line" train --resume --steps 5 --run edited
says "$work/err" 'a new run can start from its weights: --init edited/checkpoints/step-'
status 2 "$line" train --resume --accept-changez --run plain
status 1 "$line" train --accept-changes --run plain-2
says "$work/err" '--accept-changes belongs to --resume'

# config.json says what was given and where that is, so that a run goes on from any folder.
status 0 "$line" train --steps 1 --run "$work/here/far" --init "$(newest plain)" --feed z=points.npy
grep -qF '"x": "points.npy"' far/config.json || fail 'config.json does not keep what was given'
grep -qF "\"path\": \"$(pwd -P)/points.npy\"" far/config.json || fail 'config.json does not say where data are'
grep -qF "\"given\": \"$(newest plain)\"" far/config.json || fail 'config.json does not say where weights came from'
grep -qF '"width": 3' far/config.json || fail 'config.json does not keep settings of the build'
cd "$work/there" || exit 1
floats 9 9 9 9 9 9 9 9 9 9 9 9 9 9 9 9 | npy points.npy '<f4' '(8, 2)'
status 0 "$line" train --resume --run ../here/changes --steps 17 --accept-changes
status 0 "$line" train --resume --run ../here/plain --steps 4 --log-every 1
cd "$work/here" || exit 1
status 0 "$line" train --steps 4 --run whole
cmp -s whole/checkpoints/step-000004.safetensors plain/checkpoints/step-000004.safetensors ||
  fail 'a run that goes on in another folder takes the file of the same name there'

# --keep counts checkpoints that can be read.
# kept STEPS...: these, and no others.
kept() {
  found=$(ls keeps/checkpoints)
  [ "$found" = "$(printf 'step-0000%s.safetensors\n' "$@")" ] || fail "kept are $found instead of $*"
}
status 0 "$line" train --steps 30 --checkpoint-every 10 --keep 0 --run keeps
truncate -s 100 keeps/checkpoints/step-000020.safetensors
status 0 "$line" train --resume --steps 40 --checkpoint-every 10 --keep 3 --run keeps
kept 10 20 30 40
status 0 "$line" train --resume --steps 50 --checkpoint-every 10 --keep 3 --run keeps
kept 30 40 50
cp keeps/checkpoints/step-000050.safetensors keeps/checkpoints/step-000060.safetensors
status 0 "$line" train --resume --steps 55 --checkpoint-every 0 --keep 2 --run keeps
says "$work/err" 'step-000060.safetensors is of step 50, whatever its name says'
kept 50 55 60

# The run that was saved last is the latest one, whatever its number or name; a number may be used again.
mkdir "$work/latest"
cd "$work/latest" || exit 1
cp "$work/here/points.npy" .
for _ in 1 2 3; do status 0 "$line" train --steps 2; done
# used RUN: what sample takes.
used() { status 0 "$line" sample -o x.npy && says "$work/out" "by runs/$1/checkpoints/"; }
used line-3
status 0 "$line" train --resume --steps 3 --run runs/line-2
used line-2
rm -r runs/line-1
status 0 "$line" train --steps 2
used line-1
status 0 "$line" train --steps 2 --run runs/named
used named
printf '%s\n' 'data x: [2] from "points.npy"' 'state s = 0' 'train { batch = 4; s <- E[sum(x)] }' >"$work/other.gan"
status 0 "$ganc" build "$work/other.gan" -o "$work/other" && status 0 "$work/other" train --steps 1 --run runs/foreign
used named
cd "$work/here" || exit 1

# --steps that are done, or go beyond what the model says.
status 0 "$line" train --steps 5 --run steps
status 0 "$line" train --resume --steps 3 --run steps
says "$work/err" '5 steps are done, which is more than the 3 of --steps: nothing is trained'
status 0 "$line" train --resume --run steps
says "$work/err" 'all 5 steps of this run are done: nothing is trained; with --steps N it goes on to step N'
status 0 "$line" train --resume --steps 50 --run steps
says "$work/err" '`train for 40 steps` ends at step 40: training goes on as before, to step 50'
status 2 "$line" train --steps 9223372036854775807 --run steps
says "$work/err" '--steps must be at most 9007199254740992'
sed -i 's/"steps": 50/"steps": -50/' steps/config.json
status 1 "$line" train --resume --run steps
says "$work/err" '"steps" must be a whole number from 0 to 9007199254740992'

# Statistics say how long it took, and go on from there.
status 0 "$line" train --steps 5 --log-every 1 --run time
sleep 1
status 0 "$line" train --resume --steps 10 --log-every 1 --run time
sed 's/.*"seconds": \([0-9.e-]*\),.*/\1/' time/stats.jsonl >seconds
awk 'NR == 1 { first = $1 } { bad += !($1 > last); last = $1 } 
  END { exit bad || NR != 10 || last > first + 1 }' seconds ||
  fail "seconds are not those of training: $(tr '\n' ' ' <seconds)"

# And the learning rate of each player's last update, where its optimizer has one: constant, set, scheduled, inside another.
build rates <<'END' || exit 1
rate = 0.25
data x: [2] from "ring"
layer plain(w: [...s], g: [...s]) -> [...s] = w - 1e-3 * g
network A(x: [2]) -> [] = x |> Linear(1) |> scalar
network B(x: [2]) -> [] = x |> Linear(1) |> scalar
network C(x: [2]) -> [] = x |> Linear(1) |> scalar
network D(x: [2]) -> [] = x |> Linear(1) |> scalar
network F(x: [2]) -> [] = x |> Linear(1) |> scalar
A minimizes E[A(x)^2]
B minimizes E[B(x)^2]
C minimizes E[C(x)^2]
D minimizes E[D(x)^2]
F minimizes E[F(x)^2]
train for 4 steps {
  batch = 4
  optimize A by sgd(lr = 0.125)
  optimize B by sgd(lr = rate)
  optimize C by clipped(1, adam(lr = 0.5 * (1 - progress)))
  optimize D by plain
  optimize F by sgd(0.0625)
  update A, B, D
  if step >= 2 { update C }
  update F
}
END
status 0 "$work/rates" train --log-every 1 --run rates --set rate=0.75
# rated STEP RATES
rated() {
  sed -n "$1p" rates/stats.jsonl | grep -qF "\"rates\": {$2}" || fail "rates: $(sed -n "$1p" rates/stats.jsonl)"
}
rated 1 '"A": 0.125, "B": 0.75, "C": null, "F": 0.0625'
rated 3 '"A": 0.125, "B": 0.75, "C": 0.25, "F": 0.0625'
rated 4 '"A": 0.125, "B": 0.75, "C": 0.125, "F": 0.0625'

# Pictures are a film of the run: of too many, every other one goes.
status 0 "$line" train --steps 39 --sample-every 1 --keep-samples 8 --run film
[ "$(ls film/samples)" = "$(printf 'fakes-0000%s.png\n' 08 16 24 32 39)" ] || fail "pictures: $(ls film/samples)"
status 0 "$line" train --steps 40 --sample-every 1 --keep-samples 0 --run all
[ "$(find all/samples -name '*.png' | wc -l)" = 40 ] || fail '--keep-samples 0 does not keep all'
finish
