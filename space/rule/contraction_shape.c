/* The choices of a contraction's nest: shapes, register tiles, first block sizes. */
#include "space/rule/contraction_analysis.h"

/* Before each shape in which B is packed the same with operands that are converted there, once: a
 * conversion in the innermost loop costs as much as the multiplication. */
static unsigned add_shape(const hone_rule__contraction *c, hone_rule__shape sh, unsigned n,
                          hone_rule__shape *ret)
{
    bool widens = (c->a_widens || c->b_widens) && c->row >= 0 && sh.b != HONE_NOT_PACKED;
    for (int widen = widens; widen >= 0; widen--) {
        ret[n] = sh;
        ret[n++].widen = widen;
    }
    return n;
}

/* The n shapes, and then each of them with longer vectors. */
static unsigned in_groups(const hone_rule__contraction *c, unsigned n, hone_rule__shape *ret)
{
    unsigned of_one = n;
    for (unsigned k = 0; k < of_one; k++)
        ret[k].group = 1;
    for (int64_t group = 2; group <= c->group; group *= 2)
        for (unsigned k = 0; k < of_one && n < HONE_CONTRACT_MAX_SHAPES; k++) {
            ret[n] = ret[k];
            ret[n++].group = group;
        }
    return n;
}

unsigned hone_rule__contraction_shapes(const hone_rule__contraction *c, hone_rule__shape *ret)
{
    /* k_blocked, B, pack_a, clip; group, widen */
    static const hone_rule__shape runtime[] = {
        {true, HONE_PACKED_INSIDE, false, false, 1, false},
        {true, HONE_PACKED_INSIDE, true, false, 1, false},
        {false, HONE_PACKED_INSIDE, false, false, 1, false},
        {false, HONE_NOT_PACKED, false, false, 1, false},
        {true, HONE_PACKED_AT_ROOT, false, false, 1, false},
        {true, HONE_PACKED_AT_ROOT, true, false, 1, false},
        {true, HONE_NOT_PACKED, false, false, 1, false},
    };
    static const hone_rule__shape ahead[] = {
        {false, HONE_PACKED_AT_ROOT, false, false, 1, false},
        {true, HONE_PACKED_AT_ROOT, false, false, 1, false},
        {true, HONE_PACKED_AT_ROOT, true, false, 1, false},
    };
    /* each element of B is used once: read it where it is */
    static const hone_rule__shape stream[] = {{true, HONE_NOT_PACKED, false, false, 1, false},
                                              {false, HONE_NOT_PACKED, false, false, 1, false},
                                              {false, HONE_PACKED_AT_ROOT, false, false, 1, false}};
    bool packs = c->b_const && c->b_plain, once = c->row < 0;
    const hone_rule__shape *from = once ? stream : packs ? ahead : runtime;
    unsigned n_from = once ? HONE_LEN(stream) : packs ? HONE_LEN(ahead) : HONE_LEN(runtime);
    unsigned n = 0;
    for (int clip = c->clippable; clip >= 0; clip--)
        for (unsigned k = 0; k < n_from; k++) {
            if ((from[k].b != HONE_NOT_PACKED && !c->b_plain) || (from[k].pack_a && !c->a_plain))
                continue;
            if (from[k].b == HONE_NOT_PACKED && !c->b_direct && c->b_plain)
                continue;
            if (once && from[k].b == HONE_PACKED_AT_ROOT && !c->b_const)
                continue;
            hone_rule__shape sh = from[k];
            sh.clip = clip;
            n = add_shape(c, sh, n, ret);
        }
    return in_groups(c, n, ret);
}

void hone_rule__contraction_widen(hone_rule__contraction *c, int64_t group)
{
    c->group = group;
    c->lanes *= group;
}

unsigned hone_rule__contraction_variants(hone_program *p, hone_stmt block,
                                         const hone_rule__ctx *ctx)
{
    hone_rule__contraction c;
    hone_rule__shape all[HONE_CONTRACT_MAX_SHAPES];
    return hone_rule__contraction_analyse(p, block, ctx->target, &c)
               ? hone_rule__contraction_shapes(&c, all)
               : 0;
}

/* ---- register tiles ------------------------------------------------------------------------ */

/* Accumulators and column vectors fit the registers, the row's element comes from memory in the
 * multiply-add itself; the accumulators cover the latency of the pipes; at most one part-filled
 * tile per direction. */
