/* Random workloads, as text.
 *
 * Every float value is kept a multiple of a power of two that its dtype can add up without rounding
 * (`val`): whatever would not be is cut to small whole numbers first. So the order in which a
 * schedule adds, and whether it contracts to a fused multiply-add, cannot change a result, and
 * results are compared exactly. Elementary functions stand only outermost in results; the
 * comparison then allows for rounding. Integers wrap around, which any order agrees on. Loose
 * workloads do without all that: they are for whoever knows what rounding may do.
 * Some indices are read from memory, where there may be any number.
 *
 * Sizes have names and defaults, and what depends on them is written in terms of them, so that a
 * failure gets smaller by editing numbers (shrink.c). */
#include "tests/property/harness.h"

#include <ctype.h>
#include <math.h>

#define MAX_VARS HONE_MAX_ITERS
#define MAX_BUFS 40
#define MOST_STEPS 5000 /* of a stage */

typedef struct dim {
    char text[96];
    int64_t n;
} dim;

typedef struct var {
    char name[8];
    dim d;
} var;

/* |x| <= max, x a multiple of 2^-frac. Floats only. */
typedef struct val {
    double max;
    int frac;
} val;

typedef struct buf {
    char name[8];
    hone_dtype t;
    unsigned n_dims;
    dim dims[HONE_MAX_DIMS];
    val v;
    bool input, read;
} buf;

typedef struct maker {
    hone_rng *rng;
    bool loose; /* nothing is kept exact */
    bool deep;  /* as many indices as a statement may have, each short */
    dim sizes[4];
    buf bufs[MAX_BUFS];
    unsigned n_bufs, n_inputs;
    hone_buf body;
    /* the stage at hand */
    hone_dtype t;
    var vars[MAX_VARS];
    unsigned n_vars, n_spatial;
    unsigned loads;
} maker;

static unsigned below(maker *m, unsigned n)
{
    return (unsigned)hone_rng_below(m->rng, n);
}

static bool chance(maker *m, unsigned percent)
{
    return below(m, 100) < percent;
}

/* ---- exactness ------------------------------------------------------------------------------- */

/* Bits of a whole number that the dtype adds and stores exactly, with a few to spare. */
static int bits_of(hone_dtype t)
{
    return t == HONE_F64 ? 48 : t == HONE_F32 ? 22 : t == HONE_F16 ? 10 : 7;
}

/* f16 and bf16 are computed in f32. */
static int computed_bits(hone_dtype t)
{
    return t == HONE_F64 ? 48 : 22;
}

static bool fits(const maker *m, val v, int bits)
{
    return m->loose || (v.max * exp2(v.frac) <= exp2(bits) && v.max < 1e4);
}

static void wrap(hone_buf *b, const char *before, const char *after)
{
    char *s = hone_buf_take(b);
    hone_buf_printf(b, "%s%s%s", before, s, after);
    free(s);
}

static void cut(hone_buf *b, val *v)
{
    wrap(b, "max(min(floor(", "), 2.0), -2.0)");
    *v = (val){2, 0};
}

static val input_val(hone_dtype t)
{
    return t == HONE_F16 ? (val){2, 1} : t == HONE_BF16 ? (val){2, 0} : (val){2, 3};
}

/* ---- loads ----------------------------------------------------------------------------------- */

static const var *a_var(maker *m)
{
    return &m->vars[below(m, m->n_vars)];
}

