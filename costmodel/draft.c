/* The draft: an analytical estimate of a block's time, from which the learned model starts. A
 * roofline with the issue limits of the innermost body and the traffic between cache levels. Its
 * numbers are the machine's as far as they were measured, else orders of magnitude; the trees on
 * top of it learn the rest. */
#include "costmodel/internal.h"
#include "targets/preset.h"

#include <math.h>

/* The innermost body: everything inside the innermost serial loop, i.e. the unrolled and vectorised
 * loops below it. Returns its first loop. */
static unsigned body_start(const nest *ne)
{
    unsigned l = ne->n;
    while (l > 0 && (ne->kind[l - 1] == HONE_UNROLLED || ne->kind[l - 1] == HONE_VECTORIZED))
        l--;
    return l;
}

/* Distinct registers an access needs over the body: places that its unrolled loops lead to, and
 * vectors along the vectorised one. An intrinsic's operand is one register, however its lanes and
 * the steps within a lane lie in it. */
static double body_vectors(const nest *ne, const access *a, unsigned start, double native,
                           bool *ret_broadcast, bool *ret_gather)
{
    double n = 1;
    *ret_broadcast = true;
    *ret_gather = false;
    for (unsigned l = start; l < ne->n; l++) {
        if (a->move[l] == 0)
            continue;
        if (ne->intrin[l]) {
            *ret_broadcast &= ne->reduce[l];
        } else if (ne->kind[l] == HONE_VECTORIZED) {
            *ret_broadcast = false;
            *ret_gather = fabs(a->move[l]) != 1;
            n *= *ret_gather ? ne->extent[l] : ceil(ne->extent[l] / native);
        }
    }
    return n;
}

/* The innermost loop around the body that has several turns, or -1. */
static int loop_around(const nest *ne, unsigned start)
{
    int l = (int)start - 1;
    while (l >= 0 && ne->extent[l] < 2)
        l--;
    return l;
}

/* What it takes to start the body's instructions, each of which does `vectors` registers or, where
 * there are groups, as many as a group has. */
static double start_cycles(const hone_target *t, double groups, double vectors)
{
    double each = hone_preset_of(t)->draft.start_cycles;
    return each > 0 ? each * groups * ceil(vectors / hone_preset_group(t)) : 0;
}

/* At the end of a loop a branch is guessed wrongly. */
#define LEAVE_CYCLES 10

/* How often the innermost loop around the body is left. */
static double leaves(const nest *ne, unsigned start, int around)
{
    return around < 0 ? 1 : ne->inside[0] / (ne->inside[start] * ne->extent[around]);
}

