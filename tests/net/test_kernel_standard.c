/* The models of ONNX's own tests, as Debian has them (libonnx-testdata): the kernel of each node,
 * run by the interpreter, computes what the reference does. */
#include "kernel_test.h"
#include "net/check.h"

#include <dirent.h>

#define DATA "/usr/share/libonnx-testdata/data"
#define MAX_INPUTS 16

typedef struct tally {
    unsigned models, nodes, refused; /* models all of whose nodes have kernels; nodes */
} tally;

/* The node with what it is known to get before the network runs: constants of the model, or `all`.
 */
static hone_net_use use_of(const hone_net *g, hone_net_node n, bool all, hone_tensor *in,
                           const hone_tensor **at, hone_net_use_room *room)
{
    hone_net_use u = hone_net_use_of(g, n, room);
    for (uint32_t k = 0; k < u.n_in && k < MAX_INPUTS; k++) {
        at[k] = NULL;
        if (!u.in[k])
            continue;
        const hone_net_value_row *v = hone_net_value_at(g, hone_net_node_at(g, n)->in[k]);
        in[k] = *u.in[k];
        if (!all && (v->is_input || v->producer.i))
            in[k].data = NULL;
        at[k] = &in[k];
    }
    u.in = at;
    return u;
}

/* False: there is no kernel. */
static bool node_agrees(const hone_net *g, hone_net_node n, bool all)
{
    hone_net_use_room room = {0};
    hone_tensor in[MAX_INPUTS];
    const hone_tensor *at[MAX_INPUTS];
    hone_net_use u = use_of(g, n, all, in, at, &room);
    hone_net_kernel_of_use k;
    hone_error err = {0};
    hone_status s =
        u.n_in > MAX_INPUTS ? HONE_E_UNSUPPORTED : hone_net_kernel_make("node", &u, &k, &err);
    if (s == HONE_OK) {
        void *args[2 * MAX_INPUTS], *got[MAX_INPUTS] = {0};
        for (uint32_t i = 0; i < k.args.n; i++) {
            uint32_t j = k.args.v[i].at;
            if (k.args.v[i].is_output)
                got[j] = test_room(u.out[j]);
            args[i] = k.args.v[i].is_output
                          ? got[j]
                          : hone_net_value_at(g, hone_net_node_at(g, n)->in[j])->t.data;
        }
        test_run(k.text, args, k.args.n);
        for (uint32_t j = 0; j < u.n_out; j++) {
            char why[400];
            hone_tensor is = u.out[j] ? *u.out[j] : (hone_tensor){0};
            is.data = got[j];
            if (got[j] && !hone_tensor_agree(&is, u.out[j], why, sizeof why))
                fail_msg("%s, output %u: %s\n%s", u.node->op->name, (unsigned)j, why, k.text);
            free(got[j]);
        }
        hone_net_kernel_of_use_free(&k);
    } else {
        assert_int_equal(s, HONE_E_UNSUPPORTED);
        if (!strstr(err.message, "there is no kernel") && all)
            print_message("%s\n", err.message);
    }
    hone_net_use_room_free(&room);
    return s == HONE_OK;
}

/* With the inputs of its first set of data. NULL: hone does not read it, or it is nothing to run.
 */
static hone_net *read_model(const char *folder)
{
    hone_tensor given[MAX_INPUTS];
    hone_error err;
    hone_net *g = NULL;
    uint32_t n = 0;
    for (bool more = true; more && n < MAX_INPUTS; n += more) {
        char *path = hone_xasprintf("%s/test_data_set_0/input_%u.pb", folder, (unsigned)n);
        more = hone_net_read_tensor(path, &given[n], &err) == HONE_OK;
        free(path);
    }
    char *path = hone_xasprintf("%s/model.onnx", folder);
    const hone_net_options o = {.given = given, .n_given = n};
    if (hone_net_read(path, &o, &g, &err) != HONE_OK)
        g = NULL;
    free(path);
    while (n)
        free(given[--n].data);
    return g;
}

/* What such a node makes is known with the shapes; nothing is left to compute when the network
 * runs. */
static bool is_known_ahead(const hone_net_node_row *n)
{
    static const char *const ops[] = {"Constant", "ConstantOfShape", "Range", "Shape", "Size"};
    for (size_t k = 0; k < HONE_LEN(ops); k++)
        if (strcmp(n->op->name, ops[k]) == 0)
            return true;
    return false;
}

static void check_folder(const char *folder, tally *t)
{
    hone_net *g = read_model(folder);
    bool whole = g && g->nodes.n > 1;
    for (uint32_t k = 1; g && k < g->nodes.n; k++) {
        hone_net_node n = {k};
        if (is_known_ahead(hone_net_node_at(g, n)))
            continue;
        bool has = node_agrees(g, n, false) || node_agrees(g, n, true);
        whole = whole && has;
        t->nodes += has;
        t->refused += !has;
    }
    t->models += whole;
    hone_net_free(g);
}

static void check_group(const char *group, unsigned models)
{
    tally t = {0};
    char *path = hone_xasprintf("%s/%s", DATA, group);
    struct dirent **names;
    int n = scandir(path, &names, NULL, alphasort);
    if (n < 0)
        fail_msg("there is no %s: install libonnx-testdata (cmake/install-deps.sh)", path);
    for (int k = 0; k < n; k++) {
        char *folder = hone_xasprintf("%s/%s", path, names[k]->d_name);
        if (names[k]->d_name[0] != '.')
            check_folder(folder, &t);
        free(folder);
        free(names[k]);
    }
    free(names);
    free(path);
    print_message("%s: %u models, %u nodes agree, %u have no kernel\n", group, t.models, t.nodes,
                  t.refused);
    assert_true(t.models >= models);
}

static void nodes(void **state)
{
    (void)state;
    check_group("node", 664);
}

static void others(void **state)
{
    (void)state;
    check_group("simple", 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(nodes), cmocka_unit_test(others)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
