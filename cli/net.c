/* hone net: networks. Its verbs and their options, and those that look and list. */
#include "cli/net.h"
#include "cli/net_made.h"

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

/* As build would with these logs; with none given nothing is. */
static hone_status choose(const net_request *q, hone_net_plan *p, hone_error *err)
{
    hone_target target;
    if (!q->logs.n)
        return HONE_OK;
    HONE_TRY(cli_target_load(q->target ? q->target : "native", &target, err));
    const net_make_options o = {
        .target = &target, .logs = &q->logs, .threads = (int32_t)q->threads};
    return net_choose(p, &o, err);
}

static int print_plan(const net_request *q, hone_net_stage after)
{
    hone_error err = {0};
    hone_net *g = NULL;
    hone_net_plan p = {0};
    hone_status st = cli_net_plan(q, &g, &p, &err);
    if (st == HONE_OK)
        st = choose(q, &p, &err);
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
    if (!k && q->logs.n)
        return cli_usage(
            self, "--db chooses for a step after the graph was read: --after fuse, layout or plan");
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

/* ---- verbs and their options ----------------------------------------------------------------- */

static const struct verb {
    const char *name;
    int (*run)(const cli_command *self, const net_request *q);
} verbs[] = {
    {"show", show},
    {"tasks", tasks},
    {"build", cli_net_build},
    {"run", cli_net_run},
    {"check", cli_net_check},
    {"profile", cli_net_profile},
    {"quantize", cli_net_quantize},
};

/* "show, tasks, .. or tune" */
static void list_verbs(char *ret, size_t n)
{
    size_t at = 0;
    for (unsigned k = 0; k < HONE_LEN(verbs) && at < n; k++)
        at += (size_t)snprintf(ret + at, n - at, "%s%s", k ? ", " : "", verbs[k].name);
    if (at < n)
        snprintf(ret + at, n - at, " or tune");
}

static int check_options(const cli_command *self, const char *verb, const net_request *q)
{
    const struct {
        bool given;
        const char *option, *verbs;
    } all[] = {
        {q->dims.n, "--dim", "show, tasks, build, run, check, profile, quantize"},
        {q->after, "--after", "show"},
        {q->dot, "--dot", "show"},
        {q->by, "--by", "check"},
        {q->random >= 0, "--random", "check"},
        {q->verbose, "--verbose", "check"},
        {q->json, "--json", "check, profile, quantize"},
        {q->inputs.n, "--input", "run"},
        {q->out, "-o", "tasks, build, run, profile, quantize"},
        {q->name, "--name", "build"},
        {q->logs.n, "--db", "show, build, run, check, profile, quantize"},
        {q->target, "--target", "show, build"},
        {q->threads, "--threads", "show, build, run, check, profile, quantize"},
        {q->data, "--data", "quantize"},
        {q->max_error, "--max-error", "quantize"},
        {q->weights, "--weights", "quantize"},
    };
    for (unsigned k = 0; k < HONE_LEN(all); k++)
        if (all[k].given && !strstr(all[k].verbs, verb))
            return cli_usage(self, "%s belongs to %s", all[k].option, all[k].verbs);
    return 0;
}

/* Of the arguments of tune the model: the first, or behind options one that is called so; argc:
 * there is none. */
static int find_model(int argc, char **argv)
{
    int k = 0;
    if (argc > 0 && argv[0][0] != '-')
        return 0;
    while (k < argc) {
        size_t n = strlen(argv[k]);
        if (argv[k][0] != '-' && n > 5 && strcmp(argv[k] + n - 5, ".onnx") == 0)
            break;
        k++;
    }
    return k;
}

/* As hone tune of the model's kernels, with its options. */
static int tune(int argc, char **argv, const cli_command *self)
{
    static char tasks_option[] = "--tasks", size_option[] = "-D";
    int n = 0, model = find_model(argc, argv);
    if (model == argc && !(argc > 0 && strcmp(argv[0], "--help") == 0))
        return cli_usage(self, "tune takes one model, and then the options of `hone tune`");
    char **all = hone_xcalloc(2 * (size_t)argc + 3, sizeof *all);
    for (int k = 0; k < argc; k++) {
        bool dim = strncmp(argv[k], "--dim=", 6) == 0;
        if (k == model)
            all[n++] = tasks_option;
        if (dim)
            all[n++] = size_option;
        all[n++] = dim ? argv[k] + 6 : strcmp(argv[k], "--dim") == 0 ? size_option : argv[k];
    }
    int code = cli_tune.run(n, all, &cli_tune);
    free(all);
    return code;
}

static int run(int argc, char **argv, const cli_command *self)
{
    net_request q = {.random = -1};
    char names[200];
    const cli_option options[] = {
        {"--dim", CLI_SIZE, "NAME=INT", &q.dims, "size of a dimension that has a name", 0},
        {"--after", CLI_TEXT, "STEP", &q.after,
         "show: after this step: read (default), fuse, layout, plan", 0},
        {"--dot", CLI_FLAG, NULL, &q.dot, "show: as a graph for Graphviz", 0},
        {"--by", CLI_TEXT, "WHAT", &q.by,
         "check: what computes: compiled (default), kernels or reference", 0},
        {"--random", CLI_INT, "SEED", &q.random, "check: models, on random inputs", 0},
        {"--verbose", CLI_FLAG, NULL, &q.verbose, "check: the error of every tensor", 0},
        {"--input", CLI_LIST, "FILE", &q.inputs,
         "run: X.npy or X.pb, in the model's order, or NAME=FILE", 0},
        {"-o", CLI_TEXT, "PATH", &q.out,
         "tasks, quantize: the file; profile: a page; run, build: folder (default .)", 0},
        {"--name", CLI_TEXT, "SYMBOL", &q.name, "build: what functions begin with (default net)",
         0},
        {"--db", CLI_LIST, "FILE", &q.logs,
         "a log to ask, in order (default hone.db); shipped: that of hone", 0},
        {"--target", CLI_TEXT, "T", &q.target,
         "show, build: native (default), CPU name, target JSON, or a file", 0},
        {"--threads", CLI_INT, "N", &q.threads, "threads it may use (default: all)", 1},
        {"--json", CLI_FLAG, NULL, &q.json,
         "check, quantize: a line of JSON for each; profile: as JSON", 0},
        {"--data", CLI_TEXT, "DIR", &q.data,
         "quantize: inputs, as test_data_set_0/input_0.pb and so on", 0},
        {"--max-error", CLI_TEXT, "E", &q.max_error,
         "quantize: of the outputs, as a share of their norm", 0},
        {"--weights", CLI_TEXT, "TYPE", &q.weights,
         "quantize: how other layers keep theirs: f32 (default), f16 or bf16", 0},
    };
    const char *pos[1 + MAX_FOLDERS];
    unsigned n, k = 0;
    int code;
    if (argc > 0 && strcmp(argv[0], "tune") == 0)
        return tune(argc - 1, argv + 1, self);
    if (!CLI_PARSE(self, argc, argv, options, pos, &n, &code))
        return code;
    list_verbs(names, sizeof names);
    if (n == 0)
        return cli_usage(self, "which verb? %s", names);
    while (k < HONE_LEN(verbs) && strcmp(pos[0], verbs[k].name) != 0)
        k++;
    if (k == HONE_LEN(verbs))
        return cli_usage(self, "unknown verb '%s': %s", pos[0], names);
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
    .synopsis = "show|tasks|tune|build|run|profile|quantize MODEL.onnx | check DIR... [options]",
    .summary = "from an ONNX model to one function",
    .text =
        "show prints what hone makes of an ONNX model (opset 7 to 18): inputs, constants, nodes\n"
        "and outputs with their types and shapes, what is constant computed. A dimension with\n"
        "a name needs its size. A model with operators that hone does not have is refused\n"
        "with the list of all of them. --after fuse: which nodes are one kernel; layout: in\n"
        "which order their results lie in memory; plan: the calls, and where tensors lie.\n\n"
        "tasks writes the kernels of a model, each once and with how often it is called, as a\n"
        "list for hone tune --tasks. tune tunes them, with one budget and the options of hone\n"
        "tune, --dim beside them.\n\n"
        "build writes NAME.o, NAME.h, NAME.weights and NAME.json: the whole network as\n"
        "NAME_run(), with the best schedule that the logs have for each kernel. Link with "
        "hone_rt.\n\n"
        "run compiles the network for this machine, as build would, runs it on inputs from files\n"
        "of numpy or ONNX, and writes each output as DIR/NAME.npy. The child process that does\n"
        "this can reach nothing else.\n\n"
        "check runs models on the test data beside them, in ONNX's own form: model.onnx and\n"
        "test_data_set_0 with input_0.pb and output_0.pb. A line for each folder says equal,\n"
        "differs, unsupported or error, and a last one how many of each; of what differs, which\n"
        "tensor is the first that the reference has otherwise. --random SEED takes models and\n"
        "draws their inputs. --by kernels runs the kernels of the plan in the interpreter, --by\n"
        "reference each operator by itself.\n\n"
        "profile runs the network on random inputs and says of each kernel how long it takes\n"
        "where it stands, its share of the network, the least time that this machine could do\n"
        "it in (the roofline), and what share of the network is near that.\n\n"
        "quantize measures what each convolution and product costs in accuracy when it computes\n"
        "with integers of 8 bits, on the inputs in --data (test_data_set_0/input_0.pb and so on),\n"
        "takes those in that save most for their error until --max-error, and writes an ONNX\n"
        "model with QuantizeLinear and DequantizeLinear around them, which any runtime runs. The\n"
        "error is |q - f| / |f| of an output over all inputs, the largest counts. A quarter of\n"
        "the inputs is held out, and the error on these is told.\n\n"
        "  hone net show model.onnx --dim batch=1 --after plan\n"
        "  hone net tune model.onnx --db net.db --time 600 --threads 2\n"
        "  hone net build model.onnx --db net.db -o out --name net\n"
        "  hone net run model.onnx --db net.db --input image.npy -o results\n"
        "  hone net check test_relu test_conv\n"
        "  hone net check --random 1 model.onnx\n"
        "  hone net profile model.onnx --db net.db -o profile.html\n"
        "  hone net quantize model.onnx --data inputs --max-error 0.01 -o q.onnx\n\n"
        "exit codes: 0 good, 1 some differ or failed, 2 bad input, 3 no such file\n",
    .run = run,
};
