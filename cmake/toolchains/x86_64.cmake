# Debian: g++-x86-64-linux-gnu.
set(CMAKE_SYSTEM_PROCESSOR x86_64)
set(board x86_64-linux-gnu)
include(${CMAKE_CURRENT_LIST_DIR}/board.cmake)
