#!/bin/sh
# A run that is killed at any moment, again and again, is the run that nobody killed: the same weights, statistics and pictures, and nothing else
# is left. KILLS says how often.
. tests/run/common
build killed <<'END' || exit 1
data x: [2] from "ring"
noise z: [2] ~ normal
network G(z: [2]) -> [2] = z |> Linear(8) |> BatchNorm |> relu |> Linear(2)
network D(x: [2]) -> [] = x |> Linear(8) |> leaky_relu(0.2) |> Linear(1) |> scalar
D minimizes E[-log(sigmoid(D(x)))] + E[-log(1 - sigmoid(D(G(z))))]
G minimizes E[-log(sigmoid(D(G(z))))]
train { batch = 7; optimize D, G by adam(lr = 0.01); update D; update G }
output fakes = G(z)
END
often='--checkpoint-every 1 --log-every 3 --sample-every 5 --keep-samples 0'
run=$work/run

kills=0
while [ $kills -lt "${KILLS:=20}" ]; do
  resume=
  [ -z "$(newest "$run" 2>"$work/none")" ] || resume=--resume
  # shellcheck disable=SC2086
  "$work/killed" train $often --steps 1000000 --run "$run" $resume >"$work/out" 2>"$work/err" &
  pid=$!
  sleep "0.$(printf %03d $((kills * 61 % 197)))"
  kill -s KILL $pid 2>"$work/ignored" || {
    fail "kill $kills: the trainer ended by itself"
    sed 's/^/    /' "$work/out" "$work/err"
    break
  }
  wait $pid 2>"$work/ignored"
  kills=$((kills + 1))
done

step=$(newest "$run" | sed 's/.*step-0*//; s/[.].*//')
last=$((step + 10))
# shellcheck disable=SC2086
status 0 "$work/killed" train $often --steps $last --run "$run" --resume
grep -iE 'damaged|ignored|differ' "$work/err" && fail 'the run is not sound'
# shellcheck disable=SC2086
status 0 "$work/killed" train $often --steps $last --run "$work/whole"
printf 'killed %d times in %d steps\n' $kills "$step"
for file in $(cd "$work/whole" && find . -type f ! -name stats.jsonl ! -name .lock); do
  cmp "$work/whole/$file" "$run/$file" || fail "$file is another one"
done
(cd "$work/whole" && find . | sort) >"$work/names"
(cd "$run" && find . | sort) | diff "$work/names" - >"$work/left" || fail "not the same files: $(cat "$work/left")"
for each in "$run" "$work/whole"; do sed 's/"seconds": .*"rates"/"rates"/' "$each/stats.jsonl" >"$each.told"; done
cmp "$run.told" "$work/whole.told" || fail 'the statistics are others'
finish
