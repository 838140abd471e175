/* Kernels: one element of the result from one of each operand, which are broadcast. */
#include "net/kernel/internal.h"

typedef struct each {
    const char *op;
    unsigned of;
    const char *value[3]; /* of floats, integers, bool */
} each;

static const each table[] = {
#define HONE_NK_EACH(OP, OF, FLOATS, INTS, BOOLS) {OP, OF, {FLOATS, INTS, BOOLS}},
#include "net/kernel/elementwise.def"
#undef HONE_NK_EACH
};

static unsigned out_rank(const hone_nk *e)
{
    return hone_net_out(e->u, 0)->n_dims;
}

static hone_dtype out_type(const hone_nk *e)
{
    return hone_net_out(e->u, 0)->dtype;
}

/* ---- one expression -------------------------------------------------------------------------- */

/* `pattern` with the operands, the type and attributes put in. */
static void fill(hone_nk *e, const char *pattern, hone_buf *out)
{
    unsigned n = out_rank(e);
    for (const char *c = pattern; *c; c++) {
        if (*c != '$') {
            hone_buf_add(out, c, 1);
            continue;
        }
        c++;
        if (*c == 'T') {
            hone_buf_puts(out, hone_dtype_name(out_type(e)));
        } else if (*c == '{') {
            char name[24];
            size_t length = strcspn(c + 1, "}");
            snprintf(name, sizeof name, "%.*s", (int)length, c + 1);
            hone_buf_puts(out, hone_nk__number(hone_net_attr_float(e->u->node, name)).s);
            c += length + 1;
        } else {
            hone_buf_puts(out, hone_nk__operand(e, (unsigned)(*c - 'a'), n).s);
        }
    }
}

static hone_status put(hone_nk *e, const char *pattern)
{
    hone_buf b = {0};
    fill(e, pattern, &b);
    hone_nk__stage(e, hone_nk__out(e, 0), out_rank(e), "%s", b.s);
    hone_buf_free(&b);
    return HONE_OK;
}

hone_status hone_nk__elementwise(hone_nk *e)
{
    const char *op = e->u->node->op->name;
    for (unsigned k = 0; k < HONE_LEN(table); k++) {
        if (strcmp(table[k].op, op) != 0)
            continue;
        hone_dtype of = hone_nk__in_type(e, table[k].of);
        unsigned class = hone_dtype_is_float(of) ? 0 : of == HONE_BOOL ? 2 : 1;
        if (table[k].value[class])
            return put(e, table[k].value[class]);
        return hone_nk__refuse(e, "there is no kernel of it for %s", hone_dtype_name(of));
    }
    return hone_nk__refuse(e, "there is no kernel of it");
}

/* ---- of what an attribute or the number of inputs says --------------------------------------- */

hone_status hone_nk__cast(hone_nk *e)
{
    return put(e, "$T($a)");
}

hone_status hone_nk__variadic(hone_nk *e)
{
    const char *op = e->u->node->op->name;
    unsigned n = out_rank(e);
    bool call = strcmp(op, "Max") == 0 || strcmp(op, "Min") == 0;
    hone_buf b = {0};
    for (unsigned k = 1; call && k < e->u->n_in; k++)
        hone_buf_puts(&b, strcmp(op, "Max") == 0 ? "max(" : "min(");
    if (!call)
        hone_buf_puts(&b, "(");
    for (unsigned k = 0; k < e->u->n_in; k++)
        hone_buf_printf(&b, "%s%s%s",
                        k == 0 ? ""
                        : call ? ", "
                               : " + ",
                        hone_nk__operand(e, k, n).s, call && k ? ")" : "");
    if (!call)
        hone_buf_puts(&b, ")");
    if (strcmp(op, "Mean") == 0)
        hone_buf_printf(&b, " / %" PRIu32, e->u->n_in);
    hone_nk__stage(e, hone_nk__out(e, 0), n, "%s", b.s);
    hone_buf_free(&b);
    return HONE_OK;
}

