#!/bin/sh
# The sums of a micro-kernel stay in registers: in the machine code of models, no innermost loop that adds up products has vectors on the stack. Of dense
# layers, DCGAN, 3x3 and 4x4/2 convolutions, for AVX-512 and AVX2.
. tests/run/common

# kernels FILE.s: a line for each innermost loop with multiply-adds of numbers from memory that are spread over the lanes: function, its line, how many
# multiply-adds, how many vectors it puts on the stack.
cat >"$work/kernels.awk" <<'END_AWK'
/^[A-Za-z_][^ ]*:/ { leave(); name = substr($1, 1, length($1) - 1); next }
/^\.L[A-Za-z0-9_]*:/ { label = substr($1, 1, length($1) - 1); at[label] = count; next }
/^\t[a-z]/ {
  text[count++] = $0
  line[count - 1] = NR
  if ($1 ~ /^j/ && $2 in at) { from[loops] = at[$2]; to[loops++] = count }
}
function leave(k, other, inner, i, sums, spread, kept) {
  for (k = 0; k < loops; k++) {
    inner = 1
    for (other = 0; other < loops; other++)
      if (other != k && from[other] >= from[k] && to[other] <= to[k] && !(from[other] == from[k] && to[other] == to[k])) inner = 0
    sums = spread = kept = 0
    for (i = from[k]; i < to[k]; i++) {
      if (text[i] ~ /vfmadd...p[sd]/) sums++
      if (text[i] ~ /vbroadcasts[sd]\t[^%]*\(%/ || text[i] ~ /\{1to[0-9]+\}/) if (text[i] !~ /\(%rip\)/) spread++
      if (text[i] ~ /^\tv[a-z0-9]+\t%[yz]mm[0-9]+, [^%]*\(%rsp[,)]/) kept++
    }
    if (inner && sums >= 4 && spread >= 1) print name, line[from[k]], sums, kept
  }
  count = loops = 0
  split("", at)
}
END { leave() }
END_AWK
kernels() { awk -f "$work/kernels.awk" "$1"; }

# A layer and its derivatives: forward, data and weight gradients.
model() { # name, layer, its output's shape
  cat >"$work/$1.gan" <<END_MODEL
data x: [32, 16, 16] in -1..1
layer Window(x: [32, 16, 16]) -> y: [$3] {
  weight W: [64, 32, $2] ~ normal(0, 0.1)
  y[o, i, j] = sum[k, u, v] W[o, k, u, v] * x[k, $4]
}
network D(x: [32, 16, 16]) -> [] = x |> Window |> tanh |> mean
D minimizes E[softplus(-D(x))] + E[sumsq(grad(D(x), x))]
train { batch = 64; optimize D by adam(lr = 0.001); update D }
END_MODEL
}
model three '3, 3' '64, 16, 16' 'i + u - 1, j + v - 1'
model four '4, 4' '64, 8, 8' '2*i + u - 1, 2*j + v - 1'

for model in examples/gan.gan examples/dcgan.gan "$work/three.gan" "$work/four.gan"; do
  for target in x86-64-v3 x86-64-v4; do
    status 0 "$GANC" build "$model" --march $target --emit asm -o "$work/model.s" || continue
    kernels "$work/model.s" >"$work/found"
    printf '%s, %s: %s kernels, %s multiply-adds in the largest\n' "$(basename "$model")" $target "$(wc -l <"$work/found")" \
      "$(awk '$3 > most { most = $3 } END { print most + 0 }' "$work/found")"
    [ "$(wc -l <"$work/found")" -ge 3 ] || fail "few micro-kernels are found in $model for $target: $(cat "$work/found")"
    awk '$4 > 0' "$work/found" >"$work/spilled"
    [ ! -s "$work/spilled" ] || fail "in $model for $target sums leave registers (function, line, multiply-adds, vectors): $(cat "$work/spilled")"
  done
done

# One that does is seen: a vector goes to the stack where a kernel begins.
line=$(sed -n '1{s/^[^ ]* //;s/ .*//;p}' "$work/found")
sed "${line}i\\	vmovups	%zmm1, 64(%rsp)" "$work/model.s" >"$work/spoilt.s"
[ "$(kernels "$work/spoilt.s" | awk '$4 > 0' | wc -l)" = 1 ] || fail 'a vector on the stack is not seen'
finish
