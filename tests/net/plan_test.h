/* For tests of plans: models on random constants, and what a plan computes against the reference.
 */
#ifndef TESTS_NET_PLAN_TEST_H
#define TESTS_NET_PLAN_TEST_H

#include "net/plan.h"
#include "tests/net/memory.h"
#include "tests/net/model.h"

#include <math.h>

/* ---- models ---------------------------------------------------------------------------------- */

static TEST_UNUSED void put_floats(hone_buf *graph, const char *name, const int64_t *shape,
                                   unsigned n, hone_rng *rng)
{
    int64_t count = 1;
    for (unsigned k = 0; k < n; k++)
        count *= shape[k];
    float *v = hone_xcalloc((size_t)count, sizeof *v);
    for (int64_t k = 0; k < count; k++)
        v[k] = (float)((double)hone_rng_below(rng, 33) - 16) / 8;
    put_raw(graph, name, FLOAT, shape, n, v, (size_t)count * sizeof *v);
    free(v);
}

/* A product that goes on with a sigmoid. */
static TEST_UNUSED hone_buf gated(hone_rng *rng)
{
    hone_buf g = {0};
    put_value(&g, 11, "x", FLOAT, DIMS(1, 2, 4, 4));
    put_floats(&g, "w", DIMS(4, 6), rng);
    put_floats(&g, "b", DIMS(6), rng);
    put_node(&g, "MatMul", "x w", "t0");
    put_node(&g, "Add", "t0 b", "t1");
    put_node(&g, "Sigmoid", "t1", "t2");
    put_node(&g, "Mul", "t1 t2", "y");
    put_value(&g, 12, "y", FLOAT, DIMS(1, 2, 4, 6));
    return g;
}

static TEST_UNUSED hone_buf attention(hone_rng *rng)
{
    (void)rng;
    hone_buf g = {0};
    put_value(&g, 11, "x", FLOAT, DIMS(1, 2, 4, 4));
    put_raw(&g, "half", FLOAT, NULL, 0, (const float[]){0.5F}, sizeof(float));
    put_node(&g, "MatMul", "x x", "t0");
    put_node(&g, "Mul", "t0 half", "t1");
    hone_buf n = node_of("Softmax", "t1", "t2");
    put_attr_int(&n, "axis", -1);
    put_message(&g, 1, &n);
    put_node(&g, "MatMul", "t2 x", "y");
    put_value(&g, 12, "y", FLOAT, DIMS(1, 2, 4, 4));
    return g;
}

/* ---- plan against reference ------------------------------------------------------------------ */

static TEST_UNUSED void agrees(const hone_tensor *got, const hone_tensor *want)
{
    double largest = 0, off = 0;
    for (int64_t k = 0; k < hone_tensor_elems(want); k++) {
        largest = fmax(largest, fabs(hone_tensor_float(want, k)));
        off = fmax(off, fabs(hone_tensor_float(got, k) - hone_tensor_float(want, k)));
    }
    assert_true(off <= 1e-5 * largest);
}

/* The plan of the model computes what the reference does. `look` sees the plan. False: the model
 * cannot be read within max_bytes. */
static TEST_UNUSED bool check_within(const hone_buf *model, const hone_tensor *x, int64_t max_bytes,
                                     void (*look)(hone_net_plan *p))
{
    hone_error err = {0};
    hone_net *g, *ref;
    hone_net_plan p;
    hone_tensor out;
    const hone_net_options o = {.given = x, .n_given = 1}, little = {.max_bytes = max_bytes};
    hone_status st = hone_net_parse(model->s, model->n, NULL, &little, &g, &err);
    if (st != HONE_OK && max_bytes)
        return false;
    assert_int_equal(st, HONE_OK);
    assert_int_equal(hone_net_parse(model->s, model->n, NULL, &o, &ref, &err), HONE_OK);
    if (hone_net_plan_make(g, NULL, &p, &err) != HONE_OK)
        fail_msg("%s", err.message);
    if (look)
        look(&p);
    if (memory_fault(&p))
        fail_msg("%s", memory_fault(&p));
    if (hone_net_plan_interpret(NULL, &p, x, &out, NULL, &err) != HONE_OK)
        fail_msg("%s", err.message);
    agrees(&out, output(ref, 0));
    free(out.data);
    hone_net_plan_free(&p);
    hone_net_free(ref);
    hone_net_free(g);
    return true;
}

static TEST_UNUSED void check_model(const hone_buf *model, const hone_tensor *x,
                                    void (*look)(hone_net_plan *p))
{
    assert_true(check_within(model, x, 0, look));
}

static TEST_UNUSED hone_tensor random_input(hone_rng *rng)
{
    hone_tensor t = {.dtype = HONE_F32, .n_dims = 4, .shape = {1, 2, 4, 4}};
    float *v = hone_xcalloc(32, sizeof *v);
    for (unsigned k = 0; k < 32; k++)
        v[k] = (float)((double)hone_rng_below(rng, 33) - 16) / 8;
    t.data = v;
    return t;
}

#endif
