/* online_softmax: hone's own. A softmax needs the maximum of a row before its first exponential, so
 * that all scores of the row are kept, or computed twice. The way out is that of Milakov and
 * Gimelshein ("Online normalizer calculation for softmax", 2018) and, for sums of products with the
 * exponentials, of Dao et al. ("FlashAttention", NeurIPS 2022): the row is taken in blocks,
 * exponentials are below the maximum so far, and what was added up below a smaller one is scaled
 * when the maximum grows.
 *
 *   top_init                top = the lowest number
 *   X_init                  X = 0                                       of each sum X
 *   for o                   the blocks of the row
 *     top_part[o]           the maximum of the block
 *     E_scale               exp((top - max(top, top_part[o])) * c)      of each exponential E
 *     top                   max(top, top_part[o])
 *     E[o, r]               exp((operand - top) * c)
 *     X_part[o]             sum over r of E[o, r] * ..
 *     X                     X * E_scale + X_part[o]
 *
 * As top is a number from the start, a block in which all is -infinity adds nothing, and no
 * difference of infinities is taken. Such a block may as well be left out: where a select says that
 * all of it is -infinity, the predicates of all that is in the loop leave it out. E_scale, which
 * must come before top's turn, has a reduction iterator that keeps it there. */
#include <float.h>

#include "space/prim/online_chain.h"
#include "space/prim/prim.h"

#define MAX_NAME 112

typedef struct maker {
    hone_program *p;
    const hone_prim__online *o;
    int64_t size;   /* steps in a block of the row */
    int64_t count;  /* of these blocks */
    hone_stmt loop; /* over them */
    unsigned n_skips;
    hone_expr skips[HONE_PRIM__MAX_CONDS]; /* where a block matters, over loop variables */
    int top_iters[HONE_MAX_DIMS];          /* of the maximum, by dimension */
    hone_buffer scale[HONE_PRIM__ONLINE_EXPS];
} maker;

/* Iterators that a block gets beside those of its frame. */
typedef enum extra { NO_ITER, SPATIAL_ITER, REDUCE_ITER } extra;

/* A block with its new iterators: what stands for the old ones, for the number of the block of the
 * row, and for the step in it. */
typedef struct made {
    hone_stmt block, nest;
    unsigned n;
    hone_var from[HONE_MAX_ITERS];
    hone_expr to[HONE_MAX_ITERS], bound[HONE_MAX_ITERS];
    hone_expr number, step;
} made;

static hone_expr in_block(hone_program *p, const made *m, hone_expr e)
{
    return hone_substitute(p, e, m->from, m->to, m->n);
}

/* ---- blocks and their nests ------------------------------------------------------------------ */

static void name_of(const hone_program *p, hone_stmt block, const char *suffix, char ret[MAX_NAME])
{
    snprintf(ret, MAX_NAME, "%.*s_%s",
             HONE_UTF8_CUT(hone_sym_text(p, hone_stmt_at(p, block)->name), 80), suffix);
}

static hone_expr add(hone_program *p, hone_expr a, hone_expr b)
{
    return hone_binary(p, HONE_OP_ADD, a, b);
}

static hone_expr times(hone_program *p, hone_expr a, int64_t by)
{
    return hone_binary(p, HONE_OP_MUL, a, hone_int(p, by));
}

/* The iterators of the frame, but for number `step`, each with a loop. */
static unsigned make_frame(maker *k, hone_stmt like, const hone_prim__frame *f, unsigned step,
                           hone_prim__nest *nest, hone_iter *iters, hone_expr *where, made *m)
{
    hone_program *p = k->p;
    const unsigned n = hone_stmt_at(p, like)->n_iters;
    for (unsigned q = 0; q < n; q++) {
        hone_iter old = *hone_iter_at(p, like, q);
        if (q == step)
            continue;
        char name[64];
        int64_t extent = hone_var_at(p, old.var)->extent;
        snprintf(name, sizeof name, "%.*s",
                 HONE_UTF8_CUT(hone_sym_text(p, hone_var_at(p, old.var)->name), 60));
        hone_expr at = add(p, f->start[q], hone_prim__nest_loop(p, nest, f->extent[q]));
        at = hone_simplify(p, at);
        hone_prim__require_range(p, where, at, extent);
        iters[m->n] = (hone_iter){hone_var_new(p, name, extent), old.kind, at};
        m->from[m->n] = old.var;
        m->bound[m->n] = at;
        m->to[m->n] = hone_var_expr(p, iters[m->n].var);
        m->n++;
    }
    if (f->lifted.i) { /* it is not about the steps */
        hone_expr lifted = hone_substitute(p, f->lifted, m->from, m->bound, m->n);
        hone_prim__require(p, where, lifted);
    }
    return m->n;
}

