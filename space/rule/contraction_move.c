/* Blocks of a contraction that move data: packed operands, the register tile's load and store, and
 * the elementwise stage that follows. */
#include "space/rule/contraction_analysis.h"
#include "space/prim/prim.h"
#include "targets/preset.h"

/* "lambda d0, d1: (d0 // v0, d1, d0 % v0)": dimension `at` in panels. The place in the panel comes
 * last, or (rows of a copy) right after the panel's number. */
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

hone_status hone_rule__move_inside(hone_sched *s, hone_rv block, unsigned dims,
                                   const unsigned *inner, unsigned n, hone_error *err)
{
    hone_buf map = {0};
    const char *comma = "";
    hone_buf_puts(&map, "lambda ");
    for (unsigned d = 0; d < dims; d++)
        hone_buf_printf(&map, "%sd%u", d ? ", " : "", d);
    hone_buf_puts(&map, ": (");
    for (unsigned d = 0; d < dims; d++) {
        bool last = false;
        for (unsigned k = 0; k < n; k++)
            last = last || inner[k] == d;
        if (last)
            continue;
        hone_buf_printf(&map, "%sd%u", comma, d);
        comma = ", ";
    }
    for (unsigned k = 0; k < n; k++, comma = ", ")
        hone_buf_printf(&map, "%sd%u", comma, inner[k]);
    hone_buf_puts(&map, ")");
    hone_status st = hone_transform_layout(s, block, map.s, NULL, 0, err);
    hone_buf_free(&map);
    return st;
}

hone_status hone_rule__contraction_turn_b(hone_sched *s, hone_stmt stmt,
                                          const hone_rule__contraction *c, hone_error *err)
{
    hone_expr loads[8];
    hone_program *p = &s->prog;
    hone_rv rv;
    char name[256];
    hone_block_loads(p, stmt, loads, 8);
    hone_stmt writer = hone_writer_of(p, (hone_buffer){hone_expr_at(p, loads[c->b])->sym});
    snprintf(name, sizeof name, "%s", hone_sym_text(p, hone_stmt_at(p, writer)->name));
    HONE_TRY(hone_get_block(s, name, &rv, err));
    return hone_rule__move_inside(s, rv, c->b_dims, &c->b_col_dim, 1, err);
}

hone_status hone_rule__contraction_loop(hone_sched *s, hone_rv block, unsigned from_end,
                                        hone_rv *ret, hone_error *err)
{
    hone_rv loops[32];
    unsigned n;
    HONE_TRY(hone_get_loops(s, block, loops, 32, &n, err));
    if (n < from_end + 1)
        return hone_fail(err, HONE_REJECT_ARG, "block has too few loops");
    *ret = loops[n - 1 - from_end];
    return HONE_OK;
}

/* Vectors along the loop, their number unrolled if `unroll`. */
static hone_status vectors(hone_sched *s, hone_rv loop, const hone_rule__contraction *c,
                           bool unroll, hone_error *err)
{
    hone_rv parts[2];
    HONE_TRY(hone_split_by(s, loop, (int64_t[]){0, c->lanes}, 2, parts, err));
    HONE_TRY(hone_vectorize(s, parts[1], err));
    return unroll ? hone_unroll(s, parts[0], err) : HONE_OK;
}

hone_status hone_rule__contraction_tile_copy(hone_sched *s, hone_rv copy,
                                             const hone_rule__contraction *c, hone_error *err)
{
    hone_rv loops[32], order[HONE_MAX_DIMS];
    unsigned n, dims = hone_stmt_at(&s->prog, hone_rv_stmt(s, copy))->n_index, k = 0;
    HONE_TRY(hone_get_loops(s, copy, loops, 32, &n, err));
    hone_rv *own = loops + n - dims; /* one per dimension of the output */
    for (unsigned d = 0; d < dims; d++)
        if (d != c->col_dim && (int)d != c->row_dim)
            order[k++] = own[d];
    if (c->row_dim >= 0)
        order[k++] = own[c->row_dim];
    order[k++] = own[c->col_dim];
    if (k > 1)
        HONE_TRY(hone_reorder(s, order, k, err));
    if (c->row_dim >= 0)
        HONE_TRY(hone_unroll(s, own[c->row_dim], err));
    return vectors(s, own[c->col_dim], c, true, err);
}

