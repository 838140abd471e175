/* One measuring child as the nursery sees it: starting it, waiting for it with a deadline, and
 * looking at how it ended. */
#include "workers/device/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* A wait is cut into naps. One that takes longer by so much was not only this process's: the
 * machine was asleep, or a guest that its host did not run. The kernel could not run either. */
#define NAP_NS INT64_C(1000000000)
#define STALL_NS INT64_C(2000000000)

/* ---- start and end ------------------------------------------------------------------------- */

static hone_status make_packed(hone_device__kernel *k, bool modules, hone_error *err)
{
    hone_status s = HONE_OK;
    if (modules) /* what is packed lies in the runtime */
        return HONE_OK;
    for (uint32_t i = 0; k->manifest && i < k->manifest->n_args && s == HONE_OK; i++)
        if (k->manifest->args[i].pack_bytes)
            s = hone_device__buffer_new((size_t)k->manifest->args[i].pack_bytes, false,
                                        &k->packed[i], err);
    return s;
}

void hone_device__run_turn(hone_device__run *r, uint32_t set)
{
    r->turn = set;
    hone_device__dataset_turn(r->data[set]);
    for (int k = 0; k < HONE_DEVICE__KERNELS; k++) {
        for (uint32_t i = 0; i < HONE_MAX_ARGS; i++) {
            hone_device__buffer *b = &r->kernels[k].packed[i];
            if (!b->map)
                continue;
            hone_device__buffer_place(b, hone_device__side_of(r->data[set]->kind));
            hone_device__buffer_set_canary(b);
            /* Padding that pack leaves unwritten should not look like zeros. */
            memset(b->data, 0xff, b->bytes);
        }
    }
}

hone_status hone_device__run_start(hone_device__run *r, hone_error *err)
{
    r->pid = 0;
    r->command = r->event = -1;
    r->control = (hone_device__control *)r->control_page.data;
    memset(r->control, 0, sizeof *r->control);
    hone_status s = HONE_OK;
    for (int k = 0; k < HONE_DEVICE__KERNELS && s == HONE_OK; k++)
        s = make_packed(&r->kernels[k], r->runtime != NULL, err);
    if (s != HONE_OK)
        return s;
    hone_device__run_turn(r, r->turn);
    if (r->runtime && (s = hone_device__runtime_ready(r->runtime, err)) != HONE_OK)
        return s;
    /* Enough for the check, the timing and the check after it. */
    uint64_t most_s =
        (uint64_t)((2 * r->job->check_ms + r->job->run_ms) / 1000 + 5) * (uint64_t)r->job->threads;
    r->cpu_seconds = r->limits->cpu_seconds;
    if (r->sandbox->on && most_s < r->cpu_seconds)
        r->cpu_seconds = most_s;
    if (hone_fault("device.setup"))
        return hone_fail(err, HONE_E_SANDBOX,
                         "cannot fork a measuring process, as a test wants it");
    int command[2], event[2];
    if (pipe2(command, O_CLOEXEC) != 0)
        return hone_fail_errno(err, HONE_E_SANDBOX, "cannot make a pipe");
    if (pipe2(event, O_CLOEXEC) != 0) {
        s = hone_fail_errno(err, HONE_E_SANDBOX, "cannot make a pipe");
        close(command[0]);
        close(command[1]);
        return s;
    }
    pid_t nursery = getpid();
    if (r->runtime)
        r->runtime->clean = false;
    r->pid = fork();
    if (r->pid == 0)
        (r->runtime ? hone_device__remote_child : hone_device__child)(r, nursery, command[0],
                                                                      event[1]);
    int e = errno;
    close(command[0]);
    close(event[1]);
    r->command = command[1];
    r->event = event[0];
    if (r->pid > 0)
        return HONE_OK;
    r->pid = 0;
    return hone_sandbox__no_process("cannot fork a measuring process", e, r->limits, err);
}

