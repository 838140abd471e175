# What hone does not write itself, as one INTERFACE target each.
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)

function(hone_pkg name module)
    pkg_check_modules(${name} REQUIRED IMPORTED_TARGET ${module})
    add_library(${name} INTERFACE)
    target_link_libraries(${name} INTERFACE PkgConfig::${name})
endfunction()

hone_pkg(hone_jansson jansson)
hone_pkg(hone_zmq libzmq)
hone_pkg(hone_sodium libsodium)
hone_pkg(hone_seccomp libseccomp)
if(HONE_BOARD) # hone-device needs no more; static libraries name nothing of what they need in turn
    target_link_libraries(hone_zmq INTERFACE PkgConfig::hone_sodium stdc++ atomic m)
    return()
endif()
hone_pkg(hone_sqlite sqlite3)
hone_pkg(hone_microhttpd libmicrohttpd)
hone_pkg(hone_protobuf_c libprotobuf-c)
find_program(PROTOC_C NAMES protoc-c REQUIRED)

find_program(LLVM_CONFIG NAMES llvm-config-19 REQUIRED)
execute_process(COMMAND ${LLVM_CONFIG} --includedir OUTPUT_VARIABLE llvm_inc
                OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${LLVM_CONFIG} --libdir OUTPUT_VARIABLE llvm_lib
                OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
find_library(LLVM_LIBRARY NAMES LLVM-19 LLVM HINTS ${llvm_lib} REQUIRED)
add_library(hone_llvm INTERFACE)
target_include_directories(hone_llvm SYSTEM INTERFACE ${llvm_inc})
target_link_libraries(hone_llvm INTERFACE ${LLVM_LIBRARY})

find_path(XGBOOST_INCLUDE xgboost/c_api.h REQUIRED)
find_library(XGBOOST_LIBRARY xgboost REQUIRED)
add_library(hone_xgboost INTERFACE)
target_include_directories(hone_xgboost SYSTEM INTERFACE ${XGBOOST_INCLUDE})
target_link_libraries(hone_xgboost INTERFACE ${XGBOOST_LIBRARY})
