#!/bin/bash
# A signal is heeded within a second also while nobody says what a host's name stands for.
. "$2/tests/cli/lib.sh"

san=$(sed -n 's/^HONE_SANITIZE:.*=//p' "$BUILD/CMakeCache.txt")
[ -z "$san" ] || skip "a sanitizer has to be loaded first"
cat >slow.c <<'E'
#include <netdb.h>
#include <time.h>

int getaddrinfo(const char *host, const char *port, const struct addrinfo *wanted, struct addrinfo **ret)
{
    struct timespec left = {60, 0};
    while (nanosleep(&left, &left) != 0) {
    }
    return EAI_AGAIN;
}
E
ok "making slow names" cc -shared -fPIC -o slow.so slow.c
run 0 "$HONE" keygen k
run 0 "$HONE" keygen s

for command in "jobs" "watch 1" "top --once"; do
    # shellcheck disable=SC2086
    background env LD_PRELOAD="$T/slow.so" "$HONE" $command --service tcp://somewhere.test:7177 --key k --allow s.pub
    sleep 2 # it asks after one
    ok "$command waits" alive "$bg"
    before=$SECONDS
    kill -TERM "$bg"
    ok "$command ends" gone 20 "$bg"
    ok "$command ends before there is an answer" [ $((SECONDS - before)) -lt 30 ]
    says "interrupted" bg.err
done

background env LD_PRELOAD="$T/slow.so" "$HONE" worker --connect tcp://somewhere.test:7177 --key k --allow s.pub
ok "a worker says that it waits" wait_for 60 grep -q "nobody answers at .*who know names" bg.err
before=$SECONDS
kill -TERM "$bg"
ok "a worker ends" gone 20 "$bg"
ok "a worker ends before there is an answer" [ $((SECONDS - before)) -lt 30 ]

all_done
