#!/bin/sh
# Which rows and which draws an evaluation sees: one walk per data, feeds, outputs that are functions of the step.
. tests/run/common

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
  says "$work/err" 'powers.npy has 8 rows, and step 2 needs rows up to 15 (counted from 0): feed more of them, or train fewer --steps, up to 1'
  status 0 "$work/walks" train --data x="$work/powers.npy" --steps 2 --resume --accept-changes --run "$work/walks-fed"
  says "$work/err" 'x was fed when this run began, and is drawn from here on; go on as it began with --feed x=FILE.npy'
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
  status 0 "$work/outputs" sample --run "$work/fed-1" --output drawn --count 64 -o "$work/b.npy"
  cmp -s "$work/a.npy" "$work/b.npy" || fail 'sample draws something else for the checkpoint of another step'
  status 0 "$work/outputs" sample --run "$work/fed-1" --output drawn --feed z="$work/zeros.npy" --feed x="$work/zeros.npy" --count 6 -o "$work/c.npy"
  head -c 96 /dev/zero >"$work/zeros"
  tail -c +129 "$work/c.npy" | cmp -s - "$work/zeros" || fail 'sample does not take what it is fed'
  status 1 "$work/outputs" sample --run "$work/fed-1" --output drawn --feed z="$work/zeros.npy" --count 9 -o "$work/c.npy"
  says "$work/err" 'zeros.npy has 8 rows, this evaluation needs rows 8 to 8'
fi

# A feed is the value of the variable as the model sees it: whatever its distribution is, a label as an integer of any type, noise of the file and of layers.
cat >"$work/values.txt" <<'END'
width = 2
noise z: [2] ~ normal(10, 2)
noise u ~ uniform(2, 5)
noise c: class[10] ~ uniform
noise w ~ uniform(0, width)
fn folded(s) = abs(s |> normal)
noise f ~ folded
noise l: class[4] ~ folded
layer Jitter(x: []) -> [] {
  weight scale = 1
  noise e ~ uniform(3, 4)
  noise g ~ folded
  noise k: class[3] ~ uniform
  noise m ~ normal(scale, 2)
  x + e + 10 * g + 100 * k + 1000 * m
}
network G(u: []) -> [] = u |> Jitter
G minimizes E[G(u)]^2 + E[sum(z) + c + w + f + l]
train { batch = 4; optimize G by sgd(lr = 1e-6); update G }
output drawn = concat(z, [u, c, w, f, l])
output inside = [G(u)]
END
if build values --feeds <"$work/values.txt"; then
  floats 10.5 -3 11 0.25 | npy "$work/z.npy" '<f4' '(2, 2)'
  floats 2.5 4.75 | npy "$work/u.npy" '<f4' '(2,)'
  printf '\003\0\0\0\0\0\0\0\011\0\0\0\0\0\0\0' | npy "$work/c.npy" '<i8' '(2,)'
  printf '\003\002' | npy "$work/l.npy" '|u1' '(2,)'
  floats 7 8 | npy "$work/w.npy" '<f4' '(2,)'
  floats -1 0.5 | npy "$work/f.npy" '<f4' '(2,)'
  status 0 "$work/values" train --steps 2 --run "$work/values-run"
  status 0 "$work/values" sample --run "$work/values-run" --output drawn --count 2 --feed z="$work/z.npy" --feed u="$work/u.npy" --feed c="$work/c.npy" --feed w="$work/w.npy" \
    --feed f="$work/f.npy" --feed l="$work/l.npy" -o "$work/drawn.npy"
  holds "$work/drawn.npy" 10.5 -3 2.5 3 7 -1 3 11 0.25 4.75 9 8 0.5 2
  floats 1 2 | npy "$work/m.npy" '<f4' '(2,)'
  printf '\002\001' | npy "$work/k.npy" '|i1' '(2,)'
  status 0 "$work/values" sample --run "$work/values-run" --output inside --count 2 --feed u="$work/u.npy" --feed G.Jitter_1.e#0="$work/u.npy" --feed G.Jitter_1.g#0="$work/f.npy" \
    --feed G.Jitter_1.k#0="$work/k.npy" --feed G.Jitter_1.m#0="$work/m.npy" -o "$work/inside.npy"
  holds "$work/inside.npy" 1195 2114.5

  # What is no label is an error.
  printf '\003\036' | npy "$work/c.npy" '|u1' '(2,)'
  status 1 "$work/values" sample --run "$work/values-run" --output drawn --count 2 --feed c="$work/c.npy" -o "$work/drawn.npy"
  says "$work/err" 'c.npy: row 1 is 30; c: class[10] takes whole numbers from 0 to 9'
  floats 0.35 0.5 | npy "$work/l.npy" '<f4' '(2,)'
  status 1 "$work/values" train --steps 1 --feed l="$work/l.npy" --run "$work/values-bad"
  says "$work/err" 'l.npy: row 0 is 0.35; l: class[4] takes whole numbers from 0 to 3'

  # Feeding one variable leaves the draws of the others alone.
  status 0 "$work/values" sample --run "$work/values-run" --output drawn --count 2 -o "$work/free.npy"
  status 0 "$work/values" sample --run "$work/values-run" --output drawn --count 2 --feed w="$work/w.npy" -o "$work/drawn.npy"
  for byte in 129 157; do
    [ "$(tail -c +$byte "$work/free.npy" | head -c 16 | od -A n -t x1)" = "$(tail -c +$byte "$work/drawn.npy" | head -c 16 | od -A n -t x1)" ] || fail 'feeding w changes other draws'
  done
fi

# A trainer that can be fed draws what one without draws: noise in layers keeps its calls apart.
for option in '' --feeds; do
  build again$option $option <<'END' && status 0 "$work/again$option" train --steps 3 --seed 3 --threads 1 --run "$work/again-run$option"
data x: [2] from "ring"
state seen = 0
layer Shaken(x: [...s]) -> [...s] {
  noise u: [...s] ~ uniform
  x * u
}
network D(x: [2]) -> [] = x |> Shaken |> Linear(1) |> scalar
D minimizes E[(D(x) - 1)^2]
train {
  batch = 4
  optimize D by sgd(lr = 0.1)
  draw { update D; seen <- E[D(x)] }
}
END
  tail -c 32 "$(newest "$work/again-run$option")" >"$work/again-numbers$option"    # its weights and states
done
cmp -s "$work/again-numbers" "$work/again-numbers--feeds" || fail 'built with --feeds it draws something else'

# A picture whose range comes from its samples takes it from those that are finite: infinity is the lightest shade, NaN the darkest.
if build pictures <<'END'
data x: [2] from "ring"
noise u ~ uniform
network D(x: [2]) -> [] = x |> Linear(1) |> scalar
D minimizes E[(D(x) - 1)^2]
train { batch = 4; optimize D by sgd(lr = 0.1); update D }
output odd = [[u, 2], [-1, 1 / (u - u)], [-1 / (u - u), (u - u) / (u - u)]]
output even = [[u, 2], [-1, 2], [-1, -1]]
END
then
  status 0 "$work/pictures" train --steps 1 --sample-every 0 --run "$work/pictures-run"
  for output in odd even; do status 0 "$work/pictures" sample --run "$work/pictures-run" --output $output -o "$work/$output.png"; done
  cmp -s "$work/odd.png" "$work/even.png" || fail 'what is not finite spoils a picture'
fi
finish
