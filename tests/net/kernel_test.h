/* For tests of kernel text: one use of an operator from a line of text, what the reference makes of
 * it, and what the interpreter makes of its kernel. */
#ifndef HONE_TESTS_KERNEL_TEST_H
#define HONE_TESTS_KERNEL_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/kernel.h"
#include "net/op/op.h"

#include <math.h>

#define TEST_MAX_TENSORS 12
#define TEST_MAX_ATTRS 16

/* An operator at an opset. Inputs, one after the other: `f32[2,3]`, behind it `@-3..3` for whole
 * numbers of that range (3 included), `=1,2` for a constant of these elements, `c` for a constant
 * of any; `-` stands for none. Attributes: `pads=1,1 mode=edge`. */
typedef struct kernel_case {
    const char *op;
    int64_t opset;
    const char *inputs, *attrs;
    unsigned n_out;
    double tolerance; /* relative to max(1, |want|); negative: absolute */
} kernel_case;

typedef struct test_use {
    const hone_net_op *op;
    hone_net_node_row node;
    hone_net_attr attrs[TEST_MAX_ATTRS];
    int64_t ints[TEST_MAX_ATTRS][HONE_MAX_DIMS * 2];
    float floats[TEST_MAX_ATTRS][HONE_MAX_DIMS];
    char text[TEST_MAX_ATTRS][64];
    hone_tensor in[TEST_MAX_TENSORS], out[TEST_MAX_TENSORS], known[TEST_MAX_TENSORS];
    hone_net_value ids[TEST_MAX_TENSORS];
    const hone_tensor *in_at[TEST_MAX_TENSORS];
    const hone_tensor *known_at[TEST_MAX_TENSORS]; /* data of constants only */
    hone_tensor *out_at[TEST_MAX_TENSORS];
    hone_net_use full, use; /* with all data; as a compiler sees it */
} test_use;

/* ---- from text ------------------------------------------------------------------------------- */

static inline void test_fill(hone_tensor *t, hone_rng *rng, int64_t lo, int64_t hi, double unit)
{
    for (int64_t k = 0; k < hone_tensor_elems(t); k++)
        hone_elem_set(t->dtype, t->data, k,
                      (double)(lo + (int64_t)hone_rng_below(rng, (uint64_t)(hi - lo + 1))) * unit);
}

static inline const char *test_tensor(const char *c, hone_tensor *t, bool *is_const, hone_rng *rng)
{
    size_t n = strcspn(c, "[");
    *t = (hone_tensor){.dtype = hone_dtype_parse(c, n)};
    assert_true(t->dtype != HONE_DTYPE_COUNT);
    for (c += n + 1; *c != ']'; c += *c == ',')
        t->shape[t->n_dims++] = strtoll(c, (char **)&c, 10);
    c++;
    t->data = hone_xcalloc((size_t)hone_tensor_elems(t) + 1, (size_t)hone_dtype_bytes(t->dtype));
    bool is_float = hone_dtype_is_float(t->dtype), is_bool = t->dtype == HONE_BOOL;
    *is_const = *c == '=' || *c == 'c';
    if (*c == '=') {
        for (int64_t k = 0; k < hone_tensor_elems(t); k++)
            hone_elem_set(t->dtype, t->data, k, strtod(c + 1, (char **)&c));
    } else if (*c == '@') {
        int64_t lo = strtoll(c + 1, (char **)&c, 10);
        int64_t hi = strtoll(c + 2, (char **)&c, 10);
        test_fill(t, rng, lo, hi, 1);
    } else {
        bool from_0 = is_bool || t->dtype == HONE_U8;
        test_fill(t, rng, from_0 ? 0 : -16, is_bool ? 1 : 16, is_float ? 0.125 : 1);
        c += *c == 'c';
    }
    return c + strspn(c, " ");
}

static inline void test_attr(test_use *u, const char *c)
{
    for (unsigned k = 0; k < u->op->n_attrs; k++) {
        hone_net_attr *a = &u->attrs[k];
        size_t n = strlen(a->name);
        if (strncmp(c, a->name, n) != 0 || c[n] != '=')
            continue;
        c += n + 1;
        a->given = true;
        snprintf(u->text[k], sizeof u->text[k], "%.*s", (int)strcspn(c, " "), c);
        if (a->kind == HONE_NET_ATTR_INT)
            a->i = strtoll(c, NULL, 10);
        if (a->kind == HONE_NET_ATTR_FLOAT)
            a->f = strtof(c, NULL);
        if (a->kind == HONE_NET_ATTR_TEXT)
            a->text = u->text[k];
        const char *end = c + strcspn(c, " ");
        for (; a->kind == HONE_NET_ATTR_INTS && c < end; c++)
            u->ints[k][a->n++] = strtoll(c, (char **)&c, 10);
        for (; a->kind == HONE_NET_ATTR_FLOATS && c < end; c++)
            u->floats[k][a->n++] = strtof(c, (char **)&c);
        return;
    }
    fail_msg("%s has no attribute %s", u->op->name, c);
}

