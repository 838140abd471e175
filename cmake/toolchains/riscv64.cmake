# Debian: g++-riscv64-linux-gnu.
set(CMAKE_SYSTEM_PROCESSOR riscv64)
set(board riscv64-linux-gnu)
include(${CMAKE_CURRENT_LIST_DIR}/board.cmake)
