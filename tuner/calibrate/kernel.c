/* Probes as kernels: text, schedule, trace. Loops are scheduled by their names. */
#include "tuner/calibrate/internal.h"

#define MOST_LOOPS 8

static const hone_probe_info infos[] = {
#define HONE_PROBE(name, unit, file, text) {#name, unit, text},
#include "tuner/calibrate/probes.def"
#undef HONE_PROBE
};

const hone_probe_info *hone_probe_at(hone_probe_id k)
{
    return &infos[k];
}

hone_status hone_probe_make(hone_probe_id k, const hone_target *t, int32_t threads,
                            hone_probe_plan *ret, hone_error *err)
{
    static hone_status (*const make[])(const hone_target *, int32_t, hone_probe_plan *,
                                       hone_error *) = {
#define HONE_PROBE(name, unit, file, text) hone_calibrate__##name,
#include "tuner/calibrate/probes.def"
#undef HONE_PROBE
    };
    *ret = (hone_probe_plan){.threads = 1};
    return make[k](t, threads, ret, err);
}

void hone_probe_plan_free(hone_probe_plan *p)
{
    free(p->workload);
    free(p->trace);
    *p = (hone_probe_plan){0};
}

int64_t hone_calibrate__lanes(const hone_target *t)
{
    return t->vector_bytes >= 4 ? t->vector_bytes / 4 : 1;
}

/* The loops of a block by the first letters of their names. */
typedef struct named {
    hone_rv rv[MOST_LOOPS];
    char letter[MOST_LOOPS];
    unsigned n;
} named;

static hone_status loops_of(hone_sched *s, hone_rv block, named *ret, hone_error *err)
{
    HONE_TRY(hone_get_loops(s, block, ret->rv, MOST_LOOPS, &ret->n, err));
    for (unsigned k = 0; k < ret->n; k++) {
        const hone_stmt_row *l = hone_stmt_at(&s->prog, hone_rv_stmt(s, ret->rv[k]));
        ret->letter[k] = hone_sym_text(&s->prog, l->name)[0];
    }
    return HONE_OK;
}

static hone_rv loop_named(const named *l, char letter)
{
    for (unsigned k = 0; k < l->n; k++)
        if (l->letter[k] == letter)
            return l->rv[k];
    return HONE_NO_RV;
}

static hone_status set_kinds(hone_sched *s, const named *l, hone_error *err)
{
    for (unsigned k = 0; k < l->n; k++) {
        hone_status st = HONE_OK;
        if (l->letter[k] == 'i' || l->letter[k] == 'u')
            st = hone_unroll(s, l->rv[k], err);
        else if (l->letter[k] == 'v')
            st = hone_vectorize(s, l->rv[k], err);
        HONE_TRY(st);
    }
    return HONE_OK;
}

/* The loops of a copy of registers run over the tile's dimensions, v last and i or u before it. */
static hone_status schedule_copy(hone_sched *s, hone_rv block, hone_rv outer, hone_error *err)
{
    named l;
    HONE_TRY(loops_of(s, block, &l, err));
    for (unsigned k = 0; k < l.n; k++)
        l.letter[k] = l.rv[k].i == outer.i                                     ? 't'
                      : hone_rv_stmt(s, l.rv[k]).i == hone_rv_stmt(s, outer).i ? 't'
                      : k + 1 == l.n                                           ? 'v'
                                                                               : 'u';
    return set_kinds(s, &l, err);
}

static hone_status schedule(hone_sched *s, const hone_calibrate__kernel *k, int32_t threads,
                            hone_error *err)
{
    hone_rv block, copies[2], order[MOST_LOOPS];
    named l;
    unsigned n = 0;
    HONE_TRY(hone_get_block(s, "S", &block, err));
    HONE_TRY(loops_of(s, block, &l, err));
    for (const char *at = k->order; *at; at++)
        if (*at != ' ')
            order[n++] = loop_named(&l, *at);
    HONE_TRY(hone_reorder(s, order, n, err));
    hone_rv outer = loop_named(&l, 't');
    if (k->sums) {
        HONE_TRY(hone_cache_accumulate(s, block, outer, HONE_LOCAL, copies, err));
        HONE_TRY(schedule_copy(s, copies[0], outer, err));
        HONE_TRY(schedule_copy(s, copies[1], outer, err));
    }
    HONE_TRY(set_kinds(s, &l, err));
    return threads > 1 ? hone_parallel(s, outer, err) : HONE_OK;
}

hone_status hone_calibrate__make(const hone_calibrate__kernel *k, hone_probe_plan *ret,
                                 hone_error *err)
{
    const hone_size all[] = {{"T", k->T}, {"R", k->R}, {"K", k->K},
                             {"I", k->I}, {"U", k->U}, {"V", k->V}};
    hone_size sizes[HONE_LEN(all)];
    unsigned n = 0;
    for (unsigned q = 0; q < HONE_LEN(all); q++)
        if (all[q].value)
            sizes[n++] = all[q];
    hone_program p;
    hone_sched s = {0};
    HONE_TRY(hone_workload_parse("probe", k->text, strlen(k->text), NULL, sizes, n, &p, err));
    hone_sched_start(&s, &p, NULL);
    hone_status st = schedule(&s, k, ret->threads, err);
    if (st == HONE_OK) {
        hone_buf text = {0};
        hone_program_print(&p, &text);
        ret->workload = hone_buf_take(&text);
        ret->trace = hone_trace_text(&s.trace);
    }
    hone_sched_fini(&s);
    hone_program_fini(&p);
    return st;
}
