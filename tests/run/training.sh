#!/bin/sh
# Training: the same bits for any number of threads, and for a run that was stopped and resumed; a model learns.
. tests/run/common

# same A B: two checkpoints are the same to the bit.
same() { cmp -s "$1" "$2"; }

for example in examples/*.gan; do
  name=$(basename "$example" .gan)
  status 0 "$GANC" build "$example" -o "$work/$name" || continue
  status 0 "$work/$name" info
  steps=4 stops='1 3' several='1 2 3 7'
  for threads in $several; do
    status 0 "$work/$name" train --steps "$steps" --threads "$threads" --seed 5 --run "$work/$name-$threads" || continue
    [ "$threads" = 1 ] || same "$(newest "$work/$name-1")" "$(newest "$work/$name-$threads")" || fail "$name: $threads threads give other bits than 1"
  done
  for stop in $stops; do
    status 0 "$work/$name" train --steps "$stop" --threads 2 --seed 5 --run "$work/$name-r$stop" || continue
    status 0 "$work/$name" train --steps "$steps" --threads 1 --resume --run "$work/$name-r$stop" || continue
    same "$(newest "$work/$name-1")" "$(newest "$work/$name-r$stop")" || fail "$name: stopped after $stop steps and resumed, it gives other bits"
  done
done

# A setting given to the trainer is the one that trains, is written down, and comes back with the run.
printf '%s\n' 'rate = 0.01' 'data x: [2] from "ring"' 'network D(x: [2]) -> [] = x |> Linear(1) |> scalar' 'D minimizes E[(D(x) - 1)^2]' \
  'train { batch = 4; optimize D by sgd(lr = rate); update D }' >"$work/setting.gan"
if status 0 "$GANC" build "$work/setting.gan" -o "$work/setting"; then
  status 0 "$work/setting" train --steps 2 --run "$work/slow"
  status 0 "$work/setting" train --steps 2 --set rate=0.5 --run "$work/fast"
  grep -q '"rate": 0.5' "$work/fast/config.json" || fail 'config.json does not say what --set chose'
  same "$(newest "$work/slow")" "$(newest "$work/fast")" && fail '--set rate=0.5 changes nothing'
  status 0 "$work/setting" train --steps 4 --resume --run "$work/fast"
  status 0 "$work/setting" train --steps 4 --set rate=0.5 --run "$work/whole"
  same "$(newest "$work/whole")" "$(newest "$work/fast")" || fail 'a resumed run forgets what --set chose'
fi

# Data that nothing reads need no source.
printf '%s\n' 'data x: [2] from "ring"' 'data unread: [3]' 'state s = 0' 'train { batch = 4; s <- E[sum(x)] }' >"$work/unread.gan"
status 0 "$GANC" build "$work/unread.gan" -o "$work/unread" && status 0 "$work/unread" train --steps 1 --run "$work/unread-run"

# Weights that are no numbers are not kept, whether a step or Ctrl-C ends the run; the derivative of sqrt at 0 makes them in the first step.
cat >"$work/spoilt.gan" <<'END'
data x: [2] from "ring"
noise z: [4] ~ normal
network G(z: [4]) -> [2] = z |> Linear(16) |> relu |> Linear(2, bias = false, init = constantly(0))
network D(x: [2]) -> [] = x |> Linear(16) |> leaky_relu(0.2) |> Linear(1) |> scalar
diversity = sqrt(sumsq(G(z) - G(0.5 * z)))
D minimizes E[real_loss(D(x))] + E[fake_loss(D(G(z)))]
G minimizes E[real_loss(D(G(z)))] - 0.1 * E[diversity]
train { batch = 64; optimize D, G by adam(lr = 1e-3, beta1 = 0.5); update D; update G }
output fakes = G(z)
END
if status 0 "$GANC" build "$work/spoilt.gan" -o "$work/spoilt"; then
  status 0 "$work/spoilt" train --steps 0 --run "$work/spoilt-0"
  status 1 "$work/spoilt" train --steps 1 --resume --run "$work/spoilt-0"
  says "$work/err" 'G.Linear_1.W[0, 0] is not a number at step 1'
  says "$work/err" "the last good checkpoint is $work/spoilt-0/checkpoints/step-000000.safetensors"
  status 0 "$work/spoilt" sample --run "$work/spoilt-0" -o "$work/spoilt.npy"
  status 1 "$work/spoilt" train --steps 5 --run "$work/spoilt-1"
  says "$work/err" 'became not a number'
  [ -z "$(ls "$work/spoilt-1/checkpoints")" ] || fail 'weights that are no numbers were kept'
fi

# What was not computed yet is null in stats.jsonl, not 0, nor is what is no number; every objective has a name of its own, so that every line is read again.
cat >"$work/stats.gan" <<'END'
data x: [2] from "ring"
network D(x: [2]) -> [] = x |> Linear(1) |> scalar
D minimizes E[D(x)^2]
D minimizes E[D(x)^4]
late: D minimizes 2 + E[D(x)^2]
train { batch = 64; optimize D by sgd(lr = 0.1); update D; if step >= 2 { update D by late } }
output never = log(-1 - norm(D))
output spread = log(x - 100)
END
if status 0 "$GANC" build "$work/stats.gan" -o "$work/stats"; then
  status 0 "$work/stats" train --steps 5 --log-every 1 --sample-every 0 --run "$work/stats-1"
  log="$work/stats-1/stats.jsonl"
  [ "$(grep -c '"D": [0-9.e-]*, "D#2": [0-9.e-]*, "late.D": ' "$log")" = 5 ] || fail "objectives are not told apart: $(cat "$log")"
  [ "$(grep -n '"late.D": null' "$log" | cut -d : -f 1 | tr '\n' ' ')" = '1 2 ' ] || fail "an objective without a value: $(cat "$log")"
  [ "$(grep -c '"never": null' "$log")" = 5 ] || fail "not a number is no JSON: $(cat "$log")"
  says "$work/err" 'step 5/5'
  status 0 "$work/stats" sample --run "$work/stats-1" -o "$work/stats.png"
  says "$work/err" '64 of 64 samples of spread are not finite: element 0 of sample 0 is not a number'
  rm "$work/stats-1/checkpoints/"*
  status 0 "$work/stats" train --steps 3 --log-every 1 --sample-every 0 --run "$work/stats-2"
  cp "$work/stats-2/checkpoints/"* "$work/stats-1/checkpoints"
  status 0 "$work/stats" train --steps 4 --log-every 1 --sample-every 0 --resume --run "$work/stats-1"
  [ "$(wc -l <"$log")" = 4 ] || fail "lines beyond the step that was resumed at stay: $(cat "$log")"
fi

# A broken compiler cannot reach this: at least seven of the eight modes of the ring, four samples in five within three deviations of one.
if [ "$SANITIZE" = 0 ]; then
  status 0 "$work/ring" train --seed 2 --run "$work/learned"
  status 0 "$work/ring" eval --run "$work/learned"
  cat "$work/out"
  awk '/^modes:/ { found = 1; if ($2 < 7 || $7 + 0 < 80) bad = 1 } END { exit bad || !found }' "$work/out" || fail 'the ring was not learned'
fi
finish
