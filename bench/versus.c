/* bench_versus: see versus.h for the parts and bench/README.md for how to read the result.
 *
 * Each contestant is timed in turns with the kernel: kernel, library, then library, kernel, and so
 * on, 21 pairs. What is reported is the median of the pairs' ratios: a machine that slows
 * down for a while slows down both halves of a pair.
 *
 * From top to bottom: statistics; the race; arguments; the comparison. */
#include "bench/versus.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>

#define ENOUGH_NS 60000000000 /* calls of seconds: no more pairs after this */
enum {
    PAIRS = 21,
    LEAST_PAIRS = 7, /* of fewer than 6 no interval holds the median in 95 of 100 cases */
    MAX_DUELS = 128,
    MAX_OTHERS = 120,
    LONG_WARM_NS = 20000000
};

static const char usage[] =
    "usage: bench_versus [options] KERNEL [NAME=VALUE]... [LIBRARY.so]\n"
    "       bench_versus --threads N --machine-out FILE\n"
    "       bench_versus --threads N --machine FILE --hold FILE KERNEL [NAME=VALUE]...\n"
    "\n"
    "Times a kernel made by `hone query --emit library` against OpenBLAS, BLIS and oneDNN, in "
    "turns\n"
    "in one process, each library with the core type and algorithm that is fastest here. KERNEL is "
    "a\n"
    "built-in kernel, or FILE.hone, or FILE.hone:NAME; NAME=VALUE are its sizes. Without "
    "LIBRARY.so\n"
    "the others are compared with each other.\n"
    "\n"
    "  --threads N       threads of every contestant (default 1)\n"
    "  --name F          the kernel's function in LIBRARY.so (default f)\n"
    "  --other NAME=F.so another kernel of the same arguments takes part; its function is f\n"
    "  --oracle F.so     the same, to compare all results with; it is not timed\n"
    "  --only LIST       openblas,blis,onednn or some of them (default all)\n"
    "  --pairs N         pairs of samples per contestant (default 21, least 7)\n"
    "  --trust           take each library's own choice of core type, without calibration\n"
    "  --machine FILE    take the machine's peaks from FILE instead of measuring them\n"
    "  --again           measure them again, briefly, after the race; FILE keeps the best of each\n"
    "  --machine-out FILE  measure them, write them to FILE and print them; nothing else\n"
    "  --hold FILE       bring the shares of the roofline in FILE (from --json) up to what\n"
    "                    --machine has now; prints, tabs between, hone's share in percent,\n"
    "                    what bounds it, its products by the definition's if they differ\n"
    "  --json FILE       also write JSON\n"
    "  --append FILE     also append one line to FILE\n"
    "  --help\n"
    "\n"
    "Exit code: 0 compared, 1 failed or the kernel's result differs, 2 bad usage, 3 LIBRARY.so "
    "not\n"
    "found.\n";

/* ---- statistics --------------------------------------------------------------------------------
 */

static void judge(duel *d)
{
    uint32_t n = d->base_ns.n;
    double *ratio = hone_xmalloc(n * sizeof *ratio);
    for (uint32_t k = 0; k < n; k++)
        ratio[k] = d->other_ns.v[k] / d->base_ns.v[k];
    double *y = versus_sorted(ratio, n);
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
    int64_t start = hone_clock_ns();
    for (int64_t k = 0; k < pairs; k++) {
        if (k >= LEAST_PAIRS && hone_clock_ns() - start > ENOUGH_NS)
            break;
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
    }
    for (uint32_t q = 0; q < n && st == HONE_OK; q++)
        judge(&duels[q]);
    return st;
}

/* ---- arguments ---------------------------------------------------------------------------------
 */

typedef struct options {
    const char *argument, *library, *name, *append, *json, *only, *machine, *machine_out, *oracle,
        *held;
    struct {
        const char *name, *file;
    } others[MAX_OTHERS];
    int n_others;
    int64_t pairs;
    bool trust, again;
} options;

