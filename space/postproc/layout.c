/* RewriteLayout (MetaSchedule): a constant operand is laid out ahead of time in the order in which
 * the finished loops read it. Blocks ask for it with the annotation MetaSchedule uses,
 * "layout_free_placeholders" = which of the buffers they read; hone's own rules lay out what they
 * read themselves. */
#include "space/rule/rule.h"

static const char key[] = "layout_free_placeholders";

/* A loop as a digit of one of the operand's indices. */
typedef struct digit {
    unsigned dim;
    int64_t place, extent; /* index = sum of place * loop */
} digit;

/* The loops that move the access, outermost first; -1: it is not a mixed-radix number in every
 * dimension. */
static int digits_of(hone_program *p, hone_stmt block, hone_expr load, digit *ret)
{
    hone_stmt loops[32];
    hone_var vars[32];
    int64_t coeff[32], extent[HONE_MAX_DIMS];
    unsigned n = hone_loops_of(p, block, loops, 32), dims = hone_expr_at(p, load)->n_args;
    bool used[32] = {false};
    unsigned dim_of[32];
    int64_t place[32];
    if (n > 32)
        return -1;
    for (unsigned k = 0; k < n; k++)
        vars[k] = hone_stmt_at(p, loops[k])->var;
    for (unsigned d = 0; d < dims; d++) {
        hone_expr e = hone_simplify(p, hone_bind(p, block, hone_expr_arg(p, load, d))), rest;
        int64_t zero;
        if (!hone_linear(p, e, vars, n, coeff, &rest) || !hone_is_int(p, rest, &zero) || zero != 0)
            return -1;
        extent[d] = hone_buffer_at(p, (hone_buffer){hone_expr_at(p, load)->sym})->shape[d];
        for (unsigned k = 0; k < n; k++) {
            if (coeff[k] == 0 || hone_loop_extent(p, loops[k]) == 1)
                continue;
            if (used[k] || coeff[k] < 0)
                return -1;
            used[k] = true;
            dim_of[k] = d;
            place[k] = coeff[k];
        }
        /* each place is the product of the extents below it */
        int64_t want = 1;
        for (bool found = true; found && want < extent[d];) {
            found = false;
            for (unsigned k = 0; k < n && !found; k++)
                if (used[k] && dim_of[k] == d && place[k] == want) {
                    want *= hone_loop_extent(p, loops[k]);
                    found = true;
                }
            if (!found)
                return -1;
        }
    }
    int count = 0;
    for (unsigned k = 0; k < n; k++) {
        if (!used[k] || place[k] >= extent[dim_of[k]])
            continue;
        if (count == HONE_MAX_DIMS)
            return -1;
        ret[count++] = (digit){dim_of[k], place[k], hone_loop_extent(p, loops[k])};
    }
    return count;
}

static bool in_order(const digit *g, int n)
{
    for (int k = 1; k < n; k++)
        if (g[k].dim < g[k - 1].dim || (g[k].dim == g[k - 1].dim && g[k].place > g[k - 1].place))
            return false;
    return true;
}

static char *map_text(const digit *g, int n, unsigned dims, const int64_t *shape)
{
    hone_buf b = {0};
    hone_buf_puts(&b, "lambda ");
    for (unsigned d = 0; d < dims; d++)
        hone_buf_printf(&b, "%sd%u", d ? ", " : "", d);
    hone_buf_puts(&b, ": (");
    for (int k = 0; k < n; k++) {
        hone_buf_printf(&b, "%sd%u", k ? ", " : "", g[k].dim);
        if (g[k].place > 1)
            hone_buf_printf(&b, " // %" PRId64, g[k].place);
        if (g[k].place * g[k].extent < shape[g[k].dim])
            hone_buf_printf(&b, " %% %" PRId64, g[k].extent);
    }
    hone_buf_puts(&b, ")");
    return hone_buf_take(&b);
}

static hone_status rewrite(hone_sched *s, hone_rv block, unsigned which, hone_error *err)
{
    hone_program *p = &s->prog;
    hone_stmt b = hone_rv_stmt(s, block);
    hone_expr loads[16], load = HONE_NO_EXPR;
    unsigned n = hone_block_loads(p, b, loads, 16), distinct = 0;
    hone_buffer w = HONE_NO_BUFFER;
    for (unsigned k = 0; k < n && n <= 16; k++) {
        hone_buffer of = {hone_expr_at(p, loads[k])->sym};
        bool seen = false;
        for (unsigned q = 0; q < k; q++)
            seen |= hone_expr_at(p, loads[q])->sym == of.i;
        if (seen && HONE_SAME(of, w))
            return HONE_OK; /* read in two places: no one order */
        if (!seen && distinct++ == which) {
            w = of;
            load = loads[k];
        }
    }
    const hone_buffer_row *row = hone_buffer_at(p, w);
    if (!w.i || row->role != HONE_INPUT || !row->is_const)
        return HONE_OK;
    digit g[HONE_MAX_DIMS];
    int n_digits = digits_of(p, b, load, g);
    if (n_digits <= 0 || in_order(g, n_digits))
        return HONE_OK;
    row = hone_buffer_at(p, w);
    char *map = map_text(g, n_digits, row->n_dims, row->shape);
    hone_rv copy;
    hone_status st = hone_cache_read(s, block, which, HONE_GLOBAL, &copy, err);
    if (st == HONE_OK)
        st = hone_transform_layout(s, copy, map, NULL, 0, err);
    if (st == HONE_OK)
        st = hone_annotate(s, copy, "hone.prepack", 1, err);
    free(map);
    return st;
}

hone_status hone_postproc__layout(hone_sched *s, const hone_rule_info *info, hone_error *err)
{
    (void)info;
    for (;;) {
        hone_program *p = &s->prog;
        hone_stmt b = p->root;
        while (b.i && !(hone_is_block(p, b) && hone_ann_get(p, b, key)))
            b = hone_next(p, p->root, b);
        if (!b.i)
            return HONE_OK;
        char name[256];
        hone_rv block;
        int64_t which = hone_ann_get(p, b, key)->value;
        bool leaf = hone_stmt_at(p, b)->out.i != 0;
        snprintf(name, sizeof name, "%s", hone_sym_text(p, hone_stmt_at(p, b)->name));
        HONE_TRY(hone_get_block(s, name, &block, err));
        HONE_TRY(hone_unannotate(s, block, key, err));
        if (leaf && which >= 0)
            HONE_TRY(rewrite(s, block, (unsigned)which, err));
    }
}
