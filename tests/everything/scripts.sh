#!/bin/sh
# Every shell script of the repository, read by shellcheck.
set -eu
grep -rlI --exclude-dir='build*' -E '^#!/bin/(ba)?sh|^# shellcheck shell=' x .ci tests | sort | xargs shellcheck
