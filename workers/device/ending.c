/* How a measuring child ended, and what that says: of the kernel, of the incumbent, or of the
 * machine. Pure functions of what the child said and how it ended. Whatever something else has done
 * to the child is looked at first: no stage it was in makes that the kernel's fault. */
#include "workers/device/internal.h"

#include <errno.h>
#include <signal.h>

/* "the kernel", or "the incumbent", or its pack function. */
static const char *actor(const hone_device__control *c)
{
    bool pack = c->stage == HONE_DEVICE__PACK;
    if (c->who == HONE_DEVICE__INCUMBENT)
        return pack ? "the incumbent's pack function" : "the incumbent";
    return pack ? "the pack function" : "the kernel";
}

/* ---- where it faulted ---------------------------------------------------------------------- */

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
        if (look_in(&r->data[r->turn]->args[i], c->address, !a->is_output,
                    a->is_output ? "output" : "input", a->name, &p) ||
            look_in(&r->kernels[who].packed[i], c->address, c->stage != HONE_DEVICE__PACK,
                    "packed input", a->name, &p))
            return p;
    }
    return p;
}

/* ---- what the machine does ----------------------------------------------------------------- */

/* The signals by which a process itself fails. Any other was sent. */
static bool is_fault(int sig)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS};
    for (size_t i = 0; i < HONE_LEN(faults); i++)
        if (faults[i] == sig)
            return true;
    return false;
}

static const char *name_of(int sig)
{
    const char *name = sigabbrev_np(sig);
    return name ? name : "?";
}

static hone_status killed(int sig, hone_error *err)
{
    return hone_fail(err, HONE_E_KILLED, "the measuring process was killed from outside (SIG%s)%s",
                     name_of(sig), sig == SIGKILL ? ", perhaps for want of memory" : "");
}

/* At its limit a process is sent SIGXCPU, and SIGKILL a little later if it ignores that. */
static bool out_of_cpu(const hone_device__run *r, const hone_device__ending *e)
{
    return (e->signal == SIGXCPU || e->signal == SIGKILL) &&
           r->cpu_seconds != HONE_SANDBOX__NO_LIMIT &&
           (uint64_t)(e->cpu_ns / 1000000000) + 1 >= r->cpu_seconds;
}

static hone_status no_cpu_left(const hone_device__run *r, const hone_device__control *c,
                               hone_error *err)
{
    if (r->limits->cpu_seconds <= r->cpu_seconds)
        return hone_fail(err, HONE_E_LIMIT,
                         "a process may have %" PRIu64 " s of processor time here (ulimit -t), and "
                         "%s needs more",
                         r->limits->cpu_seconds, actor(c));
    return hone_fail(err, HONE_REJECT_RUN_TIMEOUT, "%s used up its processor time", actor(c));
}

/* ---- what the kernel does ------------------------------------------------------------------ */

static hone_status crashed(const hone_device__run *r, const hone_device__control *c, int sig,
                           hone_error *err)
{
    const char *name = name_of(sig);
    if (sig == SIGSYS)
        return hone_fail(err, HONE_REJECT_SYSCALL,
                         "%s made a system call that kernels may not make", actor(c));
    if ((sig == SIGSEGV || sig == SIGBUS) && c->signal == sig) {
        place p = find_place(r, c);
        if (p.found)
            return hone_fail(err, HONE_REJECT_OUT_OF_BOUNDS, "%s %s", actor(c), p.text);
        if (c->signal_code != SI_KERNEL)
            return hone_fail(err, HONE_REJECT_CRASH,
                             "%s crashed: SIG%s at %#" PRIx64 ", outside of its arguments",
                             actor(c), name, c->address);
    }
    const char *why = sig == SIGFPE ? ", a division by zero or one that overflows" : "";
    return hone_fail(err, HONE_REJECT_CRASH, "%s crashed: SIG%s%s", actor(c), name, why);
}

static hone_status by_signal(const hone_device__run *r, const hone_device__control *c, int sig,
                             hone_error *err)
{
    switch (c->stage) {
    case HONE_DEVICE__SETUP:
        return hone_fail(err, HONE_E_SANDBOX,
                         "the measuring process died while it was set up (SIG%s)", name_of(sig));
    case HONE_DEVICE__LOAD: /* no code of the artifact runs yet: this is the loader's own call */
        return sig == SIGSYS ? hone_fail(err, HONE_E_SANDBOX,
                                         "the sandbox forbids what the loader of this "
                                         "system does")
                             : hone_fail(err, HONE_REJECT_ARTIFACT,
                                         "artifact crashes the loader (SIG%s)", name_of(sig));
    default:
        return crashed(r, c, sig, err);
    }
}

