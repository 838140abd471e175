/* A runtime: the program that runs modules, which this process cannot. It is Node, or Node as a
 * bridge to a page in a browser, with hone's own script (workers/device/runtime), and has requests
 * on its standard input and answers on its standard output: u32 length, an operation's letter, what
 * it takes; u32 length, a status, what it gives, or text (docs/WASM.md has the table). It lasts
 * from job to job: modules can do nothing to it but not end, and then it is started again. */
#include "workers/device/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define SCRIPT(name)                                            \
    __asm__(".pushsection .rodata\n"                            \
            ".global hone_device__" #name "_js\n"               \
            "hone_device__" #name "_js:\n"                      \
            ".incbin \"workers/device/runtime/" #name ".js\"\n" \
            ".byte 0\n"                                         \
            ".popsection\n");                                   \
    extern const char hone_device__##name##_js[]
SCRIPT(engine);
SCRIPT(node);
SCRIPT(bridge);

#define ANSWERS_S 30 /* until one that is there answers for the first time */
#define NO_RELAXED 3 /* how node.js ends where Node has no relaxed SIMD */

static bool is_browser(const hone_device__runtime *rt)
{
    return strncmp(rt->what, HONE_DEVICE__BROWSER, sizeof HONE_DEVICE__BROWSER - 1) == 0;
}

static bool is_relaxed(const hone_device__runtime *rt)
{
    return strcmp(rt->what, HONE_DEVICE__RELAXED) == 0;
}

/* What comes after "node:"; NULL: nothing. */
static const char *kind_of(const hone_device__runtime *rt)
{
    const char *colon = is_browser(rt) ? NULL : strchr(rt->what, ':');
    return colon ? colon + 1 : NULL;
}

/* ---- words with it --------------------------------------------------------------------------- */

static bool send_request(int fd, char op, const hone_device__part *out, unsigned n)
{
    uint64_t total = 1;
    for (unsigned k = 0; k < n; k++)
        total += out[k].n;
    uint32_t length = (uint32_t)total;
    bool good = total <= HONE_DEVICE__RUNTIME_MOST && hone_send_all(fd, &length, sizeof length) &&
                hone_send_all(fd, &op, 1);
    for (unsigned k = 0; k < n && good; k++)
        good = hone_send_all(fd, out[k].p, out[k].n);
    return good;
}

/* What is too long for the note is passed over. */
static bool receive_note(int fd, uint32_t n, char *ret, size_t size)
{
    char rest[256];
    uint32_t kept = n < size - 1 ? n : (uint32_t)size - 1;
    bool good = hone_receive_all(fd, ret, kept);
    ret[good ? kept : 0] = 0;
    for (n -= kept; n > 0 && good;) {
        uint32_t part = n < sizeof rest ? n : (uint32_t)sizeof rest;
        good = hone_receive_all(fd, rest, part);
        n -= part;
    }
    return good;
}

bool hone_device__runtime_ask(int fd, char op, const hone_device__part *out, unsigned n_out,
                              const hone_device__part *in, unsigned n_in, hone_device__answer *ret)
{
    uint32_t length;
    uint8_t status;
    uint64_t want = 1;
    *ret = (hone_device__answer){0};
    for (unsigned k = 0; k < n_in; k++)
        want += in[k].n;
    if (!send_request(fd, op, out, n_out) || !hone_receive_all(fd, &length, sizeof length) ||
        length < 1 || length > HONE_DEVICE__RUNTIME_MOST ||
        !hone_receive_all(fd, &status, sizeof status))
        return false;
    ret->status = status;
    if (status != HONE_DEVICE__RUNTIME_OK || n_in == 0)
        return receive_note(fd, length - 1, ret->note, sizeof ret->note);
    if (length != want)
        return false;
    for (unsigned k = 0; k < n_in; k++)
        if (!hone_receive_all(fd, in[k].p, in[k].n))
            return false;
    return true;
}

/* ---- the process ----------------------------------------------------------------------------- */

/* HOST:PORT, with port 0 for any; says where the page is. */
static hone_status listen_there(const char *where, int *ret, hone_error *err)
{
    const char *colon = strrchr(where, ':');
    char host[128], port[16], name[64] = "?";
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found = NULL;
    snprintf(host, sizeof host, "%.*s", colon ? (int)(colon - where) : 0, where);
    snprintf(port, sizeof port, "%s", colon ? colon + 1 : "");
    if (!*host || !*port || getaddrinfo(host, port, &hints, &found) != 0)
        return hone_fail(err, HONE_E_INPUT,
                         "a page is served at HOST:PORT, as browser:127.0.0.1:8090, not at '%.80s'",
                         where);
    int on = 1, fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_storage at = {0};
    socklen_t n = sizeof at;
    bool good = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
                bind(fd, found->ai_addr, found->ai_addrlen) == 0 && listen(fd, 16) == 0 &&
                getsockname(fd, (struct sockaddr *)&at, &n) == 0;
    int e = errno;
    freeaddrinfo(found);
    if (!good) {
        if (fd >= 0)
            close(fd);
        errno = e;
        return hone_fail_errno(err, HONE_E_INPUT, "a page cannot be served at %.80s", where);
    }
    getnameinfo((struct sockaddr *)&at, n, NULL, 0, name, sizeof name, NI_NUMERICSERV);
    hone_log(HONE_LOG_WARN, "open http://%s:%s/ in a browser", host, name);
    *ret = fd;
    return HONE_OK;
}

