/* Target text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "targets/internal.h"

static const char text[] =
    "{\"cache-line-bytes\":64,\"fma-latency\":4,\"fma-per-cycle\":2,\"kind\":\"llvm\","
    "\"l1-bytes\":32768,\"l2-bytes\":1048576,\"l3-bytes\":33554432,"
    "\"mattr\":\"+avx2,+fma,-sse4a\",\"mcpu\":\"znver4\",\"mtriple\":\"x86_64-pc-linux-gnu\","
    "\"num-cores\":2,\"vector-bytes\":32,\"vector-registers\":16}";

static void round_trip(void **state)
{
    (void)state;
    hone_target t;
    assert_int_equal(hone_target_parse(text, &t, NULL), HONE_OK);
    assert_string_equal(t.cpu, "znver4");
    assert_int_equal(t.l2_bytes, 1048576);
    assert_int_equal(t.vector_registers, 16);
    char *again = hone_target_text(&t);
    assert_string_equal(again, text);
    free(again);
}

/* The text with `from` replaced is refused, naming `at_fault`. */
static void refuse(const char *from, const char *to, const char *at_fault)
{
    char changed[1024];
    const char *at = strstr(text, from);
    assert_non_null(at);
    snprintf(changed, sizeof changed, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    hone_target t = {.cores = 77};
    hone_error err;
    assert_int_equal(hone_target_parse(changed, &t, &err), HONE_E_INPUT);
    if (!strstr(err.message, at_fault))
        fail_msg("\"%s\" does not name %s", err.message, at_fault);
    assert_int_equal(t.cores, 77); /* untouched */
}

static void refusals(void **state)
{
    (void)state;
    refuse("\"llvm\"", "\"cuda\"", "kind");
    refuse("\"num-cores\":2", "\"num-cores\":0", "num-cores");
    refuse("\"num-cores\":2", "\"num-cores\":\"2\"", "num-cores");
    refuse("\"num-cores\":2", "\"num-cores\":99999999999", "num-cores");
    refuse("\"num-cores\":2,", "", "num-cores");
    refuse("\"num-cores\":2", "\"num-cores\":2,\"colour\":1", "colour");
    refuse("\"mcpu\":\"znver4\"", "\"mcpu\":4", "mcpu");
    refuse("znver4", "a-name-much-longer-than-any-processor-name-that-LLVM-has-ever-known-of",
           "mcpu");
    refuse("\"mcpu\":\"znver4\",", "", "mcpu");
    refuse("{", "[", "JSON");
    hone_error err;
    hone_target t;
    assert_int_equal(hone_target_parse("[]", &t, &err), HONE_E_INPUT);
}

static void class_is(const char *triple, const char *features, const char *want)
{
    hone_target t = {0};
    snprintf(t.triple, sizeof t.triple, "%s", triple);
    snprintf(t.features, sizeof t.features, "%s", features);
    char *got = hone_target_class(&t);
    assert_string_equal(got, want);
    free(got);
}

static void classes(void **state)
{
    (void)state;
    class_is("x86_64-pc-linux-gnu", "+avx2,+avx512f,+fma", "x86_64/avx512");
    class_is("x86_64-pc-linux-gnu", "+avx,+avx2,-avx512f", "x86_64/avx2");
    class_is("x86_64-pc-linux-gnu", "+avx2,+avx512", "x86_64/avx2");
    class_is("x86_64-pc-linux-gnu", "+avx512fp16", "x86_64/avx512"); /* which needs avx512f */
    class_is("x86_64-pc-linux-gnu", "", "x86_64/base");
    class_is("aarch64-unknown-linux-gnu", "+neon,+sve", "aarch64/sve");
    class_is("arm64-apple-darwin", "+neon", "aarch64/neon");
    class_is("loongarch64-linux", "+lsx", "loongarch64/base");
    char *arch = hone_target_class_arch("x86_64/avx512");
    assert_string_equal(arch, "x86_64");
    assert_true(hone_target_class_within("x86_64/avx512", arch));
    assert_true(hone_target_class_within("x86_64/avx512", "x86_64/avx512"));
    assert_false(hone_target_class_within("x86_64/avx512", "x86_64/avx"));
    assert_false(hone_target_class_within("x86_64/avx2", "x86_64/avx512"));
    assert_false(hone_target_class_within("x86_64", "x86_64/avx2"));
    assert_false(hone_target_class_within("aarch64/neon", arch));
    free(arch);
}

static hone_target target_of(const char *triple, const char *features)
{
    hone_target t = {.cpu = "some"};
    snprintf(t.triple, sizeof t.triple, "%s", triple);
    snprintf(t.features, sizeof t.features, "%s", features);
    return t;
}

static void features(void **state)
{
    (void)state;
    hone_target t = target_of("x86_64-pc-linux-gnu", "+avx2,-fma,+avx512f,+fma,-avx512f");
    assert_true(hone_target_has(&t, ""));
    assert_true(hone_target_has(&t, "avx2"));
    assert_true(hone_target_has(&t, "+avx2,+fma")); /* the last mention counts */
    assert_false(hone_target_has(&t, "avx512f"));
    assert_false(hone_target_has(&t, "+avx2,+avx512f"));
    assert_true(hone_target_has(&t, "avx,sse4.2")); /* avx2 needs them */
    assert_false(hone_target_has(&t, "avx5"));      /* not by its beginning */
}

static bool runs(const char *triple, const char *has, const char *other, const char *needs)
{
    hone_target device = target_of(triple, has), needed = target_of(other, needs);
    return hone_target_can_run(&device, &needed);
}

static void can_run(void **state)
{
    (void)state;
    const char *x86 = "x86_64-pc-linux-gnu", *arm = "aarch64-unknown-linux-gnu";
    assert_true(runs(x86, "+avx2,+fma", x86, "+avx2"));
    assert_true(runs(x86, "+avx2,+fma", x86, "+avx2,-avx512f"));
    assert_true(runs(x86, "+avx2,+fma", "x86_64-unknown-linux-gnu", "+avx2"));
    assert_true(runs(x86, "+avx2,-avx512f", "amd64-linux", "+avx512f,-avx512f"));
    assert_false(runs(x86, "+avx2,-avx512f", x86, "+avx2,+avx512f"));
    assert_false(runs(x86, "+avx2", x86, "+avx2,+fma"));
    assert_true(runs(arm, "+neon,+sve", "arm64-apple-darwin", "+neon"));
    assert_false(runs(x86, "+neon", arm, "+neon"));
}

static hone_target cpu_of(const char *triple, const char *cpu, const char *features)
{
    hone_target t = target_of(triple, features);
    snprintf(t.cpu, sizeof t.cpu, "%s", cpu);
    return t;
}

/* What a list does not mention comes from the processor. */
/* Of all features at once what is said of each alone, whatever is on a list and whatever the
 * processor. */
static void all_are_as_each(void **state)
{
    (void)state;
    static const char *const triples[] = {"x86_64-pc-linux-gnu", "aarch64-unknown-linux-gnu",
                                          "riscv64-unknown-linux-gnu", "sparc-sun-solaris"};
    hone_rng rng;
    unsigned on = 0, off = 0;
    hone_rng_seed(&rng, 4);
    for (unsigned turn = 0; turn < 600; turn++) {
        hone_target t = {.cores = 1};
        snprintf(t.triple, sizeof t.triple, "%s", triples[turn % 4]);
        const hone_preset *p = hone_preset_of(&t);
        unsigned n = 0, cpus = 0, at = 0;
        while (p->features[n].name)
            n++;
        while (p->cpus && p->cpus[cpus].name)
            cpus++;
        unsigned cpu = (unsigned)hone_rng_below(&rng, cpus + 1);
        snprintf(t.cpu, sizeof t.cpu, "%s", cpu < cpus ? p->cpus[cpu].name : "of no table");
        for (unsigned k = 0; n > 0 && k < turn % 9; k++)
            at += (unsigned)snprintf(
                t.features + at, sizeof t.features - at, "%s%c%s", at ? "," : "",
                "+-"[hone_rng_below(&rng, 2)],
                hone_rng_below(&rng, 12) ? p->features[hone_rng_below(&rng, n)].name : "unknown");
        bool all[256] = {false};
        hone_targets__all(p, &t, all);
        for (unsigned k = 0; k < n; k++) {
            const char *name = p->features[k].name;
            if (all[k] != hone_targets__has(p, &t, name, strlen(name)))
                fail_msg("%s of %s, %s: %d", name, t.cpu, t.features, all[k]);
            *(all[k] ? &on : &off) += 1;
        }
        assert_int_equal(hone_target_beyond(&t, &t), 0);
    }
    assert_true(on > 1000 && off > 1000);
}

static void by_processor(void **state)
{
    (void)state;
    const char *x86 = "x86_64-pc-linux-gnu";
    hone_target zen4 = cpu_of(x86, "znver4", ""), haswell = cpu_of(x86, "haswell", "");
    assert_true(hone_target_has(&zen4, "+avx512vnni,+avx512vl,+fma"));
    assert_true(hone_target_has(&haswell, "avx2,fma,f16c"));
    assert_false(hone_target_has(&haswell, "avx512f"));
    assert_true(hone_target_can_run(&zen4, &haswell));
    assert_false(hone_target_can_run(&haswell, &zen4));
    hone_target less = cpu_of(x86, "znver4", "-avx512f"); /* a guest that is not let have it */
    assert_false(hone_target_has(&less, "avx512vnni"));
    assert_true(hone_target_has(&less, "avx2"));
    char what[64];
    assert_true(hone_target_lacks(&less, &zen4, what));
    assert_string_equal(what, "avx512f");
    /* what no code made here uses does not keep a job from a device */
    hone_target more = cpu_of(x86, "haswell", "+mwaitx,+clzero,+sgx,+prefer-256-bit");
    assert_true(hone_target_can_run(&haswell, &more));
    /* a feature no table has may be anything */
    more = cpu_of(x86, "haswell", "+avx99");
    assert_true(hone_target_lacks(&zen4, &more, what));
    assert_string_equal(what, "avx99");
    hone_target arm = cpu_of("aarch64-linux", "cortex-a72", "");
    assert_true(hone_target_lacks(&zen4, &arm, what));
    assert_string_equal(what, "aarch64");
    hone_target a = cpu_of("mips64-linux", "x", ""), b = cpu_of("sparc64-linux", "x", "");
    assert_false(hone_target_can_run(&a, &b));
    assert_true(hone_target_can_run(&a, &a));
}

/* Matrix units are faster than vectors, and are not impossible for who uses them. */
static void peaks(void **state)
{
    (void)state;
    hone_target t = cpu_of("x86_64-pc-linux-gnu", "sapphirerapids", "");
    t.vector_bytes = 64;
    t.fma_per_cycle = 2;
    double f32 = hone_target_peak_gops(&t, 1, 4, ""), u8 = hone_target_peak_gops(&t, 1, 1, "");
    assert_true(f32 > 2 * 2 * 16 * 5.0 && f32 < 24 * 2 * 2 * 16);
    assert_true(u8 > 3.99 * f32 && u8 < 4.01 * f32);
    /* 512 products and sums of bf16 in a cycle at 4 GHz */
    double amx = hone_target_peak_gops(&t, 1, 2, "+amx-tile,+amx-bf16");
    assert_true(amx > 2 * 512 * 4.0 && amx > hone_target_peak_gops(&t, 1, 2, "+avx512bf16"));
    assert_true(hone_target_peak_gops(&t, 8, 2, "+amx-bf16") > 7.9 * amx);
    hone_target m4 = cpu_of("aarch64-linux", "apple-m4", "");
    m4.vector_bytes = 16;
    m4.fma_per_cycle = 2;
    assert_true(hone_target_peak_gops(&m4, 1, 4, "+sme") > 2 * 256 * 4.5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip), cmocka_unit_test(refusals),
        cmocka_unit_test(classes),    cmocka_unit_test(features),
        cmocka_unit_test(can_run),    cmocka_unit_test(by_processor),
        cmocka_unit_test(peaks),      cmocka_unit_test(all_are_as_each),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