/* Makes `block` one over the frame of `like`, without the iterator `step` of that but with others:
 * o, the number of the block of the row, and r, the step in it. A block with o may be left out. */
static made make(maker *k, hone_stmt block, hone_stmt like, const hone_prim__frame *f,
                 unsigned step, extra number, extra steps)
{
    hone_program *p = k->p;
    made m = {.block = block};
    hone_prim__nest nest = {0};
    hone_iter iters[HONE_MAX_ITERS];
    hone_expr where = HONE_NO_EXPR, o = hone_var_expr(p, hone_stmt_at(p, k->loop)->var);
    hone_var old_step = hone_iter_at(p, like, step)->var;
    unsigned n = make_frame(k, like, f, step, &nest, iters, &where, &m);
    if (number != NO_ITER) {
        hone_iter_kind kind = number == REDUCE_ITER ? HONE_REDUCE : HONE_SPATIAL;
        iters[n] = (hone_iter){hone_var_new(p, "o", k->count), kind, o};
        m.number = hone_var_expr(p, iters[n++].var);
        for (unsigned c = 0; c < k->n_skips; c++)
            hone_prim__require(p, &where, k->skips[c]);
    }
    if (steps != NO_ITER) {
        hone_iter_kind kind = steps == REDUCE_ITER ? HONE_REDUCE : HONE_SPATIAL;
        hone_expr r = hone_prim__nest_loop(p, &nest, k->size), j;
        iters[n] = (hone_iter){hone_var_new(p, "r", k->size), kind, r};
        m.step = hone_var_expr(p, iters[n++].var);
        j = add(p, times(p, o, k->size), r);
        hone_prim__require(p, &where, hone_binary(p, HONE_OP_LT, j, hone_int(p, k->o->steps)));
        m.from[m.n] = old_step;
        m.to[m.n++] = hone_simplify(p, add(p, times(p, m.number, k->size), m.step));
    }
    hone_block_set_iters(p, block, iters, n);
    hone_stmt_at(p, block)->where = where;
    m.nest = hone_prim__nest_close(p, &nest, block);
    return m;
}

/* The same with a block of the chain, which leaves its old nest. */
static made remake(maker *k, hone_stmt block, const hone_prim__frame *f, unsigned step,
                   extra number, extra steps)
{
    hone_program *p = k->p;
    hone_stmt old = hone_stmt_at(p, block)->parent;
    hone_stmt_detach(p, block);
    if (hone_is_loop(p, old) && !hone_stmt_at(p, old)->first.i)
        hone_stmt_prune(p, old);
    return make(k, block, block, f, step, number, steps);
}

static made make_new(maker *k, hone_stmt like, const char *suffix, const hone_prim__frame *f,
                     unsigned step, extra number, extra steps)
{
    char name[MAX_NAME];
    name_of(k->p, like, suffix, name);
    return make(k, hone_block_new(k->p, name), like, f, step, number, steps);
}

/* Indices of the element that `like` stores; returns how many. */
static unsigned store_index(hone_program *p, hone_stmt like, const made *m, hone_expr *ret)
{
    const unsigned n = hone_stmt_at(p, like)->n_index;
    for (unsigned d = 0; d < n; d++)
        ret[d] = in_block(p, m, hone_store_index(p, like, d));
    return n;
}

/* A temporary like the one the block writes; with `parts` one more dimension, the number of the
 * block of the row. */
static hone_buffer temp_like(maker *k, hone_stmt block, const char *suffix, bool parts)
{
    hone_program *p = k->p;
    hone_buffer_row b = *hone_buffer_at(p, hone_stmt_at(p, block)->out);
    char name[MAX_NAME];
    snprintf(name, sizeof name, "%.*s_%s", HONE_UTF8_CUT(hone_sym_text(p, b.name), 80), suffix);
    if (parts)
        b.shape[b.n_dims++] = k->count;
    return hone_buffer_new(p, name, (hone_dtype)b.dtype, b.shape, b.n_dims, HONE_TEMP, HONE_GLOBAL);
}

/* ---- the maximum ----------------------------------------------------------------------------- */

static hone_expr lowest(hone_program *p, hone_dtype t)
{
    return hone_const(p, t, t == HONE_F64 ? -DBL_MAX : -FLT_MAX);
}

