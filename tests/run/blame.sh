#!/bin/sh
# When a number goes bad: the last steps are run again, and the first program to blame is named, with its line, its
# tensor, the sample and what it read.
. tests/run/common

# began NAME STATUS TEXT…: the run NAME (its model at $work/NAME) ends with this status, and each text is in what it says.
began() {
  model=$1
  shift
  # shellcheck disable=SC2086
  status 1 "$work/$model" train --seed 3 --run "$work/$model-run" $options
  rm -rf "$work/$model-run"
  for text in "$@"; do says "$work/err" "$text"; done
}

# silent TEXT: it is not in what the last run said.
silent() { grep -qF -e "$1" "$work/err" && fail "\"$1\" is in: $(cat "$work/err")"; }

# The logarithm of a negative number, in one row of the data: the fifth of eight, counted from 0.
floats 1 2 3 4 5 -6 7 8 | npy "$work/rows.npy" '<f4' '(8, 1)'
cat >"$work/row.gan" <<'END_OF_MODEL'
data x: [1] from "rows.npy"
network D(x: [1]) -> [] = x |> Linear(3) |> tanh |> Linear(1) |> scalar
D minimizes E[D(x)^2] +
  0.5 * E[sum(log(x))]
train for 20 steps { batch = 4; optimize D by sgd(lr = 0.1); update D }
END_OF_MODEL
for trace in '' --trace; do
  status 0 "$GANC" build "$work/row.gan" -o "$work/row" $trace || continue
  for threads in 1 2 3 7; do
    options="--data x=$work/rows.npy --threads $threads"
    began row 'became not a number' "in \`update D\`, line"
    [ "$threads" = 1 ] && cp "$work/err" "$work/one"
    cmp -s "$work/err" "$work/one" || fail "$threads threads tell something else: $(diff "$work/one" "$work/err")"
  done
  if [ "$trace" ]; then
    for text in "line 4 of $work/row.gan" '= log(x[b, 0])' ', of sample ' 'x['  '] is -6' "of x is row 5 of $work/rows.npy" \
      '1 of its 4 numbers is not finite'; do
      says "$work/err" "$text"
    done
    silent 'ganc build'
  else
    says "$work/err" "ganc build $work/row.gan --trace"
  fi
done

# A quotient deep in a network, whose divisor is 0 for a sample whose numbers are all negative; what follows is not blamed for it.
floats 1 1 1 -1 -1 -1 2 -2 | npy "$work/pairs.npy" '<f4' '(4, 2)'
build deep --trace <<'END_OF_MODEL'
data x: [2] from "pairs.npy"
layer Share(x: [n]) -> [n] {
  h = relu(x)
  total = sum(h)
  y[i] = h[i] / total
  y
}
network D(x: [2]) -> [] = x |> Share |> Linear(8) |> leaky_relu(0.2) |> Linear(1) |> scalar
D minimizes E[softplus(D(x))]
train for 5 steps { batch = 4; optimize D by sgd(lr = 0.1); update D }
END_OF_MODEL
options="--data x=$work/pairs.npy"
began deep 'it began at step 1 in `update D`' 'is not a number, of sample' ' / ' "is row 2 of $work/pairs.npy"

# Too large a step: the weights grow until one is infinite. The run is taken up again where its last checkpoint was.
build large --trace <<'END_OF_MODEL'
data x: [2] from "ring"
network D(x: [2]) -> [] = x |> Linear(1) |> scalar
D minimizes E[D(x)^2]
train for 2000 steps { batch = 8; optimize D by sgd(lr = 3); update D }
END_OF_MODEL
options='--checkpoint-every 20'
began large 'the objective D' 'the last good checkpoint is' 'it began at step'
step=$(sed -n 's/.*it began at step \([0-9]*\) .*/\1/p' "$work/err")
says "$work/err" "steps $((step / 20 * 20 + 1)) to "