/* An index over the variables, and the dimension that it runs over. */
static void fresh_index(maker *m, char *index, size_t n, dim *d)
{
    if (!m->n_vars || chance(m, 4)) {
        unsigned k = below(m, 3);
        snprintf(index, n, "%u", k);
        snprintf(d->text, sizeof d->text, "3");
        d->n = 3;
        return;
    }
    const var *v = a_var(m), *w = a_var(m);
    unsigned s = 1 + below(m, 3), r = 1 + below(m, 2);
    const dim vd = v->d, wd = w->d;
    const char *V = vd.text, *W = wd.text;
    switch (below(m, 12)) {
    case 0:
        snprintf(index, n, "%s - 1 - %s", V, v->name);
        *d = v->d;
        return;
    case 1:
        snprintf(index, n, "%s*%u", v->name, s);
        snprintf(d->text, sizeof d->text, "((%.30s - 1)*%u + 1)", V, s);
        d->n = (v->d.n - 1) * s + 1;
        return;
    case 2:
    case 3:
        if (v == w || strlen(V) + strlen(W) > 40)
            break;
        snprintf(index, n, "%s*%u + %s*%u", v->name, s, w->name, r);
        snprintf(d->text, sizeof d->text, "((%.20s - 1)*%u + (%.20s - 1)*%u + 1)", V, s, W, r);
        d->n = (v->d.n - 1) * s + (w->d.n - 1) * r + 1;
        return;
    case 4:
        snprintf(index, n, "%s // %u", v->name, s);
        snprintf(d->text, sizeof d->text, "((%.30s - 1)//%u + 1)", V, s);
        d->n = (v->d.n - 1) / s + 1;
        return;
    case 5:
        snprintf(index, n, "%s %% %u", v->name, s);
        snprintf(d->text, sizeof d->text, "%u", s);
        d->n = s;
        return;
    default:
        break;
    }
    snprintf(index, n, "%s", v->name);
    *d = v->d;
}

static buf *new_buf(maker *m, const char *prefix, hone_dtype t)
{
    buf *b = &m->bufs[m->n_bufs];
    *b = (buf){.t = t};
    snprintf(b->name, sizeof b->name, "%s%u", prefix, m->n_bufs++);
    return b;
}

/* An index that a new input holds, which may lie anywhere. */
static void index_from_memory(maker *m, char *index, size_t n)
{
    static const hone_dtype types[] = {HONE_I64, HONE_I32, HONE_I8, HONE_U8};
    const var *v = a_var(m);
    buf *b = new_buf(m, "A", types[below(m, HONE_LEN(types))]);
    b->input = b->read = true;
    b->n_dims = 1;
    b->dims[0] = v->d;
    m->n_inputs++;
    m->loads++;
    snprintf(index, n, chance(m, 50) ? "i64(%s[%s])" : "i64(%s[%s])*2 + 1", b->name, v->name);
}

/* An index into a dimension that is there already. */
static void index_into(maker *m, const dim *d, char *index, size_t n)
{
    if (m->n_vars && m->n_inputs < 5 && chance(m, 3)) {
        index_from_memory(m, index, n);
        return;
    }
    const var *v = m->n_vars ? a_var(m) : NULL;
    /* as a rule a variable that runs over just this dimension */
    for (unsigned k = 0; k < 2 * m->n_vars && v->d.n != d->n; k++)
        v = &m->vars[k % m->n_vars];
    if (!v)
        snprintf(index, n, chance(m, 50) ? "0" : "%s - 1", d->text);
    else if (v->d.n == d->n && chance(m, 10))
        snprintf(index, n, "%s - 1 - %s", d->text, v->name);
    else if (v->d.n <= d->n)
        snprintf(index, n, "%s", v->name);
    else if (chance(m, 50))
        snprintf(index, n, "%s %% %s", v->name, d->text);
    else
        snprintf(index, n, "min(%s, %s - 1)", v->name, d->text);
}

static int64_t count(const buf *b)
{
    int64_t n = 1;
    for (unsigned k = 0; k < b->n_dims; k++)
        n *= b->dims[k].n;
    return n;
}

