/* Sums of the plain code, which the oracle is made of. A sum of f32 is kept in f64 and rounded
 * once, when it is complete: in f32 and in program order 2^20 terms are off by 0.3 %. (Sums of bf16
 * and f16 are what the program says: rounded at each step, which is most of their value.)
 *
 * Done for a perfect nest of loops around one block that sums: the loops over elements go outside,
 * those of the sum inside; of the output's rows TILE elements at a time are summed, in memory that
 * stays in the first cache, and LLVM makes vectors along the row, or, if there is none, along the
 * terms: in f64 their order does not matter. */
#include "codegen/internal.h"

#define TILE 128

typedef struct sum {
    cg_leaf *leaf;
    unsigned n_elems, n_steps;
    hone_stmt elems[CG_MAX_SCOPES]; /* loops over elements, outermost first, without the row's */
    hone_stmt steps[CG_MAX_SCOPES]; /* loops of the sum */
    hone_stmt row;                  /* loop along the output's rows, or none */
    hone_dtype dtype;               /* of the output: f32 or f64 */
    cg_idx lo, hi;                  /* its part at hand */
    LLVMValueRef acc;               /* f64, one for each of the part */
} sum;

/* ---- which nests ---------------------------------------------------------------------------- */

static hone_var var_of(const cg *e, hone_stmt loop)
{
    return hone_stmt_at(&e->q, loop)->var;
}

static bool is_step(const cg *e, const cg_leaf *leaf, hone_var v)
{
    for (unsigned k = 0; k < leaf->n_first; k++) {
        if (hone_uses_var(&e->q, leaf->first[k], v)) {
            return true;
        }
    }
    return false;
}

static bool is_element(const cg *e, const cg_leaf *leaf, hone_var v)
{
    for (unsigned k = 0; k < leaf->n_index; k++) {
        if (hone_uses_var(&e->q, leaf->index[k], v)) {
            return true;
        }
    }
    return false;
}

static bool is_row(cg *e, const cg_leaf *leaf, hone_var v)
{
    cg_lin l = hone_cg__lin(e, leaf->index[leaf->n_index - 1]);
    for (uint32_t k = 0; k < l.n; k++) {
        cg_term t = e->terms.v[l.first + k];
        if (HONE_SAME(t.var, v) && t.coeff == 1) {
            return true;
        }
    }
    return false;
}

/* The conditions under which a step is the first must not speak of loops around the nest. */
static bool all_steps_inside(const cg *e, const cg_leaf *leaf)
{
    for (uint32_t v = 1; v < e->q.vars.n; v++) {
        if (e->bound[v] && is_step(e, leaf, (hone_var){v})) {
            return false;
        }
    }
    return true;
}

static bool is_sum(const cg *e, const cg_leaf *leaf)
{
    int t = hone_buffer_at(&e->q, leaf->out)->dtype;
    if (!leaf->init.i || leaf->op != HONE_OP_ADD || leaf->self_read || !leaf->n_index ||
        (t != HONE_F32 && t != HONE_F64)) {
        return false;
    }
    for (unsigned k = 0; k < leaf->n_conds; k++) {
        if (leaf->conds[k].is_where) {
            return false;
        }
    }
    return all_steps_inside(e, leaf);
}

static bool find_sum(cg *e, hone_stmt nest, sum *ret)
{
    hone_stmt s = nest;
    *ret = (sum){0};
    while (hone_is_loop(&e->q, s)) {
        hone_stmt_row r = *hone_stmt_at(&e->q, s);
        if (!HONE_SAME(r.first, r.last)) {
            return false;
        }
        s = r.first;
    }
    ret->leaf = hone_cg__leaf(e, s);
    if (!ret->leaf || !is_sum(e, ret->leaf)) {
        return false;
    }
    ret->dtype = (hone_dtype)hone_buffer_at(&e->q, ret->leaf->out)->dtype;
    for (s = nest; hone_is_loop(&e->q, s); s = hone_stmt_at(&e->q, s)->first) {
        bool step = is_step(e, ret->leaf, var_of(e, s));
        if (step == is_element(e, ret->leaf, var_of(e, s)) && hone_loop_extent(&e->q, s) > 1) {
            return false;
        }
        if (step) {
            ret->steps[ret->n_steps++] = s;
            continue;
        }
        hone_stmt other = s;
        if (is_row(e, ret->leaf, var_of(e, s))) {
            other = ret->row;
            ret->row = s;
        }
        if (other.i) {
            ret->elems[ret->n_elems++] = other;
        }
    }
    return true;
}

