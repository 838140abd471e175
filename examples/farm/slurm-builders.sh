#!/bin/sh
# As many builders on a Slurm cluster as a farm wants, for `hone serve --launch`:
#
#   export HONE_COORDINATOR=tcp://farm:5555 HONE_KEY=$HOME/.hone/builder.key HONE_ALLOW=$HOME/.hone/farm.pub
#   hone serve ... --launch /etc/hone/slurm-builders.sh --builders 16 --builders-idle 300
#
# hone-builder.sbatch lies beside it; SBATCH_PARTITION, SBATCH_ACCOUNT and the like say where. Builders that
# wait in Slurm's queue are counted, and are the first to go. HONE_BUILDERS=0 slurm-builders.sh ends all.
set -eu
: "${HONE_BUILDERS:?how many: hone serve says it}"
name=hone-launched
# the waiting ones first, then the youngest
all=$(squeue --noheader --array --user="$(id -un)" --name=$name --states=PENDING,CONFIGURING,RUNNING \
    --sort=t,-i --format=%i)
# shellcheck disable=SC2086
set -- $all
if [ $# -lt "$HONE_BUILDERS" ]; then
    exec sbatch --quiet --job-name=$name --array="1-$((HONE_BUILDERS - $#))" "$(dirname "$0")/hone-builder.sbatch"
fi
while [ $# -gt "$HONE_BUILDERS" ]; do
    scancel "$1"
    shift
done
