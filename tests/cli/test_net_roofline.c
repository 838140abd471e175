/* The least time of a kernel in a network: what bounds it, and by what numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/net_roofline.h"

/* A made-up processor: 16 lanes, two multiply-adds in a cycle of half a nanosecond. */
static const hone_target target = {
    .vector_bytes = 64, .l2_bytes = 1 << 20, .l3_bytes = 1 << 25, .cores = 2};
static const hone_machine machine = {.clock_ghz = 2,
                                     .fma_per_cycle = 2,
                                     .l2_bytes_per_ns = 64,
                                     .l3_bytes_per_ns = 16,
                                     .memory_bytes_per_ns = 8};
#define LANES_PER_NS (16 * 2 * 2)

static const char product[] = "kernel dense() {\n"
                              "  input A: f32[64, 256]\n"
                              "  const input W: f32[256, 128]\n"
                              "  output C: f32[64, 128]\n"
                              "  C[i, j] = sum(k < 256) A[i, k] * W[k, j]\n"
                              "}\n";
static const char bytes_product[] = "kernel dense() {\n"
                                    "  input A: u8[64, 256]\n"
                                    "  const input W: i8[256, 128]\n"
                                    "  output C: i32[64, 128]\n"
                                    "  C[i, j] = sum(k < 256) i32(A[i, k]) * i32(W[k, j])\n"
                                    "}\n";
static const char elements[] = "kernel gelu() {\n"
                               "  input A: f32[4096]\n"
                               "  output C: f32[4096]\n"
                               "  C[i] = erf(A[i])\n"
                               "}\n";

static net_roofline of(const char *text, net_place at)
{
    hone_program p;
    hone_error err = {0};
    at.target = &target;
    at.machine = &machine;
    at.threads = at.threads ? at.threads : 1;
    if (hone_workload_parse("k", text, strlen(text), NULL, NULL, 0, &p, &err) != HONE_OK)
        fail_msg("%s", err.message);
    net_roofline r = net_roofline_of(&p, &at);
    hone_program_fini(&p);
    return r;
}

static void near(double is, double should)
{
    if (!(is > 0.999 * should && is < 1.001 * should))
        fail_msg("%g, not %g", is, should);
}

static void arithmetic(void **state)
{
    (void)state;
    net_roofline r = of(product, (net_place){0});
    near(r.ns, 64. * 128 * 256 / LANES_PER_NS);
    assert_string_equal(r.bound, "products");
    near(of(product, (net_place){.threads = 2}).ns, r.ns / 2);
    near(of(bytes_product, (net_place){0}).ns, r.ns / 4);
    r = of(elements, (net_place){0});
    near(r.ns, 4096. * 18 / LANES_PER_NS);
    assert_string_equal(r.bound, "erf");
}

static void memory(void **state)
{
    (void)state;
    const double kb = 1024, mb = 1024 * kb;
    /* other arguments come from the level that has them, weights from where the network fits */
    net_roofline r = of(elements, (net_place){.other_bytes = 512 * kb});
    near(r.ns, 512 * kb / 64);
    assert_string_equal(r.bound, "memory");
    near(of(elements, (net_place){.other_bytes = 2 * mb}).ns, 2 * mb / 16);
    near(of(elements, (net_place){.other_bytes = 64 * mb}).ns, 64 * mb / 8);
    near(of(elements, (net_place){.other_bytes = 2 * mb, .threads = 2}).ns, 2 * mb / 128);
    near(of(product, (net_place){.weight_bytes = 512 * kb, .network_bytes = 4 * mb}).ns,
         512 * kb / 16);
    near(of(product, (net_place){.weight_bytes = 512 * kb, .network_bytes = 400 * mb}).ns,
         512 * kb / 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(arithmetic), cmocka_unit_test(memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
