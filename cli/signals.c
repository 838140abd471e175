/* Signals that ask a command to stop, which then ends in its own time. */
#include "cli/cli.h"

#include <signal.h>
#include <unistd.h>

static volatile sig_atomic_t stop, soon;

static void on_signal(int sig)
{
    (void)sig;
    stop = 1;
    signal(sig, SIG_DFL); /* a second one ends us at once; the log is safe either way */
    if (soon)
        alarm(1);
}

static void on_alarm(int sig)
{
    static const char line[] = "hone: interrupted\n", erase[] = "\r\033[K";
    (void)sig;
    ssize_t ignored = 0;
    if (cli_progress_is_live())
        ignored = write(STDERR_FILENO, erase, sizeof erase - 1);
    ignored = write(STDERR_FILENO, line, sizeof line - 1);
    (void)ignored;
    _exit(1);
}

void cli_catch_signals(void)
{
    const struct sigaction sa = {.sa_handler = on_signal};
    const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    for (unsigned k = 0; k < HONE_LEN(signals); k++) {
        struct sigaction was; /* what nohup, or a shell in the background, ignores stays so */
        if (sigaction(signals[k], NULL, &was) == 0 && was.sa_handler != SIG_IGN)
            sigaction(signals[k], &sa, NULL);
    }
}

void cli_catch_signals_soon(void)
{
    soon = 1;
    signal(SIGALRM, on_alarm);
    cli_catch_signals();
}

void cli_stop(void)
{
    stop = 1;
}

bool cli_stopped(void *ctx)
{
    (void)ctx;
    return stop;
}
