# Run by CPack on what is about to be packed: manual pages compressed, symbols for debugging off archives.
file(GLOB_RECURSE pages ${CPACK_TEMPORARY_INSTALL_DIRECTORY}/*.1)
foreach(page ${pages})
    execute_process(COMMAND gzip -9n ${page} COMMAND_ERROR_IS_FATAL ANY)
endforeach()
file(GLOB_RECURSE archives ${CPACK_TEMPORARY_INSTALL_DIRECTORY}/*.a)
foreach(archive ${archives})
    execute_process(COMMAND strip --strip-debug --enable-deterministic-archives
                            --remove-section=.comment --remove-section=.note ${archive}
                    COMMAND_ERROR_IS_FATAL ANY)
endforeach()