static inline void test_attrs(test_use *u, const char *text)
{
    assert_true(u->op->n_attrs <= TEST_MAX_ATTRS);
    for (unsigned k = 0; k < u->op->n_attrs; k++) {
        const hone_net_attr_spec *s = &u->op->attrs[k];
        hone_net_attr *a = &u->attrs[k];
        *a = (hone_net_attr){.name = s->name, .kind = s->kind};
        if (s->kind == HONE_NET_ATTR_INT)
            a->i = s->i;
        if (s->kind == HONE_NET_ATTR_FLOAT)
            a->f = s->f;
        if (s->kind == HONE_NET_ATTR_TEXT)
            a->text = s->text ? s->text : "";
        if (s->kind == HONE_NET_ATTR_INTS)
            a->ints = u->ints[k];
        if (s->kind == HONE_NET_ATTR_FLOATS)
            a->floats = u->floats[k];
    }
    for (const char *c = text ? text : ""; *c; c += strcspn(c, " "), c += strspn(c, " "))
        test_attr(u, c);
}

static inline void test_make(test_use *u, const kernel_case *c)
{
    *u = (test_use){0};
    bool known;
    hone_error err = {0};
    hone_rng rng;
    hone_rng_seed(&rng, 7);
    u->op = hone_net_op_find(c->op, c->opset, &known);
    if (!u->op)
        fail_msg("%s of opset %d is no operator", c->op, (int)c->opset);
    test_attrs(u, c->attrs);
    unsigned n = 0;
    for (const char *t = c->inputs; *t; n++) {
        bool is_const = false;
        if (*t == '-') {
            t += 1 + strspn(t + 1, " ");
            continue;
        }
        t = test_tensor(t, &u->in[n], &is_const, &rng);
        u->known[n] = u->in[n];
        if (!is_const)
            u->known[n].data = NULL;
        u->in_at[n] = &u->in[n];
        u->known_at[n] = &u->known[n];
        u->ids[n].i = n + 1;
    }
    for (unsigned k = 0; k < c->n_out; k++) {
        u->out[k].dtype = HONE_DTYPE_COUNT;
        u->out_at[k] = &u->out[k];
    }
    u->node = (hone_net_node_row){.op = u->op,
                                  .name = "node",
                                  .in = u->ids,
                                  .out = u->ids,
                                  .n_in = n,
                                  .n_out = c->n_out,
                                  .attrs = u->attrs,
                                  .n_attrs = u->op->n_attrs};
    u->full = (hone_net_use){&u->node, u->in_at, u->out_at, n, c->n_out};
    u->use = (hone_net_use){&u->node, u->known_at, u->out_at, n, c->n_out};
    if (u->op->infer(&u->full, &err) != HONE_OK)
        fail_msg("%s(%s): %s", c->op, c->inputs, err.message);
}

static inline void test_drop(test_use *u)
{
    for (unsigned k = 0; k < TEST_MAX_TENSORS; k++) {
        free(u->in[k].data);
        free(u->out[k].data);
    }
}

/* ---- running --------------------------------------------------------------------------------- */

static inline void *test_room(const hone_tensor *t)
{
    return hone_xcalloc((size_t)hone_tensor_elems(t) + 1, (size_t)hone_dtype_bytes(t->dtype));
}

/* Runs a kernel's text by the interpreter. */
static inline void test_run(const char *text, void *const *args, unsigned n)
{
    hone_program p;
    hone_error err;
    if (hone_workload_parse("kernel", text, strlen(text), NULL, NULL, 0, &p, &err) != HONE_OK)
        fail_msg("%s\n%s", err.message, text);
    assert_int_equal(hone_program_n_args(&p), n);
    if (hone_interp_run(&p, args, &err) != HONE_OK)
        fail_msg("%s\n%s", err.message, text);
    hone_program_fini(&p);
}

static inline void test_same(const kernel_case *c, const char *text, const hone_tensor *want,
                             const void *got)
{
    for (int64_t k = 0; k < hone_tensor_elems(want); k++) {
        double w = hone_elem_get(want->dtype, want->data, k);
        double g = hone_elem_get(want->dtype, got, k);
        double bound = c->tolerance < 0 ? -c->tolerance : c->tolerance * fmax(1, fabs(w));
        if (w != g && !(isnan(w) && isnan(g)) && !(fabs(w - g) <= bound))
            fail_msg("%s(%s): element %" PRId64 " is %.9g, not %.9g\n%s", c->op, c->inputs, k, g, w,
                     text);
    }
}

/* A tensor's data with axis order[d] as dimension d, or (`back`) the other way round. Caller
 * frees. */
