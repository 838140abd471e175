/* Task lists: the kernels of a network, with how often each occurs. Reading one for
 * `hone tune --tasks`, and hone tasks, which prints those that come with hone. */
#include "cli/net.h"
#include "tuner/tuner.h"

#define MAX_FILE (1 << 22)

/* The assembler looks for them in the include folders, of which the source root is one. */
#define HONE_TASK_LIST(name)                               \
    __asm__(".pushsection .rodata\n"                       \
            "hone_tasks_" #name ":\n"                      \
            ".incbin \"workloads/tasks/" #name ".json\"\n" \
            ".byte 0\n"                                    \
            ".popsection\n");                              \
    extern const char hone_tasks_##name[];
#include "cli/task_lists.def"
#undef HONE_TASK_LIST

static const struct {
    const char *name, *text;
} shipped[] = {
#define HONE_TASK_LIST(name) {#name, hone_tasks_##name},
#include "cli/task_lists.def"
#undef HONE_TASK_LIST
};

/* ---- reading one ----------------------------------------------------------------------------- */

static hone_status bad(hone_error *err, const char *path, size_t k, const char *what)
{
    return hone_fail(err, HONE_E_INPUT, "%.200s: task %zu: %s", path, k + 1, what);
}

/* FILE.hone[:name] is relative to the list's folder. */
static char *kernel_path(const char *list, const char *kernel)
{
    const char *slash = strrchr(list, '/');
    bool is_file = strstr(kernel, ".hone") || strchr(kernel, '/');
    if (!is_file || kernel[0] == '/' || !slash)
        return hone_xstrdup(kernel);
    return hone_xasprintf("%.*s/%s", (int)(slash - list), list, kernel);
}

static hone_status read_sizes(const json_t *j, cli_sizes *ret, hone_error *err, const char *path,
                              size_t k)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)j, name, value)
    {
        if (ret->n == CLI_MAX)
            return bad(err, path, k, "too many sizes");
        if (!json_is_integer(value) || json_integer_value(value) < 0)
            return bad(err, path, k, "a size is an integer that is not negative");
        ret->v[ret->n++] = (hone_size){name, json_integer_value(value)};
    }
    return HONE_OK;
}

/* Adds a task; where there are the same kernel and sizes already, its weight to that. Returns its
 * place. */
static uint32_t add(cli_task_list *l, cli_task *t)
{
    uint64_t hash = hone_program_hash(&t->kernel.program);
    for (uint32_t i = 0; i < l->n; i++)
        if (hone_program_hash(&l->v[i].kernel.program) == hash) {
            l->v[i].weight += t->weight;
            cli_kernel_free(&t->kernel);
            return i;
        }
    hone_vec_push(l, *t);
    return l->n - 1;
}

/* Tasks of choices by their places in the list, of which place[k] is the k-th's. */
static void place(cli_task_list *l, const uint32_t *places)
{
    for (uint32_t k = 0; k < l->n_choices; k++)
        for (uint32_t j = 0; j < l->choices[k].n; j++) {
            hone_cover *c = &l->choices[k].covers[j];
            for (uint32_t i = 0; i < c->n; i++)
                c->task[i] = places[c->task[i]];
        }
}

static hone_status check_keys(const char *path, const json_t *j, size_t k, hone_error *err)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)j, key, value)
    {
        if (strcmp(key, "kernel") != 0 && strcmp(key, "sizes") != 0 && strcmp(key, "weight") != 0)
            return hone_fail(err, HONE_E_INPUT,
                             "%.200s: task %zu: there is no \"%.60s\"; a task has kernel, sizes "
                             "and weight",
                             path, k + 1, key);
    }
    return HONE_OK;
}

