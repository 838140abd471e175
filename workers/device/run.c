/* One measuring child as the nursery sees it: starting it, waiting for it with a deadline, and
 * telling from its end what the kernel did. */
#include "workers/device/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- start and end ------------------------------------------------------------------------- */

static hone_status make_packed(hone_device__kernel *k, hone_error *err)
{
    for (uint32_t i = 0; k->manifest && i < k->manifest->n_args; i++) {
        if (!k->manifest->args[i].pack_bytes)
            continue;
        hone_status s =
            hone_device__buffer_new((size_t)k->manifest->args[i].pack_bytes, &k->packed[i], err);
        if (s != HONE_OK)
            return s;
        hone_device__buffer_set_canary(&k->packed[i]);
        /* Padding that pack leaves unwritten should not look like zeros. */
        memset(k->packed[i].data, 0xff, k->packed[i].bytes);
    }
    return HONE_OK;
}

hone_status hone_device__run_start(hone_device__run *r, hone_error *err)
{
    r->pid = 0;
    r->command = r->event = -1;
    r->control = (hone_device__control *)r->control_page.data;
    memset(r->control, 0, sizeof *r->control);
    for (int k = 0; k < HONE_DEVICE__KERNELS; k++) {
        hone_status s = make_packed(&r->kernels[k], err);
        if (s != HONE_OK)
            return s;
    }
    int command[2], event[2];
    if (pipe2(command, O_CLOEXEC) != 0)
        return hone_fail_errno(err, HONE_E_SANDBOX, "cannot make a pipe");
    if (pipe2(event, O_CLOEXEC) != 0) {
        hone_status s = hone_fail_errno(err, HONE_E_SANDBOX, "cannot make a pipe");
        close(command[0]);
        close(command[1]);
        return s;
    }
    pid_t nursery = getpid();
    r->pid = fork();
    if (r->pid == 0)
        hone_device__child(r, nursery, command[0], event[1]);
    int e = errno;
    close(command[0]);
    close(event[1]);
    r->command = command[1];
    r->event = event[0];
    if (r->pid > 0)
        return HONE_OK;
    r->pid = 0;
    errno = e;
    return hone_fail_errno(err, HONE_E_SANDBOX, "cannot fork a measuring process");
}

static int reap(hone_device__run *r, bool kill_it)
{
    int status = 0;
    if (!r->pid)
        return 0;
    if (kill_it) {
        kill(-r->pid, SIGKILL); /* its session, if it has come that far */
        kill(r->pid, SIGKILL);
    }
    while (waitpid(r->pid, &status, 0) < 0 && errno == EINTR) {
    }
    r->pid = 0;
    return status;
}

void hone_device__run_end(hone_device__run *r)
{
    reap(r, true);
    if (r->command >= 0)
        close(r->command);
    if (r->event >= 0)
        close(r->event);
    r->command = r->event = -1;
    for (int k = 0; k < HONE_DEVICE__KERNELS; k++)
        for (uint32_t i = 0; i < HONE_MAX_ARGS; i++)
            hone_device__buffer_free(&r->kernels[k].packed[i]);
}

/* ---- why it ended -------------------------------------------------------------------------- */

/* "the kernel", or "the incumbent", or its pack function. */
static const char *actor(const hone_device__control *c)
{
    bool pack = c->stage == HONE_DEVICE__PACK;
    if (c->who == HONE_DEVICE__INCUMBENT)
        return pack ? "the incumbent's pack function" : "the incumbent";
    return pack ? "the pack function" : "the kernel";
}

typedef struct place {
    char text[200];
    bool found;
} place;

