/* One live line on stderr while tuning; nothing when stderr is not a terminal. */
#include "cli/cli.h"
#include "tuner/tuner.h"

#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

static volatile sig_atomic_t live;
static char line[512], title[200];

static void hook(bool before)
{
    if (before)
        fputs("\r\033[K", stderr);
    else
        fputs(line, stderr);
}

bool cli_progress_is_live(void)
{
    return live;
}

/* As much of the text as there is room for. Frees it. */
static void show(hone_buf *text)
{
    struct winsize w;
    char *clean = hone_text_clean(text->s); /* a service may have said it */
    snprintf(line, sizeof line, "%s", clean);
    free(clean);
    hone_buf_free(text);
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 1 && w.ws_col < sizeof line)
        line[w.ws_col - 1] = '\0';
    fprintf(stderr, "\r\033[K%s", line);
}

void cli_progress_start(const char *what)
{
    hone_buf b = {0};
    live = isatty(STDERR_FILENO);
    if (!live)
        return;
    snprintf(title, sizeof title, "%s", what);
    hone_buf_printf(&b, "%s ...", title);
    show(&b);
    hone_log_set_hook(hook);
}

void cli_progress_draw(const hone_progress *p)
{
    if (!live)
        return;
    char best[32] = "-";
    uint64_t rejected = 0;
    hone_status most = HONE_OK;
    for (int s = 0; s < HONE_STATUS_COUNT; s++) {
        rejected += p->rejected[s];
        if (p->rejected[s] > p->rejected[most])
            most = (hone_status)s;
    }
    if (p->best_ns)
        cli_format_ns((double)p->best_ns, best);
    hone_buf b = {0};
    hone_buf_printf(&b, "%s: trial %" PRIu64, p->phase, p->trials);
    if (p->budget)
        hone_buf_printf(&b, "/%" PRIu64, p->budget);
    hone_buf_printf(&b, ", best %s, %.1f GFLOP/s", best, p->gflops);
    if (rejected)
        hone_buf_printf(&b, ", %" PRIu64 " rejected (most: %s)", rejected, hone_status_text(most));
    if (p->left_ns >= 0)
        hone_buf_printf(&b, ", %.0f s left", (double)p->left_ns / 1e9);
    show(&b);
}

static void say(const char *head, const char *fmt, va_list ap)
{
    char text[sizeof line];
    if (!live)
        return;
    vsnprintf(text, sizeof text, fmt, ap);
    hone_buf b = {0};
    hone_buf_printf(&b, "%s%s%s", head ? head : "", head ? ": " : "", text);
    show(&b);
}

void cli_progress_say(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    say(NULL, fmt, ap);
    va_end(ap);
}

void cli_progress_step(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    say(title, fmt, ap);
    va_end(ap);
}

void cli_progress_end(void)
{
    if (!live)
        return;
    hone_log_set_hook(NULL);
    fputs("\r\033[K", stderr);
    live = false;
}
