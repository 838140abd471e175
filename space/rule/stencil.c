/* The rule for reductions whose outputs are contiguous: pooling, depthwise convolution, sums over
 * columns.
 *
 *   tile      columns of the output times vectors of channels, in registers while the taps run
 *             inside, unrolled: neighbours share what they load, weights stay in registers
 *   padding   the stage that pads is inlined; code generation cuts the loops where its conditions
 *             become constant, so the interior has none
 *   variants  0: channels innermost; 1: channels outside the columns; 2: padding made ahead
 *   epilogue  an elementwise consumer of the tile is computed while that is in registers */
#include "space/prim/prim.h"
#include "space/rule/rule.h"

/* Every load moves by one element, or not at all, when the variable does. */
static bool contiguous_along(hone_program *p, hone_stmt block, hone_var v)
{
    hone_expr loads[16], ve = hone_var_expr(p, v);
    unsigned n = hone_block_loads(p, block, loads, 16);
    if (n > 16)
        return false;
    for (unsigned k = 0; k < n; k++) {
        unsigned dims = hone_expr_at(p, loads[k])->n_args;
        for (unsigned d = 0; d < dims; d++) {
            hone_expr e = hone_expr_arg(p, loads[k], d);
            if (hone_uses_var(p, e, v) && !(d == dims - 1 && HONE_SAME(e, ve)))
                return false;
        }
    }
    return true;
}

/* Two orders of the loops, and the padded input as a stage of its own. */
enum { CHANNELS_INSIDE, CHANNELS_OUTSIDE, PADDED_AHEAD, N_SHAPES };

/* Unrolled reductions have at most so many steps. */
#define MAX_TAPS 32

/* A stage with a select that only this block reads: padding. */
static hone_stmt padding_of(hone_program *p, hone_stmt block)
{
    hone_expr loads[16];
    unsigned n = hone_block_loads(p, block, loads, 16);
    for (unsigned k = 0; k < n && k < 16; k++) {
        hone_stmt w = hone_writer_of(p, (hone_buffer){hone_expr_at(p, loads[k])->sym});
        if (w.i && !HONE_SAME(w, block) && hone_rule__untouched(p, w) &&
            hone_prim__can_inline(p, w) &&
            hone_expr_op(p, hone_stmt_at(p, w)->value) == HONE_OP_SELECT)
            return w;
    }
    return HONE_NO_STMT;
}

static bool is_strip(hone_program *p, hone_stmt block, unsigned *ret_spatial)
{
    unsigned n = 0, n_iters = hone_stmt_at(p, block)->n_iters;
    while (n < n_iters && hone_iter_at(p, block, n)->kind == HONE_SPATIAL)
        n++;
    *ret_spatial = n;
    if (n == 0 || n == n_iters || hone_stmt_at(p, block)->n_index == 0)
        return false;
    hone_var last = hone_iter_at(p, block, n - 1)->var;
    hone_expr store = hone_store_index(p, block, hone_stmt_at(p, block)->n_index - 1u);
    return HONE_SAME(store, hone_var_expr(p, last)) && contiguous_along(p, block, last);
}

unsigned hone_rule__reduce_variants(hone_program *p, hone_stmt block)
{
    unsigned n;
    if (!is_strip(p, block, &n) || n < 2)
        return 1;
    return padding_of(p, block).i ? N_SHAPES : PADDED_AHEAD;
}

/* The elementwise stage that alone reads the block's output, element by element, or none. */
static hone_stmt epilogue_of(hone_program *p, hone_stmt block)
{
    hone_stmt readers[2];
    hone_buffer out = hone_stmt_at(p, block)->out;
    if (hone_buffer_at(p, out)->role != HONE_TEMP || hone_readers_of(p, out, readers, 2) != 1 ||
        hone_stmt_at(p, readers[0])->init.i || !hone_rule__untouched(p, readers[0]))
        return HONE_NO_STMT;
    return readers[0];
}

/* One tile: `loop` is around it; copies and consumers become unrolled vectors. */
static hone_status unroll_tile(hone_sched *s, hone_rv block, bool columns,
                               const hone_rule__ctx *ctx, int bytes, hone_error *err)
{
    hone_rv all[32];
    unsigned m;
    HONE_TRY(hone_get_loops(s, block, all, 32, &m, err));
    HONE_TRY(hone_rule__vectorize(s, all[m - 1], ctx->target, bytes, true, NULL, err));
    return columns ? hone_unroll(s, all[m - 2], err) : HONE_OK;
}

/* Loops around a tile: the first long enough for all threads, or the longest. */
static unsigned task_of(const hone_sched *s, const hone_rv *outer, unsigned n, int32_t threads)
{
    unsigned best = 0;
    for (unsigned k = 0; k < n; k++) {
        int64_t extent = hone_loop_extent(&s->prog, hone_rv_stmt(s, outer[k]));
        if (extent >= 4 * (int64_t)threads)
            return k;
        if (extent > hone_loop_extent(&s->prog, hone_rv_stmt(s, outer[best])))
            best = k;
    }
    return best;
}

static hone_status sample_columns(hone_sched *s, hone_rv loop, const hone_rule__ctx *ctx,
                                  hone_rv ret[2], hone_error *err)
{
    hone_rv f[2];
    int64_t tile[2] = {1, ctx->policy.rows / 2};
    hone_space__fit_imperfect(hone_loop_extent(&s->prog, hone_rv_stmt(s, loop)), tile, 2, 16);
    HONE_TRY(hone_sample_imperfect_tile(s, loop, 2, 16, tile, f, err));
    return hone_split(s, loop, (hone_rv[]){HONE_NO_RV, f[1]}, 2, ret, err);
}

