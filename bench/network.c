/* bench_network: a network built by hone against ONNX Runtime, in one process, in turns.
 *
 * Both run the same model on the same inputs; every element of every output is compared before
 * anything is timed, and again at the end. Memory is measured in children of this process, one for
 * each side.
 *
 * From top to bottom: arguments; inputs and outputs; hone's side; memory; the race; the row; all of
 * it. */
#include "bench/ort.h"
#include "bench/versus.h"

#include <dlfcn.h>
#include <getopt.h>
#include <math.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LEAST_PAIRS = 21, WARM_NS = 20000000, SEED = 1 };

static const char usage[] =
    "usage: bench_network [options] MODEL.onnx NETWORK.so\n"
    "\n"
    "Times a network made by `hone net build`, linked with network_glue.c, against ONNX Runtime "
    "on\n"
    "the model that it was made from: same inputs, same threads, in turns in one process. Prints "
    "one\n"
    "row; ratios above 1 are hone's.\n"
    "\n"
    "  --name NAME       as given to hone net build (default net)\n"
    "  --weights FILE    its weights (default NAME.weights)\n"
    "  --ort FILE        libonnxruntime.so.1 (default: where the loader finds it)\n"
    "  --threads N       of both; hone's must be built for as many (default 1)\n"
    "  --seconds N       time to spend on samples, about (default 10)\n"
    "  --ids N           integer inputs are drawn from 0 to N-1 (default 100)\n"
    "  --ids INPUT=N     those of this input\n"
    "  --tolerance T     by how much outputs may differ, as a share of the largest element "
    "(default "
    "0.001)\n"
    "  --json FILE       also write all samples as JSON\n"
    "  --help\n"
    "\n"
    "Exit code: 0 compared, 1 failed or the outputs differ, 2 bad usage or input, 3 a file is not "
    "there.\n";

/* ---- arguments ---------------------------------------------------------------------------------
 */

typedef struct options {
    const char *model, *object, *name, *weights, *ort, *json;
    int64_t threads, seconds, ids;
    double tolerance;
    struct {
        const char *input;
        size_t length; /* of its name */
        int64_t ids;
    } of[ORT_MAX_TENSORS]; /* inputs with ids of their own */
    size_t n_of;
} options;

static bool whole(const char *text, int64_t most, int64_t *ret)
{
    char *end;
    *ret = strtoll(text, &end, 10);
    return end != text && *end == '\0' && *ret >= 1 && *ret <= most;
}

/* N or INPUT=N */
static bool parse_ids(const char *text, options *o)
{
    const char *equals = strrchr(text, '=');
    if (!equals)
        return whole(text, INT32_MAX, &o->ids);
    if (o->n_of == ORT_MAX_TENSORS || !whole(equals + 1, INT32_MAX, &o->of[o->n_of].ids))
        return false;
    o->of[o->n_of].input = text;
    o->of[o->n_of++].length = (size_t)(equals - text);
    return true;
}

static bool parse_option(int c, options *o)
{
    switch (c) {
    case 'n':
        o->name = optarg;
        return true;
    case 'w':
        o->weights = optarg;
        return true;
    case 'o':
        o->ort = optarg;
        return true;
    case 'j':
        o->json = optarg;
        return true;
    case 'T':
        return whole(optarg, 1024, &o->threads);
    case 's':
        return whole(optarg, 3600, &o->seconds);
    case 'i':
        return parse_ids(optarg, o);
    case 't':
        o->tolerance = strtod(optarg, NULL);
        return o->tolerance > 0 && o->tolerance < 1;
    default:
        return false;
    }
}

