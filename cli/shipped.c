/* The log that comes with hone, which `--db shipped` names. */
#include "cli/lookup.h"

#include <unistd.h>

/* Installed: BIN/../share/hone. Built: beside the program. */
static const char *const places[] = {"../share/hone/shipped.db", "shipped.db"};

hone_status cli_log_path(const char *given, char ret[PATH_MAX], hone_error *err)
{
    if (strcmp(given, "shipped") != 0) {
        snprintf(ret, PATH_MAX, "%s", given);
        return strlen(given) < PATH_MAX ? HONE_OK
                                        : hone_fail(err, HONE_E_INPUT, "the path is too long");
    }
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n <= 0)
        return hone_fail_errno(err, HONE_E_IO, "where this program lies cannot be found out");
    self[n] = 0;
    *strrchr(self, '/') = 0;
    for (unsigned k = 0; k < HONE_LEN(places); k++)
        if (snprintf(ret, PATH_MAX, "%s/%s", self, places[k]) < PATH_MAX && access(ret, F_OK) == 0)
            return HONE_OK;
    return hone_fail(err, HONE_E_NOTFOUND, "no log comes with this hone: %s/%s is not there", self,
                     places[0]);
}
