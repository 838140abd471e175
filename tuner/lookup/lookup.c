/* The ladder. A rung's answer is taken when the model does not expect the default to be faster, by
 * the same word on both; but what was tuned exactly is taken as it was measured.
 *
 * The model's rung makes a search, and is looked at only when it is come to: nothing is compared
 * with it. */
#include "tuner/lookup/internal.h"

#include <math.h>

static const struct {
    const char *name, *meaning;
    double share;
    rung_find *find;
} rungs[] = {
#define HONE_RUNG(name, share, meaning) {#name, meaning, share, hone_lookup__##name},
#include "tuner/lookup/rungs.def"
#undef HONE_RUNG
};

const char *hone_rung_name(hone_rung r)
{
    return rungs[r].name;
}

bool hone_rung_parse(const char *name, hone_rung *ret)
{
    for (unsigned k = 0; k < HONE_LEN(rungs); k++)
        if (strcmp(rungs[k].name, name) == 0) {
            *ret = (hone_rung)k;
            return true;
        }
    return false;
}

/* ---- the walk -------------------------------------------------------------------------------- */

static hone_status look(lookup *l, hone_rung r, hone_error *err)
{
    finding *f = &l->found[r];
    if (f->looked)
        return HONE_OK;
    f->looked = true;
    f->cost = NAN;
    return rungs[r].find(l, f, err);
}

static unsigned tell_near(const lookup *l, hone_lookup_near v[HONE_LOOKUP_NEAR])
{
    for (uint32_t k = 0; k < l->near.n; k++)
        v[k] = (hone_lookup_near){.sizes = l->near.v[k].of.sizes,
                                  .far = l->near.v[k].of.far,
                                  .best_ns = hone_lookup__near_best(&l->near.v[k]),
                                  .default_ns = l->near.v[k].default_ns,
                                  .favour = l->near.v[k].favour};
    return l->near.n;
}

/* By how much at least what was found on a rung is faster than the default, in logarithms. */
static double gain_of(const lookup *l, hone_rung r)
{
    hone_lookup_near v[HONE_LOOKUP_NEAR];
    double predicted = l->found[HONE_RUNG_default].cost - l->found[r].cost;
    return r >= HONE_RUNG_nearest ? hone_lookup__gain(v, tell_near(l, v), predicted) : predicted;
}

/* Where schedules that were measured at near sizes are not surely faster than the default, the best
 * of many by the same model, which none has measured, is not either: its prediction is the least of
 * many. */
static bool is_idle(const lookup *l, hone_rung r)
{
    const finding *near = &l->found[HONE_RUNG_nearest];
    bool known = false;
    for (uint32_t k = 0; k < l->near.n; k++)
        known = known || !isnan(l->near.v[k].favour);
    return r == HONE_RUNG_model && near->found && !near->refused && known;
}

/* Is what was found on this rung as good as the default, as far as can be predicted? */
static hone_status is_good(lookup *l, hone_rung r, bool *ret, hone_error *err)
{
    *ret = true;
    if (r == HONE_RUNG_exact || r == HONE_RUNG_default)
        return HONE_OK;
    if (l->found[r]
            .as_written) /* a tuning has measured it and others, and models know little of it */
        return HONE_OK;
    HONE_TRY(look(l, HONE_RUNG_default, err));
    HONE_TRY(hone_lookup__predict(l, &l->found[r], err));
    *ret = !is_idle(l, r) && gain_of(l, r) >= 0;
    return HONE_OK;
}

/* What the question's `accept` refuses is passed over; of the default the program as written is
 * left. */
static hone_status is_accepted(lookup *l, hone_rung r, bool *ret, hone_error *err)
{
    const hone_lookup_question *q = l->q;
    finding *f = &l->found[r];
    hone_error why = {0};
    *ret = true;
    if (!q->accept)
        return HONE_OK;
    hone_status st =
        q->accept(q, &f->sched, f->as_written, f->intrins ? f->intrins : l->intrins, &why);
    if (st == HONE_OK)
        return HONE_OK;
    if (!hone_status_is_reject(st) || f->as_written) {
        if (err)
            *err = why;
        return st;
    }
    int n = (int)strcspn(why.message, "\n");
    if (r == HONE_RUNG_default) {
        hone_lookup__as_written(l, f,
                                hone_xasprintf("no code can be made of the schedule that follows "
                                               "from the processor (%.*s); the program as written",
                                               n, why.message));
        return is_accepted(l, r, ret, err);
    }
    f->refused = hone_xasprintf("%.*s", n, why.message);
    *ret = false;
    return HONE_OK;
}

