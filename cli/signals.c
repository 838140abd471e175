/* Signals that ask a command to stop, which then ends in its own time. */
#include "cli/cli.h"

#include <signal.h>

static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
    (void)sig;
    stop = 1;
    signal(sig, SIG_DFL); /* a second one ends us at once; the log is safe either way */
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

void cli_stop(void)
{
    stop = 1;
}

bool cli_stopped(void *ctx)
{
    (void)ctx;
    return stop;
}
