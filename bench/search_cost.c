/* bench_search_cost: what one candidate costs the search, against the budgets.
 *
 *   bench_search_cost [--json] [--list FILE] [--candidates N=512] [--builds N=32]
 *
 * Without a list two kernels in detail; with one (bench/suite.list) a line for each of its rows.
 *
 * One core, no measuring of kernels: the times the cost model learns from are its own draft with
 * noise, which costs it as much as true ones would. Builds are those of the builder worker.
 * All times are processor time, the linker's included.
 *
 * From top to bottom: clocks and statistics; search; build; report; lists; arguments. */
#include "codegen/codegen.h"
#include "costmodel/costmodel.h"
#include "ir/builtin.h"
#include "space/space.h"
#include "workers/builder.h"

#include <getopt.h>
#include <math.h>
#include <sys/resource.h>
#include <time.h>

typedef struct kernel {
    const char *name;
    hone_size sizes[12];
    unsigned n_sizes;
    double features_us, candidate_us, build_ms; /* budgets; 0: none */
} kernel;

static const kernel kernels[] = {
    {"matmul", {{"M", 512}, {"N", 512}, {"K", 512}}, 3, 20, 50, 25},
    {"conv2d_nhwc_bias_relu",
     {{"N", 1}, {"H", 56}, {"W", 56}, {"CI", 64}, {"CO", 64}},
     5,
     0,
     200,
     0},
};

typedef HONE_VEC(double) numbers;

/* Per candidate, in microseconds unless it says otherwise. */
typedef struct cost {
    numbers sample, mutate, replay, finish, features, predict;
    numbers build_ms, lower_ms, llvm_ms, link_ms;
    uint32_t rejected, unbuilt;
    uint32_t sampled, sample_rejected;
    double train_ms, object_bytes;
} cost;

typedef struct bench {
    const kernel *k;
    hone_target target;
    hone_program base;
    hone_space *space;
    hone_rng rng;
    HONE_VEC(hone_trace) traces; /* finished candidates */
    hone_features *features;     /* of each */
    uint32_t candidates, builds;
    uint32_t mutants; /* candidates with features */
} bench;

static void must(hone_status st, const hone_error *err)
{
    if (st == HONE_OK)
        return;
    fprintf(stderr, "bench_search_cost: %s\n",
            err->message[0] ? err->message : hone_status_text(st));
    exit(hone_status_exit_code(st));
}

/* Processor time of this thread: what else runs on the machine does not count. */
static int64_t cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static double cpu_us_since(int64_t start)
{
    return (double)(cpu_ns() - start) / 1e3;
}

/* With that of the linker, a process of its own, once it has ended. */
static int64_t build_cpu_ns(void)
{
    struct rusage r;
    getrusage(RUSAGE_CHILDREN, &r);
    int64_t us = (r.ru_utime.tv_sec + r.ru_stime.tv_sec) * (int64_t)1000000 + r.ru_utime.tv_usec +
                 r.ru_stime.tv_usec;
    return cpu_ns() + 1000 * us;
}

