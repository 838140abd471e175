/* bench_functions: the elementary functions of compiled kernels. How far each is off over all
 * floats, in units of the last place, as vectors for this processor and for lesser ones; and what
 * an element takes, in turns with glibc's vector functions (libmvec) and with a loop of nothing but
 * the instructions that the function needs (versus_rates.c).
 *
 * Reader's map: kernels; libmvec; errors; time; the table. */
#include "bench/function_error.h"
#include "bench/versus.h"
#include "codegen/codegen.h"
#include "runtime/hone_rt.h"

#include <dlfcn.h>
#include <getopt.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    CHUNK = 4096, /* floats of a call: in and out they stay in any L1 */
    MAX_FORMS = 16,
    MAX_WORKERS = 64,
    ROUNDS = 41,
    LOOP_TRIES = 5,      /* of each of the loops of which the fastest is to be found */
    LIBRARY_CHUNKS = 61, /* of so many one is tried with the library, which takes longer */
};
#define SAMPLE_ENOUGH_NS 200000

/* Computes CHUNK results; ctx is its form. */
typedef struct form form;
typedef void compute(const form *f, const float *x, float *y);
struct form {
    compute *run;
    hone_rt_kernel kernel;
    void *library_function;
    bool is_sigmoid;
    const char *where; /* "here", "haswell", "x86-64-v2", "libmvec" */
    bool fast;
    double least; /* results below may be 0 */
    double worst; /* error so far, of all threads */
    double ns;    /* median time of an element */
    double samples[ROUNDS];
};

/* ---- kernels ----------------------------------------------------------------------------------
 */

static void by_kernel(const form *f, const float *x, float *y)
{
    void *args[] = {(void *)(uintptr_t)x, y};
    f->kernel(args, hone_rt_default(1));
}

/* Stays loaded until the program ends. */
static hone_status load(const hone_code *code, hone_rt_kernel *ret, hone_error *err)
{
    uint8_t *so;
    size_t n;
    hone_status st = hone_codegen_link(code->bytes, code->n, &so, &n, err);
    if (st != HONE_OK)
        return st;
    int fd = memfd_create("kernel", MFD_CLOEXEC);
    bool written = fd >= 0 && write(fd, so, n) == (ssize_t)n;
    free(so);
    if (!written)
        return hone_fail_errno(err, HONE_E_IO, "cannot make a file in memory");
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (handle)
        *(void **)ret = dlsym(handle, "hone_kernel");
    return handle && *ret ? HONE_OK : hone_fail(err, HONE_E_TOOL, "%s", dlerror());
}

static hone_status compile(const hone_target *t, hone_op op, bool fast, hone_rt_kernel *ret,
                           hone_error *err)
{
    char value[64];
    hone_codegen *g = NULL;
    hone_program p = {0};
    hone_code code = {0};
    hone_codegen_options o = {.emit = HONE_EMIT_OBJECT};
    snprintf(value, sizeof value, "%s%s(A[vi])", fast ? "fast " : "", hone_op_text(op));
    hone_status st = function_program(value, CHUNK, 16, &p, err);
    if (st == HONE_OK)
        st = hone_codegen_new(t, &g, err);
    if (st == HONE_OK)
        st = hone_codegen_emit(g, &p, &o, &code, err);
    if (st == HONE_OK)
        st = load(&code, ret, err);
    hone_code_free(&code);
    hone_codegen_free(g);
    hone_program_fini(&p);
    return st;
}

/* ---- libmvec ----------------------------------------------------------------------------------
 */

#if defined(__x86_64__)
typedef float v16 __attribute__((vector_size(64)));
typedef float v8 __attribute__((vector_size(32)));

/* f by the vectors of one width; a sigmoid by exp, as a compiler would. */
/* The exact results, by glibc's vectors of double, which are off by 4 of their last places: a
 * 10^8th of one of float. */
typedef double d8 __attribute__((vector_size(64)));
__attribute__((target("avx512f"))) static void exact_512(const void *function, bool is_sigmoid,
                                                         double *x)
{
    d8 (*call)(d8);
    *(const void **)&call = function;
    for (int k = 0; k < CHUNK; k += 8) {
        d8 v;
        memcpy(&v, x + k, sizeof v);
        v = is_sigmoid ? 1 / (1 + call(-v)) : call(v);
        memcpy(x + k, &v, sizeof v);
    }
}

