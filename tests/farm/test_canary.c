/* Canaries of a service: one set for each target, and for no more targets than there are devices
 * and a few. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "farm/service/internal.h"

#define MANY 200

static char *target_of(int32_t cores)
{
    hone_target t;
    hone_error err = {0};
    if (hone_target_named("haswell", &t, &err) != HONE_OK)
        fail_msg("%s", err.message);
    t.cores = cores;
    return hone_target_text(&t);
}

/* One that comes again and again, each time as another machine; nobody builds. */
static void targets_that_are_gone_are_forgotten(void **state)
{
    (void)state;
    hone_error err = {0};
    service *s = hone_xcalloc(1, sizeof *s);
    worker stays = {.roles = HONE_ROLE_RUN, .name = "stays"},
           comes = {.roles = HONE_ROLE_RUN, .name = "comes"};
    if (hone_pool_new(&(hone_pool_options){0}, &s->pool, &err) != HONE_OK)
        fail_msg("%s", err.message);
    char *first = target_of(1);
    stays.target = first;
    hone_vec_push(&s->workers, &stays);
    hone_vec_push(&s->workers, &comes);
    assert_null(hone_service__canary(s, &stays, 1));
    uint32_t each = hone_service__canary_builds(s);
    assert_true(each > 0);
    for (int32_t k = 2; k < MANY; k++) {
        char *target = target_of(k);
        comes.target = target;
        assert_null(hone_service__canary(s, &comes, 1));
        free(target);
        comes.target = first;
    }
    assert_true(s->canaries.n < MANY / 2);
    assert_int_equal(hone_service__canary_builds(s), s->canaries.n * each);
    bool kept = false;
    for (uint32_t k = 0; k < s->canaries.n; k++)
        kept = kept || strcmp(s->canaries.v[k]->target, first) == 0;
    assert_true(kept);
    hone_service__canaries_free(s);
    hone_vec_free(&s->workers);
    hone_pool_free(s->pool);
    free(first);
    free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(targets_that_are_gone_are_forgotten)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
