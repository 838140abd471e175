/* What the programs that put a service under load begin and end with: their options, a folder for
 * as long as they run, the endpoint and the log in it, and what was found to be wrong. */
#ifndef HONE_TESTS_FARM_PROGRAM_H
#define HONE_TESTS_FARM_PROGRAM_H

#include "tests/farm/light.h"

static char folder[64], *endpoint, *db_path;
static light_shared *shared;
static int bad; /* the exit code */

static inline void check(bool holds, const char *fmt, ...) HONE_PRINTF(2, 3);
static inline void check(bool holds, const char *fmt, ...)
{
    va_list ap;
    if (holds)
        return;
    bad = 1;
    va_start(ap, fmt);
    printf("FAILED: ");
    vprintf(fmt, ap);
    va_end(ap);
    printf("\n");
}

static inline void pause_ms(int64_t ms)
{
    usleep((useconds_t)(ms * 1000));
}

static inline double seconds_since(int64_t start)
{
    return (double)(hone_clock_ns() - start) / 1e9;
}

/* An option is a number, at least 1, or a word that stands alone. */
typedef struct program_option {
    const char *name;
    long *number;
    bool *flag;
} program_option;

/* False: what is asked for is none of these. */
static inline bool program_options(int argc, char **argv, const program_option *options, size_t n)
{
    for (int k = 1; k < argc; k++) {
        size_t i = 0;
        while (i < n && strcmp(argv[k], options[i].name) != 0)
            i++;
        if (i == n || (options[i].number && k + 1 == argc))
            return false;
        if (options[i].flag)
            *options[i].flag = true;
        else if ((*options[i].number = strtol(argv[++k], NULL, 10)) < 1)
            return false;
    }
    return true;
}

/* name: of the folder. */
static inline void program_begin(const char *name)
{
    const char *dir = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/hone-%.8s-XXXXXX", dir && strlen(dir) < 40 ? dir : "/tmp",
             name);
    if (!mkdtemp(folder))
        light_die("no folder");
    endpoint = hone_xasprintf("ipc://%s/s", folder);
    db_path = hone_xasprintf("%s/farm.db", folder);
    shared = light_share();
}

/* The exit code. What processes have said (*.out) is shown when something is wrong. */
static inline int program_end(void)
{
    char *command =
        hone_xasprintf("%srm -rf %s", bad ? "tail -n 5 *.out 2>/dev/null; " : "", folder);
    bad |= chdir(folder) != 0 || system(command) != 0;
    free(command);
    free(endpoint);
    free(db_path);
    return bad;
}

#endif