/* NULL: there are none. */
static const void *exact_function(hone_op op)
{
    void *library = dlopen("libmvec.so.1", RTLD_NOW);
    char name[64];
    snprintf(name, sizeof name, "_ZGVeN8v_%s", op == HONE_OP_SIGMOID ? "exp" : hone_op_text(op));
    return library && __builtin_cpu_supports("avx512f") ? dlsym(library, name) : NULL;
}

#define BY_LIBRARY(name, vector, feature)                                                      \
    __attribute__((target(feature))) static void name(const form *f, const float *x, float *y) \
    {                                                                                          \
        vector (*call)(vector);                                                                \
        *(void **)&call = f->library_function;                                                 \
        for (int k = 0; k < CHUNK; k += (int)(sizeof(vector) / sizeof(float))) {               \
            vector v;                                                                          \
            memcpy(&v, x + k, sizeof v);                                                       \
            v = f->is_sigmoid ? 1 / (1 + call(-v)) : call(v);                                  \
            memcpy(y + k, &v, sizeof v);                                                       \
        }                                                                                      \
    }
BY_LIBRARY(by_library_512, v16, "avx512f")
BY_LIBRARY(by_library_256, v8, "avx2")

/* False: it has no such function, or there is no libmvec. */
static bool from_library(hone_op op, form *ret)
{
    bool wide = __builtin_cpu_supports("avx512f");
    void *library = dlopen("libmvec.so.1", RTLD_NOW);
    char name[64];
    snprintf(name, sizeof name, "_ZGV%s_%sf", wide ? "eN16v" : "dN8v",
             op == HONE_OP_SIGMOID ? "exp" : hone_op_text(op));
    if (!library || !__builtin_cpu_supports("avx2"))
        return false;
    *ret = (form){.run = wide ? by_library_512 : by_library_256,
                  .library_function = dlsym(library, name),
                  .is_sigmoid = op == HONE_OP_SIGMOID,
                  .where = "libmvec",
                  .least = 0x1p-126};
    return ret->library_function != NULL;
}
#else
static bool from_library(hone_op op, form *ret)
{
    (void)op;
    (void)ret;
    return false;
}

static void exact_512(const void *function, bool is_sigmoid, double *x)
{
    (void)function;
    (void)is_sigmoid;
    (void)x;
}

static const void *exact_function(hone_op op)
{
    (void)op;
    return NULL;
}
#endif

/* ---- errors -----------------------------------------------------------------------------------
 */

typedef struct sweep {
    hone_op op;
    form *forms;
    unsigned n;
    uint64_t stride;
    const void *exact;     /* by vectors of double; NULL: one by one */
    _Atomic uint64_t next; /* chunk */
    pthread_mutex_t lock;  /* of what was found */
} sweep;

/* What glibc's vectors would leave to its scalar code is kept from them, unless it is rare. */
static double usual(hone_op op, float x)
{
    if (op == HONE_OP_LOG)
        return x > 0 ? (double)x : 1;
    if (op == HONE_OP_EXP || op == HONE_OP_SIGMOID) /* beyond all floats on either side */
        return x > 200 ? 200 : x < -200 ? -200 : (double)x;
    return (double)x;
}

static void fill_chunk(const sweep *s, uint64_t chunk, float *x, double *exact)
{
    bool turns = s->op == HONE_OP_SIN || s->op == HONE_OP_COS;
    for (uint64_t k = 0; k < CHUNK; k++) {
        uint32_t bits = (uint32_t)((chunk * CHUNK + k) * s->stride);
        memcpy(&x[k], &bits, sizeof bits);
        if (turns && fabs((double)x[k]) > HONE_MOST_ANGLE)
            x[k] = 0; /* NaN there, which libraries do not say */
        exact[k] = usual(s->op, x[k]);
    }
    if (s->exact)
        exact_512(s->exact, s->op == HONE_OP_SIGMOID, exact);
    for (int k = 0; k < CHUNK; k++)
        if (!s->exact || (s->op == HONE_OP_LOG && !(x[k] > 0)))
            exact[k] = function_exact(s->op, (double)x[k]);
}

