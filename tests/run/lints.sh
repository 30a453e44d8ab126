#!/bin/sh
# Lints that read objectives: what they say about wrong ones, and that they say nothing about right ones.
. tests/run/common

# about CODE|nothing D G [END]: the two players' objectives, and what D ends with.
about() {
  printf '%s\n' 'data x: [2] from "ring"' 'noise z: [4] ~ normal' 'network G(z: [4]) -> [2] = z |> Linear(16) |> relu |> Linear(2)' \
    "network D(x: [2]) -> [] = x |> Linear(16) |> leaky_relu(0.2) |> Linear(1) ${4:-} |> scalar" "$2" "$3" \
    'train { batch = 8; optimize D, G by adam(lr = 1e-3); update D; update G }' >"$work/model.gan"
  status 0 "$GANC" check "$work/model.gan" || return
  if [ "$1" = nothing ]; then
    [ -s "$work/err" ] && fail "a warning without a reason: $2; $3" && cat "$work/err" >&2
  else
    says "$work/err" "[$1]" || printf '    %s; %s\n' "$2" "$3" >&2
  fi
}

# Both players at one end of a term: a critic, hinges, logits, probabilities.
about W6015 'D minimizes E[D(G(z))] - E[D(x)]' 'G minimizes E[D(G(z))]'
about nothing 'D minimizes E[D(G(z))] - E[D(x)]' 'G minimizes -E[D(G(z))]'
about nothing 'D minimizes E[D(G(z))] - E[D(x)]' 'G maximizes E[D(G(z))]'
about W6015 'D minimizes E[D(G(z))] - E[D(x)] + 10 * E[gradient_penalty(D, x, G(z))]' 'G minimizes 3 * E[D(G(z))] / 2 + 1e-4 * sum([sumsq(w) for w in G])'
about W6015 'D maximizes E[D(x)] - E[D(G(z))]' 'G maximizes -E[D(G(z))]'
about nothing 'D maximizes E[D(x)] - E[D(G(z))]' 'G maximizes E[D(G(z))]'
about W6015 'D minimizes E[hinge_real(D(x)) + hinge_fake(D(G(z)))]' 'G minimizes E[hinge_fake(D(G(z)))]'
about nothing 'D minimizes E[hinge_real(D(x)) + hinge_fake(D(G(z)))]' 'G minimizes -E[D(G(z))]'
about W6015 'D minimizes E[real_loss(D(x))] + E[fake_loss(D(G(z)))]' 'G minimizes E[fake_loss(D(G(z)))]'
about nothing 'D minimizes E[real_loss(D(x))] + E[fake_loss(D(G(z)))]' 'G maximizes E[fake_loss(D(G(z)))]'
about nothing 'D minimizes E[real_loss(D(x))] + E[fake_loss(D(G(z)))]' 'G minimizes E[real_loss(D(G(z)))]'
about W6015 'D maximizes E[log(D(x))] + E[log(1 - D(G(z)))]' 'G maximizes E[log(1 - D(G(z)))]' '|> sigmoid'
about nothing 'D maximizes E[log(D(x))] + E[log(1 - D(G(z)))]' 'G minimizes E[log(1 - D(G(z)))]' '|> sigmoid'
about nothing 'D, G minimize E[D(G(z))] - E[D(x)]' ''
about W6015 'D minimizes E[(D(x) - 1)^2] + E[D(G(z))^2]' 'G minimizes E[D(G(z))^2]'
about W6015 'D minimizes E[(D(x) - 1)^2] + E[(D(G(z)) + 1)^2]' 'G minimizes E[(D(G(z)) + 1)^2]' '|> tanh'
about W6015 'D minimizes E[l2(D(x), 1)] + E[l2(D(G(z)), 0)]' 'G minimizes E[l2(D(G(z)), 0)]'
about W6015 'D minimizes E[l1(D(x), 1)] + E[l1(D(G(z)), 0)]' 'G minimizes E[l1(D(G(z)), 0)]'
about nothing 'D minimizes E[(D(x) - 1)^2] + E[D(G(z))^2]' 'G minimizes E[(D(G(z)) - 1)^2]'
about nothing 'D minimizes E[(D(x) - 1)^2] + E[D(G(z))^2]' 'G minimizes E[(D(G(z)) - 0.5)^2]'

# All terms of the one who judges push one way.
about W6015 'D minimizes -E[D(x) + D(G(z))]' 'G minimizes -E[D(G(z))]'
about W6015 'D minimizes E[real_loss(D(x))] + E[real_loss(D(G(z)))]' 'G minimizes E[real_loss(D(G(z)))]'
about nothing 'D minimizes E[(D(x) - 1)^2] + E[(D(G(z)) - 1)^2]' 'G minimizes E[(D(G(z)) - 2)^2]'

