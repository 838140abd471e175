/* Which intrinsics fit a block, and in what shapes of nest: space/rule/intrin_fit.h says what is
 * looked for.
 *
 *   roles       the intrinsic's buffers: A along rows and steps, B along lanes and steps, C along
 * rows and lanes fits        the block's loops and operands, with what has to be padded choose the
 * order in which they are tried */
#include "space/rule/intrin_fit.h"
#include "space/rule/contraction_analysis.h"

/* k_blocked, pack_a, clip */
static const hone_fit_shape shapes[] = {
    {false, false, true}, {true, false, true}, {false, false, false},
    {true, false, false}, {true, true, false},
};

#define OFTEN 8 /* uses of B that pay for more bytes of it */

/* How many values the l-th loop has; 1: there is none. */
static int64_t extent_of(const hone_intrin *in, int l)
{
    return l < 0 ? 1 : in->extent[l];
}

/* How far the a-th buffer's place moves with the l-th loop. */
static int64_t stride_of(const hone_intrin *in, unsigned a, int l)
{
    return l < 0 ? 0 : in->stride[a][l];
}

/* The loops i, j, k, in this order, where C[i, j] tells them apart. False: they are others. */
static bool loops_of(const hone_intrin *in, unsigned c, int *ret_i, int *ret_j, int *ret_k)
{
    int n = (int)in->n_loops, at = 0;
    *ret_i = *ret_j = *ret_k = -1;
    if (at < n && in->stride[c][at] > 1)
        *ret_i = at++;
    if (at < n && in->stride[c][at] == 1)
        *ret_j = at++;
    if (at < n && in->stride[c][at] == 0)
        *ret_k = at++;
    return at == n && *ret_j >= 0 && (*ret_i < 0 || in->stride[c][*ret_i] == extent_of(in, *ret_j));
}

/* The intrinsic's buffers by role, and its rows, lanes and group. False: of another form. */
static bool roles_of(const hone_intrin *in, hone_rule__fit *f, unsigned *ret_a, unsigned *ret_b)
{
    unsigned c = 0;
    int i, j, k;
    bool found[2] = {false, false};
    if (in->n_args != 3)
        return false;
    while (c < 3 && in->access[c] != 0)
        c++;
    if (!loops_of(in, c, &i, &j, &k))
        return false;
    f->rows = extent_of(in, i);
    f->lanes = extent_of(in, j);
    f->group = extent_of(in, k);
    for (unsigned a = 0; a < 3; a++) {
        int64_t by_row = stride_of(in, a, i), by_lane = stride_of(in, a, j);
        if (a == c || (k >= 0 && stride_of(in, a, k) != 1))
            continue;
        if (by_lane == 0 && (i < 0 || by_row == f->group)) {
            *ret_a = a;
            found[0] = true;
        } else if (by_lane == f->group && by_row == 0) {
            *ret_b = a;
            found[1] = true;
        }
    }
    return found[0] && found[1];
}

static hone_dtype type_of(const hone_intrin *in, unsigned a)
{
    return (hone_dtype)hone_buffer_at(&in->desc, (hone_buffer){a + 1})->dtype;
}

/* The dimension whose index is just the variable, -1: none, or it occurs elsewhere too. */
static int plain_dim(hone_program *p, hone_expr load, hone_var v)
{
    int at = -1;
    hone_expr e = hone_var_expr(p, v);
    for (unsigned d = 0; d < hone_expr_at(p, load)->n_args; d++) {
        hone_expr index = hone_expr_arg(p, load, d);
        if (!hone_uses_var(p, index, v))
            continue;
        if (at >= 0 || !HONE_SAME(index, e))
            return -1;
        at = (int)d;
    }
    return at;
}