/* What is the nearest float is off by half a unit at most, and not looked at further. */
static double worst_of(const double *exact, const float *y, double least, double worst)
{
    for (int k = 0; k < CHUNK; k++) {
        float nearest = (float)exact[k];
        if (memcmp(&nearest, &y[k], sizeof nearest) == 0)
            continue;
        double off = function_error(exact[k], y[k], least);
        worst = off > worst ? off : worst;
    }
    return worst;
}

static void *search(void *arg)
{
    sweep *s = arg;
    float *x = versus_buffer(CHUNK * sizeof *x), *y = versus_buffer(CHUNK * sizeof *y);
    double *exact = versus_buffer(CHUNK * sizeof *exact), worst[MAX_FORMS];
    uint64_t all = ((uint64_t)1 << 32) / s->stride, chunks = (all + CHUNK - 1) / CHUNK;
    for (int q = 0; q < MAX_FORMS; q++)
        worst[q] = 0.5;
    for (uint64_t c; (c = atomic_fetch_add(&s->next, 1)) < chunks;) {
        fill_chunk(s, c, x, exact);
        for (unsigned q = 0; q < s->n; q++) {
            if (s->forms[q].run != by_kernel && c % LIBRARY_CHUNKS != 0)
                continue;
            s->forms[q].run(&s->forms[q], x, y);
            worst[q] = worst_of(exact, y, s->forms[q].least, worst[q]);
        }
    }
    pthread_mutex_lock(&s->lock);
    for (unsigned q = 0; q < s->n; q++)
        s->forms[q].worst = fmax(s->forms[q].worst, worst[q]);
    pthread_mutex_unlock(&s->lock);
    free(x);
    free(y);
    free(exact);
    return NULL;
}

static void find_errors(hone_op op, form *forms, unsigned n, uint64_t stride, int workers)
{
    sweep s = {.op = op, .forms = forms, .n = n, .stride = stride, .exact = exact_function(op)};
    pthread_t threads[MAX_WORKERS];
    int started = 0;
    pthread_mutex_init(&s.lock, NULL);
    while (started < workers - 1 && pthread_create(&threads[started], NULL, search, &s) == 0)
        started++;
    search(&s);
    for (int k = 0; k < started; k++)
        pthread_join(threads[k], NULL);
    pthread_mutex_destroy(&s.lock);
}

/* ---- time -------------------------------------------------------------------------------------
 */

static void fill(hone_op op, float *x)
{
    hone_rng g;
    hone_rng_seed(&g, 1);
    for (int k = 0; k < CHUNK; k++) {
        double u = hone_rng_double(&g);
        x[k] = (float)(op == HONE_OP_LOG || op == HONE_OP_SQRT ? 100 * u + 0.01
                       : op == HONE_OP_EXP                     ? 25 * u - 20
                                                               : 10 * u - 5);
    }
}

/* ns of an element, by enough calls. */
static double time_form(const form *f, const float *x, float *y)
{
    int64_t calls = 0, start = hone_clock_ns(), now = start;
    for (; now - start < SAMPLE_ENOUGH_NS; now = hone_clock_ns(), calls += 8)
        for (int k = 0; k < 8; k++)
            f->run(f, x, y);
    return (double)(now - start) / (double)(calls * CHUNK);
}

static double time_loop(const peak_loop *l)
{
    int64_t calls = 0, start = hone_clock_ns(), now = start;
    for (; now - start < SAMPLE_ENOUGH_NS; now = hone_clock_ns(), calls++)
        l->run(1);
    return (double)(now - start) / ((double)calls * l->ops);
}

