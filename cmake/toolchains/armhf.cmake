# Debian: g++-arm-linux-gnueabihf.
set(CMAKE_SYSTEM_PROCESSOR armv7l)
set(board arm-linux-gnueabihf)
include(${CMAKE_CURRENT_LIST_DIR}/board.cmake)
