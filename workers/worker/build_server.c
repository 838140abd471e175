/* The build server and its spawner.
 *
 *   worker ── commands (SOCK_SEQPACKET) ──▶ spawner ── fork ──▶ build server
 *     └────────── BUILD / BUILT (SOCK_STREAM, u32 length first) ─────┘
 *
 * The spawner is forked while the process is still single-threaded and without a ZeroMQ context
 * or keys, and does nothing but fork, kill and wait. So a server can be replaced at any time
 * without fork() in a process that has threads, and without exec and its relocation of LLVM. */
#include "workers/wire/internal.h"
#include "workers/worker/build.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CMD_SPAWN = 1, CMD_END };

typedef struct command {
    int32_t what;
} command;

typedef struct reply {
    int32_t pid;     /* of the server started; or -errno */
    int32_t status;  /* of the server ended, as from waitpid */
    int32_t stopped; /* whether something had stopped it */
} reply;

struct hone_workers__forge {
    pid_t spawner;
    int control;
    pid_t pid; /* of the server; 0: none */
    int fd;    /* to it; -1 */
    hone_sandbox__limits limits;
    hone_buf in;
};

/* ---- bytes over sockets --------------------------------------------------------------------- */

static bool send_all(int fd, const void *bytes, size_t n)
{
    const char *p = bytes;
    while (n > 0) {
        ssize_t k = send(fd, p, n, MSG_NOSIGNAL);
        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0)
            return false;
        p += k;
        n -= (size_t)k;
    }
    return true;
}

static bool receive_all(int fd, void *bytes, size_t n)
{
    char *p = bytes;
    while (n > 0) {
        ssize_t k = recv(fd, p, n, 0);
        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0)
            return false;
        p += k;
        n -= (size_t)k;
    }
    return true;
}

static bool send_framed(int fd, const void *bytes, size_t n)
{
    uint32_t length = (uint32_t)n;
    return send_all(fd, &length, sizeof length) && send_all(fd, bytes, n);
}

/* ---- the build server ----------------------------------------------------------------------- */

static void build_one(hone_build_fn build, void *ctx, const hone_wire *m, hone_buf *ret)
{
    hone_build_job job = {.id = m->build.ticket,
                          .workload = m->build.workload,
                          .trace = m->build.trace,
                          .target = m->build.target,
                          .threads = m->build.threads,
                          .reference = m->build.reference,
                          .deadline_ms = m->build.deadline_ms,
                          .intrins = m->build.intrins};
    hone_wire *out = hone_xcalloc(1, sizeof *out);
    hone_artifact a = {0};
    out->type = HONE_WIRE_BUILT;
    out->built.ticket = m->build.ticket;
    int64_t start = hone_clock_ns();
    hone_status s = build(ctx, &job, &a, &out->built.error);
    out->built.spent_ns = hone_clock_ns() - start;
    out->built.error.status = s;
    if (s == HONE_OK && a.n > HONE_WIRE_ARTIFACT_MAX) {
        hone_fail(&out->built.error, HONE_REJECT_TOO_BIG, "the artifact has %zu bytes", a.n);
    } else if (s == HONE_OK) {
        out->built.manifest = a.manifest;
        out->built.bytes = (hone_wire_bytes){a.bytes, (uint32_t)a.n};
    }
    HONE_ASSERT(hone_wire_encode(out, ret, NULL) == HONE_OK);
    hone_artifact_free(&a);
    free(out);
}

_Noreturn static void serve_builds(int fd, hone_build_fn build, void *ctx)
{
    prctl(PR_SET_NAME, "hone-build");
    hone_sandbox__goes_first(1000);
    hone_wire *m = hone_xmalloc(sizeof *m);
    for (uint32_t n; receive_all(fd, &n, sizeof n) && n <= HONE_WIRE_MESSAGE_MAX;) {
        void *message = hone_xmalloc(n);
        hone_buf out = {0};
        if (!receive_all(fd, message, n) || hone_wire_decode(message, n, m, NULL) != HONE_OK ||
            m->type != HONE_WIRE_BUILD)
            break;
        build_one(build, ctx, m, &out);
        bool ok = send_framed(fd, out.s, out.n);
        hone_buf_free(&out);
        free(message);
        if (!ok)
            break;
    }
    _exit(0);
}

