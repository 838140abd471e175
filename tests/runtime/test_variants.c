/* Which variant runs: on processors that are made up, and on this one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "runtime/internal.h"
#include "targets/target.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* ---- made up --------------------------------------------------------------------------------- */

/* What CPUID says; where `past` is set it answers leaves beyond the last like the last one. */
static struct {
    uint32_t last, last_extended, last7, ecx1, ebx7, eax7_1, xcr0;
    bool past;
} fake;
static unsigned xcr0_reads;

static void fake_cpuid(uint32_t leaf, uint32_t sub, uint32_t ret[4])
{
    memset(ret, 0, 4 * sizeof *ret);
    if (leaf == 0)
        ret[0] = fake.last;
    else if (leaf == 0x80000000)
        ret[0] = fake.last_extended;
    else if (leaf > (leaf & 0x80000000 ? fake.last_extended : fake.last) && fake.past)
        memset(ret, 0xff, 4 * sizeof *ret);
    else if (leaf == 1)
        ret[2] = fake.ecx1;
    else if (leaf == 7 && sub == 0) {
        ret[0] = fake.last7;
        ret[1] = fake.ebx7;
    } else if (leaf == 7 && sub == 1)
        ret[0] = fake.last7 >= 1 ? fake.eax7_1 : UINT32_MAX;
}

static uint32_t fake_xcr0(void)
{
    xcr0_reads++;
    return fake.xcr0;
}

static const void *const f[3][1] = {{"0"}, {"1"}, {"2"}};
/* As hone_target_needs has them, of little more than AVX-512BF16, AVX2 and SSE4.2. */
static const hone_rt_need wide[] = {{1, 0, HONE_RT_ECX, 3u << 27 | 1u << 12},
                                    {7, 0, HONE_RT_EBX, 1u << 16 | 1u << 5},
                                    {7, 1, HONE_RT_EAX, 1u << 5},
                                    {0, 0, HONE_RT_XCR0, 0xe6}};
static const hone_rt_need middle[] = {{1, 0, HONE_RT_ECX, 3u << 27 | 1u << 12},
                                      {7, 0, HONE_RT_EBX, 1u << 5},
                                      {0, 0, HONE_RT_XCR0, 0x6}};
static const hone_rt_need narrow[] = {{1, 0, HONE_RT_ECX, 1u << 20}};
static const hone_rt_variant_row rows[] = {
    {"wide", wide, 4, f[0]}, {"middle", middle, 3, f[1]}, {"narrow", narrow, 1, f[2]}};
static hone_rt_variants table(void)
{
    return (hone_rt_variants){HONE_RT_ABI, 3, rows, NULL};
}

static const char *picked(const char *wanted)
{
    struct hone_rt__cpu cpu;
    hone_rt_variants v = table();
    hone_rt__cpu_read(fake_cpuid, fake_xcr0, &cpu);
    const hone_rt_variant_row *row = hone_rt__variants_pick(&v, &cpu, wanted);
    return row ? row->name : "none";
}

static void best_that_runs(void **state)
{
    (void)state;
    fake.last = 0x20, fake.last_extended = 0x80000008, fake.last7 = 1, fake.past = true;
    fake.ecx1 = 3u << 27 | 1u << 12 | 1u << 20;
    fake.ebx7 = 1u << 16 | 1u << 5;
    fake.eax7_1 = 1u << 5;
    fake.xcr0 = 0xe7;
    assert_string_equal(picked(NULL), "wide");
    /* any one bit less, and it is not that one any more */
    fake.eax7_1 = 0;
    assert_string_equal(picked(NULL), "middle");
    fake.eax7_1 = 1u << 5;
    fake.ebx7 = 1u << 5;
    assert_string_equal(picked(NULL), "middle");
    fake.ebx7 = 1u << 16;
    assert_string_equal(picked(NULL), "narrow");
    fake.ebx7 = 1u << 16 | 1u << 5;
    /* registers that the operating system does not save */
    fake.xcr0 = 0x67;
    assert_string_equal(picked(NULL), "middle");
    fake.xcr0 = 0x3;
    assert_string_equal(picked(NULL), "narrow");
    fake.xcr0 = 0xe7;
    unsigned before = xcr0_reads;
    fake.ecx1 &= ~(1u << 27); /* xgetbv is not to be had: not tried */
    assert_string_equal(picked(NULL), "narrow");
    assert_int_equal(xcr0_reads, before);
    fake.ecx1 |= 1u << 27;
    /* leaves beyond the last, where this processor answers with all bits set */
    fake.last7 = 0;
    assert_string_equal(picked(NULL), "middle");
    fake.last = 6;
    assert_string_equal(picked(NULL), "narrow");
    fake.last = 0;
    assert_string_equal(picked(NULL), "none");
    fake.last = 0x20, fake.last7 = 1;
    fake.ecx1 = 0;
    assert_string_equal(picked(NULL), "none");
    assert_string_equal(picked("narrow"), "none");
}

static void wanted_by_name(void **state)
{
    (void)state;
    fake.last = 0x20, fake.last_extended = 0x80000008, fake.last7 = 1;
    fake.ecx1 = 3u << 27 | 1u << 12 | 1u << 20;
    fake.ebx7 = 1u << 5;
    fake.xcr0 = 7;
    assert_string_equal(picked(NULL), "middle");
    assert_string_equal(picked("narrow"), "narrow");
    assert_string_equal(picked("middle"), "middle");
    assert_string_equal(picked("wide"), "middle"); /* which this one cannot run */
    assert_string_equal(picked("other"), "middle");
    assert_string_equal(picked(""), "middle");
}

