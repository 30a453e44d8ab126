#!/bin/sh
# Which rows and which draws an evaluation sees: one walk per data, feeds, outputs that are functions of the step.
. tests/run/common

# npy FILE TYPE SHAPE: an array whose bytes come from the standard input.
npy() {
  printf '\223NUMPY\001\000\166\000%-117s\n' "{'descr': '$2', 'fortran_order': False, 'shape': $3, }" >"$1"
  cat >>"$1"
}

# build NAME: the model on the standard input, at $work/NAME.
build() {
  cat >"$work/$1.gan"
  name=$1
  shift
  status 0 "$GANC" build "$work/$name.gan" -o "$work/$name" "$@"
}

# logged RUN STEP: the outputs that its stats.jsonl has for this step.
logged() { sed -n "s/^{\"step\": $2,.*\"outputs\": //p" "$1/stats.jsonl"; }

# The eight powers of two: what is missing or there twice shows in a sum.
printf '\001\002\004\010\020\040\100\200' | npy "$work/powers.npy" '|u1' '(8,)'

# Another batch goes on in the same walk, whose position is saved under the name of the data alone.
if build walks <<'END'
data x: [] in 0..255
state a = 0
state b = 0
state c = 0
train {
  batch = 4
  a <- E[x] * 4
  batch = 2
  b <- E[x] * 2
  c <- E[x] * 2
}
output total = a + b + c
END
then
  status 0 "$work/walks" train --data x="$work/powers.npy" --steps 3 --log-every 1 --run "$work/walks-run"
  for step in 1 2 3; do [ "$(logged "$work/walks-run" $step)" = '{"total": 255}}' ] || fail "step $step leaves samples out: $(logged "$work/walks-run" $step)"; done
  head -c 4096 "$(newest "$work/walks-run")" | grep -aqF '"count/x": "24"}' || fail 'the checkpoint does not say that 24 samples of x were seen, and nothing else'
  status 0 "$work/walks" train --feed x="$work/powers.npy" --steps 1 --run "$work/walks-fed"
  [ "$(logged "$work/walks-fed" 1)" = '{"total": 255}}' ] || fail "a feed reaches other batches with other rows: $(logged "$work/walks-fed" 1)"
  status 1 "$work/walks" train --feed x="$work/powers.npy" --steps 2 --run "$work/walks-short"
  says "$work/err" 'powers.npy has 8 rows, this evaluation needs rows 8 to 11'
fi

# A batch that is larger than the data set goes through it twice and more.
if build large <<'END'
data x: [] in 0..255
state a = 0
train {
  batch = 24
  a <- E[x] * 24
}
output total = a
END
then
  status 0 "$work/large" train --data x="$work/powers.npy" --steps 1 --run "$work/large-run"
  [ "$(logged "$work/large-run" 1)" = '{"total": 765}}' ] || fail "three passes in a batch: $(logged "$work/large-run" 1)"
fi

# What is logged, drawn or fed for outputs does not touch the training, and does not depend on what was logged before; pictures show the same draws at every step.
if build outputs <<'END'
data x: [2] from "ring"
noise z: [2] ~ normal
network D(x: [2]) -> [] = x |> Linear(1) |> scalar
D minimizes E[(D(x) - 1)^2] + E[D(z)^2]
train { batch = 4; optimize D by sgd(lr = 0.1); update D }
output drawn = concat(x + z, z)
output logged = E[sum(x)] + E[sum(z)]
output of_weights = D(x)
END
then
  for every in 1 2 4; do
    status 0 "$work/outputs" train --steps 4 --log-every $every --sample-every $every --run "$work/every-$every"
    [ "$(logged "$work/every-$every" 4)" = "$(logged "$work/every-1" 4)" ] || fail "--log-every $every logs other outputs at step 4"
    cmp -s "$(newest "$work/every-1")" "$(newest "$work/every-$every")" || fail "--log-every $every leaves another checkpoint"
    cmp -s "$work/every-1/samples/drawn-000001.npy" "$work/every-$every/samples/drawn-000004.npy" || fail "pictures of step 4 show other draws than those of step 1"
  done
  [ "$(logged "$work/every-1" 2)" != "$(logged "$work/every-1" 3)" ] || fail 'logged outputs draw the same at every step'
  status 0 "$work/outputs" sample --run "$work/every-1" --output drawn --count 64 -o "$work/a.npy"
  status 0 "$work/outputs" sample --weights "$work/every-1/checkpoints/step-000004.safetensors" --output drawn --count 70 -o "$work/b.npy"
  tail -c +129 "$work/a.npy" >"$work/a"
  tail -c +129 "$work/b.npy" | head -c "$(wc -c <"$work/a")" | cmp -s - "$work/a" || fail 'the number of samples changes the samples'

  for every in 1 2 4; do
    head -c 64 /dev/zero | npy "$work/zeros.npy" '<f4' '(8, 2)'
    status 0 "$work/outputs" train --feed z="$work/zeros.npy" --feed x="$work/zeros.npy" --steps 2 --log-every $every --sample-every $every --run "$work/fed-$every"
    cmp -s "$(newest "$work/fed-1")" "$(newest "$work/fed-$every")" || fail "fed, --log-every $every trains other weights"
  done
  status 0 "$work/outputs" sample --run "$work/fed-1" --output drawn --feed z="$work/zeros.npy" --feed x="$work/zeros.npy" --count 6 -o "$work/c.npy"
  head -c 96 /dev/zero >"$work/zeros"
  tail -c +129 "$work/c.npy" | cmp -s - "$work/zeros" || fail 'sample does not take what it is fed'
  status 1 "$work/outputs" sample --run "$work/fed-1" --output drawn --feed z="$work/zeros.npy" --count 9 -o "$work/c.npy"
  says "$work/err" 'zeros.npy has 8 rows, this evaluation needs rows 8 to 8'
fi
finish
