/* hone net profile: where the time of a network goes, kernel by kernel, against what the machine
 * could do.
 *
 * Reader's map: medians; kernels; the machine; what is said: table, JSON, page; all of it. */
#include "cli/net.h"
#include "cli/net_child.h"
#include "cli/net_roofline.h"
#include "cli/report/report.h"
#include "db/db.h"
#include "net/check.h"
#include "tuner/calibrate/calibrate.h"

#define SECONDS 3 /* of runs */
#define SEED 1
#define NEAR 0.9 /* of its roofline */

typedef struct profiled {
    uint32_t kernel; /* of the plan */
    double ns;       /* of all its calls in a run */
    double roofline_ns;
    const char *bound; /* of the call that takes longest */
} profiled;

typedef struct profile {
    const hone_net_plan *p;
    const net_made *made;
    HONE_VEC(profiled) kernels; /* what takes longest first */
    uint32_t runs;
    double total_ns;   /* of a run that nobody watches */
    double kernels_ns; /* of all calls */
    double near_ns;    /* of those near their roofline */
    hone_machine machine;
    bool measured; /* the machine */
} profile;

/* ---- medians --------------------------------------------------------------------------------- */

static double median_of_call(const net_times *t, uint32_t call, double *room)
{
    for (uint32_t r = 0; r < *t->n; r++) {
        const int64_t *s = &t->stamps[(size_t)r * (t->n_calls + 1) + call];
        room[r] = (double)(s[1] - s[0]);
    }
    return hone_median(room, *t->n);
}

/* ---- kernels --------------------------------------------------------------------------------- */

static net_roofline roofline_of(const profile *f, uint32_t call)
{
    const hone_net_call *c = &f->p->calls.v[call];
    net_place at = {.target = &f->made->target,
                    .machine = &f->machine,
                    .threads = f->made->threads,
                    .network_bytes = (double)(f->made->n_bytes + f->p->workspace)};
    for (uint32_t k = 0; k < c->args.n; k++) {
        const hone_net_arg *a = &c->args.v[k];
        const hone_tensor *t = &hone_net_value_at(f->p->graph, a->part.i ? a->part : a->value)->t;
        *(t->data ? &at.weight_bytes : &at.other_bytes) += (double)hone_tensor_bytes(t);
    }
    return net_roofline_of(&f->made->kernels[c->kernel].kernel.program, &at);
}

static int slowest_first(const void *a, const void *b)
{
    const profiled *x = a, *y = b;
    return x->ns != y->ns ? (x->ns < y->ns ? 1 : -1) : (x->kernel < y->kernel ? -1 : 1);
}

static double share_of_roofline(const profiled *x)
{
    return x->ns > 0 ? x->roofline_ns / x->ns : 0;
}

static void sum_up(profile *f, const net_times *t)
{
    double *room = hone_xcalloc(*t->n, sizeof *room), *longest;
    longest = hone_xcalloc((size_t)f->p->kernels.n + 1, sizeof *longest);
    for (uint32_t k = 0; k < f->p->kernels.n; k++)
        hone_vec_push(&f->kernels, (profiled){.kernel = k, .bound = "nothing"});
    for (uint32_t c = 0; c < f->p->calls.n; c++) {
        profiled *x = &f->kernels.v[f->p->calls.v[c].kernel];
        net_roofline r = roofline_of(f, c);
        x->ns += median_of_call(t, c, room);
        x->roofline_ns += r.ns;
        if (r.ns >= longest[x->kernel]) {
            longest[x->kernel] = r.ns;
            x->bound = r.bound;
        }
    }
    for (uint32_t k = 0; k < *t->n; k++)
        room[k] = (double)t->whole_ns[k];
    f->runs = *t->n;
    f->total_ns = hone_median(room, f->runs);
    for (uint32_t k = 0; k < f->kernels.n; k++) {
        f->kernels_ns += f->kernels.v[k].ns;
        f->near_ns += share_of_roofline(&f->kernels.v[k]) >= NEAR ? f->kernels.v[k].ns : 0;
    }
    if (f->kernels.n)
        qsort(f->kernels.v, f->kernels.n, sizeof *f->kernels.v, slowest_first);
    free(longest);
    free(room);
}