/* Before the loop: the block's buffer holds `value`. */
static void add_init(maker *k, hone_stmt block, const hone_prim__frame *f, unsigned step,
                     hone_expr value)
{
    hone_program *p = k->p;
    hone_expr index[HONE_MAX_DIMS];
    made m = make_new(k, block, "init", f, step, NO_ITER, NO_ITER);
    unsigned n = store_index(p, block, &m, index);
    hone_buffer out = hone_stmt_at(p, block)->out;
    hone_block_set_store(p, m.block, out, index, n, value, HONE_NO_EXPR);
    hone_stmt_insert_before(p, k->loop, m.nest);
}

static void add_maximum(maker *k)
{
    hone_program *p = k->p;
    const hone_prim__online *o = k->o;
    const hone_stmt top = o->top;
    const hone_buffer out = hone_stmt_at(p, top)->out;
    hone_expr init = hone_stmt_at(p, top)->init, index[HONE_MAX_DIMS], part[HONE_MAX_DIMS];
    add_init(k, top, &o->frame, o->step, lowest(p, (hone_dtype)hone_buffer_at(p, out)->dtype));

    hone_buffer parts = temp_like(k, top, "part", true);
    made m = make_new(k, top, "part", &o->frame, o->step, SPATIAL_ITER, REDUCE_ITER);
    unsigned n = store_index(p, top, &m, index);
    index[n] = m.number;
    hone_expr own = hone_load(p, parts, index, n + 1);
    hone_expr value = hone_binary(p, HONE_OP_MAX, own, in_block(p, &m, o->operand));
    hone_block_set_store(p, m.block, parts, index, n + 1, value, init);
    hone_stmt_append(p, k->loop, m.nest);

    for (unsigned q = 0; q < o->n_exps; q++) {
        const hone_stmt e = o->exps[q].block;
        char name[MAX_NAME];
        k->scale[q] = temp_like(k, top, "scale", false);
        name_of(p, e, "scale", name);
        m = make(k, hone_block_new(p, name), top, &o->frame, o->step, REDUCE_ITER, NO_ITER);
        store_index(p, top, &m, index);
        memcpy(part, index, sizeof part);
        part[n] = m.number;
        own = hone_load(p, out, index, n);
        value = hone_binary(p, HONE_OP_MAX, own, hone_load(p, parts, part, n + 1));
        value = hone_binary(p, HONE_OP_SUB, own, value);
        if (o->exps[q].scale.i)
            value = hone_binary(p, HONE_OP_MUL, value, o->exps[q].scale);
        value = hone_unary(p, HONE_OP_EXP, value);
        hone_block_set_store(p, m.block, k->scale[q], index, n, value, HONE_NO_EXPR);
        hone_stmt_append(p, k->loop, m.nest);
    }
    hone_expr old_index[HONE_MAX_DIMS];
    for (unsigned d = 0; d < n; d++)
        old_index[d] = hone_store_index(p, top, d);
    m = remake(k, top, &o->frame, o->step, REDUCE_ITER, NO_ITER);
    for (unsigned d = 0; d < n; d++)
        part[d] = index[d] = in_block(p, &m, old_index[d]);
    part[n] = m.number;
    value =
        hone_binary(p, HONE_OP_MAX, hone_load(p, out, index, n), hone_load(p, parts, part, n + 1));
    hone_block_set_store(p, top, out, index, n, value, HONE_NO_EXPR);
    hone_stmt_append(p, k->loop, m.nest);
}

/* ---- exponentials and sums ------------------------------------------------------------------- */

/* The exponentials of one block of the row after the other: dimension `dim`, the steps, becomes the
 * number of the block and the step in it. The name goes along, as the old row is used no more. */
static hone_buffer cut_buffer(maker *k, hone_buffer from, unsigned dim)
{
    hone_program *p = k->p;
    hone_buffer_row b = *hone_buffer_at(p, from);
    for (unsigned d = b.n_dims++; d > dim; d--)
        b.shape[d] = b.shape[d - 1];
    b.shape[dim] = k->count;
    b.shape[dim + 1] = k->size;
    hone_buffer to = hone_buffer_new(p, hone_sym_text(p, b.name), (hone_dtype)b.dtype, b.shape,
                                     b.n_dims, HONE_TEMP, (hone_scope)b.scope);
    hone_sym fresh = hone_buffer_at(p, to)->name;
    hone_buffer_at(p, to)->name = b.name;
    hone_buffer_at(p, from)->name = fresh;
    return to;
}

/* The same with n indices. */
static void cut_index(hone_expr *index, unsigned n, unsigned dim, const made *m)
{
    for (unsigned d = n; d > dim; d--)
        index[d] = index[d - 1];
    index[dim] = m->number;
    index[dim + 1] = m->step;
}

