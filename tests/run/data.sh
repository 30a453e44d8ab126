#!/bin/sh
# What data a trainer accepts: numbers that are finite, and in the range that the text declares; which integers are scaled, which are taken as they are; what is remembered of a check.
. tests/run/common

# table NAME TYPE: a model of rows of three numbers, with their extremes and mean logged.
table() {
  build "$1" <<END
data x: $2
network D(x: [3]) -> [] = x |> Linear(1) |> scalar
D minimizes E[D(x / 100)^2]
train { batch = 4; optimize D by sgd(lr = 1e-3); update D }
output facts = [E[min(x)], E[mean(x)], E[max(x)]]
END
}
table free '[3]' && table bounded '[3] in 18..90' && table narrow '[3] in 18..80' && table unit '[3] in -1..1' || finish

# accepts MODEL FILE OUTPUTS: it trains, and logs these. refuses MODEL FILE TEXT...: it does not, and says so.
runs=0
accepts() {
  runs=$((runs + 1))
  status 0 "$work/$1" train --data x="$2" --steps 1 --run "$work/run-$runs" || return
  [ "$(logged "$work/run-$runs" 1)" = "{\"facts\": $3}}" ] || fail "$1 of $2 logs $(logged "$work/run-$runs" 1) instead of $3"
}
refuses() {
  runs=$((runs + 1))
  model=$1 file=$2
  shift 2
  status 1 "$work/$model" train --data x="$file" --steps 1 --run "$work/run-$runs" || return
  for text; do says "$work/err" "$text"; done
}

# Wide integers are taken as they are, where the text says in which range; bytes are scaled to the range, or to -1..1.
cd "$work" || exit 1
printf '\022\0\0\0\0\0\0\0\066\0\0\0\0\0\0\0\132\0\0\0\0\0\0\0' >row
cat row row row row | npy ages.npy '<i8' '(4, 3)'
refuses free ages.npy 'data x: ages.npy holds whole numbers (i64) from 18 to 90' '`x: [3] in 18..90`' "astype('float32')"
accepts bounded ages.npy '[18, 54, 90]'
refuses narrow ages.npy 'ages.npy: row 0, element [2] is 90, but the model declares x in 18..80; the numbers run from 18 to 90'
printf '\022\0\066\0\132\0\022\0\066\0\132\0\022\0\066\0\132\0\022\0\066\0\021\0' | npy short.npy '<i2' '(4, 3)'
refuses bounded short.npy 'short.npy: row 3, element [2] is 17, but the model declares x in 18..90'
refuses free short.npy 'short.npy holds whole numbers (i16) from 17 to 90'
printf '\0\0\377\0\0\377\0\0\377\0\0\377' | npy bytes.npy '|u1' '(4, 3)'
accepts bounded bytes.npy '[18, 42, 90]'
accepts free bytes.npy '[-1, -0.3333333432674408, 1]'

# Floating-point numbers are taken as they are, must be finite, and in the range if there is one.
floats 0 1 -1 0.5 0.25 -0.75 0 0 0 1 1 1 | npy fine.npy '<f4' '(4, 3)'
accepts unit fine.npy '[-0.1875, 0.25, 0.625]'
floats 0 251 -1 0.5 0.25 -0.75 0 0 0 1 1 1 | npy wide.npy '<f4' '(4, 3)'
refuses unit wide.npy 'wide.npy: row 0, element [1] is 251, but the model declares x in -1..1; the numbers run from -1 to 251: rescale them, or declare that range'
accepts free wide.npy '[-0.1875, 21.08333396911621, 63.125]'
{ floats 0 1 -1 0.5 0.25 -0.75 0 0 0 1 && printf '\0\0\300\177' && floats 1; } | npy nan.npy '<f4' '(4, 3)'
{ floats 0 1 -1 0.5 0.25 -0.75 0 0 && printf '\0\0\200\377' && floats 1 1 1; } | npy infinite.npy '<f4' '(4, 3)'
for model in free unit; do
  refuses "$model" nan.npy 'nan.npy: row 3, element [1] is nan, and every number must be finite' 'numpy.isfinite'
  refuses "$model" infinite.npy 'infinite.npy: row 2, element [2] is -inf, and every number must be finite'
done
table tenth '[3] in 0..0.1'
printf '\315\314\314\075\0\0\0\0\0\0\0\0' >row           # 0.1 as float32, which is a little more
cat row row row row | npy tenth.npy '<f4' '(4, 3)'
status 0 "$work/tenth" train --data x=tenth.npy --steps 1 --run run-tenth

