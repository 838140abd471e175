/* hone net check: does a network compute what is expected? */
#include "cli/net_child.h"
#include "cli/net.h"
#include "net/check.h"

static json_t *tensors_json(const hone_net_checked *c)
{
    json_t *all = json_array();
    for (uint32_t k = 0; k < c->tensors.n; k++) {
        const hone_net_compared *t = &c->tensors.v[k];
        json_array_append_new(all, json_pack("{s:s, s:s, s:i, s:s, s:o, s:b}", "tensor", t->name,
                                             "kernel", t->kernel, "call", (int)t->call, "shape",
                                             t->shape, "error",
                                             t->error < 1e300 ? json_real(t->error) : json_null(),
                                             "agrees", (int)t->agrees));
    }
    return all;
}

static void print_json(const char *what, const hone_net_checked *c)
{
    json_t *j = json_pack("{s:o, s:s}", "folder", hone_json_string(what), "verdict",
                          hone_net_verdict_name(c->verdict));
    if (*c->why)
        json_object_set_new(j, "why", hone_json_string(c->why));
    if (c->tensors.n)
        json_object_set_new(j, "tensors", tensors_json(c));
    cli_print_json(j);
}

static void print(const net_request *q, const char *what, const hone_net_checked *c)
{
    if (q->json) {
        print_json(what, c);
        return;
    }
    char *clean = hone_text_clean(c->why), *folder = hone_text_clean(what);
    size_t n = strlen(folder); /* what cannot be read names its file itself */
    bool named = strncmp(clean, folder, n) == 0 && clean[n] == ':';
    printf("%-11s %s%s%s\n", hone_net_verdict_name(c->verdict), folder,
           *clean && !named ? ": " : "", named ? clean + n : clean);
    free(folder);
    free(clean);
    for (uint32_t k = 0; k < c->tensors.n && q->verbose; k++) {
        const hone_net_compared *t = &c->tensors.v[k];
        printf("  %-6s %9.3g  %s %s, by %s\n", t->agrees ? "" : "differs", t->error, t->name,
               t->shape, t->kernel);
    }
}

static const struct {
    const char *name, *text;
    hone_net_runner *run;
} ways[] = {{"compiled", "compiled code", net_run_compiled},
            {"kernels", "the kernels", hone_net_plan_interpret},
            {"reference", "the reference", NULL}};

/* Of two exit codes that of what failed, then of bad input, then of what is not there. */
static int worse(int a, int b)
{
    return !a ? b : !b ? a : a < b ? a : b;
}

/* worst: the exit code of the errors. */
static int finish(const net_request *q, unsigned way, const unsigned count[HONE_NET_ERROR + 1],
                  int worst)
{
    if (q->json)
        cli_print_json(json_pack("{s:s, s:i, s:i, s:i, s:i}", "by", ways[way].name, "equal",
                                 count[HONE_NET_EQUAL], "differs", count[HONE_NET_DIFFERS],
                                 "unsupported", count[HONE_NET_UNSUPPORTED], "error",
                                 count[HONE_NET_ERROR]));
    else
        printf("%u equal, %u differ, %u unsupported, %u errors, by %s\n", count[HONE_NET_EQUAL],
               count[HONE_NET_DIFFERS], count[HONE_NET_UNSUPPORTED], count[HONE_NET_ERROR],
               ways[way].text);
    if (cli_stopped(NULL)) {
        hone_error err = {0};
        return cli_fail(
            hone_fail(&err, HONE_E_INTERRUPTED, "interrupted: what is told is of those before"),
            &err);
    }
    return count[HONE_NET_DIFFERS] ? 1 : worst;
}

static void start_progress(const net_request *q, unsigned k)
{
    char *clean = hone_text_clean(q->args[k]);
    char *title = hone_xasprintf("%.100s (%u of %u)", clean, k + 1, q->n);
    cli_progress_start(title);
    free(title);
    free(clean);
}

int cli_net_check(const cli_command *self, const net_request *q)
{
    unsigned count[HONE_NET_ERROR + 1] = {0}, way = 0;
    int worst = 0;
    hone_error err = {0};
    hone_target target;
    if (q->n == 0)
        return cli_usage(self, "check takes folders, each with a model.onnx and its test data, or "
                               "models with --random SEED");
    while (q->by && way < HONE_LEN(ways) && strcmp(q->by, ways[way].name) != 0)
        way++;
    if (way == HONE_LEN(ways))
        return cli_usage(self,
                         "check by what? there are --by compiled, --by kernels and --by reference");
    if (q->random >= 0 && !ways[way].run)
        return cli_usage(self, "--random is held against the reference: by compiled or by kernels");
    if (q->random < 0 && q->dims.n)
        return cli_usage(self, "--dim is for --random: test data have their sizes");
    net_compile compile = {.target = &target, .logs = &q->logs};
    hone_status st = cli_net_target(q, &target, &compile.threads, &err);
    if (st != HONE_OK)
        return cli_fail(st, &err);
    const hone_net_checker by = {.run = ways[way].run,
                                 .choose =
                                     ways[way].run == net_run_compiled ? net_choose_compiled : NULL,
                                 .ctx = &compile,
                                 .all = q->verbose,
                                 .dims = q->dims.v,
                                 .n_dims = q->dims.n};
    cli_catch_signals_soon();
    for (unsigned k = 0; k < q->n && !cli_stopped(NULL); k++) {
        hone_net_checked c;
        start_progress(q, k);
        if (q->random >= 0)
            hone_net_check_random(q->args[k], (uint64_t)q->random, &by, &c);
        else
            hone_net_check(q->args[k], &by, &c);
        cli_progress_end();
        if (!cli_stopped(NULL)) { /* else it says nothing about the network */
            print(q, q->args[k], &c);
            count[c.verdict]++;
            worst = worse(worst, hone_status_exit_code(c.status));
        }
        fflush(stdout);
        hone_net_checked_free(&c);
    }
    return finish(q, way, count, worst);
}
