# hone_add_kernels(NAME [KERNELS function ...] [TARGETS processor ...] [LOCK file] [ALLOW_LIBS name ...]
#                  [HEADER var] [REPORT var])
#
# A static library NAME of functions out of a lock file (default hone.lock), with their headers on its
# include path and the runtime behind it. Without KERNELS: all functions of the lock. TARGETS: of what is
# locked for several processors, the variants for these. HEADER and REPORT: variables that get
# the paths of the headers, to be installed, and of the reports. Each function has a command of its own, so
# that a change of one makes that one alone again. ALLOW_LIBS: libraries that functions of the lock may
# call; what the lock says they are linked by (-l) is linked too.

cmake_policy(PUSH)
cmake_policy(VERSION 3.20...3.31)

# The functions of a lock file, each once.
function(_hone_functions lock ret)
    file(READ "${lock}" text)
    string(JSON n ERROR_VARIABLE bad LENGTH "${text}" functions)
    if(bad)
        message(FATAL_ERROR "hone_add_kernels: ${lock} is not a lock file of hone: ${bad}")
    endif()
    set(names)
    if(n GREATER 0)
        math(EXPR last "${n} - 1")
        foreach(k RANGE ${last})
            string(JSON name GET "${text}" functions ${k} function)
            list(APPEND names "${name}")
        endforeach()
        list(REMOVE_DUPLICATES names)
    endif()
    set(${ret} ${names} PARENT_SCOPE)
endfunction()

# What the functions of a lock that call a library are linked with, each once.
function(_hone_link_names lock kernels ret)
    file(READ "${lock}" text)
    string(JSON n ERROR_VARIABLE bad LENGTH "${text}" functions)
    set(names)
    if(NOT bad AND n GREATER 0)
        math(EXPR last "${n} - 1")
        foreach(k RANGE ${last})
            string(JSON function ERROR_VARIABLE bad GET "${text}" functions ${k} function)
            string(JSON link ERROR_VARIABLE none GET "${text}" functions ${k} library link)
            if(NOT none AND link AND function IN_LIST kernels)
                list(APPEND names "${link}")
            endif()
        endforeach()
        list(REMOVE_DUPLICATES names)
    endif()
    set(${ret} ${names} PARENT_SCOPE)
endfunction()

function(hone_add_kernels name)
    cmake_parse_arguments(PARSE_ARGV 1 H "" "LOCK;HEADER;REPORT" "KERNELS;TARGETS;ALLOW_LIBS")
    if(H_UNPARSED_ARGUMENTS OR H_KEYWORDS_MISSING_VALUES)
        message(FATAL_ERROR "hone_add_kernels: what is \"${H_UNPARSED_ARGUMENTS}"
                            "${H_KEYWORDS_MISSING_VALUES}\"?")
    endif()
    if(NOT HONE_EXECUTABLE)
        message(FATAL_ERROR "hone_add_kernels: no hone was found: set HONE_EXECUTABLE")
    endif()
    if(NOT H_LOCK)
        set(H_LOCK hone.lock)
    endif()
    get_filename_component(lock "${H_LOCK}" ABSOLUTE)
    if(NOT EXISTS "${lock}")
        message(FATAL_ERROR "hone_add_kernels: there is no ${lock}: `hone lock` makes it")
    endif()
    if(NOT H_KERNELS) # what there is may change with the file
        _hone_functions("${lock}" H_KERNELS)
        set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${lock}")
    endif()
    if(NOT H_KERNELS)
        message(FATAL_ERROR "hone_add_kernels: ${lock} has no function")
    endif()
    set(chosen)
    if(H_TARGETS)
        list(JOIN H_TARGETS "," chosen)
        set(chosen --target "${chosen}")
    endif()
    set(libraries)
    foreach(k ${H_ALLOW_LIBS})
        list(APPEND chosen --allow-lib ${k})
    endforeach()
    if(H_ALLOW_LIBS) # what is linked may change with the file
        _hone_link_names("${lock}" "${H_KERNELS}" libraries)
        set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${lock}")
    endif()

    set(folder "${CMAKE_CURRENT_BINARY_DIR}/${name}.hone")
    set(objects)
    set(headers)
    set(reports)
    foreach(k ${H_KERNELS})
        add_custom_command(
            OUTPUT "${folder}/${k}.o" # the one that is compared with what it is made of
            BYPRODUCTS "${folder}/${k}.h" "${folder}/${k}.json"
            COMMAND "${HONE_EXECUTABLE}" build --lock "${lock}" -o "${folder}" --locked
                    --depfile "${folder}/${k}.d" ${chosen} ${k}
            DEPENDS "${lock}" "${HONE_EXECUTABLE}"
            DEPFILE "${folder}/${k}.d"
            COMMENT "hone: ${k}"
            VERBATIM)
        list(APPEND objects "${folder}/${k}.o")
        list(APPEND headers "${folder}/${k}.h")
        list(APPEND reports "${folder}/${k}.json")
    endforeach()
    set_source_files_properties(${objects} PROPERTIES EXTERNAL_OBJECT TRUE GENERATED TRUE)
    get_property(languages GLOBAL PROPERTY ENABLED_LANGUAGES)
    set(language CXX)
    if("C" IN_LIST languages)
        set(language C)
    endif()
    add_library(${name} STATIC ${objects})
    set_target_properties(${name} PROPERTIES LINKER_LANGUAGE ${language})
    target_include_directories(${name} PUBLIC "$<BUILD_INTERFACE:${folder}>")
    target_link_libraries(${name} PUBLIC hone::hone_rt ${libraries})
    if(H_HEADER)
        set(${H_HEADER} ${headers} PARENT_SCOPE)
    endif()
    if(H_REPORT)
        set(${H_REPORT} ${reports} PARENT_SCOPE)
    endif()
endfunction()

cmake_policy(POP)
