#!/bin/sh
# The tests that passed only at the second try, a line each: out of what `ctest --repeat until-pass:2
# --output-log FILE` has left in FILE.
set -eu
sed -n 's|^ *\([0-9]*/[0-9]* \)\{0,1\} *Test *#[0-9]*: \([^ ]*\) [ .]*\(\**\)\([A-Z][A-Za-z]*\).*|\2 \3\4|p' "$1" |
    awk '$2 ~ /^\*/ { failed[$1] = 1 } $2 == "Passed" && failed[$1] { print $1 }'
