/* Where the lanes of a vector find their elements. Most indices move from lane to lane by a
 * constant. Where a vector holds several groups side by side, lanes of one group may want the same
 * element (lane // 4): such a vector is part of a short stretch of the buffer, which is loaded
 * whole and shuffled. */
#include "codegen/internal.h"

bool hone_cg__lane_places(cg *e, cg_lin l, uint32_t which, int64_t *ret)
{
    hone_range *r = e->ranges.v;
    while (r->var.i != e->lane_var.i) {
        r++;
    }
    const hone_range was = *r;
    bool ok = true;
    for (unsigned lane = 0; lane < e->lanes && ok; lane++) {
        r->lo = r->hi = lane;
        ret[lane] = 0;
        for (uint32_t k = 0; k < l.n && ok; k++) {
            cg_term t = e->terms.v[l.first + k];
            int64_t lo = lane, hi = lane;
            if (!(which >> k & 1) || (t.var.i && !HONE_SAME(t.var, e->lane_var)) ||
                (t.atom.i && !hone_cg__by_lane(e, t.atom))) {
                continue;
            }
            ok = !t.atom.i ||
                 (!hone_has_load(&e->q, t.atom) &&
                  hone_bounds_in(&e->q, t.atom, e->ranges.v, e->ranges.n, &lo, &hi) && lo == hi);
            ret[lane] += t.coeff * lo;
        }
    }
    *r = was;
    return ok;
}

bool hone_cg__lane_steps(cg *e, cg_lin l, uint32_t which, int64_t *ret_first, int64_t *ret_step)
{
    int64_t at[CG_MAX_LANES];
    if (!hone_cg__lane_places(e, l, which, at)) {
        return false;
    }
    *ret_first = at[0];
    *ret_step = e->lanes > 1 ? at[1] - at[0] : 0;
    for (unsigned lane = 1; lane < e->lanes; lane++) {
        if (at[lane] != at[0] + *ret_step * (int64_t)lane) {
            return false;
        }
    }
    return true;
}

/* Terms that do not depend on the lane: what is fixed of them, and what divides the rest. */
static int64_t rest_divisor(cg *e, cg_lin l, int64_t *ret_fixed)
{
    int64_t g = 0;
    *ret_fixed = l.c;
    for (uint32_t k = 0; k < l.n; k++) {
        cg_term t = e->terms.v[l.first + k];
        if (t.var.i ? HONE_SAME(t.var, e->lane_var) : hone_cg__by_lane(e, t.atom)) {
            continue;
        }
        if (t.var.i && e->env[t.var.i].lo == e->env[t.var.i].hi) {
            *ret_fixed += t.coeff * e->env[t.var.i].lo;
        } else {
            g = hone_gcd(g, t.coeff);
        }
    }
    return g;
}

/* The buffer ends at a multiple of what is returned. */
static int64_t end_divisor(const cg *e, hone_buffer b, int64_t g)
{
    const cg_place *pl = &e->places.v[b.i];
    return hone_gcd(g, hone_cg__is_sized(e, b) ? pl->stride[0] : pl->elems);
}

/* The shortest stretch of 2, 4, 8, .. elements from low to high that stays between first and end;
 * they start where neighbours do, so that several vectors share one. 0: there is none. */
static unsigned stretch(int64_t low, int64_t high, int64_t first, int64_t end, unsigned most,
                        int64_t *ret_from)
{
    for (int64_t n = 2; n <= end - first && n <= most; n *= 2) {
        int64_t from = first + (low - first) / n * n;
        if (from + n > end || high >= from + n) {
            from = end - n;
        }
        if (from <= low && high < from + n) {
            *ret_from = from;
            return (unsigned)n;
        }
    }
    return 0;
}

bool hone_cg__lane_stretch(cg *e, hone_buffer b, cg_lin l, cg_stretch *ret)
{
    int64_t at[CG_MAX_LANES], fixed, from;
    const cg_place *pl = &e->places.v[b.i];
    bool pitched = e->o->pitch && b.i <= e->n_args && e->o->pitch[b.i - 1];
    if (e->o->plain || pitched || !hone_cg__lane_places(e, l, CG_ALL_TERMS, at)) {
        return false;
    }
    int64_t g = rest_divisor(e, l, &fixed), low = at[0], high = at[0];
    for (unsigned lane = 1; lane < e->lanes; lane++) {
        low = at[lane] < low ? at[lane] : low;
        high = at[lane] > high ? at[lane] : high;
    }
    low += fixed;
    high += fixed;
    if (pl->where == CG_STACK) { /* a vector may read past the end */
        ret->n = high - low < e->lanes ? e->lanes : 0;
        from = low;
    } else { /* blocks of g elements are in the buffer as wholes */
        g = end_divisor(e, b, g);
        int64_t first = hone_floor_div(low, g) * g;
        ret->n = stretch(low, high, first, first + g, 4 * e->lanes, &from);
    }
    if (ret->n == 0) {
        return false;
    }
    ret->from = from - fixed;
    for (unsigned lane = 0; lane < e->lanes; lane++) {
        ret->at[lane] = (unsigned)(at[lane] - ret->from);
    }
    return true;
}
