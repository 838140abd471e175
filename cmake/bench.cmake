# bench/: measured comparisons (bench/README.md). The libraries compared with are loaded while
# running, so bench_versus is built without them; only oneDNN's interface needs its header.
find_path(DNNL_INCLUDE oneapi/dnnl/dnnl.h)
mark_as_advanced(DNNL_INCLUDE)

add_executable(bench_versus
    bench/versus.c bench/versus_problem.c bench/versus_report.c bench/versus_calibrate.c
    bench/versus_kernel.c bench/versus_blas.c bench/versus_dnnl.c bench/dnnl_ops.c
    bench/versus_machine.c bench/versus_peak.c bench/versus_rates.c bench/versus_roofline.c
    bench/versus_stats.c bench/versus_time.c)
target_compile_definitions(bench_versus PRIVATE
    HONE_BENCH_LIBRARIES="/usr/lib/${CMAKE_LIBRARY_ARCHITECTURE}")
target_link_libraries(bench_versus PRIVATE ir ${CMAKE_DL_LIBS} m)
if(DNNL_INCLUDE)
    target_compile_definitions(bench_versus PRIVATE HONE_BENCH_DNNL)
    target_include_directories(bench_versus SYSTEM PRIVATE ${DNNL_INCLUDE})
else()
    message(STATUS "bench_versus: no oneDNN headers, building without (sh cmake/install-deps.sh bench)")
endif()

# ONNX Runtime is loaded while running, and the little of its interface that is used is in ort.h.
add_executable(bench_network bench/network.c bench/ort.c bench/versus_stats.c bench/versus_time.c)
target_link_libraries(bench_network PRIVATE base ${CMAKE_DL_LIBS} m)

add_executable(bench_search_cost bench/search_cost.c)
target_link_libraries(bench_search_cost PRIVATE builder costmodel m)

add_executable(bench_db_query bench/db_query.c)
target_link_libraries(bench_db_query PRIVATE db)

add_executable(bench_farm_step bench/farm_step.c)
target_link_libraries(bench_farm_step PRIVATE farm)

add_executable(bench_query_latency bench/query_latency.c)
target_link_libraries(bench_query_latency PRIVATE tuner)

add_executable(bench_functions
    bench/functions.c bench/versus_rates.c bench/versus_problem.c bench/versus_stats.c)
target_link_libraries(bench_functions PRIVATE codegen runtime ${CMAKE_DL_LIBS} m)
