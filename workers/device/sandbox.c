/* What keeps a measuring child in: two seccomp filters, limits, and where allowed a network of its
 * own without interfaces.
 *
 * The filters are compiled once, in the nursery, and applied as plain BPF: a child spends
 * microseconds on it. `load` holds while the artifact is opened (by dlopen, before any of its code
 * can run), `run` from then on. Both may slow nothing down: SPEC_ALLOW keeps the kernel from
 * turning off speculation for a process that has a filter, which Linux before 5.16 does. */
#include "workers/device/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- filters ------------------------------------------------------------------------------- */

/* What the pool, malloc and the end of a process need. */
static const int always[] = {
    SCMP_SYS(futex),        SCMP_SYS(clock_gettime),
    SCMP_SYS(munmap),       SCMP_SYS(mremap),
    SCMP_SYS(madvise),      SCMP_SYS(brk),
    SCMP_SYS(rt_sigreturn), SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(sched_yield),  SCMP_SYS(restart_syscall),
    SCMP_SYS(exit),         SCMP_SYS(exit_group),
#if __SIZEOF_POINTER__ == 4 /* which has other calls for 64-bit times and offsets */
    SCMP_SYS(futex_time64), SCMP_SYS(clock_gettime64),
#endif
#ifdef __SANITIZE_ADDRESS__
    SCMP_SYS(sigaltstack), /* before each function that does not return */
#endif
};

/* What dlopen of a descriptor needs besides, and the second filter. */
static const int loading[] = {
    SCMP_SYS(newfstatat), SCMP_SYS(fstat),   SCMP_SYS(pread64),  SCMP_SYS(lseek),   SCMP_SYS(close),
    SCMP_SYS(getcwd),     SCMP_SYS(read),    SCMP_SYS(readlink), SCMP_SYS(seccomp), SCMP_SYS(mmap),
    SCMP_SYS(mprotect),
#if __SIZEOF_POINTER__ == 4
    SCMP_SYS(fstatat64),  SCMP_SYS(fstat64), SCMP_SYS(statx),    SCMP_SYS(_llseek), SCMP_SYS(mmap2),
#endif
};

#if __SIZEOF_POINTER__ == 4
#define MMAP SCMP_SYS(mmap2)
#else
#define MMAP SCMP_SYS(mmap)
#endif

/* What libraries ask of the system in their calls: who and where they are, where memory lies, how
 * long to wait. */
static const int by_libraries[] = {
    SCMP_SYS(gettid),        SCMP_SYS(getpid),  SCMP_SYS(getcpu),
    SCMP_SYS(nanosleep),     SCMP_SYS(mbind),   SCMP_SYS(clock_nanosleep),
    SCMP_SYS(get_mempolicy), SCMP_SYS(sysinfo), SCMP_SYS(sched_getaffinity),
};

static int add_common(scmp_filter_ctx f)
{
    int e = 0;
    for (size_t i = 0; i < HONE_LEN(always) && e == 0; i++)
        e = seccomp_rule_add(f, SCMP_ACT_ALLOW, always[i], 0);
    if (e == 0)
        e = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(write), 1,
                             SCMP_A0(SCMP_CMP_EQ, HONE_DEVICE__FD_EVENT, 0));
    return e;
}

static int add_load(scmp_filter_ctx f)
{
    int e = add_common(f);
    for (size_t i = 0; i < HONE_LEN(loading) && e == 0; i++)
        e = seccomp_rule_add(f, SCMP_ACT_ALLOW, loading[i], 0);
    if (e == 0)
        e = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(openat), 1,
                             SCMP_A2(SCMP_CMP_MASKED_EQ, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY));
    return e;
}

static int add_run(scmp_filter_ctx f)
{
    int e = add_common(f);
    /* Memory may be had, but never memory that can be executed, nor any that is shared: that would
     * not count as this process's, and no limit would hold it. */
    if (e == 0)
        e = seccomp_rule_add(f, SCMP_ACT_ALLOW, MMAP, 2, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0),
                             SCMP_A3(SCMP_CMP_MASKED_EQ, MAP_TYPE, MAP_PRIVATE));
    if (e == 0)
        e = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
                             SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
    if (e == 0)
        e = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(read), 1,
                             SCMP_A0(SCMP_CMP_EQ, HONE_DEVICE__FD_COMMAND, 0));
    return e;
}