/* Every index a variable of its own? */
static bool is_plain(hone_program *p, hone_expr load)
{
    for (unsigned d = 0; d < hone_expr_at(p, load)->n_args; d++) {
        hone_expr e = hone_expr_arg(p, load, d);
        if (hone_expr_op(p, e) != HONE_OP_VAR ||
            plain_dim(p, load, (hone_var){hone_expr_at(p, e)->sym}) < 0)
            return false;
    }
    return true;
}

static bool read_number(hone_program *p, hone_stmt block, hone_expr load, unsigned *ret)
{
    hone_expr loads[8];
    unsigned n = hone_block_loads(p, block, loads, 8);
    for (unsigned k = 0; k < n && k < 8; k++) {
        *ret = k;
        if (HONE_SAME(loads[k], load))
            return n <= 8;
        if (hone_expr_at(p, loads[k])->sym == hone_expr_at(p, load)->sym)
            return false;
    }
    return false;
}

/* The nest as the workload wrote it: iterator q is loop q, spatial ones first. */
static bool read_nest(hone_program *p, hone_stmt block, hone_rule__fit *f,
                      hone_var vars[HONE_FIT_MAX_LOOPS])
{
    hone_stmt loops[HONE_FIT_MAX_LOOPS];
    const hone_stmt_row *r = hone_stmt_at(p, block);
    f->n_loops = hone_loops_of(p, block, loops, HONE_FIT_MAX_LOOPS);
    if (!r->out.i || !r->init.i || r->where.i || r->n_index < 1 ||
        f->n_loops > HONE_FIT_MAX_LOOPS || f->n_loops != r->n_iters)
        return false;
    for (unsigned q = 0; q < f->n_loops; q++) {
        hone_expr var = hone_var_expr(p, hone_stmt_at(p, loops[q])->var);
        const hone_iter *it = hone_iter_at(p, block, q);
        vars[q] = it->var;
        f->extent[q] = hone_loop_extent(p, loops[q]);
        if (!HONE_SAME(it->binding, var) || (it->kind == HONE_SPATIAL && f->n_spatial != q))
            return false;
        f->n_spatial += it->kind == HONE_SPATIAL;
    }
    return true;
}

/* Rounds columns, steps and rows up. False: it would double the work. */
static bool round_up(hone_rule__fit *f)
{
    const int loops[] = {f->col, f->k, f->row};
    const int64_t multiples[] = {f->lanes, f->group, f->rows};
    int64_t work = 1, padded = 1;
    for (unsigned k = 0; k < HONE_LEN(loops); k++) {
        int64_t *extent = loops[k] < 0 ? NULL : &f->extent[loops[k]], m = multiples[k];
        if (!extent)
            continue;
        int64_t whole = (*extent + m - 1) / m * m;
        if (__builtin_mul_overflow(work, *extent, &work) ||
            __builtin_mul_overflow(padded, whole, &padded))
            return false;
        f->pads |= whole != *extent;
        *extent = whole;
    }
    return !f->pads || padded / 2 < work;
}

/* Where the row is in the output, for an intrinsic that does several of them. */
static bool find_output(hone_program *p, hone_stmt block, const hone_var *vars, hone_rule__fit *f)
{
    f->c_dims = hone_stmt_at(p, block)->n_index;
    f->c_row_dim = f->c_dims;
    for (unsigned d = 0; d < f->c_dims && f->row >= 0; d++)
        if (HONE_SAME(hone_store_index(p, block, d), hone_var_expr(p, vars[f->row])))
            f->c_row_dim = d;
    return f->a_plain && f->c_row_dim + 1 < f->c_dims && f->c_dims + 2 <= HONE_MAX_DIMS &&
           f->a_dims + 3 <= HONE_MAX_DIMS;
}

