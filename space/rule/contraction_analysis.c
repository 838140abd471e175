/* Analysis of contractions: space/rule/contraction_analysis.h says what is looked for.
 *
 *   nest        one loop per iterator, spatial ones outside
 *   operands    two loads that the sum runs along
 *   columns     the last output dimension, or a longer one where that is shorter than a vector
 *   rows        from what only A uses
 *   padding     a stage of guarded loads in front of A */
#include "space/rule/contraction_analysis.h"
#include "space/prim/prim.h"
#include "space/prim/util.h"
#include "targets/preset.h"

typedef struct nest {
    hone_var vars[HONE_CONTRACT_MAX_LOOPS]; /* iterators */
    unsigned n_spatial, n;
} nest;

/* By which of the nest's iterators an operand is indexed, as a bit each. */
static unsigned uses(const hone_program *p, hone_expr load, const nest *o)
{
    unsigned bits = 0;
    for (unsigned d = 0; d < hone_expr_at(p, load)->n_args; d++)
        for (unsigned q = 0; q < o->n; q++)
            bits |= (unsigned)hone_uses_var(p, hone_expr_arg(p, load, d), o->vars[q]) << q;
    return bits;
}

static unsigned dim_using(const hone_program *p, hone_expr load, hone_var v)
{
    unsigned d = 0;
    while (d + 1 < hone_expr_at(p, load)->n_args && !hone_uses_var(p, hone_expr_arg(p, load, d), v))
        d++;
    return d;
}

/* Is the dimension indexed by v and nothing else, and no other by v? */
static bool indexed_by(hone_program *p, hone_expr load, unsigned dim, hone_var v)
{
    for (unsigned d = 0; d < hone_expr_at(p, load)->n_args; d++)
        if (d != dim && hone_uses_var(p, hone_expr_arg(p, load, d), v))
            return false;
    return HONE_SAME(hone_expr_arg(p, load, dim), hone_var_expr(p, v));
}

static bool read_nest(hone_program *p, hone_stmt block, nest *o, hone_rule__contraction *c)
{
    hone_stmt loops[HONE_CONTRACT_MAX_LOOPS];
    o->n = hone_loops_of(p, block, loops, HONE_CONTRACT_MAX_LOOPS);
    o->n_spatial = 0;
    if (o->n > HONE_CONTRACT_MAX_LOOPS || o->n != hone_stmt_at(p, block)->n_iters)
        return false;
    for (unsigned q = 0; q < o->n; q++) {
        hone_expr v = hone_var_expr(p, hone_stmt_at(p, loops[q])->var);
        hone_iter *it = hone_iter_at(p, block, q);
        if (!HONE_SAME(it->binding, v))
            return false;
        o->vars[q] = it->var;
        c->extent[q] = hone_loop_extent(p, loops[q]);
        if (it->kind != HONE_SPATIAL)
            continue;
        if (o->n_spatial != q)
            return false;
        o->n_spatial = q + 1;
    }
    c->n_loops = o->n;
    c->n_spatial = o->n_spatial;
    return o->n_spatial < o->n;
}

/* The two loads with reduction iterators; false: there are not two, or a buffer occurs twice. */
static bool find_operands(hone_program *p, hone_stmt block, const nest *o, hone_expr load[2],
                          int at[2])
{
    hone_expr loads[8];
    unsigned n = hone_block_loads(p, block, loads, 8), found = 0;
    if (n < 2 || n > 8)
        return false;
    for (unsigned k = 0; k < n; k++) {
        for (unsigned q = 0; q < k; q++)
            if (hone_expr_at(p, loads[q])->sym == hone_expr_at(p, loads[k])->sym)
                return false;
        if (!(uses(p, loads[k], o) >> o->n_spatial))
            continue;
        if (found == 2)
            return false;
        load[found] = loads[k];
        at[found++] = (int)k;
    }
    return found == 2;
}

/* The longest of the spatial iterators in the set; innermost first among equals. -1: none. */
static int longest(const hone_rule__contraction *c, unsigned set)
{
    int best = -1;
    for (unsigned q = 0; q < c->n_spatial; q++)
        if (set >> q & 1 && c->extent[q] > 1 && (best < 0 || c->extent[q] >= c->extent[best]))
            best = (int)q;
    return best;
}

static int innermost(const hone_rule__contraction *c, unsigned set, int64_t least)
{
    int best = -1;
    for (unsigned q = 0; q < c->n_spatial; q++)
        if (set >> q & 1 && c->extent[q] >= least)
            best = (int)q;
    return best;
}

