#!/bin/sh
# What random models have found, with its right values, and a few new ones. `./x oracle COUNT` runs many.
. tests/run/common

status 0 "$BUILD/tests/oracle" --compiler "$GANC" --folder "$work/found" tests/oracle/found/*.gan
status 0 "$BUILD/tests/oracle" --compiler "$GANC" --folder "$work/random" --no-reduce 20 1
finish
