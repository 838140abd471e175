/* tensorize: TensorIR's (Feng et al., ASPLOS 2023, sec. 4.1). A nest of loops around one block is
 * compared with an intrinsic's description: the same value up to names and the order of the
 * operands of + and *, over accesses that the loops move alike. The nest stays, as the body of a
 * block whose annotation names the intrinsic; its value is written in the description's order, so
 * that the code generator finds the accesses by counting. */
#include "space/prim/prim.h"
#include "space/prim/util.h"

#define MAX_STEPS 20000

typedef struct matcher {
    bool any_moves; /* loads are not asked how loops move them */
    bool narrower;  /* loads of integers may be of types that the description's hold */
    unsigned
        *steps; /* left, until it is taken not to match: both orders are tried at each operation */
    hone_program *p;
    const hone_intrin *in;
    hone_stmt block;
    hone_expr own;                        /* the element the block stores, as a load */
    hone_var vars[HONE_INTRIN_MAX_LOOPS]; /* for the description's loops */
    hone_expr arg[HONE_INTRIN_MAX_ARGS];  /* loads found for the description's; none: not yet */
} matcher;

/* ---- accesses -------------------------------------------------------------------------------- */

/* What the inner loops add to index d of a load; false: not linear. */
static bool moves_of(matcher *m, hone_expr load, unsigned d, int64_t *ret)
{
    hone_expr rest, e = hone_bind(m->p, m->block, hone_expr_arg(m->p, load, d));
    return hone_linear(m->p, hone_simplify(m->p, e), m->vars, m->in->n_loops, ret, &rest);
}

static bool is_zero(const int64_t *c, unsigned n)
{
    for (unsigned k = 0; k < n; k++)
        if (c[k])
            return false;
    return true;
}

/* Do the loops move the load through its buffer as they move argument a's? Either counted in
 * elements, which is how the implementation sees it if the buffer keeps its layout, or dimension by
 * dimension, which is how it sees it if the code generator cuts the buffer down to the tile. */
static bool moves_alike(matcher *m, unsigned a, hone_expr load)
{
    const hone_intrin *in = m->in;
    hone_buffer_row b = *hone_buffer_at(m->p, (hone_buffer){hone_expr_at(m->p, load)->sym});
    int64_t c[HONE_MAX_DIMS][HONE_INTRIN_MAX_LOOPS], total[HONE_INTRIN_MAX_LOOPS] = {0}, pitch = 1;
    for (unsigned d = b.n_dims; d-- > 0; pitch *= b.shape[d]) {
        if (!moves_of(m, load, d, c[d]))
            return false;
        for (unsigned l = 0; l < in->n_loops; l++)
            total[l] += pitch * c[d][l];
    }
    if (memcmp(total, in->stride[a], in->n_loops * sizeof *total) == 0)
        return true;
    /* the dimensions that move, least first, have the extents the strides say */
    int64_t stride = 1;
    memset(total, 0, sizeof total);
    for (unsigned d = b.n_dims; d-- > 0;) {
        int64_t reach = 1;
        if (is_zero(c[d], in->n_loops))
            continue;
        for (unsigned l = 0; l < in->n_loops; l++) {
            total[l] += stride * c[d][l];
            reach += (c[d][l] < 0 ? -c[d][l] : c[d][l]) * (in->extent[l] - 1);
        }
        stride *= reach;
    }
    return memcmp(total, in->stride[a], in->n_loops * sizeof *total) == 0;
}

static bool match_dtype(const matcher *m, hone_dtype d, hone_dtype e)
{
    return d == e || (m->narrower && !hone_dtype_is_float(d) && hone_dtype_holds(d, e));
}

static bool match_load(matcher *m, hone_expr d, hone_expr e)
{
    const hone_program *q = &m->in->desc;
    unsigned a = hone_expr_at(q, d)->sym - 1;
    if (hone_expr_op(m->p, e) != HONE_OP_LOAD ||
        !match_dtype(m, hone_expr_dtype(q, d), hone_expr_dtype(m->p, e)))
        return false;
    if ((m->in->access[a] == 0) != HONE_SAME(e, m->own))
        return false;
    if (m->arg[a].i)
        return HONE_SAME(m->arg[a], e);
    if (m->in->access[a] && hone_expr_at(m->p, e)->sym == hone_expr_at(m->p, m->own)->sym)
        return false; /* another element of what is stored */
    if (!m->any_moves && !moves_alike(m, a, e))
        return false;
    m->arg[a] = e;
    return true;
}

/* ---- values ---------------------------------------------------------------------------------- */

