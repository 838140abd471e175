/* Least work against counting by hand: each kernel is gone through element by element, numbers that
 * are known ahead apart from those that depend on data, then backwards from its results: an
 * operation is needed where a needed element is made of it, it depends on data, and is not the same
 * as one of its operands. No kernel, hone's own or drawn at random, may be said to need more than
 * that; those with masks and padding not less either. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "harness.h"
#include "ir/builtin.h"

/* A number that is known ahead, NAN: nobody knows which; or data. */
typedef struct value {
    bool data;
    double v;
} value;

typedef struct counting {
    hone_program p;
    value **elements; /* by buffer */
    bool **needed;
    hone_stmt block;
    int64_t at[HONE_MAX_ITERS];
    value sum;   /* of the block's element, so far */
    bool **done; /* by expression, then by the turns of the iterators in it */
    double ops[HONE_WORK_COUNT];
    bool lost; /* a condition or an index is not known */
} counting;

static hone_iter *iter_of(const counting *c, unsigned k)
{
    return hone_iter_at(&c->p, c->block, k);
}

static unsigned n_iters(const counting *c)
{
    return hone_stmt_at(&c->p, c->block)->n_iters;
}

static int64_t extent_of(const counting *c, unsigned k)
{
    return hone_var_at(&c->p, iter_of(c, k)->var)->extent;
}

/* ---- values ---------------------------------------------------------------------------------- */

static value value_of(counting *c, hone_expr e);

static int64_t place(counting *c, uint32_t buffer, const value *index, unsigned n)
{
    int64_t at = 0;
    for (unsigned d = 0; d < n; d++) {
        int64_t extent = hone_buffer_at(&c->p, (hone_buffer){buffer})->shape[d];
        bool known = !index[d].data && index[d].v >= 0 && index[d].v < (double)extent;
        c->lost = c->lost || !known;
        at = at * extent + (known ? (int64_t)index[d].v : 0);
    }
    return at;
}

static int64_t place_of_load(counting *c, hone_expr load)
{
    value index[HONE_MAX_DIMS];
    unsigned n = hone_expr_at(&c->p, load)->n_args;
    for (unsigned d = 0; d < n; d++)
        index[d] = value_of(c, hone_expr_arg(&c->p, load, d));
    return place(c, hone_expr_at(&c->p, load)->sym, index, n);
}

static bool is_own(const counting *c, hone_expr e)
{
    return hone_expr_op(&c->p, e) == HONE_OP_LOAD &&
           hone_expr_at(&c->p, e)->sym == hone_stmt_at(&c->p, c->block)->out.i;
}

static double computed(hone_op op, double a, double b)
{
    if (isnan(a) || isnan(b))
        return NAN;
    switch (op) {
    case HONE_OP_ADD:
        return a + b;
    case HONE_OP_SUB:
        return a - b;
    case HONE_OP_MUL:
        return a * b;
    case HONE_OP_DIV:
        return a / b;
    case HONE_OP_FLOORDIV:
        return floor(a / b);
    case HONE_OP_FLOORMOD:
        return a - b * floor(a / b);
    case HONE_OP_MIN:
        return fmin(a, b);
    case HONE_OP_MAX:
        return fmax(a, b);
    case HONE_OP_EQ:
        return a == b;
    case HONE_OP_NE:
        return a != b;
    case HONE_OP_LT:
        return a < b;
    case HONE_OP_LE:
        return a <= b;
    case HONE_OP_AND:
        return a != 0 && b != 0;
    case HONE_OP_OR:
        return a != 0 || b != 0;
    case HONE_OP_NOT:
        return a == 0;
    case HONE_OP_CAST:
        return a;
    case HONE_OP_EXP:
        return exp(a);
    case HONE_OP_SQRT:
        return sqrt(a);
    case HONE_OP_TANH:
        return tanh(a);
    default:
        return NAN;
    }
}

