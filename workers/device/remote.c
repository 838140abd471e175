/* A measuring child whose kernels are modules, which a runtime runs: it has data and results where
 * other children have them, and hands them on. */
#include "workers/device/internal.h"

#include <errno.h>
#include <unistd.h>

/* What a request may be made of: heads, one for each argument, a module. */
#define MOST_PARTS (HONE_MAX_ARGS + 3)

typedef struct remote {
    const hone_device__run *run;
    int64_t ready[HONE_DEVICE__KERNELS]; /* the data set whose inputs it has; -1: none yet */
} remote;

typedef struct parts {
    hone_device__part v[MOST_PARTS];
    unsigned n;
} parts;

static void add(parts *to, void *p, size_t n)
{
    if (n)
        to->v[to->n++] = (hone_device__part){p, n};
}

/* Arguments of a data set as they lie in this process. */
static void add_args(parts *to, const hone_device__run *r, uint32_t set, int who, bool outputs)
{
    const hone_manifest *m = r->kernels[who].manifest;
    for (uint32_t i = 0; i < m->n_args; i++)
        if (!m->args[i].is_output == !outputs)
            add(to, r->data[set]->args[i].data, r->data[set]->args[i].bytes);
}

/* Ends this process unless the answer is a good one. */
static void ask(const hone_device__run *r, char op, const parts *out, const parts *in)
{
    hone_device__answer a;
    hone_device__control *c = r->control;
    if (!hone_device__runtime_ask(HONE_DEVICE__FD_RUNTIME, op, out->v, out->n, in ? in->v : NULL,
                                  in ? in->n : 0, &a))
        hone_device__child_ends(c, HONE_DEVICE__LOST, 0, "");
    switch (a.status) {
    case HONE_DEVICE__RUNTIME_OK:
        return;
    case HONE_DEVICE__RUNTIME_UNLOADABLE:
        hone_device__child_ends(c, HONE_DEVICE__UNLOADABLE, 0, a.note);
    case HONE_DEVICE__RUNTIME_BOUNDS:
        hone_device__child_ends(c, HONE_DEVICE__BOUNDS, 0, a.note);
    case HONE_DEVICE__RUNTIME_NONZERO:
        c->returned = (int32_t)strtol(a.note, NULL, 10);
        hone_device__child_ends(c, HONE_DEVICE__NONZERO, 0, "");
    default:
        hone_device__child_ends(c, HONE_DEVICE__TRAPPED, 0, a.note);
    }
}

/* ---- loading ------------------------------------------------------------------------------- */

static void load(const hone_device__run *r, int who)
{
    const hone_manifest *m = r->kernels[who].manifest;
    uint32_t head[2 + 3 * HONE_MAX_ARGS] = {(uint32_t)who, m->n_args};
    uint64_t most = 0;
    for (uint32_t i = 0; i < m->n_args; i++) {
        uint64_t bytes = (uint64_t)m->args[i].count * hone_device__elem_size(m->args[i].elem);
        head[2 + 3 * i] = m->args[i].is_output != 0;
        head[3 + 3 * i] = (uint32_t)bytes;
        head[4 + 3 * i] = (uint32_t)m->args[i].pack_bytes;
        most += bytes + (uint64_t)m->args[i].pack_bytes;
    }
    r->control->who = who;
    r->control->stage = HONE_DEVICE__LOAD;
    if (most > HONE_DEVICE__RUNTIME_MOST)
        hone_device__child_ends(r->control, HONE_DEVICE__UNLOADABLE, 0,
                                "its arguments are too large for 32-bit addresses");
    off_t n = lseek(HONE_DEVICE__FD_ARTIFACT + who, 0, SEEK_END);
    uint8_t *module = hone_xmalloc(n > 0 ? (size_t)n : 1);
    if (n <= 0 || pread(HONE_DEVICE__FD_ARTIFACT + who, module, (size_t)n, 0) != n)
        hone_device__child_ends(r->control, HONE_DEVICE__TROUBLE, errno, "cannot read the module");
    parts out = {.n = 0};
    add(&out, head, sizeof *head * (2 + 3 * (size_t)m->n_args));
    add(&out, module, (size_t)n);
    ask(r, HONE_DEVICE__RUNTIME_LOAD, &out, NULL);
    free(module);
}

/* Inputs of the data set whose turn it is, which are packed there. */
static void give(remote *m, uint32_t set, int who)
{
    uint32_t head = (uint32_t)who;
    parts out = {.n = 0};
    if (m->ready[who] == (int64_t)set)
        return;
    add(&out, &head, sizeof head);
    add_args(&out, m->run, set, who, false);
    m->run->control->who = who;
    m->run->control->stage = HONE_DEVICE__PACK;
    ask(m->run, HONE_DEVICE__RUNTIME_DATA, &out, NULL);
    m->ready[who] = set;
}

/* ---- calls --------------------------------------------------------------------------------- */

static int32_t call(void *ctx, uint32_t set)
{
    remote *m = ctx;
    uint32_t head = HONE_DEVICE__CANDIDATE;
    parts out = {.n = 0}, in = {.n = 0};
    give(m, set, HONE_DEVICE__CANDIDATE);
    add(&out, &head, sizeof head);
    add_args(&out, m->run, set, HONE_DEVICE__CANDIDATE, true);
    add_args(&in, m->run, set, HONE_DEVICE__CANDIDATE, true);
    m->run->control->stage = HONE_DEVICE__CALL;
    ask(m->run, HONE_DEVICE__RUNTIME_CALL, &out, &in);
    return 0;
}

static int64_t elapsed(void *ctx, int who, int64_t calls, bool fresh)
{
    remote *m = ctx;
    uint32_t head[2] = {(uint32_t)who, (uint32_t)calls};
    double ns = 0;
    parts out = {.n = 0}, in = {.n = 0};
    add(&out, head, sizeof head);
    if (fresh)
        add_args(&out, m->run, 0, who, true);
    add(&in, &ns, sizeof ns);
    m->run->control->who = who;
    ask(m->run, HONE_DEVICE__RUNTIME_TIME, &out, &in);
    return ns > 0 && ns < 9e18 ? (int64_t)ns : 0;
}

static int32_t time_all(void *ctx)
{
    remote *m = ctx;
    double resolution = 0;
    parts none = {.n = 0}, in = {.n = 0};
    for (int who = 0; who < HONE_DEVICE__KERNELS; who++)
        if (m->run->kernels[who].manifest)
            give(m, 0, who);
    m->run->control->who = HONE_DEVICE__CANDIDATE;
    m->run->control->stage = HONE_DEVICE__TIME;
    add(&in, &resolution, sizeof resolution);
    ask(m->run, HONE_DEVICE__RUNTIME_CLOCK, &none, &in);
    return hone_device__time(
        m->run, &(hone_device__caller){.ctx = m, .elapsed = elapsed, .resolution_ns = resolution});
}

_Noreturn void hone_device__remote_child(const hone_device__run *r, pid_t nursery, int command,
                                         int event)
{
    remote m = {.run = r};
    parts none = {.n = 0};
    hone_device__child_begins(r, nursery, command, event);
    /* Is it there? A page may have been closed. */
    ask(r, HONE_DEVICE__RUNTIME_HELLO, &none, NULL);
    for (int who = 0; who < HONE_DEVICE__KERNELS; who++) {
        m.ready[who] = -1;
        if (r->kernels[who].manifest)
            load(r, who);
    }
    r->control->stage = HONE_DEVICE__SETUP;
    hone_device__child_obeys(r, call, time_all, &m);
}
