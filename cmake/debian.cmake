# Debian packages: `cpack -G DEB` in the build folder, after the targets `programs` and `made`.
set(CPACK_PACKAGE_NAME hone)
set(HONE_MAINTAINER "The hone maintainers <hone@users.noreply.github.com>" CACHE STRING
    "Of the Debian packages: name and address")
set(CPACK_PACKAGE_CONTACT ${HONE_MAINTAINER})
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "auto-tuning search service for tensor kernels")
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ
    GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_COMPONENTS_ALL hone libhone-dev)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION devel)

set(CPACK_DEBIAN_HONE_PACKAGE_NAME hone)
set(CPACK_DEBIAN_HONE_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_HONE_PACKAGE_DEPENDS binutils) # tuning links with ld
set(CPACK_DEBIAN_HONE_PACKAGE_RECOMMENDS lld-19) # and for other processors with this
set(CPACK_DEBIAN_HONE_DESCRIPTION "hone finds the fastest correct version of a tensor kernel that a machine can
run, keeps everything it learned in one SQLite file, and writes objects and C
headers of it for the builds of others.")
set(CPACK_DEBIAN_LIBHONE-DEV_PACKAGE_NAME libhone-dev)
set(CPACK_DEBIAN_LIBHONE-DEV_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_LIBHONE-DEV_PACKAGE_DEPENDS "libc6-dev | libc-dev")
set(CPACK_DEBIAN_LIBHONE-DEV_PACKAGE_RECOMMENDS hone)
set(CPACK_DEBIAN_LIBHONE-DEV_DESCRIPTION "The static library and header that built kernels are linked with, its source
for other machines, and what CMake and pkg-config ask for.")

# What every package of Debian has under share/doc: compressed without names and dates.
set(made ${CMAKE_BINARY_DIR}/made)
configure_file(cmake/debian/changelog.in ${CMAKE_BINARY_DIR}/package/changelog @ONLY)
add_custom_command(OUTPUT ${made}/changelog.gz ${made}/changelog.Debian.gz VERBATIM
    DEPENDS ${CMAKE_SOURCE_DIR}/CHANGELOG.md ${CMAKE_BINARY_DIR}/package/changelog
    COMMAND gzip -9nc ${CMAKE_SOURCE_DIR}/CHANGELOG.md > ${made}/changelog.gz
    COMMAND gzip -9nc ${CMAKE_BINARY_DIR}/package/changelog > ${made}/changelog.Debian.gz)
add_custom_target(made_changelogs DEPENDS ${made}/changelog.gz ${made}/changelog.Debian.gz)
add_dependencies(made made_changelogs)
foreach(component ${CPACK_COMPONENTS_ALL})
    install(FILES cmake/debian/copyright ${made}/changelog.gz ${made}/changelog.Debian.gz
            DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/${component} COMPONENT ${component}
            EXCLUDE_FROM_ALL)
endforeach()

set(CPACK_PRE_BUILD_SCRIPTS ${CMAKE_SOURCE_DIR}/cmake/debian/finish.cmake)
include(CPack)