/* The operand that the operation's result is the same as, -1: none. */
static int same_as(hone_op op, value a, value b)
{
    double neutral = op == HONE_OP_MAX ? -INFINITY : op == HONE_OP_MIN ? INFINITY : 0;
    if (op != HONE_OP_ADD && op != HONE_OP_SUB && op != HONE_OP_MAX && op != HONE_OP_MIN)
        return -1;
    if (!b.data && b.v == neutral)
        return 0;
    return !a.data && a.v == neutral && op != HONE_OP_SUB ? 1 : -1;
}

static value of_two(hone_op op, value a, value b)
{
    int same = same_as(op, a, b);
    bool zero_a = !a.data && a.v == 0, zero_b = !b.data && b.v == 0;
    if (op == HONE_OP_MUL && (zero_a || zero_b))
        return zero_a ? a : b;
    if (!a.data && !b.data)
        return (value){false, computed(op, a.v, b.v)};
    if (same >= 0)
        return same ? b : a;
    value number = a.data ? b : a;
    bool zero = !number.data && number.v == 0, far = !number.data && isinf(number.v);
    if (op == HONE_OP_DIV && zero && b.data)
        return number;
    if (far && (op == HONE_OP_ADD || (op == HONE_OP_SUB && b.data)))
        return number;
    return (value){.data = true};
}

static value value_of(counting *c, hone_expr e)
{
    const hone_program *p = &c->p;
    const hone_expr_row *r = hone_expr_at(p, e);
    switch (r->op) {
    case HONE_OP_INT:
        return (value){false, (double)r->imm.i};
    case HONE_OP_FLOAT:
        return (value){false, r->imm.f};
    case HONE_OP_VAR:
        for (unsigned k = 0; k < n_iters(c); k++)
            if (iter_of(c, k)->var.i == r->sym)
                return (value){false, (double)c->at[k]};
        fail_msg("a variable that is none of the block's");
        break;
    case HONE_OP_LOAD:
        return is_own(c, e) ? c->sum : c->elements[r->sym][place_of_load(c, e)];
    case HONE_OP_SELECT: {
        value cond = value_of(c, hone_expr_arg(p, e, 0));
        c->lost = c->lost || (!cond.data && isnan(cond.v));
        return cond.data ? (value){.data = true} : value_of(c, hone_expr_arg(p, e, cond.v ? 1 : 2));
    }
    default:
        break;
    }
    value a = value_of(c, hone_expr_arg(p, e, 0));
    if (r->n_args == 2)
        return of_two((hone_op)r->op, a, value_of(c, hone_expr_arg(p, e, 1)));
    /* whether a number made of iterators is 0 is not asked, nor what is left of one that is cut */
    bool wraps = r->op == HONE_OP_CAST && !hone_has_load(p, e);
    wraps = wraps || (r->op == HONE_OP_CAST && !hone_dtype_is_float((hone_dtype)r->dtype) &&
                      !(a.v >= 0 && a.v < 128 && a.v == floor(a.v)));
    return a.data ? a : (value){false, wraps ? NAN : computed((hone_op)r->op, a.v, 0)};
}

/* ---- needs ----------------------------------------------------------------------------------- */