static double build_ms_since(int64_t start)
{
    return (double)(build_cpu_ns() - start) / 1e6;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double quantile(numbers *x, unsigned percent)
{
    if (x->n == 0)
        return NAN;
    qsort(x->v, x->n, sizeof *x->v, ascending);
    return x->v[(uint64_t)x->n * percent / 100];
}

static double median(numbers *x)
{
    return quantile(x, 50);
}

static double mean(const numbers *x)
{
    double sum = 0;
    for (uint32_t k = 0; k < x->n; k++)
        sum += x->v[k];
    return x->n ? sum / x->n : NAN;
}

/* ---- search ------------------------------------------------------------------------------------
 */

static void prepare(bench *b)
{
    hone_error err = {0};
    size_t n;
    const char *text = hone_builtin_text(&n);
    must(hone_target_native(&b->target, &err), &err);
    must(hone_workload_parse("built-in", text, n, b->k->name, b->k->sizes, b->k->n_sizes, &b->base,
                             &err),
         &err);
    must(hone_space_new(&b->base, &(hone_space_options){.target = &b->target, .threads = 1},
                        &b->space, &err),
         &err);
    hone_rng_seed(&b->rng, 1);
}

/* Random candidates, which the mutations start from. */
static void sample(bench *b, cost *c)
{
    hone_sched s = {0};
    for (uint32_t k = 0; b->traces.n < b->candidates && k < 20 * b->candidates; k++) {
        int64_t start = cpu_ns();
        hone_status st = hone_space_sample(b->space, &b->rng, &s, NULL);
        hone_vec_push(&c->sample, cpu_us_since(start));
        if (st != HONE_OK) {
            c->rejected++;
            continue;
        }
        hone_trace t = {0};
        hone_trace_copy(&t, &s.trace);
        hone_vec_push(&b->traces, t);
    }
    hone_sched_fini(&s);
    if (b->traces.n < b->candidates) {
        fprintf(stderr, "bench_search_cost: %s: only %u of %u random candidates are legal\n",
                b->k->name, b->traces.n, c->rejected + b->traces.n);
        if (b->traces.n == 0)
            exit(1);
        b->candidates = b->traces.n;
    }
    c->sampled = b->traces.n + c->rejected;
    c->sample_rejected = c->rejected;
}

/* What a generation of the search does to each parent. */
static void search(bench *b, cost *c)
{
    hone_sched s = {0};
    hone_trace t = {0};
    b->features = hone_xcalloc(b->candidates, sizeof *b->features);
    uint32_t k = 0;
    for (uint32_t tries = 0; k < b->candidates && tries < 20 * b->candidates; tries++) {
        hone_trace_copy(&t, &b->traces.v[k]);
        int64_t start = cpu_ns();
        bool changed = hone_space_mutate(b->space, &t, &b->rng);
        hone_vec_push(&c->mutate, cpu_us_since(start));

        start = cpu_ns();
        hone_status st = changed ? hone_space_finish(b->space, &t, &s, NULL) : HONE_REJECT_ARG;
        double finish = cpu_us_since(start);
        if (st != HONE_OK) {
            c->rejected++;
            continue;
        }
        hone_vec_push(&c->finish, finish);

        start = cpu_ns();
        hone_features_extract(&s.prog, &b->target, 1, NULL, &b->features[k]);
        hone_vec_push(&c->features, cpu_us_since(start));

        hone_trace_copy(&b->traces.v[k], &s.trace);
        t.insts.n = hone_trace_search_part(&t);
        start = cpu_ns();
        st = hone_trace_replay(&t, &b->base, &s, NULL, false, NULL);
        if (st == HONE_OK)
            hone_vec_push(&c->replay, cpu_us_since(start));
        k++;
    }
    b->mutants = k;
    hone_sched_fini(&s);
    hone_trace_free(&t);
}

/* As in the search: a batch at a time, with a trained model. */
static void predict(bench *b, cost *c)
{
    enum { BATCHES = 9 };
    hone_error err = {0};
    hone_model *m = hone_model_new(&(hone_model_options){.seed = 1, .threads = 1});
    const hone_features **all = hone_xmalloc(b->mutants * sizeof *all);
    double *predicted = hone_xmalloc(b->mutants * sizeof *predicted);
    for (uint32_t k = 0; k < b->mutants; k++) {
        all[k] = &b->features[k];
        double noise = exp(0.4 * (hone_rng_double(&b->rng) - 0.5));
        hone_model_add(m, 1, all[k], b->features[k].draft_ns * noise);
    }
    int64_t start = cpu_ns();
    must(hone_model_train(m, &err), &err);
    c->train_ms = cpu_us_since(start) / 1e3;
    for (int k = 0; k < BATCHES; k++) {
        start = cpu_ns();
        must(hone_model_predict(m, all, b->mutants, predicted, &err), &err);
        hone_vec_push(&c->predict, cpu_us_since(start) / b->mutants);
    }
    free(all);
    free(predicted);
    hone_model_free(m);
}

/* ---- build
 * --------------------------------------------------------------------------------------- */

/* The parts, by hand: the builder does the same and reports only the whole. */
static void build_parts(bench *b, hone_codegen *g, const hone_trace *t, cost *c)
{
    hone_sched s = {0};
    hone_code code = {0};
    uint8_t *library = NULL;
    size_t n;
    hone_error err = {0};
    unsigned n_intrins;
    hone_codegen_intrin *intrins = hone_builder_intrins(hone_intrin_shipped(), &n_intrins);
    if (hone_trace_replay(t, &b->base, &s, NULL, false, NULL) == HONE_OK &&
        hone_codegen_emit(
            g, &s.prog,
            &(hone_codegen_options){
                .emit = HONE_EMIT_OBJECT, .threads = 1, .intrins = intrins, .n_intrins = n_intrins},
            &code, NULL) == HONE_OK) {
        hone_vec_push(&c->lower_ms, (double)code.lower_ns / 1e6);
        hone_vec_push(&c->llvm_ms, (double)code.llvm_ns / 1e6);
        c->object_bytes = fmax(c->object_bytes, (double)code.n);
        int64_t start = build_cpu_ns();
        must(hone_codegen_link(code.bytes, code.n, &library, &n, &err), &err);
        hone_vec_push(&c->link_ms, build_ms_since(start));
        free(library);
    }
    free(intrins);
    hone_code_free(&code);
    hone_sched_fini(&s);
}

static void build(bench *b, cost *c)
{
    hone_error err = {0};
    hone_buf program = {0};
    hone_program_print(&b->base, &program);
    char *target = hone_target_text(&b->target);
    hone_builder *builder = hone_builder_new();
    hone_codegen *g;
    must(hone_codegen_new(&b->target, &g, &err), &err);
    for (uint32_t k = 0; k < b->builds + 1 && k < b->traces.n; k++) {
        char *trace = hone_trace_text(&b->traces.v[k]);
        hone_artifact a = {0};
        int64_t start = build_cpu_ns();
        hone_status st = hone_builder_build(builder,
                                            &(hone_build_job){.workload = program.s,
                                                              .trace = trace,
                                                              .target = target,
                                                              .threads = 1,
                                                              .deadline_ms = 10000},
                                            &a, &err);
        double ms = build_ms_since(start);
        free(trace);
        if (st != HONE_OK && !hone_status_is_reject(st))
            must(st, &err);
        if (k == 0) { /* the first sets LLVM up */
        } else if (st == HONE_OK) {
            hone_vec_push(&c->build_ms, ms);
            build_parts(b, g, &b->traces.v[k], c);
        } else {
            c->unbuilt++;
        }
        hone_artifact_free(&a);
    }
    hone_codegen_free(g);
    hone_builder_free(builder);
    hone_buf_free(&program);
    free(target);
}

/* ---- report
 * -------------------------------------------------------------------------------------- */

static void row(const char *what, numbers *x, const char *unit, double budget)
{
    if (x->n == 0) {
        printf("  %-34s %10s %10s\n", what, "-", "-");
        return;
    }
    double mid = median(x);
    printf("  %-34s %10.2f %10.2f %-2s", what, mid, mean(x), unit);
    if (budget > 0)
        printf("  %8.0f %-2s  %s", budget, unit, mid < budget ? "kept" : "MISSED");
    putchar('\n');
}

static void print(const bench *b, cost *c)
{
    numbers whole = {0};
    double sum = median(&c->finish) + median(&c->features) + median(&c->predict);
    hone_vec_push(&whole, sum);
    printf("%s, on %s, one core, %u candidates (%u rejected on the way)\n", b->k->name,
           b->target.cpu, b->candidates, c->rejected);
    printf("  %-34s %10s %10s     %8s\n", "per candidate", "median", "mean", "budget");
    row("random sample, all of it", &c->sample, "us", 0);
    row("mutate one decision", &c->mutate, "us", 0);
    row("replay", &c->replay, "us", 0);
    row("replay and postprocess", &c->finish, "us", 0);
    row("features and draft", &c->features, "us", b->k->features_us);
    row("prediction, in a batch", &c->predict, "us", 0);
    row("replay to prediction, together", &whole, "us", b->k->candidate_us);
    row("lower", &c->lower_ms, "ms", 0);
    row("LLVM", &c->llvm_ms, "ms", 0);
    row("link", &c->link_ms, "ms", 0);
    row("build, all of it", &c->build_ms, "ms", b->k->build_ms);
    printf(
        "  training on %u candidates %.0f ms; largest object %.0f bytes; %u refused by codegen\n\n",
        b->candidates, c->train_ms, c->object_bytes, c->unbuilt);
    hone_vec_free(&whole);
}

static json_t *as_json(const bench *b, cost *c)
{
    const struct {
        const char *name;
        numbers *x;
    } all[] = {{"sample_us", &c->sample},     {"mutate_us", &c->mutate},
               {"replay_us", &c->replay},     {"finish_us", &c->finish},
               {"features_us", &c->features}, {"predict_us", &c->predict},
               {"lower_ms", &c->lower_ms},    {"llvm_ms", &c->llvm_ms},
               {"link_ms", &c->link_ms},      {"build_ms", &c->build_ms}};
    json_t *j =
        json_pack("{s:s, s:s, s:i, s:i, s:i, s:f, s:f, s:f}", "kernel", b->k->name, "cpu",
                  b->target.cpu, "candidates", (int)b->candidates, "rejected", (int)c->rejected,
                  "refused_by_codegen", (int)c->unbuilt, "train_ms", c->train_ms,
                  "budget_candidate_us", b->k->candidate_us, "budget_build_ms", b->k->build_ms);
    for (size_t k = 0; k < HONE_LEN(all); k++)
        if (all[k].x->n)
            json_object_set_new(
                j, all[k].name,
                json_pack("{s:f, s:f}", "median", median(all[k].x), "mean", mean(all[k].x)));
    return j;
}

static void cost_free(cost *c)
{
    numbers *const all[] = {&c->sample,  &c->mutate,   &c->replay,   &c->finish,  &c->features,
                            &c->predict, &c->build_ms, &c->lower_ms, &c->llvm_ms, &c->link_ms};
    for (size_t k = 0; k < HONE_LEN(all); k++)
        hone_vec_free(all[k]);
}

static void bench_free(bench *b)
{
    for (uint32_t k = 0; k < b->traces.n; k++)
        hone_trace_free(&b->traces.v[k]);
    for (uint32_t k = 0; b->features && k < b->mutants; k++)
        hone_features_free(&b->features[k]);
    hone_vec_free(&b->traces);
    free(b->features);
    hone_space_free(b->space);
    hone_program_fini(&b->base);
}

/* ---- lists --------------------------------------------------------------------------------------
 */

static void line_of(const bench *b, cost *c, const char *label)
{
    double sum = median(&c->finish) + median(&c->features) + median(&c->predict);
    double rejected = c->sampled ? 100.0 * c->sample_rejected / c->sampled : 0;
    printf("%-5s %-23s %6u %9.0f %% %12.1f %8.0f %-6s %9.1f %7.1f", label, b->k->name,
           b->space->traces.n, rejected, sum, b->k->candidate_us,
           sum < b->k->candidate_us ? "kept" : "MISSED", median(&c->build_ms),
           quantile(&c->build_ms, 90));
    if (b->k->build_ms > 0)
        printf(" %8.0f %s", b->k->build_ms,
               median(&c->build_ms) < b->k->build_ms ? "kept" : "MISSED");
    putchar('\n');
    fflush(stdout);
}

/* "LABEL KERNEL NAME=VALUE... : ..." into the kernel, whose texts then lie in `line`. False: a
 * comment or an empty line. */
static bool read_line(char *line, const char *file, unsigned number, kernel *ret,
                      const char **ret_label)
{
    char *save, *word = strtok_r(line, " \t\n", &save);
    if (!word || *word == '#')
        return false;
    *ret = (kernel){.candidate_us = 200};
    *ret_label = word;
    ret->name = strtok_r(NULL, " \t\n", &save);
    while ((word = strtok_r(NULL, " \t\n", &save)) && *word != ':') {
        char *equals = strchr(word, '=');
        if (!equals || ret->n_sizes == HONE_LEN(ret->sizes)) {
            fprintf(stderr, "bench_search_cost: %s:%u: '%s' is not NAME=VALUE\n", file, number,
                    word);
            exit(2);
        }
        *equals = '\0';
        ret->sizes[ret->n_sizes++] = (hone_size){word, strtoll(equals + 1, NULL, 10)};
    }
    if (!ret->name) {
        fprintf(stderr, "bench_search_cost: %s:%u: no kernel\n", file, number);
        exit(2);
    }
    if (strcmp(ret->name, "matmul") == 0 || strcmp(ret->name, "dense") == 0) {
        ret->candidate_us = 50;
        ret->build_ms = 25;
    }
    return true;
}

static bool count(const char *text, uint32_t *ret)
{
    char *end;
    long v = strtol(text, &end, 10);
    *ret = (uint32_t)v;
    return end != text && *end == '\0' && v >= 16 && v <= 100000;
}

typedef struct run {
    bool json;
    uint32_t candidates, builds;
    json_t *out;
} run;

/* label NULL: in detail. */
static void measure(run *r, const kernel *k, const char *label)
{
    bench b = {.k = k, .candidates = r->candidates, .builds = r->builds};
    cost c = {.train_ms = 0};
    prepare(&b);
    sample(&b, &c);
    search(&b, &c);
    predict(&b, &c);
    build(&b, &c);
    if (r->json)
        json_array_append_new(r->out, as_json(&b, &c));
    else if (label)
        line_of(&b, &c, label);
    else
        print(&b, &c);
    cost_free(&c);
    bench_free(&b);
}

static int measure_list(run *r, const char *file)
{
    FILE *f = fopen(file, "r");
    char line[1024];
    kernel k;
    const char *label;
    if (!f) {
        fprintf(stderr, "bench_search_cost: cannot read %s\n", file);
        return 3;
    }
    if (!r->json)
        printf("%-5s %-23s %6s %11s %12s %8s %-6s %9s %7s %8s\n", "", "kernel", "spaces",
               "rejected", "candidate us", "budget", "", "build ms", "90 %", "budget");
    for (unsigned n = 1; fgets(line, sizeof line, f); n++)
        if (read_line(line, file, n, &k, &label))
            measure(r, &k, label);
    fclose(f);
    return 0;
}

int main(int argc, char **argv)
{
    static const struct option known[] = {
        {"json", no_argument, NULL, 'j'},         {"candidates", required_argument, NULL, 'c'},
        {"builds", required_argument, NULL, 'b'}, {"list", required_argument, NULL, 'l'},
        {"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0}};
    run r = {.candidates = 512, .builds = 32};
    const char *list = NULL;
    bool good = true;
    for (int o; (o = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        r.json |= o == 'j';
        list = o == 'l' ? optarg : list;
        good &= o != '?' && (o != 'c' || count(optarg, &r.candidates)) &&
                (o != 'b' || count(optarg, &r.builds));
        if (o == 'h') {
            puts("usage: bench_search_cost [--json] [--list FILE] [--candidates N=512] [--builds "
                 "N=32]\n\n"
                 "What one candidate costs the search and the builder, against the budgets.");
            return 0;
        }
    }
    if (!good || optind < argc) {
        fprintf(
            stderr,
            "bench_search_cost: options are --json, --list FILE, --candidates N and --builds N, "
            "N from 16 to 100000\n");
        return 2;
    }
    r.out = json_array();
    int code = 0;
    if (list)
        code = measure_list(&r, list);
    else
        for (size_t k = 0; k < HONE_LEN(kernels); k++)
            measure(&r, &kernels[k], NULL);
    if (r.json) {
        char *text = hone_json_text(r.out);
        puts(text);
        free(text);
    }
    json_decref(r.out);
    return code;
}
