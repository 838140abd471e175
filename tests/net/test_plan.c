/* Plans of small models, on which what they leave out can be tried: views of images, alternatives,
 * parts of values. */
#include "net/op/op.h"
#include "net/plan.h"
#include "tests/net/plan_test.h"

#include <math.h>

/* ---- models ---------------------------------------------------------------------------------- */

/* t1 = relu(conv(x)), of 1 x 6 x 4 x 4 */
static hone_buf image(hone_rng *rng)
{
    hone_buf g = {0};
    put_value(&g, 11, "x", FLOAT, DIMS(1, 2, 4, 4));
    put_floats(&g, "w", DIMS(6, 2, 3, 3), rng);
    hone_buf n = node_of("Conv", "x w", "t0");
    put_attr_ints(&n, "pads", DIMS(1, 1, 1, 1));
    put_message(&g, 1, &n);
    put_node(&g, "Relu", "t0", "t1");
    return g;
}

/* ---- views ----------------------------------------------------------------------------------- */

static unsigned random_shape(hone_rng *rng, int64_t count, int64_t ret[HONE_MAX_DIMS])
{
    unsigned n = 0;
    while (n < 5) { /* a divisor of what is left, often all or nothing of it */
        int64_t d = 1 + (int64_t)hone_rng_below(rng, (uint64_t)count);
        while (count % d)
            d--;
        ret[n++] = d;
        count /= d;
        if (count == 1 && hone_rng_below(rng, 2))
            break;
    }
    ret[n - 1] *= count;
    return n;
}

typedef struct shape {
    unsigned n;
    int64_t d[HONE_MAX_DIMS];
} shape;

/* t(k+1), a view of tk, of that shape, which becomes the new one. */
static void put_view(hone_buf *g, hone_rng *rng, unsigned k, shape *s)
{
    char in[16], out[16], name[16], both[40];
    snprintf(in, sizeof in, "t%u", k);
    snprintf(out, sizeof out, "t%u", k + 1);
    snprintf(name, sizeof name, "s%u", k);
    if (hone_rng_below(rng, 2)) {
        int64_t perm[HONE_MAX_DIMS];
        shape old = *s;
        for (unsigned d = 0; d < s->n; d++) {
            unsigned at = (unsigned)hone_rng_below(rng, d + 1);
            perm[d] = perm[at];
            perm[at] = d;
        }
        for (unsigned d = 0; d < s->n; d++)
            s->d[d] = old.d[perm[d]];
        hone_buf n = node_of("Transpose", in, out);
        put_attr_ints(&n, "perm", perm, s->n);
        put_message(g, 1, &n);
        return;
    }
    s->n = random_shape(rng, 96, s->d);
    put_raw(g, name, INT64, DIMS(s->n), s->d, s->n * sizeof *s->d);
    snprintf(both, sizeof both, "%s %s", in, name);
    put_node(g, "Reshape", both, out);
}

/* Chains of reshapes and transpositions behind an image. */
static void views_of_images(void **state)
{
    (void)state;
    hone_rng rng;
    hone_rng_seed(&rng, 3);
    for (unsigned k = 0; k < 150; k++) {
        hone_buf g = image(&rng);
        shape s = {4, {1, 6, 4, 4}};
        unsigned at = 1, n = 1 + (unsigned)hone_rng_below(&rng, 4);
        for (unsigned i = 0; i < n; i++, at++)
            put_view(&g, &rng, at, &s);
        char last[16];
        snprintf(last, sizeof last, "t%u", at);
        bool ends = hone_rng_below(&rng, 3) == 0; /* with a view */
        put_node(&g, ends ? "Identity" : "Sigmoid", last, "y");
        put_value(&g, 12, "y", FLOAT, s.d, s.n);
        hone_buf m = model_of(&g, 13);
        hone_tensor x = random_input(&rng);
        check_model(&m, &x, NULL);
        free(x.data);
        hone_buf_free(&m);
    }
}

static void is_last(hone_net_plan *p)
{
    hone_buf b = {0};
    hone_net_plan_print(p, HONE_NET_LAYOUT, &b);
    if (!strstr(b.s, "in order 0,2,3,1 = Conv Relu"))
        fail_msg("%s", b.s);
    hone_buf_free(&b);
}