static int64_t ns_of(struct timeval t)
{
    return (int64_t)t.tv_sec * 1000000000 + t.tv_usec * 1000;
}

/* Adds to *ret how it ended; the rest of it is the caller's. */
static void reap(hone_device__run *r, bool kill_it, hone_device__ending *ret)
{
    int status = 0;
    struct rusage used = {0};
    if (!r->pid)
        return;
    if (kill_it) {
        kill(-r->pid, SIGKILL); /* its session, if it has come that far */
        kill(r->pid, SIGKILL);
    }
    while (wait4(r->pid, &status, 0, &used) < 0 && errno == EINTR) {
    }
    r->pid = 0;
    if (!kill_it) {
        ret->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
        ret->code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
    }
    ret->cpu_ns = ns_of(used.ru_utime) + ns_of(used.ru_stime);
}

void hone_device__run_end(hone_device__run *r)
{
    hone_device__ending ignored = {0};
    reap(r, true, &ignored);
    if (r->command >= 0)
        close(r->command);
    if (r->event >= 0)
        close(r->event);
    r->command = r->event = -1;
    for (int k = 0; k < HONE_DEVICE__KERNELS; k++)
        for (uint32_t i = 0; i < HONE_MAX_ARGS; i++)
            hone_device__buffer_free(&r->kernels[k].packed[i]);
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

/* Kills the child, whose time is up. */
static hone_status too_late(hone_device__run *r, hone_error *err)
{
    hone_device__ending e = {.late = true};
    siginfo_t info = {0};
    /* That it was stopped is kept for us, also if it goes on by now. */
    e.stopped = waitid(P_PID, (id_t)r->pid, &info, WSTOPPED | WCONTINUED | WNOHANG) == 0 &&
                info.si_pid == r->pid;
    reap(r, true, &e);
    hone_device__control c = snapshot(r);
    return hone_device__explain(r, &c, &e, err);
}

hone_status hone_device__run_do(hone_device__run *r, char command, char expected,
                                int64_t deadline_ns, hone_error *err)
{
    if (r->runtime)
        r->runtime->clean = false;
    if (command == HONE_DEVICE__DO_TIME && hone_fault("device.kill"))
        kill(r->pid, SIGKILL);
    /* SIGPIPE is ignored here; a child that is gone shows in the poll. */
    if (command && write(r->command, &command, 1) < 0 && errno != EPIPE)
        return hone_fail_errno(err, HONE_E_SANDBOX, "cannot command the measuring process");
    for (;;) {
        int64_t now = hone_clock_ns(), left = deadline_ns - now;
        int64_t nap = left < 0 ? 0 : left < NAP_NS ? left : NAP_NS;
        struct pollfd p[2] = {{.fd = r->event, .events = POLLIN},
                              {.fd = r->worker, .events = POLLIN | POLLRDHUP}};
        int n = poll(p, 2, (int)((nap + 999999) / 1000000));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return hone_fail_errno(err, HONE_E_SANDBOX, "cannot wait for the measuring process");
        if (n == 0) {
            int64_t late = hone_clock_ns() - now - nap;
            if (late > STALL_NS)
                deadline_ns += late;
            if (left > NAP_NS || late > STALL_NS)
                continue;
            return too_late(r, err);
        }
        hone_device__ending e = {0};
        if (p[1].revents) {
            hone_status s = by_worker(r, err);
            reap(r, true, &e);
            return s;
        }
        ssize_t got = read(r->event, &e.event, 1);
        if (got < 0 && errno == EINTR)
            continue;
        if (got == 1 && e.event == expected) {
            if (r->runtime) /* it has answered everything */
                r->runtime->clean = true;
            return HONE_OK;
        }
        if (got != 1)
            e.event = 0;
        reap(r, got == 1, &e);
        hone_device__control c = snapshot(r);
        return hone_device__explain(r, &c, &e, err);
    }
}
