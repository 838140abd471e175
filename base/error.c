/* The error record, and the end of a program that has a bug. */
#include "base/base.h"

#include <errno.h>

static void fill(hone_error *err, hone_status s, const char *fmt, va_list ap)
{
    err->status = s;
    err->sys = 0;
    err->line = err->column = 0;
    err->where[0] = '\0';
    vsnprintf(err->message, sizeof err->message, fmt, ap);
}

hone_status hone_fail(hone_error *err, hone_status s, const char *fmt, ...)
{
    if (err) {
        va_list ap;
        va_start(ap, fmt);
        fill(err, s, fmt, ap);
        va_end(ap);
    }
    return s;
}

hone_status hone_fail_errno(hone_error *err, hone_status s, const char *fmt, ...)
{
    int sys = errno;
    if (sys == ENOSPC || sys == EDQUOT)
        s = HONE_E_FULL;
    if (err) {
        va_list ap;
        va_start(ap, fmt);
        fill(err, s, fmt, ap);
        va_end(ap);
        size_t n = strlen(err->message);
        snprintf(err->message + n, sizeof err->message - n, ": %s", strerror(sys));
        err->sys = sys;
    }
    return s;
}

void hone_error_clear(hone_error *err)
{
    if (err)
        memset(err, 0, sizeof *err);
}

void hone_bug(const char *file, int line, const char *what)
{
    fprintf(stderr, "hone: bug at %s:%d: %s\n", file, line, what);
    abort();
}
