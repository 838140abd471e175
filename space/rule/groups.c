/* The rule for convolutions in groups of few channels. The outputs of a group are fewer than a
 * vector has lanes, so several groups lie side by side in one, and each lane has the input and the
 * weight of its own group.
 *
 *   vector    n groups of F outputs, where n divides the number of groups. An element of the input
 *             serves the F lanes of its group: code generation loads what all n groups have there
 *             and shuffles it (codegen/layout/lanes.c)
 *   tile      columns of the output, in registers for all of the sum
 *   order     rows of the window | channels of a group | columns of the window | columns of the
 *             tile, unrolled but for the first: what was shuffled of a channel serves all windows
 *             it lies in, and is then done with
 *   weights   laid out as the vectors want them, ahead of time if const
 *   variants  the padding's zeros skipped, or stored ahead; vectors outside the columns, or inside
 *
 * Not done: a group that fills a vector; a search on Zen 5 that had both took contraction's tiles.
 *
 * Found from the definition: a contraction whose output ends with the group and the output's number
 * in it, its inputs with the group and a step of the sum, its weights with the output's number. */
#include "space/rule/contraction_analysis.h"

#define MAX_STEPS 64 /* of a window's row: as many are unrolled for each column of the tile */
/* That are unrolled, of as many tiles as an image has corners, sides and middles. */
#define MAX_PRODUCTS 392

typedef struct packed {
    hone_rule__contraction c;
    unsigned group, output; /* loops */
    unsigned b_group_dim;
    int64_t n;       /* groups in a vector */
    int64_t steps;   /* of a window's row */
    uint32_t across; /* steps of the window along the columns, a bit for each loop */
} packed;

static hone_expr iter_expr(hone_program *p, hone_stmt block, unsigned q)
{
    return hone_var_expr(p, hone_iter_at(p, block, q)->var);
}

/* The only dimension of a load that is indexed by v, and by nothing else; -1: there is none. */
static int own_dim(hone_program *p, hone_expr load, hone_expr v)
{
    int at = -1;
    for (unsigned d = 0; d < hone_expr_at(p, load)->n_args; d++) {
        hone_expr e = hone_expr_arg(p, load, d);
        if (!hone_uses_var(p, e, (hone_var){hone_expr_at(p, v)->sym}))
            continue;
        if (at >= 0 || !HONE_SAME(e, v))
            return -1;
        at = (int)d;
    }
    return at;
}

/* Steps that with the row's iterator are in one index: neighbours along it share what they read. */
static uint32_t window_of(hone_program *p, hone_stmt block, const hone_rule__contraction *c,
                          hone_expr load)
{
    hone_var column = hone_iter_at(p, block, (unsigned)c->row)->var;
    uint32_t ret = 0;
    for (unsigned q = c->n_spatial; q < c->n_loops; q++)
        for (unsigned d = 0; d < c->a_dims; d++) {
            hone_expr e = hone_expr_arg(p, load, d);
            if (hone_uses_var(p, e, column) && hone_uses_var(p, e, hone_iter_at(p, block, q)->var))
                ret |= 1u << q;
        }
    return ret;
}

static bool find(hone_program *p, hone_stmt block, const hone_target *t, packed *ret)
{
    hone_rule__contraction *c = &ret->c;
    hone_expr loads[8];
    unsigned dims = hone_stmt_at(p, block)->n_index;
    if (!hone_rule__contraction_analyse(p, block, t, c) || c->row < 0 || c->n_spatial < 3 ||
        dims < 3 || c->a_dims < 2 || c->col != (int)c->n_spatial - 1 || !c->b_direct)
        return false;
    ret->output = c->n_spatial - 1;
    ret->group = c->n_spatial - 2;
    hone_block_loads(p, block, loads, 8);
    hone_expr a = loads[c->a], b = loads[c->b], group = iter_expr(p, block, ret->group);
    hone_expr output = iter_expr(p, block, ret->output), step = iter_expr(p, block, (unsigned)c->k);
    int b_group = own_dim(p, b, group);
    if (c->row >= (int)ret->group || b_group < 0 ||
        !HONE_SAME(hone_store_index(p, block, dims - 1), output) ||
        !HONE_SAME(hone_store_index(p, block, dims - 2), group) ||
        own_dim(p, a, group) != (int)c->a_dims - 2 || own_dim(p, a, step) != (int)c->a_dims - 1)
        return false;
    ret->b_group_dim = (unsigned)b_group;
    ret->across = window_of(p, block, c, a) & ~(1u << c->k);
    int64_t lanes = t->vector_bytes / c->bytes, outputs = c->extent[ret->output];
    ret->steps = c->extent[c->k];
    for (unsigned q = c->n_spatial; q < c->n_loops; q++)
        ret->steps *= ret->across >> q & 1 ? c->extent[q] : 1;
    ret->n = lanes / outputs;
    while (ret->n > 1 && c->extent[ret->group] % ret->n)
        ret->n /= 2;
    return lanes % outputs == 0 && ret->n > 1 && ret->steps <= MAX_STEPS;
}

unsigned hone_rule__groups_variants(hone_program *p, hone_stmt block, const hone_rule__ctx *ctx)
{
    packed o;
    return !find(p, block, ctx->target, &o) ? 0 : o.c.clippable ? 4 : 2;
}