static hone_status read_task(const char *path, const json_t *j, size_t k, cli_task_list *l,
                             uint32_t *ret_place, hone_error *err)
{
    const json_t *kernel = json_object_get(j, "kernel"), *sizes = json_object_get(j, "sizes"),
                 *weight = json_object_get(j, "weight");
    cli_sizes s = {0};
    cli_task t = {.weight = weight ? json_number_value(weight) : 1};
    if (!json_is_object(j) || !json_is_string(kernel))
        return bad(err, path, k, "\"kernel\" is missing: a built-in's name or FILE.hone[:name]");
    if ((sizes && !json_is_object(sizes)) || (weight && !json_is_number(weight)))
        return bad(err, path, k, "\"sizes\" is an object of integers, \"weight\" a number");
    if (!(t.weight >= 0) || t.weight > 1e9)
        return bad(err, path, k, "a weight is from 0 to 1e9");
    HONE_TRY(check_keys(path, j, k, err));
    HONE_TRY(read_sizes(sizes, &s, err, path, k));
    char *arg = kernel_path(path, json_string_value(kernel));
    hone_error why = {0};
    hone_status st = cli_kernel_load(arg, &s, &t.kernel, &why);
    free(arg);
    if (st != HONE_OK)
        return hone_fail(err, HONE_E_INPUT, "%.200s: task %zu: %.700s", path, k + 1, why.message);
    *ret_place = add(l, &t);
    return HONE_OK;
}

static hone_status read_tasks(const char *path, const json_t *j, cli_task_list *l, hone_error *err)
{
    const json_t *tasks = json_object_get(j, "tasks");
    size_t n = json_array_size(tasks);
    hone_error why = {0};
    uint32_t *places = hone_xcalloc(n, sizeof *places);
    hone_status st = HONE_OK;
    for (size_t k = 0; st == HONE_OK && k < n; k++)
        st = read_task(path, json_array_get(tasks, k), k, l, &places[k], err);
    if (st == HONE_OK && hone_choices_parse(json_object_get(j, "choices"), (uint32_t)n, &l->choices,
                                            &l->n_choices, &why) != HONE_OK)
        st = hone_fail(err, HONE_E_INPUT, "%.200s: choice %" PRIu32 ": %.700s", path,
                       l->n_choices + 1, why.message);
    if (st == HONE_OK)
        place(l, places);
    for (size_t k = 0; st == HONE_OK && k < n; k++)
        if (!(l->v[places[k]].weight > 0) &&
            !hone_choices_have(l->choices, l->n_choices, places[k]))
            st = bad(err, path, k, "a weight is greater than 0, but for tasks of choices");
    free(places);
    return st;
}

/* ---- a network's ----------------------------------------------------------------------------- */

bool cli_is_model(const char *path)
{
    size_t n = strlen(path);
    return n > 5 && strcmp(path + n - 5, ".onnx") == 0;
}

static hone_status plan_task(const char *network, const hone_net_kernel_row *row, cli_task_list *l,
                             uint32_t *ret_place, hone_error *err)
{
    cli_task t = {.weight = row->n_always};
    HONE_TRY(hone_workload_parse(row->name, row->text, strlen(row->text), row->name, NULL, 0,
                                 &t.kernel.program, err));
    t.kernel.arg = hone_xstrdup(row->name);
    t.kernel.title = hone_xasprintf("%s of %s", row->name, network);
    t.kernel.sizes = hone_xstrdup("{}");
    t.kernel.text = hone_xstrdup(row->text);
    *ret_place = add(l, &t);
    return HONE_OK;
}

_Static_assert(HONE_NET_COVERS_MAX <= HONE_COVERS_MAX && HONE_NET_COVER_MAX <= HONE_COVER_MAX,
               "a list has room for the choices of a network");

static void plan_choices(const hone_net_plan *p, cli_task_list *l)
{
    hone_net_weighed *v = hone_net_plan_weigh(p, &l->n_choices);
    l->choices = hone_xcalloc((size_t)l->n_choices + 1, sizeof *l->choices);
    for (uint32_t k = 0; k < l->n_choices; k++) {
        hone_choice *c = &l->choices[k];
        *c = (hone_choice){.weight = v[k].weight, .n = v[k].of->n};
        for (uint32_t j = 0; j < c->n; j++) {
            const hone_net_cover *from = &v[k].of->covers[j];
            c->covers[j].n = from->n;
            memcpy(c->covers[j].task, from->kernel, from->n * sizeof *from->kernel);
        }
    }
    free(v);
}

