#!/bin/sh
# Which folder may include which: what a folder knows of others is what CONTRIBUTING.md says, and no more. (That no two need each other the linker
# sees.)
. tests/run/common

# includes FOLDER ALLOWED: the files of the folder include no others of this repository, named from its top, than those whose names match.
includes() {
  grep -rnE --include='*.[chly]' --include='*.def' '^#include "[a-z_]+/' "$1" >"$work/found"
  [ -s "$work/found" ] || fail "$1 includes nothing: the test looks in the wrong place"
  grep -vE "#include \"($2)\"" "$work/found" >"$work/others" || return 0
  fail "$1 may include only $2:"
  sed 's/^/    /' "$work/others" >&2
}

fault='tests/mutants/mutant\.h'
runtime='runtime/(abi\.h|records\.def|words\.h)'
includes compiler/graph "lang/lang\.h|$runtime|$fault"
includes compiler/transform "compiler/graph/.*|$fault"
includes compiler/program "compiler/graph/graph\.h|compiler/program/.*|$runtime|$fault"
includes compiler/schedule "compiler/(graph|program|schedule)/.*|compiler/transform/transform\.h|$fault"
includes compiler/llvm "compiler/(program|llvm)/.*|compiler/schedule/machine\.h|$runtime|$fault"
includes compiler/plan "compiler/(expand/expand|schedule/schedule|program/program)\.h|$runtime|$fault"
includes lang "lang/.*|$runtime|$fault"
includes compiler "compiler/.*|lang/.*|$runtime|$fault"
includes runtime "runtime/.*"

# LLVM's headers are for the back end alone; grammar and runtime have none of the compiler's.
grep -rlE --include='*.[ch]' '#include <llvm' compiler lang runtime | grep -v '^compiler/llvm/' >"$work/others"
[ -s "$work/others" ] && fail "LLVM is known outside of compiler/llvm: $(cat "$work/others")"
grep -rlE --include='*.[chly]' --include='*.def' '#include "compiler/' lang runtime >"$work/others"
[ -s "$work/others" ] && fail "the compiler is known in $(cat "$work/others")"
finish
