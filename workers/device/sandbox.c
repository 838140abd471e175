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
    SCMP_SYS(futex),           SCMP_SYS(clock_gettime),  SCMP_SYS(munmap),
    SCMP_SYS(mremap),          SCMP_SYS(madvise),        SCMP_SYS(brk),
    SCMP_SYS(rt_sigreturn),    SCMP_SYS(rt_sigprocmask), SCMP_SYS(sched_yield),
    SCMP_SYS(restart_syscall), SCMP_SYS(exit),           SCMP_SYS(exit_group),
#ifdef __SANITIZE_ADDRESS__
    SCMP_SYS(sigaltstack), /* before each function that does not return */
#endif
};

/* What dlopen of a descriptor needs besides, and the second filter. */
static const int loading[] = {
    SCMP_SYS(newfstatat), SCMP_SYS(fstat),  SCMP_SYS(pread64),  SCMP_SYS(lseek),
    SCMP_SYS(close),      SCMP_SYS(getcwd), SCMP_SYS(read),     SCMP_SYS(readlink),
    SCMP_SYS(seccomp),    SCMP_SYS(mmap),   SCMP_SYS(mprotect),
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
    static const int maps[] = {SCMP_SYS(mmap), SCMP_SYS(mprotect)};
    int e = add_common(f);
    /* Memory may be had, but never memory that can be executed. */
    for (size_t i = 0; i < HONE_LEN(maps) && e == 0; i++)
        e = seccomp_rule_add(f, SCMP_ACT_ALLOW, maps[i], 1,
                             SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
    if (e == 0)
        e = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(read), 1,
                             SCMP_A0(SCMP_CMP_EQ, HONE_DEVICE__FD_COMMAND, 0));
    return e;
}

/* libseccomp writes a compiled filter to a descriptor only; read it back. */
static int export_filter(scmp_filter_ctx f, hone_device__filter *ret)
{
    int fd = memfd_create("hone-filter", MFD_CLOEXEC);
    if (fd < 0)
        return -errno;
    int e = seccomp_export_bpf(f, fd);
    off_t size = e == 0 ? lseek(fd, 0, SEEK_END) : -1;
    size_t n = size > 0 ? (size_t)size / sizeof *ret->code : 0;
    if (e == 0 && n > 0 && n <= BPF_MAXINSNS) {
        ret->code = hone_xmalloc(n * sizeof *ret->code);
        ret->n = (unsigned short)n;
        if (pread(fd, ret->code, n * sizeof *ret->code, 0) != size)
            e = -EIO;
    } else if (e == 0) {
        e = -EINVAL;
    }
    close(fd);
    return e;
}

static int build(int (*add)(scmp_filter_ctx), hone_device__filter *ret)
{
    scmp_filter_ctx f = seccomp_init(SCMP_ACT_KILL_PROCESS);
    if (!f)
        return -ENOMEM;
    int e = seccomp_attr_set(f, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    if (e == 0)
        e = add(f);
    if (e == 0) /* a tree instead of a list; needs rules to be there */
        e = seccomp_attr_set(f, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    if (e == 0)
        e = export_filter(f, ret);
    seccomp_release(f);
    return e;
}

int hone_device__filter_apply(const hone_device__filter *f)
{
    struct sock_fprog program = {.len = f->n, .filter = f->code};
    long r = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                     SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_SPEC_ALLOW, &program);
    /* A positive result is a thread that could not be brought under the filter. */
    return r == 0 ? 0 : r > 0 ? EBUSY : errno;
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
            e = hone_device__filter_apply(&s->load);
        if (e == 0)
            e = hone_device__filter_apply(&s->run);
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
        return hone_fail(err, HONE_E_SANDBOX,
                         "this system refuses seccomp filters: %s. Run kernels where Linux is 4.17 "
                         "or later and the container allows seccomp, or trust them and turn the "
                         "sandbox off",
                         strerror(WEXITSTATUS(status)));
    return hone_fail(err, HONE_E_SANDBOX,
                     "seccomp filters have no effect here; kernels would run "
                     "unconfined");
}

hone_status hone_device__sandbox_init(bool on, hone_device__sandbox *ret, hone_error *err)
{
    *ret = (hone_device__sandbox){.on = on};
    if (!on)
        return HONE_OK;
    int e = build(add_load, &ret->load);
    if (e == 0)
        e = build(add_run, &ret->run);
    if (e != 0)
        return hone_fail(err, HONE_E_SANDBOX, "cannot build the seccomp filters: %s", strerror(-e));
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
