/* Plans whose calls are others than the network's, or whose tensors lie over each other: covers
 * that run in turns, and results in place of what they are made of. */
#include "tests/net/plan_test.h"

/* ---- covers in turns ------------------------------------------------------------------------- */

/* Which are close, and what turns say against times. */
static void close_covers(void **state)
{
    (void)state;
    hone_net_choice c = {.n = 4};
    for (uint32_t k = 0; k < 4; k++)
        c.covers[k] = (hone_net_cover){.n = 1 + (k == 3), .kernel = {k, 4}};
    double ns[5] = {100, 109, 111, 50, 51}, of[HONE_NET_COVERS_MAX];
    uint32_t is[HONE_NET_COVERS_MAX];
    assert_int_equal(hone_net_choice_close(&c, ns, 0.1, is), 3);
    assert_true(is[0] == 0 && is[1] == 1 && is[2] == 3);
    assert_int_equal(hone_net_choice_of(&c, ns, of), 0);
    c.raced[1] = 1; /* in units of another one's */
    c.raced[3] = 0.9;
    assert_int_equal(hone_net_choice_of(&c, ns, of), 3);
    assert_true(fabs(of[3] - 0.9 * 109) < 1e-9 && of[1] == 109 && of[0] == 100);
    c.raced[0] = 0.5;
    assert_int_equal(hone_net_choice_of(&c, ns, of), 0);
    assert_true(fabs(of[1] - 200) < 1e-9 && fabs(of[3] - 180) < 1e-9);
    ns[4] = 0; /* not known: no turns either */
    assert_int_equal(hone_net_choice_close(&c, ns, 0.1, is), 2);
    assert_int_equal(hone_net_choice_of(&c, ns, of), 0);
    assert_true(of[3] == 0);
    ns[0] = 0; /* the rule's own */
    assert_int_equal(hone_net_choice_close(&c, ns, 0.1, is), 0);
    assert_int_equal(hone_net_choice_of(&c, ns, of), 0);
    assert_int_equal(hone_net_choice_close(&c, NULL, 0.1, is), 0);
}

static unsigned times; /* 0: the rule's once more at the end */

/* All covers of the one choice, in both orders: the last one leaves the result. */
static void in_turns(hone_net_plan *p)
{
    hone_net_heat heats[] = {{0, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 0, 0}};
    uint32_t n_rule = p->choices.v[0].covers[0].n, n_other = p->choices.v[0].covers[1].n;
    hone_net_plan_race(p, heats, times ? 2 : 3);
    assert_true(heats[0].first == 0 && heats[0].n == n_rule);
    assert_true(heats[1].first == n_rule && heats[1].n == n_other);
    assert_int_equal(p->calls.n, (times ? 1 : 2) * n_rule + n_other);
    assert_int_equal(p->kernels.n, n_rule + n_other);
    assert_int_equal(p->choices.n, 0);
    for (uint32_t k = 0; k < p->calls.n; k++)
        assert_true(p->calls.v[k].ways.n == 1 && p->calls.v[k].kernel < p->kernels.n);
}

static void covers_in_turns(void **state)
{
    (void)state;
    hone_buf (*const models[])(hone_rng *) = {gated, attention}; /* one choice is all of them */
    hone_rng rng;
    hone_rng_seed(&rng, 12);
    for (size_t k = 0; k < HONE_LEN(models); k++)
        for (times = 0; times < 2; times++) {
            hone_buf g = models[k](&rng);
            hone_buf m = model_of(&g, 13);
            hone_tensor x = random_input(&rng);
            check_model(&m, &x, in_turns);
            free(x.data);
            hone_buf_free(&m);
        }
}

/* ---- in place -------------------------------------------------------------------------------- */

static int64_t place_of(const hone_net_plan *p, const char *name)
{
    for (uint32_t k = 0; k < p->graph->values.n; k++)
        if (strcmp(p->graph->values.v[k].name, name) == 0)
            return p->at.v[k];
    fail_msg("there is no '%s'", name);
    return -1;
}

static uint32_t in_place(const hone_net_plan *p)
{
    uint32_t n = 0;
    for (uint32_t k = 0; k < p->kernels.n; k++)
        n += p->kernels.v[k].in_place;
    return n;
}

static void over_its_input(hone_net_plan *p)
{
    assert_int_equal(in_place(p), 1);
    assert_true(place_of(p, "e") >= 0);
    assert_int_equal(place_of(p, "t0"), place_of(p, "e"));
}

static void beside_its_input(hone_net_plan *p)
{
    assert_int_equal(in_place(p), 0);
    assert_true(place_of(p, "e") >= 0);
    if (memory_fault(p))
        fail_msg("%s", memory_fault(p));
}

/* e = t0 scaled by the largest of each of its images, as networks weigh their channels; y is made
 * of e, and with `also` of t0 as well. */
static hone_buf scaled(hone_rng *rng, bool also, bool turned)
{
    hone_buf g = {0};
    put_value(&g, 11, "x", FLOAT, DIMS(1, 2, 4, 4));
    put_floats(&g, "w", DIMS(4, 4), rng);
    put_node(&g, "MatMul", "x w", "t0");
    hone_buf n = node_of("ReduceMax", "t0", "m");
    put_attr_ints(&n, "axes", DIMS(2, 3));
    put_message(&g, 1, &n);
    if (turned) { /* read in another order of its elements */
        n = node_of("Transpose", "t0", "t");
        put_attr_ints(&n, "perm", DIMS(0, 1, 3, 2));
        put_message(&g, 1, &n);
    }
    put_node(&g, "Mul", turned ? "t m" : "t0 m", "e");
    put_node(&g, "MatMul", also ? "e t0" : "e w", "y");
    put_value(&g, 12, "y", FLOAT, DIMS(1, 2, 4, 4));
    return g;
}

static void results_in_place(void **state)
{
    (void)state;
    hone_rng rng;
    hone_rng_seed(&rng, 29);
    for (unsigned k = 0; k < 3; k++) {
        hone_buf g = scaled(&rng, k == 1, k == 2);
        hone_buf m = model_of(&g, 13);
        hone_tensor x = random_input(&rng);
        check_model(&m, &x, k ? beside_its_input : over_its_input);
        free(x.data);
        hone_buf_free(&m);
    }
}

/* The watcher sees what it is to see. */
static void spoilt(hone_net_plan *p)
{
    assert_null(memory_fault(p));
    for (uint32_t k = 0; k < p->at.n; k++) {
        int64_t was = p->at.v[k];
        if (was < 0)
            continue;
        for (int64_t at = 0; at < p->workspace; at += HONE_NET_ALIGN)
            if (at != was && strcmp(p->graph->values.v[k].name, "m") == 0) {
                p->at.v[k] = at; /* everything else is needed when m is */
                assert_non_null(memory_fault(p));
            }
        p->at.v[k] = was;
    }
}

static void the_watcher(void **state)
{
    (void)state;
    hone_rng rng;
    hone_rng_seed(&rng, 31);
    hone_buf g = scaled(&rng, true, false);
    hone_buf m = model_of(&g, 13);
    hone_tensor x = random_input(&rng);
    check_model(&m, &x, spoilt);
    free(x.data);
    hone_buf_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(close_covers),
        cmocka_unit_test(covers_in_turns),
        cmocka_unit_test(results_in_place),
        cmocka_unit_test(the_watcher),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