/* A load of dtype `want` (cast if need be), of an earlier buffer or a new input. */
static val load(maker *m, hone_dtype want, hone_buf *out)
{
    buf *b = NULL;
    char index[HONE_MAX_DIMS][96];
    m->loads++;
    if (m->n_bufs && chance(m, 70))
        b = &m->bufs[chance(m, 60) ? m->n_bufs - 1 : below(m, m->n_bufs)];
    if (!b && m->n_inputs >= 6)
        b = &m->bufs[below(m, m->n_bufs)];
    if (b) {
        for (unsigned k = 0; k < b->n_dims; k++)
            index_into(m, &b->dims[k], index[k], sizeof index[k]);
    } else {
        b = new_buf(m, "A", chance(m, 70) ? want : (hone_dtype)below(m, HONE_DTYPE_COUNT));
        b->input = true;
        b->v = input_val(b->t);
        m->n_inputs++;
        b->n_dims = chance(m, 4) ? 0 : 1 + below(m, m->deep ? HONE_MAX_DIMS : 3);
        for (unsigned k = 0; k < b->n_dims; k++)
            fresh_index(m, index[k], sizeof index[k], &b->dims[k]);
        while (count(b) > 20000)
            b->n_dims--;
    }
    b->read = true;
    bool cast = b->t != want;
    if (cast)
        hone_buf_printf(out, "%s(", hone_dtype_name(want));
    hone_buf_printf(out, "%s[", b->name);
    for (unsigned k = 0; k < b->n_dims; k++)
        hone_buf_printf(out, "%s%s", k ? ", " : "", index[k]);
    hone_buf_puts(out, cast ? "])" : "]");
    val v = b->v;
    if (!hone_dtype_is_float(want))
        return v;
    if (b->t == HONE_BOOL)
        return (val){1, 0};
    if (!m->loose && (!hone_dtype_is_float(b->t) || (cast && !fits(m, v, bits_of(want))))) {
        wrap(out, "max(min(floor(", "), 2.0), -2.0)");
        v = (val){2, 0};
    }
    return v;
}

/* ---- expressions ----------------------------------------------------------------------------- */

static val expr(maker *m, hone_dtype t, unsigned depth, hone_buf *out);

static void condition(maker *m, hone_dtype t, unsigned depth, hone_buf *out)
{
    static const char *const compare[] = {"<", "<=", "==", "!=", ">", ">="};
    if (m->n_vars && chance(m, 50)) { /* of indices */
        const var *v = a_var(m), *w = a_var(m);
        const char *op = compare[below(m, HONE_LEN(compare))];
        if (chance(m, 50))
            hone_buf_printf(out, "%s %s %u", v->name, op, below(m, 9));
        else
            hone_buf_printf(out, "%s + %u %s %s", v->name, below(m, 4), op, w->name);
        if (chance(m, 25))
            hone_buf_printf(out, " %s %s %% 3 == 1", chance(m, 50) ? "and" : "or", v->name);
        return;
    }
    if (t == HONE_BOOL) {
        if (chance(m, 40))
            hone_buf_puts(out, "not ");
        hone_buf_puts(out, "(");
        load(m, HONE_BOOL, out);
        hone_buf_puts(out, ")");
        return;
    }
    expr(m, t, depth, out);
    hone_buf_printf(out, " %s ", compare[below(m, HONE_LEN(compare))]);
    expr(m, t, depth, out);
}

static val two(maker *m, hone_dtype t, unsigned depth, const char *open, const char *between,
               hone_buf *out, val *ret_b);

/* What has no place among exact numbers, or is of no use to schedules. */
static val loose_expr(maker *m, hone_dtype t, unsigned depth, hone_buf *out)
{
    static const char *const fns[] = {
        "exp(", "log(",  "sqrt(",     "tanh(",      "sigmoid(",      "erf(",     "sin(",
        "cos(", "atan(", "fast exp(", "fast tanh(", "fast sigmoid(", "fast erf("};
    static const char *const bits[] = {" & ", " | ", " ^ ", " << ", " >> "};
    val v = {0}, w;
    if (!hone_dtype_is_float(t) && chance(m, 15)) {
        hone_buf_puts(out, "popcount(");
        v = expr(m, t, depth - 1, out);
        hone_buf_puts(out, ")");
    } else if (!hone_dtype_is_float(t)) {
        v = two(m, t, depth - 1, "(", bits[below(m, HONE_LEN(bits))], out, &w);
    } else if (chance(m, 50)) {
        v = two(m, t, depth - 1, "(", " / ", out, &w);
    } else {
        hone_buf_puts(out, fns[below(m, HONE_LEN(fns))]);
        v = expr(m, t, depth - 1, out);
        hone_buf_puts(out, ")");
    }
    return v;
}