# Infinities on purpose, in every step: a softmax over the logarithms of what is 0 here and there. Another logarithm is to blame.
for trace in '' --trace; do
  build harmless $trace <<'END_OF_MODEL'
data x: [2] from "ring"
network D(x: [2]) -> [] {
  p = softmax([log(relu(x[0])), log(relu(-x[0])), log(relu(x[1])), 0])
  p |> Linear(4) |> tanh |> Linear(1) |> scalar
}
D minimizes E[D(x)^2] +
  log(6.5 - step)
train for 20 steps { batch = 16; optimize D by sgd(lr = 0.1); update D }
END_OF_MODEL
  options=''
  began harmless 'it began at step 8 in `update D`, line 6 of'
done
says "$work/err" '= log('
says "$work/err" 'is -0.5'

# The same where the infinity meets the cause in one tensor: what is masked, and what is masked badly.
build mixed --trace <<'END_OF_MODEL'
data x: [2] from "ring"
network D(x: [2]) -> [] {
  score = log(relu(x)) + log(6.5 - step + 1e-9 * x[0])
  p = softmax([score[0], score[1], 0])
  p |> Linear(4) |> tanh |> Linear(1) |> scalar
}
D minimizes E[D(x)^2]
train for 20 steps { batch = 16; optimize D by sgd(lr = 0.1); update D }
END_OF_MODEL
began mixed 'it began at step 8 in `update D`, line 3 of' '= log(' 'is -0.5'

# A derivative that is infinite spoils weights a step before the objective, or without it.
build derivative --trace <<'END_OF_MODEL'
data x: [2] from "ring"
network D(x: [2]) -> [] = x |> Linear(1, bias = false, init = constantly(0)) |> scalar
D minimizes E[sqrt(D(x)^2)]
train for 5 steps { batch = 4; optimize D by sgd(lr = 0.1); update D }
END_OF_MODEL
began derivative 'it began at step 1 in `update D`, line 2 of' ' / ' 'of sample'
options='--steps 1'
began derivative 'D.Linear_1.W[0, 0] is not a number at step 1' 'it began at step 1 in `update D`, line 2 of' 'of sample'

# A count of the schedule.
build count --trace <<'END_OF_MODEL'
data x: [2] from "ring"
network D(x: [2]) -> [] = x |> Linear(1) |> scalar
D minimizes E[D(x)^2]
train for 20 steps {
  batch = 4; optimize D by sgd(lr = 0.1)
  repeat log(4.5 - step) * 0 + 1 { update D }
}
END_OF_MODEL
options=''
began count 'the count of `repeat` came out as' 'it began at step 6 in' 'line 6 of' 'is -0.5'

# A run whose numbers are fine says nothing of this; operations that are programs of their own compute what fused ones do.
# (Where a gradient is 0 but for rounding, adam makes steps of it: hence the limit.)
# shellcheck disable=SC2046
floats $(awk 'BEGIN { for (i = 0; i < 384; i++) printf "%.6f ", sin(i * i) }') | npy "$work/features.npy" '<f4' '(64, 2, 3)'
for model in examples/gan examples/ring examples/wgan_gp tests/models/features; do
  name=${model##*/}
  options=''
  [ "$name" = features ] && options="--data x=$work/features.npy"
  # shellcheck disable=SC2086
  for trace in '' --trace; do
    status 0 "$GANC" build "$model.gan" --real f64 --no-diagnose -o "$work/$name" $trace || continue
    [ "$trace" ] || status 0 "$work/$name" train --steps 0 --run "$work/$name-start" $options
    status 0 "$work/$name" train --steps 3 --sample-every 0 --run "$work/$name$trace-run" $options
    silent 'it began'
  done
  start=$(newest "$work/$name-start") fused=$(newest "$work/$name-run") traced=$(newest "$work/$name--trace-run")
  status 0 "$BUILD/tests/compare_weights" "$start" "$fused" "$traced" 1e-7 1e-7
done
finish
