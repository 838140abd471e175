#!/bin/bash
# hone-device goes to boards that have neither LLVM, XGBoost nor SQLite: it must not link them, and
# must hold no code of the rooms above workers.  $1: build folder.
set -u
device=$1/hone-device
[ -x "$device" ] || { echo "no $device: build hone-device first"; exit 1; }
bad=0
libraries=$(ldd "$device") || { echo "ldd failed"; exit 1; }
for library in LLVM xgboost sqlite clang; do
    if grep -qi "lib$library" <<<"$libraries"; then
        echo "hone-device links $library:"
        grep -i "lib$library" <<<"$libraries"
        bad=1
    fi
done
grep -q libzmq <<<"$libraries" || { echo "hone-device does not link libzmq: is this the program?"; bad=1; }
symbols=$(nm "$device") || { echo "nm failed"; exit 1; }
if grep -E ' (LLVM[A-Z]|XGB|XGD|sqlite3_|hone_codegen_|hone_space_|hone_db_|hone_tuner_)' <<<"$symbols"; then
    echo "hone-device holds code that does not belong to a device"
    bad=1
fi
grep -q ' hone_worker_run$' <<<"$symbols" || { echo "nm shows no hone_worker_run"; bad=1; }
"$device" --help | grep -q -- --connect || { echo "--help does not help"; bad=1; }
[ "$("$device" --version)" = "hone-device 0.1.0" ] || { echo "--version is wrong"; bad=1; }
"$device" 2>/dev/null
[ $? -eq 2 ] || { echo "bad usage must exit with 2"; bad=1; }
text=$("$device" --listen tcp://0.0.0.0:7999 2>&1)
[ $? -eq 2 ] && grep -q 'hone keygen' <<<"$text" || { echo "an open port without keys: $text"; bad=1; }
text=$("$device" --listen tcp://127.0.0.1:7999 2>&1)
[ $? -eq 2 ] && grep -q 'insecure-loopback' <<<"$text" || { echo "loopback without keys: $text"; bad=1; }
exit $bad