static void count_once(counting *c, hone_expr e)
{
    int64_t at = 0, turns = 1;
    for (unsigned k = 0; k < n_iters(c); k++)
        if (hone_uses_var(&c->p, e, iter_of(c, k)->var)) {
            at = at * extent_of(c, k) + c->at[k];
            turns *= extent_of(c, k);
        }
    if (!c->done[e.i])
        c->done[e.i] = hone_xcalloc((size_t)turns, sizeof *c->done[e.i]);
    if (c->done[e.i][at])
        return;
    c->done[e.i][at] = true;
    switch (hone_expr_op(&c->p, e)) {
    case HONE_OP_MUL:
        c->ops[HONE_WORK_MUL]++;
        break;
    case HONE_OP_ADD:
    case HONE_OP_SUB:
        c->ops[HONE_WORK_ADD]++;
        break;
    case HONE_OP_MIN:
    case HONE_OP_MAX:
        c->ops[HONE_WORK_EXTREME]++;
        break;
    case HONE_OP_DIV:
        c->ops[HONE_WORK_DIV]++;
        break;
    case HONE_OP_SQRT:
        c->ops[HONE_WORK_SQRT]++;
        break;
    case HONE_OP_EXP:
        c->ops[HONE_WORK_EXP]++;
        c->ops[HONE_WORK_FAST_EXP]++;
        break;
    case HONE_OP_TANH:
        c->ops[HONE_WORK_TANH]++;
        c->ops[HONE_WORK_FAST_TANH]++;
        break;
    case HONE_OP_LOG:
        c->ops[HONE_WORK_LOG]++;
        break;
    case HONE_OP_SIGMOID:
        c->ops[HONE_WORK_SIGMOID]++;
        c->ops[HONE_WORK_FAST_SIGMOID]++;
        break;
    case HONE_OP_ERF:
        c->ops[HONE_WORK_ERF]++;
        c->ops[HONE_WORK_FAST_ERF]++;
        break;
    case HONE_OP_POW:
        c->ops[HONE_WORK_POW]++;
        break;
    case HONE_OP_SIN:
        c->ops[HONE_WORK_SIN]++;
        break;
    case HONE_OP_COS:
        c->ops[HONE_WORK_COS]++;
        break;
    case HONE_OP_ATAN:
        c->ops[HONE_WORK_ATAN]++;
        break;
    default:
        break;
    }
}

static void need(counting *c, hone_expr e)
{
    const hone_program *p = &c->p;
    hone_op op = hone_expr_op(p, e);
    unsigned n = hone_expr_at(p, e)->n_args;
    if (!value_of(c, e).data || is_own(c, e))
        return;
    if (op == HONE_OP_LOAD) {
        c->needed[hone_expr_at(p, e)->sym][place_of_load(c, e)] = true;
    } else if (op == HONE_OP_SELECT) {
        value cond = value_of(c, hone_expr_arg(p, e, 0));
        for (unsigned k = 0; k < 3; k++)
            if (cond.data || (k && cond.v == (k == 1)))
                need(c, hone_expr_arg(p, e, k));
    } else {
        int same = n == 2 ? same_as(op, value_of(c, hone_expr_arg(p, e, 0)),
                                    value_of(c, hone_expr_arg(p, e, 1)))
                          : -1;
        if (same < 0)
            count_once(c, e);
        for (unsigned k = 0; k < n; k++)
            if (same < 0 || same == (int)k)
                need(c, hone_expr_arg(p, e, k));
    }
}

/* ---- blocks ---------------------------------------------------------------------------------- */

/* Moves on the iterators of one kind; false: all are back at 0. */
static bool step(counting *c, hone_iter_kind kind)
{
    for (unsigned k = 0; k < n_iters(c); k++) {
        if (iter_of(c, k)->kind != kind)
            continue;
        if (++c->at[k] < extent_of(c, k))
            return true;
        c->at[k] = 0;
    }
    return false;
}

static void go_through(counting *c, hone_stmt block, bool needs)
{
    hone_stmt_row r = *hone_stmt_at(&c->p, block);
    bool made = !hone_has_load(&c->p, r.value) && hone_expr_op(&c->p, r.value) != HONE_OP_SELECT;
    c->block = block;
    memset(c->at, 0, sizeof c->at);
    do {
        value index[HONE_MAX_DIMS];
        for (unsigned d = 0; d < r.n_index; d++)
            index[d] = value_of(c, hone_store_index(&c->p, block, d));
        int64_t at = place(c, r.out.i, index, r.n_index);
        if (needs && !c->needed[r.out.i][at])
            continue;
        c->sum = r.init.i ? value_of(c, r.init) : (value){.data = true};
        do {
            if (needs)
                need(c, r.value);
            c->sum = value_of(c, r.value);
        } while (step(c, HONE_REDUCE));
        if (made) /* as a number made of iterators is: nobody asks whether it is 0 */
            c->sum.v = NAN;
        c->elements[r.out.i][at] = c->sum;
    } while (step(c, HONE_SPATIAL));
}