static bool look_in(const hone_device__buffer *b, uint64_t address, bool read_only,
                    const char *kind, const char *name, place *ret)
{
    uint64_t map = (uint64_t)(uintptr_t)b->map, data = (uint64_t)(uintptr_t)b->data;
    if (!b->map || address < map || address - map >= b->map_bytes)
        return false;
    int64_t at = (int64_t)(address - data);
    ret->found = true;
    if (at >= 0 && (uint64_t)at < b->bytes) {
        if (!read_only)
            return ret->found = false;
        snprintf(ret->text, sizeof ret->text, "wrote to %s '%.63s' at byte %" PRId64, kind, name,
                 at);
    } else if (at < 0) {
        snprintf(ret->text, sizeof ret->text, "reached %" PRId64 " bytes before %s '%.63s'", -at,
                 kind, name);
    } else {
        snprintf(ret->text, sizeof ret->text,
                 "reached byte %" PRId64 " of %s '%.63s', which has %zu", at, kind, name, b->bytes);
    }
    return true;
}

static place find_place(const hone_device__run *r, const hone_device__control *c)
{
    place p = {.found = false};
    int who = c->who == HONE_DEVICE__INCUMBENT ? HONE_DEVICE__INCUMBENT : HONE_DEVICE__CANDIDATE;
    const hone_manifest *m = r->kernels[who].manifest;
    for (uint32_t i = 0; m && i < m->n_args; i++) {
        const hone_arg *a = &m->args[i];
        if (look_in(&r->data->args[i], c->address, !a->is_output, a->is_output ? "output" : "input",
                    a->name, &p) ||
            look_in(&r->kernels[who].packed[i], c->address, c->stage != HONE_DEVICE__PACK,
                    "packed input", a->name, &p))
            break;
    }
    return p;
}

static hone_status by_signal(const hone_device__run *r, const hone_device__control *c, int sig,
                             hone_error *err)
{
    const char *name = sigabbrev_np(sig);
    switch (sig) {
    case SIGSYS:
        return hone_fail(err, HONE_REJECT_SYSCALL,
                         "%s made a system call that kernels may not make", actor(c));
    case SIGXCPU:
        return hone_fail(err, HONE_REJECT_RUN_TIMEOUT, "%s used up its processor time", actor(c));
    case SIGKILL:
        return hone_fail(
            err, HONE_E_SANDBOX,
            "the measuring process was killed from outside, perhaps for want of memory");
    case SIGSEGV:
    case SIGBUS:
        if (c->signal == sig) {
            place p = find_place(r, c);
            if (p.found)
                return hone_fail(err, HONE_REJECT_OUT_OF_BOUNDS, "%s %s", actor(c), p.text);
            if (c->signal_code > 0 && c->signal_code != SI_KERNEL)
                return hone_fail(err, HONE_REJECT_CRASH, "%s crashed: SIG%s at %#" PRIx64, actor(c),
                                 name, c->address);
        }
        break;
    default:
        break;
    }
    return hone_fail(err, HONE_REJECT_CRASH, "%s crashed: SIG%s", actor(c), name ? name : "?");
}

/* `sig`: the signal it died of, or 0 with an exit code. */
static hone_status why_dead(const hone_device__run *r, const hone_device__control *c, int sig,
                            int code, hone_error *err)
{
    if (c->stage == HONE_DEVICE__SETUP)
        return hone_fail(err, HONE_E_SANDBOX,
                         "the measuring process died while it was set up (%s %d)",
                         sig ? "signal" : "exit code", sig ? sig : code);
    if (c->stage == HONE_DEVICE__LOAD)
        return hone_fail(err, HONE_REJECT_ARTIFACT, "artifact crashes the loader");
    if (sig)
        return by_signal(r, c, sig, err);
    return hone_fail(err, HONE_REJECT_CRASH, "%s ended its process with exit code %d", actor(c),
                     code);
}

/* What the incumbent does wrong is not the candidate's fault, and no property of the job. */
static hone_status blame(const hone_device__control *c, hone_status s, hone_error *err)
{
    if (c->who != HONE_DEVICE__INCUMBENT || !hone_status_is_reject(s))
        return s;
    if (err)
        err->status = HONE_E_SANDBOX;
    return HONE_E_SANDBOX;
}