static hone_status model_list(const char *path, const cli_sizes *dims, cli_task_list *ret,
                              hone_error *err)
{
    net_request q = {.args = &path, .n = 1, .dims = *dims};
    hone_net *g = NULL;
    hone_net_plan p = {0};
    hone_status st = cli_net_plan(&q, &g, &p, err);
    if (st == HONE_OK)
        ret->name = hone_text_clean(*g->name ? g->name : path);
    uint32_t *places = hone_xcalloc((size_t)p.kernels.n + 1, sizeof *places);
    for (uint32_t k = 0; st == HONE_OK && k < p.kernels.n; k++)
        st = plan_task(ret->name, &p.kernels.v[k], ret, &places[k], err);
    if (st == HONE_OK) {
        plan_choices(&p, ret);
        place(ret, places);
    }
    free(places);
    hone_net_plan_free(&p);
    hone_net_free(g);
    return st;
}

hone_status cli_task_list_load(const char *path, const cli_sizes *dims, cli_task_list *ret,
                               hone_error *err)
{
    if (cli_is_model(path))
        return model_list(path, dims, ret, err);
    char *text = NULL;
    size_t n = 0;
    json_t *j = NULL;
    hone_error why = {0};
    const char *file = strcmp(path, "-") == 0 ? "/dev/stdin" : path;
    hone_status st = hone_file_read(file, MAX_FILE, &text, &n, err);
    if (st == HONE_OK && hone_json_parse(text, n, &j, &why) != HONE_OK)
        st = hone_fail(err, HONE_E_INPUT, "%.200s: %.700s", path, why.message);
    const json_t *tasks = json_object_get(j, "tasks");
    if (st == HONE_OK && (!json_is_array(tasks) || json_array_size(tasks) == 0))
        st = hone_fail(err, HONE_E_INPUT,
                       "%.200s: a task list is {\"name\": ..., \"tasks\": [{\"kernel\": ..., "
                       "\"sizes\": {...}, \"weight\": 1}, ...]}; `hone tasks resnet50` prints one",
                       path);
    if (st == HONE_OK)
        st = read_tasks(path, j, ret, err);
    if (st == HONE_OK) {
        const char *name = json_string_value(json_object_get(j, "name"));
        ret->name = hone_text_clean(name ? name : path);
    }
    json_decref(j);
    free(text);
    return st;
}

void cli_task_list_free(cli_task_list *l)
{
    for (uint32_t k = 0; k < l->n; k++)
        cli_kernel_free(&l->v[k].kernel);
    hone_vec_free(l);
    free(l->choices);
    free(l->name);
    l->name = NULL;
    l->choices = NULL;
}

/* ---- hone tasks ------------------------------------------------------------------------------ */

static int run(int argc, char **argv, const cli_command *self)
{
    const char *pos[1];
    unsigned n;
    int code;
    const cli_option none[] = {{0}};
    if (!cli_parse(self, argc, argv, none, 0, pos, 1, &n, &code))
        return code;
    for (size_t k = 0; k < HONE_LEN(shipped); k++) {
        if (n == 0)
            puts(shipped[k].name);
        else if (strcmp(shipped[k].name, pos[0]) == 0) {
            fputs(shipped[k].text, stdout);
            return 0;
        }
    }
    if (n == 0)
        return 0;
    hone_buf names = {0};
    for (size_t k = 0; k < HONE_LEN(shipped); k++)
        hone_buf_printf(&names, "%s%s", k ? ", " : "", shipped[k].name);
    code = cli_usage(self, "no task list '%.100s'; there are: %s", pos[0], names.s);
    hone_buf_free(&names);
    return code;
}

const cli_command cli_tasks = {
    .name = "tasks",
    .synopsis = "[NAME]",
    .summary = "print a task list that comes with hone: the kernels of a network",
    .text =
        "Without NAME their names are printed. A task list is JSON: kernels, their sizes, and how\n"
        "often the network runs each. `hone tune --tasks` tunes all of them with one budget.\n\n"
        "  hone tasks resnet50 > resnet50.json\n"
        "  hone tune --tasks resnet50.json --time 1800 --threads 1\n\n"
        "exit codes: 0 good, 2 there is no such list\n",
    .run = run,
};
