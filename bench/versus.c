/* bench_versus: see versus.h for the parts and bench/README.md for how to read the result.
 *
 * Each library is timed in turns with the kernel: kernel, library, then library, kernel, and so on,
 * at least 21 pairs. What is reported is the median of the pairs' ratios: a machine that slows down
 * for a while slows down both halves of a pair.
 *
 * From top to bottom: statistics; the race; the problem, its inputs and its check; the machine;
 * arguments; the comparison. */
#include "bench/versus.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>

enum { MIN_PAIRS = 21, MAX_DUELS = 8, LONG_WARM_NS = 20000000 };

static const char usage[] =
    "usage: bench_versus [options] gemm M N K THREADS [LIBRARY.so]\n"
    "       bench_versus [options] conv N H W CI CO R S STRIDE PAD DILATION THREADS [LIBRARY.so]\n"
    "\n"
    "Times a kernel made by `hone query --emit library` against OpenBLAS, BLIS and oneDNN, in "
    "turns\n"
    "in one process, each library with the core type that is fastest here. Without LIBRARY.so the\n"
    "libraries are compared with each other.\n"
    "\n"
    "  --name F        the kernel's function in LIBRARY.so (default f)\n"
    "  --pairs N       pairs of samples per library (default and least 21)\n"
    "  --trust         take each library's own choice of core type, without calibration\n"
    "  --json          print JSON\n"
    "  --append FILE   also append one line per library to FILE\n"
    "  --help\n"
    "\n"
    "Exit code: 0 compared, 1 failed or the results differ, 2 bad usage, 3 LIBRARY.so not found.\n";

/* ---- statistics --------------------------------------------------------------------------------
 */

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double *sorted(const double *x, uint32_t n)
{
    double *y = hone_xmalloc(n * sizeof *y);
    memcpy(y, x, n * sizeof *y);
    qsort(y, n, sizeof *y, ascending);
    return y;
}

double versus_median(const double *x, uint32_t n)
{
    double *y = sorted(x, n);
    double m = n % 2 ? y[n / 2] : (y[n / 2 - 1] + y[n / 2]) / 2;
    free(y);
    return m;
}

double versus_least(const double *x, uint32_t n)
{
    double least = x[0];
    for (uint32_t k = 1; k < n; k++)
        least = x[k] < least ? x[k] : least;
    return least;
}

static void judge(duel *d)
{
    uint32_t n = d->base_ns.n;
    double *ratio = hone_xmalloc(n * sizeof *ratio);
    for (uint32_t k = 0; k < n; k++)
        ratio[k] = d->other_ns.v[k] / d->base_ns.v[k];
    double *y = sorted(ratio, n);
    d->ratio = versus_median(ratio, n);
    /* Order statistics that enclose the median with 95 %, by the normal form of the binomial. */
    uint32_t rank = (uint32_t)floor((n - 1.96 * sqrt((double)n)) / 2);
    d->lo = y[rank > 0 ? rank - 1 : 0];
    d->hi = y[rank > 0 ? n - rank : n - 1];
    d->best_ratio = versus_least(d->other_ns.v, n) / versus_least(d->base_ns.v, n);
    free(ratio);
    free(y);
}

/* ---- the race -------------------------------------------------------------------------------- */

static hone_status race(contestant *base, duel *duels, uint32_t n, int64_t pairs, hone_error *err)
{
    hone_status st = HONE_OK;
    for (int64_t k = 0; k < pairs; k++)
        for (uint32_t q = 0; q < n && st == HONE_OK; q++) {
            duel *d = &duels[q];
            double b = 0, o = 0;
            bool base_first = (k + q) % 2 == 0;
            st = versus_sample(base_first ? base : d->other, base_first ? &b : &o, err);
            if (st == HONE_OK)
                st = versus_sample(base_first ? d->other : base, base_first ? &o : &b, err);
            hone_vec_push(&d->base_ns, b);
            hone_vec_push(&d->other_ns, o);
        }
    for (uint32_t q = 0; q < n && st == HONE_OK; q++)
        judge(&duels[q]);
    return st;
}

/* ---- the problem -------------------------------------------------------------------------------
 */

