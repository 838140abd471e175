/* Why a build server died, and whose fault that is: a pure function. */
#include "workers/worker/build.h"

#include <signal.h>
#include <sys/wait.h>

/* Signals by which a compiler fails over a program. Any other was sent. */
static bool is_crash(int sig)
{
    return sig == SIGSEGV || sig == SIGBUS || sig == SIGFPE || sig == SIGILL || sig == SIGTRAP ||
           sig == SIGABRT;
}

static hone_status by_signal(int sig, const hone_sandbox__limits *l, hone_error *err)
{
    const char *text = strsignal(sig);
    if (sig == SIGXCPU && l->cpu_seconds != HONE_SANDBOX__NO_LIMIT)
        return hone_fail(err, HONE_E_LIMIT,
                         "a process may have %" PRIu64 " s of processor time here (ulimit -t), and "
                         "builds need more",
                         l->cpu_seconds);
    if (!is_crash(sig))
        return hone_fail(err, HONE_E_KILLED, "the build process was killed from outside (%s)%s",
                         text, sig == SIGKILL ? ", perhaps for want of memory" : "");
    /* LLVM has no other way to say that it gets no memory. */
    if (sig == SIGABRT && l->address_bytes != HONE_SANDBOX__NO_LIMIT)
        return hone_fail(err, HONE_E_NOMEM,
                         "the build process died: %s, perhaps because a process may have %" PRIu64
                         " MiB here (ulimit -v)",
                         text, l->address_bytes >> 20);
    return hone_fail(err, HONE_REJECT_BUILD, "the build process died: signal %d, %s", sig, text);
}

hone_status hone_workers__explain_build(const hone_workers__build_end *e,
                                        const hone_sandbox__limits *l, hone_error *err)
{
    if (!e->known)
        return hone_fail(err, HONE_E_KILLED, "the processes that build are gone");
    if (WIFSIGNALED(e->status))
        return by_signal(WTERMSIG(e->status), l, err);
    if (WEXITSTATUS(e->status) == 1) /* hone_xmalloc */
        return hone_fail(err, HONE_E_NOMEM, "the build process got no memory");
    return hone_fail(err, HONE_E_PEER, "the build process ended with exit code %d",
                     WEXITSTATUS(e->status));
}