static void fill(counting *c, uint32_t b)
{
    hone_buffer_row *row = hone_buffer_at(&c->p, (hone_buffer){b});
    int64_t n = hone_buffer_count(&c->p, (hone_buffer){b});
    c->elements[b] = hone_xcalloc((size_t)n, sizeof **c->elements);
    c->needed[b] = hone_xcalloc((size_t)n, sizeof **c->needed);
    for (int64_t k = 0; k < n; k++) {
        c->elements[b][k] = (value){row->role == HONE_INPUT && !row->is_const, NAN};
        c->needed[b][k] = row->role == HONE_OUTPUT;
    }
}

static void count_by_hand(counting *c)
{
    hone_stmt blocks[64];
    unsigned n = 0;
    c->elements = hone_xcalloc(c->p.buffers.n, sizeof *c->elements);
    c->needed = hone_xcalloc(c->p.buffers.n, sizeof *c->needed);
    c->done = hone_xcalloc(c->p.exprs.n, sizeof *c->done);
    for (uint32_t b = 1; b < c->p.buffers.n; b++)
        fill(c, b);
    for (hone_stmt s = c->p.root; s.i; s = hone_next(&c->p, c->p.root, s))
        if (hone_is_block(&c->p, s) && hone_stmt_at(&c->p, s)->out.i) {
            assert_true(n < HONE_LEN(blocks));
            go_through(c, s, false);
            blocks[n++] = s;
        }
    while (n-- > 0) {
        go_through(c, blocks[n], true);
        for (uint32_t k = 0; k < c->p.exprs.n; k++) { /* each block computes for itself */
            free(c->done[k]);
            c->done[k] = NULL;
        }
    }
    for (uint32_t b = 1; b < c->p.buffers.n; b++) {
        free(c->elements[b]);
        free(c->needed[b]);
    }
    free(c->elements);
    free(c->needed);
    free(c->done);
}

/* ---- kernels --------------------------------------------------------------------------------- */

/* Counted with the other form. */
static bool is_fast(int kind)
{
    return kind == HONE_WORK_FAST_EXP || kind == HONE_WORK_FAST_TANH ||
           kind == HONE_WORK_FAST_SIGMOID || kind == HONE_WORK_FAST_ERF;
}

/* `exact`: no more is needed than is said. */
static void check(const char *name, counting *c, bool exact)
{
    double least[HONE_WORK_COUNT];
    count_by_hand(c);
    hone_program_least_work(&c->p, least);
    assert_false(exact && c->lost);
    for (int k = 0; k < HONE_WORK_COUNT; k++) {
        if (k == HONE_WORK_OTHER || k == HONE_WORK_INT_MUL || c->lost)
            continue;
        if (least[k] > c->ops[k] * (1 + 1e-9) || (exact && least[k] != c->ops[k] && !is_fast(k)))
            fail_msg("%s: %s: at least %g, counted %g", name, hone_work_name((hone_work)k),
                     least[k], c->ops[k]);
    }
    hone_program_fini(&c->p);
}

static void check_text(const char *body, bool exact)
{
    counting c = {.block = HONE_NO_STMT};
    char *text = hone_xasprintf("kernel k() {\n%s\n}\n", body);
    hone_error err;
    if (hone_workload_parse("test", text, strlen(text), NULL, NULL, 0, &c.p, &err) != HONE_OK)
        fail_msg("%s", err.message);
    check(text, &c, exact);
    free(text);
}

