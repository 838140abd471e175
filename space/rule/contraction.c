/* The rule for contractions: matmul, batched matmul, convolution. Multi-level tiling with a
 * register tile, K blocking under register accumulators, and packing of either operand.
 *
 * The nest, outermost first (BLIS's five loops with parallelism outside; names as in the code):
 *
 *   parallel [others0, i0, j0] | j1 | k0 | i1 | others1 | j2 | i2 | taps | k1 | unrolled ku, it, jv
 *   | jl               pack B --^         ^-- pack A          ^-- accumulate here
 *
 * j is the column loop, i the row loop of the register tile, k the blocked reduction, taps the
 * other reductions (a convolution's r and s), others the remaining spatial loops. The shape says
 * whether k0 exists, where operands are packed and whether the taps are clipped at the border.
 *
 * A filter with one output has no rows: B is the image then, which is laid out with the columns
 * last and read by windows that move along them. */
#include "space/rule/contraction_analysis.h"

#define MAX_LOOPS HONE_CONTRACT_MAX_LOOPS

typedef struct tiled {
    hone_rv i[3], j[3], it, jt; /* it, jt: inside the register tile */
    bool inside;                /* of the policy: the other loops run inside a block of columns */
} tiled;

/* Tasks along rows and columns, tiles of mr x nr in each direction: of the ways to arrange the
 * threads, the one whose largest task has least to do, operands to fetch and pack included. Among
 * equals threads go to the columns, so that B is packed once. `other` loops outside serve threads
 * first. */
static void spread(int64_t other, int32_t threads, const int64_t tile[2], const int64_t tiles[2],
                   int64_t *ret_i, int64_t *ret_j)
{
    int64_t best = INT64_MAX;
    *ret_i = *ret_j = 1;
    if (threads <= 1 || other >= threads)
        return;
    for (int64_t ti = 1; ti <= threads; ti++) {
        if (threads % ti || (ti > 1 && tiles[0] < ti))
            continue;
        int64_t rows = hone_ceil_div(tiles[0], ti) * tile[0];
        int64_t columns = hone_ceil_div(tiles[1], threads / ti) * tile[1];
        int64_t cost = rows * columns + 4 * (rows + columns);
        if (cost >= best)
            continue;
        best = cost;
        *ret_i = ti;
        *ret_j = threads / ti;
    }
}

/* Loops that may run inside a block of columns, each pass over it finding B where the last one left
 * it: those that B does not depend on. */
static bool may_go_inside(const hone_rule__contraction *c, unsigned q)
{
    return !(c->b_uses >> q & 1);
}

static int64_t others_outside(const hone_rule__contraction *c, bool inside)
{
    int64_t n = 1;
    for (unsigned q = 0; q < c->n_spatial; q++)
        if ((int)q != c->row && (int)q != c->col && !(inside && may_go_inside(c, q)))
            n *= c->extent[q];
    return n;
}

/* Columns whose part of B, all taps of it, takes up as much cache as the policy means to. */
static int64_t block_columns(const hone_rule__contraction *c, const hone_rule__policy *pol,
                             bool k_blocked)
{
    int64_t depth = k_blocked && pol->kc < c->extent[c->k] ? pol->kc : c->extent[c->k];
    for (unsigned q = c->n_spatial; q < c->n_loops; q++)
        depth *= (int)q == c->k ? 1 : c->extent[q];
    int64_t n = pol->nc * pol->kc / depth;
    return pol->nc && n < 1 ? 1 : n;
}

/* Sums this short (a microsecond or two) are over before another thread has begun. */
static int32_t useful_threads(const hone_rule__contraction *c, int32_t threads)
{
    int64_t products = 1;
    for (unsigned q = 0; q < c->n_loops && products < 1 << 16; q++)
        products *= c->extent[q];
    return products < 1 << 16 ? 1 : threads;
}

