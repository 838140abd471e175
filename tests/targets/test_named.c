/* Targets by name. */
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
        cmocka_unit_test(named_targets),
        cmocka_unit_test(unknown_names),
        cmocka_unit_test(features_have_sources),
        cmocka_unit_test(names_are_in_the_docs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
