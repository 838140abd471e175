/* Named sites that fail on request, for tests of what happens then. */
#include "base/base.h"

#include <pthread.h>

#define MOST_SITES 8

typedef struct armed_site {
    char name[64];
    bool every; /* each nth time, instead of the nth only */
    long nth;   /* 0: every time */
    long seen;
} armed_site;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static armed_site sites[MOST_SITES];
static unsigned n_sites;

static void arm(const char *text, size_t n)
{
    size_t name = strcspn(text, ":/,");
    armed_site *s = &sites[n_sites];
    if (n_sites == MOST_SITES || name == 0 || name >= sizeof s->name)
        return;
    memcpy(s->name, text, name);
    s->every = text[name] == '/';
    s->nth = name < n ? strtol(text + name + 1, NULL, 10) : 0;
    n_sites++;
}

static void read_environment(void)
{
    const char *e = getenv("HONE_FAULT");
    while (e && *e) {
        size_t n = strcspn(e, ",");
        arm(e, n);
        e += n + (e[n] == ',');
    }
}

static bool is_due(armed_site *s)
{
    s->seen++;
    return s->nth == 0 || (s->every ? s->seen % s->nth == 0 : s->seen == s->nth);
}

bool hone_fault(const char *site)
{
    bool due = false;
    pthread_once(&once, read_environment);
    if (n_sites == 0)
        return false;
    pthread_mutex_lock(&lock);
    for (unsigned k = 0; k < n_sites && !due; k++)
        due = strcmp(sites[k].name, site) == 0 && is_due(&sites[k]);
    pthread_mutex_unlock(&lock);
    return due;
}
