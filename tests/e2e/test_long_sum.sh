#!/bin/bash
# A sum of a million terms: candidates add in another order, and more exactly than the reference does.
. "$2/tests/cli/lib.sh"

run 0 "$HONE" tune norm -D B=1 -D M=1024 -D N=1024 --threads 1 --trials 4 --db n.db
says "4: 4 ok, 0 rejected"
all_done