static const struct {
    const char *kernel;
    hone_size sizes[9];
    bool exact;
} built_in[] = {
    {"matmul", {{"M", 5}, {"N", 4}, {"K", 3}}, true},
    {"attention", {{"B", 2}, {"H", 2}, {"L", 5}, {"D", 3}}, true},
    {"attention_causal", {{"B", 2}, {"H", 2}, {"L", 7}, {"D", 3}}, true},
    {"attention_causal", {{"B", 1}, {"H", 1}, {"L", 1}, {"D", 2}}, true},
    {"softmax", {{"M", 3}, {"N", 7}}, true},
    {"layernorm", {{"M", 3}, {"N", 7}}, true},
    {"norm", {{"B", 2}, {"M", 3}, {"N", 5}}, true},
    {"conv1d_nlc", {{"N", 1}, {"L", 9}, {"CI", 2}, {"CO", 3}}, true},
    {"conv2d_nhwc", {{"N", 1}, {"H", 6}, {"W", 5}, {"CI", 2}, {"CO", 3}}, true},
    {"conv2d_nhwc",
     {{"N", 1},
      {"H", 9},
      {"W", 8},
      {"CI", 1},
      {"CO", 2},
      {"stride", 2},
      {"pad", 2},
      {"dilation", 2}},
     true},
    {"conv2d_nhwc_bn_relu", {{"N", 1}, {"H", 5}, {"W", 5}, {"CI", 2}, {"CO", 2}}, true},
    {"depthwise_nhwc", {{"N", 1}, {"H", 6}, {"W", 5}, {"C", 3}}, true},
    {"conv2d_group_nhwc", {{"N", 1}, {"H", 4}, {"W", 5}, {"CI", 4}, {"CO", 4}, {"G", 2}}, true},
    {"conv2d_transposed_nhwc", {{"N", 1}, {"H", 4}, {"W", 3}, {"CI", 2}, {"CO", 2}}, true},
    {"capsule_conv2d_nhwc", {{"N", 1}, {"H", 5}, {"W", 4}, {"CI", 1}, {"CO", 2}, {"CAP", 2}}, true},
    {"max_pool2d_nhwc", {{"N", 1}, {"H", 7}, {"W", 6}, {"C", 2}}, false},
    {"avg_pool2d_nhwc",
     {{"N", 1}, {"H", 6}, {"W", 6}, {"C", 2}, {"R", 2}, {"S", 2}, {"pad", 0}},
     true},
    {"avg_pool2d_nhwc", {{"N", 1}, {"H", 7}, {"W", 6}, {"C", 2}}, false},
    {"conv2d_winograd_nhwc", {{"N", 1}, {"H", 6}, {"W", 7}, {"CI", 2}, {"CO", 2}}, false},
    {"conv2d_winograd_nhwc", {{"N", 1}, {"H", 10}, {"W", 8}, {"CI", 1}, {"CO", 2}}, false},
};

static void kernels_of_hone(void **state)
{
    (void)state;
    size_t n_text;
    const char *text = hone_builtin_text(&n_text);
    for (size_t k = 0; k < HONE_LEN(built_in); k++) {
        counting c = {.block = HONE_NO_STMT};
        hone_error err;
        unsigned n = 0;
        while (n < HONE_LEN(built_in[k].sizes) && built_in[k].sizes[n].name)
            n++;
        if (hone_workload_parse("built-in", text, n_text, built_in[k].kernel, built_in[k].sizes, n,
                                &c.p, &err) != HONE_OK)
            fail_msg("%s", err.message);
        check(built_in[k].kernel, &c, built_in[k].exact);
    }
}

#define SCORES                                                     \
    "input Q: f32[7, 3]\ninput K: f32[9, 3]\ninput V: f32[9, 3]\n" \
    "output O: f32[7, 3]\nS[i, j] = sum(d < 3) Q[i, d] * K[j, d]\n"
#define SUMS                                                                  \
    "\ntop[i] = max(j < 9) M[i, j]\nE[i, j] = exp(M[i, j] - top[i])\n"        \
    "total[i] = sum(j < 9) E[i, j]\nT[i, d] = sum(j < 9) E[i, j] * V[j, d]\n" \
    "O[i, d] = T[i, d] / total[i]"

