/* The worker's side of the nursery: a process of its own at the other end of a socket pair. */
#include "workers/device/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define STOP_MS 2000

struct hone_nursery {
    pid_t pid;
    int socket;
    bool busy;
};

static hone_status gone(hone_error *err)
{
    return hone_fail(err, HONE_E_PEER, "the nursery process is gone; it has to be started again");
}

/* Passes over word of the timing that nobody has asked for. */
static hone_status receive_reply(int fd, hone_device__reply *ret, hone_error *err)
{
    ssize_t n;
    while ((n = recv(fd, ret, sizeof *ret, 0)) == 1 || (n < 0 && errno == EINTR)) {
    }
    return n == (ssize_t)sizeof *ret ? HONE_OK : gone(err);
}

static _Noreturn void be_nursery(int socket, bool sandbox, const hone_device__libraries *libraries,
                                 const char *runtime, pid_t worker)
{
    /* End with the worker even if a copy of its socket end is left somewhere. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != worker)
        _exit(0);
    /* Out of the way of 0 to 3, which a worker started without a standard input may have free. */
    socket = fcntl(socket, F_DUPFD, 10);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null >= 0) {
        dup2(null, 0);
        dup2(null, 1);
    }
    if (socket < 0 || dup2(socket, 3) < 0)
        _exit(1);
    if (close_range(4, ~0U, 0) != 0)
        for (int fd = 4; fd < 4096; fd++)
            close(fd);
    hone_device__serve(3, sandbox, libraries, runtime);
}

static hone_status start(bool sandbox, const hone_device__libraries *libraries, const char *runtime,
                         hone_nursery **ret, hone_error *err)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return hone_fail_errno(err, HONE_E_SANDBOX, "cannot make a socket pair");
    pid_t worker = getpid(), pid = fork();
    if (pid == 0) {
        close(pair[0]);
        be_nursery(pair[1], sandbox, libraries, runtime, worker);
    }
    int e = errno;
    close(pair[1]);
    if (pid < 0) {
        close(pair[0]);
        errno = e;
        return hone_fail_errno(err, HONE_E_SANDBOX, "cannot fork the nursery");
    }
    hone_nursery *n = hone_xcalloc(1, sizeof *n);
    *n = (hone_nursery){.pid = pid, .socket = pair[0]};
    hone_device__reply *hello = hone_xcalloc(1, sizeof *hello);
    hone_status s = receive_reply(n->socket, hello, NULL);
    if (s != HONE_OK) {
        s = hone_fail(err, HONE_E_SANDBOX, "the nursery process ended before it was ready");
    } else if (hello->status != HONE_OK) {
        s = hello->status;
        if (err)
            *err = hello->error;
    }
    free(hello);
    if (s != HONE_OK) {
        hone_nursery_stop(n);
        return s;
    }
    *ret = n;
    return HONE_OK;
}

hone_status hone_nursery_start(bool sandbox, const hone_libcall_library *libraries, unsigned n,
                               hone_nursery **ret, hone_error *err)
{
    hone_device__libraries *known = hone_xcalloc(1, sizeof *known);
    hone_device__libraries_make(libraries, n, known);
    hone_status s = start(sandbox, known, NULL, ret, err);
    free(known);
    return s;
}

bool hone_nursery_knows_runtime(const char *runtime)
{
    return strcmp(runtime, "node") == 0 || strcmp(runtime, HONE_DEVICE__RELAXED) == 0 ||
           strcmp(runtime, HONE_DEVICE__THREADS) == 0 ||
           strncmp(runtime, HONE_DEVICE__BROWSER, sizeof HONE_DEVICE__BROWSER - 1) == 0;
}

const char *hone_nursery_runtime_target(const char *runtime)
{
    return strcmp(runtime, HONE_DEVICE__RELAXED) == 0   ? "wasm32-relaxed"
           : strcmp(runtime, HONE_DEVICE__THREADS) == 0 ? "wasm32-threads"
                                                        : "wasm32";
}