static void int_expr(maker *m, hone_dtype t, unsigned depth, hone_buf *out)
{
    static const char *const ops[] = {"+", "-", "*", "+", "*"};
    static const char *const divs[] = {"//", "%", "/"};
    switch (below(m, 8)) {
    case 0:
        hone_buf_puts(out, chance(m, 50) ? "min(" : "max(");
        break;
    case 1: {
        static const int by[] = {2, 3, 4, 5, 7, 8, 16, 100};
        hone_buf_puts(out, "(");
        expr(m, t, depth - 1, out);
        bool minus = t != HONE_U8 && chance(m, 30);
        hone_buf_printf(out, " %s %s%d%s)", divs[below(m, 3)], minus ? "(-" : "",
                        by[below(m, HONE_LEN(by))], minus ? ")" : "");
        return;
    }
    case 2:
        hone_buf_puts(out, "abs(");
        expr(m, t, depth - 1, out);
        hone_buf_puts(out, ")");
        return;
    case 3:
        if (t == HONE_I64 && m->n_vars && chance(m, 40)) { /* wraps around */
            hone_buf_printf(out, "(%s*6364136223846793005 + %u)", a_var(m)->name, below(m, 9));
            return;
        }
        if (m->n_vars) {
            hone_buf_puts(out, "(");
            expr(m, t, depth - 1, out);
            hone_buf_printf(out, " + %s(%s))", hone_dtype_name(t), a_var(m)->name);
            return;
        }
        /* fall through */
    default:
        hone_buf_puts(out, "(");
        expr(m, t, depth - 1, out);
        hone_buf_printf(out, " %s ", ops[below(m, HONE_LEN(ops))]);
        expr(m, t, depth - 1, out);
        hone_buf_puts(out, ")");
        return;
    }
    expr(m, t, depth - 1, out);
    hone_buf_puts(out, ", ");
    expr(m, t, depth - 1, out);
    hone_buf_puts(out, ")");
}

static val two(maker *m, hone_dtype t, unsigned depth, const char *open, const char *between,
               hone_buf *out, val *ret_b)
{
    hone_buf_puts(out, open);
    val a = expr(m, t, depth, out);
    hone_buf_puts(out, between);
    *ret_b = expr(m, t, depth, out);
    hone_buf_puts(out, ")");
    return a;
}

static val float_expr(maker *m, hone_dtype t, unsigned depth, hone_buf *out)
{
    val a, b;
    switch (below(m, 9)) {
    case 0:
    case 1:
    case 2:
        a = two(m, t, depth - 1, "(", " * ", out, &b);
        return (val){a.max * b.max, a.frac + b.frac};
    case 3:
    case 4:
        a = two(m, t, depth - 1, "(", chance(m, 50) ? " + " : " - ", out, &b);
        return (val){a.max + b.max, a.frac > b.frac ? a.frac : b.frac};
    case 5:
        a = two(m, t, depth - 1, chance(m, 50) ? "min(" : "max(", ", ", out, &b);
        return (val){fmax(a.max, b.max), a.frac > b.frac ? a.frac : b.frac};
    case 6: {
        static const char *const fns[] = {"abs(", "floor(", "ceil(", "round(", "-("};
        unsigned k = below(m, HONE_LEN(fns));
        hone_buf_puts(out, fns[k]);
        a = expr(m, t, depth - 1, out);
        hone_buf_puts(out, ")");
        return k == 0 || k == 4 ? a : (val){a.max + 1, 0};
    }
    case 7:
        hone_buf_puts(out, "(");
        a = expr(m, t, depth - 1, out);
        if (chance(m, 50)) {
            hone_buf_puts(out, " * 0.5)");
            return (val){a.max, a.frac + 1};
        }
        if (m->n_vars && chance(m, 50)) {
            hone_buf_printf(out, " - %s(%s %% 3))", hone_dtype_name(t), a_var(m)->name);
            return (val){a.max + 2, a.frac};
        }
        hone_buf_puts(out, " + 1.5)");
        return (val){a.max + 1.5, a.frac > 1 ? a.frac : 1};
    default:
        hone_buf_puts(out, "select(");
        condition(m, t, 0, out);
        hone_buf_puts(out, ", ");
        a = two(m, t, depth - 1, "", ", ", out, &b);
        return (val){fmax(a.max, b.max), a.frac > b.frac ? a.frac : b.frac};
    }
}

