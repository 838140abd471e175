# hone-device for a board: one static program, of what it needs alone. examples/farm/board.sh is the recipe.
foreach(room base runtime targets libcall workers)
    target_compile_options(${room} PRIVATE -ffunction-sections -fdata-sections)
    target_compile_definitions(${room} PRIVATE _FILE_OFFSET_BITS=64 _TIME_BITS=64) # where that is not so anyway
endforeach()
add_executable(hone-device cli/hone_device.c)
# -static warns of dlopen: artifacts depend on no library; those that do (--candidate-lib) need a hone-device that
# is not static.
target_link_libraries(hone-device PRIVATE workers)
target_link_options(hone-device PRIVATE -static -Wl,--gc-sections -s)
install(TARGETS hone-device RUNTIME)