/* Before logs are said to have nothing. */
static hone_status vouch(const lookup *l, hone_error *err)
{
    hone_status st = HONE_OK;
    for (unsigned k = 0; k < l->q->n_logs && st == HONE_OK; k++)
        st = hone_db_vouch(l->q->logs[k], err);
    return st;
}

/* HONE_RUNG_COUNT: none. */
static hone_status walk(lookup *l, hone_rung *ret, hone_error *err)
{
    *ret = HONE_RUNG_COUNT;
    for (unsigned k = 0; k <= l->q->lowest && *ret == HONE_RUNG_COUNT; k++) {
        bool good = false;
        if (k == HONE_RUNG_model)
            HONE_TRY(vouch(l, err));
        HONE_TRY(look(l, (hone_rung)k, err));
        if (l->found[k].found)
            HONE_TRY(is_good(l, (hone_rung)k, &good, err));
        if (good)
            HONE_TRY(is_accepted(l, (hone_rung)k, &good, err));
        if (good)
            *ret = (hone_rung)k;
    }
    if (*ret == HONE_RUNG_COUNT && l->q->lowest < HONE_RUNG_model)
        HONE_TRY(vouch(l, err));
    for (unsigned k = 0; k < HONE_RUNG_COUNT && l->q->explain; k++) {
        HONE_TRY(look(l, (hone_rung)k, err));
        if (l->found[k].found && !l->found[k].as_written)
            HONE_TRY(hone_lookup__predict(l, &l->found[k], err));
    }
    return HONE_OK;
}

/* ---- what is said ---------------------------------------------------------------------------- */

static double relative_of(const lookup *l, hone_rung r)
{
    const finding *f = &l->found[r], *last = &l->found[HONE_RUNG_default];
    bool known = f->looked && f->found && last->looked && isfinite(f->cost) && isfinite(last->cost);
    return known ? exp(f->cost - last->cost) : NAN;
}

static void tell_steps(const lookup *l, hone_rung taken, hone_lookup_answer *ret)
{
    for (unsigned k = 0; k < HONE_RUNG_COUNT; k++) {
        const finding *f = &l->found[k];
        hone_lookup_step *s = &ret->steps[k];
        hone_buf what = {0};
        *s = (hone_lookup_step){.looked = f->looked,
                                .found = f->found,
                                .taken = k == taken,
                                .relative = relative_of(l, (hone_rung)k)};
        if (!f->looked)
            continue;
        hone_buf_puts(&what, f->what ? f->what : rungs[k].meaning);
        if (f->refused)
            hone_buf_printf(&what, "; passed over: no code can be made of it (%s)", f->refused);
        else if (f->found && k < taken)
            hone_buf_printf(&what, "; passed over: predicted to take %.2f times the default's time",
                            s->relative);
        if (f->found && !f->refused && k < taken && s->relative <= 1)
            hone_buf_printf(&what, ", but by what was measured at near sizes it may take %.2f",
                            exp(-gain_of(l, (hone_rung)k)));
        s->what = hone_buf_take(&what);
        if (f->found && l->q->explain)
            s->trace = hone_trace_text(&f->sched.trace);
    }
}

/* Of the best rungs that were passed over too. */
static char *reason_of(const lookup *l, hone_rung taken)
{
    hone_buf b = {0};
    const char *before = "; ";
    unsigned n = 0;
    hone_buf_puts(&b, l->found[taken].what);
    for (unsigned k = 0; k < taken; k++)
        if (l->found[k].refused)
            hone_buf_printf(&b, "; no code can be made of %s", rungs[k].name);
    for (unsigned k = 0; k < taken; k++)
        if (l->found[k].found && !l->found[k].refused) {
            hone_buf_printf(&b, "%s%s", before, rungs[k].name);
            before = " and ";
            n++;
        }
    if (n)
        hone_buf_printf(&b, " %s predicted to be slower than the default, or not surely faster",
                        n > 1 ? "are" : "is");
    return hone_buf_take(&b);
}

