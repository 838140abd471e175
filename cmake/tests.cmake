# tests/<room>/test_*.c: one cmocka program per file, linked with everything hone has.
# tests/fuzz/fuzz_*.c: one target each; tests/fuzz/corpus/<name>/ also runs as an ordinary test.
pkg_check_modules(hone_cmocka REQUIRED IMPORTED_TARGET cmocka)
set(HONE_ALL_ROOMS tuner builder farm net)

# What tests/property and the fuzzer of pairs share.
file(GLOB harness_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/property/*.c)
list(FILTER harness_sources EXCLUDE REGEX "/test_[^/]*$")
add_library(test_harness STATIC ${harness_sources})
target_link_libraries(test_harness PUBLIC ${HONE_ALL_ROOMS} ${CMAKE_DL_LIBS})
target_compile_options(test_harness PRIVATE -Wno-conversion)

file(GLOB test_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/*/test_*.c)
foreach(source ${test_sources})
    get_filename_component(folder ${source} DIRECTORY)
    get_filename_component(room ${folder} NAME)
    get_filename_component(name ${source} NAME_WE)
    string(REGEX REPLACE "^test_" "" name ${name})
    set(target test_${room}_${name})
    add_executable(${target} ${source})
    target_link_libraries(${target} PRIVATE ${HONE_ALL_ROOMS} PkgConfig::hone_cmocka)
    if(room STREQUAL property)
        target_link_libraries(${target} PRIVATE test_harness)
    endif()
    if(room STREQUAL bench)
        target_sources(${target} PRIVATE bench/versus_roofline.c bench/versus_rates.c
                                         bench/versus_peak.c)
    endif()
    if(room STREQUAL cli)
        target_link_libraries(${target} PRIVATE cli)
    endif()
    target_compile_options(${target} PRIVATE -Wno-missing-prototypes -Wno-conversion)
    target_compile_definitions(${target} PRIVATE
        HONE_SOURCE_DIR="${CMAKE_SOURCE_DIR}" HONE_BINARY_DIR="${CMAKE_BINARY_DIR}")
    add_test(NAME ${room}.${name} COMMAND ${target} WORKING_DIRECTORY ${CMAKE_BINARY_DIR})
    set_tests_properties(${room}.${name} PROPERTIES TIMEOUT 600) # with a sanitizer on a busy machine
endforeach()

file(GLOB fuzz_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/fuzz/fuzz_*.c)
foreach(source ${fuzz_sources})
    get_filename_component(name ${source} NAME_WE)
    add_executable(${name} ${source})
    target_link_libraries(${name} PRIVATE ${HONE_ALL_ROOMS})
    if(name STREQUAL fuzz_pair)
        target_link_libraries(${name} PRIVATE test_harness)
    endif()
    target_compile_options(${name} PRIVATE -Wno-missing-prototypes)
    if(HONE_FUZZ)
        target_compile_options(${name} PRIVATE -fsanitize=fuzzer)
        target_link_options(${name} PRIVATE -fsanitize=fuzzer)
    else()
        target_sources(${name} PRIVATE ${CMAKE_SOURCE_DIR}/tests/fuzz/replay.c)
    endif()
    string(REGEX REPLACE "^fuzz_" "" short ${name})
    add_test(NAME fuzz.${short}
             COMMAND ${name} ${CMAKE_SOURCE_DIR}/tests/fuzz/corpus/${short})
    set_tests_properties(fuzz.${short} PROPERTIES TIMEOUT 600)
endforeach()

# What e2e.networks compares plans with.
add_executable(net_compare ${CMAKE_SOURCE_DIR}/tests/net/compare.c)
target_link_libraries(net_compare PRIVATE net)

# What scripts ask a service with.
add_executable(test_ask ${CMAKE_SOURCE_DIR}/tests/e2e/ask.c)
target_link_libraries(test_ask PRIVATE workers)
target_compile_options(test_ask PRIVATE -Wno-missing-prototypes)