/* Rows and columns: the register tile and three levels above it. */
static hone_status tile_output(hone_sched *s, const hone_rule__contraction *c,
                               const hone_rule__ctx *ctx, const hone_rule__policy *pol,
                               bool k_blocked, const hone_rv *loops, hone_rv tile[2], tiled *ret,
                               hone_error *err)
{
    int64_t tiles[HONE_CONTRACT_MAX_TILES][2], want[3];
    unsigned n = hone_rule__contraction_tiles(c, ctx->target, tiles);
    int64_t pick =
        hone_rule__contraction_nearest_tile(tiles, n, c->row < 0 ? 1 : c->extent[c->row], pol->rows,
                                            pol->vectors * c->lanes / c->group);
    hone_rv row = loops[c->row < 0 ? c->col : c->row], col = loops[c->col], parts[2], d[3];
    HONE_TRY(hone_sample_register_tile(s, row, col, tiles, NULL, n, &pick, tile, err));
    int64_t mr = hone_rv_int(s, tile[0]), nr = hone_rv_int(s, tile[1]);
    int64_t col_tiles = hone_ceil_div(c->extent[c->col], nr);
    int64_t row_tiles = c->row < 0 ? 1 : hone_ceil_div(c->extent[c->row], mr);
    int64_t split_i, split_j;
    *ret = (tiled){.inside = pol->nc != 0};
    spread(others_outside(c, ret->inside), useful_threads(c, ctx->threads), (int64_t[]){mr, nr},
           (int64_t[]){row_tiles, col_tiles}, &split_i, &split_j);
    if (c->row >= 0) {
        HONE_TRY(hone_split(s, row, (hone_rv[]){HONE_NO_RV, tile[0]}, 2, parts, err));
        ret->it = parts[1];
        hone_rule__contraction_blocks(row_tiles, mr, k_blocked ? pol->mc : 0, split_i, want);
        HONE_TRY(hone_sample_imperfect_tile(s, parts[0], 3, 0, want, d, err));
        HONE_TRY(hone_split(s, parts[0], d, 3, ret->i, err));
    }
    HONE_TRY(hone_split(s, col, (hone_rv[]){HONE_NO_RV, tile[1]}, 2, parts, err));
    ret->jt = parts[1];
    hone_rule__contraction_blocks(col_tiles, nr, block_columns(c, pol, k_blocked), split_j, want);
    HONE_TRY(hone_sample_imperfect_tile(s, parts[0], 3, 0, want, d, err));
    return hone_split(s, parts[0], d, 3, ret->j, err);
}

/* A vector times a matrix is the matrix's traffic. In a blocked nest a few rows of B at a time are
 * read from end to end, as memory has them, over sums that stay in the nearest cache; a block as
 * deep as the policy's would go down the columns of B, from page to page, as the nest without
 * blocks does anyhow. */
static hone_rule__policy policy_for(const hone_rule__contraction *c, const hone_rule__policy *pol)
{
    hone_rule__policy ret = *pol;
    int64_t most = pol->kc >= 512 ? 16 : 8;
    if (c->row >= 0)
        return ret;
    ret.kc = most;
    while (ret.kc > most / 2 && c->extent[c->k] % ret.kc)
        ret.kc--;
    if (c->extent[c->k] % ret.kc)
        ret.kc = most;
    ret.vectors *= 4; /* the policy's are those of a tile with many rows */
    return ret;
}