/* Of dtype t, exact in what t is computed in. */
static val expr(maker *m, hone_dtype t, unsigned depth, hone_buf *out)
{
    hone_buf part = {0};
    val v = {0};
    if (!depth || m->loads > 9)
        v = load(m, t, &part);
    else if (t == HONE_BOOL)
        condition(m, chance(m, 50) ? HONE_BOOL : HONE_F32, depth - 1, &part);
    else if (m->loose && chance(m, 12))
        v = loose_expr(m, t, depth, &part);
    else if (!hone_dtype_is_float(t))
        int_expr(m, t, depth, &part);
    else
        v = float_expr(m, t, depth, &part);
    if (hone_dtype_is_float(t) && !fits(m, v, computed_bits(t)))
        cut(&part, &v);
    hone_buf_add(out, part.s, part.n);
    hone_buf_free(&part);
    return v;
}

/* ---- stages ---------------------------------------------------------------------------------- */

static dim a_dim(maker *m)
{
    /* those of earlier stages, so that stages meet */
    if (m->n_bufs && chance(m, 60)) {
        const buf *b = &m->bufs[below(m, m->n_bufs)];
        if (b->n_dims)
            return b->dims[below(m, b->n_dims)];
    }
    return m->sizes[below(m, HONE_LEN(m->sizes))];
}

static int64_t steps(const maker *m)
{
    int64_t n = 1;
    for (unsigned k = 0; k < m->n_vars; k++)
        n *= m->vars[k].d.n;
    return n;
}

static void add_var(maker *m, const char *prefix, dim d)
{
    if (m->n_vars == MAX_VARS || strlen(d.text) > 60)
        return;
    var *v = &m->vars[m->n_vars];
    v->d = d;
    snprintf(v->name, sizeof v->name, "%s%u", prefix, m->n_vars++);
    if (steps(m) > MOST_STEPS)
        m->n_vars--;
}

/* Which float operands a product of many stays small for: one and minus one. */
static val reduction(maker *m, hone_buf *out)
{
    static const char *const kinds[] = {"sum", "sum", "sum", "max", "min", "prod"};
    const char *kind = kinds[below(m, HONE_LEN(kinds))];
    bool is_float = hone_dtype_is_float(m->t);
    unsigned from = m->n_vars;
    double n = 1;
    for (unsigned k = 1 + below(m, m->deep ? 8 : 3); k-- && m->n_vars < MAX_VARS;)
        add_var(m, "k", chance(m, 30) ? m->sizes[3] : a_dim(m));
    if (from == m->n_vars)
        return expr(m, m->t, 2, out);
    hone_buf_printf(out, "%s(", kind);
    for (unsigned k = from; k < m->n_vars; k++) {
        hone_buf_printf(out, "%s%s < %s", k > from ? ", " : "", m->vars[k].name, m->vars[k].d.text);
        n *= (double)m->vars[k].d.n;
    }
    hone_buf_puts(out, ") ");
    hone_buf part = {0};
    val v;
    if (is_float && kind[0] == 'p' && !m->loose) {
        hone_buf_puts(&part, "select(");
        condition(m, m->t, 0, &part);
        hone_buf_puts(&part, ", 1.0, -1.0)");
        v = (val){1, 0};
        n = 1;
    } else {
        hone_buf_puts(&part, "(");
        v = expr(m, m->t, 1 + below(m, 2), &part);
        hone_buf_puts(&part, ")");
    }
    val total = {kind[0] == 's' ? v.max * n : v.max, v.frac};
    if (is_float && !fits(m, total, bits_of(m->t))) {
        /* whole numbers small enough for this many terms, or only -1, 0 and 1 */
        if (n > exp2(bits_of(m->t)) && kind[0] == 's') {
            wrap(&part, "select(", " < 0.5, 0.0, 0.0)");
            v = (val){0, 0};
        } else {
            double most = floor(exp2(bits_of(m->t)) / n);
            const char *c = most >= 2 || kind[0] != 's' ? "2.0" : "1.0";
            char after[64];
            snprintf(after, sizeof after, "), %s), -%s)", c, c);
            wrap(&part, "max(min(floor(", after);
            v = (val){c[0] - '0', 0};
        }
        total = (val){kind[0] == 's' ? v.max * n : v.max, v.frac};
    }
    hone_buf_add(out, part.s, part.n);
    hone_buf_free(&part);
    return total;
}

