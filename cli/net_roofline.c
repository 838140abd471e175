/* The least time of a call: the longest of all that it needs, each as if nothing else were done. */
#include "cli/net_roofline.h"

#define LANE_BYTES 4 /* of what arithmetic is done in: f32, where a kernel has no f64 */

/* Vector instructions for one result of each lane, started as multiply-adds are: as bench/rates.def
 * has them with the widest vectors. Of what is not here nothing is known, and nothing counted. */
static const struct {
    hone_work work;
    double instructions;
} costs[] = {
    {HONE_WORK_EXTREME, 1},    {HONE_WORK_DIV, 8},       {HONE_WORK_SQRT, 8},
    {HONE_WORK_EXP, 13},       {HONE_WORK_LOG, 20},      {HONE_WORK_TANH, 20},
    {HONE_WORK_SIGMOID, 15},   {HONE_WORK_ERF, 18},      {HONE_WORK_FAST_EXP, 8},
    {HONE_WORK_FAST_TANH, 11}, {HONE_WORK_FAST_ERF, 12}, {HONE_WORK_FAST_SIGMOID, 13},
    {HONE_WORK_SIN, 20},       {HONE_WORK_COS, 20},      {HONE_WORK_ATAN, 17},
};

static bool has_type(const hone_program *p, hone_dtype dtype)
{
    for (uint32_t k = 1; k < p->buffers.n; k++)
        if (p->buffers.v[k].role != HONE_TEMP && p->buffers.v[k].dtype == dtype)
            return true;
    return false;
}

/* Results of one instruction of the widest vectors, in a nanosecond. */
static double lanes_per_ns(const hone_program *p, const net_place *at)
{
    double lanes = (double)at->target->vector_bytes / (has_type(p, HONE_F64) ? 8 : LANE_BYTES);
    return lanes * at->machine->fma_per_cycle * at->machine->clock_ghz * at->threads;
}

static void need(net_roofline *r, double ns, const char *what)
{
    if (ns > r->ns)
        *r = (net_roofline){ns, what};
}

static double bytes_per_ns(const net_place *at, double bytes)
{
    const hone_target *t = at->target;
    const hone_machine *m = at->machine;
    double one = bytes <= (double)t->l2_bytes * at->threads ? m->l2_bytes_per_ns
                 : bytes <= (double)t->l3_bytes             ? m->l3_bytes_per_ns
                                                            : m->memory_bytes_per_ns;
    return one * at->threads;
}

net_roofline net_roofline_of(hone_program *p, const net_place *at)
{
    double work[HONE_WORK_COUNT], rate = lanes_per_ns(p, at);
    net_roofline r = {0, "nothing"};
    hone_program_least_work(p, work);
    /* a multiply-add does one of each */
    need(&r, work[HONE_WORK_MUL] / rate, "products");
    need(&r, work[HONE_WORK_ADD] / rate,
         2 * work[HONE_WORK_MUL] > work[HONE_WORK_ADD] ? "products" : "add");
    for (size_t k = 0; k < HONE_LEN(costs); k++)
        need(&r, work[costs[k].work] * costs[k].instructions / rate, hone_work_name(costs[k].work));
    bool bytes = has_type(p, HONE_I8) || has_type(p, HONE_U8); /* four products in a lane */
    need(&r, work[HONE_WORK_INT_MUL] / (bytes ? LANE_BYTES * rate : rate), "products");
    need(&r,
         at->weight_bytes / bytes_per_ns(at, at->network_bytes) +
             at->other_bytes / bytes_per_ns(at, at->other_bytes),
         "memory");
    return r;
}
