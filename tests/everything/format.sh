#!/bin/sh
# Every file of C obeys .clang-format, and no line of C, of a table or of the grammar is longer than 120 characters.
set -eu
export LC_ALL=C.UTF-8
find compiler lang runtime tests -name '*.[ch]' -exec clang-format-19 --dry-run -Werror {} +
! grep -rnE --include='*.[chly]' --include='*.def' '^.{121}' compiler lang runtime tests
