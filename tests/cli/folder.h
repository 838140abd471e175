/* A folder of the test's own under /tmp, where it runs commands; for cmocka_run_group_tests. */
#ifndef HONE_TESTS_CLI_FOLDER_H
#define HONE_TESTS_CLI_FOLDER_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char folder[] = "/tmp/hone-cli.XXXXXX";

static inline int make_folder(void **state)
{
    (void)state;
    unsetenv("HONE_DEBUG");
    unsetenv("HONE_FAULT");
    return mkdtemp(folder) ? 0 : -1;
}

static inline int remove_folder(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

#endif
