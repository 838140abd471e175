/* Lines for people on stderr, and the two clocks. */
#include "base/base.h"

#include <stdatomic.h>
#include <time.h>

static _Atomic int current_level = HONE_LOG_WARN;
static void (*_Atomic current_hook)(bool);
static const char *name = "hone";

void hone_log_set_name(const char *program)
{
    name = program;
}

void hone_log_set_level(hone_log_level level)
{
    current_level = level;
}

void hone_log_set_hook(void (*hook)(bool before))
{
    current_hook = hook;
}

void hone_log(hone_log_level level, const char *fmt, ...)
{
    static const char *const prefix[] = {"", "warning: ", "", "debug: "};
    if ((int)level > current_level)
        return;
    hone_buf b = {0};
    va_list ap;
    va_start(ap, fmt);
    char text[2048];
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    char *clean = hone_text_clean(text); /* paths, and what strangers send */
    hone_buf_printf(&b, "%s: %s%s\n", name, prefix[level], clean);
    free(clean);
    void (*hook)(bool) = current_hook;
    if (hook)
        hook(true);
    fwrite(b.s, 1, b.n, stderr);
    if (hook)
        hook(false);
    hone_buf_free(&b);
}

int64_t hone_clock_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int64_t hone_clock_wall_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}