/* k0 (none unless blocked), k1, ku. */
static hone_status tile_reduction(hone_sched *s, hone_rv k, int64_t extent, bool blocked,
                                  const hone_rule__policy *pol, hone_rv ret[3], hone_error *err)
{
    hone_rv d[2];
    ret[0] = HONE_NO_RV;
    ret[1] = k;
    if (blocked) {
        int64_t kc = pol->kc ? hone_rule__contraction_snap(extent, pol->kc) : extent;
        int64_t want[2] = {hone_ceil_div(extent, kc), kc};
        HONE_TRY(hone_sample_imperfect_tile(s, k, 2, 0, want, d, err));
        HONE_TRY(hone_split(s, k, d, 2, ret, err));
    }
    /* a short sum is written out */
    int64_t unrolls[] = {1, 2, extent <= 8 ? extent : 4};
    int64_t which = extent <= 8 || pol->k_unroll >= 4 ? 2 : pol->k_unroll >= 2 ? 1 : 0;
    HONE_TRY(hone_sample_categorical(s, unrolls, NULL, 3, &which, d, err));
    hone_rv parts[2];
    HONE_TRY(hone_split(s, ret[1], (hone_rv[]){HONE_NO_RV, d[0]}, 2, parts, err));
    ret[1] = parts[0];
    ret[2] = parts[1];
    return HONE_OK;
}

/* The other spatial loops: an outer part that is spread over threads and an inner one. */
static hone_status split_others(hone_sched *s, const hone_rule__contraction *c,
                                const hone_rv *loops, bool inside, hone_rv *outer, hone_rv *inner,
                                unsigned *ret_n, hone_error *err)
{
    *ret_n = 0;
    for (unsigned q = 0; q < c->n_spatial; q++) {
        if ((int)q == c->row || (int)q == c->col)
            continue;
        int64_t whole[2] = {c->extent[q], 1};
        if (inside && may_go_inside(c, q)) {
            whole[0] = 1;
            whole[1] = c->extent[q];
        }
        hone_rv d[2], parts[2];
        HONE_TRY(hone_sample_perfect_tile(s, loops[q], 2, c->extent[q], whole, d, err));
        HONE_TRY(hone_split(s, loops[q], d, 2, parts, err));
        outer[*ret_n] = parts[0];
        inner[(*ret_n)++] = parts[1];
    }
    return HONE_OK;
}

hone_status hone_rule__contraction_inline_padding(hone_sched *s, hone_stmt stmt,
                                                  const hone_target *t, bool widen,
                                                  hone_rule__contraction *c, hone_error *err)
{
    char name[256];
    hone_rv rv;
    hone_stmt pad = hone_rule__contraction_padding(&s->prog, stmt, c);
    HONE_ASSERT(pad.i);
    snprintf(name, sizeof name, "%s", hone_sym_text(&s->prog, hone_stmt_at(&s->prog, pad)->name));
    HONE_TRY(hone_get_block(s, name, &rv, err));
    bool a_widens = c->a_widens;
    if (widen && a_widens)
        HONE_TRY(hone_widen(s, rv, c->type, err));
    HONE_TRY(hone_compute_inline(s, rv, err));
    if (!hone_rule__contraction_analyse(&s->prog, stmt, t, c))
        return hone_fail(err, HONE_REJECT_ARG, "no contraction without its padding");
    c->a_widens = a_widens;
    return HONE_OK;
}

