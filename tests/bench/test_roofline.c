/* The roofline of bench/: on a machine of round numbers, what a problem needs and what is longest.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "bench/versus.h"

#include <math.h>

/* Everything at 1 G/s and 1 GB/s, f32 products at 2; L1 of 1000 bytes; DRAM at half. */
static machine plain_machine(void)
{
    machine m = {.threads = 1};
    for (int u = 0; u < UNIT_COUNT; u++)
        m.peak[u] = 2;
    for (int r = 0; r < RATE_COUNT; r++)
        m.rate[r] = 1;
    for (int k = 0; k < 4; k++) {
        double gbs = k == 3 ? 0.5 : 1;
        m.levels[k] = (level){.bytes = k == 3 ? 0 : pow(10, 3 + k),
                              .load_gbs = gbs,
                              .store_gbs = gbs,
                              .copy_gbs = gbs,
                              .mix_gbs = gbs};
        snprintf(m.levels[k].name, sizeof m.levels[k].name, "%s",
                 k == 3 ? "DRAM"
                 : k    ? "L?"
                        : "L1");
    }
    return m;
}

static void bound_is(const machine *m, const problem *p, const char *by, double ns)
{
    roofline r;
    versus_roofline(m, p, &r);
    if (strcmp(r.needs[r.longest].name, by) != 0 || fabs(r.ns - ns) > 1e-9 * ns)
        fail_msg("by %s, %g ns; wanted %s, %g ns", r.needs[r.longest].name, r.ns, by, ns);
}

static void arithmetic(void **state)
{
    (void)state;
    machine m = plain_machine();
    problem p = {.unit = UNIT_F32, .read_bytes = 8, .write_bytes = 8};
    p.work[HONE_WORK_MUL] = 100; /* with an addition each: no longer */
    p.work[HONE_WORK_ADD] = 100;
    bound_is(&m, &p, "f32", 100);
    p.work[HONE_WORK_EXP] = 150;
    bound_is(&m, &p, "exp", 150);
    p.work[HONE_WORK_FAST_TANH] = 151;
    bound_is(&m, &p, "fast tanh", 151);
    p.work[HONE_WORK_ATAN] = 152;
    bound_is(&m, &p, "atan", 152);
    p.work[HONE_WORK_EXTREME] = 200;
    bound_is(&m, &p, "min max", 200);
    m.rate[RATE_DIV] = 0.1;
    p.work[HONE_WORK_DIV] = 30;
    bound_is(&m, &p, "div", 300);
    /* additions by FMA are as fast as products, whatever the loop of additions showed */
    p = (problem){.unit = UNIT_F32, .read_bytes = 8, .write_bytes = 8};
    m.rate[RATE_ADD] = 0.5;
    p.work[HONE_WORK_ADD] = 100;
    bound_is(&m, &p, "add", 100);
    /* what there is no rate for bounds nothing */
    p.work[HONE_WORK_POW] = 1e9;
    bound_is(&m, &p, "add", 100);
}

static void integers_and_halves(void **state)
{
    (void)state;
    machine m = plain_machine();
    problem p = {.unit = UNIT_U8I8, .read_bytes = 8, .write_bytes = 8, .flops = 1};
    p.work[HONE_WORK_INT_MUL] = 500;
    p.work[HONE_WORK_MUL] = 20; /* of what follows the sums */
    bound_is(&m, &p, "u8 x i8", 500);
    p = (problem){.unit = UNIT_F32, .n_args = 2, .read_bytes = 8, .write_bytes = 8};
    p.args[0] = (tensor){.dtype = HONE_F16, .elements = 70};
    p.args[1] = (tensor){.dtype = HONE_F16, .elements = 80, .output = true};
    bound_is(&m, &p, "to f16", 80);
    p.args[1].dtype = HONE_F32;
    bound_is(&m, &p, "from f16", 70);
    /* the instruction for products of bf16 takes them as they are, and adds */
    p.args[0].dtype = HONE_BF16;
    bound_is(&m, &p, "from bf16", 70);
    p.unit = UNIT_BF16;
    p.work[HONE_WORK_MUL] = 40;
    p.work[HONE_WORK_ADD] = 1000;
    bound_is(&m, &p, "bf16", 40);
}

static void memory(void **state)
{
    (void)state;
    machine m = plain_machine();
    problem p = {.unit = UNIT_F32, .read_bytes = 600, .write_bytes = 200};
    bound_is(&m, &p, "L1 load", 600);
    m.levels[0].load_gbs = 100;
    bound_is(&m, &p, "L1 2:1", 600);
    m.levels[0].mix_gbs = 2;
    bound_is(&m, &p, "L1 copy", 400);
    m.levels[0].copy_gbs = 4;
    bound_is(&m, &p, "L1 2:1", 300);
    m.levels[0].mix_gbs = 100;
    bound_is(&m, &p, "L1 store", 200);
    /* the smallest that holds all */
    p.read_bytes = 801;
    roofline r;
    versus_roofline(&m, &p, &r);
    assert_ptr_equal(r.level, &m.levels[1]);
    p.read_bytes = 1e7;
    versus_roofline(&m, &p, &r);
    assert_ptr_equal(r.level, &m.levels[3]);
    /* stores past the caches, where they are faster */
    p = (problem){.unit = UNIT_F32, .write_bytes = 1e7};
    bound_is(&m, &p, "DRAM store", 2e7);
    m.levels[3].around_gbs = 5;
    bound_is(&m, &p, "DRAM store", 2e6);
}

static void definition(void **state)
{
    (void)state;
    machine m = plain_machine();
    problem p = {.unit = UNIT_F32, .flops = 800, .counts_products = true};
    roofline r;
    p.work[HONE_WORK_MUL] = 100;
    versus_roofline(&m, &p, &r);
    assert_true(r.done == 0.25);
    assert_true(r.ns == 100);
    p.counts_products = false; /* operations of all kinds: no telling */
    versus_roofline(&m, &p, &r);
    assert_true(r.done == 1);
}

/* Without a loop for this processor nothing is known. */
static void nothing(void **state)
{
    (void)state;
    machine m = {.threads = 1};
    problem p = {.unit = UNIT_F32, .read_bytes = 8, .write_bytes = 8};
    roofline r;
    p.work[HONE_WORK_MUL] = 100;
    versus_roofline(&m, &p, &r);
    assert_int_equal(r.n, 0);
    assert_true(r.ns == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arithmetic), cmocka_unit_test(integers_and_halves),
        cmocka_unit_test(memory),     cmocka_unit_test(definition),
        cmocka_unit_test(nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