/* ---- the machine ----------------------------------------------------------------------------- */

/* What the first log that has measured it says, else the preset. */
static void find_machine(profile *f, const cli_list *logs)
{
    static const char *const usual[] = {"hone.db"};
    const char *const *v = logs->n ? logs->v : usual;
    unsigned n = logs->n ? logs->n : (unsigned)HONE_LEN(usual);
    hone_machine_preset(&f->made->target, &f->machine);
    for (unsigned k = 0; k < n && !f->measured; k++) {
        char path[PATH_MAX];
        hone_db *db;
        if (cli_log_path(v[k], path, NULL) != HONE_OK ||
            hone_db_open(path, HONE_DB_READ, &db, NULL) != HONE_OK)
            continue;
        f->measured = hone_calibrate_find(db, &f->made->target, f->made->threads, &f->machine,
                                          NULL) == HONE_OK;
        hone_db_close(db);
    }
}

/* ---- what is said ---------------------------------------------------------------------------- */

static double part(double x, double of)
{
    return of > 0 ? x / of : 0;
}

static json_t *to_json(const profile *f)
{
    json_t *kernels = json_array();
    for (uint32_t k = 0; k < f->kernels.n; k++) {
        const profiled *x = &f->kernels.v[k];
        const hone_net_kernel_row *row = &f->p->kernels.v[x->kernel];
        const net_made_kernel *m = &f->made->kernels[x->kernel];
        json_array_append_new(
            kernels, json_pack("{s:s, s:i, s:f, s:f, s:f, s:f, s:s, s:s, s:o}", "name", row->name,
                               "calls", (int)row->n_calls, "ns", x->ns, "share",
                               part(x->ns, f->kernels_ns), "roofline_ns", x->roofline_ns,
                               "roofline", share_of_roofline(x), "bound", x->bound, "rung",
                               m->answer.rung, "reason", hone_json_string(m->answer.of.reason)));
    }
    char cpu[200];
    hone_host_processor(cpu, sizeof cpu);
    return json_pack("{s:o, s:o, s:i, s:i, s:i, s:I, s:I, s:f, s:f, s:f, s:s, s:o}", "network",
                     hone_json_string(*f->p->graph->name ? f->p->graph->name : "network"),
                     "processor", hone_json_string(cpu), "threads", (int)f->made->threads, "runs",
                     (int)f->runs, "calls", (int)f->p->calls.n, "workspace_bytes",
                     (json_int_t)f->p->workspace, "live_bytes", (json_int_t)f->p->live, "total_ns",
                     f->total_ns, "kernels_ns", f->kernels_ns, "near_roofline",
                     part(f->near_ns, f->kernels_ns), "machine",
                     f->measured ? "measured" : "preset", "kernels", kernels);
}

/* The log that `hone calibrate` is to write to, for profile to find it. */
static const char *log_of(const net_request *q)
{
    for (unsigned k = 0; k < q->logs.n; k++)
        if (strcmp(q->logs.v[k], "shipped") != 0)
            return q->logs.v[k];
    return NULL;
}

/* In one line: whoever reads shares over 100 % is to know why. */
static void print_machine(const profile *f, const net_request *q)
{
    const char *log = log_of(q);
    char *word = cli_shell_word(log ? log : ""), *clean = hone_text_clean(word);
    printf("this machine was not measured: the roofline is that of a processor of its kind, and "
           "shares "
           "of it may be over 100%%; `hone calibrate --threads %" PRId32 "%s%s` measures it\n",
           f->made->threads, log ? " --db " : "", log ? clean : "");
    free(clean);
    free(word);
}