static hone_status by_event(const hone_device__run *r, const hone_device__control *c, char event,
                            hone_error *err)
{
    switch (event) {
    case HONE_DEVICE__FAULT:
        return why_dead(r, c, c->signal, 0, err);
    case HONE_DEVICE__NONZERO:
        return hone_fail(err, HONE_REJECT_NONZERO, "%s returned %d%s", actor(c), c->returned,
                         c->returned == HONE_RT_NOMEM ? " (no scratch memory)" : "");
    case HONE_DEVICE__UNLOADABLE:
        return hone_fail(err, HONE_REJECT_ARTIFACT, "artifact cannot be loaded: %.200s", c->note);
    case HONE_DEVICE__TROUBLE:
        return hone_fail(err, HONE_E_SANDBOX, "%.200s: %s", c->note, strerror(c->sys));
    default:
        return hone_fail(err, HONE_REJECT_CRASH, "%s confused its measuring process", actor(c));
    }
}

/* What the worker says meanwhile: that the job is given up, or nothing more for ever. */
static hone_status by_worker(const hone_device__run *r, hone_error *err)
{
    char what = 0;
    ssize_t n;
    while ((n = recv(r->worker, &what, sizeof what, MSG_DONTWAIT)) < 0 && errno == EINTR) {
    }
    if (n == 1 && what == HONE_DEVICE__CANCEL)
        return hone_fail(err, HONE_E_INTERRUPTED, "the measurement was given up");
    return hone_fail(err, HONE_E_PEER, "the worker is gone");
}

/* The child's words as they are now, with texts that end. */
static hone_device__control snapshot(const hone_device__run *r)
{
    hone_device__control c = *r->control;
    c.note[sizeof c.note - 1] = '\0';
    return c;
}

hone_status hone_device__run_do(hone_device__run *r, char command, char expected,
                                int64_t deadline_ns, hone_error *err)
{
    /* SIGPIPE is ignored here; a child that is gone shows in the poll. */
    if (command && write(r->command, &command, 1) < 0 && errno != EPIPE)
        return hone_fail_errno(err, HONE_E_SANDBOX, "cannot command the measuring process");
    for (;;) {
        int64_t left = deadline_ns - hone_clock_ns();
        int ms = left <= 0                     ? 0
                 : left / 1000000 >= INT32_MAX ? INT32_MAX
                                               : (int)(left / 1000000) + 1;
        struct pollfd p[2] = {{.fd = r->event, .events = POLLIN},
                              {.fd = r->worker, .events = POLLIN | POLLRDHUP}};
        int n = poll(p, 2, ms);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return hone_fail_errno(err, HONE_E_SANDBOX, "cannot wait for the measuring process");
        if (p[1].revents) {
            hone_status s = by_worker(r, err);
            reap(r, true);
            return s;
        }
        if (n == 0) {
            reap(r, true);
            hone_device__control c = snapshot(r);
            if (c.stage == HONE_DEVICE__SETUP && expected == HONE_DEVICE__READY)
                return hone_fail(err, HONE_E_SANDBOX,
                                 "the measuring process was not set up in time; the machine is "
                                 "overloaded or the deadline too short");
            return blame(&c,
                         hone_fail(err, HONE_REJECT_RUN_TIMEOUT, "%s did not end in time%s",
                                   actor(&c),
                                   c.stage == HONE_DEVICE__TIME ? " while it was timed" : ""),
                         err);
        }
        char event;
        ssize_t got = read(r->event, &event, 1);
        if (got < 0 && errno == EINTR)
            continue;
        if (got == 1 && event == expected)
            return HONE_OK;
        int status = reap(r, got == 1);
        hone_device__control c = snapshot(r);
        hone_status s = got == 1 ? by_event(r, &c, event, err)
                                 : why_dead(r, &c, WIFSIGNALED(status) ? WTERMSIG(status) : 0,
                                            WIFEXITED(status) ? WEXITSTATUS(status) : 0, err);
        return blame(&c, s, err);
    }
}