/* Which load is B, and its column. */
static bool choose_column(const hone_rule__contraction *c, const unsigned set[2], int64_t lanes,
                          int last, unsigned *ret_b, int *ret_col)
{
    unsigned only[2] = {set[0] & ~set[1], set[1] & ~set[0]};
    if (last < 0 || !((only[0] | only[1]) >> last & 1))
        return false; /* no dimension, or one that both share: nothing is used twice along it */
    *ret_b = only[1] >> last & 1;
    *ret_col = last;
    int longer = longest(c, only[*ret_b]);
    if (c->extent[last] * 2 <= lanes && longer >= 0 && c->extent[longer] > c->extent[last])
        *ret_col = longer;
    return true;
}

/* A column shorter than a vector gets a shorter one. One that is a little longer gets vectors that
 * divide it, where they cover it in less room: a masked vector is a whole one's work, and keeping
 * the lanes it leaves out costs registers. */
static int64_t vector_lanes(int64_t full, int64_t extent)
{
    while (full > 4 && full / 2 >= extent)
        full /= 2;
    bool half = extent < 2 * full && extent % full && extent % (full / 2) == 0;
    return half && full > 4 ? full / 2 : full;
}

/* Output dimension of iterator q; -1: none. */
static int out_dim(const int *iters, unsigned n, int q)
{
    for (unsigned d = 0; d < n; d++)
        if (iters[d] == q && q >= 0)
            return (int)d;
    return -1;
}

/* The reduction along A's last dimension, else the longest. */
static int blocked_reduction(hone_program *p, hone_expr a, const nest *o,
                             const hone_rule__contraction *c)
{
    int k = -1;
    hone_expr last = hone_expr_arg(p, a, c->a_dims - 1);
    for (unsigned q = o->n_spatial; q < o->n; q++)
        if (HONE_SAME(last, hone_var_expr(p, o->vars[q])) && c->extent[q] > 1)
            return (int)q;
    for (unsigned q = o->n_spatial; q < o->n; q++)
        if (k < 0 || c->extent[q] > c->extent[k])
            k = (int)q;
    return k;
}

/* B is read by windows that move along the column, element by element: of a filter with one output,
 * along which nothing else could be a vector. In another layout than B's own, if need be, which is
 * given to a temporary that waits for it. */
static void find_windows(hone_program *p, hone_stmt block, hone_expr b, const nest *o,
                         hone_rule__contraction *c)
{
    hone_buffer from = {hone_expr_at(p, b)->sym};
    hone_var column = o->vars[c->col];
    hone_expr rest;
    int64_t by, beside = 1;
    bool steps = false;
    if (c->row >= 0 || c->b_plain ||
        !hone_linear(p, hone_expr_arg(p, b, c->b_col_dim), &column, 1, &by, &rest) || by != 1)
        return;
    for (unsigned q = o->n_spatial; q < o->n; q++)
        steps |= hone_uses_var(p, rest, o->vars[q]);
    for (unsigned d = 0; d < c->b_dims; d++) {
        steps &= d == c->b_col_dim || !hone_uses_var(p, hone_expr_arg(p, b, d), column);
        beside *= d > c->b_col_dim ? hone_buffer_at(p, from)->shape[d] : 1;
    }
    hone_stmt writer = hone_writer_of(p, from), reader;
    c->b_turned = steps && beside > 1 && hone_buffer_at(p, from)->role == HONE_TEMP && writer.i &&
                  hone_rule__untouched(p, writer) && !hone_stmt_at(p, writer)->init.i &&
                  hone_readers_of(p, from, &reader, 1) == 1 && HONE_SAME(reader, block);
    c->b_windows = c->b_turned || (steps && beside == 1);
}

/* Is the load a float that the product takes in a longer type, the sum's? */
static bool is_widened(const hone_program *p, hone_expr product, hone_expr load)
{
    bool found = false;
    if (hone_expr_op(p, product) != HONE_OP_MUL || !hone_dtype_is_float(hone_expr_dtype(p, load)))
        return false;
    for (unsigned k = 0; k < 2; k++) {
        hone_expr e = hone_expr_arg(p, product, k);
        found |= hone_expr_op(p, e) == HONE_OP_CAST && HONE_SAME(hone_expr_arg(p, e, 0), load);
    }
    return found && hone_dtype_holds(hone_expr_dtype(p, product), hone_expr_dtype(p, load));
}

