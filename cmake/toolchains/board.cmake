# What the toolchain files of boards share. They set CMAKE_SYSTEM_PROCESSOR and `board`, the triple that Debian's
# cross compiler has; libraries are those that cmake/toolchains/libs.sh has put into HONE_BOARD_LIBS.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_C_COMPILER ${board}-gcc)
set(HONE_BOARD_LIBS ${CMAKE_CURRENT_LIST_DIR}/../../build/boards/${board} CACHE PATH "From libs.sh")
set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES HONE_BOARD_LIBS)
set(CMAKE_FIND_ROOT_PATH ${HONE_BOARD_LIBS})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(ENV{PKG_CONFIG_LIBDIR} ${HONE_BOARD_LIBS}/lib/pkgconfig)
