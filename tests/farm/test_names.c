/* What workers of a service are called. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "farm/service/internal.h"

static void add_user(hone_farm *f, const char *name, const char *key)
{
    hone_error err = {0};
    hone_farm_row row = {.kind = HONE_FARM_ROW_USER};
    snprintf(row.user.name, sizeof row.user.name, "%s", name);
    snprintf(row.user.key, sizeof row.user.key, "%s", key);
    row.user.roles = HONE_FARM_DEVICE | HONE_FARM_BUILDER;
    row.user.weight = 1;
    if (hone_farm_restore(f, &row, &err) != HONE_OK)
        fail_msg("%s", err.message);
}

/* The boards of a lab are called lab.b1 and lab.b2, and its builders share the key lab. */
static void a_builder_is_not_called_as_a_key_is(void **state)
{
    (void)state;
    hone_farm_limits limits;
    hone_farm_limits_init(&limits);
    service *s = hone_xcalloc(1, sizeof *s);
    char name[HONE_FARM_NAME];
    s->farm = hone_farm_new(&limits);
    add_user(s->farm, "lab", "k0");
    add_user(s->farm, "lab.b1", "k1");
    add_user(s->farm, "lab.b2", "k2");
    add_user(s->farm, "lab.b3", ""); /* of a builder that was here before */
    hone_service__name_builder(s, "lab", name);
    assert_string_equal(name, "lab.b3");
    hone_farm_free(s->farm);
    free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_builder_is_not_called_as_a_key_is)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
