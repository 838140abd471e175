#!/bin/sh
# The lock file of this project, for the machine that runs this:
#
#   sh lock.sh [OPTION of hone lock]...
#
# Done by hand after tuning, and the file is kept with the sources. Here nothing was tuned, so that the
# schedules are chosen by the model; after `hone tune` with the same arguments they are what was measured,
# and `sh lock.sh --require exact` makes sure of it.
# HONE: the hone program (default: the installed one)
set -eu
cd "$(dirname "$0")"
"${HONE:-hone}" lock -o hone.lock matmul -D M=64 -D N=64 -D K=64 --threads 1 --name matmul_64 "$@"
"${HONE:-hone}" lock -o hone.lock softmax -D M=64 -D N=64 --threads 1 --name softmax_64 "$@"