/* A border of zeros around an earlier buffer or a new input. */
static val padding(maker *m, hone_buf *out)
{
    unsigned lo = below(m, 3);
    buf *b = new_buf(m, "A", m->t);
    b->input = b->read = true;
    b->v = input_val(m->t);
    m->n_inputs++;
    b->n_dims = m->n_spatial;
    hone_buf_puts(out, "select(");
    for (unsigned k = 0; k < m->n_spatial; k++) {
        const var v = m->vars[k];
        int64_t inside = v.d.n > 2 * lo ? v.d.n - 2 * lo : 1;
        snprintf(b->dims[k].text, sizeof b->dims[k].text, "max(%.60s - %u, 1)", v.d.text, 2 * lo);
        b->dims[k].n = inside;
        hone_buf_printf(out, "%s%u <= %s and %s < %s + %u", k ? " and " : "", lo, v.name, v.name,
                        b->dims[k].text, lo);
    }
    if (!m->n_spatial)
        hone_buf_puts(out, "true");
    hone_buf_printf(out, ", %s[", b->name);
    for (unsigned k = 0; k < m->n_spatial; k++)
        hone_buf_printf(out, "%s%s - %u", k ? ", " : "", m->vars[k].name, lo);
    hone_buf_puts(out, hone_dtype_is_float(m->t) ? "], 0.0)"
                       : m->t == HONE_BOOL       ? "], false)"
                                                 : "], 0)");
    return b->v;
}

/* What a tensor core or a library would do: a product over one or two shared indices. */
static val product(maker *m, hone_buf *out)
{
    unsigned from = m->n_vars;
    add_var(m, "k", a_dim(m));
    if (from == m->n_vars || m->n_inputs > 5 || !m->n_spatial || m->t == HONE_BOOL)
        return reduction(m, out);
    const var *k = &m->vars[from];
    double n = (double)k->d.n;
    hone_buf_printf(out, "sum(%s < %s) ", k->name, k->d.text);
    val v = {1, 0};
    bool small = !m->loose && hone_dtype_is_float(m->t) && 4 * n > exp2(bits_of(m->t));
    for (unsigned q = 0; q < 2; q++) {
        hone_dtype t = chance(m, 80)               ? m->t
                       : hone_dtype_is_float(m->t) ? (hone_dtype)below(m, HONE_I64)
                                                   : HONE_I8;
        buf *b = new_buf(m, "A", t);
        const var *s = &m->vars[q ? m->n_spatial - 1 : 0];
        b->input = b->read = true;
        b->v = input_val(b->t);
        m->n_inputs++;
        b->n_dims = 2;
        b->dims[q] = s->d;
        b->dims[1 - q] = k->d;
        bool flip = q && chance(m, 30);
        if (flip) {
            b->dims[0] = s->d;
            b->dims[1] = k->d;
        } else if (q) {
            b->dims[0] = k->d;
            b->dims[1] = s->d;
        }
        const char *x = q && !flip ? k->name : s->name, *y = q && !flip ? s->name : k->name;
        hone_buf_printf(out, "%s%s%s(%s[%s, %s])%s", q ? " * " : "", small ? "floor(max(min(" : "",
                        hone_dtype_name(m->t), b->name, x, y, small ? ", 1.0), -1.0))" : "");
        val w = small ? (val){1, 0} : b->v;
        v = (val){v.max * w.max, v.frac + w.frac};
    }
    if (hone_dtype_is_float(m->t) && !fits(m, (val){v.max * n, v.frac}, bits_of(m->t))) {
        wrap(out, "", " * 0.0");
        v = (val){0, 0};
    }
    return (val){v.max * n, v.frac};
}

/* A sum or a maximum over windows of a new input, which may reach beyond it on either side, be
 * longer than it, leave elements out, or lie outside of it altogether. */