static float *random_floats(int64_t n, uint64_t seed)
{
    float *x = aligned_alloc(64, ((size_t)n * sizeof *x + 63) / 64 * 64);
    if (!x) {
        fprintf(stderr, "bench_versus: out of memory\n");
        exit(1);
    }
    hone_rng g;
    hone_rng_seed(&g, seed);
    for (int64_t k = 0; k < n; k++)
        x[k] = (float)(hone_rng_double(&g) * 2 - 1);
    return x;
}

static void fill(problem *p)
{
    if (p->conv) {
        p->ho = (p->h + 2 * p->pad - p->dilation * (p->r - 1) - 1) / p->stride + 1;
        p->wo = (p->w + 2 * p->pad - p->dilation * (p->s - 1) - 1) / p->stride + 1;
        p->n_a = p->batch * p->h * p->w * p->ci;
        p->n_b = p->r * p->s * p->ci * p->co;
        p->n_c = p->batch * p->ho * p->wo * p->co;
        /* padded taps count: what a library saves by skipping them is to its credit */
        p->flops = 2.0 * (double)(p->n_c * p->r * p->s * p->ci);
    } else {
        p->n_a = p->m * p->k;
        p->n_b = p->k * p->n;
        p->n_c = p->m * p->n;
        p->flops = 2.0 * (double)(p->m * p->n) * (double)p->k;
    }
    p->a = random_floats(p->n_a, 1);
    p->b = random_floats(p->n_b, 2);
}

/* One element of the result in double precision. */
static double exact(const problem *p, int64_t at)
{
    double sum = 0;
    if (!p->conv) {
        int64_t i = at / p->n, j = at % p->n;
        for (int64_t k = 0; k < p->k; k++)
            sum += (double)p->a[i * p->k + k] * (double)p->b[k * p->n + j];
        return sum;
    }
    int64_t f = at % p->co, x = at / p->co % p->wo, y = at / p->co / p->wo % p->ho;
    int64_t image = at / p->co / p->wo / p->ho;
    for (int64_t r = 0; r < p->r; r++)
        for (int64_t s = 0; s < p->s; s++) {
            int64_t h = y * p->stride + r * p->dilation - p->pad;
            int64_t w = x * p->stride + s * p->dilation - p->pad;
            if (h < 0 || h >= p->h || w < 0 || w >= p->w)
                continue;
            const float *in = p->a + ((image * p->h + h) * p->w + w) * p->ci;
            const float *weights = p->b + (r * p->s + s) * p->ci * p->co + f;
            for (int64_t c = 0; c < p->ci; c++)
                sum += (double)in[c] * (double)weights[c * p->co];
        }
    return sum;
}

static double difference(double got, double want)
{
    double e = fabs(got - want) / fmax(1, fabs(want));
    return isnan(e) ? INFINITY : e;
}

/* Every element against the base's, and a thousand of them against double precision. */
static hone_status check(const problem *p, contestant *c, const float *base, double *ret_max,
                         hone_error *err)
{
    if (c->run(c, 1) < 0)
        return versus_broken(c, err);
    const float *got = c->result(c);
    if (!got)
        return versus_broken(c, err);
    double most = 0;
    for (int64_t k = 0; base && k < p->n_c; k++)
        most = fmax(most, difference((double)got[k], (double)base[k]));
    hone_rng g;
    hone_rng_seed(&g, 3);
    for (int k = 0; k < 1000; k++) {
        int64_t at = (int64_t)hone_rng_below(&g, (uint64_t)p->n_c);
        most = fmax(most, difference((double)got[at], exact(p, at)));
    }
    *ret_max = fmax(*ret_max, most);
    /* f32 sums of a few thousand products differ by 1e-5; a fast algorithm (Winograd) by 1e-4. */
    if (most > 1e-3)
        return hone_fail(err, HONE_E_CORRUPT, "%s (%s) computes something else: off by %.3g",
                         c->name, c->detail, most);
    return HONE_OK;
}

/* ---- the machine -------------------------------------------------------------------------------
 */

