/* Targets by name, and what code for them asks of a processor. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "targets/internal.h"

static hone_target named(const char *name)
{
    hone_target t;
    hone_error err;
    if (hone_target_named(name, &t, &err) != HONE_OK)
        fail_msg("%s", err.message);
    return t;
}

/* The mask a target asks for in a register, 0: none. */
static uint32_t asks(const hone_target *t, uint32_t leaf, uint32_t sub, hone_target_register reg)
{
    hone_target_need needs[HONE_TARGET_MAX_NEEDS];
    hone_error err;
    unsigned n;
    uint32_t mask = 0, found = 0;
    if (hone_target_needs(t, needs, &n, &err) != HONE_OK)
        fail_msg("%s", err.message);
    for (unsigned k = 0; k < n; k++)
        if (needs[k].leaf == leaf && needs[k].subleaf == sub && needs[k].reg == (uint32_t)reg) {
            mask = needs[k].mask;
            found++;
        }
    assert_true(found <= 1); /* one row for each register */
    return mask;
}

static void named_targets(void **state)
{
    (void)state;
    hone_target t = named("znver4");
    assert_string_equal(t.triple, "x86_64-pc-linux-gnu");
    assert_string_equal(t.cpu, "znver4");
    assert_int_equal(t.vector_bytes, 64);
    assert_int_equal(t.vector_registers, 32);
    assert_int_equal(t.fma_per_cycle, 1); /* its pipes are 32 bytes wide */
    assert_true(hone_target_has(&t, "+avx512vnni,+sse4a"));
    t = named("x86-64-v2");
    assert_int_equal(t.vector_bytes, 16);
    assert_true(hone_target_has(&t, "sse4.2"));
    assert_false(hone_target_has(&t, "avx"));
    t = named("x86-64-v3");
    assert_int_equal(t.vector_bytes, 32);
    t = named("neoverse-n1");
    assert_string_equal(t.triple, "aarch64-unknown-linux-gnu");
    assert_int_equal(hone_preset_group(&t), 1);
    t = named("sifive-x280");
    assert_int_equal(t.vector_bytes, 64);
    assert_int_equal(hone_preset_group(&t), 4);
    t = named("sifive-u74"); /* without vectors */
    assert_int_equal(hone_preset_group(&t), 1);
    /* each name gives a target whose text can be read again */
    for (unsigned k = 0; hone_preset_at(k); k++)
        for (const hone_preset_cpu *c = hone_preset_at(k)->cpus; c->name; c++) {
            hone_target again;
            if (strcmp(c->name, "generic") == 0)
                continue;
            t = named(c->name);
            assert_ptr_equal(hone_preset_of(&t), hone_preset_at(k));
            char *text = hone_target_text(&t);
            assert_int_equal(hone_target_parse(text, &again, NULL), HONE_OK);
            free(text);
        }
}

static void unknown_names(void **state)
{
    (void)state;
    static const struct {
        const char *name, *says;
    } all[] = {{"znver44", "znver4"},      {"skylake-avx521", "skylake-avx512"},
               {"x86-64-v5", "x86-64-v4"}, {"generic", "no processor is called 'generic'"},
               {"", "no processor"},       {"a\nb", "no processor"}};
    for (size_t k = 0; k < HONE_LEN(all); k++) {
        hone_target t = {.cores = 77};
        hone_error err;
        assert_int_equal(hone_target_named(all[k].name, &t, &err), HONE_E_INPUT);
        if (!strstr(err.message, all[k].says) || strchr(err.message, '\n'))
            fail_msg("'%s' does not say %s", err.message, all[k].says);
        assert_int_equal(t.cores, 77);
    }
    char longest[5000];
    memset(longest, 'z', sizeof longest - 1);
    longest[sizeof longest - 1] = 0;
    hone_target t;
    assert_int_equal(hone_target_named(longest, &t, NULL), HONE_E_INPUT);
}

static void needs_of_processors(void **state)
{
    (void)state;
    const uint32_t osxsave = 1u << 27, avx = 1u << 28, fma = 1u << 12, sse42 = 1u << 20;
    hone_target t = named("znver4");
    uint32_t ecx = asks(&t, 1, 0, HONE_TARGET_ECX), ebx = asks(&t, 7, 0, HONE_TARGET_EBX);
    assert_int_equal(ecx & (osxsave | avx | fma | sse42), osxsave | avx | fma | sse42);
    assert_int_equal(ebx & (1u << 16 | 1u << 5), 1u << 16 | 1u << 5); /* avx512f, avx2 */
    assert_int_equal(asks(&t, 0, 0, HONE_TARGET_XCR0), 0xe6);
    assert_int_equal(asks(&t, 7, 1, HONE_TARGET_EAX) & 1u << 5, 1u << 5);          /* avx512bf16 */
    assert_int_equal(asks(&t, 0x80000001, 0, HONE_TARGET_ECX) & 1u << 6, 1u << 6); /* sse4a */
    t = named("haswell");
    ebx = asks(&t, 7, 0, HONE_TARGET_EBX);
    assert_int_equal(ebx & (1u << 16 | 1u << 5), 1u << 5);
    assert_int_equal(asks(&t, 0, 0, HONE_TARGET_XCR0), 0x6);
    assert_int_equal(asks(&t, 7, 1, HONE_TARGET_EAX), 0);
    t = named("x86-64-v2");
    ecx = asks(&t, 1, 0, HONE_TARGET_ECX);
    assert_int_equal(ecx & (osxsave | avx | fma | sse42), sse42);
    assert_int_equal(asks(&t, 7, 0, HONE_TARGET_EBX), 0);
    assert_int_equal(asks(&t, 0, 0, HONE_TARGET_XCR0), 0);
    assert_int_equal(asks(&t, 1, 0, HONE_TARGET_EDX) >> 26 & 1, 1); /* sse2 */
    t = named("sapphirerapids");
    assert_int_equal(asks(&t, 0, 0, HONE_TARGET_XCR0), 0x600e6);
    t = named("neoverse-n1");
    assert_int_equal(asks(&t, 0, 0, HONE_TARGET_HWCAP) & 0x18, 0x18); /* aes, pmull */
    assert_int_equal(asks(&t, 0, 0, HONE_TARGET_HWCAP) >> 20 & 1, 1); /* dotprod */
    t = named("neoverse-n2");
    assert_int_equal(asks(&t, 0, 0, HONE_TARGET_HWCAP2) >> 1 & 1, 1); /* sve2 */
}