static inline void *test_reordered(const hone_tensor *t, const void *data, const uint8_t *order,
                                   bool back)
{
    void *to = test_room(t);
    int64_t stride[HONE_MAX_DIMS], n = 1, at[HONE_MAX_DIMS] = {0};
    for (unsigned d = t->n_dims; d-- > 0; n *= t->shape[order[d]])
        stride[order[d]] = n;
    for (int64_t k = 0; k < hone_tensor_elems(t); k++) {
        int64_t place = 0;
        for (unsigned d = 0; d < t->n_dims; d++)
            place += at[d] * stride[d];
        hone_elem_set(t->dtype, to, back ? k : place,
                      hone_elem_get(t->dtype, data, back ? place : k));
        for (unsigned d = t->n_dims; d-- > 0;) {
            if (++at[d] < t->shape[d])
                break;
            at[d] = 0;
        }
    }
    return to;
}

static inline void test_evaluate(test_use *u, const kernel_case *c)
{
    hone_error err = {0};
    for (unsigned i = 0; i < c->n_out; i++)
        u->out[i].data = test_room(&u->out[i]);
    if (u->op->eval(&u->full, &err) != HONE_OK)
        fail_msg("%s(%s): %s", c->op, c->inputs, err.message);
}

/* The kernel of the case computes what the reference does. */
static inline void check_kernel(const kernel_case *c)
{
    test_use u;
    hone_net_kernel_of_use k;
    hone_error err = {0};
    void *got[TEST_MAX_TENSORS], *args[2 * TEST_MAX_TENSORS];
    test_make(&u, c);
    if (hone_net_kernel_make("kernel_of", &u.use, &k, &err) != HONE_OK)
        fail_msg("%s(%s): %s", c->op, c->inputs, err.message);
    test_evaluate(&u, c);
    for (unsigned i = 0; i < c->n_out; i++)
        got[i] = test_room(&u.out[i]);
    for (uint32_t i = 0; i < k.args.n; i++)
        args[i] = k.args.v[i].is_output ? got[k.args.v[i].at] : u.in[k.args.v[i].at].data;
    test_run(k.text, args, k.args.n);
    for (unsigned i = 0; i < c->n_out; i++) {
        test_same(c, k.text, &u.out[i], got[i]);
        free(got[i]);
    }
    hone_net_kernel_of_use_free(&k);
    test_drop(&u);
}

/* So it does where all its arrays of four axes are kept in another order, and in this way, which
 * has to be one for it. */
static inline void check_kernel_in_order(const kernel_case *c, const uint8_t *order,
                                         hone_net_way way)
{
    test_use u;
    hone_error err = {0};
    hone_net_buffer in[TEST_MAX_TENSORS] = {{0}}, out[TEST_MAX_TENSORS];
    void *args[2 * TEST_MAX_TENSORS];
    unsigned n = 0, n_in;
    test_make(&u, c);
    hone_net_kernel *k = hone_net_kernel_new("in_order");
    hone_net_kernel_prefer(k, way);
    for (unsigned i = 0; i < u.use.n_in; i++)
        if (u.use.in[i])
            in[i] = hone_net_kernel_input(k, u.use.in[i]);
    for (unsigned i = 0; i < c->n_out; i++)
        out[i] = hone_net_kernel_output(k, &u.out[i]);
    for (unsigned i = 0; i < u.use.n_in; i++)
        if (in[i].i && u.in[i].n_dims == 4)
            hone_net_kernel_order(k, in[i], order);
    for (unsigned i = 0; i < c->n_out; i++)
        if (u.out[i].n_dims == 4)
            hone_net_kernel_order(k, out[i], order);
    if (hone_net_kernel_add(k, &u.use, in, out, &err) != HONE_OK)
        fail_msg("%s(%s): %s", c->op, c->inputs, err.message);
    if (way != HONE_NET_WAY_DIRECT && !hone_net_kernel_preferred(k))
        fail_msg("%s(%s) is not written by %s", c->op, c->inputs, hone_net_way_name(way));
    test_evaluate(&u, c);
    static const uint8_t same[HONE_MAX_DIMS] = {0, 1, 2, 3, 4, 5, 6, 7};
    for (unsigned i = 0; i < u.use.n_in; i++)
        if (in[i].i && hone_net_kernel_has(k, in[i]))
            args[n++] =
                test_reordered(&u.in[i], u.in[i].data, u.in[i].n_dims == 4 ? order : same, false);
    n_in = n;
    for (unsigned i = 0; i < c->n_out; i++)
        args[n++] = test_room(&u.out[i]);
    char *text = hone_net_kernel_text(k);
    test_run(text, args, n);
    for (unsigned i = 0; i < c->n_out; i++) {
        void *got =
            test_reordered(&u.out[i], args[n_in + i], u.out[i].n_dims == 4 ? order : same, true);
        test_same(c, text, &u.out[i], got);
        free(got);
    }
    while (n)
        free(args[--n]);
    free(text);
    hone_net_kernel_free(k);
    test_drop(&u);
}

#endif