static void compute_time(const hone_target *t, const hone_machine *m, block_view *v)
{
    const nest *ne = &v->nest;
    unsigned start = body_start(ne);
    double native = t->vector_bytes / v->access[0].bytes, vector = 1, copies = 1;
    for (unsigned l = start; l < ne->n; l++) {
        if (ne->kind[l] == HONE_VECTORIZED)
            vector *= ne->extent[l];
        if (!ne->intrin[l] || !ne->reduce[l]) /* an instruction does all steps of its group */
            copies *= ne->extent[l];
    }
    double instructions = copies / vector * ceil(vector / native);
    v->lanes = vector / (ceil(vector / native) * native);
    bool multiply_add = false;
    for (unsigned k = 0; k < v->n_access; k++)
        multiply_add |= v->access[k].read && v->access[k].write;
    double per = multiply_add && v->flops > 1 ? v->flops - 1 : fmax(v->flops, 0.25);
    v->ops = per * instructions;
    v->accumulators = v->live = v->loads = v->broadcasts = v->gathers = 0;
    double stores = 0;
    int around = loop_around(ne, start);
    bool carried = false; /* sums go on in the next turn, which waits for them */
    for (unsigned k = 0; k < v->n_access; k++) {
        const access *a = &v->access[k];
        bool broadcast, gather;
        double vectors = body_vectors(ne, a, start, native, &broadcast, &gather);
        double n = vectors * hone_costmodel__places(ne, a, start);
        if (a->read && a->write) {
            v->accumulators = n;
            carried = around >= 0 && a->move[around] == 0;
        }
        if (a->local || (a->read && a->write && start > 0 && a->move[start - 1] == 0)) {
            v->live += n;
            continue;
        }
        if (a->write)
            stores += n;
        if (a->read) {
            v->loads += n;
            v->broadcasts += broadcast ? n : 0;
            v->gathers += gather ? n : 0;
            v->live +=
                broadcast ? 1 : fmax(fmin(n, 2), vectors * hone_costmodel__held(ne, a, start));
        }
    }
    double issue =
        v->ops / m->fma_per_cycle + start_cycles(t, per * copies / vector, ceil(vector / native));
    bool in_order = hone_preset_of(t)->draft.in_order;
    double chain = v->accumulators > 0 && (carried || in_order)
                       ? v->ops / v->accumulators * t->fma_latency
                       : 0;
    double ports = (v->loads + 3 * v->gathers) / m->loads_per_cycle;
    double waits = in_order ? v->broadcasts * t->fma_latency : 0;
    double cycles = fmax(fmax(fmax(issue, chain), waits), fmax(ports, stores)) + m->loop_cycles;
    const double parts[] = {issue, fmax(chain, waits), ports, stores, m->loop_cycles};
    for (unsigned k = 0; k < HONE_LEN(parts); k++)
        v->pipes[k] = cycles > 0 ? parts[k] / cycles : 0;
    double spill = v->live / t->vector_registers;
    if (spill > 1)
        cycles *= 1 + 2 * (spill - 1);
    v->code_bytes = 8 * (v->ops + v->loads + stores);
    cycles = ne->inside[0] / ne->inside[start] * cycles + LEAVE_CYCLES * leaves(ne, start, around);
    v->compute_ns = cycles / m->clock_ghz * m->compute_factor;
}

/* Are turns of this loop done by one thread, one after the other? */
static bool is_in_turn(const nest *ne, unsigned l, int32_t threads)
{
    return threads == 1 || ne->kind[l] != HONE_PARALLEL;
}

/* What one turn of the loop outside of l has in common with the next is still there, and so on
 * where the loop around that goes on where this one ends. The outermost of these; l: there is none.
 */
static unsigned slide(const nest *ne, const access *a, unsigned l, int32_t threads)
{
    if (l == 0 || a->move[l - 1] == 0 || !is_in_turn(ne, l - 1, threads))
        return l;
    unsigned last = --l;
    while (l > 0) {
        bool goes_on = is_in_turn(ne, l - 1, threads);
        for (unsigned d = 0; d < a->dims && ne->extent[l - 1] > 1; d++)
            goes_on &= a->stride[d][l - 1] == a->stride[d][last] * ne->extent[last];
        if (!goes_on)
            break;
        l--;
        last = ne->extent[l] > 1 ? l : last;
    }
    return l;
}

/* Lines an access has fetched into a cache of `capacity` lines, which holds what all accesses touch
 * in the loops from `fit` on. */
static double lines_through(const nest *ne, const access *a, unsigned fit, double capacity,
                            int32_t threads)
{
    unsigned l = fit;
    while (l < ne->n && a->crowded[l] > capacity)
        l++;
    unsigned outside = l == fit ? slide(ne, a, l, threads) : l;
    double lines = a->lines[outside];
    if (outside == l)
        while (outside > 0 && a->move[outside - 1] == 0) /* stays while the loops outside run */
            outside--;
    return ne->inside[0] / ne->inside[outside] * lines;
}

/* What a working set may take of L1, L2 and L3 to be there in the next turn still. L2 has many
 * ways, and what passes through it once is counted with what stays. */
static const double room[3] = {0.75, 1, 0.75};

/* Does all that the block touches stay in a cache from call to call? */
static bool stays(const hone_target *t, const block_view *v, unsigned fit, double capacity)
{
    bool yes = fit == 0;
    for (unsigned k = 0; k < v->n_access && yes; k++)
        yes = v->access[k].local || v->access[k].crowded[0] * t->cache_line <= capacity;
    return yes;
}

