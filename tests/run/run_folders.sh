#!/bin/sh
# A run's folder that is not as a run left it: what cannot be read, what others have put there, what is moved or removed. Nothing is lost, nothing waits.
. tests/run/common
build line <<'END' || exit 1
rate = 0.01
data x: [2] from "ring"
noise z: [2] ~ normal
network G(z: [2]) -> [2] = z |> Linear(3) |> relu |> Linear(2)
network D(x: [2]) -> [] = x |> Linear(1) |> scalar
D minimizes E[(D(x) - 1)^2] + E[D(G(z))^2]
G minimizes E[(D(G(z)) - 1)^2]
train { batch = 4; optimize D, G by sgd(lr = rate); update D; update G }
output fakes = G(z)
END
chmod 755 "$work"
mkdir "$work/here"
cd "$work/here" || exit 1
line=$work/line
# line, that must not wait for anybody
at_once() { timeout -s KILL 10 "$line" "$@"; }
if [ "$(id -u)" = 0 ]; then
  nobody='setpriv --reuid=65534 --regid=65534 --clear-groups'
  chown 65534:65534 .
else nobody=; fi

# Checkpoints that cannot be listed may be there: nobody starts over.
status 0 $nobody "$line" train --steps 4 --log-every 1 --sample-every 2 --run closed
cp -r closed before
chmod 000 closed/checkpoints
for option in '' --resume --dry-run '--resume --dry-run'; do
  # shellcheck disable=SC2086
  status 1 $nobody "$line" train --steps 4 --run closed $option
  says "$work/err" 'cannot read the folder closed/checkpoints: Permission denied'
done
status 1 $nobody "$line" sample --run closed -o fakes.npy
says "$work/err" 'cannot read the folder closed/checkpoints: Permission denied'
chmod 755 closed/checkpoints
diff -r closed before >"$work/differs" || fail "a run that could not be read was changed: $(cat "$work/differs")"
status 0 $nobody "$line" train --steps 5 --run closed --resume

mkdir runs && chmod 000 runs && chown --reference=. runs
status 1 $nobody "$line" sample -o fakes.npy
says "$work/err" 'cannot read the folder runs: Permission denied'
rmdir runs

finish