bool hone_rule__contraction_analyse(hone_program *p, hone_stmt block, const hone_target *t,
                                    hone_rule__contraction *c)
{
    hone_op op;
    hone_expr operand, load[2];
    int at[2], iters[HONE_MAX_DIMS];
    nest o;
    *c = (hone_rule__contraction){.col = -1, .row = -1, .k = -1, .a = -1, .b = -1, .row_dim = -1};
    const hone_stmt_row *r = hone_stmt_at(p, block);
    unsigned n_index = r->n_index;
    if (!r->out.i || !r->init.i || r->where.i || !hone_block_reduction(p, block, &op, &operand) ||
        op != HONE_OP_ADD || !read_nest(p, block, &o, c) ||
        !hone_prim__store_iters(p, block, iters) || !find_operands(p, block, &o, load, at))
        return false;
    c->bytes = hone_dtype_bytes(hone_expr_dtype(p, hone_stmt_at(p, block)->value));
    int64_t lanes = (t ? t->vector_bytes : HONE_CONTRACT_NO_TARGET) / c->bytes;
    c->line = t && t->cache_line ? t->cache_line : HONE_CONTRACT_NO_TARGET;
    unsigned set[2] = {uses(p, load[0], &o), uses(p, load[1], &o)}, which = 0;
    int last = -1;
    for (unsigned d = 0; d < n_index; d++)
        if (iters[d] >= 0 && c->extent[iters[d]] > 1)
            last = iters[d];
    if (!choose_column(c, set, lanes, last, &which, &c->col))
        return false;
    hone_expr a = load[1 - which], b = load[which];
    c->a = at[1 - which];
    c->b = at[which];
    c->b_uses = set[which];
    c->type = hone_expr_dtype(p, operand);
    c->a_widens = is_widened(p, operand, a);
    c->b_widens = is_widened(p, operand, b);
    c->a_dims = hone_expr_at(p, a)->n_args;
    c->b_dims = hone_expr_at(p, b)->n_args;
    if (!c->a_dims)
        return false;
    c->lanes = vector_lanes(lanes, c->extent[c->col]);
    c->group = t && c->lanes == lanes ? hone_preset_group(t) : 1;
    while (c->group > 1 && c->lanes * c->group > c->extent[c->col])
        c->group /= 2;
    c->col_dim = (unsigned)out_dim(iters, n_index, c->col);
    c->b_col_dim = dim_using(p, b, o.vars[c->col]);
    c->b_plain = indexed_by(p, b, c->b_col_dim, o.vars[c->col]);
    c->b_direct = c->b_plain && c->b_col_dim + 1 == c->b_dims;

    c->b_transposed =
        c->b_plain && !c->b_direct &&
        hone_rule__has_squares(p, (hone_buffer){hone_expr_at(p, b)->sym}, c->lanes, t);

    unsigned rows = set[1 - which] & ~set[which];
    c->row = innermost(c, rows, 4); /* four, with two vectors each, hide the latency */
    if (c->row < 0)
        c->row = longest(c, rows);
    if (c->row >= 0) {
        c->row_dim = out_dim(iters, n_index, c->row);
        c->a_row_dim = dim_using(p, a, o.vars[c->row]);
        c->a_plain = indexed_by(p, a, c->a_row_dim, o.vars[c->row]);
    }
    c->b_const = hone_rule__is_const(p, (hone_buffer){hone_expr_at(p, b)->sym});
    c->k = blocked_reduction(p, a, &o, c);
    c->clippable = hone_rule__contraction_padding(p, block, c).i != 0;
    find_windows(p, block, b, &o, c);
    /* Each element of B is used once: turning it round would cost what the sum does. */
    return c->row >= 0 || c->b_direct || c->b_const || c->b_windows;
}

bool hone_rule__is_contraction(hone_program *p, hone_stmt block)
{
    hone_rule__contraction c;
    return hone_rule__contraction_analyse(p, block, NULL, &c);
}

/* ---- padding -----------------------------------------------------------------------------------
 */

static bool is_zero(const hone_program *p, hone_expr e)
{
    const hone_expr_row *r = hone_expr_at(p, e);
    return (r->op == HONE_OP_INT && r->imm.i == 0) || (r->op == HONE_OP_FLOAT && r->imm.f == 0);
}

hone_stmt hone_rule__contraction_padding(hone_program *p, hone_stmt block,
                                         const hone_rule__contraction *c)
{
    hone_expr loads[8];
    hone_stmt readers[2];
    unsigned n = hone_block_loads(p, block, loads, 8);
    if (c->a < 0 || (unsigned)c->a >= n || n > 8)
        return HONE_NO_STMT;
    hone_buffer from = {hone_expr_at(p, loads[c->a])->sym};
    hone_stmt writer = hone_writer_of(p, from);
    if (hone_buffer_at(p, from)->role != HONE_TEMP || !writer.i ||
        hone_readers_of(p, from, readers, 2) != 1)
        return HONE_NO_STMT;
    hone_expr value = hone_stmt_at(p, writer)->value;
    if (hone_expr_op(p, value) != HONE_OP_SELECT || !is_zero(p, hone_expr_arg(p, value, 2)) ||
        hone_expr_op(p, hone_expr_arg(p, value, 1)) != HONE_OP_LOAD ||
        hone_has_load(p, hone_expr_arg(p, value, 0)) || !hone_prim__can_inline(p, writer))
        return HONE_NO_STMT;
    return writer;
}
