/* hone net: networks. What of a model hone reads, and whether it computes what is expected. */
#include "cli/net.h"

#include <sys/stat.h>

#define MAX_FOLDERS 4096

/* ---- what verbs share ------------------------------------------------------------------------ */

hone_status cli_net_plan(const net_request *q, hone_net **ret_graph, hone_net_plan *ret_plan,
                         hone_error *err)
{
    const hone_net_options o = {.dims = q->dims.v, .n_dims = q->dims.n};
    HONE_TRY(hone_net_read(q->args[0], &o, ret_graph, err));
    hone_status st = hone_net_plan_make(*ret_graph, NULL, ret_plan, err);
    if (st != HONE_OK && err && !*err->where)
        snprintf(err->where, sizeof err->where, "%s", q->args[0]);
    return st;
}

/* ---- show ------------------------------------------------------------------------------------ */

static int print_graph(const net_request *q)
{
    hone_error err = {0};
    hone_net *g = NULL;
    const hone_net_options o = {.dims = q->dims.v, .n_dims = q->dims.n};
    hone_status st = hone_net_read(q->args[0], &o, &g, &err);
    if (st != HONE_OK)
        return cli_fail(st, &err);
    hone_buf text = {0};
    if (q->dot)
        hone_net_print_dot(g, &text);
    else
        hone_net_print(g, &text);
    fputs(text.s, stdout);
    hone_buf_free(&text);
    hone_net_free(g);
    return 0;
}

static int print_plan(const net_request *q, hone_net_stage after)
{
    hone_error err = {0};
    hone_net *g = NULL;
    hone_net_plan p = {0};
    hone_status st = cli_net_plan(q, &g, &p, &err);
    if (st == HONE_OK) {
        hone_buf text = {0};
        hone_net_plan_print(&p, after, &text);
        fputs(text.s, stdout);
        hone_buf_free(&text);
    }
    hone_net_plan_free(&p);
    hone_net_free(g);
    return st == HONE_OK ? 0 : cli_fail(st, &err);
}

static int show(const cli_command *self, const net_request *q)
{
    static const char *const stages[] = {"read", "fuse", "layout", "plan"};
    unsigned k = 0;
    if (q->n != 1)
        return cli_usage(self, "show takes one model");
    while (q->after && k < HONE_LEN(stages) && strcmp(q->after, stages[k]) != 0)
        k++;
    if (k == HONE_LEN(stages))
        return cli_usage(self,
                         "there is no step '%s' to show a network after: there are read, fuse, "
                         "layout and plan",
                         q->after);
    if (k && q->dot)
        return cli_usage(self, "--dot is of the graph as it was read");
    return k ? print_plan(q, (hone_net_stage)k) : print_graph(q);
}

/* ---- tasks ----------------------------------------------------------------------------------- */

/* tasks.json, and the kernels in tasks.hone beside it. */
static hone_status write_tasks(const hone_net_plan *p, const char *path, hone_error *err)
{
    size_t n = strlen(path);
    int stem = (int)(n > 5 && strcmp(path + n - 5, ".json") == 0 ? n - 5 : n);
    char *kernels = hone_xasprintf("%.*s.hone", stem, path);
    const char *slash = strrchr(kernels, '/');
    char *source = hone_net_plan_source(p);
    char *tasks = hone_net_plan_tasks(p, slash ? slash + 1 : kernels);
    const hone_file files[] = {{kernels, source, strlen(source)}, {path, tasks, strlen(tasks)}};
    hone_status st = hone_file_write_set(files, HONE_LEN(files), err);
    if (st == HONE_OK)
        printf("%s: %" PRIu32 " kernels for %" PRIu32 " calls, in %s\n", path, p->kernels.n,
               p->calls.n, kernels);
    free(tasks);
    free(source);
    free(kernels);
    return st;
}

static int tasks(const cli_command *self, const net_request *q)
{
    hone_error err = {0};
    hone_net *g = NULL;
    hone_net_plan p = {0};
    if (q->n != 1 || !q->out)
        return cli_usage(self, "tasks takes one model, and -o FILE.json");
    hone_status st = cli_net_plan(q, &g, &p, &err);
    if (st == HONE_OK)
        st = write_tasks(&p, q->out, &err);
    hone_net_plan_free(&p);
    hone_net_free(g);
    return st == HONE_OK ? 0 : cli_fail(st, &err);
}

