/* Every candidate of a space, one after the other, and how many there are.
 *
 * An odometer over decisions: depth first, the last decision of a trace the fastest. What a
 * decision may be depends on those before it, so every decision but the last keeps the program as
 * it was when it was to be taken; going on from there is a part of a replay. Where a replay fails,
 * all that starts with the same decisions is passed over. */
#include "space/trace/internal.h"

/* A decision that is taken. */
typedef struct level {
    uint32_t at;         /* its instruction */
    uint32_t n_rvs;      /* variables, and */
    hone_program before; /* the program, right before it; of the last decision not kept */
} level;

struct hone_enum {
    const hone_space *sp;
    bool (*stop)(void *ctx);
    void *stop_ctx;
    hone_sched s;
    HONE_VEC(level) levels; /* slots beyond n keep their memory */
    uint32_t next_space;
    uint32_t at, last; /* instructions: the next to run, the last that samples */
    bool free;         /* there is none that samples */
    bool decided;      /* the decision of `at` is taken */
    bool under_way;    /* between two decisions, after an interruption */
};

static bool is_stopped(void *ctx)
{
    const hone_enum *e = ctx;
    return (e->stop && e->stop(e->stop_ctx)) || (e->sp->stop && e->sp->stop(e->sp->stop_ctx));
}

hone_enum *hone_enum_new(const hone_space *sp, bool (*stop)(void *ctx), void *ctx)
{
    hone_enum *e = hone_xcalloc(1, sizeof *e);
    e->sp = sp;
    e->stop = stop;
    e->stop_ctx = ctx;
    hone_space__lend(sp, &e->s);
    e->s.stop = is_stopped;
    e->s.stop_ctx = e;
    return e;
}

void hone_enum_free(hone_enum *e)
{
    if (!e)
        return;
    for (uint32_t k = 0; k < e->levels.cap; k++)
        hone_program_fini(&e->levels.v[k].before);
    hone_vec_free(&e->levels);
    hone_sched_fini(&e->s);
    free(e);
}

static level *push(hone_enum *e)
{
    if (e->levels.n == e->levels.cap) {
        uint32_t old = e->levels.cap;
        hone_vec_reserve(&e->levels, 1);
        memset(e->levels.v + old, 0, (e->levels.cap - old) * sizeof *e->levels.v);
    }
    return &e->levels.v[e->levels.n++];
}

/* The next decision of the instruction `at`, or its first. False: it has no other. */
static bool decide(hone_enum *e, uint32_t at, bool first)
{
    hone_sched *s = &e->s;
    const hone_inst *in = &s->trace.insts.v[at];
    int64_t d[HONE_SPACE_MAX_FACTORS];
    uint32_t n = first ? 0 : in->n_decision;
    if (n)
        memcpy(d, s->trace.ints.v + in->decision, n * sizeof *d);
    if (hone_space__next_decision(s, in, d, &n, NULL) != HONE_OK || n == 0)
        return false;
    hone_space__decide(s, &s->trace.insts.v[at], d, n);
    e->at = at;
    e->decided = true;
    return true;
}

/* On to the last decision, taking the first of each on the way. */
static hone_status descend(hone_enum *e, hone_error *err)
{
    for (; !e->free; e->at++, e->decided = false) {
        if (!e->decided && hone_inst_samples(e->s.trace.insts.v[e->at].kind)) {
            level *l = push(e);
            l->at = e->at;
            l->n_rvs = e->s.rvs.n;
            if (e->at != e->last)
                hone_program_copy(&l->before, &e->s.prog);
            if (!decide(e, e->at, true))
                return hone_fail(err, HONE_REJECT_DECISION, "nothing can be decided");
        }
        if (e->at == e->last)
            break;
        HONE_TRY(hone_space__replay_one(&e->s, e->at, err));
    }
    return HONE_OK;
}

/* Another design space, from its beginning. */
static bool next_space(hone_enum *e)
{
    if (e->next_space == e->sp->traces.n)
        return false;
    hone_trace t = e->sp->traces.v[e->next_space++]; /* a shorter view */
    t.insts.n = hone_trace_search_part(&t);
    hone_space__rewind(&e->s, &t, &e->sp->base, NULL);
    e->at = 0;
    e->decided = false;
    e->free = true;
    for (uint32_t k = 0; k < t.insts.n; k++)
        if (hone_inst_samples(t.insts.v[k].kind)) {
            e->free = false;
            e->last = k;
        }
    return true;
}

/* Another decision, as late as possible. False: all are through. */
static bool turn(hone_enum *e)
{
    for (; e->levels.n > 0; e->levels.n--) {
        const level *l = &e->levels.v[e->levels.n - 1];
        if (l->at != e->last) {
            hone_program_copy(&e->s.prog, &l->before);
            e->s.rvs.n = l->n_rvs;
        }
        if (decide(e, l->at, false))
            return true;
    }
    return next_space(e);
}

hone_status hone_enum_next(hone_enum *e, const hone_trace **ret, hone_error *err)
{
    *ret = NULL;
    while (e->under_way || turn(e)) {
        hone_status st = descend(e, err);
        e->under_way = st == HONE_E_INTERRUPTED;
        if (e->under_way)
            return st;
        if (st == HONE_OK) {
            *ret = &e->s.trace;
            break;
        }
    }
    return HONE_OK;
}

/* ---- counting -------------------------------------------------------------------------------- */

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

hone_status hone_space_count(const hone_space *sp, uint64_t bound, hone_space_size *ret,
                             hone_error *err)
{
    hone_enum *e = hone_enum_new(sp, NULL, NULL);
    hone_sched s = {0};
    HONE_VEC(uint64_t) programs = {0};
    const hone_trace *t = NULL;
    *ret = (hone_space_size){0};
    hone_status st;
    while ((st = hone_enum_next(e, &t, err)) == HONE_OK && t && ret->traces < bound) {
        ret->traces++;
        st = hone_space_finish(sp, t, &s, err);
        if (st == HONE_E_INTERRUPTED)
            break;
        ret->legal += st == HONE_OK;
        if (st == HONE_OK && t->insts.n > 0)
            hone_vec_push(&programs, hone_program_hash(&s.prog));
    }
    ret->more = t != NULL;
    if (programs.n > 0)
        qsort(programs.v, programs.n, sizeof *programs.v, by_value);
    for (uint32_t k = 0; k < programs.n; k++)
        ret->candidates += k == 0 || programs.v[k] != programs.v[k - 1];
    ret->candidates++; /* as written */
    hone_vec_free(&programs);
    hone_sched_fini(&s);
    hone_enum_free(e);
    return st == HONE_E_INTERRUPTED ? st : HONE_OK;
}