unsigned hone_rule__contraction_tiles(const hone_rule__contraction *c, const hone_target *t,
                                      int64_t (*ret)[2])
{
    int64_t lanes = c->lanes, rows = c->row < 0 ? 1 : c->extent[c->row];
    int64_t vectors = hone_ceil_div(c->extent[c->col], lanes);
    int64_t registers = t->vector_registers, g = c->group;
    int64_t want = (int64_t)t->fma_latency * t->fma_per_cycle, most = rows == 1 ? 16 : 4;
    unsigned n = 0;
    for (int pass = 0; pass < 2 && n == 0; pass++) /* second: small outputs cannot cover latency */
        for (int64_t nv = 1; nv <= most && nv <= vectors; nv++)
            for (int64_t mr = 1; mr <= 30 && mr <= rows && n < HONE_CONTRACT_MAX_TILES; mr++) {
                if (g * (mr * nv + nv) + 1 > registers)
                    continue;
                if (rows > 1 && mr == 1 && nv < 4)
                    continue;
                if (pass == 0 && g * mr * nv < want)
                    continue;
                /* only rows that leave little of the last tile empty, or fill the registers */
                int64_t waste = (rows + mr - 1) / mr * mr - rows;
                bool full = g * ((mr + 1) * nv + nv) + 1 > registers;
                if (waste * 8 > rows && !full && pass == 0)
                    continue;
                ret[n][0] = mr;
                ret[n][1] = nv * lanes;
                n++;
            }
    if (n == 0) {
        ret[0][0] = 1;
        ret[0][1] = lanes;
        n = 1;
    }
    return n;
}

/* Does the last of the tiles along so many rows stand empty by more than an eighth of them? */
static bool leaves_empty(int64_t rows, int64_t tile)
{
    return (hone_ceil_div(rows, tile) * tile - rows) * 8 > rows;
}

int64_t hone_rule__contraction_nearest_tile(const int64_t (*tiles)[2], unsigned n, int64_t extent,
                                            int64_t rows, int64_t columns)
{
    int64_t best = 0, best_far = INT64_MAX;
    for (unsigned k = 0; k < n; k++) {
        int64_t dr = tiles[k][0] - rows, dc = tiles[k][1] - columns;
        /* each column less is a product less for what a row loads */
        int64_t far = (dr < 0 ? -dr : dr) * 4 + (dc < 0 ? -2 * dc : dc);
        far += leaves_empty(extent, tiles[k][0]) ? 1 << 20 : 0;
        if (far < best_far) {
            best_far = far;
            best = k;
        }
    }
    return best;
}

/* ---- block sizes --------------------------------------------------------------------------- */

int64_t hone_rule__contraction_snap(int64_t extent, int64_t want)
{
    if (want >= extent)
        return extent;
    for (int64_t f = want; f > 1; f--) {
        int64_t x = f;
        while (x % 2 == 0)
            x /= 2;
        if (extent % f == 0 || x == 1 || x == 3)
            return f;
    }
    return 1;
}

/* Turns of the busiest thread times their cost: a task has its own packing to do, and each block in
 * it a start; both are put at a quarter of a tile. */
static int64_t busiest(int64_t n, int64_t split, int64_t middle, int64_t inner)
{
    int64_t tasks = hone_ceil_div(n, middle * inner);
    return hone_ceil_div(tasks, split) * (4 * middle * inner + middle + 1);
}

/* Blocks of at most `most` tiles such that the threads' shares are even: with 73 tiles and two
 * threads, 10 tasks of 8 and not 64 and 9. */
static void even_blocks(int64_t n, int64_t most, int64_t split, int64_t ret[3])
{
    int64_t per_task = hone_ceil_div(n, split), best = INT64_MAX;
    for (int64_t inner = most; inner >= 1; inner--) {
        if (hone_rule__contraction_snap(n, inner) != inner)
            continue;
        for (int64_t middle = hone_ceil_div(per_task, inner); middle >= 1; middle--) {
            int64_t cost = busiest(n, split, middle, inner);
            if (hone_rule__contraction_snap(n, middle) != middle || cost >= best)
                continue;
            best = cost;
            ret[2] = inner;
            ret[1] = middle;
        }
    }
    ret[0] = hone_ceil_div(n, ret[1] * ret[2]);
}

void hone_rule__contraction_blocks(int64_t n, int64_t tile, int64_t block, int64_t split,
                                   int64_t ret[3])
{
    int64_t per_task = hone_ceil_div(n, split);
    int64_t inner =
        block ? hone_rule__contraction_snap(n, block / tile > 1 ? block / tile : 1) : per_task;
    inner = hone_rule__contraction_snap(n, inner < per_task ? inner : per_task);
    if (split > 1) {
        even_blocks(n, inner, split, ret);
        return;
    }
    int64_t middle = hone_rule__contraction_snap(n, hone_ceil_div(per_task, inner));
    if (middle * inner >= 2 * n)
        middle = 1;
    ret[2] = inner;
    ret[1] = middle;
    ret[0] = hone_ceil_div(n, middle * inner);
}
