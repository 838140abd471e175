# tests/<room>/test_*.c: one cmocka program per file, linked with everything hone has.
# tests/fuzz/fuzz_*.c: one target each; tests/fuzz/corpus/<name>/ also runs as an ordinary test.
pkg_check_modules(hone_cmocka REQUIRED IMPORTED_TARGET cmocka)
set(HONE_ALL_ROOMS tuner builder)

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
    target_compile_options(${target} PRIVATE -Wno-missing-prototypes -Wno-conversion)
    target_compile_definitions(${target} PRIVATE
        HONE_SOURCE_DIR="${CMAKE_SOURCE_DIR}" HONE_BINARY_DIR="${CMAKE_BINARY_DIR}")
    add_test(NAME ${room}.${name} COMMAND ${target} WORKING_DIRECTORY ${CMAKE_BINARY_DIR})
    set_tests_properties(${room}.${name} PROPERTIES TIMEOUT 180)
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
    set_tests_properties(fuzz.${short} PROPERTIES TIMEOUT 180)
endforeach()

# tests/*/*.sh run the programs as a person would; $1 is the build folder, $2 the source folder.
file(GLOB test_scripts CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/*/test_*.sh)
foreach(script ${test_scripts})
    get_filename_component(folder ${script} DIRECTORY)
    get_filename_component(room ${folder} NAME)
    get_filename_component(name ${script} NAME_WE)
    string(REGEX REPLACE "^test_" "" name ${name})
    add_test(NAME ${room}.${name}
             COMMAND bash ${script} ${CMAKE_BINARY_DIR} ${CMAKE_SOURCE_DIR})
    # They start and kill processes and wait for them: not beside other tests.
    set_tests_properties(${room}.${name} PROPERTIES TIMEOUT 300 RUN_SERIAL TRUE)
endforeach()
