/* Knowledge of other sizes: what was fastest for the log's nearest kernels of the same class,
 * adapted to this one and suggested to its search. */
#include "tuner/internal.h"

#include <math.h>

/* More suggestions than these two were worse than the seeds they kept waiting (bench/search.py). */
#define NEAREST 2 /* kernels that are taken from, */
#define OF_EACH 1 /* so many schedules of each, different programs here */
#define LOOK_AT 8 /* of the fastest of each: not all can be carried out here */

typedef struct suggesting {
    session *s;
    hone_sched sched;
    hone_features features;
    uint64_t programs[NEAREST * OF_EACH]; /* hashes */
    uint32_t n;
    char *traces[OF_EACH][NEAREST]; /* the best of each, then the next of each; NULL: none */
} suggesting;

static bool is_new_program(suggesting *g, uint64_t hash)
{
    for (uint32_t k = 0; k < g->n; k++)
        if (g->programs[k] == hash)
            return false;
    g->programs[g->n++] = hash;
    return true;
}

/* What becomes of the trace here: of the ways to adapt it the one that the draft expects more of.
 * *ret NULL: nothing. */
static hone_status adapt(suggesting *g, const char *text, char **ret, uint64_t *ret_program,
                         hone_error *err)
{
    static const hone_adapt_way ways[] = {HONE_ADAPT_TASKS, HONE_ADAPT_TILES};
    const session *s = g->s;
    hone_trace t = {0};
    double least = HUGE_VAL;
    hone_status st = HONE_OK;
    *ret = NULL;
    bool any =
        hone_trace_parse(text, strlen(text), &t, NULL) == HONE_OK && hone_trace_search_part(&t) > 0;
    for (unsigned k = 0; k < HONE_LEN(ways) && any && st != HONE_E_INTERRUPTED; k++) {
        st = hone_space_adapt(s->space, &t, ways[k], &g->sched, err);
        if (st != HONE_OK)
            continue;
        hone_features_extract(&g->sched.prog, s->o.target, s->o.threads, s->o.machine,
                              &g->features);
        if (g->features.draft_ns >= least)
            continue;
        least = g->features.draft_ns;
        free(*ret);
        *ret = hone_trace_text(&g->sched.trace);
        *ret_program = hone_program_hash(&g->sched.prog);
    }
    hone_trace_free(&t);
    return st == HONE_E_INTERRUPTED ? st : HONE_OK;
}

/* The traces of one kernel, in turn. What cannot be done here is passed over. */
static hone_status adapt_some(suggesting *g, const timed_traces *from, uint32_t kernel,
                              hone_error *err)
{
    uint32_t kept = 0;
    for (uint32_t k = 0; k < from->n && kept < OF_EACH; k++) {
        char *text;
        uint64_t program = 0;
        hone_status st = adapt(g, from->v[k].text, &text, &program, err);
        if (st == HONE_OK && text && is_new_program(g, program))
            g->traces[kept++][kernel] = text;
        else
            free(text);
        HONE_TRY(st);
    }
    return HONE_OK;
}

/* The first of each kernel before the second of any: a schedule that was best once is worth more
 * than another of the same kernel. */
static void suggest(suggesting *g)
{
    for (unsigned q = 0; q < OF_EACH; q++)
        for (unsigned k = 0; k < NEAREST; k++) {
            const char *text = g->traces[q][k];
            hone_trace t = {0};
            if (text && hone_trace_parse(text, strlen(text), &t, NULL) == HONE_OK) {
                hone_search_suggest(g->s->search, text, "near");
                hone_tuner__note(g->s, "near", hone_trace_hash(&t));
            }
            hone_trace_free(&t);
            free(g->traces[q][k]);
        }
}

static bool is_another(void *ctx, const hone_db_workload *w, const hone_db_target *t,
                       int *ret_elsewhere)
{
    const session *s = ctx;
    *ret_elsewhere = t->id != s->target_id;
    return w->id != s->workload_id || *ret_elsewhere;
}

hone_status hone_tuner__near(session *s, hone_error *err)
{
    suggesting g = {.s = s};
    neighbours found = {0};
    char *class = hone_target_class(s->o.target);
    const near_question q = {.program = s->o.program,
                             .sizes = s->o.sizes,
                             .target_class = class,
                             .only_threads = s->o.threads,
                             .most = NEAREST,
                             .admit = is_another,
                             .ctx = s};
    hone_status st = hone_tuner__neighbours(s->o.db, &q, &found, err);
    for (uint32_t k = 0; k < found.n && st == HONE_OK; k++) {
        timed_traces traces = {0};
        st = hone_tuner__traces_of(s->o.db, &found.v[k], LOOK_AT, &traces, err);
        if (st == HONE_OK)
            st = adapt_some(&g, &traces, k, err);
        hone_tuner__traces_free(&traces);
    }
    suggest(&g);
    hone_tuner__neighbours_free(&found);
    hone_sched_fini(&g.sched);
    hone_features_free(&g.features);
    free(class);
    return st;
}