/* The weights of the groups of a vector side by side. */
static hone_status pack_weights(hone_sched *s, hone_rv block, const packed *o, hone_error *err)
{
    hone_buf map = {0};
    hone_rv copy, loops[32];
    unsigned n, g = o->b_group_dim;
    HONE_TRY(hone_cache_read(s, block, (unsigned)o->c.b, HONE_GLOBAL, &copy, err));
    hone_buf_puts(&map, "lambda ");
    for (unsigned d = 0; d < o->c.b_dims; d++)
        hone_buf_printf(&map, "%sd%u", d ? ", " : "", d);
    hone_buf_printf(&map, ": (d%u // %" PRId64, g, o->n);
    for (unsigned d = 0; d < o->c.b_dims; d++) {
        if (d + 1 == o->c.b_dims)
            hone_buf_printf(&map, ", d%u %% %" PRId64, g, o->n);
        if (d != g)
            hone_buf_printf(&map, ", d%u", d);
    }
    hone_buf_puts(&map, ")");
    hone_status st = hone_transform_layout(s, copy, map.s, NULL, 0, err);
    hone_buf_free(&map);
    HONE_TRY(st);
    if (o->c.b_const)
        return hone_annotate(s, copy, "hone.prepack", 1, err);
    HONE_TRY(hone_get_loops(s, copy, loops, 32, &n, err));
    return hone_parallel(s, loops[0], err);
}

/* The block's two innermost loops, over groups and outputs, become the lanes of one vector. */
static hone_status lanes_of(hone_sched *s, hone_rv block, hone_error *err)
{
    hone_rv pair[2], lanes;
    HONE_TRY(hone_rule__contraction_loop(s, block, 1, &pair[0], err));
    HONE_TRY(hone_rule__contraction_loop(s, block, 0, &pair[1], err));
    HONE_TRY(hone_fuse(s, pair, 2, &lanes, err));
    return hone_vectorize(s, lanes, err);
}

/* A load or store of the tile: a loop for each dimension of the output. */
static hone_status tile_copy(hone_sched *s, hone_rv copy, const packed *o, hone_error *err)
{
    hone_rv column;
    unsigned dims = hone_stmt_at(&s->prog, hone_rv_stmt(s, copy))->n_index;
    unsigned from_end = dims - 1 - (unsigned)o->c.row_dim;
    HONE_TRY(hone_rule__contraction_loop(s, copy, from_end, &column, err));
    HONE_TRY(hone_unroll(s, column, err));
    return lanes_of(s, copy, err);
}

hone_status hone_rule__groups(hone_sched *s, const char *name, const hone_rule__ctx *ctx,
                              hone_error *err)
{
    packed o;
    hone_rv block, loops[HONE_CONTRACT_MAX_LOOPS], groups[2], columns[2], copies[2];
    hone_rv nest[HONE_CONTRACT_MAX_LOOPS + 4];
    unsigned n, k = 0;
    hone_stmt stmt = hone_block_find(&s->prog, name);
    if (!stmt.i || !find(&s->prog, stmt, ctx->target, &o))
        return hone_fail(err, HONE_REJECT_ARG, "block '%s' has no groups to pack", name);
    bool clip = o.c.clippable && ctx->variant < 2, inside = ctx->variant % 2;
    if (clip) {
        HONE_TRY(hone_rule__contraction_inline_padding(s, stmt, ctx->target, false, &o.c, err));
        if (!find(&s->prog, stmt, ctx->target, &o))
            return hone_fail(err, HONE_REJECT_ARG, "no groups to pack without their padding");
    }
    HONE_TRY(hone_get_block(s, name, &block, err));
    HONE_TRY(hone_get_loops(s, block, loops, HONE_CONTRACT_MAX_LOOPS, &n, err));
    HONE_TRY(hone_split_by(s, loops[o.group], (int64_t[]){0, o.n}, 2, groups, err));
    int64_t most = ctx->target->vector_registers * 7 / 16, room = MAX_PRODUCTS / o.steps;
    most = most < room ? most : room;
    HONE_TRY(hone_rule__sample_part(s, loops[o.c.row], ctx->policy.rows, most, columns, err));

    for (unsigned q = 0; q < o.group; q++)
        if ((int)q != o.c.row)
            nest[k++] = loops[q];
    nest[k++] = inside ? columns[0] : groups[0];
    nest[k++] = inside ? groups[0] : columns[0];
    unsigned n_outer = k;
    for (unsigned q = o.c.n_spatial; q < n; q++)
        if ((int)q != o.c.k && !(o.across >> q & 1))
            nest[k++] = loops[q];
    unsigned unrolled = k;
    nest[k++] = loops[o.c.k];
    for (unsigned q = o.c.n_spatial; q < n; q++)
        if (o.across >> q & 1)
            nest[k++] = loops[q];
    nest[k++] = columns[1];
    unsigned n_unrolled = k;
    nest[k++] = groups[1];
    nest[k++] = loops[o.output];
    HONE_TRY(hone_reorder(s, nest, k, err));

    HONE_TRY(pack_weights(s, block, &o, err));
    hone_rv tile = nest[n_outer - 1];
    HONE_TRY(hone_cache_accumulate(s, block, tile, HONE_LOCAL, copies, err));
    HONE_TRY(hone_rule__contraction_epilogue(s, copies[1], true, tile, tile, &o.c, err));
    HONE_TRY(tile_copy(s, copies[0], &o, err));
    HONE_TRY(tile_copy(s, copies[1], &o, err));
    HONE_TRY(lanes_of(s, block, err));
    for (unsigned q = unrolled; q < n_unrolled; q++)
        HONE_TRY(hone_unroll(s, nest[q], err));
    if (clip)
        HONE_TRY(hone_skip_zeros(s, block, err));
    int64_t turns[HONE_LEN(nest)];
    for (unsigned q = 0; q < n_outer; q++)
        turns[q] = hone_loop_extent(&s->prog, hone_rv_stmt(s, nest[q]));
    return hone_parallel(s, nest[hone_rule__task_of(turns, n_outer, ctx->threads)], err);
}