static hone_status by_code(const hone_device__control *c, int code, hone_error *err)
{
    if (c->stage == HONE_DEVICE__SETUP)
        return hone_fail(err, HONE_E_SANDBOX,
                         "the measuring process ended while it was set up (exit code %d)", code);
    if (c->stage == HONE_DEVICE__LOAD)
        return hone_fail(err, HONE_REJECT_ARTIFACT, "artifact ends the loader (exit code %d)",
                         code);
    return hone_fail(err, HONE_REJECT_CRASH, "%s ended its process with exit code %d", actor(c),
                     code);
}

static hone_status no_temporaries(const hone_device__run *r, const hone_device__control *c,
                                  hone_error *err)
{
    if (r->scarce)
        return hone_fail(err, HONE_E_NOMEM,
                         "%s got no memory for its temporaries, for which this device has %" PRIu64
                         " MiB left (%s)",
                         actor(c), r->temporaries >> 20, r->scarce->because);
    return hone_fail(err, HONE_REJECT_NONZERO,
                     "%s returned %d (no scratch memory: it takes more than %" PRIu64 " MiB)",
                     actor(c), c->returned, r->temporaries >> 20);
}

static hone_status not_loaded(const hone_device__control *c, hone_error *err)
{
    hone_status s = strstr(c->note, strerror(ENOMEM)) ? HONE_E_NOMEM : HONE_REJECT_ARTIFACT;
    return hone_fail(err, s, "artifact cannot be loaded: %.200s", c->note);
}

static hone_status by_event(const hone_device__run *r, const hone_device__control *c, char event,
                            hone_error *err)
{
    switch (event) {
    case HONE_DEVICE__FAULT:
        return c->signal_code > 0 ? by_signal(r, c, c->signal, err) : killed(c->signal, err);
    case HONE_DEVICE__NONZERO:
        return c->returned == HONE_RT_NOMEM
                   ? no_temporaries(r, c, err)
                   : hone_fail(err, HONE_REJECT_NONZERO, "%s returned %d", actor(c), c->returned);
    case HONE_DEVICE__UNLOADABLE:
        return not_loaded(c, err);
    case HONE_DEVICE__BOUNDS:
        return hone_fail(err, HONE_REJECT_OUT_OF_BOUNDS, "%s: %.200s", actor(c), c->note);
    case HONE_DEVICE__TRAPPED:
        return hone_fail(err, HONE_REJECT_CRASH, "%s trapped: %.200s", actor(c), c->note);
    case HONE_DEVICE__LOST:
        return hone_fail(err, HONE_E_KILLED,
                         "the runtime that runs modules is gone, or answers what it was not asked");
    case HONE_DEVICE__TROUBLE:
        return hone_sandbox__no_process(c->note, c->sys, r->limits, err);
    default:
        return hone_fail(err, HONE_REJECT_CRASH, "%s confused its measuring process", actor(c));
    }
}

static hone_status too_late(const hone_device__control *c, bool stopped, hone_error *err)
{
    if (stopped)
        return hone_fail(err, HONE_E_TIMEOUT, "the measuring process was stopped from outside");
    if (c->stage == HONE_DEVICE__SETUP)
        return hone_fail(err, HONE_E_TIMEOUT,
                         "the measuring process was not set up in time; the machine is overloaded "
                         "or the deadline too short");
    return hone_fail(err, HONE_REJECT_RUN_TIMEOUT, "%s did not end in time%s", actor(c),
                     c->stage == HONE_DEVICE__TIME ? " while it was timed" : "");
}

static hone_status explain(const hone_device__run *r, const hone_device__control *c,
                           const hone_device__ending *e, hone_error *err)
{
    if (e->late)
        return too_late(c, e->stopped, err);
    if (e->event)
        return by_event(r, c, e->event, err);
    if (out_of_cpu(r, e))
        return no_cpu_left(r, c, err);
    if (!e->signal)
        return by_code(c, e->code, err);
    return is_fault(e->signal) ? by_signal(r, c, e->signal, err) : killed(e->signal, err);
}

hone_status hone_device__explain(const hone_device__run *r, const hone_device__control *c,
                                 const hone_device__ending *e, hone_error *err)
{
    hone_status s = explain(r, c, e, err);
    /* What the incumbent does wrong is not the candidate's fault. */
    if (c->who != HONE_DEVICE__INCUMBENT || !hone_status_is_reject(s))
        return s;
    if (err)
        err->status = HONE_E_INCUMBENT;
    return HONE_E_INCUMBENT;
}