typedef struct swap {
    hone_expr from, to;
} swap;

static hone_expr swap_node(void *ctx, hone_program *p, hone_expr e)
{
    const swap *s = ctx;
    (void)p;
    return HONE_SAME(e, s->from) ? s->to : e;
}

static void add_sum(maker *k, const hone_prim__online_sum *x, hone_buffer exps, unsigned dim)
{
    hone_program *p = k->p;
    const hone_buffer out = hone_stmt_at(p, x->block)->out;
    const unsigned step = (unsigned)x->iter_of[k->o->step];
    hone_expr init = hone_stmt_at(p, x->block)->init, index[HONE_MAX_DIMS], part[HONE_MAX_DIMS];
    hone_expr old_index[HONE_MAX_DIMS], by[HONE_MAX_DIMS], load[HONE_MAX_DIMS];
    add_init(k, x->block, &x->frame, step, init);

    hone_buffer parts = temp_like(k, x->block, "part", true);
    made m = make_new(k, x->block, "part", &x->frame, step, SPATIAL_ITER, REDUCE_ITER);
    unsigned n = store_index(p, x->block, &m, index), n_load = hone_expr_at(p, x->load)->n_args;
    index[n] = m.number;
    for (unsigned d = 0; d < n_load; d++)
        load[d] = hone_expr_arg(p, x->load, d);
    cut_index(load, n_load, dim, &m);
    swap s = {x->load, hone_load(p, exps, load, n_load + 1)};
    hone_expr value = in_block(p, &m, hone_rewrite(p, x->operand, swap_node, &s));
    value = add(p, hone_load(p, parts, index, n + 1), value);
    hone_block_set_store(p, m.block, parts, index, n + 1, value, init);
    hone_stmt_append(p, k->loop, m.nest);

    const hone_iter *iters = &p->iters.v[hone_stmt_at(p, x->block)->iters];
    const unsigned n_by = hone_buffer_at(p, k->scale[x->exp])->n_dims;
    for (unsigned d = 0; d < n_by; d++) {
        int q = k->top_iters[d] < 0 ? -1 : x->iter_of[k->top_iters[d]];
        by[d] = q < 0 ? hone_int(p, 0) : hone_var_expr(p, iters[q].var);
    }
    for (unsigned d = 0; d < n; d++)
        old_index[d] = hone_store_index(p, x->block, d);
    m = remake(k, x->block, &x->frame, step, REDUCE_ITER, NO_ITER);
    for (unsigned d = 0; d < n; d++)
        part[d] = index[d] = in_block(p, &m, old_index[d]);
    part[n] = m.number;
    for (unsigned d = 0; d < n_by; d++)
        by[d] = in_block(p, &m, by[d]);
    value = hone_binary(p, HONE_OP_MUL, hone_load(p, out, index, n),
                        hone_load(p, k->scale[x->exp], by, n_by));
    value = add(p, value, hone_load(p, parts, part, n + 1));
    hone_block_set_store(p, x->block, out, index, n, value, HONE_NO_EXPR);
    hone_stmt_append(p, k->loop, m.nest);
}

/* The exponential, and its sums. */
static void add_exp(maker *k, unsigned which)
{
    hone_program *p = k->p;
    const hone_prim__online_exp *x = &k->o->exps[which];
    const unsigned step = (unsigned)x->iter_of[k->o->step];
    hone_expr index[HONE_MAX_DIMS], old_index[HONE_MAX_DIMS];
    hone_expr value = hone_stmt_at(p, x->block)->value;
    hone_expr j = hone_var_expr(p, hone_iter_at(p, x->block, step)->var);
    unsigned n = hone_stmt_at(p, x->block)->n_index, dim = 0;
    for (unsigned d = 0; d < n; d++) {
        old_index[d] = hone_store_index(p, x->block, d);
        if (HONE_SAME(old_index[d], j))
            dim = d;
    }
    hone_buffer to = cut_buffer(k, hone_stmt_at(p, x->block)->out, dim);
    made m = remake(k, x->block, &x->frame, step, SPATIAL_ITER, SPATIAL_ITER);
    for (unsigned d = 0; d < n; d++)
        index[d] = in_block(p, &m, old_index[d]);
    cut_index(index, n, dim, &m);
    hone_block_set_store(p, x->block, to, index, n + 1, in_block(p, &m, value), HONE_NO_EXPR);
    hone_stmt_append(p, k->loop, m.nest);
    for (unsigned q = 0; q < k->o->n_sums; q++)
        if (k->o->sums[q].exp == which)
            add_sum(k, &k->o->sums[q], to, dim);
}