static int add_calls_of_libraries(scmp_filter_ctx f)
{
    int e = 0;
    for (size_t i = 0; i < HONE_LEN(by_libraries) && e == 0; i++)
        e = seccomp_rule_add(f, SCMP_ACT_ALLOW, by_libraries[i], 0);
    return e;
}

static int add_library_load(scmp_filter_ctx f)
{
    int e = add_load(f);
    return e ? e : add_calls_of_libraries(f);
}

static int add_library_run(scmp_filter_ctx f)
{
    int e = add_run(f);
    return e ? e : add_calls_of_libraries(f);
}

static hone_status refused(int sys, hone_error *err)
{
    return hone_fail(
        err, HONE_E_SANDBOX,
        "this system refuses seccomp filters: %s. Run kernels where Linux is 4.17 or "
        "later and the container allows seccomp, or trust them and turn the sandbox off",
        strerror(sys));
}

/* Some containers refuse seccomp itself: better known at the start than at each measurement. The
 * probe also shows that a forbidden call ends the process. */
static hone_status try_filters(const hone_device__sandbox *s, hone_error *err)
{
    pid_t pid = fork();
    if (pid < 0)
        return hone_fail_errno(err, HONE_E_SANDBOX, "cannot fork");
    if (pid == 0) {
        int e = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 ? 0 : errno;
        if (e == 0)
            e = hone_sandbox__filter_apply(&s->load);
        if (e == 0)
            e = hone_sandbox__filter_apply(&s->run);
        if (e != 0)
            _exit(e & 127 ? e & 127 : 127);
        syscall(SYS_getppid);
        _exit(0);
    }
    int status;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
        return HONE_OK;
    if (WIFEXITED(status) && WEXITSTATUS(status) != 0)
        return refused(WEXITSTATUS(status), err);
    return hone_fail(err, HONE_E_SANDBOX,
                     "seccomp filters have no effect here; kernels would run "
                     "unconfined");
}

hone_status hone_device__sandbox_init(bool on, hone_device__sandbox *ret, hone_error *err)
{
    *ret = (hone_device__sandbox){.on = on};
    if (!on)
        return HONE_OK;
    int e = hone_sandbox__filter_build(SCMP_ACT_KILL_PROCESS, add_load, &ret->load);
    if (e == 0)
        e = hone_sandbox__filter_build(SCMP_ACT_KILL_PROCESS, add_run, &ret->run);
    if (e == 0)
        e = hone_sandbox__filter_build(SCMP_ACT_KILL_PROCESS, add_library_load, &ret->library_load);
    if (e == 0)
        e = hone_sandbox__filter_build(SCMP_ACT_KILL_PROCESS, add_library_run, &ret->library_run);
    if (e != 0)
        return refused(-e, err);
    return try_filters(ret, err);
}

/* ---- the rest ------------------------------------------------------------------------------ */

void hone_device__sandbox_enter(bool on)
{
    if (!on)
        return;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
        hone_log(HONE_LOG_WARN, "sandbox: %s", strerror(errno));
    /* A second line behind seccomp, which allows no socket in the first place. */
    if (unshare(CLONE_NEWNET | CLONE_NEWIPC) != 0 &&
        unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWIPC) != 0)
        hone_log(HONE_LOG_INFO, "sandbox: no namespaces here (%s), going on with seccomp alone",
                 strerror(errno));
}

void hone_device__sandbox_limits(uint64_t cpu_seconds, uint64_t memory_bytes)
{
    hone_sandbox__limit(RLIMIT_CORE, 0, 0);
    hone_sandbox__limit(RLIMIT_FSIZE, 0, 0);
    hone_sandbox__limit(RLIMIT_NOFILE, 16, 16);
    hone_sandbox__limit(RLIMIT_NPROC, 0, 0);
    /* With both at the same second there would be no SIGXCPU, and SIGKILL has other senders. */
    hone_sandbox__limit(RLIMIT_CPU, cpu_seconds,
                        cpu_seconds == HONE_SANDBOX__NO_LIMIT ? cpu_seconds : cpu_seconds + 2);
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    (void)memory_bytes; /* shadow memory alone is terabytes */
#else
    hone_sandbox__limit(RLIMIT_DATA, memory_bytes, memory_bytes);
#endif
}