static bool match(matcher *m, hone_expr d, hone_expr e)
{
    const hone_program *q = &m->in->desc;
    const hone_expr_row *rd = hone_expr_at(q, d);
    if (*m->steps == 0)
        return false;
    --*m->steps;
    if (rd->op == HONE_OP_LOAD)
        return match_load(m, d, e);
    hone_expr_row re = *hone_expr_at(m->p, e);
    if (rd->op != re.op || rd->dtype != re.dtype || rd->n_args != re.n_args ||
        rd->op == HONE_OP_VAR)
        return false;
    if (rd->op == HONE_OP_INT)
        return rd->imm.i == re.imm.i;
    if (rd->op == HONE_OP_FLOAT)
        return memcmp(&rd->imm.f, &re.imm.f, sizeof re.imm.f) == 0;
    matcher before = *m;
    bool same = true;
    for (unsigned k = 0; k < re.n_args && same; k++)
        same = match(m, hone_expr_arg(q, d, k), hone_expr_arg(m->p, e, k));
    bool commutes = re.op == HONE_OP_ADD || re.op == HONE_OP_MUL || re.op == HONE_OP_BITAND ||
                    re.op == HONE_OP_BITOR || re.op == HONE_OP_BITXOR;
    if (same || !commutes)
        return same;
    *m = before;
    return match(m, hone_expr_arg(q, d, 0), hone_expr_arg(m->p, e, 1)) &&
           match(m, hone_expr_arg(q, d, 1), hone_expr_arg(m->p, e, 0));
}

/* The description's value over the loads that were found. */
static hone_expr rewritten(matcher *m, hone_expr d)
{
    const hone_program *q = &m->in->desc;
    const hone_expr_row *r = hone_expr_at(q, d);
    hone_expr args[3];
    switch ((hone_op)r->op) {
    case HONE_OP_LOAD:
        return m->arg[r->sym - 1];
    case HONE_OP_INT:
    case HONE_OP_FLOAT:
        return r->op == HONE_OP_FLOAT ? hone_const(m->p, (hone_dtype)r->dtype, r->imm.f)
               : r->dtype == HONE_I64 ? hone_int(m->p, r->imm.i)
                                      : hone_const(m->p, (hone_dtype)r->dtype, (double)r->imm.i);
    default:
        break;
    }
    HONE_ASSERT(r->n_args <= HONE_LEN(args));
    for (unsigned k = 0; k < r->n_args; k++)
        args[k] = rewritten(m, hone_expr_arg(q, d, k));
    if (r->op == HONE_OP_CAST)
        return hone_cast(m->p, (hone_dtype)r->dtype, args[0]);
    if (r->n_args == 1) {
        hone_expr x = hone_unary(m->p, (hone_op)r->op, args[0]);
        return hone_is_fast(q, d) ? hone_fast(m->p, x) : x;
    }
    return r->n_args == 2 ? hone_binary(m->p, (hone_op)r->op, args[0], args[1])
                          : hone_select(m->p, args[0], args[1], args[2]);
}

/* ---- the primitive --------------------------------------------------------------------------- */

/* The loop's chain down to its block is as long, loop by loop, as the description's. */
static bool same_loops(matcher *m, hone_stmt top)
{
    unsigned n = 0;
    hone_stmt s = top;
    for (; hone_is_loop(m->p, s); s = hone_stmt_at(m->p, s)->first) {
        const hone_stmt_row *row = hone_stmt_at(m->p, s);
        int64_t extent = hone_loop_extent(m->p, s);
        if (!HONE_SAME(row->first, row->last) || row->loop_kind == HONE_PARALLEL ||
            row->loop_kind == HONE_BOUND)
            return false;
        if (extent == 1)
            continue;
        if (n == m->in->n_loops || extent != m->in->extent[n])
            return false;
        m->vars[n++] = row->var;
    }
    m->block = s;
    return n == m->in->n_loops && hone_prim__is_leaf(m->p, s);
}

static hone_status plan(matcher *m, hone_stmt top, hone_expr *ret_value, hone_error *err)
{
    hone_program *p = m->p;
    const char *name = m->in->name;
    if (!same_loops(m, top))
        return hone_fail(err, HONE_REJECT_TENSORIZE, "tensorize: the loops are not those of '%s'",
                         name);
    hone_stmt_row row = *hone_stmt_at(p, m->block);
    if (row.init.i)
        return hone_fail(err, HONE_REJECT_TENSORIZE,
                         "tensorize: block '%s' still starts its sums; decompose_reduction or "
                         "cache_accumulate takes that out of it",
                         hone_sym_text(p, row.name));
    for (unsigned k = 0; k < m->in->n_loops; k++)
        if (row.where.i && hone_uses_var(p, row.where, m->vars[k]))
            return hone_fail(err, HONE_REJECT_TENSORIZE,
                             "tensorize: the predicate of block '%s' cuts through the tile",
                             hone_sym_text(p, row.name));
    hone_expr index[HONE_MAX_DIMS];
    for (unsigned d = 0; d < row.n_index; d++)
        index[d] = hone_store_index(p, m->block, d);
    m->own = hone_load(p, row.out, index, row.n_index);
    hone_expr want = hone_stmt_at(&m->in->desc, m->in->leaf)->value;
    matcher fresh = *m;
    bool same = match(m, want, row.value);
    if (!same) { /* as the constructors and simplification have left it */
        *m = fresh;
        same = match(m, want, hone_simplify(p, row.value));
    }
    for (unsigned a = 0; a < m->in->n_args && same; a++) {
        if (!m->arg[a].i && m->in->access[a] == 0) { /* stored to, not read */
            m->arg[a] = m->own;
            same = moves_alike(m, a, m->own);
        }
        /* a store that reads its own buffer elsewhere was refused; so are other aliases */
        same = same && m->arg[a].i;
    }
    if (!same)
        return hone_fail(err, HONE_REJECT_TENSORIZE,
                         "tensorize: block '%s' does not compute what '%s' describes",
                         hone_sym_text(p, row.name), name);
    *ret_value = rewritten(m, want);
    return HONE_OK;
}

