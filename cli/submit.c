/* hone submit: a kernel, or a list of them, as a job of a service. */
#include "cli/service.h"
#include "tuner/tuner.h"

#include <unistd.h>

#define MAX_FILTER 511

/* ---- kernels ------------------------------------------------------------------------------------
 */

static hone_status kernel_text(const char *arg, size_t file_len, json_t *j, hone_error *err)
{
    char *path = hone_xasprintf("%.*s", (int)file_len, arg), *text = NULL;
    size_t n = 0;
    hone_status st = hone_file_read(path, HONE_MAX_SAY_BYTES, &text, &n, err);
    json_t *s = st == HONE_OK ? json_stringn(text, n) : NULL;
    if (s)
        json_object_set_new(j, "text", s);
    else if (st == HONE_OK)
        st =
            hone_fail(err, HONE_E_INPUT, "%.200s is not UTF-8 text, as what is sent must be", path);
    free(text);
    free(path);
    return st;
}

hone_status cli_kernel_json(const char *arg, const cli_kernel *k, json_t **ret, hone_error *err)
{
    const char *name;
    size_t file_len = cli_kernel_file(arg, &name);
    json_t *j = json_pack("{s:o, s:o}", "title", hone_json_string(k->title), "sizes",
                          json_loads(k->sizes, 0, NULL));
    if (name)
        json_object_set_new(j, "name", hone_json_string(name));
    if (k->text)
        json_object_set_new(j, "text", hone_json_string(k->text));
    hone_status st = file_len && !k->text ? kernel_text(arg, file_len, j, err) : HONE_OK;
    if (st == HONE_OK)
        *ret = j;
    else
        json_decref(j);
    return st;
}

static hone_status list_json(const cli_submission *o, json_t *j, int64_t *ret_trials,
                             char **ret_title, hone_error *err)
{
    cli_task_list list = {0};
    json_t *tasks = json_array();
    hone_status st = cli_task_list_load(o->tasks, &o->sizes, &list, err);
    for (uint32_t k = 0; st == HONE_OK && k < list.n; k++) {
        json_t *one = NULL;
        st = cli_kernel_json(list.v[k].kernel.arg, &list.v[k].kernel, &one, err);
        if (one)
            json_object_set_new(one, "weight", json_real(list.v[k].weight));
        if (one)
            json_array_append_new(tasks, one);
    }
    if (st == HONE_OK) {
        json_object_set_new(j, "list", hone_json_string(list.name));
        *ret_title = hone_xstrdup(list.name);
        *ret_trials = 64 * (int64_t)list.n;
        if (list.n_choices)
            json_object_set_new(j, "choices", hone_choices_json(list.choices, list.n_choices));
    }
    json_object_set_new(j, "tasks", tasks);
    cli_task_list_free(&list);
    return st;
}

static hone_status one_json(const cli_submission *o, json_t *j, char **ret_title, hone_error *err)
{
    cli_kernel k = {0};
    json_t *one = NULL;
    hone_status st = cli_kernel_load(o->kernel, &o->sizes, &k, err);
    if (st == HONE_OK)
        st = cli_kernel_json(o->kernel, &k, &one, err);
    if (st == HONE_OK) {
        json_object_set_new(j, "tasks", json_pack("[o]", one));
        *ret_title = hone_xstrdup(k.title);
    }
    cli_kernel_free(&k);
    return st;
}

/* ---- the request --------------------------------------------------------------------------------
 */

static void new_request(char ret[40])
{
    uint64_t v[2];
    hone_rng r;
    if (getentropy(v, sizeof v) != 0) {
        hone_rng_seed(&r, (uint64_t)hone_clock_ns() ^ (uint64_t)getpid() << 40);
        v[0] = hone_rng_u64(&r);
        v[1] = hone_rng_u64(&r);
    }
    snprintf(ret, 40, "%016" PRIx64 "%016" PRIx64, v[0], v[1]);
}