/* ---- check ----------------------------------------------------------------------------------- */

static void print_verdict(const char *folder, hone_net_verdict v, const char *why, bool json)
{
    const char *name = hone_net_verdict_name(v);
    if (json) {
        json_t *j = json_pack("{s:o, s:s}", "folder", hone_json_string(folder), "verdict", name);
        if (*why)
            json_object_set_new(j, "why", hone_json_string(why));
        cli_print_json(j);
        return;
    }
    char *clean = hone_text_clean(why);
    printf("%-11s %s%s%s\n", name, folder, *clean ? ": " : "", clean);
    free(clean);
}

static int check(const cli_command *self, const net_request *q)
{
    if (q->n == 0)
        return cli_usage(self, "check takes folders, each with a model.onnx and its test data");
    bool kernels = q->by && strcmp(q->by, "kernels") == 0;
    if (!kernels && (!q->by || strcmp(q->by, "reference") != 0))
        return cli_usage(self, "check by what? there are --by reference and --by kernels");
    unsigned count[HONE_NET_ERROR + 1] = {0};
    cli_catch_signals();
    for (unsigned k = 0; k < q->n && !cli_stopped(NULL); k++) {
        char why[1200];
        hone_net_verdict v = hone_net_check(q->args[k], kernels, why, sizeof why);
        print_verdict(q->args[k], v, why, q->json);
        fflush(stdout);
        count[v]++;
    }
    if (q->json)
        cli_print_json(json_pack("{s:s, s:i, s:i, s:i, s:i}", "by", q->by, "equal",
                                 count[HONE_NET_EQUAL], "differs", count[HONE_NET_DIFFERS],
                                 "unsupported", count[HONE_NET_UNSUPPORTED], "error",
                                 count[HONE_NET_ERROR]));
    else
        printf("%u equal, %u differ, %u unsupported, %u errors, by the %s\n", count[HONE_NET_EQUAL],
               count[HONE_NET_DIFFERS], count[HONE_NET_UNSUPPORTED], count[HONE_NET_ERROR], q->by);
    return count[HONE_NET_DIFFERS] || count[HONE_NET_ERROR] || cli_stopped(NULL) ? 1 : 0;
}

/* ---- verbs and their options ----------------------------------------------------------------- */

static const struct verb {
    const char *name;
    int (*run)(const cli_command *self, const net_request *q);
} verbs[] = {{"show", show}, {"check", check}, {"tasks", tasks}, {"build", cli_net_build}};

static int check_options(const cli_command *self, const char *verb, const net_request *q)
{
    const struct {
        bool given;
        const char *option, *verbs;
    } all[] = {
        {q->dims.n, "--dim", "show, tasks, build"},
        {q->after, "--after", "show"},
        {q->dot, "--dot", "show"},
        {q->by, "--by", "check"},
        {q->json, "--json", "check"},
        {q->out, "-o", "tasks, build"},
        {q->name, "--name", "build"},
        {q->logs.n, "--db", "build"},
        {q->target, "--target", "build"},
        {q->threads, "--threads", "build"},
    };
    for (unsigned k = 0; k < HONE_LEN(all); k++)
        if (all[k].given && !strstr(all[k].verbs, verb))
            return cli_usage(self, "%s belongs to %s", all[k].option, all[k].verbs);
    return 0;
}

/* As hone tune of the model's kernels, with its options. */
static int tune(int argc, char **argv)
{
    char **all = hone_xcalloc((size_t)argc + 3, sizeof *all);
    static char tasks_option[] = "--tasks", size_option[] = "-D";
    int n = 0;
    if (argc > 0 && argv[0][0] != '-')
        all[n++] = tasks_option;
    for (int k = 0; k < argc; k++)
        all[n++] = strcmp(argv[k], "--dim") == 0 ? size_option : argv[k];
    int code = cli_tune.run(n, all, &cli_tune);
    free(all);
    return code;
}