static void print_table(const profile *f, const net_request *q)
{
    char time[32];
    cli_format_ns(f->total_ns, time);
    printf("%s: %s, the median of %" PRIu32 " runs, %" PRIu32 " calls, %" PRId32 " thread%s\n",
           *f->p->graph->name ? f->p->graph->name : "network", time, f->runs, f->p->calls.n,
           f->made->threads, f->made->threads == 1 ? "" : "s");
    if (!f->measured)
        print_machine(f, q);
    printf("%7s %9s %6s %10s  %-9s %-10s %s\n", "share", "time", "calls", "roofline", "bound by",
           "answer", "kernel");
    for (uint32_t k = 0; k < f->kernels.n; k++) {
        const profiled *x = &f->kernels.v[k];
        const hone_net_kernel_row *row = &f->p->kernels.v[x->kernel];
        cli_format_ns(x->ns, time);
        printf("%6.1f%% %9s %6" PRIu32 " %9.0f%%  %-9s %-10s %s\n",
               100 * part(x->ns, f->kernels_ns), time, row->n_calls, 100 * share_of_roofline(x),
               x->bound, net_made_rung(&f->made->kernels[x->kernel]), row->name);
    }
    cli_format_ns(f->kernels_ns, time);
    if (f->measured)
        printf("%.1f%% of the %s in kernels are at %.0f%% of their roofline or more\n",
               100 * part(f->near_ns, f->kernels_ns), time, 100 * NEAR);
    printf("between kernels %.2f MB, of which %.2f are needed at one time\n",
           (double)f->p->workspace / 1e6, (double)f->p->live / 1e6);
}

static hone_status say(const profile *f, const net_request *q, hone_error *err)
{
    json_t *j = to_json(f);
    hone_status st = HONE_OK;
    if (q->out) {
        size_t n;
        char *page = cli_profile_page(j, &n);
        st = cli_write_out(q->out, page, n, err);
        free(page);
    }
    if (st == HONE_OK && q->json)
        cli_print_json(json_incref(j));
    else if (st == HONE_OK && !(q->out && cli_is_stdout(q->out)))
        print_table(f, q);
    json_decref(j);
    return st;
}

/* ---- all of it ------------------------------------------------------------------------------- */

static hone_status measure(profile *f, const hone_tensor *in, hone_error *err)
{
    net_times times = {0};
    hone_status st = net_times_new(f->p->calls.n, SECONDS, true, &times, err);
    const net_job job = {.made = f->made, .in = in, .times = &times};
    if (st == HONE_OK)
        st = net_child_run(&job, err);
    if (st == HONE_OK)
        sum_up(f, &times);
    net_times_free(&times);
    return st;
}

static hone_status make(const net_request *q, hone_net_plan *p, net_made *ret, hone_error *err)
{
    hone_target target;
    net_make_options o = {
        .target = &target, .logs = &q->logs, .name = NET_CHILD_NAME, .watched = true};
    HONE_TRY(cli_net_target(q, &target, &o.threads, err));
    HONE_TRY(net_choose(p, &o, err));
    return net_make(p, &o, ret, err);
}

int cli_net_profile(const cli_command *self, const net_request *q)
{
    hone_error err = {0};
    hone_net *g = NULL;
    hone_net_plan p = {0};
    net_made made = {0};
    profile f = {.p = &p, .made = &made};
    if (q->n != 1)
        return cli_usage(self, "profile takes one model");
    if (q->json && q->out && cli_is_stdout(q->out))
        return cli_usage(self, "--json and the page both want standard output");
    cli_catch_signals_soon();
    cli_progress_start("profile");
    hone_tensor *in = NULL;
    hone_status st = cli_net_plan(q, &g, &p, &err);
    if (st == HONE_OK) {
        in = hone_xcalloc((size_t)g->inputs.n + 1, sizeof *in);
        st = hone_net_draw(g, SEED, in, &err);
    }
    if (st == HONE_OK)
        st = make(q, &p, &made, &err);
    if (st == HONE_OK) {
        find_machine(&f, &q->logs);
        st = measure(&f, in, &err);
    }
    cli_progress_end();
    if (st == HONE_OK)
        st = say(&f, q, &err);
    for (uint32_t k = 0; in && k < g->inputs.n; k++)
        free(in[k].data);
    free(in);
    hone_vec_free(&f.kernels);
    net_made_free(&made);
    hone_net_plan_free(&p);
    hone_net_free(g);
    return st == HONE_OK ? 0 : cli_fail(st, &err);
}
