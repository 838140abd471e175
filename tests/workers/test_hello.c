/* What a worker says of itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "targets/target.h"
#include "workers/worker/internal.h"

/* "a=1,b=2" has the entry "b=2". */
static bool has(const char *attrs, const char *entry)
{
    char *all = hone_xasprintf(",%s,", attrs), *one = hone_xasprintf(",%s,", entry);
    bool yes = strstr(all, one);
    free(all);
    free(one);
    return yes;
}

static void which_runtime(void **state)
{
    (void)state;
    static const struct {
        const char *runtime, *attr, *target;
    } cases[] = {
        {"node", "runtime=node", "wasm32"},
        {"node:relaxed", "runtime=node:relaxed", "wasm32-relaxed"},
        {"node:threads", "runtime=node:threads", "wasm32-threads"},
        {"browser:127.0.0.1:8090", "runtime=browser", "wasm32"},
    };
    for (size_t k = 0; k < HONE_LEN(cases); k++) {
        hone_workers__self self;
        const hone_worker_options o = {.roles = HONE_ROLE_RUN, .runtime = cases[k].runtime};
        hone_target t;
        hone_error err;
        hone_workers__worker_describe(&self, &o);
        if (!has(self.attrs, cases[k].attr))
            fail_msg("%s: %s", cases[k].attr, self.attrs);
        assert_int_equal(hone_target_named(cases[k].target, &t, &err), HONE_OK);
        char *text = hone_target_text(&t);
        assert_string_equal(self.target, text);
        bool many = strcmp(cases[k].target, "wasm32-threads") == 0;
        assert_true(many ? self.threads >= 1 : self.threads == 1);
        free(text);
        free(self.target);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(which_runtime),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
