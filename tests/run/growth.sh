#!/bin/sh
# How the compiler's work grows with a model: what is twice as long takes about twice as much processor time, and what is too long is refused at once.
. tests/run/common

# layers N, statements N, …: a model of that size.
layers() {
  cat <<END
data x: [16] from "x.npy"
network D(x: [16]) -> [] {
  h = x
  for k < $1 { h = h |> Linear(16) |> LayerNorm |> silu }
  h |> Linear(1) |> scalar
}
D minimizes E[softplus(-D(x))]
train { batch = 4; optimize D by sgd(lr = 0.1); update D }
END
}
statements() {
  printf 'data x: [16] from "x.npy"\nnetwork D(x: [16]) -> [] {\n  a0 = x |> Linear(1) |> scalar\n'
  awk -v n="$1" 'BEGIN { for (k = 0; k < n; k++) printf "  a%d = a%d + %d\n", k + 1, k, k + 1; printf "  a%d\n}\n", n }'
  printf 'D minimizes E[softplus(-D(x))]\ntrain { batch = 4; optimize D by sgd(lr = 0.1); update D }\n'
}
definitions() {
  printf 'data x: [16] from "x.npy"\nnetwork D(x: [16]) -> [] = x |> Linear(1) |> scalar\na0 = 1\n'
  awk -v n="$1" 'BEGIN { for (k = 1; k <= n; k++) printf "a%d = a%d + 1\n", k, k - 1 }'
  printf 'D minimizes E[softplus(-D(x))] + 0 * a%d\ntrain { batch = 4; optimize D by sgd(lr = 0.1); update D }\n' 9
}
updates() {
  printf 'data x: [16] from "x.npy"\nnetwork D(x: [16]) -> [] = x |> Linear(1) |> scalar\nD minimizes E[softplus(-D(x))]\ntrain { batch = 4; optimize D by sgd(lr = 0.1)\n'
  awk -v n="$1" 'BEGIN { for (k = 0; k < n; k++) print "  update D" }'
  printf '}\n'
}
players() {
  printf 'data x: [4] from "x.npy"\n'
  awk -v n="$1" 'BEGIN {
    for (k = 0; k < n; k++) {
      printf "network D%d(x: [4]) -> [] = x |> Linear(1) |> scalar\nD%d minimizes E[softplus(-D%d(x))]\n", k, k, k
      names = names (k == 0 ? "" : ", ") "D" k
    }
    printf "train { batch = 4; optimize %s by sgd(lr = 0.1); update %s }\n", names, names
  }'
}

# ticks: $now is the processor time of all commands that have ended, in hundredths of a second: the second line of `times`.
ticks() {
  times >"$work/times"
  now=$(awk 'NR == 2 { split($1, a, /[ms]/); split($2, b, /[ms]/); printf "%d", 100 * (60 * (a[1] + b[1]) + a[2] + b[2]) }' "$work/times")
}

# processor KIND N: $taken is what building it takes, the smallest of three.
processor() {
  "$1" "$2" >"$work/model.gan"
  taken=999999
  for _ in 1 2 3; do
    ticks
    before=$now
    status 0 "$GANC" build "$work/model.gan" --emit obj -o "$work/model.o" || return
    ticks
    [ $((now - before)) -ge "$taken" ] || taken=$((now - before))
  done
}

# grows KIND N: twice of it takes at most 2.6 times as long; the 150 ms are for what is too short to tell.
grows() {
  processor "$1" "$2"
  one=$taken
  processor "$1" $((2 * $2))
  echo "$1: $2 in ${one}0 ms, $((2 * $2)) in ${taken}0 ms"
  [ "$taken" -le $((one * 26 / 10 + 15)) ] || fail "$1: $2 take ${one}0 ms, twice as many ${taken}0 ms"
}

if [ "$SANITIZE" = 0 ]; then
  grows layers 100
  grows layers 200
  grows statements 4000
  grows definitions 4000
  grows updates 500
  grows players 100
fi

# every one of many players is trained, by its objective and by its label
players 70 | sed 's/\[4\]/[2]/; s/"x.npy"/"ring"/' | build players
status 0 "$work/players" train --run "$work/run" --steps 1 && says "$work/run/stats.jsonl" '"D69": '
[ "$(grep -c null "$work/run/stats.jsonl")" = 0 ] || fail 'an objective without a value'
says "$work/err" 'and 54 more'

# one objective of many players has all their names, however long that is, and another of nearly the same players is another one
{
  printf 'data x: [2] from "ring"\n'
  awk 'BEGIN {
    for (k = 0; k < 70; k++) {
      printf "network D%d(x: [2]) -> [] = x |> Linear(1) |> scalar\n", k
      names = names (k == 0 ? "" : ", ") "D" k
      sum = sum (k == 0 ? "" : " + ") "D" k "(x)^2"
    }
    others = names
    sub(/D69/, "D68", others)
    sub(/D68, /, "", others)
    printf "%s minimize E[%s]\n%s minimize E[softplus(%s)]\n", names, sum, others, sum
    printf "train { batch = 4; optimize %s by sgd(lr = 0.1); update %s }\n", names, names
  }'
} | build together
status 0 "$work/together" train --run "$work/together.run" --steps 1
says "$work/together.run/stats.jsonl" ', D67, D68, D69": ' && says "$work/together.run/stats.jsonl" ', D67, D68": '

