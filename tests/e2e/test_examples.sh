#!/bin/bash
# The examples work as they stand in a copy of their folder.
# shellcheck disable=SC2086,SC2317
. "$2/tests/cli/lib.sh"

cp -r "$SRC/examples" . || exit 1
san=$(sed -n 's/^HONE_SANITIZE:.*=//p' "$BUILD/CMakeCache.txt")

# ---- three stages, odd sizes: from text to a correct program, faster than the default schedule
export HONE HONE_RT=$BUILD/libhone_rt.a TRIALS=24 OUT=$T/out.dir
export CC="cc${san:+ -fsanitize=$san}"
run 0 sh examples/three_stage/build.sh
says "right (largest error"
faster=$(sed -n 's/^as written .*: \([0-9.]*\) times as fast$/\1/p' out)
ok "faster than as written: ${faster:-?} times" awk -v x="${faster:-0}" 'BEGIN { exit !(x > 1.2) }'
ok "three stages" [ "$("$HONE" show examples/three_stage/gate.hone -D M=77 -D N=123 -D K=61 |
    grep -c ' block ')" = 3 ]
# again: goes on from there
run 0 sh examples/three_stage/build.sh
says "24 more were in the log"
run 0 "$HONE" db check "$OUT/hone.db"

# ---- a schedule that does not pack: main.c handles that as well
echo '[[],[]]' >plain.json
run 0 "$HONE" query examples/three_stage/gate.hone -D M=77 -D N=123 -D K=61 --threads 1 \
    --trace plain.json --emit library -o plain --name gate
ok "it packs nothing" sh -c '! grep -q pack plain/gate.h'
cp "$OUT"/gate_default.* plain
ok "links" $CC -O2 -Wall -Wextra -Werror -Iplain -o gate examples/three_stage/main.c plain/gate.o \
    plain/gate_default.o "$HONE_RT" -lpthread -lm
run 0 ./gate
says "right (largest error"

# ---- an intrinsic of one's own: found, checked, and rebuilt from the log alone
if grep -qw avx2 /proc/cpuinfo && [ -z "$san" ]; then
    run 0 env OUT="$T/own" TRIALS=16 sh examples/intrinsic/tune.sh
    ok "what it gained" grep -qE '^with it: [0-9.]+ times as fast$' out
    python3 - "$T/own/own.db" >"$T/own/signed.json" <<'EOF'
import sqlite3, sys
log = sqlite3.connect(sys.argv[1])
print(*log.execute("SELECT trace FROM record WHERE status = 'OK' AND instr(trace, 'signed.')"
                   " ORDER BY compare_ns LIMIT 1").fetchone())
EOF
    ok "it was tried, and right" [ -s "$T/own/signed.json" ]
    ok "an object" [ -s "$T/own/dot.o" ]
    run 1 "$HONE" show examples/intrinsic/dot.hone -D M=192 -D N=192 -D K=192 \
        --trace "$T/own/signed.json"
    says "there is no intrinsic 'signed." err
    run 0 "$HONE" show examples/intrinsic/dot.hone -D M=192 -D N=192 -D K=192 \
        --trace "$T/own/signed.json" --intrin examples/intrinsic/signed.intrin
    says '@hone.intrin="signed.'
    lock="$HONE lock examples/intrinsic/dot.hone -D M=96 -D N=96 -D K=96 --threads 1 --db none.db"
    run 0 $lock -o "$T/without.lock"
    run 0 $lock -o "$T/with.lock" --intrin examples/intrinsic/signed.intrin
    ok "a lock of the larger space" [ "$(grep -c schedules "$T/with.lock")" = 1 ]
    ok "and another without" sh -c "! grep schedules '$T/with.lock' | grep -qxFf - '$T/without.lock'"
    run 2 $lock -o "$T/with.lock" --intrin examples/intrinsic/dot.hone
    sed 's/ret void/ret i32 0/' examples/intrinsic/signed.intrin >bad.intrin
    run 2 "$HONE" tune examples/intrinsic/dot.hone -D M=16 -D N=16 -D K=16 --intrin bad.intrin \
        --db bad.db --trials 1
    says "intrinsic signed." err