/* ---- the whole ------------------------------------------------------------------------------- */

/* Does the block run for no other rows than the maximum? */
static bool rows_are_covered(const hone_program *p, const hone_prim__online *o,
                             const hone_prim__frame *f, const int *iter_of)
{
    for (unsigned q = 0; q < hone_stmt_at(p, o->top)->n_iters; q++) {
        if (q == o->step || iter_of[q] < 0)
            continue;
        if (!HONE_SAME(f->start[iter_of[q]], o->frame.start[q]) ||
            f->extent[iter_of[q]] > o->frame.extent[q])
            return false;
    }
    return true;
}

static bool fits(const hone_program *p, hone_stmt block)
{
    return hone_stmt_at(p, block)->n_index < HONE_MAX_DIMS &&
           hone_stmt_at(p, block)->n_iters + 1 < HONE_MAX_ITERS;
}

static hone_status check(const hone_program *p, const hone_prim__online *o, int64_t size,
                         hone_error *err)
{
    bool covered = true, small = fits(p, o->top);
    if (size < 1)
        return hone_fail(err, HONE_REJECT_ARG, "online_softmax: a block of %" PRId64 " steps",
                         size);
    for (unsigned q = 0; q < o->n_exps; q++) {
        small = small && fits(p, o->exps[q].block);
        covered = covered && rows_are_covered(p, o, &o->exps[q].frame, o->exps[q].iter_of);
    }
    for (unsigned q = 0; q < o->n_sums; q++) {
        small = small && fits(p, o->sums[q].block);
        covered = covered && rows_are_covered(p, o, &o->sums[q].frame, o->sums[q].iter_of);
    }
    if (!small)
        return hone_fail(err, HONE_REJECT_TOO_BIG,
                         "online_softmax: a block has too many dimensions or iterators");
    if (!covered)
        return hone_fail(err, HONE_REJECT_NOT_AFFINE,
                         "online_softmax: a sum runs for other rows than the maximum");
    return HONE_OK;
}

/* A mask is `e < 0` for some element of the block of the row where its least value is. */
static void find_skips(maker *k)
{
    hone_program *p = k->p;
    const hone_prim__online *o = k->o;
    const unsigned n = hone_stmt_at(p, o->top)->n_iters;
    hone_expr number = hone_var_expr(p, hone_stmt_at(p, k->loop)->var);
    hone_var vars[HONE_MAX_ITERS];
    int64_t c[HONE_MAX_ITERS], known;
    for (unsigned q = 0; q < n; q++)
        vars[q] = hone_iter_at(p, o->top, q)->var;
    for (unsigned m = 0; m < o->n_masks; m++) {
        hone_expr least;
        if (!hone_linear(p, o->masks[m], vars, n, c, &least))
            continue;
        for (unsigned q = 0; q < n; q++) {
            bool step = q == o->step;
            hone_expr start = step ? times(p, number, k->size) : o->frame.start[q];
            int64_t extent = step ? k->size : o->frame.extent[q];
            least = add(p, least, times(p, start, c[q]));
            if (c[q] < 0)
                least = add(p, least, hone_int(p, c[q] * (extent - 1)));
        }
        least = hone_simplify(p, hone_binary(p, HONE_OP_LT, least, hone_int(p, 0)));
        if (!hone_is_int(p, least, &known))
            k->skips[k->n_skips++] = least;
    }
}

hone_status hone_prim__online_softmax(hone_program *p, hone_stmt top, int64_t size, hone_stmt *ret,
                                      hone_error *err)
{
    hone_prim__online o;
    HONE_TRY(hone_prim__online_find(p, top, &o, err));
    HONE_TRY(check(p, &o, size, err));
    maker k = {.p = p, .o = &o, .size = size < o.steps ? size : o.steps};
    k.count = (o.steps + k.size - 1) / k.size;
    if (!hone_prim__store_iters(p, top, k.top_iters)) /* as online_find has seen */
        return hone_fail(err, HONE_REJECT_NOT_AFFINE, "online_softmax: not stored at iterators");
    char name[64];
    hone_var step = hone_iter_at(p, top, o.step)->var;
    snprintf(name, sizeof name, "%.*s_o",
             HONE_UTF8_CUT(hone_sym_text(p, hone_var_at(p, step)->name), 60));
    k.loop = hone_loop_new(p, name, k.count);
    hone_stmt_insert_before(p, o.nest, k.loop);
    find_skips(&k);
    add_maximum(&k);
    for (unsigned q = 0; q < o.n_exps; q++)
        add_exp(&k, q);
    *ret = k.loop;
    return HONE_OK;
}
