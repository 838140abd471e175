# hone_room(NAME [FOLDER dir] [OUTPUT lib] [ONLY files] [EXCLUDE files] DEPS ...): one static
# library per folder. Every .c of the folder and of the folders in it belongs to it, except
# those named.
function(hone_room name)
    cmake_parse_arguments(R "" "FOLDER;OUTPUT" "ONLY;EXCLUDE;DEPS" ${ARGN})
    if(NOT R_FOLDER)
        set(R_FOLDER ${name})
    endif()
    if(R_ONLY)
        list(TRANSFORM R_ONLY PREPEND ${CMAKE_SOURCE_DIR}/${R_FOLDER}/)
        set(sources ${R_ONLY})
    else()
        file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${R_FOLDER}/*.c)
        foreach(x ${R_EXCLUDE})
            list(REMOVE_ITEM sources ${CMAKE_SOURCE_DIR}/${R_FOLDER}/${x})
        endforeach()
    endif()
    add_library(${name} STATIC ${sources})
    set_target_properties(${name} PROPERTIES LINKER_LANGUAGE C)
    if(R_OUTPUT)
        set_target_properties(${name} PROPERTIES OUTPUT_NAME ${R_OUTPUT})
    else()
        set_target_properties(${name} PROPERTIES OUTPUT_NAME hone_${name})
    endif()
    target_include_directories(${name} PUBLIC ${CMAKE_SOURCE_DIR})
    target_link_libraries(${name} PUBLIC ${R_DEPS})
endfunction()

# Reading and writing the messages of a .proto file, made by protobuf-c, for one room alone; it includes
# <NAME.pb-c.h>.
function(hone_protobuf room proto)
    get_filename_component(name ${proto} NAME_WE)
    get_filename_component(folder ${proto} DIRECTORY)
    set(to ${CMAKE_BINARY_DIR}/proto)
    file(MAKE_DIRECTORY ${to})
    add_custom_command(OUTPUT ${to}/${name}.pb-c.c ${to}/${name}.pb-c.h VERBATIM
        DEPENDS ${CMAKE_SOURCE_DIR}/${proto}
        COMMAND ${PROTOC_C} --proto_path=${CMAKE_SOURCE_DIR}/${folder} --c_out=${to} ${name}.proto)
    set_source_files_properties(${to}/${name}.pb-c.c PROPERTIES COMPILE_OPTIONS -w)
    target_sources(${room} PRIVATE ${to}/${name}.pb-c.c)
    target_include_directories(${room} SYSTEM PRIVATE ${to})
endfunction()

# hone: its main, and the commands, which are a library, so that tests can link them. hone-device: its
# main and the workers room. The target `programs` builds what is installed.
function(hone_programs)
    file(GLOB task_lists CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/workloads/tasks/*.json)
    set_source_files_properties(${CMAKE_SOURCE_DIR}/cli/tasks.c PROPERTIES OBJECT_DEPENDS
                                "${task_lists}") # .incbin
    file(GLOB page CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/cli/report/page.*
         ${CMAKE_SOURCE_DIR}/cli/report/profile.* ${CMAKE_SOURCE_DIR}/cli/report/uPlot.*)
    set_source_files_properties(${CMAKE_SOURCE_DIR}/cli/report/page.c PROPERTIES OBJECT_DEPENDS
                                "${page}") # .incbin
    file(GLOB farm_page CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/farm/page/page.*)
    set_source_files_properties(${CMAKE_SOURCE_DIR}/farm/page/frame.c PROPERTIES OBJECT_DEPENDS
                                "${farm_page};${page}") # .incbin
    hone_room(cli EXCLUDE main.c hone_device.c DEPS farm builder net m)
    add_executable(hone cli/main.c)
    target_link_libraries(hone PRIVATE cli)
    set_target_properties(hone PROPERTIES ENABLE_EXPORTS ON)
    add_executable(hone-device cli/hone_device.c)
    target_link_libraries(hone-device PRIVATE workers)
    add_custom_target(programs DEPENDS hone hone-device runtime)
endfunction()
