/* Allocation that does not fail, and the growing of arrays. */
#include "base/base.h"

#include <unistd.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

/* n bytes that were asked for, times `size`. */
static void *checked(void *p, size_t n, size_t size)
{
    if (!p) {
        char line[120];
        size_t all;
        int k =
            __builtin_mul_overflow(n, size, &all)
                ? snprintf(line, sizeof line,
                           "hone: out of memory: %zu times %zu bytes were wanted\n", n, size)
                : snprintf(line, sizeof line, "hone: out of memory: %zu bytes were wanted\n", all);
        ssize_t ignored = write(STDERR_FILENO, line, (size_t)k);
        (void)ignored;
        _exit(1);
    }
    return p;
}

void *hone_xmalloc(size_t n)
{
    return checked(malloc(n ? n : 1), n, 1);
}

void *hone_xcalloc(size_t n, size_t size)
{
    return checked(calloc(n ? n : 1, size ? size : 1), n, size);
}

void *hone_xrealloc(void *p, size_t n)
{
    return checked(realloc(p, n ? n : 1), n, 1);
}

double hone_mem_all(void)
{
    double pages = (double)sysconf(_SC_PHYS_PAGES), page = (double)sysconf(_SC_PAGESIZE);
    return pages > 0 && page > 0 ? pages * page : (double)INT64_MAX;
}

void hone_mem_give_back(void)
{
#ifdef __GLIBC__
    malloc_trim(0);
#endif
}

char *hone_xstrdup(const char *s)
{
    return checked(strdup(s), strlen(s) + 1, 1);
}

char *hone_xasprintf(const char *fmt, ...)
{
    char *s = NULL;
    va_list ap;
    va_start(ap, fmt);
    int n = vasprintf(&s, fmt, ap);
    va_end(ap);
    return checked(n < 0 ? NULL : s, strlen(fmt), 1);
}

void *hone_vec_grow(void *v, uint32_t *cap, uint32_t n, uint32_t extra, size_t size)
{
    uint64_t need = (uint64_t)n + extra;
    HONE_ASSERT(need < UINT32_MAX / 2);
#ifdef HONE_STRESS
    void *moved = hone_xmalloc(need * size);
    if (n)
        memcpy(moved, v, n * size);
    free(v);
    *cap = (uint32_t)need;
    return moved;
#else
    if (need <= *cap)
        return v;
    uint64_t c = *cap ? *cap * 2ull : extra > 16 ? extra : 16; /* a copy is as long as it is */
    while (c < need)
        c *= 2;
    *cap = (uint32_t)c;
    return hone_xrealloc(v, c * size);
#endif
}
