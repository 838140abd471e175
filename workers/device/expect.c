/* What a kernel's results ought to be: asking the oracle once for each data set, and checking
 * against what it said. */
#include "workers/device/internal.h"

#include <math.h>

/* The oracle is compiled plainly and may be a hundred times slower than a candidate. */
#define ORACLE_MS 120000

/* ---- the oracle's arguments ------------------------------------------------------------------ */

static bool ends_in(const char *name, const char *suffix)
{
    size_t n = strlen(name), m = strlen(suffix);
    return n >= m && strcmp(name + n - m, suffix) == 0;
}

/* The next argument from *at on, if it is an output of so many elements with this ending. */
static int take_part(const hone_manifest *o, uint32_t *at, const char *suffix, int64_t count)
{
    if (*at >= o->n_args || !o->args[*at].is_output || o->args[*at].count != count ||
        !ends_in(o->args[*at].name, suffix))
        return -1;
    return (int)(*at)++;
}

hone_status hone_device__layout_of(const hone_manifest *kernel, const hone_manifest *oracle,
                                   hone_device__layout *ret, hone_error *err)
{
    static const char none[] = "candidate and reference take different arguments";
    uint32_t in = 0, out = 0;
    while (out < oracle->n_args && !oracle->args[out].is_output)
        out++;
    bool asks_quantum = out > 0 && strcmp(oracle->args[out - 1].name, "hone.quantum") == 0;
    bool apart = asks_quantum; /* inputs before outputs; else in the kernel's own order */
    ret->quantum = asks_quantum ? (int)out - 1 : -1;
    if (kernel->n_args > HONE_MAX_KERNEL_ARGS)
        return hone_fail(err, HONE_E_INPUT, "a kernel has at most %d arguments",
                         HONE_MAX_KERNEL_ARGS);
    for (uint32_t i = 0; i < kernel->n_args; i++) {
        const hone_arg *a = &kernel->args[i];
        uint32_t *next = !apart ? &in : a->is_output ? &out : &in;
        uint32_t at = (*next)++;
        const hone_arg *o = at < oracle->n_args ? &oracle->args[at] : NULL;
        if (!o || !o->is_output != !a->is_output || o->count != a->count ||
            (o->elem != a->elem && !(a->is_output && o->elem == HONE_ELEM_F64)))
            return hone_fail(err, HONE_E_INPUT, none);
        ret->args[i].value = (int)at;
        ret->args[i].error = ret->args[i].written = -1;
        if (!a->is_output)
            continue;
        ret->args[i].error = take_part(oracle, next, ".error", a->count);
        ret->args[i].written = take_part(oracle, next, ".written", a->count);
        if ((ret->args[i].error >= 0 && oracle->args[ret->args[i].error].elem != HONE_ELEM_F64) ||
            (ret->args[i].written >= 0 && oracle->args[ret->args[i].written].elem != a->elem))
            return hone_fail(err, HONE_E_INPUT, none);
    }
    uint32_t inputs = 0;
    for (uint32_t i = 0; i < kernel->n_args; i++)
        inputs += !kernel->args[i].is_output;
    if ((apart ? out : in) != oracle->n_args || (apart && in != inputs) ||
        (apart && (int)inputs != ret->quantum))
        return hone_fail(err, HONE_E_INPUT, none);
    return HONE_OK;
}

/* ---- outputs --------------------------------------------------------------------------------- */

void hone_device__reset_outputs(const hone_manifest *m, hone_device__dataset *d)
{
    for (uint32_t i = 0; i < m->n_args; i++) {
        if (!m->args[i].is_output)
            continue;
        hone_device__poison(d->kind, m->args[i].elem, d->args[i].data, m->args[i].count);
        hone_device__buffer_set_canary(&d->args[i]);
    }
}

static hone_status check_canary(const hone_device__buffer *b, const char *who, const char *kind,
                                const char *name, hone_error *err)
{
    int64_t at;
    if (!b->map || !hone_device__buffer_overrun(b, &at))
        return HONE_OK;
    return hone_fail(err, HONE_REJECT_OUT_OF_BOUNDS,
                     "%s wrote at byte %" PRId64 " of %s '%s', which has %zu", who, at, kind, name,
                     b->bytes);
}

hone_status hone_device__check_canaries(const hone_device__run *r, hone_error *err)
{
    hone_status s = HONE_OK;
    for (int k = 0; k < HONE_DEVICE__KERNELS; k++) {
        const hone_manifest *m = r->kernels[k].manifest;
        for (uint32_t i = 0; m && i < m->n_args && s == HONE_OK; i++) {
            if (m->args[i].is_output)
                s = check_canary(&r->data[r->turn]->args[i], "the kernel", "output",
                                 m->args[i].name, err);
            if (s == HONE_OK)
                s = check_canary(&r->kernels[k].packed[i], "the pack function", "packed input",
                                 m->args[i].name, err);
        }
    }
    return s;
}

hone_status hone_device__compare_outputs(const hone_device__run *r, uint32_t set, const char *when,
                                         double *max_error, hone_error *err)
{
    const hone_manifest *m = r->kernels[0].manifest;
    const hone_device__dataset *data = r->data[set];
    for (uint32_t i = 0; i < m->n_args; i++) {
        const hone_arg *a = &m->args[i];
        if (!a->is_output)
            continue;
        hone_device__diff d = hone_device__compare(a->elem, data->args[i].data, &data->expected[i],
                                                   a->count, r->job->tolerance);
        *max_error = fmax(*max_error, d.max_error);
        if (d.first_bad >= 0)
            return hone_fail(err, HONE_REJECT_WRONG_RESULT,
                             "output '%s'%s: element %" PRId64 " is %.9g, expected %.9g, which "
                             "rounding may move by %.3g (%s data)",
                             a->name, when, d.first_bad, d.got, d.want, d.bound,
                             hone_device__kind_name(data->kind));
    }
    return HONE_OK;
}

