#!/bin/bash
# What tests/run.sh says of tests that passed only at the second try: all of those, and no others.
. "$2/tests/cli/lib.sh"

cat >CMakeLists.txt <<'END'
cmake_minimum_required(VERSION 3.25)
project(tries NONE)
enable_testing()
add_test(NAME room.good COMMAND true)
add_test(NAME room.bad COMMAND false)
foreach(how "exit 1" "kill -SEGV $$" "exec sleep 60")
    string(SUBSTRING ${how} 0 4 name)
    add_test(NAME room.${name} COMMAND sh -c "mkdir ${name} 2>/dev/null || exit 0; echo Passed; ${how}")
endforeach()
set_tests_properties(room.exec PROPERTIES TIMEOUT 1)
END
run 0 cmake -S . -B build
run 8 ctest --test-dir build -j2 --output-on-failure --repeat until-pass:2 --output-log "$T/log"
run 0 sh "$SRC/tests/second_try.sh" "$T/log"
ok "those three" [ "$(sort out | tr '\n' ' ')" = "room.exec room.exit room.kill " ]

all_done
