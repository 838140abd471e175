/* Kernels of many stages: each gets its rule, and making the space can be interrupted at any
 * point. */
#include "space/space.h"
#include "tests/space/prim_test.h"

static const hone_target target = {.vector_bytes = 64,
                                   .vector_registers = 32,
                                   .l1_bytes = 32 << 10,
                                   .l2_bytes = 1 << 20,
                                   .l3_bytes = 32 << 20};

/* n stages, each with work enough and reading three elements of the one before, which therefore is
 * not inlined. */
static void chain_of(unsigned n, hone_program *ret)
{
    hone_buf text = {0};
    hone_error err;
    hone_buf_puts(&text, "kernel chain() {\n  input T0: f32[32, 64]\n");
    hone_buf_printf(&text, "  output T%u: f32[32, 64]\n", n);
    for (unsigned k = 1; k <= n; k++)
        hone_buf_printf(&text,
                        "  T%u[i, j] = exp(T%u[i, j]) / 8 + T%u[i, (j + 1) %% 64] / 4 + "
                        "abs(T%u[i, (j + 2) %% 64] - 1) / 2 + 3\n",
                        k, k - 1, k - 1, k - 1);
    hone_buf_puts(&text, "}\n");
    if (hone_workload_parse("test", text.s, text.n, NULL, NULL, 0, ret, &err) != HONE_OK)
        fail_msg("%s", err.message);
    hone_buf_free(&text);
}

static bool in_parallel(const hone_program *p, hone_stmt s)
{
    for (; s.i; s = hone_stmt_at(p, s)->parent)
        if (hone_is_loop(p, s) && hone_stmt_at(p, s)->loop_kind == HONE_PARALLEL)
            return true;
    return false;
}

static void every_stage_is_scheduled(void **state)
{
    (void)state;
    enum { STAGES = 100 };
    hone_program p;
    hone_space *sp;
    hone_sched s = {0};
    hone_error err;
    chain_of(STAGES, &p);
    hone_space_options o = {.target = &target, .threads = 2};
    assert_int_equal(hone_space_new(&p, &o, &sp, &err), HONE_OK);
    if (hone_space_finish(sp, &sp->traces.v[0], &s, &err) != HONE_OK)
        fail_msg("%s", err.message);
    unsigned stages = 0;
    for (hone_stmt b = s.prog.root; b.i; b = hone_next(&s.prog, s.prog.root, b)) {
        if (!hone_is_block(&s.prog, b) || !hone_stmt_at(&s.prog, b)->out.i)
            continue;
        stages++;
        assert_true(in_parallel(&s.prog, b));
    }
    assert_int_equal(stages, STAGES);
    hone_sched_fini(&s);
    hone_space_free(sp);
    hone_program_fini(&p);
}

/* Says yes at the n-th question. */
typedef struct patience {
    unsigned asked, n;
} patience;

static bool stop(void *ctx)
{
    patience *p = ctx;
    return ++p->asked >= p->n;
}

static void interrupted_anywhere(void **state)
{
    (void)state;
    hone_program p;
    hone_space *sp = NULL;
    hone_error err;
    patience all = {.n = UINT32_MAX};
    chain_of(4, &p);
    hone_space_options o = {.target = &target, .threads = 2, .stop = stop, .stop_ctx = &all};
    assert_int_equal(hone_space_new(&p, &o, &sp, &err), HONE_OK);
    hone_space_free(sp);
    assert_true(all.asked > 20);
    for (unsigned n = 1; n <= all.asked; n++) {
        patience few = {.n = n};
        o.stop_ctx = &few;
        assert_int_equal(hone_space_new(&p, &o, &sp, &err), HONE_E_INTERRUPTED);
        assert_int_equal(few.asked, n); /* and at once */
    }
    hone_program_fini(&p);
}

static void interrupted_sampling(void **state)
{
    (void)state;
    hone_program p;
    hone_space *sp = NULL;
    hone_sched s = {0};
    hone_error err;
    hone_rng rng;
    patience all = {.n = UINT32_MAX};
    chain_of(4, &p);
    hone_rng_seed(&rng, 1);
    hone_space_options o = {.target = &target, .threads = 2, .stop = stop, .stop_ctx = &all};
    assert_int_equal(hone_space_new(&p, &o, &sp, &err), HONE_OK);
    assert_int_equal(hone_space_sample(sp, &rng, &s, &err), HONE_OK);
    all.n = all.asked + 3;
    assert_int_equal(hone_space_sample(sp, &rng, &s, &err), HONE_E_INTERRUPTED);
    assert_int_equal(all.asked, all.n);
    hone_sched_fini(&s);
    hone_space_free(sp);
    hone_program_fini(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_stage_is_scheduled),
        cmocka_unit_test(interrupted_anywhere),
        cmocka_unit_test(interrupted_sampling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
