#!/bin/bash
# hone replay: a search against a log, which needs no device and is the same every time.
. "$2/tests/cli/lib.sh"

# a small space, recorded whole
cat >scale.hone <<'END'
kernel scale(N) {
  input X: f32[N]
  output Y: f32[N]
  Y[i] = X[i] * 2
}
END
run 0 "$HONE" tune scale.hone -D N=1000 --threads 1 --trials 100 --db whole.db --json
says '"summary":true'
run 0 "$HONE" db stats whole.db --json
records=$(number records)
for strategy in evolution random metaschedule; do
    run 0 "$HONE" replay whole.db --strategy $strategy --seeds 2 --trials 100 --json
    ok "$strategy: two searches" [ "$(grep -c '"curve"' out)" = 2 ]
    ok "$strategy: finds all that is recorded" [ "$(number trials)" = "$records" ]
    ok "$strategy: and the best of it" [ "$(number best_ns)" = "$(number best_recorded_ns)" ]
done

# a larger one, recorded in part
# shellcheck disable=SC2086
run 0 "$HONE" tune matmul $small --threads 1 --trials 24 --db part.db
run 0 "$HONE" replay part.db --seeds 1 --trials 16
says "not known"
cp out first
run 0 "$HONE" replay part.db --seeds 1 --trials 16
ok "the same again" cmp -s out first

refuse 3 "there is no database" "$HONE" replay none.db
refuse 2 "no strategy 'x'" "$HONE" replay part.db --strategy x
refuse 2 "which log?" "$HONE" replay
all_done