/* `loops`: n of them, the first n_spatial over elements, the last of these over channels. */
static hone_status strip(hone_sched *s, hone_rv block, const hone_rv *loops, unsigned n,
                         unsigned n_spatial, const hone_rule__ctx *ctx, hone_error *err)
{
    hone_program *p = &s->prog;
    hone_stmt b = hone_rv_stmt(s, block), epilogue = epilogue_of(p, b);
    hone_rv columns[2], parts[2], channels[2], unroll, nest[24], copies[2], last;
    bool has_columns = n_spatial > 1;
    int bytes = hone_dtype_bytes(hone_expr_dtype(p, hone_stmt_at(p, b)->value));
    int64_t lanes = ctx->target->vector_bytes / bytes, taps = 1;
    char after[256];
    snprintf(after, sizeof after, "%s",
             epilogue.i ? hone_sym_text(p, hone_stmt_at(p, epilogue)->name) : "");
    static const int64_t unrolls[] = {1, 2, 4, 8};
    int64_t which = !has_columns ? 2 : ctx->policy.k_unroll >= 4 ? 2 : ctx->policy.k_unroll - 1;
    HONE_TRY(hone_sample_categorical(s, unrolls, NULL, has_columns ? 3 : 4, &which, &unroll, err));
    HONE_TRY(hone_split_by(s, loops[n_spatial - 1], (int64_t[]){0, lanes}, 2, parts, err));
    HONE_TRY(hone_split(s, parts[0], (hone_rv[]){HONE_NO_RV, unroll}, 2, channels, err));
    if (has_columns)
        HONE_TRY(sample_columns(s, loops[n_spatial - 2], ctx, columns, err));
    unsigned k = 0;
    for (unsigned q = 0; q + 2 < n_spatial; q++)
        nest[k++] = loops[q];
    bool outside = ctx->variant % N_SHAPES == CHANNELS_OUTSIDE;
    if (has_columns && !outside)
        nest[k++] = columns[0];
    nest[k++] = channels[0];
    if (has_columns && outside)
        nest[k++] = columns[0];
    unsigned n_outer = k;
    for (unsigned q = n_spatial; q < n; q++) {
        taps *= hone_loop_extent(p, hone_rv_stmt(s, loops[q]));
        nest[k++] = loops[q];
    }
    if (has_columns)
        nest[k++] = columns[1];
    nest[k++] = channels[1];
    nest[k++] = parts[1];
    HONE_TRY(hone_reorder(s, nest, k, err));
    HONE_TRY(hone_cache_accumulate(s, block, nest[n_outer - 1], HONE_LOCAL, copies, err));
    for (int q = 0; q < 2; q++)
        HONE_TRY(unroll_tile(s, copies[q], has_columns, ctx, bytes, err));
    for (unsigned q = taps <= MAX_TAPS ? n_outer : k - 2 - has_columns; q < k - 1; q++)
        HONE_TRY(hone_unroll(s, nest[q], err));
    HONE_TRY(hone_vectorize(s, parts[1], err));
    if (after[0]) {
        HONE_TRY(hone_get_block(s, after, &last, err));
        hone_status st = hone_reverse_compute_at(s, last, nest[n_outer - 1], err);
        if (st == HONE_OK)
            st = unroll_tile(s, last, has_columns, ctx, bytes, err);
        if (st != HONE_OK && !hone_status_is_reject(st)) /* it may as well stay where it is */
            return st;
    }
    return hone_parallel(s, nest[task_of(s, nest, n_outer, ctx->threads)], err);
}

hone_status hone_rule__reduce(hone_sched *s, const char *name, const hone_rule__ctx *ctx,
                              hone_error *err)
{
    hone_rv block, loops[16], parts[3], unroll, copies[2];
    unsigned n, n_spatial = 0;
    HONE_TRY(hone_get_block(s, name, &block, err));
    hone_stmt b = hone_rv_stmt(s, block);
    hone_program *p = &s->prog;
    HONE_TRY(hone_get_loops(s, block, loops, 16, &n, err));
    if (!hone_stmt_at(p, b)->init.i || n != hone_stmt_at(p, b)->n_iters || n > 12)
        return hone_fail(err, HONE_REJECT_ARG, "block '%s' is not a plain reduction", name);
    while (n_spatial < n && hone_iter_at(p, b, n_spatial)->kind == HONE_SPATIAL)
        n_spatial++;
    if (n_spatial == 0 || n_spatial == n)
        return HONE_OK; /* one number: as written */
    if (is_strip(p, b, &n_spatial)) {
        hone_stmt padding = padding_of(p, b);
        if (padding.i && ctx->variant % N_SHAPES != PADDED_AHEAD) {
            hone_rv pad;
            char text[256];
            snprintf(text, sizeof text, "%s", hone_sym_text(p, hone_stmt_at(p, padding)->name));
            HONE_TRY(hone_get_block(s, text, &pad, err));
            HONE_TRY(hone_compute_inline(s, pad, err));
        }
        return strip(s, block, loops, n, n_spatial, ctx, err);
    }
    /* a row at a time */
    hone_rv task = loops[0];
    static const int64_t unrolls[] = {1, 2, 4, 8};
    int64_t which = 2;
    HONE_TRY(hone_sample_categorical(s, unrolls, NULL, HONE_LEN(unrolls), &which, &unroll, err));
    HONE_TRY(hone_split(s, loops[n - 1], (hone_rv[]){HONE_NO_RV, unroll}, 2, parts, err));
    if (n_spatial > 1)
        HONE_TRY(hone_fuse(s, loops, n_spatial, &task, err));
    HONE_TRY(hone_cache_accumulate(s, block, task, HONE_LOCAL, copies, err));
    HONE_TRY(hone_unroll(s, parts[1], err));
    return hone_parallel(s, task, err);
}