/* Patches to rows: the image keeps its channels last, and nothing is copied. */
static void patches(void **state)
{
    (void)state;
    hone_rng rng;
    hone_rng_seed(&rng, 5);
    hone_buf g = image(&rng);
    put_raw(&g, "s", INT64, DIMS(3), (const int64_t[]){1, 6, 16}, 3 * sizeof(int64_t));
    put_node(&g, "Reshape", "t1 s", "t2");
    hone_buf n = node_of("Transpose", "t2", "t3");
    put_attr_ints(&n, "perm", DIMS(0, 2, 1));
    put_message(&g, 1, &n);
    put_node(&g, "Sigmoid", "t3", "y");
    put_value(&g, 12, "y", FLOAT, DIMS(1, 16, 6));
    hone_buf m = model_of(&g, 13);
    hone_tensor x = random_input(&rng);
    check_model(&m, &x, is_last);
    free(x.data);
    hone_buf_free(&m);
}

/* ---- alternatives ---------------------------------------------------------------------------- */

static void has_three(hone_net_plan *p)
{
    const hone_net_call *c = &p->calls.v[0];
    assert_int_equal(c->ways.n, 3);
    assert_int_equal(c->kernel, c->ways.v[0].kernel);
    assert_int_equal(p->choices.n, 1);
    assert_int_equal(p->choices.v[0].n, 3);
    for (uint32_t k = 0; k < 3; k++) {
        const hone_net_kernel_row *row = &p->kernels.v[c->ways.v[k].kernel];
        assert_true(c->ways.v[k].way == k && p->choices.v[0].covers[k].way[0] == k);
        assert_int_equal(p->choices.v[0].covers[k].kernel[0], c->ways.v[k].kernel);
        assert_int_equal(row->n_calls, k == 0);
        assert_int_equal(row->n_always, 0);
    }
    assert_int_equal(p->kernels.v[3].n_always, 1);
}

static void take(hone_net_plan *p, const double *ns, const char *name)
{
    has_three(p);
    hone_net_plan_choose(p, ns);
    assert_int_equal(p->kernels.n, 2);
    assert_string_equal(p->kernels.v[0].name, name);
    assert_true(p->calls.v[0].kernel == 0 && p->calls.v[0].ways.n == 1 &&
                p->kernels.v[0].n_calls == 1 && p->kernels.v[0].n_always == 1);
}

static void take_none(hone_net_plan *p)
{
    take(p, (double[]){0, 0, 0, 0}, "conv_relu");
}

static void take_direct(hone_net_plan *p)
{
    take(p, (double[]){5, 6, 7, 1}, "conv_relu");
}

static void take_fastest(hone_net_plan *p)
{
    take(p, (double[]){5, 4, 3, 1}, "conv_relu_winograd4");
}

static void take_second(hone_net_plan *p)
{
    take(p, (double[]){9, 8, 0, 1}, "conv_relu_winograd2");
}

static void take_against_nothing(hone_net_plan *p)
{
    take(p, (double[]){0, 9, 0, 1}, "conv_relu");
}

/* Whichever is taken computes the same, alone in the plan. */
static void alternatives(void **state)
{
    (void)state;
    hone_rng rng;
    hone_rng_seed(&rng, 7);
    hone_buf g = image(&rng);
    hone_buf n = node_of("MaxPool", "t1", "y"); /* so that the image is between two kernels */
    put_attr_ints(&n, "kernel_shape", DIMS(2, 2));
    put_message(&g, 1, &n);
    put_value(&g, 12, "y", FLOAT, DIMS(1, 6, 3, 3));
    hone_buf m = model_of(&g, 13);
    hone_tensor x = random_input(&rng);
    void (*const looks[])(hone_net_plan *) = {take_none, take_direct, take_fastest, take_second,
                                              take_against_nothing};
    for (unsigned k = 0; k < HONE_LEN(looks); k++)
        check_model(&m, &x, looks[k]);
    free(x.data);
    hone_buf_free(&m);
}

static void may_be_product(hone_net_plan *p)
{
    assert_int_equal(p->choices.n, 1);
    assert_int_equal(p->choices.v[0].n, 2);
    assert_int_equal(p->choices.v[0].covers[0].way[0], HONE_NET_WAY_DIRECT);
    assert_int_equal(p->choices.v[0].covers[1].way[0], HONE_NET_WAY_PRODUCT);
}

