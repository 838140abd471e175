/* The rules that presets name. */
#include "space/rule/rule.h"
#include "targets/preset.h"
#include "tests/space/prim_test.h"

static void every_name_is_a_rule(void **state)
{
    (void)state;
    const hone_preset *p;
    for (unsigned k = 0; (p = hone_preset_at(k)); k++) {
        bool stage = false;
        for (const char *const *name = p->rules; *name; name++) {
            const hone_rule__row *r = hone_rule__find(*name);
            if (!r)
                fail_msg("%s: there is no rule '%s'", p->name, *name);
            for (const char *const *other = p->rules; other < name; other++)
                assert_string_not_equal(*other, *name);
            if (r->prepare && stage)
                fail_msg("%s: '%s' prepares, and comes after rules for stages", p->name, *name);
            stage = stage || r->apply || r->chains;
        }
        if (!stage)
            fail_msg("%s has no rule that schedules anything", p->name);
    }
    assert_null(hone_rule__find("no such rule"));
}

/* A row is of one kind. */
static void one_kind(void **state)
{
    (void)state;
    const hone_preset *p;
    for (unsigned k = 0; (p = hone_preset_at(k)); k++)
        for (const char *const *name = p->rules; *name; name++) {
            const hone_rule__row *r = hone_rule__find(*name);
            assert_int_equal(!!r->prepare + !!r->apply + !!r->chains + r->is_custom, 1);
            assert_int_equal(!r->apply, !r->variants);
            assert_int_equal(!r->chains, !r->chain_variants);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_name_is_a_rule),
        cmocka_unit_test(one_kind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
