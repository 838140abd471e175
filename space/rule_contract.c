/* The rule for contractions: matmul, batched matmul, convolution. Multi-level tiling with a
 * register tile, K blocking under register accumulators, and packing of either operand.
 *
 * The nest, outermost first (BLIS's five loops with parallelism outside; names as in the code):
 *
 *   parallel [others0, i0, j0] | j1 | k0 | i1 | others1 | j2 | i2 | taps | k1 | unrolled ku, it, jv
 * | jl pack B --^    ^-- pack A       ^-- accumulate here
 *
 * j is the column loop (innermost in the output, vectorised), i the row loop of the register tile,
 * k the blocked reduction, taps the other reductions (a convolution's r and s), others the
 * remaining spatial loops. A variant says whether k0 exists and where operands are packed. */
#include "space/rule.h"

#define MAX_LOOPS 12

typedef struct contraction {
    unsigned n_loops, n_spatial;
    int col, row, k; /* positions in the nest; row -1: the output has one loop */
    int a, b;        /* which distinct buffers of hone_block_loads; -1: none */
    unsigned a_dims, b_dims;
    unsigned a_row_dim, b_col_dim;
    bool a_plain, b_plain; /* every index is one iterator, each another */
    bool b_direct;         /* B's last index is the column */
    bool b_const;
    int out_bytes;
    int64_t extent[MAX_LOOPS];
} contraction;

typedef enum place { NOT_PACKED, PACKED_INSIDE, PACKED_AT_ROOT } place;

typedef struct shape {
    bool k_blocked;
    place b;
    bool pack_a;
} shape;

/* ---- analysis -------------------------------------------------------------------------------- */

static bool plain_index(const hone_program *p, hone_expr load)
{
    unsigned n = hone_expr_at(p, load)->n_args;
    for (unsigned k = 0; k < n; k++) {
        hone_expr e = hone_expr_arg(p, load, k);
        if (hone_expr_op(p, e) != HONE_OP_VAR)
            return false;
        for (unsigned q = 0; q < k; q++)
            if (HONE_SAME(e, hone_expr_arg(p, load, q)))
                return false;
    }
    return true;
}

static int dim_using(const hone_program *p, hone_expr load, hone_var v)
{
    for (unsigned k = 0; k < hone_expr_at(p, load)->n_args; k++)
        if (hone_uses_var(p, hone_expr_arg(p, load, k), v))
            return (int)k;
    return -1;
}

