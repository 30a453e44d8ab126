#!/bin/sh
# The numbers of a draw, as lang/README.md gives them: what a trainer draws against the reference's own lines of Python, and against what these gave, where there is no Python.
. tests/run/common

printf '%b' "$(awk 'BEGIN { for (i = 0; i < 200; i++) printf "\\0%03o", i }')" | npy "$work/places.npy" '|u1' '(200,)'

build drawn <<'END' || finish
data x: [] in 0..255
noise z: [3] ~ normal(1, 2)
noise u ~ uniform(-1, 1)
noise c: class[10] ~ uniform
state seen = 0
state normal_seen = 0
state nothing = 1
state pair_seen = 0
state fresh_seen = 0
train {
  batch = 1
  seen <- E[x]
  normal_seen <- E[z[2]]
  nothing <- 0 * E[z[0]]  # draws all the same
  batch = 2
  pair_seen <- E[z[0]]
  fresh_seen <- E[fresh u]
}
output drawn = concat(z, [x, u, c])
output last = [seen, normal_seen, pair_seen, fresh_seen]
output logged = E[x]
output logged_noise = E[z[1]]
END
status 0 "$work/drawn" train --data x="$work/places.npy" --steps 250 --seed 7 --log-every 1 --run "$work/run"
status 0 "$work/drawn" sample --data x="$work/places.npy" --seed 9 --count 40 --output drawn --run "$work/run" -o "$work/drawn.npy"

# The first rows of the walk: state and output of the first steps.
first=$(sed -n '1,8s/.*"last": \[\([0-9]*\),.*/\1/p' "$work/run/stats.jsonl" | tr '\n' ' ')
[ "$first" = '35 55 43 195 60 49 134 6 ' ] || fail "the first rows are $first"

awk '/^```python/ { inside = 1; next } /^```/ { inside = 0 } inside' lang/README.md >"$work/draws.py"
grep -q 'def row' "$work/draws.py" || fail 'lang/README.md has no lines of Python that walk'
cat >>"$work/draws.py" <<'END'
import json, struct, sys

failed = 0
def near(what, found, wanted):
    global failed
    if abs(found - wanted) > 1e-6 * (1 + abs(wanted)):
        failed += 1
        print(f"{what}: the trainer has {found}, the reference {wanted}")

run, samples = sys.argv[1:]
for step, line in enumerate(open(run + "/stats.jsonl"), 1):
    outputs = json.loads(line)["outputs"]
    near(f"x at step {step}", outputs["last"][0], row(7, "x", 200, step - 1))
    near(f"z[2] at step {step}", outputs["last"][1], 1 + 2 * normal(7, "z", 2, 0, 1, step - 1))
    near(f"z[0] of two at step {step}", outputs["last"][2], 1 + sum(normal(7, "z", 0, n, 3, step - 1) for n in range(2)))
    near(f"fresh u at step {step}", outputs["last"][3], -1 + sum(uniform(7, "u.fresh_1", 0, n, 4, step - 1) for n in range(2)))
    near(f"logged at step {step}", outputs["logged"], row(7, "x@logged", 200, step))
    near(f"noise logged at step {step}", outputs["logged_noise"], 1 + 2 * normal(7, "z", 1, 0, 0, step))
assert step == 250
bytes = open(samples, "rb").read()[128:]
for n in range(40):
    found = struct.unpack_from("<6f", bytes, 24 * n)
    wanted = [1 + 2 * normal(9, "z", e, n, 0, 0) for e in range(3)] + [row(9, "x@drawn", 200, n), -1 + 2 * uniform(9, "u", 0, n, 0, 0), int(10 * uniform(9, "c", 0, n, 0, 0))]
    for e in range(6): near(f"sample {n}, element {e}", found[e], wanted[e])
print(f"{failed} numbers differ")
sys.exit(failed > 0)
END
if python3 -c 'import struct' 2>/dev/null; then
  status 0 python3 "$work/draws.py" "$work/run" "$work/drawn.npy"
  says "$work/out" '0 numbers differ'
else
  echo 'there is no python3 here: the lines of the reference were not run'
fi
finish