/* ---- the spawner ---------------------------------------------------------------------------- */

static void answer(int control, const reply *r, int fd)
{
    struct iovec iov = {(void *)r, sizeof *r};
    union {
        char space[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } u = {0};
    struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1};
    if (fd >= 0) {
        h.msg_control = u.space;
        h.msg_controllen = sizeof u.space;
        struct cmsghdr *c = CMSG_FIRSTHDR(&h);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(c), &fd, sizeof fd);
    }
    while (sendmsg(control, &h, MSG_NOSIGNAL) < 0 && errno == EINTR)
        ;
}

static pid_t spawn(int control, hone_build_fn build, void *ctx)
{
    int pair[2];
    reply r = {0};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
        r.pid = -errno;
        answer(control, &r, -1);
        return 0;
    }
    pid_t spawner = getpid();
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != spawner)
            _exit(1);
        close(control);
        close(pair[0]);
        serve_builds(pair[1], build, ctx);
    }
    r.pid = pid < 0 ? -errno : pid;
    close(pair[1]);
    answer(control, &r, pid > 0 ? pair[0] : -1);
    close(pair[0]);
    return pid > 0 ? pid : 0;
}

static reply reap(pid_t pid)
{
    reply r = {0};
    siginfo_t info = {0};
    if (pid <= 0)
        return r;
    r.stopped =
        waitid(P_PID, (id_t)pid, &info, WSTOPPED | WCONTINUED | WNOHANG) == 0 && info.si_pid == pid;
    kill(pid, SIGKILL);
    while (waitpid(pid, &r.status, 0) < 0 && errno == EINTR)
        ;
    return r;
}

_Noreturn static void serve_spawns(int control, pid_t worker, hone_build_fn build, void *ctx)
{
    prctl(PR_SET_NAME, "hone-spawner");
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGINT, SIG_IGN); /* Ctrl-C is for the worker, which then lets go of this process */
    if (getppid() != worker)
        _exit(1);
    pid_t server = 0;
    command c;
    for (;;) {
        ssize_t k = recv(control, &c, sizeof c, 0);
        if (k < 0 && errno == EINTR)
            continue;
        if (k != (ssize_t)sizeof c)
            break;
        if (c.what == CMD_SPAWN && server == 0) {
            server = spawn(control, build, ctx);
        } else {
            reply r = reap(server);
            server = 0;
            answer(control, &r, -1);
        }
    }
    reap(server);
    _exit(0);
}

/* ---- the worker's end ----------------------------------------------------------------------- */

hone_status hone_workers__forge_start(hone_build_fn build, void *ctx, int close_fd,
                                      hone_workers__forge **ret, hone_error *err)
{
    int pair[2];
    *ret = NULL;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return hone_fail_errno(err, HONE_E_IO, "cannot make a socket pair");
    pid_t worker = getpid();
    pid_t pid = fork();
    if (pid < 0) {
        hone_fail_errno(err, HONE_E_IO, "cannot fork the build spawner");
        close(pair[0]);
        close(pair[1]);
        return HONE_E_IO;
    }
    if (pid == 0) {
        close(pair[0]);
        if (close_fd >= 0)
            close(close_fd);
        serve_spawns(pair[1], worker, build, ctx);
    }
    close(pair[1]);
    hone_workers__forge *f = hone_xcalloc(1, sizeof *f);
    f->spawner = pid;
    f->control = pair[0];
    f->fd = -1;
    hone_sandbox__limits_read(&f->limits);
    *ret = f;
    return HONE_OK;
}