static hone_status fail_below(const lookup *l, const hone_lookup_answer *a, hone_error *err)
{
    hone_buf text = {0};
    char *miss = hone_lookup__miss(l);
    hone_buf_puts(&text, miss);
    for (unsigned k = HONE_RUNG_class; k <= l->q->lowest; k++)
        hone_buf_printf(&text, "; %s: %s", rungs[k].name, a->steps[k].what);
    if (l->q->lowest == HONE_RUNG_exact && l->found[HONE_RUNG_exact].record.id &&
        !l->found[HONE_RUNG_exact].refused)
        hone_buf_printf(&text, "; %s", a->steps[HONE_RUNG_exact].what);
    hone_status st = hone_fail(err, HONE_E_NOTFOUND, "%s", text.s);
    hone_buf_free(&text);
    free(miss);
    return st;
}

/* ---- the answer ------------------------------------------------------------------------------ */

static hone_status take(lookup *l, hone_rung r, hone_lookup_answer *ret, hone_error *err)
{
    finding *f = &l->found[r];
    HONE_TRY(hone_lookup__expect(l, r, rungs[r].share, &ret->share, &ret->share_from, err));
    ret->rung = r;
    ret->reason = reason_of(l, r);
    ret->time_ns = f->record.time_ns;
    ret->as_written = f->as_written;
    ret->sched = f->sched;
    ret->sched.stop = NULL;
    ret->sched.target = NULL;
    ret->record = f->record;
    ret->from_target = f->from_target;
    ret->from_sizes = f->from_sizes;
    ret->from_threads = f->from_threads;
    ret->intrins = f->intrins ? f->intrins : l->intrins;
    ret->sched.intrins = ret->intrins;
    if (!f->intrins)
        l->intrins = NULL;
    if (r >= HONE_RUNG_model)
        ret->miss = hone_lookup__miss(l);
    ret->n_near = tell_near(l, ret->near);
    for (unsigned k = 0; k < ret->n_near; k++)
        ret->near[k].sizes = hone_xstrdup(ret->near[k].sizes);
    free(f->what);
    free(f->refused);
    *f = (finding){0};
    return HONE_OK;
}

static void drop(finding *f)
{
    free(f->what);
    free(f->refused);
    free(f->from_target);
    free(f->from_sizes);
    hone_sched_fini(&f->sched);
    hone_intrin_set_free(f->intrins);
    hone_db_record_free(&f->record);
}

hone_status hone_lookup__begin(const hone_lookup_question *q, lookup *ret, hone_error *err)
{
    const char *text = q->intrins ? hone_intrin_set_text(q->intrins) : "";
    *ret = (lookup){.q = q,
                    .hash = hone_program_hash(q->program),
                    .target_text = hone_target_text(q->target),
                    .intrins = hone_intrin_set_new()};
    return *text ? hone_intrin_set_add(ret->intrins, "intrinsics", text, strlen(text), err)
                 : HONE_OK;
}

void hone_lookup__end(lookup *l)
{
    for (unsigned k = 0; k < HONE_RUNG_COUNT; k++)
        drop(&l->found[k]);
    for (uint32_t k = 0; k < l->kin.n; k++)
        free(l->kin.v[k].text);
    for (uint32_t k = 0; k < l->near.n; k++)
        hone_lookup__near_free(&l->near.v[k]);
    hone_vec_free(&l->kin);
    hone_vec_free(&l->near);
    hone_sched_fini(&l->sched);
    hone_space_free(l->space);
    hone_model_free(l->model);
    hone_model_free(l->prior);
    hone_intrin_set_free(l->intrins);
    free(l->target_text);
}

hone_status hone_lookup(const hone_lookup_question *q, hone_lookup_answer *ret, hone_error *err)
{
    lookup l;
    hone_rung r = HONE_RUNG_COUNT;
    *ret = (hone_lookup_answer){0};
    hone_status st = hone_lookup__begin(q, &l, err);
    if (st == HONE_OK)
        st = walk(&l, &r, err);
    if (st == HONE_OK) {
        tell_steps(&l, r, ret);
        st = r < HONE_RUNG_COUNT ? take(&l, r, ret, err) : fail_below(&l, ret, err);
    }
    hone_lookup__end(&l);
    return st;
}

void hone_lookup_free(hone_lookup_answer *a)
{
    for (unsigned k = 0; k < HONE_RUNG_COUNT; k++) {
        free(a->steps[k].what);
        free(a->steps[k].trace);
    }
    for (unsigned k = 0; k < a->n_near; k++)
        free(a->near[k].sizes);
    free(a->reason);
    free(a->share_from);
    free(a->miss);
    free(a->from_target);
    free(a->from_sizes);
    hone_sched_fini(&a->sched);
    hone_db_record_free(&a->record);
    hone_intrin_set_free(a->intrins);
    *a = (hone_lookup_answer){0};
}