static void machine_name(char *ret, size_t n)
{
    snprintf(ret, n, "unknown processor");
    FILE *f = fopen("/proc/cpuinfo", "r");
    if (!f)
        return;
    char line[512];
    while (fgets(line, sizeof line, f))
        if (strncmp(line, "model name", 10) == 0) {
            char *colon = strchr(line, ':');
            line[strcspn(line, "\n")] = '\0';
            snprintf(ret, n, "%.100s", colon ? colon + 2 : line);
            break;
        }
    fclose(f);
}

/* ---- arguments ---------------------------------------------------------------------------------
 */

typedef struct options {
    const char *kernel, *name, *append;
    int64_t pairs;
    bool trust, json;
} options;

static bool whole(const char *text, int64_t least, int64_t *ret)
{
    char *end;
    errno = 0;
    *ret = strtoll(text, &end, 10);
    return end != text && *end == '\0' && errno == 0 && *ret >= least && *ret <= 1 << 24;
}

static int bad(const char *what)
{
    fprintf(stderr, "bench_versus: %s; see bench_versus --help\n", what);
    return 2;
}

static bool parse_problem(int argc, char **argv, problem *p, options *o)
{
    static const struct {
        size_t at;
        int64_t least;
    } gemm[] = {{offsetof(problem, m), 1}, {offsetof(problem, n), 1}, {offsetof(problem, k), 1}},
      conv[] = {{offsetof(problem, batch), 1}, {offsetof(problem, h), 1},
                {offsetof(problem, w), 1},     {offsetof(problem, ci), 1},
                {offsetof(problem, co), 1},    {offsetof(problem, r), 1},
                {offsetof(problem, s), 1},     {offsetof(problem, stride), 1},
                {offsetof(problem, pad), 0},   {offsetof(problem, dilation), 1}};
    if (argc < 1)
        return false;
    p->conv = strcmp(argv[0], "conv") == 0;
    if (!p->conv && strcmp(argv[0], "gemm") != 0)
        return false;
    int n = (int)(p->conv ? HONE_LEN(conv) : HONE_LEN(gemm));
    if (argc != n + 2 && argc != n + 3)
        return false;
    for (int k = 0; k < n; k++) {
        int64_t v;
        if (!whole(argv[k + 1], p->conv ? conv[k].least : gemm[k].least, &v))
            return false;
        memcpy((char *)p + (p->conv ? conv[k].at : gemm[k].at), &v, sizeof v);
    }
    int64_t threads;
    if (!whole(argv[n + 1], 1, &threads) || threads > 1024)
        return false;
    p->threads = (int32_t)threads;
    o->kernel = argc == n + 3 ? argv[n + 2] : NULL;
    return !p->conv || (p->h + 2 * p->pad > p->dilation * (p->r - 1) &&
                        p->w + 2 * p->pad > p->dilation * (p->s - 1));
}

