# What is installed, in two components: hone, the programs with their pages and completions; libhone-dev,
# what a build needs to use kernels. The package files for CMake are also made for the build folder.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

# ---- hone ----------------------------------------------------------------------------------------

install(TARGETS hone hone-device RUNTIME COMPONENT hone)
install(FILES docs/man/hone.1 docs/man/hone-device.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1
        COMPONENT hone)

# The log that comes with hone (workloads/log), beside the program while it is not installed.
configure_file(workloads/log/shipped.db ${CMAKE_BINARY_DIR}/shipped.db COPYONLY)
install(FILES workloads/log/shipped.db DESTINATION ${CMAKE_INSTALL_DATADIR}/hone COMPONENT hone)

# A manual page for each command, and completions, made by the program itself of its tables.
function(hone_made_of_commands)
    set(folder ${CMAKE_BINARY_DIR}/made)
    file(STRINGS ${CMAKE_SOURCE_DIR}/cli/commands.def lines REGEX "^CLI_COMMAND")
    foreach(line ${lines})
        string(REGEX REPLACE "^CLI_COMMAND.(.*).$" "\\1" name "${line}")
        add_custom_command(OUTPUT ${folder}/hone-${name}.1 DEPENDS hone VERBATIM
                           COMMAND hone help ${name} --man > ${folder}/hone-${name}.1)
        list(APPEND pages ${folder}/hone-${name}.1)
    endforeach()
    foreach(pair bash:hone.bash zsh:_hone fish:hone.fish)
        string(REPLACE ":" ";" pair ${pair})
        list(GET pair 0 shell)
        list(GET pair 1 name)
        add_custom_command(OUTPUT ${folder}/${name} DEPENDS hone VERBATIM
                           COMMAND hone completion ${shell} > ${folder}/${name})
        list(APPEND completions ${folder}/${name})
    endforeach()
    file(MAKE_DIRECTORY ${folder})
    add_custom_target(made ALL DEPENDS ${pages} ${completions})
    install(FILES ${pages} DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 COMPONENT hone)
    set(share ${CMAKE_INSTALL_DATADIR})
    install(FILES ${folder}/hone.bash DESTINATION ${share}/bash-completion/completions RENAME hone
            COMPONENT hone)
    install(FILES ${folder}/_hone DESTINATION ${share}/zsh/vendor-completions COMPONENT hone)
    install(FILES ${folder}/hone.fish DESTINATION ${share}/fish/vendor_completions.d COMPONENT hone)
endfunction()
hone_made_of_commands()

# ---- libhone-dev ---------------------------------------------------------------------------------

file(GLOB runtime_source CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/runtime/*.c ${CMAKE_SOURCE_DIR}/runtime/*.h)
install(TARGETS runtime ARCHIVE COMPONENT libhone-dev)
install(FILES runtime/hone_rt.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT libhone-dev)
install(FILES ${runtime_source} DESTINATION ${CMAKE_INSTALL_DATADIR}/hone/runtime COMPONENT libhone-dev)

set(package ${CMAKE_INSTALL_DATADIR}/cmake/hone)
set(paths PATH_VARS hone_bin hone_lib hone_include hone_source)
set(hone_bin ${CMAKE_INSTALL_BINDIR})
set(hone_lib ${CMAKE_INSTALL_LIBDIR})
set(hone_include ${CMAKE_INSTALL_INCLUDEDIR})
set(hone_source ${CMAKE_INSTALL_DATADIR}/hone)
configure_package_config_file(cmake/package/honeConfig.in ${CMAKE_BINARY_DIR}/package/honeConfig.cmake
                              INSTALL_DESTINATION ${package} ${paths})
write_basic_package_version_file(${CMAKE_BINARY_DIR}/package/honeConfigVersion.cmake
                                 COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)
install(FILES ${CMAKE_BINARY_DIR}/package/honeConfig.cmake
        ${CMAKE_BINARY_DIR}/package/honeConfigVersion.cmake cmake/package/honeHelpers.cmake
        DESTINATION ${package} COMPONENT libhone-dev)

file(RELATIVE_PATH hone_up /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
string(REGEX REPLACE "/$" "" hone_up ${hone_up})
configure_file(cmake/package/hone.pc.in ${CMAKE_BINARY_DIR}/package/hone.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/package/hone.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig
        COMPONENT libhone-dev)

# The same for the build folder: -Dhone_DIR=build/release.
set(hone_bin ${CMAKE_BINARY_DIR})
set(hone_lib ${CMAKE_BINARY_DIR})
set(hone_include ${CMAKE_SOURCE_DIR}/runtime)
set(hone_source ${CMAKE_SOURCE_DIR})
configure_package_config_file(cmake/package/honeConfig.in ${CMAKE_BINARY_DIR}/honeConfig.cmake
                              INSTALL_DESTINATION ${CMAKE_BINARY_DIR} INSTALL_PREFIX ${CMAKE_BINARY_DIR}
                              ${paths})
configure_file(${CMAKE_BINARY_DIR}/package/honeConfigVersion.cmake ${CMAKE_BINARY_DIR} COPYONLY)
configure_file(cmake/package/honeHelpers.cmake ${CMAKE_BINARY_DIR} COPYONLY)