bool hone_prim__intrin_matches(hone_program *p, hone_stmt block, const hone_intrin *in,
                               hone_expr ret_args[HONE_INTRIN_MAX_ARGS])
{
    unsigned steps = MAX_STEPS;
    matcher m = {
        .p = p, .in = in, .block = block, .any_moves = true, .narrower = true, .steps = &steps};
    hone_stmt_row row = *hone_stmt_at(p, block);
    hone_expr index[HONE_MAX_DIMS];
    for (unsigned d = 0; d < row.n_index; d++)
        index[d] = hone_store_index(p, block, d);
    m.own = hone_load(p, row.out, index, row.n_index);
    if (!match(&m, hone_stmt_at(&in->desc, in->leaf)->value, row.value))
        return false;
    for (unsigned a = 0; a < in->n_args; a++)
        if (!m.arg[a].i)
            return false;
    memcpy(ret_args, m.arg, sizeof m.arg);
    return true;
}

static void commit(matcher *m, hone_stmt outer, hone_expr value)
{
    hone_stmt_at(m->p, m->block)->value = value;
    hone_ann_set_text(m->p, outer, "hone.intrin", m->in->name);
}

/* The loop in a block made by blockize that holds it all. */
static hone_stmt only_loop(const hone_program *p, hone_stmt block)
{
    const hone_stmt_row *row = hone_stmt_at(p, block);
    return HONE_SAME(row->first, row->last) && hone_is_loop(p, row->first) ? row->first
                                                                           : HONE_NO_STMT;
}

hone_status hone_prim__tensorize(hone_program *p, hone_stmt at, const hone_intrin *in,
                                 bool preserve_unit_iters, hone_stmt *ret, hone_error *err)
{
    unsigned steps = MAX_STEPS;
    matcher m = {.p = p, .in = in, .steps = &steps};
    bool is_block = hone_is_block(p, at) && !HONE_SAME(at, p->root);
    hone_stmt top = is_block ? only_loop(p, at) : at, outer = at;
    hone_expr value;
    if (!hone_is_loop(p, top))
        return hone_fail(err, HONE_REJECT_ARG,
                         "tensorize: takes a loop, or a block that blockize made");
    if (is_block && hone_ann_get(p, at, "hone.intrin"))
        return hone_fail(err, HONE_REJECT_ARG, "tensorize: block '%s' has an intrinsic already",
                         hone_sym_text(p, hone_stmt_at(p, at)->name));
    hone_status st = plan(&m, top, &value, err);
    if (st == HONE_OK && !is_block)
        st = hone_prim__blockize(p, top, preserve_unit_iters, &outer, err);
    if (st != HONE_OK)
        return st;
    commit(&m, outer, value);
    *ret = outer;
    return HONE_OK;
}

/* What came after may have changed what the block reads, where it lies, or the loops around it. */
hone_status hone_prim__check_intrins(hone_program *p, const hone_intrin_set *set, hone_error *err)
{
    for (hone_stmt s = p->root; s.i; s = hone_next(p, p->root, s)) {
        const hone_ann *a = hone_is_block(p, s) ? hone_ann_get(p, s, "hone.intrin") : NULL;
        const hone_intrin *in = a ? hone_intrin_find(set, hone_sym_text(p, a->text)) : NULL;
        hone_stmt top = a ? only_loop(p, s) : HONE_NO_STMT;
        unsigned steps = MAX_STEPS;
        hone_expr value;
        if (!a)
            continue;
        if (!in || !top.i)
            return hone_fail(err, HONE_REJECT_TENSORIZE,
                             "block '%s' is not what its intrinsic takes",
                             hone_sym_text(p, hone_stmt_at(p, s)->name));
        HONE_TRY(plan(&(matcher){.p = p, .in = in, .steps = &steps}, top, &value, err));
    }
    return HONE_OK;
}
