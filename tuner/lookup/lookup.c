/* The ladder. A rung's answer is taken when the model does not expect the default to be faster, by
 * the same word on both; but what was tuned exactly is taken as it was measured.
 *
 * The model's rung makes a search, and is looked at only when it is come to: nothing is compared
 * with it. */
#include "tuner/lookup/internal.h"

#include <math.h>

/* As a rung's share, of a program as written, where no schedule is legal. */
#define SHARE_AS_WRITTEN 0.12

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

/* Is what was found on this rung as good as the default, as far as can be predicted? */
static hone_status is_good(lookup *l, hone_rung r, bool *ret, hone_error *err)
{
    finding *f = &l->found[r], *last = &l->found[HONE_RUNG_default];
    *ret = true;
    if (r == HONE_RUNG_exact || r == HONE_RUNG_default)
        return HONE_OK;
    HONE_TRY(look(l, HONE_RUNG_default, err));
    HONE_TRY(hone_lookup__predict(l, f, err));
    *ret = f->cost <= last->cost;
    return HONE_OK;
}

/* HONE_RUNG_COUNT: none. */
static hone_status walk(lookup *l, hone_rung *ret, hone_error *err)
{
    *ret = HONE_RUNG_COUNT;
    for (unsigned k = 0; k <= l->q->lowest && *ret == HONE_RUNG_COUNT; k++) {
        bool good = false;
        HONE_TRY(look(l, (hone_rung)k, err));
        if (l->found[k].found)
            HONE_TRY(is_good(l, (hone_rung)k, &good, err));
        if (good)
            *ret = (hone_rung)k;
    }
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
        if (f->found && k < taken)
            hone_buf_printf(&what, "; passed over: predicted to take %.2f times the default's time",
                            s->relative);
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
    hone_buf_puts(&b, l->found[taken].what);
    for (unsigned k = 0; k < taken; k++)
        if (l->found[k].found) {
            hone_buf_printf(&b, "%s%s", before, rungs[k].name);
            before = " and ";
        }
    if (strcmp(before, " and ") == 0)
        hone_buf_puts(&b, " is predicted to be slower than the default");
    return hone_buf_take(&b);
}

static hone_status fail_below(const lookup *l, const hone_lookup_answer *a, hone_error *err)
{
    hone_buf text = {0};
    char *miss = hone_lookup__miss(l);
    hone_buf_puts(&text, miss);
    for (unsigned k = HONE_RUNG_class; k <= l->q->lowest; k++)
        hone_buf_printf(&text, "; %s: %s", rungs[k].name, a->steps[k].what);
    if (l->q->lowest == HONE_RUNG_exact && l->found[HONE_RUNG_exact].record.id)
        hone_buf_printf(&text, "; %s", a->steps[HONE_RUNG_exact].what);
    hone_status st = hone_fail(err, HONE_E_NOTFOUND, "%s", text.s);
    hone_buf_free(&text);
    free(miss);
    return st;
}

/* ---- the answer ------------------------------------------------------------------------------ */

static void take(lookup *l, hone_rung r, hone_lookup_answer *ret)
{
    finding *f = &l->found[r];
    ret->rung = r;
    ret->reason = reason_of(l, r);
    ret->share = f->as_written && r == HONE_RUNG_default ? SHARE_AS_WRITTEN : rungs[r].share;
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
    free(f->what);
    *f = (finding){0};
}

static void drop(finding *f)
{
    free(f->what);
    free(f->from_target);
    free(f->from_sizes);
    hone_sched_fini(&f->sched);
    hone_intrin_set_free(f->intrins);
    hone_db_record_free(&f->record);
}

static hone_status begin(const hone_lookup_question *q, lookup *ret, hone_error *err)
{
    const char *text = q->intrins ? hone_intrin_set_text(q->intrins) : "";
    *ret = (lookup){.q = q,
                    .hash = hone_program_hash(q->program),
                    .target_text = hone_target_text(q->target),
                    .intrins = hone_intrin_set_new()};
    return *text ? hone_intrin_set_add(ret->intrins, "intrinsics", text, strlen(text), err)
                 : HONE_OK;
}

static void end(lookup *l)
{
    for (unsigned k = 0; k < HONE_RUNG_COUNT; k++)
        drop(&l->found[k]);
    for (uint32_t k = 0; k < l->kin.n; k++)
        free(l->kin.v[k].text);
    hone_vec_free(&l->kin);
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
    hone_status st = begin(q, &l, err);
    if (st == HONE_OK)
        st = walk(&l, &r, err);
    if (st == HONE_OK) {
        tell_steps(&l, r, ret);
        if (r < HONE_RUNG_COUNT)
            take(&l, r, ret);
        else
            st = fail_below(&l, ret, err);
    }
    end(&l);
    return st;
}

void hone_lookup_free(hone_lookup_answer *a)
{
    for (unsigned k = 0; k < HONE_RUNG_COUNT; k++) {
        free(a->steps[k].what);
        free(a->steps[k].trace);
    }
    free(a->reason);
    free(a->miss);
    free(a->from_target);
    free(a->from_sizes);
    hone_sched_fini(&a->sched);
    hone_db_record_free(&a->record);
    hone_intrin_set_free(a->intrins);
    *a = (hone_lookup_answer){0};
}