/* Returns -1 to go on, or the exit code. */
static int parse(int argc, char **argv, problem *p, options *o)
{
    static const struct option known[] = {{"name", required_argument, NULL, 'n'},
                                          {"pairs", required_argument, NULL, 'p'},
                                          {"trust", no_argument, NULL, 't'},
                                          {"json", no_argument, NULL, 'j'},
                                          {"append", required_argument, NULL, 'a'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    *o = (options){.name = "f", .pairs = MIN_PAIRS};
    for (int c; (c = getopt_long(argc, argv, "+", known, NULL)) != -1;)
        switch (c) {
        case 'n':
            o->name = optarg;
            break;
        case 'p':
            if (!whole(optarg, MIN_PAIRS, &o->pairs))
                return bad("--pairs takes a whole number, 21 or more");
            break;
        case 't':
            o->trust = true;
            break;
        case 'j':
            o->json = true;
            break;
        case 'a':
            o->append = optarg;
            break;
        case 'h':
            fputs(usage, stdout);
            return 0;
        default:
            return 2;
        }
    if (!parse_problem(argc - optind, argv + optind, p, o))
        return bad("which problem? gemm M N K THREADS, or conv and its sizes");
    return -1;
}

static void title(const problem *p, char *ret, size_t n)
{
    const char *s = p->threads == 1 ? "" : "s";
    if (p->conv)
        snprintf(ret, n,
                 "conv %" PRId64 "x%" PRId64 "x%" PRId64 "x%" PRId64 " -> %" PRId64 ", %" PRId64
                 "x%" PRId64 " stride %" PRId64 " pad %" PRId64 " dilation %" PRId64
                 ", f32, %d thread%s",
                 p->batch, p->h, p->w, p->ci, p->co, p->r, p->s, p->stride, p->pad, p->dilation,
                 p->threads, s);
    else
        snprintf(ret, n, "gemm %" PRId64 " x %" PRId64 " x %" PRId64 ", f32, %d thread%s", p->m,
                 p->n, p->k, p->threads, s);
}

/* ---- all of it ---------------------------------------------------------------------------------
 */

static double one_thread_peak(hone_error *err)
{
    contestant c;
    double best = 0, ns;
    if (versus_peak(1, &c, err) != HONE_OK)
        return 0;
    for (int k = 0; k < 9; k++)
        if (versus_sample(&c, &ns, err) == HONE_OK && c.flops / ns > best)
            best = c.flops / ns;
    return best;
}

/* The kernel and the fastest of each library, each checked against the first and warm. One at a
 * time: the threads a contestant starts are told from those before. */
static hone_status assemble(problem *p, const options *o, report *r, contestant *all,
                            candidate_list *candidates, uint32_t *ret_n, hone_error *err)
{
    hone_status st = HONE_OK;
    uint32_t n = 0;
    if (o->kernel) {
        st = versus_kernel(o->kernel, o->name, p, &all[n++], err);
        if (st != HONE_OK)
            return st;
    }
    if (!o->json)
        fprintf(stderr, "calibrating the libraries ...\n");
    versus_calibrate(p, o->trust, candidates);
    for (uint32_t k = 0, checked = 0; k <= candidates->n && st == HONE_OK; k++) {
        versus_move(0, 0, p->threads); /* libraries count the processors they may use */
        if (k > 0 && n < MAX_DUELS && candidates->v[k - 1].chosen)
            st = versus_library(&candidates->v[k - 1], p, &all[n++], err);
        if (st == HONE_OK && checked < n) {
            const float *base = checked ? all[0].result(&all[0]) : NULL;
            st = check(p, &all[checked], base, &r->max_difference, err);
            if (st == HONE_OK)
                st = versus_warm(&all[checked++], LONG_WARM_NS, err);
        }
    }
    *ret_n = n;
    if (st == HONE_OK && n == 0)
        return hone_fail(err, HONE_E_TOOL,
                         "nothing to time: no kernel given and no library found; run `sh "
                         "cmake/install-deps.sh bench`");
    return st;
}

static hone_status compare(problem *p, const options *o, report *r, hone_error *err)
{
    static contestant all[MAX_DUELS + 1], peak;
    static duel duels[MAX_DUELS];
    static candidate_list candidates;
    double load = 0;
    r->load = getloadavg(&load, 1) == 1 ? load : 0;
    title(p, r->title, sizeof r->title);
    machine_name(r->machine, sizeof r->machine);
    hone_status st = versus_pin(p->threads, err);
    if (st != HONE_OK)
        return st;
    fill(p);
    uint32_t n = 0;
    st = assemble(p, o, r, all, &candidates, &n, err);
    if (st != HONE_OK)
        return st;
    for (uint32_t k = 1; k < n; k++)
        duels[r->n_duels++].other = &all[k];
    if (versus_peak(p->threads, &peak, err) == HONE_OK) {
        r->peak = &peak;
        duels[r->n_duels++].other = &peak;
        r->peak1_gflops = one_thread_peak(err);
    }
    r->p = p;
    r->candidates = &candidates;
    r->base = &all[0];
    r->duels = duels;
    return race(&all[0], duels, r->n_duels, o->pairs, err);
}

int main(int argc, char **argv)
{
    static problem p;
    options o;
    int code = parse(argc, argv, &p, &o);
    if (code >= 0)
        return code;
    hone_error err = {0};
    static report r;
    hone_status st = compare(&p, &o, &r, &err);
    if (st == HONE_OK) {
        if (o.json)
            versus_print_json(&r);
        else
            versus_print(&r);
        if (o.append)
            st = versus_append(&r, o.append, &err);
    }
    if (st != HONE_OK)
        fprintf(stderr, "bench_versus: %s\n", err.message);
    return hone_status_exit_code(st);
}
