#!/bin/sh
# eval: what is measured against what, on data of one's own, and where several data have the shape of an output.
. tests/run/common

cat >"$work/ring.gan" <<'END'
data  x: [2] from "ring"
noise z: [4] ~ normal
network G(z: [4]) -> [2] = z |> Linear(16) |> relu |> Linear(2)
network D(x: [2]) -> [] = x |> Linear(16) |> leaky_relu(0.2) |> Linear(1) |> scalar
D minimizes E[real_loss(D(x))] + E[fake_loss(D(G(z)))]
G minimizes E[real_loss(D(G(z)))]
train { batch = 64; optimize D, G by adam(lr = 1e-3, beta1 = 0.5); update D; update G }
output fakes = G(z)
END
cat >"$work/pair.gan" <<'END'
data a: [2] from "ring"
data b: [2] from "grid"
network F(x: [2]) -> [2] = x |> Linear(16) |> relu |> Linear(2)
network D(x: [2]) -> [] = x |> Linear(16) |> leaky_relu(0.2) |> Linear(1) |> scalar
D minimizes E[(D(b) - 1)^2] + E[D(F(a))^2]
F minimizes E[(D(F(a)) - 1)^2]
train { batch = 64; optimize F, D by adam(lr = 2e-4, beta1 = 0.5); update F; update D }
output ab = F(a)
END

# Samples of one network are the data of another.
if status 0 "$GANC" build "$work/ring.gan" -o "$work/ring"; then
  status 0 "$work/ring" train --steps 20 --run "$work/first"
  status 0 "$work/ring" sample --run "$work/first" --count 2000 -o "$work/own.npy"
  status 0 "$work/ring" sample --run "$work/first" --count 500 --seed 2 -o "$work/held.npy"
  status 0 "$work/ring" train --steps 20 --data x="$work/own.npy" --run "$work/second"
  status 1 "$work/ring" eval --run "$work/second"
  says "$work/err" "$work/own.npy has no held-out part; samples that training has not seen are named by --data x=SPEC"
  status 0 "$work/ring" eval --run "$work/second" --data x="$work/held.npy"
  says "$work/out" "held-out x: 500 of the 500 in $work/held.npy"
  says "$work/out" "training x: 500 of the 2,000 in $work/own.npy"
  says "$work/second/eval/fakes-against-x-000020.json" '"sliced_wasserstein_of_training_data": 0.'
fi
if status 0 "$GANC" build "$work/pair.gan" -o "$work/pair"; then
  status 0 "$work/pair" train --steps 2 --run "$work/pairs"
  status 1 "$work/pair" eval --run "$work/pairs"
  says "$work/err" 'ab could be measured against a, b: say which with --against NAME'
  status 0 "$work/pair" eval --run "$work/pairs" --against b
  says "$work/out" 'training b: 10,000 of the 65,536 in grid (its training part)'
  says "$work/out" 'reads a: ring'
  says "$work/out" 'modes: '
  [ "$(awk '/^modes:/ { print $4 }' "$work/out")" = '25;' ] || fail 'the modes are not those of the grid'
fi

# A set with a held-out part is known by its name, also to a run that has read its files.
mkdir -p "$work/sets/fashion-mnist"
for part in train t10k; do
  {
    printf '\000\000\010\003\000\000\000\100\000\000\000\034\000\000\000\034'
    head -c 50176 /dev/urandom
  } | gzip >"$work/sets/fashion-mnist/$part-images-idx3-ubyte.gz"
done
export GANC_DATA="$work/sets"
build pictures <<'END'
data x: [1, 28, 28] in -1..1 from "fashion-mnist"
noise z: [4] ~ normal
network G(z: [4]) -> [1, 28, 28] = z |> Linear(784) |> tanh |> reshape([1, 28, 28])
network D(x: [1, 28, 28]) -> [] = x |> flatten |> Linear(1) |> scalar
D minimizes E[(D(x) - 1)^2] + E[D(G(z))^2]
G minimizes E[(D(G(z)) - 1)^2]
train { batch = 8; optimize G, D by adam(lr = 2e-4); update D; update G }
output fakes = G(z)
END
status 0 "$work/pictures" train --steps 2 --run "$work/named"
status 0 "$work/pictures" eval --run "$work/named" --count 64
says "$work/out" 'held-out x: 64 of the 64 in fashion-mnist (its held-out part)'
status 0 "$work/pictures" train --steps 4 --run "$work/named" --resume
touch "$work/sets/fashion-mnist/train-images-idx3-ubyte.gz"
status 1 "$work/pictures" train --steps 6 --run "$work/named" --resume
says "$work/err" 'data x: '
finish
