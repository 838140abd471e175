/* Runs a program on real data: what a program means, for every test to compare with. */
#include "ir/interp.h"
#include "ir/internal.h"

#include <math.h>

#define MAX_TEMP_BYTES ((int64_t)1 << 33)

typedef struct machine {
    hone_interp in;
    hone_interp_reg *regs;
    char **buffers; /* by buffer id */
    hone_error *err;
    hone_status status;
    uint32_t node; /* whose code runs */
    int64_t turn;  /* of IC_TURN */
} machine;

unsigned hone_program_n_args(const hone_program *p)
{
    unsigned n = 0;
    for (uint32_t b = 1; b < p->buffers.n; b++)
        n += p->buffers.v[b].role != HONE_TEMP;
    return n;
}

/* ---- failures -------------------------------------------------------------------------------- */

static const char *block_name(const machine *m)
{
    const hone_program *p = m->in.p;
    return hone_sym_text(p, hone_stmt_at(p, m->in.nodes.v[m->node].stmt)->name);
}

static bool fail_access(machine *m, const hone_interp_access *access)
{
    const hone_program *p = m->in.p;
    const hone_buffer_row *b = hone_buffer_at(p, access->buffer);
    m->status = HONE_REJECT_OUT_OF_BOUNDS;
    if (!m->err)
        return false;
    hone_buf at = {0}, shape = {0};
    for (unsigned k = 0; k < b->n_dims; k++) {
        hone_buf_printf(&at, "%s%" PRId64, k ? ", " : "", m->regs[access->index[k]].i);
        hone_buf_printf(&shape, "%s%" PRId64, k ? ", " : "", b->shape[k]);
    }
    hone_fail(m->err, m->status, "block '%.80s' %s %.80s[%s], which has the shape [%s]",
              block_name(m), access->store ? "writes" : "reads", hone_sym_text(p, b->name),
              at.s ? at.s : "", shape.s ? shape.s : "");
    hone_buf_free(&at);
    hone_buf_free(&shape);
    return false;
}

static bool fail_iter(machine *m, unsigned k, int64_t value)
{
    const hone_program *p = m->in.p;
    const hone_iter *it = hone_iter_at(p, m->in.nodes.v[m->node].stmt, k);
    m->status = hone_fail(m->err, HONE_REJECT_OUT_OF_BOUNDS,
                          "block '%.80s': iteration variable '%.80s' is %" PRId64
                          ", its extent is %" PRId64,
                          block_name(m), hone_sym_text(p, hone_var_at(p, it->var)->name), value,
                          hone_var_at(p, it->var)->extent);
    return false;
}

static bool fail_division(machine *m)
{
    m->status = hone_fail(m->err, HONE_REJECT_CRASH, "block '%.80s' divides an integer by zero",
                          block_name(m));
    return false;
}

/* ---- values ---------------------------------------------------------------------------------- */

/* Towards zero, saturating, NaN to 0. */
static int64_t float_to_int(hone_dtype t, double v)
{
    int64_t lo, hi;
    if (t == HONE_BOOL)
        return v != 0;
    hone_ir__dtype_range(t, &lo, &hi);
    if (v != v)
        return 0;
    if (v <= (double)lo)
        return lo;
    return v >= (double)hi ? hi : (int64_t)v;
}

static hone_interp_reg cast(hone_interp_reg a, hone_dtype from, hone_dtype to)
{
    hone_interp_reg r = {0};
    if (!hone_dtype_is_float(to)) {
        if (hone_dtype_is_float(from))
            r.i = float_to_int(to, from == HONE_F64 ? a.d : (double)a.f);
        else
            r.i = to == HONE_BOOL ? a.i != 0 : hone_ir__wrap(to, a.i);
        return r;
    }
    double wide = from == HONE_F64 ? a.d : hone_dtype_is_float(from) ? (double)a.f : (double)a.i;
    if (to == HONE_F64)
        r.d = wide;
    else if (to == HONE_F32)
        r.f = hone_dtype_is_float(from) ? (float)wide : (float)a.i;
    else /* by way of f32, in which they are computed */
        r.f = (float)hone_ir__round(to, hone_dtype_is_float(from) ? (float)wide : (float)a.i);
    return r;
}

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

