/* hone net: networks. Its verbs and their options, and those that look and list. */
#include "cli/net.h"
#include "cli/net_made.h"
#include "cli/net_verbs.h"

#include <unistd.h>

#define MAX_FOLDERS 4096
#define MOST_LIST ((size_t)64 << 20) /* bytes of a task list */

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

hone_status cli_net_target(const net_request *q, hone_target *ret, int32_t *ret_threads,
                           hone_error *err)
{
    HONE_TRY(cli_target_load(q->target ? q->target : "native", ret, err));
    return cli_threads_for(ret, q->threads, ret_threads, err);
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

/* As build would with these logs. */
static hone_status choose(const net_request *q, hone_net_plan *p, hone_error *err)
{
    hone_target target;
    net_make_options o = {.target = &target, .logs = &q->logs};
    HONE_TRY(cli_net_target(q, &target, &o.threads, err));
    return net_choose(p, &o, err);
}

static int print_plan(const net_request *q, hone_net_stage after)
{
    hone_error err = {0};
    hone_net *g = NULL;
    hone_net_plan p = {0};
    hone_status st = cli_net_plan(q, &g, &p, &err);
    if (st == HONE_OK && q->logs.n)
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

int cli_net_show(const cli_command *self, const net_request *q)
{
    static const char *const stages[] = {"read", "fuse", "layout", "plan"};
    unsigned k = 0;
    hone_error err = {0};
    hone_target target;
    int32_t threads;
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
    hone_status st = q->target || q->threads ? cli_net_target(q, &target, &threads, &err) : HONE_OK;
    if (st != HONE_OK)
        return cli_fail(st, &err);
    if ((q->target || q->threads) && !q->logs.n)
        return cli_usage(self, "%s is for what --db chooses: give --db too",
                         q->target ? "--target" : "--threads");
    if (k && q->dot)
        return cli_usage(self, "--dot is of the graph as it was read");
    return k ? print_plan(q, (hone_net_stage)k) : print_graph(q);
}

/* ---- tasks ----------------------------------------------------------------------------------- */

static const char *name_in(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* Is there a task list at the path, with kernels of the file beside it? */
static bool has_kernels_of(const char *path, const char *kernels)
{
    const char *name = name_in(kernels);
    char *text = NULL;
    size_t n = 0, len = strlen(name), k;
    json_t *j = NULL, *task;
    bool has = false;
    if (cli_file_bytes(path, MOST_LIST, &text, &n) &&
        hone_json_parse(text, n, &j, NULL) == HONE_OK) {
        const json_t *tasks = json_object_get(j, "tasks");
        has = json_is_array(tasks) && json_array_size(tasks) == 0; /* of a network without any */
        json_array_foreach(tasks, k, task)
        {
            const char *kernel = json_string_value(json_object_get(task, "kernel"));
            has |= kernel && strncmp(kernel, name, len) == 0 && kernel[len] == ':';
        }
    }
    json_decref(j);
    free(text);
    return has;
}

/* Both files are new, or of an earlier list: what people wrote is not replaced. */
static hone_status check_tasks(const char *path, const char *kernels, hone_error *err)
{
    bool list = access(path, F_OK) == 0, source = access(kernels, F_OK) == 0;
    if ((!list && !source) || (list && has_kernels_of(path, kernels)))
        return HONE_OK;
    return hone_fail(err, HONE_E_INPUT,
                     "'%.300s' is there already, and not of a task list '%.300s': give another -o, "
                     "or remove it",
                     source ? kernels : path, path);
}

/* tasks.json, and the kernels in tasks.hone beside it. */
static hone_status write_tasks(const hone_net_plan *p, const char *path, const char *kernels,
                               hone_error *err)
{
    char *source = hone_net_plan_source(p);
    char *tasks = hone_net_plan_tasks(p, name_in(kernels));
    const hone_file files[] = {{kernels, source, strlen(source)}, {path, tasks, strlen(tasks)}};
    hone_status st = hone_file_write_set(files, HONE_LEN(files), err);
    if (st == HONE_OK) {
        char *json = hone_text_clean(path), *hone = hone_text_clean(kernels);
        printf("%s: %" PRIu32 " kernels for %" PRIu32 " calls, in %s\n", json, p->kernels.n,
               p->calls.n, hone);
        free(hone);
        free(json);
    }
    free(tasks);
    free(source);
    return st;
}

/* "FILE.json", and a name before the ending. */
static bool is_list_name(const char *path)
{
    const char *name = name_in(path);
    size_t n = strlen(name);
    return n > 5 && strcmp(name + n - 5, ".json") == 0;
}

int cli_net_tasks(const cli_command *self, const net_request *q)
{
    hone_error err = {0};
    hone_net *g = NULL;
    hone_net_plan p = {0};
    if (q->n != 1 || !q->out)
        return cli_usage(self, "tasks takes one model, and -o FILE.json");
    if (strcmp(q->out, "-") == 0 || cli_is_stdout(q->out))
        return cli_usage(self,
                         "the list and its kernels are two files, '%.200s' and one beside it: give "
                         "-o FILE.json (`hone tune --tasks MODEL.onnx` needs none)",
                         q->out);
    if (!is_list_name(q->out))
        return cli_usage(self,
                         "-o '%.200s' is to end in .json: the list; its kernels are in a file "
                         "beside it that ends in .hone",
                         q->out);
    char *kernels = hone_xasprintf("%.*s.hone", (int)strlen(q->out) - 5, q->out);
    hone_status st = check_tasks(q->out, kernels, &err);
    if (st == HONE_OK)
        st = cli_net_plan(q, &g, &p, &err);
    if (st == HONE_OK)
        st = write_tasks(&p, q->out, kernels, &err);
    free(kernels);
    hone_net_plan_free(&p);
    hone_net_free(g);
    return st == HONE_OK ? 0 : cli_fail(st, &err);
}

/* ---- verbs and their options ----------------------------------------------------------------- */

static int check_options(const cli_command *self, const char *verb, const net_request *q)
{
    const struct {
        bool given;
        const char *option;
    } all[] = {
        {q->dims.n, "--dim"},      {q->after, "--after"},        {q->dot, "--dot"},
        {q->by, "--by"},           {q->random >= 0, "--random"}, {q->verbose, "--verbose"},
        {q->json, "--json"},       {q->inputs.n, "--input"},     {q->out, "-o"},
        {q->name, "--name"},       {q->logs.n, "--db"},          {q->target, "--target"},
        {q->threads, "--threads"}, {q->data, "--data"},          {q->max_error, "--max-error"},
        {q->weights, "--weights"},
    };
    char verbs[100];
    for (unsigned k = 0; k < HONE_LEN(all); k++)
        if (all[k].given && !net_verb_takes(verb, all[k].option, verbs, sizeof verbs))
            return cli_usage(self, "%s belongs to %s", all[k].option, verbs);
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

/* `hone tune` would speak of -D. */
static bool are_sizes(int argc, char **argv, const cli_command *own)
{
    for (int k = 0; k < argc; k++) {
        const char *size = strncmp(argv[k], "--dim=", 6) == 0              ? argv[k] + 6
                           : strcmp(argv[k], "--dim") == 0 && k + 1 < argc ? argv[k + 1]
                                                                           : NULL;
        if (size && (!strchr(size, '=') || *size == '=')) {
            cli_usage(own, "--dim takes NAME=INT, not '%s'", size);
            return false;
        }
    }
    return true;
}

/* As hone tune of the model's kernels, with its options. */
static int tune(int argc, char **argv, const cli_command *own)
{
    static char tasks_option[] = "--tasks", size_option[] = "-D";
    int n = 0, model = find_model(argc, argv);
    if (model == argc)
        return cli_usage(own, "tune takes one model, and then the options of `hone tune`");
    for (int k = 0; k < argc; k++)
        if (strcmp(argv[k], "--tasks") == 0 || strncmp(argv[k], "--tasks=", 8) == 0)
            return cli_usage(own, "tune takes one model and no --tasks, which `hone tune` takes");
    if (!are_sizes(argc, argv, own))
        return 2;
    char **all = hone_xcalloc(2 * (size_t)argc + 3, sizeof *all);
    for (int k = 0; k < argc; k++) {
        bool dim = strncmp(argv[k], "--dim=", 6) == 0;
        if (k == model)
            all[n++] = tasks_option;
        if (dim)
            all[n++] = size_option;
        all[n++] = dim ? argv[k] + 6 : strcmp(argv[k], "--dim") == 0 ? size_option : argv[k];
    }
    int code = cli_tune.run(n, all, own);
    free(all);
    return code;
}

static bool asks_for_help(int argc, char **argv)
{
    for (int k = 0; k < argc && strcmp(argv[k], "--") != 0; k++)
        if (strcmp(argv[k], "--help") == 0 || strcmp(argv[k], "-h") == 0)
            return true;
    return false;
}

static int run_verb(const cli_command *self, const char *const *pos, unsigned n, net_request *q)
{
    char names[200];
    net_verbs_list(names, sizeof names);
    if (n == 0)
        return cli_usage(self, "which verb? %s", names);
    const net_verb *v = net_verb_find(pos[0]);
    if (!v || !v->run)
        return cli_usage(self, "unknown verb '%s': %s", pos[0], names);
    int code = check_options(self, v->name, q);
    if (code)
        return code;
    if (q->threads > HONE_MAX_THREADS)
        return cli_usage(self, "--threads at most %d", HONE_MAX_THREADS);
    q->args = pos + 1;
    q->n = n - 1;
    return v->run(self, q);
}

static int run(int argc, char **argv, const cli_command *self)
{
    net_request q = {.random = -1};
    cli_option options[] = {
        {"--dim", CLI_SIZE, "NAME=INT", &q.dims, NULL, 0},
        {"--after", CLI_TEXT, "STEP", &q.after, NULL, 0},
        {"--dot", CLI_FLAG, NULL, &q.dot, NULL, 0},
        {"--by", CLI_TEXT, "WHAT", &q.by, NULL, 0},
        {"--random", CLI_INT, "SEED", &q.random, NULL, 0},
        {"--verbose", CLI_FLAG, NULL, &q.verbose, NULL, 0},
        {"--input", CLI_LIST, "FILE", &q.inputs, NULL, 0},
        {"-o", CLI_TEXT, "PATH", &q.out, NULL, 0},
        {"--name", CLI_TEXT, "SYMBOL", &q.name, NULL, 0},
        {"--db", CLI_LIST, "FILE", &q.logs, NULL, 0},
        {"--target", CLI_TEXT, "T", &q.target, NULL, 0},
        {"--threads", CLI_INT, "N", &q.threads, NULL, 1},
        {"--json", CLI_FLAG, NULL, &q.json, NULL, 0},
        {"--data", CLI_TEXT, "DIR", &q.data, NULL, 0},
        {"--max-error", CLI_TEXT, "E", &q.max_error, NULL, 0},
        {"--weights", CLI_TEXT, "TYPE", &q.weights, NULL, 0},
    };
    char help[HONE_LEN(options)][120];
    const char *pos[1 + MAX_FOLDERS];
    unsigned n;
    int code;
    for (unsigned k = 0; k < HONE_LEN(options); k++) {
        net_verbs_help(options[k].name, help[k], sizeof help[k]);
        options[k].help = help[k];
    }
    const net_verb *v = argc > 0 ? net_verb_find(argv[0]) : NULL;
    if (v && asks_for_help(argc, argv)) {
        net_verb_help(v, options, HONE_LEN(options));
        return 0;
    }
    if (v && !v->run)
        return tune(argc - 1, argv + 1, &v->command);
    if (!CLI_PARSE(self, argc, argv, options, pos, &n, &code))
        return code;
    return run_verb(self, pos, n, &q);
}

const cli_command cli_net = {
    .name = "net",
    .synopsis = "show|tasks|tune|build|run|profile|quantize MODEL.onnx | check DIR... [options]",
    .summary = "from an ONNX model to one function",
    .text = net_verbs_text,
    .run = run,
};
