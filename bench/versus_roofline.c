/* The least time a problem can take on a machine: the longest of all that it needs, each at the
 * best rate of a loop that does nothing else. Pure: the machine was measured before. What is
 * counted is the work that the kernel's own stages cannot do without (hone_program_least_work,
 * ir/work.c), so that Winograd's algorithm is held to Winograd's products, and a padded convolution
 * to the taps that meet something; `done` says how that compares with the definition. */
#include "bench/versus.h"

#include <math.h>

static void add(roofline *r, const char *name, double amount, double per_ns)
{
    if (amount <= 0 || per_ns <= 0 || r->n == VERSUS_MAX_NEEDS)
        return;
    need *x = &r->needs[r->n++];
    *x = (need){.amount = amount, .ns = amount / per_ns};
    snprintf(x->name, sizeof x->name, "%s", name);
}

/* ---- arithmetic ------------------------------------------------------------------------------ */

/* Products that are summed are two operations each, whatever else is done with them. */
static double products(const problem *p, unit u)
{
    return u == UNIT_BITS   ? p->flops
           : u == UNIT_U8I8 ? 2 * p->work[HONE_WORK_INT_MUL]
                            : 2 * p->work[HONE_WORK_MUL];
}

static void add_arithmetic(roofline *r, const machine *m, const problem *p)
{
    static const struct {
        hone_work work;
        rate rate;
    } all[] = {
        {HONE_WORK_ADD, RATE_ADD},
        {HONE_WORK_EXTREME, RATE_EXTREME},
        {HONE_WORK_DIV, RATE_DIV},
        {HONE_WORK_SQRT, RATE_SQRT},
        {HONE_WORK_EXP, RATE_EXP},
        {HONE_WORK_LOG, RATE_LOG},
        {HONE_WORK_TANH, RATE_TANH},
        {HONE_WORK_SIGMOID, RATE_SIGMOID},
        {HONE_WORK_ERF, RATE_ERF},
        {HONE_WORK_SIN, RATE_SIN},
        {HONE_WORK_COS, RATE_COS},
        {HONE_WORK_ATAN, RATE_ATAN},
        {HONE_WORK_FAST_EXP, RATE_FAST_EXP},
        {HONE_WORK_FAST_TANH, RATE_FAST_TANH},
        {HONE_WORK_FAST_SIGMOID, RATE_FAST_SIGMOID},
        {HONE_WORK_FAST_ERF, RATE_FAST_ERF},
    };
    double rates[RATE_COUNT];
    memcpy(rates, m->rate, sizeof rates);
    rates[RATE_ADD] = fmax(rates[RATE_ADD], m->peak[UNIT_F32] / 2); /* an FMA adds as well */
    add(r, versus_unit_names[p->unit], products(p, p->unit), m->peak[p->unit]);
    if (p->unit == UNIT_U8I8) /* what follows the sums */
        add(r, versus_unit_names[UNIT_F32], products(p, UNIT_F32), m->peak[UNIT_F32]);
    /* sums of what that instruction multiplies are its own */
    for (size_t k = 0; k < HONE_LEN(all); k++)
        if (p->unit != UNIT_BF16 || all[k].work != HONE_WORK_ADD)
            add(r, hone_work_name(all[k].work), p->work[all[k].work], rates[all[k].rate]);
}

/* Arguments of fewer bits are made floats once, and back, but where products take them as they are.
 */
static void add_conversions(roofline *r, const machine *m, const problem *p)
{
    double amount[RATE_COUNT] = {0};
    for (uint32_t k = 0; k < p->n_args; k++) {
        const tensor *t = &p->args[k];
        bool is_small = t->dtype == HONE_I8 || t->dtype == HONE_U8;
        double n = (double)t->elements;
        if (t->dtype == HONE_F16)
            amount[t->output ? RATE_TO_F16 : RATE_FROM_F16] += n;
        else if (t->dtype == HONE_BF16 && t->output)
            amount[RATE_TO_BF16] += n;
        else if (t->dtype == HONE_BF16 && p->unit != UNIT_BF16)
            amount[RATE_FROM_BF16] += n;
        else if (is_small && !t->output && p->unit == UNIT_F32)
            amount[RATE_FROM_I8] += n;
    }
    for (int k = 0; k < RATE_COUNT; k++)
        add(r, versus_rate_names[k], amount[k], m->rate[k]);
}

/* ---- memory ---------------------------------------------------------------------------------- */

static void add_traffic(roofline *r, const level *l, const char *what, double bytes, double gbs)
{
    char name[24];
    snprintf(name, sizeof name, "%s %s", l->name, what);
    add(r, name, bytes, gbs);
}

static void add_memory(roofline *r, const machine *m, const problem *p)
{
    double in = p->read_bytes, out = p->write_bytes;
    const level *l = &m->levels[0];
    while (l->bytes > 0 && l->bytes < in + out)
        l++;
    r->level = l;
    add_traffic(r, l, "load", in, l->load_gbs);
    add_traffic(r, l, "store", out, fmax(l->store_gbs, l->around_gbs));
    add_traffic(r, l, "copy", 2 * fmin(in, out), l->copy_gbs);
    add_traffic(r, l, "2:1", 3 * fmin(in / 2, out), l->mix_gbs);
}

/* ---- the longest ------------------------------------------------------------------------------
 */

void versus_roofline(const machine *m, const problem *p, roofline *ret)
{
    *ret = (roofline){.done = 1};
    add_arithmetic(ret, m, p);
    add_conversions(ret, m, p);
    add_memory(ret, m, p);
    for (uint32_t k = 0; k < ret->n; k++)
        if (ret->needs[k].ns > ret->needs[ret->longest].ns)
            ret->longest = k;
    ret->ns = ret->n ? ret->needs[ret->longest].ns : 0;
    if (p->counts_products && p->flops > 0)
        ret->done = products(p, p->unit) / p->flops;
}