fi

# ---- ready files for workers: every option in them exists
for f in hone-device.service hone-device.sbatch; do
    run 0 "$BUILD/hone-device" --help
    while read -r option; do
        says "  $option "
    done < <(grep -v '^#' "examples/farm/$f" | sed -n 's/.*hone-device \(--.*\)/\1/p' |
        grep -o -e '--[a-z]*')
done
ok "the coordinator's unit says how it is started" grep -q '^ExecStart=/usr/local/bin/hone serve ' \
    examples/farm/hone-serve.service
for f in hone-serve.service:serve hone-builder.sbatch:worker kubernetes.yaml:worker; do
    run 0 "$HONE" "${f#*:}" --help
    while read -r option; do
        says "  $option "
    done < <(grep -v '^#' "examples/farm/${f%:*}" | sed -n "s/.*\(hone ${f#*:}\|\[worker,\) \(--.*\)/\2/p" |
        grep -o -e '--[a-z]*')
done
for f in examples/farm/*.sbatch examples/farm/*.sh; do
    ok "bash: $f" bash -n "$f"
    command -v shellcheck >/dev/null && ok "shellcheck: $f" shellcheck "$f"
done
if python3 -c 'import yaml' 2>/dev/null; then
    cat >manifest.py <<'END'
import sys, yaml
for d in yaml.safe_load_all(open(sys.argv[1])):
    pod = d["spec"]["template"]["spec"]
    assert d["spec"]["selector"]["matchLabels"] == d["spec"]["template"]["metadata"]["labels"]
    names = {v["name"] for v in pod["volumes"]}
    for c in pod["initContainers"] + pod["containers"]:
        assert {m["name"] for m in c["volumeMounts"]} <= names, c
    print(d["kind"], d["metadata"]["name"])
END
    run 0 python3 manifest.py examples/farm/kubernetes.yaml
    says "DaemonSet hone-device"
    # What Kubernetes' own client reads of it has every field: one it does not know is lost.
    cat >fields.py <<'END'
import json, sys, yaml
def lost(a, b, at):
    if isinstance(a, dict):
        return [x for k in a for x in (lost(a[k], b[k], f"{at}.{k}") if k in b else [f"{at}.{k}"])]
    if isinstance(a, list):
        return [x for i, y in enumerate(a) for x in lost(y, b[i], f"{at}[{i}]")]
    return [] if a == b or at.endswith(".image") else [at]
text, one = open(sys.argv[2]).read(), json.JSONDecoder()
for d in yaml.safe_load_all(open(sys.argv[1])):
    read, n = one.raw_decode(text)
    text = text[n:].lstrip()
    sys.exit("\n".join(lost(d, read, d["kind"]))) if lost(d, read, "") else print(d["kind"])
END
    if command -v kubectl >/dev/null; then
        run 0 kubectl set image --local -f examples/farm/kubernetes.yaml '*=another' -o json
        cp out read.json
        run 0 python3 fields.py examples/farm/kubernetes.yaml read.json
        says DaemonSet
        sed 's/allowPrivilegeEscalation/allowPrivileges/' examples/farm/kubernetes.yaml >bad.yaml
        run 1 python3 fields.py bad.yaml read.json
        says allowPrivileges err
    fi
fi
if command -v systemd-analyze >/dev/null; then
    for f in hone-device hone-serve; do
        sed -i "s|/usr/local/bin/|$BUILD/|" examples/farm/$f.service
        systemd-analyze --man=no verify examples/farm/$f.service >out 2>&1
        ok "systemd finds nothing: $f" [ "$(grep -c $f.service out)" = 0 ]
    done
fi

all_done