static void memory_time(const hone_target *t, int32_t threads, const hone_machine *m, block_view *v)
{
    const nest *ne = &v->nest;
    const double capacity[3] = {(double)t->l1_bytes, (double)t->l2_bytes,
                                t->l3_bytes ? (double)t->l3_bytes : (double)t->l2_bytes * 2};
    const double ns_per_byte[3] = {m->l2_factor / m->l2_bytes_per_ns,
                                   m->l3_factor / m->l3_bytes_per_ns,
                                   m->memory_factor / m->memory_bytes_per_ns};
    v->traffic[0] = 0;
    for (unsigned k = 0; k < v->n_access; k++)
        if (!v->access[k].local)
            v->traffic[0] += v->access[k].bytes * ne->inside[0] / fmax(1, v->lanes * 8);
    double ns = 0;
    for (int c = 0; c < 3; c++) {
        unsigned fit = ne->n;
        v->fill[c] = v->beyond[c] = 0;
        while (fit > 0) {
            double bytes = 0;
            for (unsigned k = 0; k < v->n_access; k++)
                if (!v->access[k].local)
                    bytes += v->access[k].lines[fit - 1] * t->cache_line;
            if (bytes > room[c] * capacity[c]) {
                v->beyond[c] = bytes / capacity[c];
                break;
            }
            v->fill[c] = bytes / capacity[c];
            fit--;
        }
        v->level[c] = ne->n ? (double)fit / ne->n : 0;
        double through = 0;
        bool all_stays = stays(t, v, fit, capacity[c]);
        for (unsigned k = 0; k < v->n_access; k++) {
            const access *a = &v->access[k];
            if (a->local)
                continue;
            if (a->streams) /* to memory, and no line of it is fetched */
                through += c == 2 ? a->lines[0] * t->cache_line : 0;
            else if (!all_stays)
                through += lines_through(ne, a, fit, capacity[c] / t->cache_line, threads) *
                           t->cache_line * (a->write ? 1.5 : 1);
        }
        v->traffic[c + 1] = through;
        v->level_ns[c] = through * ns_per_byte[c];
        ns += v->level_ns[c];
    }
    v->memory_ns = ns;
}

double hone_costmodel__together(double compute_ns, double memory_ns)
{
    return fmax(compute_ns, memory_ns) + 0.3 * fmin(compute_ns, memory_ns);
}

void hone_costmodel__draft(const hone_target *t, int32_t threads, const hone_machine *m,
                           block_view *v)
{
    const nest *ne = &v->nest;
    compute_time(t, m, v);
    memory_time(t, threads, m, v);
    v->tasks = 1;
    for (unsigned l = 0; l < ne->n; l++)
        if (ne->kind[l] == HONE_PARALLEL)
            v->tasks *= ne->extent[l];
    double rounds = ceil(v->tasks / threads);
    double speedup = v->tasks / rounds;
    v->task_waste = 1 - speedup / threads;
    /* A tile that is part empty leaves that out, but makes less of what it loads and of its pipes.
     */
    double share = sqrt(v->useful) / speedup;
    v->compute_ns *= share;
    v->memory_ns *= share;
    for (int c = 0; c < 3; c++)
        v->level_ns[c] *= share;
}

/* Is what the loop does done ahead of time, when an input is packed? */
static bool is_ahead(const hone_program *p, hone_stmt loop)
{
    for (hone_stmt s = loop; s.i; s = hone_next(p, loop, s))
        if (hone_is_block(p, s) && hone_stmt_at(p, s)->out.i)
            return hone_ann_get(p, s, "hone.prepack") != 0;
    return false;
}

double hone_costmodel__starts(const hone_program *p)
{
    double starts = 0;
    for (hone_stmt s = p->root; s.i; s = hone_next(p, p->root, s)) {
        if (!hone_is_loop(p, s) || hone_stmt_at(p, s)->loop_kind != HONE_PARALLEL || is_ahead(p, s))
            continue;
        double times = 1;
        for (hone_stmt l = hone_stmt_at(p, s)->parent; l.i; l = hone_stmt_at(p, l)->parent)
            if (hone_is_loop(p, l)) /* within a parallel loop the threads are at work already */
                times *= hone_stmt_at(p, l)->loop_kind == HONE_PARALLEL
                             ? 0
                             : (double)hone_loop_extent(p, l);
        starts += times;
    }
    return starts;
}