# a number is read to its end, however long it is
status 2 "$work/together" train --steps 0000000000000000000000000000000000000000001 && says "$work/err" 'expects a whole number'

# as many settings of the file and of a layer, labels of objectives, places of `fresh` and names of one value as one likes: n of each
many() {
  awk -v n="$1" 'BEGIN {
    print "data x: [2] from \"ring\"\nnoise z: [2] ~ normal"
    for (k = 0; k < n; k++) {
      printf "a%d = %d\n", k, k
      all = all (k == 0 ? "" : " + ") "a" k
      takes = takes (k == 0 ? "" : ", ") "s" k " = 0"
      given = given (k == 0 ? "" : " + ") "s" k
      drawn = drawn (k == 0 ? "" : " + ") "sum(fresh z)"
      labels = labels (k == 0 ? "" : " + ") "l" k
    }
    printf "all = %s\n", all
    printf "layer Many(%s)(x: [2]) -> [2] = x + (%s)\n", takes, given
    printf "fn slope(x) {\n  b0 = x^2\n"
    for (k = 1; k < n; k++) printf "  b%d = b%d\n", k, k - 1
    printf "  grad(sum(b0 * b0), b%d)\n}\n", n - 1
    printf "network D(x: [2]) -> [] = x |> Many(s%d = 3) |> Linear(1) |> scalar\n", n - 1
    for (k = 0; k < n; k++) printf "l%d: D minimizes E[D(x)^2] * a%d\n", k, k
    printf "state total = 0\nstate sloped: [2] = 0\nstate drew = 0\n"
    printf "train {\n  batch = 4; optimize D by sgd(lr = 0.001); update D by %s\n  total <- all\n", labels
    printf "  draw { sloped <- E[slope(x)]; drew <- E[%s] }\n}\n", drawn
  }'
}
many 300 | build many
status 0 "$work/many" info && says "$work/out" a299
status 0 "$work/many" train --run "$work/many.run" --steps 1 --set a299=300
[ "$(grep -c null "$work/many.run/stats.jsonl")" = 0 ] || fail 'an objective without a value'

# refused NAME: the model on the standard input is too large; said within 5 s and 1 GB, and nothing else is said.
refused() {
  cat >"$work/$1.gan"
  # shellcheck disable=SC3045  # every shell that Linux has as sh knows ulimit -v and -t
  (ulimit -v 1048576 && ulimit -t 5 && exec "$GANC" build "$work/$1.gan" --emit obj -o "$work/$1.o") >"$work/out" 2>"$work/err"
  got=$?
  [ "$got" = 1 ] || fail "status $got instead of 1: $1"
  says "$work/err" "[$2]"
  [ "$(grep -c error: "$work/err")" = 1 ] || fail "$1: more than one message"
}
# doubling N ELEMENT: a list that doubles N times.
doubling() {
  printf 'data x: [2] from "ring"\nnetwork D(x: [2]) -> [] {\n  a0 = [%s, %s]\n' "$2" "$2"
  awk -v n="$1" 'BEGIN { for (k = 0; k < n; k++) printf "  a%d = [...a%d, ...a%d]\n", k + 1, k, k }'
  printf '  x |> Linear(1) |> scalar\n}\nD minimizes E[D(x)^2]\ntrain { batch = 4; optimize D by sgd(lr = 0.1); update D }\n'
}
tower() {
  printf 'data x: [2] from "ring"\n%s\nnetwork D(x: [2]) -> [] { %s }\nD minimizes E[D(x)^2]\ntrain { batch = 4; optimize D by sgd(lr = 0.1); update D }\n' "$1" "$2"
}
if [ "$SANITIZE" = 0 ]; then
  doubling 30 1 | refused numbers E2061
  doubling 30 'Linear(2)' | refused recipes E2061
  doubling 30 'x' | refused tensors E2061
  tower '' 'h = x; for k < 8191 { h = h |> Linear(2) |> tanh }; h |> Linear(1) |> scalar' | refused loop E2061
  tower 'layer Tower(n)(x: [2]) -> [2] = if n == 1 then x |> Linear(2) else x |> Tower(n // 2) |> Tower(n - n // 2)' \
    'x |> Tower(8191) |> Linear(1) |> scalar' | refused recursion E2061
  tower 'layer Tower(n)(x: [2]) -> [2] = if n == 0 then x else x |> Linear(2) |> Tower(n - 1)' 'x |> Tower(8191) |> Linear(1) |> scalar' | refused deep E2036
  tower '' 'stack = [Linear(2) for k < 8191]; h = x; for l in stack { h = h |> l }; h |> Linear(1) |> scalar' | refused instances E2061
  long='L = [i for i < 60000]; y = 0; for t < 5000'
  for turn in 'y = y + sum(L)' 'y = y + max(L)' 'y = if -1 in L then 1 else 2'; do
    tower '' "$long { $turn }; y * x[0]" | refused long_list E2061
  done
  tower 'fn size(x: [n]) = n' 'L = [i for i < 4096]; y = 0; for t < 5000 { y = y + size(L) }; y * x[0]' | refused sizes E2061
  tower '' 'L = [[i for i < 30000] for k < 4]; y = 0; for a in L { for t < 2000 { y = y + t } }; y * x[0]' | refused labels E2061
fi
finish