static void is_product(hone_net_plan *p)
{
    may_be_product(p);
    double *ns = hone_xcalloc(p->kernels.n, sizeof *ns);
    for (uint32_t k = 0; k < p->kernels.n; k++)
        ns[k] = k == p->choices.v[0].covers[1].kernel[0] ? 1 : 2;
    hone_net_plan_choose(p, ns);
    free(ns);
}

static void is_direct(hone_net_plan *p)
{
    assert_int_equal(p->choices.n, 0);
}

/* Of 1 x 1, over images seven places wide and eight: of two by two before it, which pads. */
static void products_of_places(void **state)
{
    (void)state;
    static const struct {
        int64_t after; /* so many zeros; two before */
        void (*look)(hone_net_plan *p);
    } cases[] = {{2, may_be_product}, {2, is_product}, {3, is_direct}};
    hone_rng rng;
    hone_rng_seed(&rng, 9);
    for (unsigned k = 0; k < HONE_LEN(cases); k++) {
        int64_t after = cases[k].after, wide = 5 + after;
        hone_buf g = {0}, n = node_of("Conv", "x w", "t0");
        put_value(&g, 11, "x", FLOAT, DIMS(1, 2, 4, 4));
        put_floats(&g, "w", DIMS(6, 2, 2, 2), &rng);
        put_floats(&g, "w1", DIMS(5, 6, 1, 1), &rng);
        put_attr_ints(&n, "pads", DIMS(2, 2, after, after));
        put_message(&g, 1, &n);
        put_node(&g, "Conv", "t0 w1", "t1");
        n = node_of("MaxPool", "t1", "y"); /* so that the image is between two kernels */
        put_attr_ints(&n, "kernel_shape", DIMS(2, 2));
        put_message(&g, 1, &n);
        put_value(&g, 12, "y", FLOAT, DIMS(1, 5, wide - 1, wide - 1));
        hone_buf m = model_of(&g, 13);
        hone_tensor x = random_input(&rng);
        check_model(&m, &x, cases[k].look);
        free(x.data);
        hone_buf_free(&m);
    }
}

/* ---- other ways to fuse ---------------------------------------------------------------------- */

typedef struct fusion {
    const char *title;
    hone_buf (*model)(hone_rng *rng);
    const char *rule, *other; /* what the groups are called after each */
    unsigned n_rule, n_other; /* kernels of the two covers */
} fusion;

/* A product, a bias and a residual, and a softmax of the sum. */
static hone_buf residual(hone_rng *rng)
{
    hone_buf g = {0};
    put_value(&g, 11, "x", FLOAT, DIMS(1, 2, 4, 4));
    put_floats(&g, "w", DIMS(4, 4), rng);
    put_floats(&g, "b", DIMS(4), rng);
    put_node(&g, "MatMul", "x w", "t0");
    put_node(&g, "MatMul", "x w", "s"); /* what is added is made behind the product */
    put_node(&g, "Add", "t0 b", "t1");
    put_node(&g, "Add", "t1 s", "t2");
    hone_buf n = node_of("Softmax", "t2", "y");
    put_attr_int(&n, "axis", -1);
    put_message(&g, 1, &n);
    put_value(&g, 12, "y", FLOAT, DIMS(1, 2, 4, 4));
    return g;
}

static const fusion fusions[] = {
    {"gated", gated, " = MatMul Add Sigmoid Mul\n", " = MatMul Add\n", 1, 2},
    {"residual", residual, " = Add Add Softmax\n", " = MatMul Add Add\n", 2, 2},
    {"attention", attention, " = MatMul Mul Softmax MatMul\n", " = MatMul Mul\n", 1, 3},
};
static const fusion *tried;
static unsigned times; /* which of those below */

static void shows(const hone_net_plan *p, const char *what)
{
    hone_buf b = {0};
    hone_net_plan_print(p, HONE_NET_FUSE, &b);
    if (!strstr(b.s, what))
        fail_msg("%s: no%s in\n%s", tried->title, what, b.s);
    hone_buf_free(&b);
}