hone_status hone_nursery_start_modules(const char *runtime, hone_nursery **ret, hone_error *err)
{
    static const hone_device__libraries none;
    return start(true, &none, runtime, ret, err);
}

/* Everything of `bytes`, in messages that fit a socket's buffer. */
static bool send_bytes(int socket, const void *bytes, size_t n)
{
    for (size_t at = 0; at < n;) {
        size_t part = n - at < HONE_DEVICE__PART ? n - at : HONE_DEVICE__PART;
        ssize_t sent = send(socket, (const uint8_t *)bytes + at, part, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent != (ssize_t)part)
            return false;
        at += part;
    }
    return true;
}

hone_status hone_nursery_send(hone_nursery *n, const hone_measure_job *job, hone_error *err)
{
    HONE_ASSERT(!n->busy);
    const hone_artifact *artifacts[HONE_DEVICE__ARTIFACTS] = {
        [HONE_DEVICE__CANDIDATE] = job->candidate,
        [HONE_DEVICE__INCUMBENT] = job->incumbent,
        [HONE_DEVICE__REFERENCE] = job->reference,
    };
    hone_device__request *q = hone_xcalloc(1, sizeof *q);
    q->job = *job;
    q->has_incumbent = job->incumbent != NULL;
    for (int i = 0; i < HONE_DEVICE__ARTIFACTS; i++) {
        if (!artifacts[i])
            continue;
        const hone_manifest *m = &artifacts[i]->manifest;
        HONE_ASSERT(m->n_args <= HONE_MAX_ARGS);
        q->manifests[i] = *m;
        q->manifests[i].args = NULL;
        if (m->n_args)
            memcpy(q->args[i], m->args, m->n_args * sizeof *m->args);
        q->bytes[i] = artifacts[i]->n;
    }
    bool sent = send_bytes(n->socket, q, sizeof *q);
    for (int i = 0; i < HONE_DEVICE__ARTIFACTS && sent; i++)
        if (artifacts[i])
            sent = send_bytes(n->socket, artifacts[i]->bytes, artifacts[i]->n);
    free(q);
    n->busy = sent;
    return sent ? HONE_OK : gone(err);
}

void hone_nursery_cancel(hone_nursery *n)
{
    char what = HONE_DEVICE__CANCEL;
    if (!n->busy)
        return;
    while (send(n->socket, &what, sizeof what, MSG_NOSIGNAL) < 0 && errno == EINTR) {
    }
}

int hone_nursery_fd(const hone_nursery *n)
{
    return n->socket;
}

pid_t hone_device__nursery_pid(const hone_nursery *n)
{
    return n->pid;
}

bool hone_nursery_timing(hone_nursery *n)
{
    char what[2]; /* a reply is longer than one byte */
    if (recv(n->socket, what, sizeof what, MSG_PEEK | MSG_DONTWAIT) != 1)
        return false;
    return recv(n->socket, what, sizeof what, MSG_DONTWAIT) == 1 && what[0] == HONE_DEVICE__BEGINS;
}

hone_status hone_nursery_receive(hone_nursery *n, hone_measure_result *ret, hone_error *err)
{
    hone_device__reply *r = hone_xcalloc(1, sizeof *r);
    n->busy = false;
    hone_status s = receive_reply(n->socket, r, err);
    if (s == HONE_OK) {
        *ret = r->result;
        s = r->status;
        if (s != HONE_OK && err)
            *err = r->error;
    }
    free(r);
    return s;
}

void hone_nursery_stop(hone_nursery *n)
{
    if (!n)
        return;
    /* Its end of the pair sees this, kills what it runs and leaves. */
    close(n->socket);
    int64_t deadline = hone_clock_ns() + (int64_t)STOP_MS * 1000000;
    pid_t got;
    while ((got = waitpid(n->pid, NULL, WNOHANG)) == 0 || (got < 0 && errno == EINTR)) {
        if (hone_clock_ns() > deadline) {
            kill(n->pid, SIGKILL);
            deadline = INT64_MAX;
        }
        poll(NULL, 0, 1);
    }
    free(n);
}