hone_status hone_rule__contraction_nest(hone_sched *s, const char *name, const hone_rule__ctx *ctx,
                                        hone_error *err)
{
    const hone_target *t = ctx->target;
    hone_rule__contraction c;
    hone_rule__shape all[HONE_CONTRACT_MAX_SHAPES];
    hone_rv block, loops[MAX_LOOPS];
    unsigned n, n_outer, n_nest = 0;
    hone_stmt stmt = hone_block_find(&s->prog, name);
    if (!stmt.i || !hone_rule__contraction_analyse(&s->prog, stmt, t, &c) ||
        ctx->variant >= hone_rule__contraction_shapes(&c, all))
        return hone_fail(err, HONE_REJECT_ARG, "block '%s' is not a contraction", name);
    const hone_rule__shape sh = all[ctx->variant];
    const hone_rule__policy pol = policy_for(&c, &ctx->policy);
    if (sh.clip)
        HONE_TRY(hone_rule__contraction_inline_padding(s, stmt, t, sh.widen, &c, err));
    if (c.b_turned)
        HONE_TRY(hone_rule__contraction_turn_b(s, stmt, &c, err));
    hone_rule__contraction_widen(&c, sh.group);
    HONE_TRY(hone_get_block(s, name, &block, err));
    HONE_TRY(hone_get_loops(s, block, loops, MAX_LOOPS, &n, err));

    hone_rv tile[2], k[3], parts[2], outer[MAX_LOOPS], inner[MAX_LOOPS], nest[48];
    tiled o;
    HONE_TRY(tile_output(s, &c, ctx, &pol, sh.k_blocked, loops, tile, &o, err));
    HONE_TRY(hone_split_by(s, o.jt, (int64_t[]){0, c.lanes}, 2, parts, err));
    hone_rv jv = parts[0], jl = parts[1];
    HONE_TRY(tile_reduction(s, loops[c.k], c.extent[c.k], sh.k_blocked, &pol, k, err));
    HONE_TRY(split_others(s, &c, loops, o.inside, outer, inner, &n_outer, err));

    for (unsigned q = 0; q < n_outer; q++)
        nest[n_nest++] = outer[q];
    if (o.it.i)
        nest[n_nest++] = o.i[0];
    nest[n_nest++] = o.j[0];
    unsigned n_parallel = n_nest;
    nest[n_nest++] = o.j[1];
    if (sh.k_blocked)
        nest[n_nest++] = k[0];
    if (o.it.i)
        nest[n_nest++] = o.i[1];
    for (unsigned q = 0; q < n_outer; q++)
        nest[n_nest++] = inner[q];
    nest[n_nest++] = o.j[2];
    if (o.it.i)
        nest[n_nest++] = o.i[2];
    hone_rv tile_loop = nest[n_nest - 1];
    for (unsigned q = c.n_spatial; q < c.n_loops; q++)
        if ((int)q != c.k)
            nest[n_nest++] = loops[q];
    nest[n_nest++] = k[1];
    nest[n_nest++] = k[2];
    if (o.it.i)
        nest[n_nest++] = o.it;
    nest[n_nest++] = jv;
    nest[n_nest++] = jl;
    HONE_TRY(hone_reorder(s, nest, n_nest, err));
    hone_rv task = nest[0];
    if (n_parallel > 1)
        HONE_TRY(hone_fuse(s, nest, n_parallel, &task, err));

    if (sh.b != HONE_NOT_PACKED) {
        hone_rv at = sh.k_blocked ? k[0] : o.j[1];
        HONE_TRY(hone_rule__contraction_pack_b(s, block, &c, sh.b, sh.widen, tile[1], at, err));
    }
    if (sh.pack_a)
        HONE_TRY(hone_rule__contraction_pack_a(s, block, &c, sh.widen, tile[0], o.i[1], err));
    else if (sh.widen && c.a_widens)
        HONE_TRY(hone_rule__widen_operand(s, block, (unsigned)c.a, c.type, ctx, err));

    hone_rv copies[2];
    HONE_TRY(hone_cache_accumulate(s, block, tile_loop, HONE_LOCAL, copies, err));
    HONE_TRY(hone_rule__contraction_tile_copy(s, copies[0], &c, err));
    HONE_TRY(hone_rule__contraction_tile_copy(s, copies[1], &c, err));
    HONE_TRY(hone_unroll(s, k[2], err));
    if (o.it.i)
        HONE_TRY(hone_unroll(s, o.it, err));
    HONE_TRY(hone_unroll(s, jv, err));
    HONE_TRY(hone_vectorize(s, jl, err));
    if (sh.clip)
        HONE_TRY(hone_skip_zeros(s, block, err));
    HONE_TRY(
        hone_rule__contraction_epilogue(s, copies[1], !sh.k_blocked, tile_loop, o.j[1], &c, err));
    return hone_parallel(s, task, err);
}
