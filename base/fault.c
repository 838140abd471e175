#include "base/base.h"

#include <pthread.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static char *armed;
static long nth, seen;

static void read_environment(void)
{
    const char *e = getenv("HONE_FAULT");
    if (!e)
        return;
    armed = hone_xstrdup(e);
    char *colon = strrchr(armed, ':');
    if (colon) {
        *colon = '\0';
        nth = strtol(colon + 1, NULL, 10);
    }
}

bool hone_fault(const char *site)
{
    pthread_once(&once, read_environment);
    if (!armed || strcmp(armed, site) != 0)
        return false;
    return nth == 0 || ++seen == nth;
}
