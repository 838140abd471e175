/* The rule for contractions that a tensor intrinsic can do: MetaSchedule's
 * MultiLevelTilingWithIntrin (Shao et al., NeurIPS 2022), with hone's register tile and packing.
 *
 * It takes intrinsics of the form C[j] += f(A[k], B[j, k]), where k may be missing: lanes of
 * columns, groups of reduction steps. The nest is that of contraction.c, in units of these:
 *
 *   parallel [others, i0, j0] | j1 | k0 | i1 | others | j2 | i2 | taps | k1 | unrolled ku, it, jv |
 * l, g pack B --^    ^-- pack A       ^-- accumulate here           the intrinsic is here --^
 *
 * Columns and steps that are no whole number of lanes and groups are padded first (PadEinsum),
 * where that does not double the work; rows need not fill the tile. */
#include "space/rule/contraction_analysis.h"
#include "space/rule/intrin_fit.h"
#include "space/prim/util.h"

#define MAX_TILES 64

/* ---- decisions ------------------------------------------------------------------------------- */

static int64_t ceil_div(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

/* The largest inner factor that is allowed and at most `want`. */
static int64_t snap(int64_t extent, int64_t want)
{
    int64_t f = want < extent ? want : extent;
    while (f > 1 && !hone_space__is_imperfect_factor(extent, f))
        f--;
    return f < 1 ? 1 : f;
}

/* [outer, middle, inner] with about `split` outer iterations and inner blocks of `block` (0: all).
 */
static void three(int64_t extent, int64_t block, int64_t split, int64_t ret[3])
{
    int64_t each = ceil_div(extent, split);
    ret[2] = snap(extent, block && block < each ? block : each);
    ret[1] = snap(extent, ceil_div(each, ret[2]));
    while (ret[1] > 1 && ret[1] * ret[2] >= 2 * extent)
        ret[1] = snap(extent, ret[1] - 1);
    ret[0] = ceil_div(extent, ret[1] * ret[2]);
}

/* Tiles of (rows, vectors of lanes) whose sums fit the registers. The one nearest to the policy's
 * in *ret_pick. */
static unsigned tiles_of(const hone_rule__fit *f, const hone_rule__ctx *ctx, int64_t (*ret)[2],
                         int64_t *ret_pick)
{
    const hone_target *t = ctx->target;
    int64_t rows = f->row < 0 ? 1 : f->extent[f->row] / f->rows;
    int64_t vectors = f->extent[f->col] / f->lanes;
    int64_t best = INT64_MAX, want = (int64_t)t->fma_latency * t->fma_per_cycle;
    unsigned n = 0;
    *ret_pick = 0;
    for (int pass = 0; pass < 2 && n == 0; pass++) /* second: too small to cover the latency */
        for (int64_t nv = 1; nv <= 4 && nv <= vectors; nv++)
            for (int64_t mr = 1; mr <= 30 && mr <= rows && n < MAX_TILES; mr++) {
                bool full = (mr + 1) * nv + nv + 1 > t->vector_registers;
                int64_t waste = ceil_div(rows, mr) * mr - rows;
                if (mr * nv + nv + 1 > t->vector_registers ||
                    (pass == 0 && (mr * nv < want || (waste * 8 > rows && !full))))
                    continue;
                int64_t dr = mr - ctx->policy.rows / f->rows, dv = nv - ctx->policy.vectors;
                int64_t far = (dr < 0 ? -dr : dr) + 8 * (dv < 0 ? -dv : dv);
                if (far < best) {
                    best = far;
                    *ret_pick = n;
                }
                ret[n][0] = mr;
                ret[n++][1] = nv;
            }
    if (n == 0) {
        ret[0][0] = ret[0][1] = 1;
        n = 1;
    }
    return n;
}

/* ---- operands -------------------------------------------------------------------------------- */

static void put(hone_buf *b, const char *fmt, ...) HONE_PRINTF(2, 3);
static void put(hone_buf *b, const char *fmt, ...)
{
    char text[64];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    hone_buf_puts(b, text);
}

static void lambda(hone_buf *b, unsigned dims)
{
    put(b, "lambda ");
    for (unsigned d = 0; d < dims; d++)
        put(b, "%sd%u", d ? ", " : "", d);
    put(b, ": (");
}

static hone_status loops_at(hone_sched *s, hone_rv block, hone_rv ret[32], unsigned *ret_n,
                            hone_error *err)
{
    HONE_TRY(hone_get_loops(s, block, ret, 32, ret_n, err));
    return *ret_n && *ret_n <= 32 ? HONE_OK
                                  : hone_fail(err, HONE_REJECT_ARG, "the copy has no loops");
}

/* The stages that pad the operands, "" for none. */
typedef struct padding {
    char a[256], b[256], cut[256];
} padding;

static hone_buffer read_buffer(hone_sched *s, const char *name, unsigned read)
{
    hone_expr loads[8];
    unsigned n = hone_block_loads(&s->prog, hone_block_find(&s->prog, name), loads, 8);
    HONE_ASSERT(read < n && n <= 8);
    return (hone_buffer){hone_expr_at(&s->prog, loads[read])->sym};
}

static void writer_name(hone_sched *s, hone_buffer b, char ret[256])
{
    hone_stmt writer = hone_writer_of(&s->prog, b);
    snprintf(ret, 256, "%s", hone_sym_text(&s->prog, hone_stmt_at(&s->prog, writer)->name));
}

/* What the block writes is of the type that the intrinsic takes. */
static hone_status widen(hone_sched *s, hone_rv block, hone_dtype type, hone_error *err)
{
    hone_buffer b = hone_stmt_at(&s->prog, hone_rv_stmt(s, block))->out;
    return (hone_dtype)hone_buffer_at(&s->prog, b)->dtype == type ? HONE_OK
                                                                  : hone_widen(s, block, type, err);
}

/* The padded copy of A: in one step from what A itself is a copy of. */
static hone_status copy_a(hone_sched *s, hone_buffer a, const char *copy, hone_dtype type,
                          const hone_rule__ctx *ctx, hone_error *err)
{
    char name[256];
    hone_rv block;
    hone_stmt writer = hone_writer_of(&s->prog, a);
    if (writer.i && hone_buffer_at(&s->prog, a)->role == HONE_TEMP &&
        hone_prim__can_inline(&s->prog, writer)) {
        writer_name(s, a, name);
        HONE_TRY(hone_get_block(s, name, &block, err));
        HONE_TRY(hone_compute_inline(s, block, err));
    }
    if ((hone_dtype)hone_buffer_at(&s->prog, a)->dtype != type) {
        HONE_TRY(hone_get_block(s, copy, &block, err));
        HONE_TRY(hone_widen(s, block, type, err));
    }
    return hone_rule__elementwise_at_root(s, copy, ctx, err);
}

/* Whole numbers of lanes and groups. The copies go into the packing of the operands or stay stages
 * of their own; the one that cuts the result goes into the stage that reads it, if there is one. */
static hone_status pad(hone_sched *s, const char *name, const hone_rule__fit *f,
                       const hone_fit_shape *sh, const hone_rule__ctx *ctx, padding *ret,
                       hone_error *err)
{
    hone_rv block;
    int64_t multiples[HONE_FIT_MAX_LOOPS];
    hone_buffer a = read_buffer(s, name, f->a), b = read_buffer(s, name, f->b);
    hone_buffer out = hone_stmt_at(&s->prog, hone_block_find(&s->prog, name))->out;
    for (unsigned q = 0; q < f->n_loops; q++)
        multiples[q] = (int)q == f->col   ? f->lanes
                       : (int)q == f->k   ? f->group
                       : (int)q == f->row ? f->rows
                                          : 1;
    HONE_TRY(hone_get_block(s, name, &block, err));
    HONE_TRY(hone_pad_einsum(s, block, multiples, f->n_loops, err));
    hone_buffer padded_a = read_buffer(s, name, f->a), padded_b = read_buffer(s, name, f->b);
    if (!HONE_SAME(a, padded_a))
        writer_name(s, padded_a, ret->a);
    if (!HONE_SAME(b, padded_b))
        writer_name(s, padded_b, ret->b);
    if (!HONE_SAME(out, hone_stmt_at(&s->prog, hone_block_find(&s->prog, name))->out)) {
        hone_rv cut;
        writer_name(s, out, ret->cut);
        HONE_TRY(hone_get_block(s, ret->cut, &cut, err));
        bool inlines = hone_buffer_at(&s->prog, out)->role == HONE_TEMP &&
                       hone_compute_inline(s, cut, NULL) == HONE_OK;
        if (inlines)
            ret->cut[0] = 0;
    }
    return ret->a[0] && !sh->pack_a ? copy_a(s, a, ret->a, f->a_type, ctx, err) : HONE_OK;
}

/* The copy takes the padding in, if there is one. */
static hone_status take_in(hone_sched *s, const char *pads, hone_error *err)
{
    hone_rv block;
    if (!pads[0])
        return HONE_OK;
    HONE_TRY(hone_get_block(s, pads, &block, err));
    return hone_compute_inline(s, block, err);
}

/* Columns by tile, then the other dimensions, steps by group, vectors, lanes, steps in the group.
 */
static hone_status pack_b(hone_sched *s, hone_rv block, const hone_rule__fit *f, const char *pads,
                          hone_rv vectors, hone_rv at, hone_error *err)
{
    hone_buf m = {0};
    hone_rv copy, loops[32];
    unsigned n;
    long long lanes = f->lanes, group = f->group;
    HONE_TRY(hone_cache_read(s, block, f->b, HONE_GLOBAL, &copy, err));
    HONE_TRY(take_in(s, pads, err));
    HONE_TRY(widen(s, copy, f->b_type, err));
    lambda(&m, f->b_dims);
    put(&m, "d%u // %lld // v0", f->b_col_dim, lanes);
    for (unsigned d = 0; d < f->b_dims; d++)
        if (d != f->b_col_dim && d != f->b_k_dim)
            put(&m, ", d%u", d);
    if (group > 1)
        put(&m, ", d%u // %lld", f->b_k_dim, group);
    else
        put(&m, ", d%u", f->b_k_dim);
    put(&m, ", d%u // %lld %% v0, d%u %% %lld", f->b_col_dim, lanes, f->b_col_dim, lanes);
    if (group > 1)
        put(&m, ", d%u %% %lld", f->b_k_dim, group);
    put(&m, ")");
    hone_status st = hone_transform_layout(s, copy, m.s, &vectors, 1, err);
    hone_buf_free(&m);
    HONE_TRY(st);
    if (!f->b_const)
        HONE_TRY(hone_compute_at(s, copy, at, err));
    HONE_TRY(loops_at(s, copy, loops, &n, err));
    return f->b_const ? hone_annotate(s, copy, "hone.prepack", 1, err) : HONE_OK;
}

/* Rows by tile, steps by group, rows (by as many as the intrinsic does), steps in the group. */
static hone_status pack_a(hone_sched *s, hone_rv block, const hone_rule__fit *f, const char *pads,
                          hone_rv rows, hone_rv at, hone_error *err)
{
    hone_buf m = {0};
    hone_rv copy;
    long long group = f->group, each = f->rows;
    HONE_TRY(hone_cache_read(s, block, f->a, HONE_GLOBAL, &copy, err));
    HONE_TRY(take_in(s, pads, err));
    HONE_TRY(widen(s, copy, f->a_type, err));
    lambda(&m, f->a_dims);
    if (each > 1)
        put(&m, "d%u // %lld // v0", f->a_row_dim, each);
    else
        put(&m, "d%u // v0", f->a_row_dim);
    for (unsigned d = 0; d < f->a_dims; d++)
        if (d != f->a_row_dim && d != f->a_k_dim)
            put(&m, ", d%u", d);
    if (each > 1)
        put(&m, ", d%u // %lld, d%u // %lld %% v0, d%u %% %lld, d%u %% %lld", f->a_k_dim, group,
            f->a_row_dim, each, f->a_row_dim, each, f->a_k_dim, group);
    else if (group > 1)
        put(&m, ", d%u // %lld, d%u %% v0, d%u %% %lld", f->a_k_dim, group, f->a_row_dim,
            f->a_k_dim, group);
    else
        put(&m, ", d%u, d%u %% v0", f->a_k_dim, f->a_row_dim);
    put(&m, ")");
    hone_status st = hone_transform_layout(s, copy, m.s, &rows, 1, err);
    hone_buf_free(&m);
    HONE_TRY(st);
    return hone_compute_at(s, copy, at, err);
}

/* The sums of the intrinsic's rows and lanes next to each other. */
static hone_status tile_layout(hone_sched *s, hone_rv block, const hone_rule__fit *f,
                               hone_error *err)
{
    hone_buf m = {0};
    unsigned col = f->c_dims - 1;
    long long rows = f->rows, lanes = f->lanes;
    lambda(&m, f->c_dims);
    for (unsigned d = 0; d < f->c_dims; d++)
        if (d == f->c_row_dim || d == col)
            put(&m, "d%u // %lld, ", d, d == col ? lanes : rows);
        else
            put(&m, "d%u, ", d);
    put(&m, "d%u %% %lld, d%u %% %lld)", f->c_row_dim, rows, col, lanes);
    hone_status st = hone_transform_layout(s, block, m.s, NULL, 0, err);
    hone_buf_free(&m);
    return st;
}

/* Vectors along the last loop, unrolled over the rows: a copy of a register tile. */
static hone_status tile_copy(hone_sched *s, hone_rv block, const hone_rule__fit *f,
                             const hone_target *t, hone_error *err)
{
    hone_rv loops[32];
    unsigned n;
    HONE_TRY(loops_at(s, block, loops, &n, err));
    if (f->row >= 0 && n > 1)
        HONE_TRY(hone_unroll(s, loops[n - 2], err));
    if (f->rows > 1) {
        hone_rv parts[2];
        HONE_TRY(hone_split_by(s, loops[n - 1], (int64_t[]){0, f->lanes}, 2, parts, err));
        HONE_TRY(hone_unroll(s, parts[0], err));
        return hone_vectorize(s, parts[1], err);
    }
    return hone_rule__vectorize(s, loops[n - 1], t, f->bytes, true, NULL, err);
}

/* ---- the rule -------------------------------------------------------------------------------- */

/* The loops in their final order. */
typedef struct nest {
    hone_rv v[40];
    unsigned n, n_parallel;
    hone_rv i[3], j[3], k0, k1, ku, it, jv, line, lane, step,
        tile_loop; /* line: of the intrinsic */
} nest;

static void add(nest *ne, hone_rv loop)
{
    if (loop.i)
        ne->v[ne->n++] = loop;
}

static hone_status split_columns(hone_sched *s, hone_rv col, hone_rv vectors,
                                 const hone_rule__fit *f, int64_t tiles, const hone_rule__ctx *ctx,
                                 int64_t split, nest *ne, hone_error *err)
{
    hone_rv parts[2], d[3];
    int64_t want[3];
    HONE_TRY(hone_split(s, col, (hone_rv[]){HONE_NO_RV, vectors}, 2, parts, err));
    ne->jv = parts[1];
    int64_t block = ctx->policy.nc / (f->lanes * hone_rv_int(s, vectors));
    three(tiles, ctx->policy.nc && block < 1 ? 1 : block, split, want);
    HONE_TRY(hone_sample_imperfect_tile(s, parts[0], 3, 0, want, d, err));
    return hone_split(s, parts[0], d, 3, ne->j, err);
}

static hone_status split_rows(hone_sched *s, hone_rv row, hone_rv rows, const hone_rule__fit *f,
                              const hone_fit_shape *sh, int64_t tiles, const hone_rule__ctx *ctx,
                              int64_t split, nest *ne, hone_error *err)
{
    hone_rv parts[2], d[3];
    int64_t want[3];
    HONE_TRY(hone_split(s, row, (hone_rv[]){HONE_NO_RV, rows}, 2, parts, err));
    ne->it = parts[1];
    int64_t block = sh->k_blocked ? ctx->policy.mc / (f->rows * hone_rv_int(s, rows)) : 0;
    three(tiles, sh->k_blocked && block < 1 ? 1 : block, split, want);
    HONE_TRY(hone_sample_imperfect_tile(s, parts[0], 3, 0, want, d, err));
    return hone_split(s, parts[0], d, 3, ne->i, err);
}

static hone_status split_steps(hone_sched *s, hone_rv k, const hone_rule__fit *f,
                               const hone_fit_shape *sh, const hone_rule__ctx *ctx, nest *ne,
                               hone_error *err)
{
    static const int64_t unrolls[] = {1, 2, 4};
    hone_rv parts[2], d[2];
    int64_t steps = f->extent[f->k] / f->group;
    ne->k1 = k;
    if (f->group > 1) {
        HONE_TRY(hone_split_by(s, k, (int64_t[]){0, f->group}, 2, parts, err));
        ne->k1 = parts[0];
        ne->step = parts[1];
    }
    if (sh->k_blocked) {
        int64_t kc = ctx->policy.kc ? snap(steps, ctx->policy.kc) : steps;
        int64_t want[2] = {ceil_div(steps, kc), kc};
        HONE_TRY(hone_sample_imperfect_tile(s, ne->k1, 2, 0, want, d, err));
        HONE_TRY(hone_split(s, ne->k1, d, 2, parts, err));
        ne->k0 = parts[0];
        ne->k1 = parts[1];
    }
    int64_t which = ctx->policy.k_unroll >= 4 ? 2 : ctx->policy.k_unroll >= 2 ? 1 : 0;
    HONE_TRY(hone_sample_categorical(s, unrolls, NULL, 3, &which, d, err));
    HONE_TRY(hone_split(s, ne->k1, (hone_rv[]){HONE_NO_RV, d[0]}, 2, parts, err));
    ne->k1 = parts[0];
    ne->ku = parts[1];
    return HONE_OK;
}

static hone_status order(hone_sched *s, const hone_rv *loops, const hone_rule__fit *f, nest *ne,
                         hone_error *err)
{
    hone_rv inner[HONE_FIT_MAX_LOOPS];
    unsigned n_inner = 0;
    for (unsigned q = 0; q < f->n_spatial; q++) {
        hone_rv d[2], parts[2];
        if ((int)q == f->row || (int)q == f->col)
            continue;
        int64_t whole[2] = {f->extent[q], 1};
        HONE_TRY(hone_sample_perfect_tile(s, loops[q], 2, f->extent[q], whole, d, err));
        HONE_TRY(hone_split(s, loops[q], d, 2, parts, err));
        add(ne, parts[0]);
        inner[n_inner++] = parts[1];
    }
    add(ne, ne->i[0]);
    add(ne, ne->j[0]);
    ne->n_parallel = ne->n;
    add(ne, ne->j[1]);
    add(ne, ne->k0);
    add(ne, ne->i[1]);
    for (unsigned q = 0; q < n_inner; q++)
        add(ne, inner[q]);
    add(ne, ne->j[2]);
    add(ne, ne->i[2]);
    ne->tile_loop = ne->v[ne->n - 1];
    for (unsigned q = f->n_spatial; q < f->n_loops; q++)
        if ((int)q != f->k)
            add(ne, loops[q]);
    add(ne, ne->k1);
    add(ne, ne->ku);
    add(ne, ne->it);
    add(ne, ne->jv);
    add(ne, ne->line);
    add(ne, ne->lane);
    add(ne, ne->step);
    return hone_reorder(s, ne->v, ne->n, err);
}

/* What reads the sums is computed on the tile. Where it cannot be, its own rule does it, and here
 * the copy that cuts the padding off, which no rule knows. */
static hone_status epilogue(hone_sched *s, hone_rv store, const hone_rule__fit *f,
                            const hone_fit_shape *sh, const nest *ne, const char *cut,
                            const hone_rule__ctx *ctx, hone_error *err)
{
    hone_rule__contraction c = {.lanes = f->lanes};
    hone_status st =
        hone_rule__contraction_epilogue(s, store, !sh->k_blocked, ne->tile_loop, ne->j[1], &c, err);
    if (st != HONE_OK && !hone_status_is_reject(st))
        return st;
    hone_stmt block = cut[0] ? hone_block_find(&s->prog, cut) : HONE_NO_STMT;
    return block.i && hone_rule__untouched(&s->prog, block)
               ? hone_rule__elementwise(s, cut, ctx, err)
               : HONE_OK;
}

hone_status hone_rule__intrin(hone_sched *s, const char *name, const hone_rule__ctx *ctx,
                              hone_error *err)
{
    hone_rule__fit f;
    hone_fit_shape sh;
    hone_stmt stmt = hone_block_find(&s->prog, name);
    if (!stmt.i ||
        hone_rule__fit_choose(&s->prog, stmt, ctx, ctx->variant, &f, &sh) <= ctx->variant)
        return hone_fail(err, HONE_REJECT_ARG, "no intrinsic fits block '%s'", name);
    hone_rv block, loops[HONE_FIT_MAX_LOOPS], parts[2], tile[2], copies[2];
    unsigned n;
    nest ne = {0};
    padding pads = {{0}, {0}, {0}};
    if (f.pads)
        HONE_TRY(pad(s, name, &f, &sh, ctx, &pads, err));
    if (sh.clip)
        HONE_TRY(hone_rule__fit_inline_padding(s, name, &f, err));
    HONE_TRY(hone_get_block(s, name, &block, err));
    HONE_TRY(hone_get_loops(s, block, loops, HONE_FIT_MAX_LOOPS, &n, err));
    HONE_TRY(hone_split_by(s, loops[f.col], (int64_t[]){0, f.lanes}, 2, parts, err));
    hone_rv col = parts[0], row = f.row < 0 ? col : loops[f.row];
    ne.lane = parts[1];
    if (f.rows > 1) {
        HONE_TRY(hone_split_by(s, row, (int64_t[]){0, f.rows}, 2, parts, err));
        row = parts[0];
        ne.line = parts[1];
    }

    int64_t tiles[MAX_TILES][2], pick;
    unsigned n_tiles = tiles_of(&f, ctx, tiles, &pick);
    HONE_TRY(hone_sample_register_tile(s, row, col, tiles, NULL, n_tiles, &pick, tile, err));
    int64_t row_tiles = f.row < 0 ? 1 : ceil_div(f.extent[f.row] / f.rows, hone_rv_int(s, tile[0]));
    int64_t col_tiles = ceil_div(f.extent[f.col] / f.lanes, hone_rv_int(s, tile[1]));
    int64_t split_j = 1, split_i = 1, others = 1;
    for (unsigned q = 0; q < f.n_spatial; q++)
        if ((int)q != f.row && (int)q != f.col)
            others *= f.extent[q];
    if (ctx->threads > 1 && others < ctx->threads) {
        split_j = col_tiles >= row_tiles ? ctx->threads : 1;
        split_i = col_tiles >= row_tiles ? 1 : ctx->threads;
    }
    if (f.row >= 0)
        HONE_TRY(split_rows(s, row, tile[0], &f, &sh, row_tiles, ctx, split_i, &ne, err));
    HONE_TRY(split_columns(s, col, tile[1], &f, col_tiles, ctx, split_j, &ne, err));
    HONE_TRY(split_steps(s, loops[f.k], &f, &sh, ctx, &ne, err));
    HONE_TRY(order(s, loops, &f, &ne, err));
    hone_rv task = ne.v[0];
    if (ne.n_parallel > 1)
        HONE_TRY(hone_fuse(s, ne.v, ne.n_parallel, &task, err));

    HONE_TRY(pack_b(s, block, &f, pads.b, tile[1], sh.k_blocked ? ne.k0 : ne.j[1], err));
    HONE_TRY(sh.pack_a ? pack_a(s, block, &f, pads.a, tile[0], ne.i[1], err)
                       : hone_rule__widen_operand(s, block, f.a, f.a_type, ctx, err));
    HONE_TRY(hone_cache_accumulate(s, block, ne.tile_loop, HONE_LOCAL, copies, err));
    if (f.rows > 1)
        HONE_TRY(tile_layout(s, copies[0], &f, err));
    HONE_TRY(tile_copy(s, copies[0], &f, ctx->target, err));
    HONE_TRY(tile_copy(s, copies[1], &f, ctx->target, err));
    HONE_TRY(hone_unroll(s, ne.ku, err));
    if (ne.it.i)
        HONE_TRY(hone_unroll(s, ne.it, err));
    HONE_TRY(hone_unroll(s, ne.jv, err));
    if (sh.clip)
        HONE_TRY(hone_skip_zeros(s, block, err));
    HONE_TRY(hone_tensorize(s, ne.line.i ? ne.line : ne.lane, f.in->name, err));
    HONE_TRY(epilogue(s, copies[1], &f, &sh, &ne, pads.cut, ctx, err));
    return hone_parallel(s, task, err);
}