/* The rule's are taken unless the other is known to be faster in all. */
static void fuse_by_times(hone_net_plan *p)
{
    static const double all[][2] = {{0, 0}, {7, 0}, {0, 2}, {5, 9}, {9, 1}};
    double *ns = hone_xcalloc((size_t)p->kernels.n + 1, sizeof *ns);
    assert_int_equal(p->choices.n, 1);
    const hone_net_choice *c = &p->choices.v[0];
    assert_int_equal(c->n, 2);
    assert_true(c->covers[0].n == tried->n_rule && c->covers[1].n == tried->n_other);
    for (uint32_t k = 2; k-- > 0;)
        for (uint32_t j = 0; j < c->covers[k].n; j++)
            ns[c->covers[k].kernel[j]] = all[times][k];
    uint32_t before = p->calls.n;
    shows(p, tried->rule);
    shows(p, tried->n_other == tried->n_rule ? "or earlier: " : "or apart: ");
    hone_net_plan_choose(p, ns);
    bool other = times == 4;
    assert_int_equal(c->taken, other);
    assert_int_equal(p->calls.n, before + (other ? tried->n_other - tried->n_rule : 0));
    shows(p, other ? tried->other : tried->rule);
    if (times == 3)
        shows(p, "       taken: fused, 0.0 us");
    free(ns);
}

static void other_ways_to_fuse(void **state)
{
    (void)state;
    hone_rng rng;
    hone_rng_seed(&rng, 11);
    for (size_t k = 0; k < HONE_LEN(fusions); k++)
        for (times = 0; times < 5; times++) {
            tried = &fusions[k];
            hone_buf g = tried->model(&rng);
            hone_buf m = model_of(&g, 13);
            hone_tensor x = random_input(&rng);
            check_model(&m, &x, fuse_by_times);
            free(x.data);
            hone_buf_free(&m);
        }
}

/* What two choices take is tuned once; equal choices are one, with both weights. */
static void listed(hone_net_plan *p)
{
    uint32_t n;
    hone_net_weighed *w = hone_net_plan_weigh(p, &n);
    assert_int_equal(p->choices.n, 2);
    assert_int_equal(n, 1);
    assert_int_equal(w[0].weight, 2);
    free(w);
    char *text = hone_net_plan_tasks(p, "k.hone");
    for (const char *t = text; (t = strstr(t, "\"kernel\"")); t++)
        n++;
    assert_int_equal(n, 1 + p->kernels.n);
    if (!strstr(text, "\"weight\": 2") || !strstr(text, "\"weight\": 0"))
        fail_msg("%s", text);
    free(text);
}

static void equal_choices_are_one(void **state)
{
    (void)state;
    hone_rng rng;
    hone_rng_seed(&rng, 13);
    hone_buf g = {0};
    put_value(&g, 11, "x", FLOAT, DIMS(1, 2, 4, 4));
    put_floats(&g, "w", DIMS(4, 4), &rng);
    put_node(&g, "MatMul", "x w", "t0");
    put_node(&g, "Sigmoid", "t0", "t1");
    put_node(&g, "MatMul", "t1 w", "t2");
    put_node(&g, "Sigmoid", "t2", "y");
    put_value(&g, 12, "y", FLOAT, DIMS(1, 2, 4, 4));
    hone_buf m = model_of(&g, 13);
    hone_tensor x = random_input(&rng);
    check_model(&m, &x, listed);
    free(x.data);
    hone_buf_free(&m);
}

/* ---- parts ----------------------------------------------------------------------------------- */

static bool has_concat(const hone_net_plan *p)
{
    bool found = false;
    for (uint32_t k = 0; k < p->kernels.n; k++)
        found |= strstr(p->kernels.v[k].name, "concat") != NULL;
    return found;
}

static void no_copy(hone_net_plan *p)
{
    hone_buf b = {0};
    hone_net_plan_print(p, HONE_NET_PLAN, &b);
    if (has_concat(p) || !strstr(b.s, "[0..]@") || !strstr(b.s, "[6..]@"))
        fail_msg("%s", b.s);
    hone_buf_free(&b);
}

static void a_copy(hone_net_plan *p)
{
    assert_true(has_concat(p));
}

