#!/bin/bash
# Networks as exporters write them (tests/e2e/network/forms.py): each is planned, and what is compiled computes
# what the reference does.
. "$2/tests/cli/lib.sh"

run 0 /usr/bin/python3 "$SRC/tests/e2e/network/forms.py" "$SRC/bench" nets
run 0 "$HONE" net check --random 1 nets/*/model.onnx --db none.db --threads 1
says "7 equal, 0 differ, 0 unsupported, 0 errors, by compiled code"

all_done
