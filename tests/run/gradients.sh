#!/bin/sh
# `gradients` of stats.jsonl: the norm that the model itself computes by `grad`, in float32 and in float64, of what this round has moved alone; and
# a run leaves the same weights however often it is told of.
. tests/run/common

# number LINE KEY NAME: of stats.jsonl in $log.
number() { sed -n "$1s/.*\"$2\": {[^}]*\"$3\": \([^,}]*\).*/\1/p" "$log"; }

# Whatever x is, D sees 1: the gradient of a batch is that of any other. Large and small weights: tiles and nests.
cat >"$work/norms.gan" <<'END'
data  x: [40] from "x"
noise z: [40] ~ normal
network F(x: [40]) -> [64] = x |> Linear(64) |> tanh
network D(x: [40]) -> [] = x |> F |> Linear(48) |> tanh |> Linear(1) |> scalar
network G(z: [40]) -> [40] = z |> Linear(40)
fn ones(x) = min(1, abs(x) + 1)
D minimizes E[(D(ones(x)) - 3)^2]
extra: D minimizes E[2 * D(ones(x))^2]
G minimizes E[(D(0.01 * G(ones(z))) - 1)^2]
train {
  batch = 64
  optimize D, G by clipped(1e-3, sgd(lr = RATE))
  update D
  every 2 { update G }
  if step >= 4 { update D by extra }
}
output steepness = norm(grad(E[(D(ones(x)) - 3)^2], D))
output slope = norm(grad(E[(D(0.01 * G(ones(z))) - 1)^2], G))
output other = norm(grad(E[2 * D(ones(x))^2], D))
END
head -c 10240 /dev/zero | npy "$work/x.npy" '<f4' '(64, 40)'

for real in f32 f64; do
  near=1e-5
  [ $real = f64 ] && near=1e-11
  sed 's/RATE/0/' "$work/norms.gan" >"$work/still.gan"
  status 0 "$GANC" build --real $real "$work/still.gan" -o "$work/still" || continue
  status 0 "$work/still" train --data x="$work/x.npy" --steps 5 --log-every 1 --sample-every 0 --run "$work/still-$real" || continue
  log="$work/still-$real/stats.jsonl"
  for pair in 1:D:steepness 3:D:steepness 1:G:slope 5:D:other; do
    line=${pair%%:*} rest=${pair#*:}
    told=$(number "$line" gradients "${rest%%:*}") right=$(number "$line" outputs "${rest#*:}")
    awk -v a="$told" -v b="$right" -v near=$near 'BEGIN { exit !(b > 1e-4 && (a - b) ^ 2 <= (near * b) ^ 2) }' ||
      fail "$real, line $line: the norm of ${rest%%:*} is $right, and told as $told"
  done
  [ "$(number 2 gradients G)" = null ] || fail "no gradient of G in step 2, but $(number 2 gradients G)"
done

sed 's/RATE/0.5/' "$work/norms.gan" >"$work/moving.gan"
if status 0 "$GANC" build "$work/moving.gan" -o "$work/moving"; then
  for every in 1 3 100; do
    status 0 "$work/moving" train --data x="$work/x.npy" --steps 7 --log-every $every --sample-every 0 --run "$work/run-$every"
    cmp "$work/run-1/checkpoints/step-000007.safetensors" "$work/run-$every/checkpoints/step-000007.safetensors" ||
      fail "told of every $every steps, a run leaves other weights"
    told=$(tail -n 1 "$work/run-$every/stats.jsonl" | sed 's/.*"gradients": \({[^}]*}\).*/\1/')
    [ "$told" = "$(tail -n 1 "$work/run-1/stats.jsonl" | sed 's/.*"gradients": \({[^}]*}\).*/\1/')" ] || fail "the last line: $told"
  done
fi
finish