static float sigmoidf(float x)
{
    return 1 / (1 + expf(-x));
}

static double sin_of(double x)
{
    return fabs(x) <= HONE_MOST_ANGLE ? sin(x) : (double)NAN;
}

static float sinf_of(float x)
{
    return (float)sin_of((double)x);
}

static double cos_of(double x)
{
    return fabs(x) <= HONE_MOST_ANGLE ? cos(x) : (double)NAN;
}

static float cosf_of(float x)
{
    return (float)cos_of((double)x);
}

/* Flat offset of an access; false when an index is outside. */
static bool locate(machine *m, const hone_interp_access *access, int64_t *ret)
{
    const hone_buffer_row *b = hone_buffer_at(m->in.p, access->buffer);
    int64_t at = 0;
    for (unsigned k = 0; k < b->n_dims; k++) {
        int64_t i = m->regs[access->index[k]].i;
        if (i < 0 || i >= b->shape[k])
            return fail_access(m, access);
        at = at * b->shape[k] + i;
    }
    *ret = at;
    return true;
}

static bool divide(machine *m, hone_interp_code code, int64_t a, int64_t b, int64_t *ret)
{
    if (b == 0)
        return fail_division(m);
    if (b == -1) { /* the one quotient that may not fit wraps around */
        *ret = code == IC_FLOORMOD_I ? 0 : (int64_t)(0 - (uint64_t)a);
        return true;
    }
    *ret = a / b;
    if (code == IC_FLOORDIV_I)
        hone_ir__floordiv(a, b, ret);
    else if (code == IC_FLOORMOD_I)
        hone_ir__floormod(a, b, ret);
    return true;
}

/* ---- running --------------------------------------------------------------------------------- */

#define BINARY(code, field, expression) \
    case code:                          \
        r[x->dst].field = expression;   \
        break;
#define A_D r[x->a].d
#define B_D r[x->b].d
#define A_F r[x->a].f
#define B_F r[x->b].f
#define A_I r[x->a].i
#define B_I r[x->b].i
#define WRAPPING(code, op)                                       \
    case code:                                                   \
        r[x->dst].i = (int64_t)((uint64_t)A_I op(uint64_t) B_I); \
        break;