static bool fits(hone_program *p, hone_stmt block, const hone_intrin *in, hone_rule__fit *f)
{
    hone_var vars[HONE_FIT_MAX_LOOPS];
    hone_expr args[HONE_INTRIN_MAX_ARGS];
    unsigned arg_a = 0, arg_b = 0;
    *f = (hone_rule__fit){.in = in, .col = -1, .row = -1, .k = -1};
    if (!roles_of(in, f, &arg_a, &arg_b) || !read_nest(p, block, f, vars) ||
        !hone_prim__intrin_matches(p, block, in, args))
        return false;
    hone_expr a = args[arg_a], b = args[arg_b];
    hone_expr last = hone_store_index(p, block, hone_stmt_at(p, block)->n_index - 1u);
    for (unsigned q = 0; q < f->n_spatial; q++)
        if (HONE_SAME(last, hone_var_expr(p, vars[q])))
            f->col = (int)q;
    f->a_dims = hone_expr_at(p, a)->n_args;
    f->b_dims = hone_expr_at(p, b)->n_args;
    if (f->col < 0 || hone_uses_var(p, a, vars[f->col]) || plain_dim(p, b, vars[f->col]) < 0 ||
        !is_plain(p, b))
        return false;
    f->b_col_dim = (unsigned)plain_dim(p, b, vars[f->col]);
    for (unsigned q = 0; q < f->n_spatial; q++)
        if ((int)q != f->col && f->extent[q] > 1 && !hone_uses_var(p, b, vars[q]) &&
            hone_uses_var(p, a, vars[q]))
            f->row = (int)q;
    f->reuse = 1;
    for (unsigned q = 0; q < f->n_spatial && f->reuse < OFTEN; q++)
        f->reuse *= hone_uses_var(p, b, vars[q]) ? 1 : f->extent[q];
    /* steps of a group lie next to each other in A */
    for (unsigned q = f->n_spatial; q < f->n_loops; q++) {
        int d = plain_dim(p, a, vars[q]);
        if (plain_dim(p, b, vars[q]) >= 0 && d == (int)f->a_dims - 1)
            f->k = (int)q;
    }
    if (f->k < 0 || !round_up(f))
        return false;
    f->a_k_dim = f->a_dims - 1;
    f->b_k_dim = (unsigned)plain_dim(p, b, vars[f->k]);
    int row_dim = f->row < 0 ? -1 : plain_dim(p, a, vars[f->row]);
    f->a_plain = is_plain(p, a) && row_dim >= 0 && f->a_dims + 2 <= HONE_MAX_DIMS;
    f->a_row_dim = f->a_plain ? (unsigned)row_dim : 0;
    if (f->rows > 1 && !find_output(p, block, vars, f))
        return false;
    const hone_buffer_row *bb = hone_buffer_at(p, (hone_buffer){hone_expr_at(p, b)->sym});
    f->b_const = bb->is_const && bb->role == HONE_INPUT;
    f->a_type = type_of(in, arg_a);
    f->b_type = type_of(in, arg_b);
    f->widens = f->a_type != hone_expr_dtype(p, a) || f->b_type != hone_expr_dtype(p, b);
    f->bytes = hone_dtype_bytes(hone_expr_dtype(p, hone_stmt_at(p, block)->value));
    if (f->b_dims + 3 > HONE_MAX_DIMS || !read_number(p, block, a, &f->a) ||
        !read_number(p, block, b, &f->b))
        return false;
    f->clippable = !f->pads && !f->a_plain && hone_rule__fit_padding(p, block, f).i;
    return true;
}

/* ---- the padding of A ------------------------------------------------------------------------ */

hone_stmt hone_rule__fit_padding(hone_program *p, hone_stmt block, const hone_rule__fit *f)
{
    return hone_rule__contraction_padding(p, block, &(hone_rule__contraction){.a = (int)f->a});
}

