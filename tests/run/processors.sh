#!/bin/sh
# compiler/llvm/processors.def against LLVM, whose C interface does not say what a processor's name has: for each name, its code generator uses, or can
# select, an instruction of every feature that the row has, and of no other for which machines.def asks.
. tests/run/common

generator=$(command -v llc-19 || echo "$(llvm-config-19 --bindir)/llc")
[ -x "$generator" ] || { echo 'there is no llc of LLVM 19'; finish; exit; }

# What a processor with the feature does otherwise than one without.
cat >"$work/used.ll" <<'END'
declare <8 x float> @llvm.fma.v8f32(<8 x float>, <8 x float>, <8 x float>)
declare <16 x i32> @llvm.fshl.v16i32(<16 x i32>, <16 x i32>, <16 x i32>)
define <8 x float> @fma(<8 x float> %a) {
  %r = call <8 x float> @llvm.fma.v8f32(<8 x float> %a, <8 x float> %a, <8 x float> %a)
  ret <8 x float> %r
}
define <8 x i32> @avx2(<8 x i32> %a) {
  %r = add <8 x i32> %a, %a
  ret <8 x i32> %r
}
define <8 x i64> @avx512dq(<8 x i64> %a) #0 {
  %r = mul <8 x i64> %a, %a
  ret <8 x i64> %r
}
define <64 x i8> @avx512bw(<64 x i8> %a) #0 {
  %r = add <64 x i8> %a, %a
  ret <64 x i8> %r
}
define <16 x i32> @avx512vbmi2(<16 x i32> %a, <16 x i32> %b, <16 x i32> %c) #0 {
  %r = call <16 x i32> @llvm.fshl.v16i32(<16 x i32> %a, <16 x i32> %b, <16 x i32> %c)
  ret <16 x i32> %r
}
define <16 x bfloat> @avx512bf16(<16 x float> %a) #0 {
  %r = fptrunc <16 x float> %a to <16 x bfloat>
  ret <16 x bfloat> %r
}
define <32 x half> @avx512fp16(<32 x half> %a) #0 {
  %r = fadd <32 x half> %a, %a
  ret <32 x half> %r
}
attributes #0 = { "prefer-vector-width"="512" "min-legal-vector-width"="512" }
END
# What no processor without the feature can do at all.
cat >"$work/avx512vp2intersect.ll" <<'END'
declare { <16 x i1>, <16 x i1> } @llvm.x86.avx512.vp2intersect.d.512(<16 x i32>, <16 x i32>)
define { <16 x i1>, <16 x i1> } @f(<16 x i32> %a) #0 {
  %r = call { <16 x i1>, <16 x i1> } @llvm.x86.avx512.vp2intersect.d.512(<16 x i32> %a, <16 x i32> %a)
  ret { <16 x i1>, <16 x i1> } %r
}
attributes #0 = { "prefer-vector-width"="512" "min-legal-vector-width"="512" }
END
cat >"$work/amx-tile.ll" <<'END'
declare void @llvm.x86.tilezero(i8)
define void @f() {
  call void @llvm.x86.tilezero(i8 0)
  ret void
}
END

generate() { # PROCESSOR FILE
  "$generator" -mtriple=x86_64 -mcpu="$1" "$work/$2.ll" -o "$work/$2.s" 2>"$work/err"
}
uses() { # TEXT...
  for text in "$@"; do grep -q "$text" "$work/used.s" || return 1; done
}
has() { # PROCESSOR FEATURE, after `generate PROCESSOR used`
  case $2 in
  AVX2) uses 'vfmadd.*ymm' 'vpaddd.*ymm' ;;
  AVX512) uses 'vpmullq.*zmm' 'vpaddb.*zmm' ;;
  avx512vbmi2) uses 'vpshldvd.*zmm' ;;
  avx512bf16) uses 'vcvtneps2bf16.*zmm' ;;
  avx512fp16) uses 'vaddph.*zmm' ;;
  *) generate "$1" "$2" ;;
  esac
}

compared='avx512vbmi2 avx512bf16 avx512fp16 avx512vp2intersect amx-tile'
wanted=$(tr '\n' ' ' <compiler/schedule/machines.def | grep -o 'MACHINE([a-z0-9_]*, "[^"]*", [A-Z]*, *"[^"]*"' | sed 's/.*"\(.*\)"$/\1/' | tr ' ' '\n' | sort -u)
[ -n "$wanted" ] || fail 'machines.def asks for nothing'
for feature in $wanted; do
  case " avx2 avx512f $compared " in *" $feature "*) ;; *) fail "machines.def asks for $feature, which is not compared" ;; esac
done

sed -n 's/^PROCESSOR("\(.*\)", \(.*\), "\(.*\)")$/\1,\2,\3/p' compiler/llvm/processors.def >"$work/rows"
[ "$(wc -l <"$work/rows")" = "$(grep -c '^PROCESSOR(' compiler/llvm/processors.def)" ] || fail 'rows of processors.def were not read'
while IFS=, read -r name level further; do
  case $level in
  NONE) levels='' ;;
  AVX2) levels='AVX2' ;;
  AVX512) levels='AVX2 AVX512' ;;
  *) fail "$name: what level is $level?" ;;
  esac
  generate "$name" used || fail "$name: $(cat "$work/err")"
  grep -q 'not a recognized' "$work/err" && fail "LLVM knows no $name"
  for feature in AVX2 AVX512 $compared; do
    told=0
    case " $levels $further " in *" $feature "*) told=1 ;; esac
    found=0
    has "$name" "$feature" && found=1
    [ $told = $found ] || fail "$name: $feature is $told in the table, $found in LLVM"
  done
done <"$work/rows"
finish
