#!/bin/sh
# The cache of `ganc run`: where it lies, whom it trusts, what it does about damage, how large it grows; and whose
# options are whose.
. tests/run/common
cat >"$work/point.gan" <<'END'
width = 3
rate = 0.1
deep = 0
data x: [2] from "ring"
network D(x: [2]) -> [] = x |> Linear(if deep > 0 then width else 5) |> Linear(1) |> scalar |> sigmoid
D minimizes E[-log(D(x))]
train { batch = 4; optimize D by sgd(lr = rate); update D }
output value = E[D(x)]
END
model=$work/point.gan
folder=$XDG_CACHE_HOME/ganc/trainers
run() { "$GANC" run "$@"; }
entries() { find "$folder" -name '*-????????????????????????????????' | sort; }
permissions() { stat -c %a "$1"; }

# ---- private from the start
mkdir "$XDG_CACHE_HOME"
(umask 0 && mkdir "${folder%/*}" && "$GANC" run "$model" info) >"$work/out" 2>&1 || fail 'no run'
[ "$(permissions "$folder")" = 700 ] || fail "the cache has mode $(permissions "$folder")"
[ "$(permissions "${folder%/*}")" = 700 ] || fail 'others may exchange the folder of the cache'
chmod 755 "$folder"
status 0 run "$model" info
[ "$(permissions "$folder")" = 700 ] || fail 'a cache that others can read is not closed'
for mode in 770 702 777; do
  chmod $mode "$folder"
  status 1 run "$model" info && says "$work/err" '[E5022]' && says "$work/err" 'ganc cache --clear'
done
status 0 "$GANC" cache --clear
[ "$(permissions "$folder")" = 700 ] && [ -z "$(ls "$folder")" ] || fail 'the cache was not cleared'
status 0 run "$model" info

# ---- never a shared folder: what lies there is executed
for place in '' relative/path; do
  status 1 env -u HOME XDG_CACHE_HOME="$place" "$GANC" run "$model" info
  says "$work/err" '[E5022]' && says "$work/err" XDG_CACHE_HOME && says "$work/err" 'ganc build'
done
[ ! -e relative ] || fail 'a folder was made where the command ran'
status 0 env XDG_CACHE_HOME=relative/path HOME="$work/home" "$GANC" run "$model" info
[ "$(permissions "$work/home/.cache/ganc/trainers")" = 700 ] || fail "HOME is not used"
status 1 env HOME=/dev/null XDG_CACHE_HOME= "$GANC" run "$model" info
says "$work/err" '[E5022]' && says "$work/err" 'Not a directory'
if [ "$(id -u)" = 0 ]; then
  mkdir -p "$work/theirs/ganc/trainers" && chown 12345 "$work/theirs/ganc/trainers"
  status 1 env XDG_CACHE_HOME="$work/theirs" "$GANC" run "$model" info && says "$work/err" 'another user'
  status 1 env XDG_CACHE_HOME="$work/theirs" "$GANC" cache --clear && says "$work/err" 'another user'
  chown "$(id -u)" "$work/theirs/ganc/trainers" && chown 12345 "$work/theirs/ganc"
  status 1 env XDG_CACHE_HOME="$work/theirs" "$GANC" run "$model" info && says "$work/err" 'another user'
fi

# ---- no part of the way there may be others'
mkdir -p "$work/others/.cache" && chmod 777 "$work/others/.cache"
status 1 env -u XDG_CACHE_HOME HOME="$work/others" "$GANC" run "$model" info
says "$work/err" '[E5022]' && says "$work/err" 'others may write to'
chmod 1777 "$work/others/.cache"                          # as /tmp is: what is there is its owner's
status 0 env -u XDG_CACHE_HOME HOME="$work/others" "$GANC" run "$model" info
if [ "$(id -u)" = 0 ]; then
  rm -r "$work/others/.cache" && mkdir "$work/others/.cache" && chown 12345 "$work/others/.cache"
  status 1 env -u XDG_CACHE_HOME HOME="$work/others" "$GANC" run "$model" info && says "$work/err" 'another user'
  chown 0 "$work/others/.cache"
  mkdir -p "$work/elsewhere/trainers" && chmod 700 "$work/elsewhere" "$work/elsewhere/trainers"
  ln -s ../../elsewhere "$work/others/.cache/ganc" && chown -h 12345 "$work/others/.cache/ganc"
  status 1 env -u XDG_CACHE_HOME HOME="$work/others" "$GANC" run "$model" info && says "$work/err" 'another user'
  status 1 env -u XDG_CACHE_HOME HOME="$work/others" "$GANC" cache --clear && says "$work/err" 'another user'
fi

# ---- what is damaged, or not what was built, is built again
entry=$(entries)
[ "$(printf '%s\n' "$entry" | wc -l)" = 1 ] || fail "the cache holds $entry"
cp "$entry" "$work/good"
# planted and damaged in every way; then the second run must find it whole
planted='#!/bin/sh\necho planted\n'
for damage in 'printf "$planted" >"$entry"' 'truncate -s 1000 "$entry"' ': >"$entry"' \
  'cat "$work/good" "$work/good" >"$entry"' 'printf x | dd of="$entry" bs=1 seek=20000 conv=notrunc 2>/dev/null' \
  'truncate -s -1 "$entry"' 'chmod 600 "$entry"' 'chmod 722 "$entry"' \
  'rm "$entry"; ln -s "$work/planted" "$entry"' 'rm "$entry"; mkfifo "$entry"'; do
  printf '%b' "$planted" >"$work/planted" && chmod +x "$work/planted"
  eval "$damage"
  status 0 run "$model" info && ! grep -q planted "$work/out" || fail "what was planted was executed: $damage"
  cmp -s "$entry" "$work/good" && [ -f "$entry" ] && [ ! -L "$entry" ] || fail "not built again: $damage"
done
[ "$(cat "$work/planted")" = "$(printf '%b' "$planted")" ] || fail 'a link out of the cache was written to'
cp "$work/good" "$folder/other-00000000000000000000000000000000"           # a trainer under another's name
status 0 run "$model" --set width=4 --set deep=1 info
other=$(entries | grep point | grep -v "$entry")
cp "$work/good" "$other"
status 0 run "$model" --set width=4 --set deep=1 info && says "$work/out" '4'
cmp -s "$other" "$work/good" && fail 'a trainer of another model was believed'

# ---- found again, not built again
inode=$(stat -c %i "$entry")
touch -d '2001-01-01' "$entry"
status 0 run "$model" info
[ "$(stat -c %i "$entry")" = "$inode" ] || fail 'a trainer that was there was built again'
[ "$(stat -c %Y "$entry")" -gt 1000000000 ] || fail 'a use is not noted'

# ---- bounded: what was used longest ago goes, and only what ganc made
for k in 1 2 3; do
  truncate -s 200M "$folder/old-0000000000000000000000000000000$k"
  touch -d "200$k-01-01" "$folder/old-0000000000000000000000000000000$k"
done
truncate -s 600M "$folder/of-the-user"
status 0 run "$model" --set width=5 --set deep=1 info
[ ! -e "$folder/old-00000000000000000000000000000001" ] || fail 'the cache has no bound'
for k in 2 3; do [ -e "$folder/old-0000000000000000000000000000000$k" ] || fail 'too much was removed'; done
[ -e "$folder/of-the-user" ] && [ -e "$entry" ] || fail 'what is in use, or is not ganc'"'"'s, was removed'

# ---- what is there, and where; emptied
status 0 "$GANC" cache && says "$work/out" "$folder" && says "$work/out" "$(basename "$entry")"
says "$work/out" '200.0 MiB'
unpacked=${folder%/*}/data-0123456789abcdef.npy
touch "$unpacked" "${folder%/*}/data-mine.npy"
touch -d '2 hours ago' "${folder%/*}/.data-0123456789abcdef.npy.0123456789abcdef.partial" "$folder/.ganc-fedcba98"
touch "$folder/.ganc-0123456789abcdef"                    # somebody is building now
status 0 "$GANC" cache && says "$work/out" '2 unpacked files of data' && says "$work/out" "$(basename "$unpacked")"
status 0 "$GANC" cache --clear && says "$work/out" "$folder"
[ "$(ls -A "${folder%/*}")" = "$(printf '%s\n' data-mine.npy trainers)" ] ||
  fail "data that were unpacked stay, or more is gone: $(ls -A "${folder%/*}")"
[ "$(ls -A "$folder")" = "$(printf '%s\n' .ganc-0123456789abcdef of-the-user)" ] || fail "--clear left $(ls -A "$folder")"
rm "$folder/.ganc-0123456789abcdef"

# ---- emptied beside a run, which goes on: what it has built is executed though its name is gone. It waits with its
# warnings meanwhile, as nobody reads them.
mkfifo "$work/unread"
exec 9<>"$work/unread"
head -c 65536 /dev/zero >&9
"$GANC" run "$model" info >"$work/out" 2>&9 &
runner=$!
while [ -z "$(entries)" ] && kill -0 $runner; do sleep 0.05; done
sleep 0.2
"$GANC" cache --clear >"$work/ignored" && rm -f "$folder"/point-*
head -c 65536 <&9 >"$work/ignored"
wait $runner || fail "a run beside \`ganc cache --clear\` ended with $?"
exec 9>&-
says "$work/out" '0.1'
status 0 "$GANC" cache && says "$work/out" '0 trainers'
status 0 env XDG_CACHE_HOME="$work/none" "$GANC" cache && says "$work/out" '0 trainers'
status 0 env XDG_CACHE_HOME="$work/none" "$GANC" cache --clear
[ ! -e "$work/none" ] || fail 'looking made a folder'
status 1 env -u HOME XDG_CACHE_HOME= "$GANC" cache && says "$work/err" '[E5022]'
status 2 "$GANC" cache "$model" && says "$work/err" '[E5018]'
rm "$folder/of-the-user"

# ---- options behind the file: ganc's are ganc's, the rest is the trainer's
status 0 run "$model" --real f64 info --json && says "$work/out" f64
status 0 run "$model" info --json --real=f32 --feeds && says "$work/out" f32
status 2 run "$model" --real f16 info && says "$work/err" '[E5004]'
status 2 run "$model" --steps nothing --march native && says "$work/err" '--steps expects'
status 2 run "$model" -- --real f64 && says "$work/err" 'real'
status 0 run "$model" info --help && says "$work/out" info
status 0 run --help && says "$work/out" "the trainer's" && says "$work/out" "--set behind FILE"
"$GANC" cache --clear >"$work/out"
cd "$work" || exit 1
case $GANC in /*) ;; *) GANC=$OLDPWD/$GANC ;; esac
status 0 run point.gan --steps 3 --run runs/a --set rate=0.25 && says runs/a/config.json '"rate": 0.25'
status 0 run point.gan --steps 3 --run runs/b
[ "$(entries | wc -l)" = 1 ] || fail 'a setting of the trainer was built in'
status 0 run point.gan info --json --set deep=1 --set width=7 && says "$work/out" '7'
[ "$(entries | wc -l)" = 2 ] || fail 'a setting that decides a shape was not built in'
status 0 run point.gan train --set width=7 --steps 3 --run runs/c --set deep=1 --set rate=0.5
says runs/c/config.json '"rate": 0.5'
[ "$(entries | wc -l)" = 2 ] || fail 'settings were dealt out in another way'
status 1 run point.gan --set wdith=7 && says "$work/err" '[E5008]' && says "$work/err" 'did you mean `width`?'
status 1 run point.gan --set width=x --set deep=1 && says "$work/err" '[E5009]'
status 2 run --set deep=1 point.gan --set deep=0 && says "$work/err" '[E5019]'
status 0 run - info --set deep=1 --set width=9 <point.gan && says "$work/out" '9'
finish