hone_status hone_rule__fit_inline_padding(hone_sched *s, const char *name, hone_rule__fit *f,
                                          hone_error *err)
{
    char pad[256];
    hone_rv rv;
    hone_expr loads[8];
    hone_program *p = &s->prog;
    hone_stmt block = hone_block_find(p, name), padding = hone_rule__fit_padding(p, block, f);
    HONE_ASSERT(padding.i);
    hone_block_loads(p, block, loads, 8);
    unsigned b = hone_expr_at(p, loads[f->b])->sym;
    snprintf(pad, sizeof pad, "%s", hone_sym_text(p, hone_stmt_at(p, padding)->name));
    HONE_TRY(hone_get_block(s, pad, &rv, err));
    if (hone_expr_dtype(p, loads[f->a]) != f->a_type) /* and so are the zeros */
        HONE_TRY(hone_widen(s, rv, f->a_type, err));
    HONE_TRY(hone_compute_inline(s, rv, err));
    unsigned n = hone_block_loads(p, hone_block_find(p, name), loads, 8);
    if (n != 2)
        return hone_fail(err, HONE_REJECT_ARG, "block '%s' reads more than its operands", name);
    f->b = hone_expr_at(p, loads[0])->sym == b ? 0 : 1;
    f->a = 1 - f->b;
    return HONE_OK;
}

/* ---- which are tried ------------------------------------------------------------------------- */

/* What of hone's own has been found to fit. */
typedef struct found {
    bool as_it_is, rows;
    bool padded, wide_padded; /* as_it_is but for padding; the latter of those that widen */
} found;

/* Has another that is as good been found before? */
static bool is_spare(const hone_rule__fit *f, const found *o)
{
    if (o->as_it_is || f->rows > 1)
        return o->as_it_is || o->rows;
    if (f->widens && o->padded)
        return true;
    return f->pads && (o->padded || o->wide_padded);
}

static void note(const hone_rule__fit *f, found *o)
{
    bool *padded = f->widens ? &o->wide_padded : &o->padded;
    *(f->rows > 1 ? &o->rows : f->pads ? padded : &o->as_it_is) = true;
}

static bool has_shape(const hone_rule__fit *f, const hone_fit_shape *sh)
{
    return (!sh->pack_a || f->a_plain) && (!sh->clip || f->clippable) &&
           (f->rows == 1 || sh->pack_a);
}

/* All intrinsics that were added to the set are tried, and of hone's own the first that fits as it
 * is, which is the widest, and before it the first that fits a padded block; of those that do
 * several rows, which want A packed, the first, and then the others all the same. Those that take
 * the operands in a wider type are as good as others, whichever comes first; where B is not used
 * often, so that it is read from memory and better stays short, they come last. */
unsigned hone_rule__fit_choose(hone_program *p, hone_stmt block, const hone_rule__ctx *ctx,
                               unsigned variant, hone_rule__fit *ret, hone_fit_shape *ret_shape)
{
    const hone_intrin_set *set = ctx->intrins ? ctx->intrins : hone_intrin_shipped();
    unsigned n = 0, count = hone_intrin_count(set);
    found own = {0};
    for (unsigned i = 0; i < 2 * count; i++) {
        hone_rule__fit f;
        const hone_intrin *in = hone_intrin_at(set, i % count);
        bool is_own = hone_intrin_find(hone_intrin_shipped(), in->name) == in;
        if ((is_own && own.as_it_is) || !hone_target_has(ctx->target, in->features) ||
            !fits(p, block, in, &f) || (f.widens && f.reuse < OFTEN) != (i >= count) ||
            (is_own && is_spare(&f, &own)))
            continue;
        if (is_own)
            note(&f, &own);
        for (unsigned k = 0; k < HONE_LEN(shapes); k++) {
            if (!has_shape(&f, &shapes[k]))
                continue;
            *ret = f;
            *ret_shape = shapes[k];
            if (n++ == variant)
                return n;
        }
    }
    return n;
}

unsigned hone_rule__intrin_variants(hone_program *p, hone_stmt block, const hone_rule__ctx *ctx)
{
    hone_rule__fit f;
    hone_fit_shape sh;
    return hone_rule__fit_choose(p, block, ctx, UINT32_MAX, &f, &sh);
}
