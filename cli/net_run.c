/* hone net run: a network on inputs from files. */
#include "cli/net_child.h"
#include "cli/net.h"

#include <unistd.h>

typedef struct inputs {
    hone_tensor v[CLI_MAX];
    char *names[CLI_MAX]; /* of the inputs; NULL: in order */
    unsigned n;
} inputs;

/* "FILE" or "NAME=FILE". A file that is there is one, whatever it is called. */
static hone_status read_input(const char *arg, inputs *in, hone_error *err)
{
    const char *equals = strchr(arg, '='), *file = arg;
    char *name = NULL;
    if (equals && access(arg, F_OK) != 0) {
        name = hone_xasprintf("%.*s", (int)(equals - arg), arg);
        file = equals + 1;
    }
    in->names[in->n] = name;
    return hone_net_read_array(file, &in->v[in->n++], err);
}

static void free_inputs(inputs *in)
{
    for (unsigned k = 0; k < in->n; k++) {
        free(in->v[k].data);
        free(in->names[k]);
    }
}

/* ---- outputs --------------------------------------------------------------------------------- */

#define MOST_NAME 200 /* bytes */

/* The output's own name, with what no name of a file has made '_'. */
static char *file_name(const hone_net *g, uint32_t k)
{
    const char *name = hone_net_value_at(g, g->outputs.v[k])->name;
    char *ret = hone_xasprintf("%.*s", MOST_NAME, *name ? name : "_");
    for (char *c = ret; *c; c++)
        if (*c == '/' || (unsigned char)*c < ' ' || (c == ret && *c == '.'))
            *c = '_';
    return ret;
}

/* The name, with a number behind it where one of the n is called so. */
static char *free_name(const char *name, char *const *names, uint32_t n)
{
    char *ret = hone_xstrdup(name);
    unsigned tries = 1;
    for (uint32_t k = 0; k < n; k++)
        if (names[k] && strcmp(names[k], ret) == 0) {
            free(ret);
            ret = hone_xasprintf("%s_%u", name, ++tries);
            k = UINT32_MAX; /* from the first on */
        }
    return ret;
}

/* Names of files, by output: first of those that may be called as they are, then of the others.
 * They and the array are the caller's to free. */
static char **file_names(const hone_net *g)
{
    char **names = hone_xcalloc((size_t)g->outputs.n + 1, sizeof *names);
    for (unsigned pass = 0; pass < 2; pass++)
        for (uint32_t k = 0; k < g->outputs.n; k++) {
            char *name = file_name(g, k);
            bool changed = strcmp(name, hone_net_value_at(g, g->outputs.v[k])->name) != 0;
            if (changed == (pass == 1))
                names[k] = free_name(name, names, g->outputs.n);
            free(name);
        }
    return names;
}

static hone_status write_output(const char *folder, const char *name, const hone_tensor *t,
                                hone_error *err)
{
    char *path = hone_xasprintf("%s/%s.npy", folder, name);
    hone_buf bytes = {0};
    hone_net_print_npy(t, &bytes);
    hone_status st = hone_file_write(path, bytes.s, bytes.n, err);
    if (st == HONE_OK) {
        char text[200], *clean = hone_text_clean(path);
        hone_tensor_text(t, text, sizeof text);
        printf("%s: %s\n", clean, text);
        free(clean);
    }
    hone_buf_free(&bytes);
    free(path);
    return st;
}

static hone_status write_outputs(const hone_net *g, const hone_tensor *out, const char *folder,
                                 hone_error *err)
{
    char **names = file_names(g);
    hone_status st = hone_dir_make(folder, err);
    for (uint32_t k = 0; st == HONE_OK && k < g->outputs.n; k++)
        st = write_output(folder, names[k], &out[k], err);
    for (uint32_t k = 0; k < g->outputs.n; k++)
        free(names[k]);
    free(names);
    return st;
}

/* ---- all of it ------------------------------------------------------------------------------- */

static hone_status run_on(const net_request *q, const inputs *in, hone_net_plan *p,
                          const hone_net_options *o, hone_tensor *out, hone_error *err)
{
    const hone_net *g = p->graph;
    hone_target target;
    hone_tensor ordered[CLI_MAX];
    uint32_t next = 0;
    for (uint32_t k = 0; k < g->inputs.n; k++) {
        const char *name = hone_net_value_at(g, g->inputs.v[k])->name;
        ordered[k] = in->v[hone_net_given_for(o, name, &next)];
    }
    net_compile x = {.target = &target, .logs = &q->logs};
    HONE_TRY(cli_net_target(q, &target, &x.threads, err));
    HONE_TRY(net_choose_compiled(&x, p, err));
    return net_run_compiled(&x, p, ordered, out, NULL, err);
}

static hone_status run(const net_request *q, const inputs *in, hone_error *err)
{
    hone_net *g = NULL;
    hone_net_plan p = {0};
    hone_tensor *out = NULL;
    const hone_net_options o = {.dims = q->dims.v,
                                .n_dims = q->dims.n,
                                .given = in->v,
                                .given_names = (const char *const *)in->names,
                                .n_given = in->n};
    cli_progress_start("run");
    hone_status st = hone_net_plan_for(q->args[0], &o, &g, &p, err);
    if (st == HONE_OK) {
        out = hone_xcalloc((size_t)g->outputs.n + 1, sizeof *out);
        st = run_on(q, in, &p, &o, out, err);
    }
    cli_progress_end();
    if (st == HONE_OK)
        st = write_outputs(g, out, q->out, err);
    for (uint32_t k = 0; out && k < g->outputs.n; k++)
        free(out[k].data);
    free(out);
    hone_net_plan_free(&p);
    hone_net_free(g);
    return st;
}

int cli_net_run(const cli_command *self, const net_request *q)
{
    inputs in = {.n = 0};
    hone_error err = {0};
    hone_status st = HONE_OK;
    if (q->n == 0 || !q->out)
        return cli_usage(self,
                         "run takes one model, --input FILE for each of its inputs, and -o DIR");
    if (q->inputs.n + q->n - 1 > CLI_MAX)
        return cli_usage(self, "more than %d inputs", CLI_MAX);
    cli_catch_signals_soon();
    st = cli_check_folder(q->out, &err);
    for (unsigned k = 0; k < q->inputs.n && st == HONE_OK; k++)
        st = read_input(q->inputs.v[k], &in, &err);
    for (unsigned k = 1; k < q->n && st == HONE_OK; k++) /* --input A B C */
        st = read_input(q->args[k], &in, &err);
    if (st == HONE_OK)
        st = run(q, &in, &err);
    free_inputs(&in);
    return st == HONE_OK ? 0 : cli_fail(st, &err);
}