bool hone_rule__has_squares(const hone_program *p, hone_buffer b, int64_t lanes,
                            const hone_target *t)
{
    const hone_buffer_row *row = hone_buffer_at(p, b);
    const char *scalable = t ? hone_preset_of(t)->scalable : NULL;
    return row->n_dims > 1 && row->shape[row->n_dims - 1] >= lanes &&
           hone_dtype_bytes((hone_dtype)row->dtype) == 4 &&
           (lanes == 4 || lanes == 8 || lanes == 16) && !(scalable && hone_target_has(t, scalable));
}

hone_status hone_rule__squares(hone_sched *s, hone_rv along, hone_rv across, int64_t lanes,
                               hone_error *err)
{
    hone_rv a[2], b[2];
    HONE_TRY(hone_split_by(s, along, (int64_t[]){0, lanes}, 2, a, err));
    HONE_TRY(hone_split_by(s, across, (int64_t[]){0, lanes}, 2, b, err));
    HONE_TRY(hone_reorder(s, (hone_rv[]){a[0], b[0], a[1], b[1]}, 4, err));
    HONE_TRY(hone_unroll(s, a[1], err));
    return hone_vectorize(s, b[1], err);
}

hone_status hone_rule__contraction_pack_b(hone_sched *s, hone_rv block,
                                          const hone_rule__contraction *c, hone_pack_place where,
                                          bool widen, hone_rv columns, hone_rv at, hone_error *err)
{
    char map[256];
    hone_rv copy, loop, along, loops[32];
    unsigned n;
    HONE_TRY(hone_cache_read(s, block, (unsigned)c->b, HONE_GLOBAL, &copy, err));
    if (widen && c->b_widens)
        HONE_TRY(hone_widen(s, copy, c->type, err));
    layout_text(map, sizeof map, c->b_dims, c->b_col_dim, true);
    HONE_TRY(hone_transform_layout(s, copy, map, &columns, 1, err));
    if (where == HONE_PACKED_INSIDE)
        HONE_TRY(hone_compute_at(s, copy, at, err));
    bool is_ahead = where == HONE_PACKED_AT_ROOT && c->b_const;
    HONE_TRY(hone_rule__contraction_loop(s, copy, 0, &loop, err));
    if (c->b_transposed && !is_ahead) {
        HONE_TRY(hone_rule__contraction_loop(s, copy, 1, &along, err));
        HONE_TRY(hone_rule__squares(s, along, loop, c->lanes, err));
    } else {
        HONE_TRY(vectors(s, loop, c, true, err));
    }
    if (where != HONE_PACKED_AT_ROOT)
        return HONE_OK;
    if (c->b_const)
        return hone_annotate(s, copy, "hone.prepack", 1, err);
    HONE_TRY(hone_get_loops(s, copy, loops, 32, &n, err));
    return hone_parallel(s, loops[0], err);
}

hone_status hone_rule__contraction_pack_a(hone_sched *s, hone_rv block,
                                          const hone_rule__contraction *c, bool widen, hone_rv rows,
                                          hone_rv at, hone_error *err)
{
    char map[256];
    hone_rv copy, loop;
    HONE_TRY(hone_cache_read(s, block, (unsigned)c->a, HONE_GLOBAL, &copy, err));
    if (widen && c->a_widens)
        HONE_TRY(hone_widen(s, copy, c->type, err));
    layout_text(map, sizeof map, c->a_dims, c->a_row_dim, false);
    HONE_TRY(hone_transform_layout(s, copy, map, &rows, 1, err));
    HONE_TRY(hone_compute_at(s, copy, at, err));
    /* An odd number of cache lines from row to row: at a power of two all rows of a register tile
     * would share a few sets of the cache, and drive each other out of it at each step of k. */
    if (c->a_row_dim + 1 < c->a_dims) {
        int64_t line = c->line / c->bytes;
        HONE_TRY(hone_storage_align(s, copy, (int64_t)c->a_row_dim + 1, 2 * line, line, err));
    }
    HONE_TRY(hone_rule__contraction_loop(s, copy, 0, &loop, err));
    return vectors(s, loop, c, false, err);
}