/* Masks of attention: every score that is seen, and no other. */
static void masks(void **state)
{
    (void)state;
    static const char *const all[] = {
        "M[i, j] = select(j <= i + 2, S[i, j], -inf)",                /* behind by some */
        "M[i, j] = select(i - 2 <= j and j <= i, S[i, j] * 2, -inf)", /* a window */
        "M[i, j] = select(i < j, -inf, S[i, j])",                     /* turned round */
        "M[i, j] = select(j < 3 or j <= i, S[i, j], -inf)",           /* a prefix */
        "M[i, j] = select(j // 4 <= i // 4, S[i, j], -inf)",          /* by blocks */
        "M[i, j] = S[i, j] * 3 + select(j <= i, 0, -inf)",            /* added */
        "temp B: f32[7, 9]\nB[i, j] = select(j <= i, 0, -inf)\nM[i, j] = S[i, j] + B[i, j]",
        "C[i, j] = tanh(S[i, j])\nM[i, j] = select(j <= i, C[i, j], -inf)",
        "M[i, j] = select(2*j < 3*i + 1 and (i + j) % 2 == 0, S[i, j], -inf)",
        "M[i, j] = select(not (i + 1 <= j), S[i, j], -inf)",
    };
    for (size_t k = 0; k < HONE_LEN(all); k++) {
        char *text = hone_xasprintf("%s%s%s", SCORES, all[k], SUMS);
        check_text(text, true);
        free(text);
    }
    /* the weights themselves as results, and a row that sees nothing */
    check_text("input X: f32[6, 6]\noutput P: f32[6, 6]\n"
               "M[i, j] = select(j <= i, X[i, j] * 2, -inf)\ntop[i] = max(j < 6) M[i, j]\n"
               "E[i, j] = exp(M[i, j] - top[i])\ntotal[i] = sum(j < 6) E[i, j]\n"
               "P[i, j] = E[i, j] / total[i]",
               true);
    check_text("input A: f32[8, 6]\noutput Y: f32[8]\nM[i, j] = select(j < i, A[i, j] * 2, -inf)\n"
               "E[i, j] = exp(M[i, j])\nY[i] = sum(j < 6) E[i, j]",
               true);
}

/* Triangles and bands of sums, and what is only needed for some of it. */
static void parts(void **state)
{
    (void)state;
    check_text("input A: f32[6, 6]\ninput x: f32[6]\noutput y: f32[6]\n"
               "L[i, k] = select(k <= i, A[i, k], 0)\ny[i] = sum(k < 6) L[i, k] * x[k]",
               true);
    check_text("input A: f32[6, 6]\ninput B: f32[6, 4]\noutput C: f32[6, 4]\n"
               "C[i, j] = sum(k < 6) select(k <= i, A[i, k] * B[k, j], 0)",
               true);
    check_text("input A: f32[8]\ninput B: f32[8, 4]\noutput C: f32[8, 4]\nT[k] = exp(A[k])\n"
               "P[i, j] = select(i < 5, B[i, j], 0)\nC[i, j] = T[i] * P[i, j]",
               true);
    check_text("input A: f32[8]\noutput C: f32[8]\nC[i] = select(i < 3, A[i] * 2, A[i] / 3) + 1",
               true);
    /* one of both is enough */
    check_text("input A: f32[8]\ninput B: f32[8]\noutput C: f32[8]\nP[i] = select(i < 3, A[i], 0)\n"
               "S[i] = P[i] + B[i]\nC[i] = exp(S[i])",
               true);
    check_text("input A: f32[9]\noutput C: f32[8]\ntemp P: f32[9]\ntemp S: f32[8]\nP[i] = select(i "
               "< 4, A[i], 0)\n"
               "S[i] = P[i] + P[i + 1]\nC[i] = exp(S[i]) * 2",
               false);
}

/* Kernels drawn at random are never said to need more than they do. */
static void any_kernel(void **state)
{
    (void)state;
    unsigned compared = 0;
    for (uint64_t seed = 1; seed <= 1000; seed++) {
        counting c = {.block = HONE_NO_STMT};
        hone_rng rng;
        hone_error err;
        hone_rng_seed(&rng, seed);
        char *text = (seed % 2 ? pair_workload : pair_workload_loose)(&rng);
        if (hone_workload_parse("test", text, strlen(text), NULL, NULL, 0, &c.p, &err) == HONE_OK) {
            if (pair_work(&c.p) < 20000) {
                check(text, &c, false);
                compared += !c.lost;
            } else {
                hone_program_fini(&c.p);
            }
        }
        free(text);
    }
    assert_true(compared > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kernels_of_hone),
        cmocka_unit_test(masks),
        cmocka_unit_test(parts),
        cmocka_unit_test(any_kernel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