hone_status hone_device__runtime_open(hone_device__runtime *rt, hone_error *err)
{
    rt->listener = -1;
    return is_browser(rt)
               ? listen_there(rt->what + sizeof HONE_DEVICE__BROWSER - 1, &rt->listener, err)
               : HONE_OK;
}

/* Only standard streams and, for a page, the socket that listens. */
static bool arrange(const hone_device__runtime *rt, int socket)
{
    if (dup2(socket, 0) < 0 || dup2(socket, 1) < 0)
        return false;
    if (rt->listener >= 0 && (rt->listener == 3 ? fcntl(3, F_SETFD, 0) : dup2(rt->listener, 3)) < 0)
        return false;
    close_range(rt->listener >= 0 ? 4 : 3, ~0U, 0);
    return true;
}

static _Noreturn void become(const hone_device__runtime *rt, int socket, pid_t nursery)
{
    char *script = hone_xasprintf("%s%s", hone_device__engine_js, hone_device__node_js);
    /* Code is made as good as it gets before it runs, or the first calls would be slower ones. */
    const char *const node[] = {"node", "--no-liftoff", "-e", script, kind_of(rt), NULL};
    const char *const bridge[] = {"node", "-e", hone_device__bridge_js, hone_device__engine_js,
                                  NULL};
    const char *const *argv = is_browser(rt) ? bridge : node;
    if (setsid() < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != nursery ||
        !arrange(rt, socket))
        _exit(126);
    for (int i = 1; i < NSIG; i++)
        signal(i, SIG_DFL);
    execvp(argv[0], (char *const *)(uintptr_t)argv);
    _exit(errno == ENOENT ? 127 : 126);
}

static hone_status no_runtime(const hone_device__runtime *rt, int status, bool late,
                              hone_error *err)
{
    if (late)
        return hone_fail(err, HONE_E_TOOL, "the runtime `%s` does not answer%s", rt->what,
                         is_browser(rt) ? ": is the page open?" : "");
    if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
        return hone_fail(err, HONE_E_TOOL,
                         "there is no `node` in PATH to run modules; install "
                         "nodejs");
    if (WIFEXITED(status) && WEXITSTATUS(status) == NO_RELAXED && is_relaxed(rt))
        return hone_fail(err, HONE_E_TOOL,
                         "this Node has no relaxed SIMD: take a later one, or `--target wasm32`");
    return hone_fail(err, HONE_E_TOOL, "the runtime `%s` ended before it was ready", rt->what);
}

void hone_device__runtime_stop(hone_device__runtime *rt)
{
    if (rt->pid <= 0)
        return;
    close(rt->fd);
    kill(-rt->pid, SIGKILL);
    kill(rt->pid, SIGKILL);
    while (waitpid(rt->pid, &rt->status, 0) < 0 && errno == EINTR) {
    }
    rt->pid = 0;
    rt->fd = -1;
}

static hone_status start(hone_device__runtime *rt, hone_error *err)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        return hone_fail_errno(err, HONE_E_SANDBOX, "cannot make a socket pair for the runtime");
    pid_t nursery = getpid();
    rt->pid = fork();
    if (rt->pid == 0)
        become(rt, pair[1], nursery);
    int e = errno;
    close(pair[1]);
    rt->fd = pair[0];
    if (rt->pid < 0) {
        close(pair[0]);
        errno = e;
        return hone_fail_errno(err, HONE_E_SANDBOX, "cannot fork the runtime");
    }
    /* The first page is waited for. */
    struct timeval most = {.tv_sec = is_browser(rt) && !*rt->about ? 0 : ANSWERS_S}, none = {0};
    setsockopt(rt->fd, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof most);
    hone_device__answer a;
    errno = 0;
    if (!hone_device__runtime_ask(rt->fd, HONE_DEVICE__RUNTIME_HELLO, NULL, 0, NULL, 0, &a)) {
        bool late = errno == EAGAIN;
        if (late)
            kill(rt->pid, SIGKILL);
        /* Else it ends by itself where it could not begin: its exit code says why. */
        while (waitpid(rt->pid, &rt->status, 0) < 0 && errno == EINTR) {
        }
        close(rt->fd);
        rt->pid = 0;
        return no_runtime(rt, rt->status, late, err);
    }
    setsockopt(rt->fd, SOL_SOCKET, SO_RCVTIMEO, &none, sizeof none);
    char *clean = hone_text_clean(a.note);
    snprintf(rt->about, sizeof rt->about, "%s", clean);
    free(clean);
    rt->clean = true;
    return HONE_OK;
}

hone_status hone_device__runtime_ready(hone_device__runtime *rt, hone_error *err)
{
    if (rt->clean && rt->pid > 0 && waitpid(rt->pid, &rt->status, WNOHANG) == 0)
        return HONE_OK;
    hone_device__runtime_stop(rt);
    return start(rt, err);
}
