#!/bin/sh
# What passes decide. `axes`: what becomes of `//` and `%` in the subscripts of a grouped convolution under a gradient penalty, forward and at orders 1
# and 2, of a nearest upsampling and of a pixel shuffle. `layout`: in which order the axes of their tensors lie. Golden, nodes numbered as they come;
# with PROMOTE=1 shows the differences and accepts them.
. tests/run/common
: "${PROMOTE:=0}"
expected=tests/run/passes.expected

cat >"$work/passes.gan" <<'END'
data  x: [4, 2, 6] from "x.npy"
noise z: [8, 1, 3] ~ normal
layer Grouped(outputs)(x: [c, h, w]) -> y: [outputs, h, w] {
  weight W: [outputs, 2, 3, 3] ~ normal
  y[o, i < h, j < w] = sum[k, u, v] W[o, k, u, v] * x[o // (2*outputs // c) * 2 + k, i + u - 1, j + v - 1]
}
network D(x: [4, 2, 6]) -> [] = x |> Grouped(6) |> tanh |> flatten |> Linear(1) |> scalar
network G(z: [8, 1, 3]) -> y: [4, 2, 6] {
  weight s = 1
  y[k, i, j] = s * z[2*k, i // 2, j // 2] + z[k // 2 * 4 + i % 2 * 2 + j % 2, i // 2, j // 2]
}
fn shuffle(x: [c, h, w]) -> y: [c // 4, 2*h, 2*w] {
  y[k, i, j] = x[4*k + i % 2 * 2 + j % 2, i // 2, j // 2]
}
D minimizes E[sumsq(grad(D(x), x))]
G minimizes E[D(G(z))]
train { batch = 2; optimize D, G by sgd(lr = 0.1); update D; update G }
output pixels = mean(z |> shuffle)
END
# lines PATTERN: those of the last output, their nodes and shared parts numbered as they come
lines() {
  awk -v pattern="$1" '$0 ~ pattern {
    line = ""
    while (match($0, /(^|[^A-Za-z_.0-9])[nt][0-9]+/)) {
      name = substr($0, RSTART, RLENGTH)
      before = ""
      if (name !~ /^[nt]/) { before = substr(name, 1, 1); name = substr(name, 2) }
      if (!(name in number)) number[name] = ++count
      line = line substr($0, 1, RSTART - 1) before substr(name, 1, 1) number[name]
      $0 = substr($0, RSTART + RLENGTH)
    }
    print line $0
  }' "$work/out"
}
status 0 "$GANC" build "$work/passes.gan" --dump-after=axes --stop-after=axes
lines ' over | at |:$' >"$work/axes"
! grep -qF -e floor -e '%' "$work/axes" || fail 'a subscript is computed still'
status 0 "$GANC" build "$work/passes.gan" --dump-after=layout --stop-after=layout
lines . >"$work/layout"
{ echo '--- axes' && cat "$work/axes" && echo '--- layout' && cat "$work/layout"; } >"$work/found"
if ! diff -u "$expected" "$work/found" >"$work/difference"; then
  if [ "$PROMOTE" = 1 ]; then
    cat "$work/difference"
    cp "$work/found" "$expected"
  else
    fail 'what passes decide has changed (./x promote accepts it):'
    cat "$work/difference" >&2
  fi
fi
finish