hone_status hone_rule__widen_operand(hone_sched *s, hone_rv block, unsigned read, hone_dtype type,
                                     const hone_rule__ctx *ctx, hone_error *err)
{
    char name[256];
    hone_expr loads[8];
    hone_program *p = &s->prog;
    hone_rv copy;
    unsigned n = hone_block_loads(p, hone_rv_stmt(s, block), loads, 8);
    HONE_ASSERT(read < n && n <= 8);
    hone_buffer from = {hone_expr_at(p, loads[read])->sym};
    hone_stmt writer = hone_writer_of(p, from), reader;
    if ((hone_dtype)hone_buffer_at(p, from)->dtype == type)
        return HONE_OK;
    if (writer.i && hone_readers_of(p, from, &reader, 1) == 1 && hone_prim__can_inline(p, writer)) {
        snprintf(name, sizeof name, "%s", hone_sym_text(p, hone_stmt_at(p, writer)->name));
        HONE_TRY(hone_get_block(s, name, &copy, err));
        return hone_widen(s, copy, type, err);
    }
    HONE_TRY(hone_cache_read(s, block, read, HONE_GLOBAL, &copy, err));
    HONE_TRY(hone_widen(s, copy, type, err));
    hone_stmt made = hone_rv_stmt(s, copy);
    snprintf(name, sizeof name, "%s", hone_sym_text(p, hone_stmt_at(p, made)->name));
    return hone_rule__elementwise_at_root(s, name, ctx, err);
}

/* One reader behind the nest; in it the load block of a blocked reduction, which does not read
 * where there is one block only. Both are asked for: a trace lists them all, whatever its
 * decisions. */
static bool has_epilogue(const hone_program *p, hone_buffer out, bool complete, hone_stmt nest)
{
    hone_stmt readers[4];
    unsigned n = hone_readers_of(p, out, readers, HONE_LEN(readers)), inside = 0;
    for (unsigned k = 0; k < n && k < HONE_LEN(readers); k++)
        inside += hone_is_ancestor(p, nest, readers[k]);
    return inside == !complete && n == inside + 1;
}

hone_status hone_rule__contraction_epilogue(hone_sched *s, hone_rv store, bool complete,
                                            hone_rv tile_loop, hone_rv outer,
                                            const hone_rule__contraction *c, hone_error *err)
{
    hone_stmt b = hone_rv_stmt(s, store);
    hone_buffer out = hone_stmt_at(&s->prog, b)->out;
    if (hone_buffer_at(&s->prog, out)->role != HONE_TEMP ||
        !has_epilogue(&s->prog, out, complete, hone_rv_stmt(s, outer)))
        return HONE_OK;
    hone_rv consumers[4], consumer = HONE_NO_RV;
    unsigned n;
    HONE_TRY(hone_get_consumers(s, store, consumers, 4, &n, err));
    for (unsigned k = 0; k < n; k++) { /* the load block of a blocked reduction reads it too */
        hone_stmt r = hone_rv_stmt(s, consumers[k]);
        if (!hone_is_ancestor(&s->prog, hone_rv_stmt(s, outer), r))
            consumer = consumers[k];
    }
    if (!consumer.i || hone_stmt_at(&s->prog, hone_rv_stmt(s, consumer))->init.i)
        return HONE_OK;
    HONE_TRY(hone_reverse_compute_at(s, consumer, complete ? tile_loop : outer, err));
    if (complete)
        return hone_reverse_compute_inline(s, consumer, err);
    hone_rv loop;
    HONE_TRY(hone_rule__contraction_loop(s, consumer, 0, &loop, err));
    return vectors(s, loop, c, false, err);
}