static bool analyse(hone_program *p, hone_stmt block, contraction *c)
{
    const hone_stmt_row *r = hone_stmt_at(p, block);
    hone_op op;
    hone_expr operand;
    hone_stmt loops[MAX_LOOPS];
    hone_var vars[MAX_LOOPS];
    *c = (contraction){.col = -1, .row = -1, .k = -1, .a = -1, .b = -1};
    if (!r->out.i || !r->init.i || r->where.i || r->n_index < 1 ||
        !hone_block_reduction(p, block, &op, &operand) || op != HONE_OP_ADD)
        return false;
    c->n_loops = hone_loops_of(p, block, loops, MAX_LOOPS);
    if (c->n_loops > MAX_LOOPS || c->n_loops != r->n_iters)
        return false;
    /* iterator q of the block belongs to loop q: the nest as the workload wrote it */
    for (unsigned q = 0; q < c->n_loops; q++) {
        hone_iter *it = hone_iter_at(p, block, q);
        if (!HONE_SAME(it->binding, hone_var_expr(p, hone_stmt_at(p, loops[q])->var)))
            return false;
        r = hone_stmt_at(p, block);
        it = hone_iter_at(p, block, q);
        vars[q] = it->var;
        c->extent[q] = hone_loop_extent(p, loops[q]);
        if (it->kind == HONE_SPATIAL) {
            if (c->n_spatial != q)
                return false;
            c->n_spatial = q + 1;
        }
    }
    hone_expr last = hone_store_index(p, block, r->n_index - 1u);
    for (unsigned q = 0; q < c->n_spatial; q++)
        if (HONE_SAME(last, hone_var_expr(p, vars[q])))
            c->col = (int)q;
    if (c->col < 0 || c->n_spatial == c->n_loops)
        return false;
    for (unsigned q = 0; q < c->n_spatial; q++)
        if ((int)q != c->col && c->extent[q] > 1)
            c->row = (int)q;

    hone_expr loads[8];
    unsigned n = hone_block_loads(p, block, loads, 8), distinct = 0;
    hone_buffer seen[8];
    hone_expr load_a = HONE_NO_EXPR, load_b = HONE_NO_EXPR;
    if (n < 2 || n > 8)
        return false;
    for (unsigned k = 0; k < n; k++) {
        hone_buffer buf = {hone_expr_at(p, loads[k])->sym};
        for (unsigned q = 0; q < distinct; q++)
            if (HONE_SAME(seen[q], buf))
                return false;
        seen[distinct] = buf;
        bool col = dim_using(p, loads[k], vars[c->col]) >= 0, reduce = false;
        bool row = c->row >= 0 && dim_using(p, loads[k], vars[c->row]) >= 0;
        for (unsigned q = c->n_spatial; q < c->n_loops; q++)
            reduce |= dim_using(p, loads[k], vars[q]) >= 0;
        if (col && reduce && !row && c->b < 0) {
            c->b = (int)distinct;
            load_b = loads[k];
        } else if (!col && reduce && c->a < 0) {
            c->a = (int)distinct;
            load_a = loads[k];
        }
        distinct++;
    }
    if (c->a < 0 || c->b < 0)
        return false;
    c->a_dims = hone_expr_at(p, load_a)->n_args;
    c->b_dims = hone_expr_at(p, load_b)->n_args;
    c->a_plain = plain_index(p, load_a) && c->row >= 0 && dim_using(p, load_a, vars[c->row]) >= 0;
    c->b_plain = plain_index(p, load_b);
    if (c->a_plain)
        c->a_row_dim = (unsigned)dim_using(p, load_a, vars[c->row]);
    c->b_col_dim = (unsigned)dim_using(p, load_b, vars[c->col]);
    c->b_direct =
        HONE_SAME(hone_expr_arg(p, load_b, c->b_dims - 1), hone_var_expr(p, vars[c->col]));
    const hone_buffer_row *bb = hone_buffer_at(p, (hone_buffer){hone_expr_at(p, load_b)->sym});
    c->b_const = bb->is_const && bb->role == HONE_INPUT;
    c->out_bytes = hone_dtype_bytes(hone_expr_dtype(p, hone_stmt_at(p, block)->value));
    /* k: the reduction that runs along A's last dimension, else the longest */
    for (unsigned q = c->n_spatial; q < c->n_loops; q++)
        if (HONE_SAME(hone_expr_arg(p, load_a, c->a_dims - 1), hone_var_expr(p, vars[q])))
            c->k = (int)q;
    for (unsigned q = c->n_spatial; q < c->n_loops && c->k < 0; q++) {
        bool longest = true;
        for (unsigned w = c->n_spatial; w < c->n_loops; w++)
            longest &= c->extent[w] <= c->extent[q];
        if (longest)
            c->k = (int)q;
    }
    return true;
}

bool hone_rule_is_contraction(hone_program *p, hone_stmt block)
{
    contraction c;
    return analyse(p, block, &c);
}

static unsigned shapes(const contraction *c, shape *ret)
{
    static const shape runtime[] = {
        {true, PACKED_INSIDE, false}, {true, PACKED_INSIDE, true},   {false, PACKED_INSIDE, false},
        {false, NOT_PACKED, false},   {true, PACKED_AT_ROOT, false}, {true, PACKED_AT_ROOT, true},
        {true, NOT_PACKED, false},
    };
    static const shape ahead[] = {
        {false, PACKED_AT_ROOT, false},
        {true, PACKED_AT_ROOT, false},
        {true, PACKED_AT_ROOT, true},
    };
    const shape *from = c->b_const && c->b_plain ? ahead : runtime;
    unsigned n_from = c->b_const && c->b_plain ? HONE_LEN(ahead) : HONE_LEN(runtime), n = 0;
    for (unsigned k = 0; k < n_from; k++) {
        if ((from[k].b != NOT_PACKED && !c->b_plain) || (from[k].pack_a && !c->a_plain))
            continue;
        if (from[k].b == NOT_PACKED && !c->b_direct && c->b_plain)
            continue;
        ret[n++] = from[k];
    }
    return n;
}