/* y = the maxima of t1 and what `op` makes of x, along `axis`. */
static hone_buf together(hone_rng *rng, const char *pieces, int64_t axis, int64_t channels)
{
    hone_buf g = image(rng);
    put_floats(&g, "v", DIMS(6, 2, 1, 1), rng);
    put_node(&g, "Conv", "x v", "u");
    put_node(&g, "Sigmoid", "x", "s");
    hone_buf n = node_of("Concat", pieces, "c");
    put_attr_int(&n, "axis", axis);
    put_message(&g, 1, &n);
    n = node_of("MaxPool", "c", "y");
    put_attr_ints(&n, "kernel_shape", DIMS(2, 2));
    put_message(&g, 1, &n);
    put_value(&g, 12, "y", FLOAT, DIMS(1, channels, axis == 2 ? 7 : 3, 3));
    return g;
}

/* Channels of images are put together by those that make them, where all do and nothing else
 * takes them. */
static void parts(void **state)
{
    (void)state;
    static const struct {
        const char *pieces;
        int64_t axis, channels;
        void (*look)(hone_net_plan *p);
    } cases[] = {
        {"t1 u", 1, 12, no_copy},
        {"t1 u", 2, 6, a_copy},   /* not the last in memory */
        {"t1 s", 1, 8, a_copy},   /* one is elementwise */
        {"t1 t1", 1, 12, a_copy}, /* twice the same */
    };
    hone_rng rng;
    hone_rng_seed(&rng, 9);
    for (size_t k = 0; k < HONE_LEN(cases); k++) {
        hone_buf g = together(&rng, cases[k].pieces, cases[k].axis, cases[k].channels);
        hone_buf m = model_of(&g, 13);
        hone_tensor x = random_input(&rng);
        check_model(&m, &x, cases[k].look);
        free(x.data);
        hone_buf_free(&m);
    }
}

/* ---- what nobody takes ----------------------------------------------------------------------- */

static void put_gather(hone_buf *g, const char *in, const char *out, int64_t axis, int64_t at)
{
    char both[40], name[16];
    snprintf(name, sizeof name, "at_%s", out);
    put_raw(g, name, INT64, NULL, 0, &at, sizeof at);
    snprintf(both, sizeof both, "%s %s", in, name);
    hone_buf n = node_of("Gather", both, out);
    put_attr_int(&n, "axis", axis);
    put_message(g, 1, &n);
}

static void put_slice(hone_buf *g, const char *in, const char *out, int64_t axis, int64_t from,
                      int64_t n)
{
    char all[40];
    const int64_t to = from + n;
    put_raw(g, "from", INT64, DIMS(1), &from, sizeof from);
    put_raw(g, "to", INT64, DIMS(1), &to, sizeof to);
    put_raw(g, "axis", INT64, DIMS(1), &axis, sizeof axis);
    snprintf(all, sizeof all, "%s from to axis", in);
    put_node(g, "Slice", all, out);
}

/* t(k+1), which is made of tk in one of the ways in which a part of it can be made of a part. */
static void put_step(hone_buf *g, hone_rng *rng, unsigned k, shape *s)
{
    char in[16], out[16], a[16], both[40];
    snprintf(in, sizeof in, "t%u", k);
    snprintf(out, sizeof out, "t%u", k + 1);
    snprintf(a, sizeof a, "a%u", k);
    snprintf(both, sizeof both, "%s %s", in, a);
    int64_t axis = (int64_t)hone_rng_below(rng, s->n), dims[HONE_MAX_DIMS];
    hone_buf n;
    switch (hone_rng_below(rng, 6)) {
    case 0: /* an element for each place along some axes */
        for (unsigned d = 0; d < s->n; d++)
            dims[d] = hone_rng_below(rng, 2) ? s->d[d] : 1;
        put_floats(g, a, dims, s->n, rng);
        put_node(g, "Add", both, out);
        break;
    case 1:
        n = node_of("Softmax", in, out);
        put_attr_int(&n, "axis", axis);
        put_message(g, 1, &n);
        break;
    case 2:
        if (s->n < 2) {
            put_node(g, "Sigmoid", in, out);
            break;
        }
        dims[0] = s->d[s->n - 1];
        s->d[s->n - 1] = dims[1] = 1 + (int64_t)hone_rng_below(rng, 6);
        put_floats(g, a, dims, 2, rng);
        put_node(g, "MatMul", both, out);
        break;
    case 3: /* two take it */
        put_node(g, "Sigmoid", in, a);
        put_node(g, "Mul", both, out);
        break;
    case 4:
        n = node_of("ReduceMean", in, a);
        put_attr_ints(&n, "axes", DIMS(axis));
        put_message(g, 1, &n);
        put_node(g, "Sub", both, out);
        break;
    default:
        put_view(g, rng, k, s);
    }
}