# Losses of logits that get a probability: behind a sigmoid, clamped, by the entropy of a target.
about W6016 'D minimizes E[real_loss(D(x))] + E[fake_loss(D(G(z)))]' 'G minimizes E[real_loss(D(G(z)))]' '|> sigmoid'
about W6016 'D minimizes E[binary_cross_entropy(D(x), 1) + binary_cross_entropy(D(G(z)), 0)]' 'G minimizes E[binary_cross_entropy(D(G(z)), 1)]' '|> sigmoid'
about W6016 'D minimizes E[softplus(-(tanh(D(x)) + 1) / 2)] + E[D(G(z))^2]' 'G minimizes E[(D(G(z)) - 1)^2]'
about nothing 'D minimizes E[real_loss(D(x))] + E[fake_loss(D(G(z)))]' 'G minimizes E[real_loss(D(G(z)))]' '|> tanh'
about nothing 'D minimizes E[(D(x) - 1)^2] + E[D(G(z))^2]' 'G minimizes E[(D(G(z)) - 1)^2]' '|> sigmoid'
about W6016 'D minimizes E[hinge_real(D(x))] + E[hinge_fake(D(G(z)))]' 'G minimizes -E[D(G(z))]' '|> sigmoid'
about nothing 'D minimizes E[hinge_real(D(x))] + E[hinge_fake(D(G(z)))]' 'G minimizes -E[D(G(z))]' '|> tanh'
about nothing 'D minimizes E[hinge_real(D(x))] + E[hinge_fake(D(G(z)))]' 'G minimizes -E[D(G(z))]' '|> sigmoid |> logit'

# Logarithms of what may be negative; critics that are probabilities.
about W6018 'D maximizes E[log(D(x))] + E[log(1 - D(G(z)))]' 'G maximizes E[log(D(G(z)))]'
about W6018 'D maximizes E[log(D(x) + 1e-8)] + E[log(1 - D(G(z)) + 1e-8)]' 'G maximizes E[log(D(G(z)) + 1e-8)]'
about nothing 'D maximizes E[log(D(x))] + E[log(1 - D(G(z)))]' 'G maximizes E[log(D(G(z)))]' '|> sigmoid'
about nothing 'D maximizes E[log(D(x))] - E[D(G(z))]' 'G maximizes E[D(G(z))]' '|> exp'
about nothing 'D maximizes E[log(D(x)^2 + 1)] - E[D(G(z))]' 'G maximizes E[D(G(z))]'
about nothing 'D maximizes E[D(x)] - E[D(G(z))] - log(sum([sumsq(w) for w in D]))' 'G maximizes E[D(G(z))]'
about W6019 'D minimizes E[D(G(z))] - E[D(x)]' 'G minimizes -E[D(G(z))]' '|> sigmoid'
about nothing 'D minimizes E[D(G(z))] - E[D(x)]' 'G minimizes -E[D(G(z))]' '|> tanh'

# A moving average: `<-` moves its weights, so nothing is said; its states need a call in training.
average() {
  printf '%s\n' 'data x: [2] from "ring"' 'noise z: [4] ~ normal' "layer Generator(z: [4]) -> [2] = z |> Linear(8) $2 |> relu |> Linear(2)" 'network G = Generator' \
    'network Average = Generator' 'network D(x: [2]) -> [] = x |> Linear(8) |> leaky_relu(0.2) |> Linear(1) |> scalar' \
    'D minimizes E[real_loss(D(x)) + fake_loss(D(G(z)))]' 'G minimizes E[real_loss(D(G(z)))]' \
    "train { batch = 8; optimize D, G by adam(lr = 1e-3); update D; update G; for (a, w) in zip(Average, G) { a <- lerp(w, a, 0.5) }; $3 }" \
    'output fakes = Average(z)' >"$work/average.gan"
  status 0 "$GANC" check "$work/average.gan" || return
  if [ "$1" = nothing ]; then
    [ ! -s "$work/err" ] || fail "a warning without a reason about an average: $(cat "$work/err")"
  else
    says "$work/err" "[$1]"
  fi
}
average nothing '' ''
average W6014 '|> BatchNorm' ''
average nothing '|> BatchNorm' 'E[Average(z)]'

# The average is another text of the same form: its states have other paths.
status 0 "$GANC" check - <<'END' && says "$work/err" '[W6014]'
data x: [2] from "ring"
noise z: [4] ~ normal
network G(z: [4]) -> [2] {
  norm = BatchNorm
  z |> Linear(8) |> norm |> relu |> Linear(2)
}
network Average(z: [4]) -> [2] = z |> Linear(8) |> BatchNorm |> relu |> Linear(2)
network D(x: [2]) -> [] = x |> Linear(8) |> leaky_relu(0.2) |> Linear(1) |> scalar
D minimizes E[real_loss(D(x)) + fake_loss(D(G(z)))]
G minimizes E[real_loss(D(G(z)))]
train {
  batch = 8
  optimize D, G by adam(lr = 1e-3)
  update D
  update G
  for (a, w) in zip(Average, G) { a <- lerp(w, a, 0.5) }
}
output fakes = Average(z)
END

# Data in one range and fakes in another.
ranges() {
  printf '%s\n' "data x: [2] $2 from \"ring\"" 'noise z: [4] ~ normal' "network G(z: [4]) -> [2] = z |> Linear(2) $3" \
    'network D(x: [2]) -> [] = x |> Linear(8) |> relu |> Linear(1) |> scalar' \
    'D minimizes E[real_loss(D(x)) + fake_loss(D(G(z)))]' 'G minimizes E[real_loss(D(G(z)))]' \
    'train { batch = 8; optimize D, G by adam(lr = 1e-3); update D; update G }' >"$work/model.gan"
  status 0 "$GANC" check "$work/model.gan" || return
  if [ "$1" = nothing ]; then
    [ ! -s "$work/err" ] || fail "a warning without a reason about ranges: $(cat "$work/err")"
  else
    says "$work/err" "[$1]"
  fi
}
ranges W6020 'in -1..1' '|> sigmoid'
ranges W6020 'in 0..1' '|> tanh'
ranges nothing 'in -1..1' '|> tanh'
ranges nothing 'in 0..1' '|> sigmoid'
ranges nothing '' '|> sigmoid'
ranges nothing 'in -3..3' '|> tanh'

finish