/* What this runtime does not know is not there; a table that it does not know has nothing. */
static void unknown_needs(void **state)
{
    (void)state;
    struct hone_rt__cpu cpu;
    memset(&cpu, 0xff, sizeof cpu);
    const hone_rt_need far[] = {{0x77, 0, HONE_RT_EAX, 1}}, odd[] = {{1, 0, 99, 1}};
    const hone_rt_variant_row none[] = {{"far", far, 1, f[0]}, {"odd", odd, 1, f[1]}};
    hone_rt_variants v = {HONE_RT_ABI, 2, none, NULL};
    assert_null(hone_rt__variants_pick(&v, &cpu, NULL));
    v = table();
    assert_ptr_equal(hone_rt__variants_pick(&v, &cpu, NULL), rows);
    v.abi++;
    assert_null(hone_rt__variants_pick(&v, &cpu, NULL));
}

/* ---- this machine ---------------------------------------------------------------------------- */

_Static_assert(sizeof(hone_rt_need) == sizeof(hone_target_need), "one is made of the other");

/* The runtime and targets/ read the same bits. */
static void host_runs_itself(void **state)
{
    (void)state;
    static const char *const names[] = {"x86-64-v4", "x86-64-v3", "x86-64-v2", "x86-64",
                                        "znver4",    "haswell",   "bdver2",    "sapphirerapids"};
    hone_target host;
    hone_error err;
    if (hone_target_host(&host, &err) != HONE_OK)
        skip();
    for (size_t k = 0; k <= HONE_LEN(names); k++) {
        hone_target t = host;
        hone_target_need needs[HONE_TARGET_MAX_NEEDS];
        unsigned n;
        if (k < HONE_LEN(names))
            assert_int_equal(hone_target_named(names[k], &t, &err), HONE_OK);
        if (strcmp(t.triple, host.triple) != 0 || hone_target_needs(&t, needs, &n, &err) != HONE_OK)
            continue;
        hone_rt_variant_row row = {t.cpu, (const hone_rt_need *)(const void *)needs, n, f[0]};
        hone_rt_variants v = {HONE_RT_ABI, 1, &row, NULL};
        assert_int_equal(hone_rt_variant(&v) != NULL, hone_target_can_run(&host, &t));
    }
}

static void chosen_for_good(void **state)
{
    (void)state;
    const hone_rt_variant_row any[] = {{"first", NULL, 0, f[0]}, {"second", NULL, 0, f[1]}};
    hone_rt_variants v = {HONE_RT_ABI, 2, any, NULL}, w = v;
    unsetenv("HONE_VARIANT");
    assert_string_equal(hone_rt_variant(&v), "first");
    assert_ptr_equal(v.chosen, f[0]);
    setenv("HONE_VARIANT", "second", 1);
    assert_string_equal(hone_rt_variant(&v), "first");
    assert_string_equal(hone_rt_variant(&w), "second");
    assert_ptr_equal(hone_rt_variants_choose(&w), f[1]);
    setenv("HONE_VARIANT", "third", 1);
    w.chosen = NULL;
    assert_string_equal(hone_rt_variant(&w), "first");
    unsetenv("HONE_VARIANT");
    const hone_rt_need never[] = {{0, 0, 99, 1}};
    const hone_rt_variant_row no[] = {{"no", never, 1, f[0]}};
    hone_rt_variants none = {HONE_RT_ABI, 1, no, NULL};
    assert_null(hone_rt_variant(&none));
    assert_null(hone_rt_variants_choose(&none));
}

#define THREADS 8
#define TABLES 200
static hone_rt_variants shared[TABLES];
static const void *const *seen[THREADS][TABLES];
static pthread_barrier_t start;

static void *choose_all(void *arg)
{
    size_t me = (size_t)(uintptr_t)arg;
    for (unsigned k = 0; k < TABLES; k++) {
        if (k % 50 == 0)
            pthread_barrier_wait(&start);
        seen[me][k] = hone_rt_variants_choose(&shared[k]);
    }
    return NULL;
}

static void threads_agree(void **state)
{
    (void)state;
    const hone_rt_variant_row any[] = {{"first", NULL, 0, f[0]}, {"second", NULL, 0, f[1]}};
    pthread_t id[THREADS];
    for (unsigned k = 0; k < TABLES; k++)
        shared[k] = (hone_rt_variants){HONE_RT_ABI, 2, any, NULL};
    pthread_barrier_init(&start, NULL, THREADS);
    for (size_t k = 0; k < THREADS; k++)
        assert_int_equal(pthread_create(&id[k], NULL, choose_all, (void *)(uintptr_t)k), 0);
    for (unsigned k = 0; k < THREADS; k++)
        pthread_join(id[k], NULL);
    pthread_barrier_destroy(&start);
    for (unsigned k = 0; k < TABLES; k++)
        for (unsigned t = 0; t < THREADS; t++)
            assert_ptr_equal(seen[t][k], f[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(best_that_runs),  cmocka_unit_test(wanted_by_name),
        cmocka_unit_test(unknown_needs),   cmocka_unit_test(host_runs_itself),
        cmocka_unit_test(chosen_for_good), cmocka_unit_test(threads_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