static int64_t elements(const shape *s)
{
    int64_t n = 1;
    for (unsigned d = 0; d < s->n; d++)
        n *= s->d[d];
    return n;
}

/* Chains that end with a part, behind an image or in front of what takes all of one. */
static void parts_of_chains(void **state)
{
    (void)state;
    hone_rng rng;
    hone_rng_seed(&rng, 13);
    for (unsigned k = 0; k < 200; k++) {
        hone_buf g = image(&rng);
        shape s = {4, {1, 6, 4, 4}};
        unsigned at = 1, n = 1 + (unsigned)hone_rng_below(&rng, 5);
        for (unsigned i = 0; i < n && elements(&s) == 96; i++, at++)
            put_step(&g, &rng, at, &s);
        char last[16];
        snprintf(last, sizeof last, "t%u", at);
        unsigned axis = (unsigned)hone_rng_below(&rng, s.n);
        int64_t from = (int64_t)hone_rng_below(&rng, (uint64_t)s.d[axis]);
        if (hone_rng_below(&rng, 2)) {
            put_gather(&g, last, "y", axis, from);
            memmove(&s.d[axis], &s.d[axis + 1], (s.n - axis - 1) * sizeof s.d[0]);
            s.n--;
        } else {
            s.d[axis] = 1 + (int64_t)hone_rng_below(&rng, (uint64_t)(s.d[axis] - from));
            put_slice(&g, last, "y", axis, from, s.d[axis]);
        }
        put_value(&g, 12, "y", FLOAT, s.d, s.n);
        hone_buf m = model_of(&g, 13);
        hone_tensor x = random_input(&rng);
        check_model(&m, &x, NULL);
        free(x.data);
        hone_buf_free(&m);
    }
}

/* Elements that the plan's product makes. */
static int64_t of_product(const hone_net_plan *p)
{
    for (uint32_t k = 0; k < p->graph->order.n; k++) {
        const hone_net_node_row *n = hone_net_node_at(p->graph, p->graph->order.v[k]);
        if (strcmp(n->op->name, "MatMul") == 0)
            return hone_tensor_elems(&hone_net_value_at(p->graph, n->out[0])->t);
    }
    return 0;
}

static void a_row(hone_net_plan *p)
{
    assert_int_equal(of_product(p), 2 * 5);
}

static void all_rows(hone_net_plan *p)
{
    assert_int_equal(of_product(p), 2 * 4 * 5);
}

/* Of a product whose second row alone is looked at, that row is computed; all of it where somebody
 * looks at another one, or at something that is made of all. */
static void products_of_parts(void **state)
{
    (void)state;
    static const struct {
        const char *also; /* what else takes it, of shape [1, 2, 5] */
        void (*look)(hone_net_plan *p);
    } cases[] = {{"", a_row}, {"same", a_row}, {"other", all_rows}, {"sum", all_rows}};
    hone_rng rng;
    hone_rng_seed(&rng, 17);
    for (size_t k = 0; k < HONE_LEN(cases); k++) {
        hone_buf g = {0};
        put_value(&g, 11, "x", FLOAT, DIMS(1, 2, 4, 4));
        put_floats(&g, "w", DIMS(4, 5), &rng);
        put_node(&g, "MatMul", "x w", "p");
        put_node(&g, "Relu", "p", "r");
        put_gather(&g, "r", "u", 2, 1);
        if (strcmp(cases[k].also, "sum") == 0) {
            hone_buf n = node_of("ReduceMax", "r", "v");
            put_attr_ints(&n, "axes", DIMS(2));
            put_attr_int(&n, "keepdims", 0);
            put_message(&g, 1, &n);
        } else {
            put_gather(&g, "r", "v", 2, strcmp(cases[k].also, "other") == 0 ? 2 : -3);
        }
        put_node(&g, "Add", *cases[k].also ? "u v" : "u u", "y");
        put_value(&g, 12, "y", FLOAT, DIMS(1, 2, 5));
        hone_buf m = model_of(&g, 13);
        hone_tensor x = random_input(&rng);
        check_model(&m, &x, cases[k].look);
        free(x.data);
        hone_buf_free(&m);
    }
}

