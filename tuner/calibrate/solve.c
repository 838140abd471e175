/* From probes to the numbers of the draft. */
#include "tuner/calibrate/calibrate.h"

#include <math.h>

/* A number that some machine may have. */
#define SLOWEST_GHZ 0.1
#define FASTEST_GHZ 10

typedef struct solving {
    const hone_probe_results *r;
    hone_machine *m;
    uint32_t measured;
} solving;

/* The probe's value; 0: it has none, or one that is no measurement. */
static double value(const solving *s, hone_probe_id k)
{
    const hone_probe_result *x = &s->r->of[k];
    return x->status == HONE_OK && isfinite(x->value) && x->value > 0 ? x->value : 0;
}

static void set(solving *s, unsigned which, double *number, double to)
{
    if (to <= 0 || !isfinite(to))
        return;
    *number = to;
    s->measured |= UINT32_C(1) << which;
}

/* Cycles are counted by the latency of a multiply-add, which the target's description has. Should
 * that be wrong, the clock is, and what is per cycle with it; their products, which times are made
 * of, are not. */
static void solve_pipes(solving *s, const hone_target *t)
{
    hone_machine *m = s->m;
    double chain = value(s, HONE_PROBE_chain), ghz = chain > 0 ? t->fma_latency / chain : 0;
    if (ghz >= SLOWEST_GHZ && ghz <= FASTEST_GHZ)
        set(s, HONE_MACHINE_clock_ghz, &m->clock_ghz, ghz);
    set(s, HONE_MACHINE_fma_per_cycle, &m->fma_per_cycle, value(s, HONE_PROBE_fma) / m->clock_ghz);
    set(s, HONE_MACHINE_loads_per_cycle, &m->loads_per_cycle,
        value(s, HONE_PROBE_load) / m->clock_ghz);
}

/* A level further away is not faster than a nearer one: what says so fitted into the nearer. */
static void solve_levels(solving *s)
{
    hone_machine *m = s->m;
    double l2 = value(s, HONE_PROBE_l2_read), l3 = value(s, HONE_PROBE_l3_read),
           memory = value(s, HONE_PROBE_memory_read);
    set(s, HONE_MACHINE_l2_bytes_per_ns, &m->l2_bytes_per_ns, l2);
    set(s, HONE_MACHINE_l3_bytes_per_ns, &m->l3_bytes_per_ns, l2 > 0 && l3 > 0 ? fmin(l3, l2) : l3);
    double nearer = l3 > 0 ? l3 : l2;
    set(s, HONE_MACHINE_memory_bytes_per_ns, &m->memory_bytes_per_ns,
        nearer > 0 && memory > 0 ? fmin(memory, nearer) : memory);
}

static void solve_starts(solving *s)
{
    hone_machine *m = s->m;
    double call = value(s, HONE_PROBE_call), parallel = value(s, HONE_PROBE_parallel);
    set(s, HONE_MACHINE_fixed_ns, &m->fixed_ns, call);
    if (call > 0)
        set(s, HONE_MACHINE_parallel_ns, &m->parallel_ns, parallel - call);
}

void hone_calibrate_solve(const hone_target *t, const hone_probe_results *r, hone_machine *ret,
                          uint32_t *ret_measured)
{
    hone_machine preset;
    solving s = {.r = r, .m = ret};
    hone_machine_preset(t, &preset);
    *ret = preset;
    solve_pipes(&s, t);
    solve_levels(&s);
    solve_starts(&s);
    hone_machine_bound(ret, &preset);
    *ret_measured = s.measured;
}