static void set_text(json_t *j, const char *key, const char *text)
{
    if (text)
        json_object_set_new(j, key, hone_json_string(text));
}

/* Names and files mean what they do here: the service is told a target's text. */
static hone_status set_target(json_t *j, const char *arg, hone_error *err)
{
    hone_target t;
    if (!arg || strcmp(arg, "device") == 0)
        return HONE_OK;
    HONE_TRY(cli_target_load(arg, &t, err));
    char *text = hone_target_text(&t);
    set_text(j, "target", text);
    free(text);
    return HONE_OK;
}

hone_status cli_submission_json(const cli_submission *o, json_t **ret, char **ret_title,
                                hone_error *err)
{
    static const char *const classes[] = {"background", "batch", "interactive"};
    char request[40];
    int64_t usual = 256;
    json_t *j = json_object();
    *ret_title = NULL;
    hone_status st =
        o->tasks ? list_json(o, j, &usual, ret_title, err) : one_json(o, j, ret_title, err);
    if (st == HONE_OK)
        st = set_target(j, o->target, err);
    if (st != HONE_OK) {
        json_decref(j);
        free(*ret_title);
        *ret_title = NULL;
        return st;
    }
    new_request(request);
    set_text(j, "request", o->request ? o->request : request);
    set_text(j, "filter", o->filter);
    set_text(j, "strategy", o->strategy);
    set_text(j, "class", classes[o->priority]);
    json_object_set_new(j, "threads", json_integer(o->threads));
    json_object_set_new(j, "trials",
                        json_integer(o->trials >= 0 ? o->trials
                                     : o->seconds   ? 0
                                                    : usual));
    json_object_set_new(j, "time_s", json_integer(o->seconds));
    json_object_set_new(j, "seed", json_integer(o->seed));
    json_object_set_new(j, "queue_s", json_integer(o->queue_seconds));
    json_object_set_new(j, "alone", json_boolean(o->alone));
    *ret = j;
    return HONE_OK;
}

/* ---- the answer ---------------------------------------------------------------------------------
 */

char *cli_no_device(const json_t *answer, int64_t threads)
{
    long long lacking = (long long)json_integer_value(json_object_get(answer, "lacking"));
    long long joining = (long long)json_integer_value(json_object_get(answer, "joining"));
    const json_t *known = json_object_get(answer, "known");
    if (json_integer_value(json_object_get(answer, "matching")) > 0)
        return NULL;
    if (joining > 0)
        return hone_xasprintf("no device that matches has joined yet, %lld %s joining", joining,
                              joining == 1 ? "is" : "are");
    if (known && json_integer_value(known) == 0)
        return hone_xstrdup("no device has joined the service yet");
    if (lacking > 0)
        return hone_xasprintf("0 of %lld device%s can run it: %s lacks %s", lacking,
                              lacking == 1 ? "" : "s", cli_word(answer, "device"),
                              cli_word(answer, "lacks"));
    if (threads > 1)
        return hone_xasprintf("no device that the service knows matches and has %lld processors",
                              (long long)threads);
    return hone_xstrdup("no device that the service knows matches");
}

/* ---- the command --------------------------------------------------------------------------------
 */

typedef struct printed {
    const char *title;
    int64_t threads;
} printed;

static void print_submitted(const json_t *answer, void *ctx)
{
    long long job = (long long)json_integer_value(json_object_get(answer, "job"));
    long long matching = (long long)json_integer_value(json_object_get(answer, "matching"));
    const printed *what = ctx;
    printf("job %lld: %s, %lld device%s match%s\n", job, what->title, matching,
           matching == 1 ? "" : "s", matching == 1 ? "es" : "");
    char *why = cli_no_device(answer, what->threads);
    if (why)
        hone_log(HONE_LOG_WARN, "%s: the job waits for one to come, at most for its queue timeout",
                 why);
    free(why);
}