static val window(maker *m, hone_buf *out)
{
    unsigned from = m->n_vars, n = 1 + below(m, 2), lo = below(m, 3), by[2], step[2];
    double steps_of_sum = 1;
    if (n > m->n_spatial || m->n_inputs > 4 || m->t == HONE_BOOL)
        return reduction(m, out);
    for (unsigned q = 0; q < n; q++)
        add_var(m, "k", m->sizes[chance(m, 70) ? 3 : below(m, 4)]);
    if (m->n_vars != from + n)
        return reduction(m, out);
    bool is_float = hone_dtype_is_float(m->t), sums = chance(m, 60), weighs = sums && chance(m, 50);
    hone_buf guard = {0}, index = {0};
    buf *b = new_buf(m, "A", m->t), *w = NULL;
    b->input = b->read = true;
    b->v = input_val(b->t);
    m->n_inputs++;
    b->n_dims = m->n_spatial;
    for (unsigned q = 0; q < m->n_spatial; q++) {
        const var *v = &m->vars[q], *k = &m->vars[from + q];
        b->dims[q] = v->d;
        if (q >= n) {
            hone_buf_printf(&index, ", %s", v->name);
            continue;
        }
        b->dims[q] = m->sizes[below(m, 4)];
        by[q] = 1 + below(m, 3);
        step[q] = 1 + below(m, 3);
        steps_of_sum *= (double)k->d.n;
        hone_buf_printf(&index, "%s%s*%u + %s*%u - %u", q ? ", " : "", v->name, by[q], k->name,
                        step[q], lo);
        hone_buf_printf(&guard, "%s%u <= %s*%u + %s*%u and %s*%u + %s*%u < %s + %u",
                        q ? " and " : "", lo, v->name, by[q], k->name, step[q], v->name, by[q],
                        k->name, step[q], b->dims[q].text, lo);
    }
    val x = b->v;
    if (weighs) {
        w = new_buf(m, "A", m->t);
        w->input = w->read = true;
        w->v = input_val(w->t);
        m->n_inputs++;
        w->n_dims = n;
        for (unsigned q = 0; q < n; q++)
            w->dims[q] = m->vars[from + q].d;
        x = (val){x.max * w->v.max, x.frac + w->v.frac};
    }
    val total = {sums ? x.max * steps_of_sum : x.max, x.frac};
    bool fits_so = !is_float || fits(m, total, bits_of(m->t));
    hone_buf_puts(out, !fits_so || !sums ? "max(" : "sum(");
    for (unsigned q = 0; q < n; q++)
        hone_buf_printf(out, "%s%s < %s", q ? ", " : "", m->vars[from + q].name,
                        m->vars[from + q].d.text);
    const char *outside = sums && fits_so ? (is_float ? "0.0" : "0") : is_float ? "-2.0" : "0";
    hone_buf_printf(out, ") select(%s, %s[%s], %s)", guard.s, b->name, index.s, outside);
    if (weighs && fits_so) {
        hone_buf_printf(out, " * %s[", w->name);
        for (unsigned q = 0; q < n; q++)
            hone_buf_printf(out, "%s%s", q ? ", " : "", m->vars[from + q].name);
        hone_buf_puts(out, "]");
    }
    hone_buf_free(&guard);
    hone_buf_free(&index);
    return fits_so ? total : b->v;
}

static void stage(maker *m, bool last)
{
    static const hone_dtype common[] = {HONE_F32, HONE_F32, HONE_F32, HONE_I32, HONE_F64};
    m->t =
        chance(m, 50) ? common[below(m, HONE_LEN(common))] : (hone_dtype)below(m, HONE_DTYPE_COUNT);
    m->n_vars = m->loads = 0;
    for (unsigned k = chance(m, 4) ? 0 : 1 + below(m, m->deep ? HONE_MAX_DIMS : 4); k--;)
        add_var(m, "i", a_dim(m));
    m->n_spatial = m->n_vars;
    hone_buf value = {0};
    val v;
    unsigned kind = below(m, 10);
    bool plain = false;
    if (kind < 3 && m->t != HONE_BOOL)
        v = reduction(m, &value);
    else if (kind < 5 && m->t != HONE_BOOL)
        v = product(m, &value);
    else if (kind == 5 && m->n_inputs < 6)
        v = padding(m, &value);
    else if (kind == 6 && m->t != HONE_BOOL)
        v = window(m, &value);
    else
        v = expr(m, m->t, 1 + below(m, 3), &value), plain = true;
    if (hone_dtype_is_float(m->t) && !fits(m, v, bits_of(m->t)) && plain)
        cut(&value, &v);
    bool rounds = last && plain && hone_dtype_is_float(m->t) && chance(m, 8);
    if (rounds) {
        static const char *const fns[] = {"exp(", "tanh(", "sigmoid(", "erf("};
        wrap(&value, fns[below(m, HONE_LEN(fns))], ")");
    }
    buf *b = new_buf(m, "T", m->t);
    b->v = v;
    b->n_dims = m->n_spatial;
    hone_buf_printf(&m->body, "  %s[", b->name);
    for (unsigned k = 0; k < m->n_spatial; k++) {
        b->dims[k] = m->vars[k].d;
        hone_buf_printf(&m->body, "%s%s", k ? ", " : "", m->vars[k].name);
    }
    hone_buf_printf(&m->body, "] = %s\n", value.s);
    hone_buf_free(&value);
}

