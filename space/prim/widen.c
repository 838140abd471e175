/* widen: hone's own. A temporary is kept in a wider type than its values need, so that they are
 * converted once, where they are stored, and not each time they are read: a packed operand that is
 * read many times. TVM's unsafe_set_dtype changes the type whatever that does to the results; this
 * one only where nothing can tell the difference. */
#include "space/prim/prim.h"
#include "space/prim/util.h"

typedef struct widening {
    hone_buffer from, to;
    hone_dtype wide;
    bool good;
} widening;

/* A cast of an element; the element in *ret_load. */
static bool is_cast_of(const hone_program *p, hone_expr e, hone_buffer b, hone_expr *ret_load)
{
    if (hone_expr_op(p, e) != HONE_OP_CAST)
        return false;
    *ret_load = hone_expr_arg(p, e, 0);
    return hone_expr_op(p, *ret_load) == HONE_OP_LOAD && hone_expr_at(p, *ret_load)->sym == b.i;
}

/* Casts are met before what they convert. */
static bool check_use(void *ctx, const hone_program *p, hone_expr e)
{
    widening *w = ctx;
    hone_expr load;
    if (is_cast_of(p, e, w->from, &load)) {
        w->good = w->good && hone_dtype_holds(hone_expr_dtype(p, e), w->wide);
        for (unsigned k = 0; k < hone_expr_at(p, load)->n_args; k++)
            w->good = w->good && !hone_uses_buffer(p, hone_expr_arg(p, load, k), w->from);
        return false;
    }
    w->good =
        w->good && !(hone_expr_op(p, e) == HONE_OP_LOAD && hone_expr_at(p, e)->sym == w->from.i);
    return true;
}

static hone_expr read_wide(void *ctx, hone_program *p, hone_expr e)
{
    const widening *w = ctx;
    hone_expr load, index[HONE_MAX_DIMS];
    if (!is_cast_of(p, e, w->from, &load))
        return e;
    unsigned n = hone_expr_at(p, load)->n_args;
    for (unsigned k = 0; k < n; k++)
        index[k] = hone_expr_arg(p, load, k);
    return hone_cast(p, hone_expr_dtype(p, e), hone_load(p, w->to, index, n));
}

/* The value in the wider type, rounded as the store to the narrower one would have it (hone_cast of
 * a type to itself). What a select chooses from is converted by itself, so that the guard of a
 * padding stays where it is looked for. */
static hone_expr converted(hone_program *p, hone_expr e, hone_dtype wide)
{
    if (hone_expr_op(p, e) != HONE_OP_SELECT)
        return hone_cast(p, wide, hone_cast(p, hone_expr_dtype(p, e), e));
    hone_expr cond = hone_expr_arg(p, e, 0), yes = hone_expr_arg(p, e, 1);
    hone_expr no = converted(p, hone_expr_arg(p, e, 2), wide);
    return hone_select(p, cond, converted(p, yes, wide), no);
}

static hone_status check(const hone_program *p, widening *w, hone_error *err)
{
    HONE_PRIM__EACH_LEAF(p, p->root, s)
    {
        const hone_stmt_row *row = hone_stmt_at(p, s);
        bool writes = hone_prim__writes(p, s, w->from);
        if (writes && (row->init.i || hone_prim__reads(p, s, w->from)))
            return hone_fail(err, HONE_REJECT_ARG, "widen: block '%s' sums up in the buffer",
                             hone_sym_text(p, row->name));
        if (hone_prim__reads_aside(p, s, w->from))
            w->good = false;
        hone_walk(p, row->value, check_use, w);
        if (!w->good)
            return hone_fail(err, HONE_REJECT_ARG,
                             "widen: block '%s' does not convert what it reads to a type that "
                             "holds %s",
                             hone_sym_text(p, row->name), hone_dtype_name(w->wide));
    }
    return HONE_OK;
}

hone_status hone_prim__widen(hone_program *p, hone_stmt block, hone_dtype wide, hone_error *err)
{
    if (!hone_prim__is_leaf(p, block))
        return hone_fail(err, HONE_REJECT_ARG, "widen: not a block that computes a value");
    widening w = {.from = hone_stmt_at(p, block)->out, .wide = wide, .good = true};
    hone_buffer_row b = *hone_buffer_at(p, w.from);
    if (b.role != HONE_TEMP)
        return hone_fail(err, HONE_REJECT_ARG, "widen: the caller of the kernel owns the buffer");
    if (wide == (hone_dtype)b.dtype || !hone_dtype_holds(wide, (hone_dtype)b.dtype))
        return hone_fail(err, HONE_REJECT_ARG, "widen: %s is no wider type than %s",
                         hone_dtype_name(wide), hone_dtype_name((hone_dtype)b.dtype));
    HONE_TRY(check(p, &w, err));
    char name[HONE_PRIM__CACHE_NAME];
    hone_prim__cache_name(p, w.from, hone_dtype_name(wide), name);
    w.to = hone_buffer_new(p, name, wide, b.shape, b.n_dims, HONE_TEMP, (hone_scope)b.scope);
    HONE_PRIM__EACH_LEAF(p, p->root, s)
    {
        hone_stmt_row row = *hone_stmt_at(p, s);
        hone_expr index[HONE_MAX_DIMS];
        bool writes = hone_prim__writes(p, s, w.from);
        if (!writes && !hone_uses_buffer(p, row.value, w.from))
            continue;
        for (unsigned k = 0; k < row.n_index; k++)
            index[k] = hone_store_index(p, s, k);
        hone_expr value =
            writes ? converted(p, row.value, wide) : hone_rewrite(p, row.value, read_wide, &w);
        hone_block_set_store(p, s, writes ? w.to : row.out, index, row.n_index, value, row.init);
    }
    return HONE_OK;
}