/* ---- asking ---------------------------------------------------------------------------------- */

/* The oracle's arguments: the inputs of `d` and outputs of its own. */
static hone_status make_arguments(const hone_manifest *kernel, const hone_manifest *oracle,
                                  const hone_device__layout *l, hone_device__dataset *d,
                                  hone_device__dataset *ret, hone_error *err)
{
    ret->n_args = oracle->n_args;
    hone_device__dataset_turn(d);
    for (uint32_t i = 0; i < kernel->n_args; i++)
        if (!kernel->args[i].is_output)
            ret->args[l->args[i].value] = d->args[i];
    hone_status s = HONE_OK;
    for (uint32_t k = 0; k < oracle->n_args && s == HONE_OK; k++) {
        const hone_arg *a = &oracle->args[k];
        if (a->is_output || (int)k == l->quantum)
            s = hone_device__buffer_new((size_t)a->count * hone_device__elem_size(a->elem), false,
                                        &ret->args[k], err);
        if (s == HONE_OK && (a->is_output || (int)k == l->quantum))
            hone_device__buffer_place(&ret->args[k], HONE_DEVICE__AT_END);
    }
    if (s == HONE_OK && l->quantum >= 0)
        *(double *)(void *)ret->args[l->quantum].data = hone_device__quantum(d->kind, kernel);
    return s;
}

static void drop_arguments(const hone_manifest *oracle, const hone_device__layout *l,
                           hone_device__dataset *o)
{
    for (uint32_t k = 0; k < oracle->n_args; k++)
        if (oracle->args[k].is_output || (int)k == l->quantum)
            hone_device__buffer_free(&o->args[k]);
}

static void keep(const hone_manifest *kernel, const hone_device__layout *l,
                 const hone_device__dataset *said, hone_device__dataset *d)
{
    for (uint32_t i = 0; i < kernel->n_args; i++) {
        hone_device__expected *e = &d->expected[i];
        if (!kernel->args[i].is_output)
            continue;
        const hone_device__buffer *value = &said->args[l->args[i].value];
        memcpy(e->value, value->data, value->bytes);
        if (e->error)
            memcpy(e->error, said->args[l->args[i].error].data, said->args[l->args[i].error].bytes);
        const void *written = l->args[i].written >= 0 ? said->args[l->args[i].written].data : NULL;
        hone_device__settle_bounds(kernel->args[i].elem, e, written, kernel->args[i].count);
    }
}

/* What the oracle does wrong, the kernel as written does; that it cannot even be loaded is the
 * machine's fault. */
static hone_status as_written(hone_status s, const hone_error *why, hone_device__kind kind,
                              int64_t most_ms, hone_error *err)
{
    if (s == HONE_REJECT_RUN_TIMEOUT)
        return hone_fail(err, HONE_E_REFERENCE,
                         "the kernel as written fails: it did not end within %" PRId64
                         " s, the most it is given here",
                         most_ms / 1000);
    if (hone_status_is_reject(s))
        return hone_fail(
            err, s == HONE_REJECT_ARTIFACT ? HONE_E_SANDBOX : HONE_E_REFERENCE,
            "the kernel as written fails: %s (%s data; if the inputs are not like that, "
            "say so, as in `input x: i64[N] in 0 .. N`)",
            why->message, hone_device__kind_name(kind));
    if (err)
        *err = *why;
    return s;
}

hone_status hone_device__ask_oracle(const hone_device__run *like, hone_device__dataset *d,
                                    const hone_manifest *kernel, const hone_manifest *oracle,
                                    int fd, uint64_t hash, hone_error *err)
{
    hone_device__dataset *o = hone_xcalloc(1, sizeof *o);
    hone_device__layout l;
    hone_measure_job job = *like->job;
    hone_device__run r = *like;
    r.job = &job;
    r.data[0] = o;
    r.n_data = 1;
    r.turn = 0;
    o->kind = d->kind;
    r.kernels[0] = (hone_device__kernel){.manifest = oracle, .fd = fd};
    r.kernels[1] = (hone_device__kernel){0};
    if (job.reference_ms > 0) /* two sets of data are used always, more only if that is quick */
        job.check_ms = job.reference_ms / 2;
    else
        job.check_ms =
            job.check_ms + job.run_ms > ORACLE_MS ? job.check_ms + job.run_ms : ORACLE_MS;
    d->reference = 0;
    int64_t start = hone_clock_ns(), until = start + job.check_ms * 1000000;
    hone_error why = {0};
    hone_status s = hone_device__layout_of(kernel, oracle, &l, &why);
    if (s == HONE_OK) {
        s = make_arguments(kernel, oracle, &l, d, o, &why);
        if (s == HONE_OK) {
            hone_device__reset_outputs(oracle, o);
            s = hone_device__run_start(&r, &why);
        }
        if (s == HONE_OK)
            s = hone_device__run_do(&r, 0, HONE_DEVICE__READY, until, &why);
        if (s == HONE_OK)
            s = hone_device__run_do(&r, HONE_DEVICE__DO_CALL, HONE_DEVICE__CALLED, until, &why);
        if (s == HONE_OK)
            s = hone_device__check_canaries(&r, &why);
        hone_device__run_end(&r);
        if (s == HONE_OK)
            keep(kernel, &l, o, d);
        drop_arguments(oracle, &l, o);
    }
    free(o);
    if (s != HONE_OK)
        return as_written(s, &why, d->kind, job.check_ms, err);
    d->reference = hash;
    d->reference_ns = hone_clock_ns() - start;
    return HONE_OK;
}