#define UNARY(OP, fd, ff)           \
    BINARY(IC_##OP##_D, d, fd(A_D)) \
    BINARY(IC_##OP##_F, f, ff(A_F))
#define INFIX(OP, op)                  \
    BINARY(IC_##OP##_D, d, A_D op B_D) \
    BINARY(IC_##OP##_F, f, A_F op B_F)
#define COMPARE(OP, op)                \
    BINARY(IC_##OP##_D, i, A_D op B_D) \
    BINARY(IC_##OP##_F, i, A_F op B_F) \
    BINARY(IC_##OP##_I, i, A_I op B_I)
#define PICK(OP, op)                                                                        \
    BINARY(IC_##OP##_D, d, hone_ir__extreme(HONE_OP_##OP, A_D, B_D))                        \
    BINARY(IC_##OP##_F, f, (float)hone_ir__extreme(HONE_OP_##OP, (double)A_F, (double)B_F)) \
    BINARY(IC_##OP##_I, i, A_I op B_I ? A_I : B_I)
/* Memory may be the caller's, at any alignment. */
#define MEMORY(NAME, T, field)                                            \
    case IC_LOAD_##NAME: {                                                \
        T v;                                                              \
        memcpy(&v, m->buffers[x->b] + A_I * (int64_t)sizeof v, sizeof v); \
        r[x->dst].field = v;                                              \
        break;                                                            \
    }                                                                     \
    case IC_STORE_##NAME: {                                               \
        T v = (T)r[x->dst].field;                                         \
        memcpy(m->buffers[x->b] + A_I * (int64_t)sizeof v, &v, sizeof v); \
        break;                                                            \
    }
#define MEMORY_16(NAME)                                                         \
    case IC_LOAD_##NAME:                                                        \
        r[x->dst].f = (float)hone_elem_get(HONE_##NAME, m->buffers[x->b], A_I); \
        break;                                                                  \
    case IC_STORE_##NAME:                                                       \
        hone_elem_set(HONE_##NAME, m->buffers[x->b], A_I, (double)r[x->dst].f); \
        break;

static bool run_code(machine *m, const hone_interp_inst *code)
{
    hone_interp_reg *r = m->regs;
    for (const hone_interp_inst *next = code;;) {
        const hone_interp_inst *x = next++;
        switch ((hone_interp_code)x->code) {
        case IC_END:
            return true;
        case IC_MOVE:
            r[x->dst] = r[x->a];
            break;
        case IC_JUMP:
            next = code + x->b;
            break;
        case IC_JUMP_IF:
            if (A_I)
                next = code + x->b;
            break;
        case IC_JUMP_NOT:
            if (!A_I)
                next = code + x->b;
            break;
        case IC_NEXT:
            if (++r[x->dst].i < A_I)
                next = code + x->b;
            break;
        case IC_TURN:
            m->turn++;
            break;
        case IC_NEED: /* the mark is the turn it was computed in; after it, where to go on */
            if (A_I != m->turn) {
                r[x->a + 1].i = next - code;
                next = code + x->b;
            }
            break;
        case IC_DONE:
            r[x->a].i = m->turn;
            next = code + r[x->a + 1].i;
            break;
        case IC_CHECK: {
            const hone_stmt s = m->in.nodes.v[m->node].stmt;
            if (A_I < 0 || A_I >= hone_var_at(m->in.p, hone_iter_at(m->in.p, s, x->b)->var)->extent)
                return fail_iter(m, x->b, A_I);
            break;
        }
        case IC_WRAP:
            r[x->dst].i = hone_ir__wrap((hone_dtype)x->b, A_I);
            break;
        case IC_BITS:
            r[x->dst].i = (int64_t)hone_ir__bits((hone_dtype)x->b, A_I);
            break;
        case IC_CAST:
            r[x->dst] = cast(r[x->a], (hone_dtype)(x->b >> 8), (hone_dtype)(x->b & 255));
            break;
        case IC_LOCATE:
            if (!locate(m, &m->in.accesses.v[x->b], &r[x->dst].i))
                return false;
            break;
        case IC_DIV_I:
        case IC_FLOORDIV_I:
        case IC_FLOORMOD_I:
            if (!divide(m, (hone_interp_code)x->code, A_I, B_I, &r[x->dst].i))
                return false;
            break;
            BINARY(IC_NOT, i, !A_I)
            BINARY(IC_AND, i, A_I & B_I)
            BINARY(IC_OR, i, A_I | B_I)
            BINARY(IC_ABS_I, i, A_I < 0 ? (int64_t)(0 - (uint64_t)A_I) : A_I)
            BINARY(IC_BITXOR, i, A_I ^ B_I)
            BINARY(IC_SHL, i, (uint64_t)B_I < 64 ? (int64_t)((uint64_t)A_I << B_I) : 0)
            BINARY(IC_SHR, i, (uint64_t)B_I < 64 ? (int64_t)((uint64_t)A_I >> B_I) : 0)
            BINARY(IC_POPCOUNT, i, __builtin_popcountll((uint64_t)A_I))
            WRAPPING(IC_ADD_I, +)
            WRAPPING(IC_SUB_I, -)
            WRAPPING(IC_MUL_I, *)
            INFIX(ADD, +)
            INFIX(SUB, -)
            INFIX(MUL, *)
            INFIX(DIV, /)
            PICK(MIN, <)
            PICK(MAX, >)
            COMPARE(EQ, ==)
            COMPARE(NE, !=)
            COMPARE(LT, <)
            COMPARE(LE, <=)
            BINARY(IC_POW_D, d, pow(A_D, B_D))
            BINARY(IC_POW_F, f, powf(A_F, B_F))
            UNARY(EXP, exp, expf)
            UNARY(LOG, log, logf)
            UNARY(SQRT, sqrt, sqrtf)
            UNARY(TANH, tanh, tanhf)
            UNARY(SIGMOID, sigmoid, sigmoidf)
            UNARY(ERF, erf, erff)
            UNARY(ABS, fabs, fabsf)
            UNARY(FLOOR, floor, floorf)
            UNARY(CEIL, ceil, ceilf)
            UNARY(ROUND, rint, rintf)
            UNARY(SIN, sin_of, sinf_of)
            UNARY(COS, cos_of, cosf_of)
            UNARY(ATAN, atan, atanf)
            MEMORY(F64, double, d)
            MEMORY(F32, float, f)
            MEMORY_16(F16)
            MEMORY_16(BF16)
            MEMORY(I64, int64_t, i)
            MEMORY(I32, int32_t, i)
            MEMORY(I16, int16_t, i)
            MEMORY(I8, int8_t, i)
            MEMORY(U8, uint8_t, i)
            MEMORY(BOOL, uint8_t, i)
        }
    }
}

static bool run_node(machine *m, uint32_t n);

static bool run_children(machine *m, uint32_t first)
{
    for (uint32_t c = first; c; c = m->in.nodes.v[c].next)
        if (!run_node(m, c))
            return false;
    return true;
}

static bool run_node(machine *m, uint32_t n)
{
    const hone_interp_node *node = &m->in.nodes.v[n];
    if (node->extent == 0) {
        m->node = n;
        if (!run_code(m, node->code.v))
            return false;
        return !node->first || !m->regs[node->ran].i || run_children(m, node->first);
    }
    if (node->leaf) {
        m->node = node->leaf;
        m->regs[node->var].i = 0;
        return run_code(m, node->code.v);
    }
    for (int64_t i = 0; i < node->extent; i++) {
        m->regs[node->var].i = i;
        if (!run_code(m, node->code.v) || !run_children(m, node->first))
            return false;
    }
    return true;
}

/* ---- memory ---------------------------------------------------------------------------------- */

static char *new_temp(const hone_buffer_row *b, int64_t count)
{
    hone_dtype t = (hone_dtype)b->dtype;
    size_t bytes = (size_t)count * (size_t)hone_dtype_bytes(t);
    char *base = hone_xmalloc(bytes);
    memset(base, 0xA5, bytes);
    for (int64_t k = 0; hone_dtype_is_float(t) && k < count; k++)
        hone_elem_set(t, base, k, (double)NAN);
    return base;
}

static hone_status prepare(machine *m, void *const *args)
{
    const hone_program *p = m->in.p;
    int64_t bytes = 0;
    for (uint32_t b = 1, arg = 0; b < p->buffers.n; b++) {
        const hone_buffer_row *row = &p->buffers.v[b];
        int64_t count = hone_buffer_count(p, (hone_buffer){b});
        if (row->role != HONE_TEMP) {
            m->buffers[b] = args[arg++];
            continue;
        }
        if (!m->in.used.v[b]) /* left behind by an inlining */
            continue;
        if (count > MAX_TEMP_BYTES ||
            (bytes += count * hone_dtype_bytes((hone_dtype)row->dtype)) > MAX_TEMP_BYTES)
            return hone_fail(m->err, HONE_E_LIMIT,
                             "the temporary buffers need more than 8 GiB; try smaller sizes");
        m->buffers[b] = new_temp(row, count);
    }
    return HONE_OK;
}

hone_status hone_interp_run(const hone_program *p, void *const *args, hone_error *err)
{
    machine m = {.err = err};
    hone_error_clear(err);
    hone_interp__compile(&m.in, p);
    m.regs = m.in.regs.v;
    m.buffers = hone_xcalloc(p->buffers.n, sizeof *m.buffers);
    m.status = prepare(&m, args);
    if (m.status == HONE_OK && run_code(&m, m.in.start.v))
        run_node(&m, 1);
    for (uint32_t b = 1; b < p->buffers.n; b++)
        if (p->buffers.v[b].role == HONE_TEMP)
            free(m.buffers[b]);
    free(m.buffers);
    hone_interp__free(&m.in);
    return m.status;
}
