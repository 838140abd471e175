/* The build server and its spawner.
 *
 *   worker ── commands (SOCK_SEQPACKET) ──▶ spawner ── fork ──▶ build server
 *     └────────── BUILD / BUILT (SOCK_STREAM, u32 length first) ─────┘
 *
 * The spawner is forked while the process is still single-threaded and without a ZeroMQ context
 * or keys, and does nothing but fork, kill and wait. So a server can be replaced at any time
 * without fork() in a process that has threads, and without exec and its relocation of LLVM. The
 * server, which compiles what came from elsewhere, can open nothing and start nothing. */
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

static bool send_framed(int fd, const void *bytes, size_t n)
{
    uint32_t length = (uint32_t)n;
    return hone_send_all(fd, &length, sizeof length) && hone_send_all(fd, bytes, n);
}

/* ---- the build server ----------------------------------------------------------------------- */

/* Opens what builds need, then shuts the door. */
static hone_status close_in(const hone_workers__forge_options *o, hone_error *err)
{
    hone_status s = o->sandbox && o->prepare ? o->prepare(o->ctx, err) : HONE_OK;
    if (o->sandbox && s == HONE_OK)
        hone_sandbox__enter_compiler();
    return s;
}

/* The outcome, encoded, in *ret. */
static void build_one(const hone_workers__forge_options *o, const hone_error *prepared,
                      const hone_wire *m, hone_buf *ret)
{
    hone_build_job job = hone_wire_build_job(&m->build);
    hone_wire *out = hone_xcalloc(1, sizeof *out);
    hone_artifact a = {0};
    out->type = HONE_WIRE_BUILT;
    out->built.ticket = m->build.ticket;
    int64_t start = hone_clock_ns();
    if (hone_fault("build.die"))
        raise(SIGKILL);
    hone_status s = prepared->status;
    if (s == HONE_OK)
        s = o->build(o->ctx, &job, &a, &out->built.error);
    else
        out->built.error = *prepared;
    out->built.spent_ns = hone_clock_ns() - start;
    out->built.error.status = s;
    if (s == HONE_OK && a.n > HONE_MAX_ARTIFACT_BYTES) {
        hone_fail(&out->built.error, HONE_REJECT_TOO_BIG, "the artifact has %zu bytes", a.n);
    } else if (s == HONE_OK) {
        out->built.manifest = a.manifest;
        out->built.bytes = (hone_wire_bytes){a.bytes, (uint32_t)a.n};
    }
    HONE_ASSERT(hone_wire_encode(out, ret, NULL) == HONE_OK);
    hone_artifact_free(&a);
    free(out);
}

/* One build; false when the worker has gone. */
static bool serve_build(int fd, const hone_workers__forge_options *o, const hone_error *prepared,
                        hone_wire *m)
{
    uint32_t n;
    if (!hone_receive_all(fd, &n, sizeof n) || n > HONE_WIRE_MESSAGE_MAX)
        return false;
    void *message = hone_xmalloc(n);
    hone_buf out = {0};
    bool good = hone_receive_all(fd, message, n) &&
                hone_wire_decode(message, n, m, NULL) == HONE_OK && m->type == HONE_WIRE_BUILD;
    if (good) {
        build_one(o, prepared, m, &out);
        good = send_framed(fd, out.s, out.n);
    }
    hone_buf_free(&out);
    free(message);
    return good;
}

/* Its socket and where messages go are all that it has. Returns the socket's new number. */
static int keep_only(int fd)
{
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (fd != 3 && dup2(fd, 3) != 3)
        _exit(1);
    fcntl(3, F_SETFD, FD_CLOEXEC);
    if (null >= 0)
        dup2(null, STDIN_FILENO);
    close_range(4, ~0U, 0);
    return 3;
}

_Noreturn static void serve_builds(int fd, const hone_workers__forge_options *o)
{
    prctl(PR_SET_NAME, "hone-build");
    hone_sandbox__goes_first(1000);
    fd = keep_only(fd);
    hone_error prepared = {0};
    prepared.status = close_in(o, &prepared);
    hone_wire *m = hone_xmalloc(sizeof *m);
    while (serve_build(fd, o, &prepared, m)) {
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

static pid_t spawn(int control, const hone_workers__forge_options *o)
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
        serve_builds(pair[1], o);
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

_Noreturn static void serve_spawns(int control, pid_t worker, const hone_workers__forge_options *o)
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
            server = spawn(control, o);
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

hone_status hone_workers__forge_start(const hone_workers__forge_options *o, int close_fd,
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
        serve_spawns(pair[1], worker, o);
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
    if (!hone_send_all(f->control, &c, sizeof c))
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