/* Sends a command and takes the answer; *ret_fd gets a descriptor that came along, or -1. */
static bool ask(hone_workers__forge *f, int what, reply *ret, int *ret_fd)
{
    command c = {what};
    *ret_fd = -1;
    if (!send_all(f->control, &c, sizeof c))
        return false;
    struct iovec iov = {ret, sizeof *ret};
    union {
        char space[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } u;
    struct msghdr h = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = u.space, .msg_controllen = sizeof u.space};
    ssize_t k;
    while ((k = recvmsg(f->control, &h, MSG_CMSG_CLOEXEC)) < 0 && errno == EINTR)
        ;
    if (k != (ssize_t)sizeof *ret)
        return false;
    struct cmsghdr *m = CMSG_FIRSTHDR(&h);
    if (m && m->cmsg_type == SCM_RIGHTS)
        memcpy(ret_fd, CMSG_DATA(m), sizeof *ret_fd);
    return true;
}

hone_status hone_workers__forge_send(hone_workers__forge *f, const void *message, size_t n,
                                     hone_error *err)
{
    for (int attempt = 0; attempt < 2; attempt++) {
        if (f->pid == 0) {
            reply r;
            if (!ask(f, CMD_SPAWN, &r, &f->fd))
                return hone_fail(err, HONE_E_PEER, "the spawner of build processes is gone");
            if (r.pid <= 0)
                return hone_sandbox__no_process("a build process cannot be started", -r.pid,
                                                &f->limits, err);
            if (f->fd < 0)
                return hone_fail(err, HONE_E_SANDBOX, "no descriptor is left for a build process");
            f->pid = r.pid;
            hone_buf_reset(&f->in);
        }
        if (send_framed(f->fd, message, n))
            return HONE_OK;
        hone_workers__forge_end(f, NULL); /* it died while idle: once more with a new one */
    }
    return hone_fail(err, HONE_E_PEER, "build processes die as soon as they start");
}

int hone_workers__forge_fd(const hone_workers__forge *f)
{
    return f->fd;
}

int hone_workers__forge_receive(hone_workers__forge *f, hone_buf *ret)
{
    char chunk[65536];
    for (;;) {
        uint32_t length;
        if (f->in.n >= sizeof length) {
            memcpy(&length, f->in.s, sizeof length);
            if (length > HONE_WIRE_MESSAGE_MAX)
                return -1;
            if (f->in.n >= sizeof length + length) {
                hone_buf_reset(ret);
                hone_buf_add(ret, f->in.s + sizeof length, length);
                hone_buf_reset(&f->in);
                return 1;
            }
        }
        ssize_t k = recv(f->fd, chunk, sizeof chunk, MSG_DONTWAIT);
        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return 0;
        if (k <= 0)
            return -1;
        hone_buf_add(&f->in, chunk, (size_t)k);
    }
}

int64_t hone_workers__forge_rss(const hone_workers__forge *f)
{
    if (f->pid == 0)
        return 0;
    char path[64];
    snprintf(path, sizeof path, "/proc/%ld/statm", (long)f->pid);
    char *text;
    if (hone_file_read(path, 4096, &text, NULL, NULL) != HONE_OK)
        return 0;
    long long pages = 0;
    if (sscanf(text, "%*s %lld", &pages) != 1)
        pages = 0;
    free(text);
    return pages * sysconf(_SC_PAGESIZE);
}

void hone_workers__forge_end(hone_workers__forge *f, hone_workers__build_end *ret)
{
    reply r = {0};
    int fd = -1;
    bool known = false;
    if (f->pid != 0) {
        close(f->fd);
        known = ask(f, CMD_END, &r, &fd);
    }
    if (ret)
        *ret = (hone_workers__build_end){known, r.stopped != 0, r.status};
    f->pid = 0;
    f->fd = -1;
    hone_buf_reset(&f->in);
}

void hone_workers__forge_stop(hone_workers__forge *f)
{
    if (!f)
        return;
    hone_workers__forge_end(f, NULL);
    close(f->control);
    while (waitpid(f->spawner, NULL, 0) < 0 && errno == EINTR)
        ;
    hone_buf_free(&f->in);
    free(f);
}
