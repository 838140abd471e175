/* Limits of processes: those we find, and those we set. */
#include "workers/sandbox/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

static uint64_t limit_now(int what)
{
    struct rlimit r;
    return getrlimit((__rlimit_resource_t)what, &r) == 0 && r.rlim_cur != RLIM_INFINITY
               ? r.rlim_cur
               : HONE_SANDBOX__NO_LIMIT;
}

void hone_sandbox__limits_read(hone_sandbox__limits *ret)
{
    *ret = (hone_sandbox__limits){.cpu_seconds = limit_now(RLIMIT_CPU),
                                  .file_bytes = limit_now(RLIMIT_FSIZE),
                                  .address_bytes = limit_now(RLIMIT_AS),
                                  .processes = limit_now(RLIMIT_NPROC)};
}

hone_status hone_sandbox__no_process(const char *what, int sys, const hone_sandbox__limits *l,
                                     hone_error *err)
{
    hone_status s = sys == EAGAIN ? HONE_E_LIMIT : sys == ENOMEM ? HONE_E_NOMEM : HONE_E_SANDBOX;
    if (s == HONE_E_LIMIT && l->processes != HONE_SANDBOX__NO_LIMIT)
        return hone_fail(err, s, "%.200s: at most %" PRIu64 " processes are allowed (ulimit -u)",
                         what, l->processes);
    return hone_fail(err, s, "%.200s: %s", what, strerror(sys));
}

static rlim_t at_most(rlim_t a, uint64_t b)
{
    return a < b ? a : b;
}

void hone_sandbox__limit(int what, uint64_t soft, uint64_t hard)
{
    struct rlimit r;
    if (getrlimit((__rlimit_resource_t)what, &r) != 0)
        return;
    r = (struct rlimit){at_most(r.rlim_cur, soft), at_most(r.rlim_max, hard)};
    setrlimit((__rlimit_resource_t)what, &r);
}

static int write_score(int score)
{
    char now[16] = "", text[16];
    int fd = open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return errno;
    ssize_t n = read(fd, now, sizeof now - 1);
    int e = 0, len = snprintf(text, sizeof text, "%d", score);
    if (n <= 0 || (strtol(now, NULL, 10) < score && pwrite(fd, text, (size_t)len, 0) != len))
        e = errno;
    close(fd);
    return e;
}

void hone_sandbox__goes_first(int score)
{
    int e = write_score(score);
    /* The files of a process that may not be looked into belong to root. */
    if (e == EACCES && prctl(PR_GET_DUMPABLE) == 0 && prctl(PR_SET_DUMPABLE, 1) == 0) {
        e = write_score(score);
        prctl(PR_SET_DUMPABLE, 0);
    }
    if (e)
        hone_log(HONE_LOG_DEBUG, "cannot set oom_score_adj: %s", strerror(e));
}