/* Bounds are attributes before opset 11, inputs that may be missing since. */
hone_status hone_nk__clip(hone_nk *e)
{
    unsigned n = out_rank(e);
    hone_nk_text x = hone_nk__operand(e, 0, n);
    hone_buf b = {0};
    if (e->u->node->op->last < 11) {
        double lo = hone_net_attr_float(e->u->node, "min");
        double hi = hone_net_attr_float(e->u->node, "max");
        hone_nk_text low = hone_nk__number(lo), high = hone_nk__number(hi);
        hone_buf_printf(&b, "min(max(%s, %s), %s)", x.s, low.s, high.s);
    } else {
        bool lo = hone_net_in(e->u, 1), hi = hone_net_in(e->u, 2);
        hone_buf_printf(&b, "%s%s%s", hi ? "min(" : "", lo ? "max(" : "", x.s);
        if (lo)
            hone_buf_printf(&b, ", %s)", hone_nk__operand(e, 1, n).s);
        if (hi)
            hone_buf_printf(&b, ", %s)", hone_nk__operand(e, 2, n).s);
    }
    hone_nk__stage(e, hone_nk__out(e, 0), n, "%s", b.s);
    hone_buf_free(&b);
    return HONE_OK;
}

/* Integers are small enough that f64 has their powers; small constant exponents are products (one
 * of 3 is in each GELU by tanh). Floats of 16 bits, which round after each, have those of two
 * factors only. */
hone_status hone_nk__power(hone_nk *e)
{
    const hone_tensor *by = hone_net_in(e->u, 1);
    bool scalar = by->data && hone_tensor_elems(by) == 1;
    double exponent = scalar ? hone_tensor_float(by, 0) : 0;
    if (exponent == 2)
        return put(e, "$a * $a");
    if (!hone_dtype_is_float(out_type(e)))
        return put(e, "$T(round(pow(f64($a), f64($b))))");
    bool wide = out_type(e) == HONE_F32 || out_type(e) == HONE_F64;
    if (wide && exponent == 3)
        return put(e, "$a * $a * $a");
    if (wide && exponent == 4)
        return put(e, "($a * $a) * ($a * $a)");
    if (exponent == 0.5)
        return put(e, "sqrt($a)");
    return put(e, "pow($a, $T($b))");
}

hone_status hone_nk__mod(hone_nk *e)
{
    hone_dtype t = out_type(e);
    if (!hone_net_attr_int(e->u->node, "fmod"))
        return hone_dtype_is_float(t) ? hone_nk__refuse(e, "fmod=0 is for integers")
                                      : put(e, "$a % $b");
    if (!hone_dtype_is_float(t))
        return put(e, "$a - $a / $b * $b");
    /* a quotient in f64 is cut where that of f32 would be rounded up to a whole number */
    const int64_t *shape = hone_net_out(e->u, 0)->shape;
    unsigned n = out_rank(e);
    const hone_nk_row *q = hone_nk__temp_like(e, HONE_F64, shape, n, e->out[0]);
    hone_nk_text a = hone_nk__operand(e, 0, n), b = hone_nk__operand(e, 1, n);
    hone_nk_index x = hone_nk__indices(n);
    hone_nk_text at = hone_nk__at(q, &x);
    hone_nk__stage(e, q, n, "f64(%s) / f64(%s)", a.s, b.s);
    hone_nk__stage(e, hone_nk__out(e, 0), n,
                   "%s(f64(%s) - select(%s < 0, ceil(%s), floor(%s)) * f64(%s))",
                   hone_dtype_name(t), a.s, at.s, at.s, at.s, b.s);
    return HONE_OK;
}

hone_status hone_nk__is_inf(hone_nk *e)
{
    bool plus = hone_net_attr_int(e->u->node, "detect_positive") != 0;
    bool minus = hone_net_attr_int(e->u->node, "detect_negative") != 0;
    return put(e, plus && minus ? "$a == inf or $a == -inf"
                  : plus        ? "$a == inf"
                  : minus       ? "$a == -inf"
                                : "false");
}

hone_status hone_nk__bit_shift(hone_nk *e)
{
    bool left = strcmp(hone_net_attr_text(e->u->node, "direction"), "LEFT") == 0;
    return put(e, left ? "$a << $b" : "$a >> $b");
}

/* Where a network runs nothing is dropped. */
hone_status hone_nk__dropout(hone_nk *e)
{
    const hone_tensor *training = hone_net_in(e->u, 2);
    if (training && !hone_nk__is_all(training, 0))
        return hone_nk__refuse(e, "training_mode may be true");
    if (hone_net_out(e->u, 0))
        put(e, "$a");
    if (hone_net_out(e->u, 1))
        hone_nk__stage(e, hone_nk__out(e, 1), hone_net_out(e->u, 1)->n_dims,
                       hone_net_out(e->u, 1)->dtype == HONE_BOOL ? "true" : "1");
    return HONE_OK;
}