/* Returns -1 to go on, or the exit code. */
static int parse(int argc, char **argv, options *o)
{
    static const struct option known[] = {{"name", required_argument, NULL, 'n'},
                                          {"weights", required_argument, NULL, 'w'},
                                          {"ort", required_argument, NULL, 'o'},
                                          {"threads", required_argument, NULL, 'T'},
                                          {"seconds", required_argument, NULL, 's'},
                                          {"ids", required_argument, NULL, 'i'},
                                          {"tolerance", required_argument, NULL, 't'},
                                          {"json", required_argument, NULL, 'j'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    *o = (options){.name = "net",
                   .ort = "libonnxruntime.so.1",
                   .threads = 1,
                   .seconds = 10,
                   .ids = 100,
                   .tolerance = 1e-3};
    for (int c; (c = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        if (c == 'h') {
            fputs(usage, stdout);
            return 0;
        }
        if (!parse_option(c, o)) {
            if (c != '?')
                fprintf(stderr, "bench_network: '%s' is no value for this option; see --help\n",
                        optarg);
            return 2;
        }
    }
    if (argc - optind != 2) {
        fprintf(stderr, "bench_network: MODEL.onnx and NETWORK.so are needed; see --help\n");
        return 2;
    }
    o->model = argv[optind];
    o->object = argv[optind + 1];
    if (!o->weights)
        o->weights = hone_xasprintf("%s.weights", o->name);
    return -1;
}

/* ---- inputs and outputs ------------------------------------------------------------------------
 */

/* One element from x, in [0, 1): floats are within 1 of 0, integers are below `ids`. */
static void put(ort_tensor *t, int64_t k, const char *type, int64_t bytes, double x, int64_t ids)
{
    char *at = (char *)t->data + k * bytes;
    float f = (float)(2 * x - 1);
    double d = 2 * x - 1;
    int64_t most = bytes == 1 ? 127 : bytes == 2 ? 32767 : ids;
    int64_t i = (int64_t)(x * (double)(ids < most ? ids : most));
    if (strcmp(type, "f32") == 0)
        memcpy(at, &f, sizeof f);
    else if (strcmp(type, "f64") == 0)
        memcpy(at, &d, sizeof d);
    else if (strcmp(type, "bool") == 0)
        *at = x < 0.5;
    else
        memcpy(at, &i, (size_t)bytes); /* the low bytes: little-endian */
}

static int64_t ids_of(const options *o, const char *input)
{
    for (size_t k = 0; k < o->n_of; k++)
        if (strlen(input) == o->of[k].length && memcmp(input, o->of[k].input, o->of[k].length) == 0)
            return o->of[k].ids;
    return o->ids;
}

static void fill_inputs(ort_model *m, const options *o)
{
    hone_rng r;
    hone_rng_seed(&r, SEED);
    for (size_t k = 0; k < m->n_in; k++) {
        int64_t bytes = 0;
        const char *type = ort_type_name(m->in[k].type, &bytes);
        int64_t ids = ids_of(o, m->in[k].name);
        for (int64_t e = 0; e < m->in[k].elements; e++)
            put(&m->in[k], e, type, bytes, hone_rng_double(&r), ids);
    }
}

static double element(const void *data, int64_t k, const char *type, int64_t bytes)
{
    const char *at = (const char *)data + k * bytes;
    uint64_t bits = 0;
    float f;
    double d;
    if (strcmp(type, "f32") == 0)
        return memcpy(&f, at, sizeof f), f;
    if (strcmp(type, "f64") == 0)
        return memcpy(&d, at, sizeof d), d;
    memcpy(&bits, at, (size_t)bytes);
    uint64_t sign = *type == 'i' ? UINT64_C(1) << (8 * bytes - 1) : 0;
    return (double)(int64_t)((bits ^ sign) - sign);
}

/* The largest difference over the largest element of `want`; infinite where one is no number. */
static double difference(const ort_tensor *want, const void *got)
{
    int64_t bytes = 0;
    const char *type = ort_type_name(want->type, &bytes);
    double off = 0, largest = 0;
    for (int64_t k = 0; k < want->elements; k++) {
        double w = element(want->data, k, type, bytes), g = element(got, k, type, bytes);
        if (!isfinite(w) || !isfinite(g))
            return INFINITY;
        off = fmax(off, fabs(w - g));
        largest = fmax(largest, fabs(w));
    }
    return off == 0 ? 0 : largest == 0 ? INFINITY : off / largest;
}

/* ---- hone's side -------------------------------------------------------------------------------
 */

typedef const void *in;
typedef void *io;

typedef struct network {
    void *run;
    const void *net;
    io args[2 * ORT_MAX_TENSORS]; /* inputs, outputs, the workspace */
    io *out;                      /* the outputs among them */
    size_t n;
} network;

static int32_t call(const network *x)
{
    io const *a = x->args;
    switch (x->n) {
    case 3:
        return ((int32_t(*)(in, io, io, io))x->run)(x->net, a[0], a[1], a[2]);
    case 4:
        return ((int32_t(*)(in, io, io, io, io))x->run)(x->net, a[0], a[1], a[2], a[3]);
    case 5:
        return ((int32_t(*)(in, io, io, io, io, io))x->run)(x->net, a[0], a[1], a[2], a[3], a[4]);
    case 6:
        return ((int32_t(*)(in, io, io, io, io, io, io))x->run)(x->net, a[0], a[1], a[2], a[3],
                                                                a[4], a[5]);
    default:
        return ((int32_t(*)(in, io, io, io, io, io, io, io))x->run)(x->net, a[0], a[1], a[2], a[3],
                                                                    a[4], a[5], a[6]);
    }
}

static hone_status run_network(const network *x, hone_error *err)
{
    int32_t st = call(x);
    return st == 0 ? HONE_OK : hone_fail(err, HONE_E_TOOL, "the network returns %d", st);
}

/* Buffers of its own for outputs, filled with what is no number. */
static void *room(int64_t bytes)
{
    size_t n = ((size_t)bytes / 64 + 1) * 64;
    void *p = aligned_alloc(64, n);
    if (!p)
        hone_bug(__FILE__, __LINE__, "memory for a tensor of the network");
    return memset(p, 0xff, n);
}

static hone_status open_network(const options *o, ort_model *m, network *ret, hone_error *err)
{
    int32_t (*open)(const char *, const void **);
    *ret = (network){0};
    char *here = hone_xasprintf("%s%s", strchr(o->object, '/') ? "" : "./", o->object);
    void *lib = dlopen(here, RTLD_NOW | RTLD_LOCAL);
    free(here);
    if (!lib)
        return hone_fail(err, HONE_E_NOTFOUND, "cannot load the network: %s", dlerror());
    char *symbol = hone_xasprintf("%s_run", o->name);
    ret->run = dlsym(lib, symbol);
    free(symbol);
    *(void **)&open = dlsym(lib, "bench_open");
    void *(*memory)(void);
    *(void **)&memory = dlsym(lib, "bench_memory");
    const int64_t *workspace = dlsym(lib, "bench_workspace");
    if (!ret->run || !open || !workspace || !memory)
        return hone_fail(err, HONE_E_INPUT,
                         "%s has no %s_run, or was linked without network_glue.c", o->object,
                         o->name);
    if (m->n_in + m->n_out > 6)
        return hone_fail(err, HONE_E_INPUT, "more than 6 inputs and outputs");
    int32_t st = open(o->weights, &ret->net);
    if (st != 0)
        return hone_fail(err, HONE_E_INPUT, "opening the network with %s returns %d", o->weights,
                         st);
    for (size_t k = 0; k < m->n_in; k++)
        ret->args[ret->n++] = m->in[k].data;
    ret->out = ret->args + ret->n;
    for (size_t k = 0; k < m->n_out; k++)
        ret->args[ret->n++] = room(m->out[k].bytes);
    void *work = memory();
    if (!work)
        return hone_fail(err, HONE_E_NOMEM, "memory for the network's workspace");
    ret->args[ret->n++] = memset(work, 0xff, (size_t)*workspace);
    return HONE_OK;
}

static hone_status compare(const options *o, const ort_model *m, const network *x, double *ret_off,
                           hone_error *err)
{
    for (size_t k = 0; k < m->n_out; k++) {
        double off = difference(&m->out[k], x->out[k]);
        if (off > o->tolerance)
            return hone_fail(err, HONE_E_CORRUPT,
                             "hone and ONNX Runtime differ in output '%s' by %.3g of its largest "
                             "element",
                             m->out[k].name, off);
        *ret_off = fmax(*ret_off, off);
    }
    return HONE_OK;
}

/* ---- memory ------------------------------------------------------------------------------------
 */

/* MiB that one side added to its process at most: while it opened and ran for the first time, and
 * while it ran again. 0: unknown. */
typedef struct memory {
    double open, run;
} memory;

static double status_mib(const char *key)
{
    char text[64];
    return hone_file_line("/proc/self/status", key, text, sizeof text) ? strtod(text, NULL) / 1024
                                                                       : 0;
}

/* The high-water mark falls to what is resident now. */
static bool forget_peak(void)
{
    FILE *f = fopen("/proc/self/clear_refs", "w");
    if (!f)
        return false;
    fputs("5", f);
    return fclose(f) == 0;
}

/* What a child does: open (again false), then run once more. */
typedef hone_status side_fn(const options *o, ort_model *m, bool again, hone_error *err);

static hone_status run_ort(const options *o, ort_model *m, bool again, hone_error *err)
{
    if (!again) {
        HONE_TRY(ort_open(o->ort, o->model, (int32_t)o->threads, m, err));
        fill_inputs(m, o);
    }
    return ort_run(m, err);
}

static hone_status run_hone(const options *o, ort_model *m, bool again, hone_error *err)
{
    static network x;
    if (!again)
        HONE_TRY(open_network(o, m, &x, err));
    return run_network(&x, err);
}

static memory in_child(const options *o, ort_model *m, side_fn *side)
{
    memory r = {0};
    double before = status_mib("VmRSS");
    if (side(o, m, false, NULL) != HONE_OK)
        return r;
    r.open = status_mib("VmHWM") - before;
    if (forget_peak() && side(o, m, true, NULL) == HONE_OK)
        r.run = status_mib("VmHWM") - before;
    return r;
}

static memory measure_memory(const options *o, ort_model *m, side_fn *side)
{
    memory r = {0};
    int ends[2];
    if (pipe(ends) != 0)
        return r;
    pid_t child = fork();
    if (child == 0) {
        r = in_child(o, m, side);
        _exit(hone_write_all(ends[1], &r, sizeof r) ? 0 : 1);
    }
    close(ends[1]);
    if (child < 0 || read(ends[0], &r, sizeof r) != (ssize_t)sizeof r)
        r = (memory){0};
    close(ends[0]);
    if (child > 0)
        waitpid(child, NULL, 0);
    return r;
}

/* ---- the race ----------------------------------------------------------------------------------
 */

static int64_t time_hone(contestant *c, int64_t calls)
{
    int64_t start = hone_clock_ns();
    for (int64_t k = 0; k < calls; k++)
        if (call(c->state) != 0)
            return -1;
    return hone_clock_ns() - start;
}

static int64_t time_ort(contestant *c, int64_t calls)
{
    int64_t start = hone_clock_ns();
    for (int64_t k = 0; k < calls; k++)
        if (ort_run(c->state, NULL) != HONE_OK)
            return -1;
    return hone_clock_ns() - start;
}

/* So many calls in a sample that as many pairs as can be compared take the time that there is. */
static void share_time(contestant *c, int64_t seconds)
{
    int64_t calls = seconds * 1000000000 / (2 * HONE_PAIRS_MOST) / c->warm_ns;
    c->calls = calls > c->calls ? calls : c->calls;
}

static hone_status race(contestant *hone, contestant *ort, int64_t seconds, hone_paired *ret,
                        hone_error *err)
{
    share_time(hone, seconds);
    share_time(ort, seconds);
    int64_t end = hone_clock_ns() + seconds * 1000000000;
    for (int k = 0; k < HONE_PAIRS_MOST && (k < LEAST_PAIRS || hone_clock_ns() < end); k++) {
        double ns;
        HONE_TRY(versus_sample(k % 2 ? ort : hone, &ns, err));
        HONE_TRY(versus_sample(k % 2 ? hone : ort, &ns, err));
    }
    *ret = hone_pairs_compare(ort->ns.v, hone->ns.v, hone->ns.n, 1.96);
    *ret = (hone_paired){exp(ret->ratio), exp(ret->low), exp(ret->high)};
    return HONE_OK;
}

/* ---- the row -----------------------------------------------------------------------------------
 */

typedef struct result {
    contestant hone, ort;
    memory hone_memory, ort_memory;
    hone_paired ratio;
    double off;
    const char *version;
} result;

static void print_row(const options *o, const result *r)
{
    char interval[40];
    snprintf(interval, sizeof interval, "[%.3f %.3f]", r->ratio.low, r->ratio.high);
    printf("%-14s %7s %10s %10s %7s  %-15s %8s %9s %9s\n", "network", "threads", "hone ms",
           "ORT ms", "ratio", "95 %", "apart", "hone MiB", "ORT MiB");
    printf("%-14s %7" PRId64 " %10.3f %10.3f %7.3f  %-15s %8.1e %9.1f %9.1f\n", o->name, o->threads,
           versus_median(r->hone.ns.v, r->hone.ns.n) / 1e6,
           versus_median(r->ort.ns.v, r->ort.ns.n) / 1e6, r->ratio.ratio, interval, r->off,
           r->hone_memory.run, r->ort_memory.run);
}

static json_t *side_json(const contestant *c, const memory *m)
{
    json_t *samples = json_array();
    for (uint32_t k = 0; k < c->ns.n; k++)
        json_array_append_new(samples, json_real(c->ns.v[k]));
    return json_pack("{s:f, s:f, s:f, s:o}", "ms", versus_median(c->ns.v, c->ns.n) / 1e6,
                     "open_mib", m->open, "run_mib", m->run, "samples_ns", samples);
}

static hone_status write_json(const options *o, const result *r, hone_error *err)
{
    char cpu[128];
    hone_host_processor(cpu, sizeof cpu);
    json_t *j = json_pack(
        "{s:s, s:I, s:s, s:s, s:f, s:f, s:f, s:f, s:o, s:o}", "network", o->name, "threads",
        (json_int_t)o->threads, "cpu", cpu, "onnxruntime", r->version, "ratio", r->ratio.ratio,
        "ratio_low", r->ratio.low, "ratio_high", r->ratio.high, "largest_difference", r->off,
        "hone", side_json(&r->hone, &r->hone_memory), "ort", side_json(&r->ort, &r->ort_memory));
    char *text = hone_json_text(j);
    hone_status st = hone_file_write(o->json, text, strlen(text), err);
    free(text);
    json_decref(j);
    return st;
}

/* ---- all of it ---------------------------------------------------------------------------------
 */

/* ONNX Runtime comes first: its threads are pinned before there are others. */
static hone_status measure(const options *o, result *r, hone_error *err)
{
    static ort_model m;
    static network x;
    HONE_TRY(versus_pin((int32_t)o->threads, err));
    r->ort_memory = measure_memory(o, &m, run_ort);
    HONE_TRY(run_ort(o, &m, false, err));
    r->hone_memory = measure_memory(o, &m, run_hone);
    r->version = m.version;
    r->ort = (contestant){.name = "ONNX Runtime", .run = time_ort, .state = &m};
    HONE_TRY(versus_warm(&r->ort, WARM_NS, err));
    versus_move(0, 0,
                (int32_t)o->threads); /* hone's pool has as many threads as its caller may use */
    HONE_TRY(open_network(o, &m, &x, err));
    r->hone = (contestant){.name = "hone", .run = time_hone, .state = &x};
    HONE_TRY(run_network(&x, err));
    HONE_TRY(compare(o, &m, &x, &r->off, err));
    HONE_TRY(versus_warm(&r->hone, WARM_NS, err));
    HONE_TRY(race(&r->hone, &r->ort, o->seconds, &r->ratio, err));
    return compare(o, &m, &x, &r->off, err);
}

int main(int argc, char **argv)
{
    options o;
    int code = parse(argc, argv, &o);
    if (code >= 0)
        return code;
    static result r;
    hone_error err = {0};
    hone_status st = measure(&o, &r, &err);
    if (st == HONE_OK)
        print_row(&o, &r);
    if (st == HONE_OK && o.json)
        st = write_json(&o, &r, &err);
    if (st != HONE_OK)
        fprintf(stderr, "bench_network: %s: %s\n", o.name, err.message);
    return hone_status_exit_code(st);
}
