/* The process that links, and the other end of it. A request is a length and an object; an answer
 * an error record, a length and the shared object. */
#include "codegen/codegen.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define MOST_BYTES ((uint64_t)1 << 30)

struct hone_codegen_linker {
    pid_t pid;
    int fd;
};

typedef struct answer {
    hone_error error;
    uint64_t n;
} answer;

/* ---- the process --------------------------------------------------------------------------- */

static bool serve_one(int fd)
{
    uint64_t n;
    if (!hone_receive_all(fd, &n, sizeof n) || n > MOST_BYTES) {
        return false;
    }
    uint8_t *object = hone_xmalloc(n), *so = NULL;
    answer a = {0};
    size_t so_n = 0;
    bool good = hone_receive_all(fd, object, n);
    if (good) {
        a.error.status = hone_codegen_link(object, n, &so, &so_n, &a.error);
    }
    a.n = a.error.status == HONE_OK ? so_n : 0;
    good = good && hone_send_all(fd, &a, sizeof a) && hone_send_all(fd, so, a.n);
    free(so);
    free(object);
    return good;
}

typedef void enter_fn(const char *const *linkers, unsigned n);

/* With none, linking says so. */
static void close_in(enter_fn *enter)
{
    char *paths[HONE_LINKED_KINDS];
    unsigned n = 0;
    for (int what = 0; what < HONE_LINKED_KINDS; what++)
        if ((paths[n] = hone_codegen_linker_path((hone_codegen_linked)what)))
            n++;
    if (n)
        enter((const char *const *)paths, n);
    while (n > 0)
        free(paths[--n]);
}

static _Noreturn void be_linker(int fd, pid_t parent, enter_fn *enter)
{
    prctl(PR_SET_NAME, "hone-link");
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent) {
        _exit(1);
    }
    /* Only its socket, which linkers do not inherit, and where messages go. */
    if (fd != 3 && dup2(fd, 3) != 3) {
        _exit(1);
    }
    fcntl(3, F_SETFD, FD_CLOEXEC);
    close_range(4, ~0U, 0);
    signal(SIGCHLD, SIG_DFL);
    close_in(enter);
    while (serve_one(3)) {
    }
    _exit(0);
}

/* ---- the other end -------------------------------------------------------------------------- */

hone_status hone_codegen_linker_start(enter_fn *enter, hone_codegen_linker **ret, hone_error *err)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
        return hone_fail_errno(err, HONE_E_IO, "A socket pair for the linker could not be made");
    }
    pid_t parent = getpid(), pid = fork();
    if (pid == 0) {
        be_linker(pair[1], parent, enter);
    }
    int e = errno;
    close(pair[1]);
    if (pid < 0) {
        close(pair[0]);
        return hone_fail(err, e == EAGAIN ? HONE_E_LIMIT : HONE_E_NOMEM,
                         "A process for the linker could not be started: %s", strerror(e));
    }
    *ret = hone_xmalloc(sizeof **ret);
    **ret = (hone_codegen_linker){pid, pair[0]};
    return HONE_OK;
}

static hone_status gone(hone_error *err)
{
    return hone_fail(err, HONE_E_KILLED, "The process that links was killed from outside");
}

hone_status hone_codegen_linker_link(hone_codegen_linker *l, const uint8_t *object, size_t n,
                                     uint8_t **ret, size_t *ret_n, hone_error *err)
{
    uint64_t length = n;
    answer a;
    if (n > MOST_BYTES) {
        return hone_fail(err, HONE_E_LIMIT, "An object of %zu bytes is too large to be linked", n);
    }
    if (!hone_send_all(l->fd, &length, sizeof length) || !hone_send_all(l->fd, object, n) ||
        !hone_receive_all(l->fd, &a, sizeof a) || a.n > MOST_BYTES) {
        return gone(err);
    }
    if (a.error.status != HONE_OK) {
        if (err) {
            *err = a.error;
        }
        return a.error.status;
    }
    *ret = hone_xmalloc(a.n);
    *ret_n = a.n;
    if (hone_receive_all(l->fd, *ret, a.n)) {
        return HONE_OK;
    }
    free(*ret);
    *ret = NULL;
    return gone(err);
}

void hone_codegen_linker_stop(hone_codegen_linker *l)
{
    if (!l) {
        return;
    }
    close(l->fd);
    while (waitpid(l->pid, NULL, 0) < 0 && errno == EINTR) {
    }
    free(l);
}