/* ---- splits ---------------------------------------------------------------------------------- */

static bool has_split(const hone_net_plan *p)
{
    for (uint32_t k = 0; k < p->kernels.n; k++)
        if (strstr(p->kernels.v[k].name, "split"))
            return true;
    return false;
}

static void no_split(hone_net_plan *p)
{
    assert_false(has_split(p));
}

static void a_split(hone_net_plan *p)
{
    assert_true(has_split(p));
}

/* y = what comes of x w + b, its columns split in three; with `also` somebody takes all. */
static hone_buf in_three(hone_rng *rng, bool gemm, int64_t columns, bool also)
{
    hone_buf g = {0}, n;
    put_value(&g, 11, "x", FLOAT, DIMS(1, 2, 4, 4));
    put_raw(&g, "rows", INT64, DIMS(2), (const int64_t[]){8, 4}, 2 * sizeof(int64_t));
    put_raw(&g, "image", INT64, DIMS(4), (const int64_t[]){1, 2, 4, 3 * columns},
            4 * sizeof(int64_t));
    put_floats(&g, "b", DIMS(3 * columns), rng);
    if (gemm) {
        put_floats(&g, "w", DIMS(3 * columns, 4), rng);
        put_node(&g, "Reshape", "x rows", "r");
        n = node_of("Gemm", "r w b", "s");
        put_attr_int(&n, "transB", 1);
        put_message(&g, 1, &n);
        put_node(&g, "Reshape", "s image", "t");
    } else {
        put_floats(&g, "w", DIMS(4, 3 * columns), rng);
        put_node(&g, "MatMul", "x w", "s");
        put_node(&g, "Add", "b s", "t");
    }
    n = node_of("Split", "t", "q k v");
    put_attr_int(&n, "axis", 3);
    put_message(&g, 1, &n);
    put_node(&g, "Mul", "q k", "qk");
    put_node(&g, "Add", "v qk", "u");
    if (also) {
        n = node_of("ReduceMax", "t", "most");
        put_attr_ints(&n, "axes", DIMS(3));
        put_message(&g, 1, &n);
    }
    put_node(&g, "Add", also ? "u most" : "u u", "y");
    put_value(&g, 12, "y", FLOAT, DIMS(1, 2, 4, columns));
    return g;
}

static void products_that_are_split(void **state)
{
    (void)state;
    static const struct {
        bool gemm, also;
        int64_t columns;
        void (*look)(hone_net_plan *p);
    } cases[] = {{false, false, 64, no_split},
                 {true, false, 65, no_split},
                 {false, true, 64, a_split},
                 {false, false, 8, a_split}};
    hone_rng rng;
    hone_rng_seed(&rng, 19);
    for (size_t k = 0; k < HONE_LEN(cases); k++) {
        hone_buf g = in_three(&rng, cases[k].gemm, cases[k].columns, cases[k].also);
        hone_buf m = model_of(&g, 13);
        hone_tensor x = random_input(&rng);
        check_model(&m, &x, cases[k].look);
        free(x.data);
        hone_buf_free(&m);
    }
}

/* ---- no memory ------------------------------------------------------------------------------- */

/* Where constants take all memory that there may be, or nearly, nodes stay as they are. */
static void no_memory(void **state)
{
    (void)state;
    hone_rng rng;
    hone_rng_seed(&rng, 23);
    for (unsigned k = 0; k < 3; k++) {
        hone_buf g = {0};
        if (k == 0) {
            g = in_three(&rng, true, 64, false);
        } else {
            put_value(&g, 11, "x", FLOAT, DIMS(1, 2, 4, 4));
            put_floats(&g, "w", DIMS(4, 5), &rng);
            put_node(&g, "MatMul", "x w", "p");
            put_floats(&g, "b", DIMS(4, 5), &rng);
            put_node(&g, "Add", "p b", "s");
            put_node(&g, k == 1 ? "Sigmoid" : "Identity", "s", "r");
            put_gather(&g, "r", "y", 2, 1);
            put_value(&g, 12, "y", FLOAT, DIMS(1, 2, 5));
        }
        hone_buf m = model_of(&g, 13);
        hone_tensor x = random_input(&rng);
        int64_t bytes = 1;
        while (!check_within(&m, &x, bytes, NULL))
            bytes += 8;
        for (unsigned more = 0; more < 40; more++)
            assert_true(check_within(&m, &x, bytes + 8 * more, NULL));
        free(x.data);
        hone_buf_free(&m);
    }
}