static bool whole(const char *text, int64_t least, int64_t most, int64_t *ret)
{
    char *end;
    errno = 0;
    *ret = strtoll(text, &end, 10);
    return end != text && *end == '\0' && errno == 0 && *ret >= least && *ret <= most;
}

static int bad(const char *what)
{
    fprintf(stderr, "bench_versus: %s; see bench_versus --help\n", what);
    return 2;
}

/* "NAME=VALUE" in place: *ret_value is what follows the '='. */
static bool split(char *text, const char **ret_value)
{
    char *equals = strchr(text, '=');
    if (!equals || equals == text || !equals[1])
        return false;
    *equals = '\0';
    *ret_value = equals + 1;
    return true;
}

/* KERNEL [NAME=VALUE]... [LIBRARY.so] */
static bool parse_problem(int argc, char **argv, problem *p, options *o)
{
    if (argc < 1)
        return false;
    o->argument = argv[0];
    for (int k = 1; k < argc; k++) {
        const char *text;
        int64_t v;
        if (k == argc - 1 && !strchr(argv[k], '=')) {
            o->library = argv[k];
        } else if (p->n_sizes == VERSUS_MAX_SIZES || !split(argv[k], &text) ||
                   !whole(text, 0, INT32_MAX, &v)) {
            return false;
        } else {
            p->sizes[p->n_sizes++] = (hone_size){argv[k], v};
        }
    }
    return true;
}

static bool parse_option(int c, problem *p, options *o)
{
    const char *file;
    int64_t v;
    switch (c) {
    case 'T':
        if (!whole(optarg, 1, 1024, &v))
            return false;
        p->threads = (int32_t)v;
        return true;
    case 'p':
        return whole(optarg, LEAST_PAIRS, 100000, &o->pairs);
    case 'O':
        if (o->n_others == MAX_OTHERS || !split(optarg, &file))
            return false;
        o->others[o->n_others].name = optarg;
        o->others[o->n_others++].file = file;
        return true;
    case 'n':
        o->name = optarg;
        return true;
    case 'r':
        o->oracle = optarg;
        return true;
    case 'o':
        o->only = optarg;
        return true;
    case 't':
        return o->trust = true;
    case 'm':
        o->machine = optarg;
        return true;
    case 'M':
        o->machine_out = optarg;
        return true;
    case 'A':
        return o->again = true;
    case 'H':
        o->held = optarg;
        return true;
    case 'j':
        o->json = optarg;
        return true;
    case 'a':
        o->append = optarg;
        return true;
    default:
        return false;
    }
}