static int run(int argc, char **argv, const cli_command *self)
{
    cli_service s = {0};
    cli_submission o = {.trials = -1, .seed = 1, .priority = 1};
    const cli_option options[] = {
        {"-D", CLI_SIZE, "NAME=INT", &o.sizes, "size of the kernel; repeat for each", 0},
        {"--tasks", CLI_TEXT, "FILE", &o.tasks,
         "instead of KERNEL: a task list (hone tasks) or MODEL.onnx", 0},
        {"--on", CLI_TEXT, "FILTER", &o.filter,
         "devices that will do: arch=aarch64,label=kitchen (default: any)", 0},
        {"--target", CLI_TEXT, "T", &o.target,
         "device (default: what the devices are), CPU name, target JSON, or a file", 0},
        {"--threads", CLI_INT, "N", &o.threads, "threads of the kernel (default: all there are)",
         1},
        {"--trials", CLI_INT, "N", &o.trials,
         "how many, 0: no limit (default 256, 64 for each of a list, 0 with --time)", 0},
        {"--time", CLI_INT, "SECONDS", &o.seconds, "stop after so long", 1},
        {"--seed", CLI_INT, "N", &o.seed, "of every random choice (default 1)", 0},
        {"--strategy", CLI_TEXT, "NAME", &o.strategy, "how candidates are chosen (hone tune)", 0},
        {"--no-transfer", CLI_FLAG, NULL, &o.alone,
         "take nothing over from the log's other kernels", 0},
        {"--priority", CLI_INT, "N", &o.priority,
         "among your jobs: 2 interactive, 1 batch (default), 0 what is left over", 0},
        {"--queue-timeout", CLI_INT, "SECONDS", &o.queue_seconds,
         "end when nothing was done for so long (default: a day)", 1},
        {"--request", CLI_TEXT, "ID", &o.request,
         "a name of your own: submitted twice with it is once", 0},
        CLI_SERVICE_OPTIONS(&s),
    };
    const char *pos[1];
    unsigned n;
    int code;
    if (!CLI_PARSE(self, argc, argv, options, pos, &n, &code))
        return code;
    if (n != 1 && !o.tasks)
        return cli_usage(self, "which kernel? a built-in's name or FILE.hone[:name]");
    if (o.tasks && (n != 0 || (o.sizes.n != 0 && !cli_is_model(o.tasks))))
        return cli_usage(self, "--tasks has the kernels and their sizes: no KERNEL, no -D");
    if (o.priority > 2)
        return cli_usage(self, "--priority is 0, 1 or 2");
    if (o.threads > HONE_MAX_THREADS)
        return cli_usage(self, "--threads at most %d", HONE_MAX_THREADS);
    if (o.seconds > 1000000000 || o.queue_seconds > 1000000000)
        return cli_usage(self, "--time and --queue-timeout at most 1000000000");
    if (o.filter && strlen(o.filter) > MAX_FILTER)
        return cli_usage(self, "--on takes at most %d bytes", MAX_FILTER);
    o.kernel = n ? pos[0] : NULL;
    hone_error err = {0};
    json_t *request = NULL;
    char *title = NULL;
    hone_status st = cli_submission_json(&o, &request, &title, &err);
    if (st != HONE_OK)
        return cli_fail(st, &err);
    printed what = {title, o.threads};
    code = cli_service_once(&s, "submit", request, print_submitted, &what);
    free(title);
    return code;
}

const cli_command cli_submit = {
    .name = "submit",
    .synopsis = "KERNEL [-D NAME=INT]... | --tasks FILE [options]",
    .summary = "queue a kernel at a service, to be tuned there on its devices",
    .text = "Prints the job's number, for `hone watch`, `jobs` and `cancel`. The text of the "
            "kernel is\n"
            "sent along. The results are in the service's log: `hone query --service`.\n\n"
            "  hone submit matmul -D M=512 -D N=512 -D K=512 --on arch=aarch64 --trials 256\n"
            "  hone submit --tasks resnet50.json --time 3600 --priority 0 --request "
            "nightly-0412\n\n" CLI_SERVICE_EXIT_CODES,
    .run = run,
};