# Compressed ones, in several members too, and headers as Python 2 wrote them; bytes behind the end are none of them.
gzip -c ages.npy >ages.npy.gz
accepts bounded ages.npy.gz '[18, 54, 90]'
accepts bounded ages.npy.gz '[18, 54, 90]'                # and from the cache
# What was unpacked is believed only where it is ours alone, whole, and of the very file; else it is unpacked again.
export XDG_CACHE_HOME="$work/unpacked"
status 0 "$work/bounded" train --data x=ages.npy.gz --dry-run
[ ! -e unpacked ] || fail '--dry-run wrote what it had unpacked'
(umask 0 && "$work/bounded" train --data x=ages.npy.gz --steps 1 --run first) >out 2>err || fail "$(cat err)"
entry=$(echo unpacked/ganc/data-*.npy)
[ "$(stat -c %a unpacked/ganc "$entry" | tr '\n' ' ')" = '700 600 ' ] || fail "others may use $(stat -c '%n %a' "$entry")"
cp "$entry" whole
printf '\022\0\0\0\0\0\0\0' >other
{ for _ in 1 2 3 4 5 6 7 8 9 10 11 12; do cat other; done; } | npy others.npy '<i8' '(4, 3)'
cp -p ages.npy.gz copy.npy.gz
for damage in 'cp others.npy "$entry"' 'printf x | dd of="$entry" bs=1 seek=140 conv=notrunc 2>ignored' ': >"$entry"' \
  'truncate -s -8 "$entry"' 'cat others.npy >"$entry"; tail -c 48 whole >>"$entry"' 'rm "$entry"; mkfifo "$entry"' \
  'rm "$entry"; ln -s "$work/whole" "$entry"' 'chmod 622 "$entry"' 'rm "$entry"; mkfifo -m 666 "$entry"'; do
  rm -f "$entry" && cp whole "$entry" && chmod 600 "$entry"  # not a pipe that an earlier one has left
  eval "$damage"
  runs=$((runs + 1))
  status 0 timeout -s KILL 10 "$work/bounded" train --data x=ages.npy.gz --steps 1 --run "run-$runs"
  [ "$(logged "run-$runs" 1)" = '{"facts": [18, 54, 90]}}' ] || fail "believed: $damage"
  [ -f "$entry" ] && [ ! -L "$entry" ] && [ "$(stat -c %a "$entry")" = 600 ] && cmp -s whole "$entry" ||
    fail "not unpacked again: $damage"
done
mv copy.npy.gz ages.npy.gz                                # as large, and as old, but another file
accepts bounded ages.npy.gz '[18, 54, 90]'
cmp -s whole "$entry" && fail 'what was unpacked from another file was believed'
inode=$(stat -c %i "$entry")
accepts bounded ages.npy.gz '[18, 54, 90]'
[ "$(stat -c %i "$entry")" = "$inode" ] || fail 'what was unpacked before is not found'
chmod 777 unpacked/ganc
cp others.npy "$entry"
accepts bounded ages.npy.gz '[18, 54, 90]'
cmp -s others.npy "$entry" || fail 'unpacked data were written to a folder that others may write to'
if [ "$(id -u)" = 0 ]; then
  chmod 700 unpacked/ganc && cp whole "$entry" && chown 12345 "$entry"
  accepts bounded ages.npy.gz '[18, 54, 90]'
  [ "$(stat -c %u "$entry")" = 0 ] || fail "another user's file was believed"
fi
export XDG_CACHE_HOME="$work/cache"
{ head -c 50 ages.npy | gzip -c && tail -c +51 ages.npy | gzip -c; } >members.npy.gz
accepts bounded members.npy.gz '[18, 54, 90]'
{ cat ages.npy.gz && printf x; } >behind.npy.gz
refuses bounded behind.npy.gz 'behind.npy.gz: the gzip stream ends 1 byte before the file does'
head -c 60 ages.npy.gz >cut.npy.gz
refuses bounded cut.npy.gz 'cut.npy.gz: the gzip stream ends too early; the file was cut short'
tail -c +129 ages.npy | npy old.npy '<i8' '(4L, 3L)'
accepts bounded old.npy '[18, 54, 90]'
printf '\211HDF\r\n\032\n' >images.h5
refuses free images.h5 'data x: images.h5 is an HDF5 file, which is not read as data' 'numpy.save("images.npy", h5py.File("images.h5", "r")["NAME"][()])'

# Feeds too.
status 0 "$work/bounded" train --data x=ages.npy --feed x=ages.npy.gz --steps 1 --run fed-packed
status 1 "$work/free" train --data x=fine.npy --feed x=nan.npy --steps 1 --run fed
says err 'feed x: nan.npy: row 3, element [1] is nan'
status 1 "$work/unit" train --data x=fine.npy --feed x=wide.npy --steps 1 --run fed
says err 'feed x: wide.npy: row 0, element [1] is 251'
status 1 "$work/unit" train --data x=fine.npy --feed x=bytes.npy --steps 1 --run fed
says err 'feed x: bytes.npy: row 0, element [2] is 255'
status 0 "$work/bounded" train --data x=ages.npy --feed x=ages.npy --steps 1 --run fed

# And samples to compare with.
if build fakes <<'END'
data x: [3] in -1..1
noise z: [3] ~ normal
network G(z: [3]) -> [3] = z |> Linear(3)
G minimizes E[sumsq(G(z) - x)]
train { batch = 4; optimize G by sgd(lr = 1e-3); update G }
output fakes = G(z)
END
then
  status 0 "$work/fakes" train --data x=fine.npy --steps 1 --run run-fakes
  status 0 "$work/fakes" eval --data x=fine.npy --run run-fakes --count 4
  status 1 "$work/fakes" eval --data x=wide.npy --run run-fakes --count 4
  says err 'wide.npy: row 0, element [1] is 251, but the model declares x in -1..1'
  status 1 "$work/fakes" eval --data x=ages.npy --run run-fakes --count 4
  says err 'ages.npy: row 0, element [0] is 18'
fi

# A run that goes on does not read its data again for that, unless the file is another one.
cp fine.npy data.npy
touch -d '2026-01-02 03:04:05.678' data.npy
status 0 "$work/unit" train --data x=data.npy --steps 1 --run twice
tail -c +129 nan.npy | dd of=data.npy bs=128 seek=1 conv=notrunc 2>err
touch -d '2026-01-02 03:04:05.678' data.npy
status 0 "$work/unit" train --steps 1 --resume --run twice
touch data.npy
status 1 "$work/unit" train --steps 2 --resume --run twice
says err 'data x: data.npy: row 3, element [1] is nan'
finish
