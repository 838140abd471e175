/* Code that was just made, run in a child that is closed in: when it is wrong it takes nobody with
 * it, and it can open, start and reach nothing. */
#include "workers/sandbox/sandbox.h"
#include "workers/workers.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* What the child says; both processes see it. */
typedef struct word {
    hone_status status;
    bool said;
    hone_error err;
} word;

/* ---- the child ----------------------------------------------------------------------------- */

static int add_run(scmp_filter_ctx f)
{
    static const int calls[] = {
        SCMP_SYS(futex),
        SCMP_SYS(clock_gettime),
        SCMP_SYS(munmap),
        SCMP_SYS(mremap),
        SCMP_SYS(madvise),
        SCMP_SYS(brk),
        SCMP_SYS(rt_sigreturn),
        SCMP_SYS(rt_sigprocmask),
        SCMP_SYS(sigaltstack),
        SCMP_SYS(sched_yield),
        SCMP_SYS(sched_getaffinity), /* the pool's threads move out of each other's way */
        SCMP_SYS(sched_setaffinity),
        SCMP_SYS(getcpu),
        SCMP_SYS(getpid),
        SCMP_SYS(gettid),
        SCMP_SYS(restart_syscall),
        SCMP_SYS(exit),
        SCMP_SYS(exit_group),
    };
    return hone_sandbox__add_calls(f, calls, HONE_LEN(calls));
}

static void close_in(void)
{
#ifndef __SANITIZE_THREAD__ /* its runtime makes calls of its own at any time */
    int e = hone_sandbox__enter(add_run, SCMP_ACT_ERRNO(EPERM));
    if (e)
        hone_log(HONE_LOG_WARN,
                 "this system refuses seccomp filters: what runs is not kept from the files and "
                 "networks of this user: %s",
                 strerror(e));
#endif
}

static _Noreturn void be_child(const hone_apart *a, word *w, pid_t parent)
{
    /* neither the parent's way to stop nor what it does about its own faults */
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGSEGV, SIGBUS, SIGFPE, SIGILL};
    for (size_t k = 0; k < HONE_LEN(signals); k++)
        signal(signals[k], SIG_DFL);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent)
        _exit(1);
    w->status = a->set_up(a->ctx, &w->err);
    if (w->status == HONE_OK) {
        close_in();
        w->status = a->run(a->ctx, &w->err);
    }
    w->said = true;
    _exit(0);
}

/* ---- the parent ---------------------------------------------------------------------------- */

static hone_status ended(int status, const word *w, hone_error *err)
{
    if (WIFSIGNALED(status)) {
        int s = WTERMSIG(status);
        bool outside = s == SIGKILL || s == SIGTERM || s == SIGINT || s == SIGHUP;
        return hone_fail(err, outside ? HONE_E_KILLED : HONE_E_CRASHED, "%s: %s",
                         outside ? "was killed" : "crashed", strsignal(s));
    }
    if (!w->said)
        return hone_fail(err, HONE_E_CRASHED, "ended with status %d before it was done",
                         WEXITSTATUS(status));
    if (w->status != HONE_OK && err)
        *err = w->err;
    return w->status;
}

void *hone_apart_memory(int64_t bytes)
{
    void *p = mmap(NULL, (size_t)(bytes ? bytes : 1), PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

void hone_apart_free(void *p, int64_t bytes)
{
    if (p)
        munmap(p, (size_t)(bytes ? bytes : 1));
}

/* Waits until the child has ended, or ends it when `stop` says so: a signal may come at any moment,
 * also just before poll, so it is asked at least so often. *ret_status: as of waitpid. */
#define ASK_MS 200

static hone_status wait_for(const hone_apart *a, pid_t child, int alive, int *ret_status,
                            hone_error *err)
{
    struct pollfd end = {.fd = alive, .events = POLLIN};
    bool stopped = false;
    while (poll(&end, 1, ASK_MS) <= 0 && !stopped) {
        stopped = a->stop && a->stop(NULL);
        if (stopped)
            kill(child, SIGKILL);
    }
    while (waitpid(child, ret_status, 0) < 0)
        if (errno != EINTR)
            return hone_fail_errno(err, HONE_E_KILLED, "is gone");
    if (a->stop && a->stop(NULL))
        return hone_fail(err, HONE_E_INTERRUPTED, "interrupted");
    return HONE_OK;
}

hone_status hone_apart_run(const hone_apart *a, hone_error *err)
{
    word *w = hone_apart_memory(sizeof *w);
    int alive[2]; /* nobody writes; who reads sees that the child, which has the other end, is dead
                   */
    if (!w)
        return hone_fail_errno(err, HONE_E_NOMEM, "no memory to share with a child");
    if (pipe2(alive, O_CLOEXEC) != 0) {
        hone_apart_free(w, sizeof *w);
        return hone_fail_errno(err, HONE_E_LIMIT, "no pipe to a child");
    }
    pid_t parent = getpid(), child = fork();
    if (child == 0)
        be_child(a, w, parent);
    hone_status st =
        child < 0 ? hone_fail_errno(err, HONE_E_LIMIT, "cannot start a process") : HONE_OK;
    int status = 0;
    close(alive[1]);
    if (st == HONE_OK)
        st = wait_for(a, child, alive[0], &status, err);
    if (st == HONE_OK)
        st = ended(status, w, err);
    close(alive[0]);
    hone_apart_free(w, sizeof *w);
    return st;
}