/* Whoever has what one target needs and all of another's too can run that one's code. */
static void needs_agree_with_can_run(void **state)
{
    (void)state;
    static const char *const names[] = {
        "x86-64", "x86-64-v2", "x86-64-v3",      "x86-64-v4", "haswell", "znver2",
        "znver4", "bdver2",    "skylake-avx512", "alderlake", "nehalem", "sapphirerapids"};
    for (size_t i = 0; i < HONE_LEN(names); i++)
        for (size_t j = 0; j < HONE_LEN(names); j++) {
            hone_target a = named(names[i]), b = named(names[j]);
            hone_target_need needs[HONE_TARGET_MAX_NEEDS];
            unsigned n;
            bool all = true;
            assert_int_equal(hone_target_needs(&b, needs, &n, NULL), HONE_OK);
            for (unsigned k = 0; k < n; k++)
                all = all && (asks(&a, needs[k].leaf, needs[k].subleaf,
                                   (hone_target_register)needs[k].reg) &
                              needs[k].mask) == needs[k].mask;
            if (all != hone_target_can_run(&a, &b))
                fail_msg("code for %s on %s", names[j], names[i]);
        }
}

static void needs_that_nobody_knows(void **state)
{
    (void)state;
    hone_target_need needs[HONE_TARGET_MAX_NEEDS];
    hone_error err;
    unsigned n;
    hone_target t = named("haswell");
    snprintf(t.features, sizeof t.features, "+avx9");
    assert_int_equal(hone_target_needs(&t, needs, &n, &err), HONE_E_INPUT);
    assert_non_null(strstr(err.message, "avx9"));
    snprintf(t.features, sizeof t.features, "-avx9,-avx2");
    assert_int_equal(asks(&t, 7, 0, HONE_TARGET_EBX) & 1u << 5, 0);
    /* what LLVM may know of it, and hone does not */
    snprintf(t.cpu, sizeof t.cpu, "core-avx2");
    assert_int_equal(hone_target_needs(&t, needs, &n, &err), HONE_E_INPUT);
    assert_non_null(strstr(err.message, "core-avx2"));
    for (unsigned k = 0; hone_preset_at(k); k++)
        if (!hone_preset_at(k)->sources && hone_preset_at(k)->triple) {
            t = (hone_target){.cpu = "generic"};
            snprintf(t.triple, sizeof t.triple, "%s", hone_preset_at(k)->triple);
            assert_int_equal(hone_target_needs(&t, needs, &n, &err), HONE_E_INPUT);
            assert_non_null(strstr(err.message, t.triple));
        }
}

/* Every feature that code may use has a source, in presets that have sources at all. */
static void features_have_sources(void **state)
{
    (void)state;
    for (unsigned k = 0; hone_preset_at(k); k++)
        for (const hone_preset_feature *f = hone_preset_at(k)->features; f->name; f++) {
            bool found = false;
            const hone_preset_source *s = hone_preset_at(k)->sources;
            for (; s && s->word; s++)
                found = found || (s->word == f->word && (!s->bits || s->bits >> f->bit & 1));
            if (hone_preset_at(k)->sources && !f->idle && !found)
                fail_msg("%s: %s", hone_preset_at(k)->name, f->name);
        }
}

/* docs/TARGETS.md lists every name there is. */
static void names_are_in_the_docs(void **state)
{
    (void)state;
    char *docs, quoted[80];
    size_t n;
    assert_int_equal(hone_file_read(HONE_SOURCE_DIR "/docs/TARGETS.md", 1 << 20, &docs, &n, NULL),
                     HONE_OK);
    for (unsigned k = 0; hone_preset_at(k); k++)
        for (const hone_preset_cpu *c = hone_preset_at(k)->cpus; c->name; c++) {
            snprintf(quoted, sizeof quoted, "`%s`", c->name);
            if (strcmp(c->name, "generic") != 0 && !strstr(docs, quoted))
                fail_msg("docs/TARGETS.md does not name %s", c->name);
        }
    free(docs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(named_targets),           cmocka_unit_test(unknown_names),
        cmocka_unit_test(needs_of_processors),     cmocka_unit_test(needs_agree_with_can_run),
        cmocka_unit_test(needs_that_nobody_knows), cmocka_unit_test(features_have_sources),
        cmocka_unit_test(names_are_in_the_docs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
