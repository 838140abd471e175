/* What keeps the processes that build in. The compiler reads what others wrote, and needs nothing
 * but memory. The linker reads what the compiler wrote, and is a program of this system that has to
 * be started and reads libraries of the system; so it lives in a process of its own. */
#include "workers/sandbox/sandbox.h"

#include <errno.h>
#include <libgen.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

/* ---- rules of all ------------------------------------------------------------------------- */

int hone_sandbox__add_calls(scmp_filter_ctx f, const int *calls, size_t n)
{
    static const int maps[] = {SCMP_SYS(mmap), SCMP_SYS(mprotect)};
    int e = 0;
    for (size_t i = 0; i < n && e == 0; i++)
        e = seccomp_rule_add(f, SCMP_ACT_ALLOW, calls[i], 0);
    for (size_t i = 0; i < HONE_LEN(maps) && e == 0; i++)
        e = seccomp_rule_add(f, SCMP_ACT_ALLOW, maps[i], 1,
                             SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
    if (e == 0) /* messages */
        e = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(write), 1,
                             SCMP_A0(SCMP_CMP_EQ, STDERR_FILENO, 0));
    if (e == 0) /* how a process aborts */
        e = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
                             SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid(), 0));
    return e;
}

/* ---- the compiler -------------------------------------------------------------------------- */

static int add_compiler(scmp_filter_ctx f)
{
    static const int calls[] = {
        SCMP_SYS(futex),           SCMP_SYS(clock_gettime),
        SCMP_SYS(clock_nanosleep), SCMP_SYS(nanosleep),
        SCMP_SYS(munmap),          SCMP_SYS(mremap),
        SCMP_SYS(madvise),         SCMP_SYS(brk),
        SCMP_SYS(rt_sigreturn),    SCMP_SYS(rt_sigprocmask),
        SCMP_SYS(rt_sigaction),    SCMP_SYS(sigaltstack),
        SCMP_SYS(sched_yield),     SCMP_SYS(sched_getaffinity),
        SCMP_SYS(restart_syscall), SCMP_SYS(exit),
        SCMP_SYS(exit_group),      SCMP_SYS(getpid),
        SCMP_SYS(gettid),          SCMP_SYS(getrandom),
        SCMP_SYS(getrusage),       SCMP_SYS(recvfrom),
        SCMP_SYS(recvmsg),         SCMP_SYS(sendto),
        SCMP_SYS(sendmsg),         SCMP_SYS(close),
        SCMP_SYS(fstat),           SCMP_SYS(sysinfo),
    };
    return hone_sandbox__add_calls(f, calls, HONE_LEN(calls));
}

int hone_sandbox__enter(int (*add)(scmp_filter_ctx), uint32_t otherwise)
{
    hone_sandbox__filter f = {0};
    hone_sandbox__limit(RLIMIT_CORE, 0, 0);
    int e = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 ? 0 : errno;
    if (e == 0)
        e = -hone_sandbox__filter_build(otherwise, add, &f);
    if (e == 0)
        e = hone_sandbox__filter_apply(&f);
    free(f.code);
    return e;
}

void hone_sandbox__enter_compiler(void)
{
#ifndef __SANITIZE_THREAD__ /* its runtime makes calls of its own at any time */
    /* A call that is not allowed fails rather than ends it: one more of a newer libc or LLVM may be
     * done without. */
    int e = hone_sandbox__enter(add_compiler, SCMP_ACT_ERRNO(EPERM));
    if (e)
        hone_log(HONE_LOG_WARN,
                 "this system refuses seccomp filters: what is compiled is not kept from the files "
                 "and networks of this user: %s",
                 strerror(e));
#endif
}

/* ---- the linker ---------------------------------------------------------------------------- */

/* Linkers differ, and may be scripts. What they have no use for: */
static int add_linker(scmp_filter_ctx f)
{
    static const int calls[] = {
        SCMP_SYS(socket),
        SCMP_SYS(connect),
        SCMP_SYS(bind),
        SCMP_SYS(listen),
        SCMP_SYS(accept),
        SCMP_SYS(accept4),
        SCMP_SYS(io_uring_setup),
        SCMP_SYS(ptrace),
        SCMP_SYS(process_vm_readv),
        SCMP_SYS(process_vm_writev),
        SCMP_SYS(pidfd_open),
        SCMP_SYS(pidfd_getfd),
        SCMP_SYS(pidfd_send_signal),
        SCMP_SYS(mount),
        SCMP_SYS(umount2),
        SCMP_SYS(pivot_root),
        SCMP_SYS(chroot),
        SCMP_SYS(unshare),
        SCMP_SYS(setns),
        SCMP_SYS(bpf),
        SCMP_SYS(perf_event_open),
        SCMP_SYS(userfaultfd),
        SCMP_SYS(keyctl),
        SCMP_SYS(add_key),
        SCMP_SYS(request_key),
        SCMP_SYS(init_module),
        SCMP_SYS(finit_module),
        SCMP_SYS(kexec_load),
        SCMP_SYS(open_by_handle_at),
        SCMP_SYS(shmget),
        SCMP_SYS(msgget),
        SCMP_SYS(semget),
        SCMP_SYS(mq_open),
    };
    int e = 0;
    for (size_t i = 0; i < HONE_LEN(calls) && e == 0; i++)
        e = seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), calls[i], 0);
    return e;
}

#define MOST_LINKERS 3

/* The compiler driver, which knows another way to the linker, writes temporary files. */
static bool is_driver(const char *linker)
{
    const char *name = strrchr(linker, '/');
    return name && strcmp(name, "/cc") == 0;
}

/* A linker of one's own lies beside its libraries. Paths to be freed, 3 of them. */
static void places_of(const char *linker, char **ret)
{
    char *real = realpath(linker, NULL), *copy = hone_xstrdup(real ? real : linker);
    ret[0] = hone_xstrdup(dirname(copy));
    ret[1] = hone_xasprintf("%s/../lib", ret[0]);
    ret[2] = hone_xasprintf("%s64", ret[1]);
    free(copy);
    free(real);
}

void hone_sandbox__enter_linker(const char *const *linkers, unsigned n)
{
    const char *paths[8 + 3 * MOST_LINKERS] = {
        "/usr", "/bin", "/lib", "/lib32", "/lib64", "/etc/ld.so.cache", "/nix/store", "/gnu/store"};
    char *places[3 * MOST_LINKERS];
    unsigned own = 0;
    bool driver = false;
    HONE_ASSERT(n <= MOST_LINKERS);
    for (unsigned k = 0; k < n; k++, own += 3) {
        places_of(linkers[k], &places[own]);
        driver = driver || is_driver(linkers[k]);
    }
    for (unsigned k = 0; k < own; k++)
        paths[8 + k] = places[k];
    int e = hone_sandbox__enter(add_linker, SCMP_ACT_ALLOW);
    if (e)
        hone_log(HONE_LOG_WARN,
                 "this system refuses seccomp filters: the linker is not kept from "
                 "networks: %s",
                 strerror(e));
    e = driver ? 0 : hone_sandbox__files_only(paths, 8 + own);
    if (driver || e)
        hone_log(HONE_LOG_WARN, "the linker is not kept from the files of this user: %s",
                 driver ? "`cc` makes temporary ones; with binutils there would be `ld`"
                 : e == ENOSYS || e == EOPNOTSUPP ? "this Linux has no Landlock"
                                                  : strerror(e));
    while (own > 0)
        free(places[--own]);
}