/* ---- divisions ------------------------------------------------------------------------------- */

/* How often the plan's kernels divide an element, and take a reciprocal. */
static void divides(hone_net_plan *p, unsigned elements, unsigned reciprocals)
{
    char *text = hone_net_plan_source(p);
    unsigned all = 0, of_one = 0;
    for (const char *at = text; (at = strstr(at, " / ")); at += 3, all++)
        of_one += at - text >= 3 && strncmp(at - 3, "= 1", 3) == 0;
    if (all - of_one != elements || of_one != reciprocals)
        fail_msg("%s", text);
    free(text);
}

static void not_at_all(hone_net_plan *p)
{
    divides(p, 0, 0);
}

static void each(hone_net_plan *p)
{
    divides(p, 1, 0);
}

static void once(hone_net_plan *p)
{
    divides(p, 0, 1);
}

/* y = x / d, where d is one of: constants; the root of the largest exponential over the last `axes`
 * axes of x; that of each. */
static hone_buf divided(const float *by, unsigned n_by, unsigned axes)
{
    hone_buf g = {0};
    put_value(&g, 11, "x", FLOAT, DIMS(1, 2, 4, 4));
    if (by) {
        put_raw(&g, "d", FLOAT, DIMS(n_by), by, n_by * sizeof *by);
    } else {
        put_node(&g, "Exp", "x", "e");
        hone_buf n = node_of("ReduceMax", "e", "m");
        if (axes == 1)
            put_attr_ints(&n, "axes", DIMS(3));
        else
            put_attr_ints(&n, "axes", DIMS(2, 3));
        put_message(&g, 1, &n);
        put_node(&g, "Sqrt", axes ? "m" : "e", "d");
    }
    put_node(&g, "Div", "x d", "y");
    put_value(&g, 12, "y", FLOAT, DIMS(1, 2, 4, 4));
    return g;
}

/* By constants and by what many elements share: by a product instead. */
static void divisions(void **state)
{
    (void)state;
    static const float three[] = {3}, some[] = {3, -0.7f, 1e30f, 5}, zero[] = {1, 2, 0, 4},
                       tiny[] = {1e-39f}, huge[] = {2e38f};
    static const struct {
        const float *by;
        unsigned n, axes;
        void (*look)(hone_net_plan *p);
    } cases[] = {
        {three, 1, 0, not_at_all}, {some, 4, 0, not_at_all},
        {zero, 4, 0, each},        {tiny, 1, 0, each}, /* 1 / c is infinite */
        {huge, 1, 0, each},                            /* or has lost digits */
        {NULL, 0, 2, once},        {NULL, 0, 1, each}, /* of four elements */
        {NULL, 0, 0, each},
    };
    hone_rng rng;
    hone_rng_seed(&rng, 11);
    for (size_t k = 0; k < HONE_LEN(cases); k++) {
        hone_buf g = divided(cases[k].by, cases[k].n, cases[k].axes);
        hone_buf m = model_of(&g, 13);
        hone_tensor x = random_input(&rng);
        check_model(&m, &x, cases[k].look);
        free(x.data);
        hone_buf_free(&m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(views_of_images),
        cmocka_unit_test(patches),
        cmocka_unit_test(other_ways_to_fuse),
        cmocka_unit_test(equal_choices_are_one),
        cmocka_unit_test(alternatives),
        cmocka_unit_test(parts),
        cmocka_unit_test(products_of_places),
        cmocka_unit_test(divisions),
        cmocka_unit_test(products_that_are_split),
        cmocka_unit_test(parts_of_chains),
        cmocka_unit_test(products_of_parts),
        cmocka_unit_test(no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