unsigned hone_rule_contract_variants(hone_program *p, hone_stmt block, const hone_rule_ctx *ctx)
{
    (void)ctx;
    contraction c;
    shape all[16];
    return analyse(p, block, &c) ? shapes(&c, all) : 0;
}

/* ---- register tile --------------------------------------------------------------------------- */

/* Every (rows, columns) whose accumulators, column vectors and one broadcast fit the registers and
 * cover the latency of the multiply-add pipes, with at most one part-filled tile per direction.
 * At least one. */
static unsigned register_tiles(const contraction *c, const hone_target *t, int64_t (*ret)[2],
                               unsigned max)
{
    int64_t lanes = t->vector_bytes / c->out_bytes, rows = c->row < 0 ? 1 : c->extent[c->row];
    int64_t vectors = (c->extent[c->col] + lanes - 1) / lanes;
    int64_t want = (int64_t)t->fma_latency * t->fma_per_cycle;
    unsigned n = 0;
    for (int pass = 0; pass < 2 && n == 0; pass++) /* second: small outputs cannot cover latency */
        for (int64_t nv = 1; nv <= 4 && nv <= vectors; nv++)
            for (int64_t mr = 1; mr <= 30 && mr <= rows && n < max; mr++) {
                if (mr * nv + nv + 1 > t->vector_registers)
                    continue;
                if (rows > 1 && mr == 1 && nv < 4)
                    continue;
                if (pass == 0 && mr * nv < want)
                    continue;
                /* only rows that leave little of the last tile empty, or fill the registers */
                int64_t waste = (rows + mr - 1) / mr * mr - rows;
                bool full = (mr + 1) * nv + nv + 1 > t->vector_registers;
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

static int64_t nearest_tile(const int64_t (*tiles)[2], unsigned n, int64_t rows, int64_t columns)
{
    int64_t best = 0, best_far = INT64_MAX;
    for (unsigned k = 0; k < n; k++) {
        int64_t dr = tiles[k][0] - rows, dc = tiles[k][1] - columns;
        int64_t far = (dr < 0 ? -dr : dr) * 4 + (dc < 0 ? -dc : dc);
        if (far < best_far) {
            best_far = far;
            best = k;
        }
    }
    return best;
}

/* ---- tile sizes by policy ---------------------------------------------------------------------
 */

static int64_t ceil_div(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

/* The nearest value at most `want` in SampleImperfectTile's domain for this extent. */
static int64_t snap(int64_t extent, int64_t want)
{
    if (want >= extent)
        return extent;
    int64_t best = 1;
    for (int64_t f = 1; f <= want; f++) {
        int64_t x = f;
        while (x % 2 == 0)
            x /= 2;
        if (extent % f == 0 || x == 1 || x == 3)
            best = f;
    }
    return best;
}

/* [outer, middle, inner]: inner covers `block` elements of register tiles of `tile`, the outermost
 * has about `split` iterations. */
static void policy_tile3(int64_t extent_tiles, int64_t tile, int64_t block, int64_t split,
                         int64_t ret[3])
{
    int64_t per_task = ceil_div(extent_tiles, split);
    int64_t inner = block ? snap(extent_tiles, block / tile > 1 ? block / tile : 1) : per_task;
    inner = snap(extent_tiles, inner < per_task ? inner : per_task);
    int64_t middle = snap(extent_tiles, ceil_div(per_task, inner));
    if (middle * inner >= 2 * extent_tiles)
        middle = 1;
    ret[2] = inner;
    ret[1] = middle;
    ret[0] = ceil_div(extent_tiles, middle * inner);
}

/* ---- the rule -----------------------------------------------------------------------------------
 */

static void layout_text(char *ret, size_t size, unsigned dims, unsigned at, bool tile_last)
{
    hone_buf b = {0};
    hone_buf_puts(&b, "lambda ");
    for (unsigned k = 0; k < dims; k++)
        hone_buf_printf(&b, "%sd%u", k ? ", " : "", k);
    hone_buf_puts(&b, ": (");
    if (tile_last)
        hone_buf_printf(&b, "d%u // v0, ", at);
    bool first = true;
    for (unsigned k = 0; k < dims; k++) {
        if (tile_last && k == at)
            continue;
        if (k == at)
            hone_buf_printf(&b, "%sd%u // v0, d%u %% v0", first ? "" : ", ", k, k);
        else
            hone_buf_printf(&b, "%sd%u", first ? "" : ", ", k);
        first = false;
    }
    if (tile_last)
        hone_buf_printf(&b, "%sd%u %% v0", first ? "" : ", ", at);
    hone_buf_puts(&b, ")");
    HONE_ASSERT(b.n < size);
    memcpy(ret, b.s, b.n + 1);
    hone_buf_free(&b);
}

static hone_status last_loop(hone_sched *s, hone_rv block, unsigned from_end, hone_rv *ret,
                             hone_error *err)
{
    hone_rv loops[32];
    unsigned n;
    HONE_TRY(hone_get_loops(s, block, loops, 32, &n, err));
    if (n < from_end + 1)
        return hone_fail(err, HONE_REJECT_ARG, "block has too few loops");
    *ret = loops[n - 1 - from_end];
    return HONE_OK;
}

/* Vectors along the last loop, unrolled over the one before it: a copy of a register tile. */
static hone_status tile_copy(hone_sched *s, hone_rv block, const contraction *c,
                             const hone_target *t, hone_error *err)
{
    hone_rv loop;
    if (c->row >= 0) {
        HONE_TRY(last_loop(s, block, 1, &loop, err));
        HONE_TRY(hone_unroll(s, loop, err));
    }
    HONE_TRY(last_loop(s, block, 0, &loop, err));
    return hone_rule_vectorize(s, loop, t, c->out_bytes, true, NULL, err);
}

static hone_status pack_b(hone_sched *s, hone_rv block, const contraction *c, const shape *sh,
                          hone_rv columns, hone_rv at, const hone_rule_ctx *ctx, hone_error *err)
{
    char map[256];
    hone_rv copy, loop;
    HONE_TRY(hone_cache_read(s, block, (unsigned)c->b, HONE_GLOBAL, &copy, err));
    layout_text(map, sizeof map, c->b_dims, c->b_col_dim, true);
    HONE_TRY(hone_transform_layout(s, copy, map, &columns, 1, err));
    if (sh->b == PACKED_INSIDE)
        HONE_TRY(hone_compute_at(s, copy, at, err));
    HONE_TRY(last_loop(s, copy, 0, &loop, err));
    HONE_TRY(hone_rule_vectorize(s, loop, ctx->target, c->out_bytes, true, NULL, err));
    if (sh->b == PACKED_AT_ROOT) {
        hone_rv loops[32];
        unsigned n;
        HONE_TRY(hone_get_loops(s, copy, loops, 32, &n, err));
        if (c->b_const)
            HONE_TRY(hone_annotate(s, copy, "hone.prepack", 1, err));
        else
            HONE_TRY(hone_parallel(s, loops[0], err));
    }
    return HONE_OK;
}

static hone_status pack_a(hone_sched *s, hone_rv block, const contraction *c, hone_rv rows,
                          hone_rv at, const hone_rule_ctx *ctx, hone_error *err)
{
    char map[256];
    hone_rv copy, loop;
    HONE_TRY(hone_cache_read(s, block, (unsigned)c->a, HONE_GLOBAL, &copy, err));
    layout_text(map, sizeof map, c->a_dims, c->a_row_dim, false);
    HONE_TRY(hone_transform_layout(s, copy, map, &rows, 1, err));
    HONE_TRY(hone_compute_at(s, copy, at, err));
    HONE_TRY(last_loop(s, copy, 0, &loop, err));
    return hone_rule_vectorize(s, loop, ctx->target, c->out_bytes, false, NULL, err);
}

/* The elementwise consumer joins the tile: folded into the store when the tile is complete there,
 * computed per outer tile when the reduction is blocked. */
static hone_status epilogue(hone_sched *s, hone_rv store, const shape *sh, hone_rv tile_loop,
                            hone_rv outer_loop, const contraction *c, const hone_target *t,
                            hone_error *err)
{
    hone_stmt b = hone_rv_stmt(s, store);
    hone_buffer out = hone_stmt_at(&s->prog, b)->out;
    hone_stmt readers[4];
    if (hone_buffer_at(&s->prog, out)->role != HONE_TEMP ||
        hone_readers_of(&s->prog, out, readers, 4) != (sh->k_blocked ? 2u : 1u))
        return HONE_OK;
    hone_rv consumers[4], consumer = HONE_NO_RV;
    unsigned n;
    HONE_TRY(hone_get_consumers(s, store, consumers, 4, &n, err));
    for (unsigned k = 0; k < n; k++) { /* the load block of a blocked reduction reads it too */
        hone_stmt r = hone_rv_stmt(s, consumers[k]);
        if (!hone_is_ancestor(&s->prog, hone_rv_stmt(s, outer_loop), r))
            consumer = consumers[k];
    }
    if (!consumer.i || hone_stmt_at(&s->prog, hone_rv_stmt(s, consumer))->init.i)
        return HONE_OK;
    HONE_TRY(hone_reverse_compute_at(s, consumer, sh->k_blocked ? outer_loop : tile_loop, err));
    if (!sh->k_blocked)
        return hone_reverse_compute_inline(s, consumer, err);
    hone_rv loop;
    HONE_TRY(last_loop(s, consumer, 0, &loop, err));
    return hone_rule_vectorize(s, loop, t, c->out_bytes, false, NULL, err);
}

hone_status hone_rule_contract(hone_sched *s, const char *name, const hone_rule_ctx *ctx,
                               hone_error *err)
{
    const hone_target *t = ctx->target;
    contraction c;
    shape all[16];
    hone_rv block, loops[MAX_LOOPS];
    unsigned n;
    hone_stmt stmt = hone_block_find(&s->prog, name);
    if (!stmt.i || !analyse(&s->prog, stmt, &c) || ctx->variant >= shapes(&c, all))
        return hone_fail(err, HONE_REJECT_ARG, "block '%s' is not a contraction", name);
    const shape sh = all[ctx->variant];
    const hone_policy *pol = &ctx->policy;
    HONE_TRY(hone_get_block(s, name, &block, err));
    HONE_TRY(hone_get_loops(s, block, loops, MAX_LOOPS, &n, err));

    /* register tile */
    int64_t tiles[64][2];
    unsigned n_tiles = register_tiles(&c, t, tiles, 64);
    int64_t lanes = t->vector_bytes / c.out_bytes;
    int64_t pick = nearest_tile(tiles, n_tiles, pol->rows, pol->vectors * lanes);
    hone_rv row = loops[c.row < 0 ? c.col : c.row], col = loops[c.col], tile[2], parts[3];
    HONE_TRY(hone_sample_register_tile(s, row, col, tiles, NULL, n_tiles, &pick, tile, err));
    int64_t mr = hone_rv_int(s, tile[0]), nr = hone_rv_int(s, tile[1]);

    /* threads go to the columns while there are enough of them, else to the rows */
    int64_t col_tiles = ceil_div(c.extent[c.col], nr);
    int64_t row_tiles = c.row < 0 ? 1 : ceil_div(c.extent[c.row], mr);
    int64_t other = 1;
    for (unsigned q = 0; q < c.n_spatial; q++)
        if ((int)q != c.row && (int)q != c.col)
            other *= c.extent[q];
    int64_t split_j = 1, split_i = 1;
    if (ctx->threads > 1 && other < ctx->threads) {
        if (col_tiles >= 2 * ctx->threads || col_tiles >= row_tiles)
            split_j = ctx->threads;
        else
            split_i = ctx->threads;
    }

    hone_rv i[3] = {0}, j[3], it = HONE_NO_RV, jt, d[3];
    int64_t want[3];
    if (c.row >= 0) {
        HONE_TRY(hone_split(s, row, (hone_rv[]){HONE_NO_RV, tile[0]}, 2, parts, err));
        it = parts[1];
        policy_tile3(row_tiles, mr, sh.k_blocked ? pol->mc : 0, split_i, want);
        HONE_TRY(hone_sample_imperfect_tile(s, parts[0], 3, 0, want, d, err));
        HONE_TRY(hone_split(s, parts[0], d, 3, i, err));
    }
    HONE_TRY(hone_split(s, col, (hone_rv[]){HONE_NO_RV, tile[1]}, 2, parts, err));
    jt = parts[1];
    policy_tile3(col_tiles, nr, pol->nc, split_j, want);
    HONE_TRY(hone_sample_imperfect_tile(s, parts[0], 3, 0, want, d, err));
    HONE_TRY(hone_split(s, parts[0], d, 3, j, err));
    HONE_TRY(hone_split_by(s, jt, (int64_t[]){0, lanes}, 2, parts, err));
    hone_rv jv = parts[0], jl = parts[1];

    /* reductions */
    hone_rv k0 = HONE_NO_RV, k1 = loops[c.k], ku;
    int64_t extent_k = c.extent[c.k];
    if (sh.k_blocked) {
        int64_t kc = pol->kc ? snap(extent_k, pol->kc) : extent_k;
        want[0] = ceil_div(extent_k, kc);
        want[1] = kc;
        HONE_TRY(hone_sample_imperfect_tile(s, k1, 2, 0, want, d, err));
        HONE_TRY(hone_split(s, k1, d, 2, parts, err));
        k0 = parts[0];
        k1 = parts[1];
    }
    static const int64_t unrolls[] = {1, 2, 4};
    int64_t which = pol->k_unroll >= 4 ? 2 : pol->k_unroll >= 2 ? 1 : 0;
    HONE_TRY(hone_sample_categorical(s, unrolls, NULL, 3, &which, &d[0], err));
    HONE_TRY(hone_split(s, k1, (hone_rv[]){HONE_NO_RV, d[0]}, 2, parts, err));
    k1 = parts[0];
    ku = parts[1];

    /* the other spatial loops: an outer part that is spread over threads and an inner one */
    hone_rv outer[MAX_LOOPS], inner[MAX_LOOPS], nest[40];
    unsigned n_outer = 0, n_nest = 0;
    for (unsigned q = 0; q < c.n_spatial; q++) {
        if ((int)q == c.row || (int)q == c.col)
            continue;
        int64_t whole[2] = {c.extent[q], 1};
        HONE_TRY(hone_sample_perfect_tile(s, loops[q], 2, c.extent[q], whole, d, err));
        HONE_TRY(hone_split(s, loops[q], d, 2, parts, err));
        outer[n_outer] = parts[0];
        inner[n_outer++] = parts[1];
    }

    for (unsigned q = 0; q < n_outer; q++)
        nest[n_nest++] = outer[q];
    if (c.row >= 0)
        nest[n_nest++] = i[0];
    nest[n_nest++] = j[0];
    unsigned n_parallel = n_nest;
    nest[n_nest++] = j[1];
    if (sh.k_blocked)
        nest[n_nest++] = k0;
    if (c.row >= 0)
        nest[n_nest++] = i[1];
    for (unsigned q = 0; q < n_outer; q++)
        nest[n_nest++] = inner[q];
    nest[n_nest++] = j[2];
    if (c.row >= 0)
        nest[n_nest++] = i[2];
    hone_rv tile_loop = nest[n_nest - 1];
    for (unsigned q = c.n_spatial; q < c.n_loops; q++)
        if ((int)q != c.k)
            nest[n_nest++] = loops[q];
    nest[n_nest++] = k1;
    nest[n_nest++] = ku;
    if (it.i)
        nest[n_nest++] = it;
    nest[n_nest++] = jv;
    nest[n_nest++] = jl;
    HONE_TRY(hone_reorder(s, nest, n_nest, err));
    hone_rv task = nest[0];
    if (n_parallel > 1)
        HONE_TRY(hone_fuse(s, nest, n_parallel, &task, err));

    /* operands */
    if (sh.b != NOT_PACKED)
        HONE_TRY(pack_b(s, block, &c, &sh, tile[1], sh.k_blocked ? k0 : j[1], ctx, err));
    if (sh.pack_a)
        HONE_TRY(pack_a(s, block, &c, tile[0], i[1], ctx, err));

    /* tile in registers */
    hone_rv copies[2];
    HONE_TRY(hone_cache_accumulate(s, block, tile_loop, HONE_LOCAL, copies, err));
    HONE_TRY(tile_copy(s, copies[0], &c, t, err));
    HONE_TRY(tile_copy(s, copies[1], &c, t, err));

    HONE_TRY(hone_unroll(s, ku, err));
    if (it.i)
        HONE_TRY(hone_unroll(s, it, err));
    HONE_TRY(hone_unroll(s, jv, err));
    HONE_TRY(hone_vectorize(s, jl, err));
    HONE_TRY(epilogue(s, copies[1], &sh, tile_loop, j[1], &c, t, err));
    return hone_parallel(s, task, err);
}