static int run(int argc, char **argv, const cli_command *self)
{
    net_request q = {0};
    const cli_option options[] = {
        {"--dim", CLI_SIZE, "NAME=INT", &q.dims,
         "show, tasks, build: size of a dimension that has a name", 0},
        {"--after", CLI_TEXT, "STEP", &q.after,
         "show: after this step: read (default), fuse, layout, plan", 0},
        {"--dot", CLI_FLAG, NULL, &q.dot, "show: as a graph for Graphviz", 0},
        {"--by", CLI_TEXT, "WHAT", &q.by, "check: what computes: reference or kernels", 0},
        {"-o", CLI_TEXT, "PATH", &q.out, "tasks: the list; build: folder (default .)", 0},
        {"--name", CLI_TEXT, "SYMBOL", &q.name, "build: what functions begin with (default net)",
         0},
        {"--db", CLI_LIST, "FILE", &q.logs,
         "build: a log to ask, in order (default hone.db); shipped: that of hone", 0},
        {"--target", CLI_TEXT, "T", &q.target,
         "build: native (default), CPU name, target JSON, or a file", 0},
        {"--threads", CLI_INT, "N", &q.threads, "build: threads it may use (default: all)", 1},
        {"--json", CLI_FLAG, NULL, &q.json, "check: a line of JSON for each folder", 0},
    };
    const char *pos[1 + MAX_FOLDERS];
    unsigned n, k = 0;
    int code;
    if (argc > 0 && strcmp(argv[0], "tune") == 0)
        return tune(argc - 1, argv + 1);
    if (!CLI_PARSE(self, argc, argv, options, pos, &n, &code))
        return code;
    if (n == 0)
        return cli_usage(self, "which verb? show, check, tasks, tune or build");
    while (k < HONE_LEN(verbs) && strcmp(pos[0], verbs[k].name) != 0)
        k++;
    if (k == HONE_LEN(verbs))
        return cli_usage(self, "unknown verb '%s': show, check, tasks, tune or build", pos[0]);
    code = check_options(self, pos[0], &q);
    if (code)
        return code;
    if (q.threads > HONE_MAX_THREADS)
        return cli_usage(self, "--threads at most %d", HONE_MAX_THREADS);
    q.threads = q.threads ? q.threads : cli_processors();
    q.args = pos + 1;
    q.n = n - 1;
    return verbs[k].run(self, &q);
}

const cli_command cli_net = {
    .name = "net",
    .synopsis = "show|tasks|tune|build MODEL.onnx [options] | check DIR... [options]",
    .summary = "from an ONNX model to one function",
    .text =
        "show prints what hone makes of an ONNX model (opset 7 to 18): inputs, constants, nodes\n"
        "and outputs with their types and shapes, what is constant computed. A dimension with\n"
        "a name needs its size. A model with operators that hone does not have is refused\n"
        "with the list of all of them. --after fuse: which nodes are one kernel; layout: in\n"
        "which order their results lie in memory; plan: the calls, and where tensors lie.\n\n"
        "check runs models on the test data beside them, in ONNX's own form: model.onnx and\n"
        "test_data_set_0 with input_0.pb and output_0.pb. A line for each folder says equal,\n"
        "differs, unsupported or error, and a last one how many of each. --by kernels runs the\n"
        "kernels of the plan in the interpreter, --by reference each operator by itself.\n\n"
        "tasks writes the kernels of a model, each once and with how often it is called, as a\n"
        "list for hone tune --tasks. tune tunes them, with one budget and the options of hone\n"
        "tune, --dim beside them.\n\n"
        "build writes NAME.o, NAME.h, NAME.weights and NAME.json: the whole network as\n"
        "NAME_run(), with the best schedule that the logs have for each kernel. Link with "
        "hone_rt.\n\n"
        "  hone net show model.onnx --dim batch=1 --after plan\n"
        "  hone net tune model.onnx --db net.db --time 600 --threads 2\n"
        "  hone net build model.onnx --db net.db -o out --name net\n"
        "  hone net check --by kernels test_relu test_conv\n\n"
        "exit codes: 0 good, 1 some differ or failed, 2 bad input, 3 no such file\n",
    .run = run,
};