/* The fastest loop that does what the form does; NULL: this processor has none. */
static const peak_loop *loop_of(const form *f, hone_op op)
{
    static const struct {
        hone_op op;
        rate precise, fast;
    } all[] = {
        {HONE_OP_EXP, RATE_EXP, RATE_FAST_EXP},
        {HONE_OP_LOG, RATE_LOG, RATE_COUNT},
        {HONE_OP_SQRT, RATE_SQRT, RATE_COUNT},
        {HONE_OP_TANH, RATE_TANH, RATE_FAST_TANH},
        {HONE_OP_SIGMOID, RATE_SIGMOID, RATE_FAST_SIGMOID},
        {HONE_OP_ERF, RATE_ERF, RATE_FAST_ERF},
        {HONE_OP_SIN, RATE_SIN, RATE_COUNT},
        {HONE_OP_COS, RATE_COS, RATE_COUNT},
        {HONE_OP_ATAN, RATE_ATAN, RATE_COUNT},
    };
    const rate_loop *l;
    const peak_loop *best = NULL;
    double least = 0;
    for (unsigned k = 0; (l = versus_rate_loop(k)); k++)
        for (size_t q = 0; q < HONE_LEN(all); q++) {
            if (all[q].op != op || l->which != (f->fast ? all[q].fast : all[q].precise))
                continue;
            double ns = time_loop(&l->loop);
            for (int tries = 1; tries < LOOP_TRIES; tries++)
                ns = fmin(ns, time_loop(&l->loop));
            if (!best || ns < least) {
                least = ns;
                best = &l->loop;
            }
        }
    return best;
}

/* All in turns; *ret_loop: of each form, what its loop takes, 0: there is none. */
static void measure(hone_op op, form *forms, unsigned n, double *ret_loop)
{
    float *x = versus_buffer(CHUNK * sizeof *x), *y = versus_buffer(CHUNK * sizeof *y);
    const peak_loop *loop[MAX_FORMS];
    static double samples[MAX_FORMS][ROUNDS];
    fill(op, x);
    for (unsigned q = 0; q < n; q++)
        loop[q] = loop_of(&forms[q], op);
    for (int k = 0; k < ROUNDS; k++)
        for (unsigned q = 0; q < n; q++) {
            forms[q].samples[k] = time_form(&forms[q], x, y);
            samples[q][k] = loop[q] ? time_loop(loop[q]) : 0;
        }
    for (unsigned q = 0; q < n; q++) {
        forms[q].ns = versus_median(forms[q].samples, ROUNDS);
        ret_loop[q] = versus_median(samples[q], ROUNDS);
    }
    free(x);
    free(y);
}

/* Median of the rounds' ratios, above 1: the first is faster. */
static double ratio(const form *a, const form *b)
{
    double r[ROUNDS];
    for (int k = 0; k < ROUNDS; k++)
        r[k] = b->samples[k] / a->samples[k];
    return versus_median(r, ROUNDS);
}

/* ---- the table --------------------------------------------------------------------------------
 */

/* The forms of one function, as vectors: for this host, and for lesser ones that it can stand in
 * for; last, of the precise form only, the library's. */
static hone_status make_forms(const hone_function *f, bool fast, form *ret, unsigned *ret_n,
                              hone_error *err)
{
    static const char *const lesser[] = {"haswell", "x86-64-v2"};
    double least = fast ? 0x1p-125 : 0x1p-126;
    hone_target host, t;
    hone_status st = hone_target_native(&host, err);
    *ret_n = 0;
    for (size_t k = 0; k <= HONE_LEN(lesser) && st == HONE_OK; k++) {
        if (k > 0 && (hone_target_named(lesser[k - 1], &t, err) != HONE_OK ||
                      !hone_target_can_run(&host, &t)))
            continue;
        form *x = &ret[(*ret_n)++];
        *x = (form){
            .run = by_kernel, .where = k ? lesser[k - 1] : "here", .fast = fast, .least = least};
        st = compile(k ? &t : &host, f->op, fast, &x->kernel, err);
    }
    if (st == HONE_OK && !fast && from_library(f->op, &ret[*ret_n]))
        ++*ret_n;
    return st;
}

/* A line for the form on this host; further errors beside it. `library`: NULL or libmvec's form. */
static void print_row(const hone_function *f, form *all, unsigned n, const double *loop,
                      const form *library)
{
    bool fast = all[0].fast;
    printf("%-5s%-8s %6g  ", fast ? "fast" : "", hone_op_text(f->op), fast ? f->fast : f->precise);
    for (unsigned q = 0; q < 3; q++)
        if (q < n && all[q].run == by_kernel)
            printf(" %9.3f", all[q].worst);
        else
            printf(" %9s", "");
    printf("  %8.4f", all[0].ns);
    if (loop[0] > 0)
        printf(" %8.4f %4.0f %%", loop[0], 100 * loop[0] / all[0].ns);
    else
        printf(" %15s", "");
    if (library)
        printf("  %8.4f %6.2fx %9.3f", library->ns, ratio(&all[0], library), library->worst);
    puts("");
    fflush(stdout);
}

