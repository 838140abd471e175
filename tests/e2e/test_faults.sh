#!/bin/bash
# Two real devices, a linker, a build server and workers that fail again and again: the run ends as
# without trouble, and nothing of it is in the log.
# shellcheck disable=SC2086,SC2317
. "$2/tests/cli/lib.sh"

kernel="matmul -D M=64 -D N=48 -D K=32 --threads 1"

# device NAME FAULTS: a device that is started again whenever it dies.
device() {
    while [ ! -e over ]; do
        HONE_FAULT=$2 "$HONE" worker --connect ipc://$T/pool --role run >>"$1.out" 2>&1 </dev/null
        sleep 0.1
    done 2>/dev/null &
    started+=("$!")
}

background env HONE_FAULT=link.fail/6,build.die/11 "$HONE" tune $kernel --trials 60 --json \
    --listen ipc://$T/pool
device one device.kill/5,worker.die:9
device two device.setup/17,device.kill/7
wait $bg
ok "exit code 0" [ $? = 0 ]
touch over
ok "all trials" [ "$(number trials bg.out)" = 60 ]
ok "there was trouble" [ "$(number failed bg.out)" -ge 10 ]
ok "nobody is convicted" [ "$(number rejected bg.out)" = 0 ]
ok "no rejection among the trials" [ "$(lines '"status":"REJECT' bg.out)" = 0 ]
run 0 "$HONE" db stats hone.db --json
ok "all of them are good in the log" [ "$(number ok)" = 60 ]
ok "and nothing else is" [ "$(number records)" = 60 ]
run 0 "$HONE" db check hone.db

# ---- trouble that stays: the run ends with its message, and the log is empty
run 1 env HONE_FAULT=link.fail "$HONE" tune $kernel --trials 20 --db linker.db
says "The linker failed" err
ok "one line" [ "$(wc -l <err)" = 1 ]
run 0 "$HONE" db stats linker.db --json
ok "nothing is stored" [ "$(number records)" = 0 ]

run 1 env HONE_FAULT=device.setup "$HONE" tune $kernel --trials 20 --db device.db
says "measuring process" err
run 0 "$HONE" db stats device.db --json
ok "nothing is stored" [ "$(number records)" = 0 ]

# ---- a linker that fails for a while: F1 of the attack. What it could not link is tried again. After a failure
# there is a new build server, which counts anew: nine links, of the reference and the trials, are three that go
# well three times, with a failure behind the first and the second. A session that has doubts in the end whether
# its winner is the fastest links once more, and fails once more.
run 0 env HONE_FAULT=link.fail:4 "$HONE" tune $kernel --trials 8 --db while.db --json
ok "failed twice: $(number failed)" [ "$(number failed)" -ge 2 ]
ok "nothing was set aside" [ "$(number set_aside)" = 0 ]
ok "all good" [ "$(number ok)" = 8 ]

all_done