static void declare(maker *m, hone_buf *out)
{
    for (unsigned k = 0; k < m->n_bufs; k++) {
        const buf *b = &m->bufs[k];
        const char *role = b->input                    ? (chance(m, 30) ? "const input" : "input")
                           : !b->read || chance(m, 15) ? "output"
                                                       : "temp";
        hone_buf_printf(out, "  %s %s: %s[", role, b->name, hone_dtype_name(b->t));
        for (unsigned q = 0; q < b->n_dims; q++)
            hone_buf_printf(out, "%s%s", q ? ", " : "", b->dims[q].text);
        hone_buf_puts(out, "]\n");
    }
}

static char *make(hone_rng *rng, bool loose)
{
    static const unsigned extents[] = {1, 1, 2, 3, 4, 5, 6, 7, 8, 11, 13, 16, 17, 19, 23, 31, 37};
    maker *m = hone_xcalloc(1, sizeof *m);
    hone_buf out = {0};
    m->rng = rng;
    m->loose = loose;
    m->deep = chance(m, 6);
    hone_buf_puts(&out, "kernel pair(");
    for (unsigned k = 0; k < HONE_LEN(m->sizes); k++) {
        dim *d = &m->sizes[k];
        d->n = k == 3 || m->deep ? 1 + below(m, 3) : extents[below(m, HONE_LEN(extents))];
        snprintf(d->text, sizeof d->text, "N%u", k);
        hone_buf_printf(&out, "%sN%u = %" PRId64, k ? ", " : "", k, d->n);
    }
    hone_buf_puts(&out, ") {\n");
    unsigned n = 1 + below(m, 4);
    for (unsigned k = 0; k < n && m->n_bufs + 12 < MAX_BUFS; k++)
        stage(m, k + 1 == n);
    declare(m, &out);
    hone_buf_printf(&out, "%s}\n", m->body.s);
    hone_buf_free(&m->body);
    free(m);
    return hone_buf_take(&out);
}

char *pair_workload(hone_rng *rng)
{
    return make(rng, false);
}

/* Is it the name of a buffer, or of an index? */
static bool is_named_here(const char *s, size_t n)
{
    return n > 1 && (*s == 'A' || *s == 'T' || *s == 'i' || *s == 'k') &&
           strspn(s + 1, "0123456789") == n - 1 && hone_dtype_parse(s, n) == HONE_DTYPE_COUNT;
}

void pair_workload_rename(char **text, uint64_t seed)
{
    hone_buf b = {0};
    size_t letters = seed % 32 < 16 ? 45 : 120; /* of two bytes each */
    for (const char *s = *text; *s;) {
        size_t n = 0;
        while (s[n] == '_' || isalnum((unsigned char)s[n]))
            n++;
        if (is_named_here(s, n)) {
            hone_buf_printf(&b, "`%c", *s);
            for (size_t k = 0; k < letters; k++)
                hone_buf_puts(&b, "\xc3\xa9");
            hone_buf_printf(&b, "%.*s`", (int)n, s);
        } else {
            n = n ? n : 1;
            hone_buf_add(&b, s, n);
        }
        s += n;
    }
    free(*text);
    *text = hone_buf_take(&b);
}

char *pair_workload_loose(hone_rng *rng)
{
    return make(rng, true);
}