static hone_status one_function(const hone_function *f, uint64_t stride, int workers,
                                hone_error *err)
{
    static form all[MAX_FORMS];
    unsigned n[2] = {0, 0};
    double loop[MAX_FORMS];
    memset(all, 0, sizeof all);
    hone_status st = make_forms(f, false, all, &n[0], err);
    if (st == HONE_OK && f->fast > 0)
        st = make_forms(f, true, all + n[0], &n[1], err);
    if (st != HONE_OK)
        return st;
    const form *library = strcmp(all[n[0] - 1].where, "libmvec") == 0 ? &all[n[0] - 1] : NULL;
    find_errors(f->op, all, n[0] + n[1], stride, workers);
    measure(f->op, all, n[0] + n[1], loop);
    print_row(f, all, n[0], loop, library);
    if (n[1])
        print_row(f, all + n[0], n[1], loop + n[0], library);
    return HONE_OK;
}

static const char usage[] =
    "usage: bench_functions [--only NAME] [--stride N] [--workers N]\n"
    "\n"
    "Prints, for each elementary function of compiled kernels, how far it is off at most over all\n"
    "2^32 floats and what it takes on one thread, against libmvec and a loop of nothing but its\n"
    "instructions.\n"
    "\n"
    "  --only NAME  this function only, as the language calls it: exp, log, ..\n"
    "  --stride N   try one float in N for the errors (default 1: all, which takes some minutes)\n"
    "  --workers N  threads that look for errors (default: as many as there are processors)\n"
    "  --help\n";

/* All functions, or the one of that name. */
static hone_status run(const char *only, uint64_t stride, int workers, hone_error *err)
{
    bool any = false;
    hone_status st = HONE_OK;
    for (int op = 1; op < HONE_OP_COUNT && st == HONE_OK; op++) {
        const hone_function *f = hone_function_of((hone_op)op);
        if (!f || op == HONE_OP_POW || (only && strcmp(only, hone_op_text(f->op)) != 0))
            continue;
        any = true;
        st = one_function(f, stride, workers, err);
    }
    return any ? st : hone_fail(err, HONE_E_INPUT, "there is no function '%s'; see --help", only);
}

int main(int argc, char **argv)
{
    static const struct option known[] = {{"only", required_argument, NULL, 'o'},
                                          {"stride", required_argument, NULL, 's'},
                                          {"workers", required_argument, NULL, 'w'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    int64_t stride = 1, workers = sysconf(_SC_NPROCESSORS_ONLN);
    const char *only = NULL;
    for (int c; (c = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        int64_t v = optarg ? strtoll(optarg, NULL, 10) : 0;
        if (c == 'h') {
            fputs(usage, stdout);
            return 0;
        }
        if (c == 'o') {
            only = optarg;
            continue;
        }
        if ((c != 's' && c != 'w') || v < 1 || v > 1 << 24) {
            fputs("bench_functions: a whole number above 0 is wanted; see --help\n", stderr);
            return 2;
        }
        *(c == 's' ? &stride : &workers) = v;
    }
    workers = workers < 1 ? 1 : workers > MAX_WORKERS ? MAX_WORKERS : workers;
    printf("one float in %" PRId64
           "; errors in units of the last place; ns of an element, the loop of "
           "its instructions, its share\n",
           stride);
    printf("%-13s %6s   %9s %9s %9s  %8s %8s %6s  %8s %7s %9s\n", "", "stated", "here", "haswell",
           "x86-64-v2", "ns", "loop", "", "libmvec", "ratio", "its error");
    fflush(stdout);
    hone_error err = {0};
    hone_status st = run(only, (uint64_t)stride, (int)workers, &err);
    if (st != HONE_OK)
        fprintf(stderr, "bench_functions: %s\n", err.message);
    return hone_status_exit_code(st);
}