/* ---- their code ----------------------------------------------------------------------------- */

typedef void (*body_fn)(cg *e, sum *x);

static void nest(cg *e, sum *x, const hone_stmt *loops, unsigned n, body_fn body)
{
    if (!n) {
        body(e, x);
        return;
    }
    hone_var v = var_of(e, loops[0]);
    int64_t extent = hone_loop_extent(&e->q, loops[0]);
    cg_loop l;
    hone_cg__bind(e, v, hone_cg__open(e, hone_cg__const(0), hone_cg__const(extent), &l));
    nest(e, x, loops + 1, n - 1, body);
    hone_cg__unbind(e, v);
    l.vectorise = n == 1 && loops != x->elems && !x->row.i;
    hone_cg__close(e, &l, 1);
}

/* Along the part of the row. */
static void along(cg *e, sum *x, body_fn body)
{
    if (!x->row.i) {
        body(e, x);
        return;
    }
    cg_loop l;
    hone_cg__bind(e, var_of(e, x->row), hone_cg__open(e, x->lo, x->hi, &l));
    body(e, x);
    hone_cg__unbind(e, var_of(e, x->row));
    l.vectorise = true;
    hone_cg__close(e, &l, 1);
}

static LLVMValueRef place(cg *e, const sum *x)
{
    if (!x->row.i) {
        return x->acc;
    }
    cg_idx at = hone_cg__sub(e, e->env[var_of(e, x->row).i], x->lo);
    LLVMValueRef v = hone_cg__v(e, at);
    return LLVMBuildGEP2(e->b, e->f64, x->acc, &v, 1, "");
}

static void begin_one(cg *e, sum *x)
{
    LLVMValueRef v = hone_cg__value(e, x->leaf->init).v;
    LLVMBuildStore(e->b, hone_cg__cast(e, x->dtype, HONE_F64, v), place(e, x));
}

static void add_one(cg *e, sum *x)
{
    LLVMValueRef p = place(e, x), v = hone_cg__value(e, x->leaf->operand).v;
    v = hone_cg__cast(e, x->dtype, HONE_F64, v);
    v = LLVMBuildFAdd(e->b, LLVMBuildLoad2(e->b, e->f64, p, ""), v, "");
    if (LLVMIsAInstruction(v)) {
        LLVMSetFastMathFlags(v, LLVMFastMathAllowReassoc);
    }
    LLVMBuildStore(e->b, v, p);
}

static void end_one(cg *e, sum *x)
{
    LLVMValueRef v = LLVMBuildLoad2(e->b, e->f64, place(e, x), "");
    v = hone_cg__cast(e, HONE_F64, x->dtype, v);
    hone_cg__store(e, x->leaf, (cg_val){v, false});
}

static void add_along(cg *e, sum *x)
{
    along(e, x, add_one);
}

static void whole_sum(cg *e, sum *x)
{
    along(e, x, begin_one);
    nest(e, x, x->steps, x->n_steps, add_along);
    along(e, x, end_one);
}

static void parts_of_row(cg *e, sum *x)
{
    x->acc = hone_cg__alloca(e, e->f64, x->row.i ? TILE : 1);
    if (!x->row.i) {
        whole_sum(e, x);
        return;
    }
    int64_t extent = hone_loop_extent(&e->q, x->row);
    cg_loop l;
    x->lo = hone_cg__open(e, hone_cg__const(0), hone_cg__const(extent), &l);
    x->hi = hone_cg__add(e, x->lo, hone_cg__const(TILE));
    x->hi = hone_cg__min(e, x->hi, hone_cg__const(extent));
    whole_sum(e, x);
    hone_cg__close(e, &l, TILE);
}

bool hone_cg__plain_sum(cg *e, hone_stmt s)
{
    sum x;
    if (!find_sum(e, s, &x)) {
        return false;
    }
    e->leaf = x.leaf;
    e->where_lanes = false;
    e->fuse = false;
    e->instances++;
    nest(e, &x, x.elems, x.n_elems, parts_of_row);
    return true;
}