# The best of two logs against each other, for tests/e2e/test_storm.sh.
add_executable(race_logs ${CMAKE_SOURCE_DIR}/tests/e2e/race_logs.c)
target_link_libraries(race_logs PRIVATE builder db)
target_compile_options(race_logs PRIVATE -Wno-missing-prototypes)

# A device that lies, and clocks that jump, for tests/e2e/test_ten_hosts.sh.
add_executable(lying_device ${CMAKE_SOURCE_DIR}/tests/e2e/lying_device.c)
target_link_libraries(lying_device PRIVATE workers)
target_compile_options(lying_device PRIVATE -Wno-missing-prototypes)
add_library(test_jump MODULE ${CMAKE_SOURCE_DIR}/tests/e2e/jump.c)
target_link_libraries(test_jump PRIVATE ${CMAKE_DL_LIBS})
target_compile_options(test_jump PRIVATE -Wno-missing-prototypes -fno-sanitize=all)
target_link_options(test_jump PRIVATE -fno-sanitize=all)

# A service under load; a small one in the suite.
add_executable(farm_load ${CMAKE_SOURCE_DIR}/tests/farm/load.c)
target_link_libraries(farm_load PRIVATE ${HONE_ALL_ROOMS})
target_compile_options(farm_load PRIVATE -Wno-missing-prototypes -Wno-conversion)
add_test(NAME farm.load COMMAND farm_load --devices 20 --builders 2 --jobs 4 --trials 40)
add_test(NAME farm.shares COMMAND farm_load --shares --seconds 8 --quantum-ms 200)
set_tests_properties(farm.load farm.shares PROPERTIES TIMEOUT 600 RUN_SERIAL TRUE)

# What a result costs a service, without search and builds: sittings of recorded candidates are
# linked instead of those with sessions.
add_executable(farm_results ${CMAKE_SOURCE_DIR}/tests/farm/results.c
               ${CMAKE_SOURCE_DIR}/tests/farm/recorded.c)
target_link_libraries(farm_results PRIVATE ${HONE_ALL_ROOMS})
target_compile_options(farm_results PRIVATE -Wno-missing-prototypes -Wno-conversion)
add_test(NAME farm.results COMMAND farm_results --devices 20 --jobs 4 --most 2000)
set_tests_properties(farm.results PROPERTIES TIMEOUT 300 RUN_SERIAL TRUE)

# A service for an hour; 20 s of it in the suite.
add_executable(farm_soak ${CMAKE_SOURCE_DIR}/tests/farm/soak.c)
target_link_libraries(farm_soak PRIVATE ${HONE_ALL_ROOMS})
target_compile_options(farm_soak PRIVATE -Wno-missing-prototypes -Wno-conversion)
add_test(NAME farm.soak COMMAND farm_soak --seconds 20)
set_tests_properties(farm.soak PROPERTIES TIMEOUT 600 RUN_SERIAL TRUE)

# tests/*/*.sh run the programs as a person would; $1 is the build folder, $2 the source folder.
file(GLOB test_scripts CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/*/test_*.sh)
foreach(script ${test_scripts})
    get_filename_component(folder ${script} DIRECTORY)
    get_filename_component(room ${folder} NAME)
    get_filename_component(name ${script} NAME_WE)
    string(REGEX REPLACE "^test_" "" name ${name})
    if(room STREQUAL lint AND HONE_SANITIZE)
        continue()  # of the source, whatever it is compiled with
    endif()
    add_test(NAME ${room}.${name}
             COMMAND bash ${script} ${CMAKE_BINARY_DIR} ${CMAKE_SOURCE_DIR})
    set_tests_properties(${room}.${name} PROPERTIES TIMEOUT 900)
endforeach()
# They wait for what has its own time: devices that cool down, or are in quarantine for five minutes.
set_tests_properties(e2e.storm e2e.ten_hosts PROPERTIES TIMEOUT 1800)
# Of these each is as many processes as a small machine bears, or they look at what was measured.
set_tests_properties(e2e.storm e2e.ten_hosts e2e.slurm e2e.serve e2e.calibrate e2e.examples e2e.library
                     PROPERTIES RUN_SERIAL TRUE)