/* Returns -1 to go on, or the exit code. */
static int parse(int argc, char **argv, problem *p, options *o)
{
    static const struct option known[] = {{"threads", required_argument, NULL, 'T'},
                                          {"name", required_argument, NULL, 'n'},
                                          {"other", required_argument, NULL, 'O'},
                                          {"oracle", required_argument, NULL, 'r'},
                                          {"only", required_argument, NULL, 'o'},
                                          {"pairs", required_argument, NULL, 'p'},
                                          {"trust", no_argument, NULL, 't'},
                                          {"machine", required_argument, NULL, 'm'},
                                          {"again", no_argument, NULL, 'A'},
                                          {"hold", required_argument, NULL, 'H'},
                                          {"json", required_argument, NULL, 'j'},
                                          {"machine-out", required_argument, NULL, 'M'},
                                          {"append", required_argument, NULL, 'a'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    *o = (options){.name = "f", .pairs = PAIRS};
    p->threads = 1;
    for (int c; (c = getopt_long(argc, argv, "+", known, NULL)) != -1;) {
        if (c == 'h') {
            fputs(usage, stdout);
            return 0;
        }
        if (!parse_option(c, p, o))
            return c == '?' ? 2 : bad("an option has a value it cannot take");
    }
    if (!o->machine && (o->again || o->held))
        return bad("--again and --hold need --machine FILE");
    if (!o->machine_out && !parse_problem(argc - optind, argv + optind, p, o))
        return bad("which problem? KERNEL, its sizes as NAME=VALUE, LIBRARY.so");
    return -1;
}

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

static void title(const problem *p, char *ret, size_t n)
{
    size_t used = (size_t)snprintf(ret, n, "%s", p->kernel);
    for (uint32_t k = 0; k < p->n_sizes && used < n; k++)
        used += (size_t)snprintf(ret + used, n - used, " %s=%" PRId64, p->sizes[k].name,
                                 p->sizes[k].value);
    if (used < n)
        snprintf(ret + used, n - used, ", %d thread%s", p->threads, p->threads == 1 ? "" : "s");
}

/* ---- the comparison ----------------------------------------------------------------------------
 */

/* The results that all are compared with: the oracle's if there is one, else the first
 * contestant's. */
typedef struct truth {
    void *data;
    const char *whose;
} truth;

/* One call, and every element of its result against the truth. A difference ends the comparison for
 * hone's kernel; another contestant is left out and named. */
static hone_status check(const problem *p, contestant *c, truth *t, report *r, bool *ret_agrees,
                         hone_error *err)
{
    *ret_agrees = true;
    memset(p->out->data, 0xFF, (size_t)p->out->bytes); /* no number: nothing of who was before */
    if (c->run(c, 1) < 0)
        return versus_broken(c, err);
    if (!t->data) {
        t->data = versus_buffer(p->out->bytes);
        memcpy(t->data, p->out->data, (size_t)p->out->bytes);
        t->whose = c->name;
        return HONE_OK;
    }
    double off = versus_difference(p, p->out->data, t->data);
    *ret_agrees = off <= versus_tolerance(p);
    if (*ret_agrees)
        r->max_difference = fmax(r->max_difference, off);
    else if (strcmp(c->name, "hone") == 0)
        return hone_fail(err, HONE_E_CORRUPT, "hone's kernel and %s differ by %.3g", t->whose, off);
    else
        hone_vec_push(&r->wrong, hone_xasprintf("%s (%s) computes something else than %s: off by "
                                                "%.3g",
                                                c->name, c->detail, t->whose, off));
    return HONE_OK;
}

static hone_status ask_oracle(problem *p, const options *o, truth *t, report *r, hone_error *err)
{
    static contestant oracle;
    bool agrees;
    if (!o->oracle)
        return HONE_OK;
    hone_status st = versus_kernel(o->oracle, "f", "the plain loops", p, &oracle, err);
    return st == HONE_OK ? check(p, &oracle, t, r, &agrees, err) : st;
}

/* hone's kernel, the others by file, the fastest of each library; each is checked and warm before
 * the next one comes: the threads a contestant starts are told from those before. */
static hone_status assemble(problem *p, const options *o, report *r, contestant *all,
                            candidate_list *candidates, uint32_t *ret_n, hone_error *err)
{
    truth t = {0};
    uint32_t n = 0;
    hone_status st = ask_oracle(p, o, &t, r, err);
    int kernels = (o->library ? 1 : 0) + o->n_others;
    for (int k = 0; st == HONE_OK; k++) {
        if (k == kernels) {
            fprintf(stderr, "calibrating the libraries ...\n");
            versus_calibrate(p, o->only, o->trust, candidates);
        }
        if (k >= kernels + (int)candidates->n && k >= kernels)
            break;
        versus_move(0, 0, p->threads); /* libraries count the processors they may use */
        int other = k - (o->library ? 1 : 0);
        if (k < kernels)
            st = other < 0 ? versus_kernel(o->library, o->name, "hone", p, &all[n], err)
                           : versus_kernel(o->others[other].file, "f", o->others[other].name, p,
                                           &all[n], err);
        else if (candidates->v[k - kernels].chosen && n <= MAX_DUELS)
            st = versus_library(&candidates->v[k - kernels], p, &all[n], err);
        else
            continue;
        bool agrees = false;
        if (st == HONE_OK)
            st = check(p, &all[n], &t, r, &agrees, err);
        if (st == HONE_OK && agrees)
            st = versus_warm(&all[n++], LONG_WARM_NS, err);
    }
    *ret_n = n;
    if (st == HONE_OK && n == 0)
        return hone_fail(err, HONE_E_TOOL,
                         "nothing to time: no kernel given and no library that has it; is `sh "
                         "cmake/install-deps.sh bench` done?");
    return st;
}

static hone_status compare(problem *p, const options *o, report *r, hone_error *err)
{
    static contestant all[MAX_DUELS + 1];
    static duel duels[MAX_DUELS];
    static candidate_list candidates;
    double load = 0;
    r->load = getloadavg(&load, 1) == 1 ? load : 0;
    versus_memory(p);
    machine_name(r->cpu, sizeof r->cpu);
    uint32_t n = 0;
    hone_status st = assemble(p, o, r, all, &candidates, &n, err);
    if (st != HONE_OK)
        return st;
    for (uint32_t k = 1; k < n; k++)
        duels[r->n_duels++].other = &all[k];
    if (n == 1) /* nobody to race with: itself */
        duels[r->n_duels++].other = &all[0];
    r->p = p;
    r->candidates = &candidates;
    r->base = &all[0];
    r->duels = duels;
    st = race(&all[0], duels, r->n_duels, o->pairs, err);
    if (n == 1)
        r->n_duels = 0;
    return st;
}

static hone_status write_machine(const machine *m, const char *path, hone_error *err)
{
    json_t *j = versus_machine_json(m);
    char *text = hone_json_text(j);
    hone_status st = hone_file_write(path, text, strlen(text), err);
    free(text);
    json_decref(j);
    return st;
}

static hone_status write_json(const report *r, const char *path, hone_error *err)
{
    FILE *f = fopen(path, "w");
    if (!f)
        return hone_fail_errno(err, HONE_E_IO, "cannot write %s", path);
    versus_print_json(r, f);
    return fclose(f) == 0 ? HONE_OK : hone_fail_errno(err, HONE_E_IO, "cannot write %s", path);
}

/* The machine once more, near the race in time, and what a call can take at least. */
static hone_status hold(const problem *p, const options *o, machine *m, report *r, hone_error *err)
{
    if (o->again || !o->machine)
        versus_machine_again(m);
    hone_status st = o->again ? write_machine(m, o->machine, err) : HONE_OK;
    r->machine = m;
    versus_roofline(m, p, &r->roofline);
    return st;
}

static hone_status tell(const report *r, const options *o, hone_error *err)
{
    versus_print(r);
    hone_status st = o->json ? write_json(r, o->json, err) : HONE_OK;
    return st == HONE_OK && o->append ? versus_append(r, o->append, err) : st;
}

/* All but the machine: what was asked for. */
static hone_status answer(problem *p, const options *o, machine *m, hone_error *err)
{
    static report r;
    if (o->machine_out) {
        versus_machine_print(m, stdout);
        return write_machine(m, o->machine_out, err);
    }
    hone_status st = versus_problem(o->argument, p, err);
    if (st != HONE_OK)
        return st;
    title(p, r.title, sizeof r.title);
    if (o->held)
        return versus_hold(o->held, r.title, p, m, stdout, err);
    st = compare(p, o, &r, err);
    if (st == HONE_OK)
        st = hold(p, o, m, &r, err);
    return st == HONE_OK ? tell(&r, o, err) : st;
}

int main(int argc, char **argv)
{
    static problem p;
    static machine m;
    options o;
    int code = parse(argc, argv, &p, &o);
    if (code >= 0)
        return code;
    hone_error err = {0};
    hone_status st = versus_pin(p.threads, &err);
    if (st == HONE_OK)
        st = o.machine ? versus_machine_read(o.machine, &m, &err)
                       : versus_machine(p.threads, &m, &err);
    if (st == HONE_OK)
        st = answer(&p, &o, &m, &err);
    if (st != HONE_OK)
        fprintf(stderr, "bench_versus: %s\n", err.message);
    return hone_status_exit_code(st);
}
