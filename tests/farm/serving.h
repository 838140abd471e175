/* For tests of the service as it runs: before each a folder of its own, and after it neither
 * service nor light workers are left. Include it behind cmocka.h. */
#ifndef HONE_TESTS_FARM_SERVING_H
#define HONE_TESTS_FARM_SERVING_H

#include "tests/farm/light.h"

static char folder[64], *endpoint, *db_path;
static light_shared *shared;
static pid_t lights, service;

static int setup(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/hone-serving-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    endpoint = hone_xasprintf("ipc://%s/s", folder);
    db_path = hone_xasprintf("%s/farm.db", folder);
    shared = light_share();
    lights = service = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    if (lights)
        light_end(lights, SIGKILL);
    if (service)
        light_end(service, SIGKILL);
    char *command = hone_xasprintf("rm -rf %s", folder);
    int rc = system(command);
    free(command);
    free(endpoint);
    free(db_path);
    munmap(shared, sizeof *shared);
    return rc;
}

#endif
