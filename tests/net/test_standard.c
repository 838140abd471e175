/* The models of ONNX's own tests, as Debian has them (libonnx-testdata): each is equal to what is
 * expected of it, or refused by name. */
#include "net/check.h"
#include "tests/net/model.h"

#include <dirent.h>

#define DATA "/usr/share/libonnx-testdata/data"

typedef struct tally {
    unsigned of[HONE_NET_ERROR + 1];
} tally;

/* All folders of a group; says which one differs, or is an error. */
static tally run(const char *group, bool kernels)
{
    tally t = {0};
    char *path = hone_xasprintf("%s/%s", DATA, group);
    struct dirent **names;
    int n = scandir(path, &names, NULL, alphasort);
    if (n < 0)
        fail_msg("there is no %s: install libonnx-testdata (cmake/install-deps.sh)", path);
    for (int k = 0; k < n; k++) {
        if (names[k]->d_name[0] != '.') {
            char *folder = hone_xasprintf("%s/%s", path, names[k]->d_name);
            const hone_net_checker by = {.run = kernels ? hone_net_plan_interpret : NULL};
            hone_net_checked c;
            hone_net_check(folder, &by, &c);
            if (c.verdict == HONE_NET_DIFFERS || c.verdict == HONE_NET_ERROR)
                print_error("%s %s: %s\n", hone_net_verdict_name(c.verdict), names[k]->d_name,
                            c.why);
            assert_true((c.verdict == HONE_NET_EQUAL) == (*c.why == '\0'));
            t.of[c.verdict]++;
            hone_net_checked_free(&c);
            free(folder);
        }
        free(names[k]);
    }
    free(names);
    free(path);
    print_message("%s by the %s: %u equal, %u differ, %u unsupported, %u errors\n", group,
                  kernels ? "kernels" : "reference", t.of[HONE_NET_EQUAL], t.of[HONE_NET_DIFFERS],
                  t.of[HONE_NET_UNSUPPORTED], t.of[HONE_NET_ERROR]);
    return t;
}

/* At least so many are right, and none is wrong. */
static void at_least(const char *group, bool kernels, unsigned equal)
{
    tally t = run(group, kernels);
    assert_true(t.of[HONE_NET_EQUAL] >= equal);
    assert_int_equal(t.of[HONE_NET_DIFFERS], 0);
    assert_int_equal(t.of[HONE_NET_ERROR], 0);
}

static void nodes(void **state)
{
    (void)state;
    at_least("node", false, 678);
}

static void others(void **state)
{
    (void)state;
    at_least("pytorch-converted", false, 2);
    at_least("pytorch-operator", false, 0);
    at_least("simple", false, 7);
}

static void nodes_by_kernels(void **state)
{
    (void)state;
    at_least("node", true, 638);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(nodes), cmocka_unit_test(others),
                                       cmocka_unit_test(nodes_by_kernels)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
