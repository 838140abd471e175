/* Libraries choose their kernels by the processor they believe to be on, and are often wrong about
 * one that is newer than they are. So each way is tried, each in a child of its own because the
 * choice is made when the library is loaded, and the fastest takes part in the comparison. */
#include "bench/versus.h"

#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <strings.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROUNDS = 3, LEAST_SAMPLES = 3, SAMPLES = 25, CHILD_SECONDS = 120 };
#define ENOUGH_NS 200000000 /* long calls: no more samples after this */

typedef struct setting {
    const char *variable;
    const char *values[20]; /* besides the library's own choice */
} setting;

/* Every core type of x86 that either library has, in the order of their age. One that a build was
 * made without falls back to another or makes the child fail, which is fine. BLIS takes numbers
 * (0.9: 0 skx, 1 knl, 3 haswell, 4 sandybridge, 5 penryn, 6 zen3, 7 zen2, 8 zen, then older AMD
 * ones and generic at the end); what a number means it says itself (bli_arch_string). */
static const setting openblas = {
    "OPENBLAS_CORETYPE", {"Sapphirerapids", "Cooperlake", "SkylakeX",    "Haswell",    "Zen",
                          "Sandybridge",    "Excavator",  "Steamroller", "Piledriver", "Bulldozer",
                          "Nehalem",        "Barcelona",  "Bobcat",      "Dunnington", "Penryn",
                          "Core2",          "Atom",       "Nano",        "Opteron",    "Prescott"}};
static const setting blis = {"BLIS_ARCH_TYPE",
                             {"0", "1", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12"}};
static const setting dnnl = {"ONEDNN_MAX_CPU_ISA", {"AVX2", "AVX512_CORE"}};

static void add(candidate_list *l, const char *library, const char *file, const setting *s,
                bool defaults_only, const char *form)
{
    candidate c = {.library = library, .form = form};
    snprintf(c.file, sizeof c.file, "%s", file);
    hone_vec_push(l, c);
    for (size_t k = 0; !defaults_only && k < HONE_LEN(s->values) && s->values[k]; k++) {
        c.variable = s->variable;
        c.value = s->values[k];
        hone_vec_push(l, c);
    }
}

/* Debian installs builds with different threading beside each other; all that are there are tried.
 * Elsewhere the loader finds the library by its name. */
static void add_variants(candidate_list *l, const char *library, const char *folder,
                         const char *file, const setting *s, bool defaults_only, const char *form)
{
    static const char *const variants[] = {"pthread", "openmp"};
    bool any = false;
    for (size_t k = 0; k < HONE_LEN(variants); k++) {
        char path[160];
        snprintf(path, sizeof path, "%s/%s-%s/%s", HONE_BENCH_LIBRARIES, folder, variants[k], file);
        if (access(path, R_OK) == 0) {
            add(l, library, path, s, defaults_only, form);
            any = true;
        }
    }
    if (!any)
        add(l, library, file, s, defaults_only, form);
}

/* Is a name in the comma-separated list, in any case of letters? */
static bool listed(const char *list, const char *name)
{
    size_t n = strlen(name);
    for (const char *at = list; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
        if (strncasecmp(at, name, n) == 0 && (at[n] == ',' || at[n] == '\0'))
            return true;
    return !list;
}

static void collect(candidate_list *l, const problem *p, const char *only, bool defaults_only)
{
    const char *forms[VERSUS_MAX_FORMS + 1];
    versus_blas_forms(p, forms);
    for (int k = 0; forms[k] && listed(only, "OpenBLAS"); k++)
        add_variants(l, "OpenBLAS", "openblas", "libopenblas.so.0", &openblas, defaults_only,
                     forms[k]);
    for (int k = 0; forms[k] && listed(only, "BLIS"); k++)
        add_variants(l, "BLIS", "blis", "libblis.so.4", &blis, defaults_only, forms[k]);
    versus_dnnl_forms(p, forms);
    for (int k = 0; forms[k] && listed(only, "oneDNN"); k++)
        add(l, "oneDNN", "libdnnl.so.2", &dnnl, defaults_only, forms[k]);
}

/* ---- one child ---------------------------------------------------------------------------------
 */

typedef struct message {
    double gflops; /* 0: failed, and detail says why */
    char detail[200];
} message;

/* The child ends by SIGALRM after so long. */
static void limit(double seconds)
{
    struct itimerval t = {
        .it_value = {.tv_sec = (time_t)seconds, .tv_usec = (suseconds_t)(fmod(seconds, 1) * 1e6)}};
    setitimer(ITIMER_REAL, &t, NULL);
}

/* `best`: the fastest so far of the same library; a way that is not half as fast is told from it
 * by its warm-up. */
static void child(const candidate *c, const problem *p, double best, message *ret)
{
    hone_error err = {0};
    contestant t = {.calls = 1};
    hone_status st = versus_library(c, p, &t, &err);
    if (st == HONE_OK) {
        /* its two calls and more; of long calls, a hopeless way need not see the end */
        if (best > 0)
            limit(0.5 + 8 * t.flops / best * 1e-9);
        st = versus_warm(&t, 20000000, &err);
        limit(CHILD_SECONDS);
    }
    bool hopeless = false;
    if (st == HONE_OK) {
        ret->gflops = t.flops / (double)t.warm_ns;
        hopeless = ret->gflops < best / 2;
    }
    t.calls = t.calls > 5 ? t.calls / 5 : 1; /* many short ones: more find the machine quiet */
    int64_t start = hone_clock_ns();
    for (int k = 0; k < SAMPLES && st == HONE_OK && !hopeless; k++) {
        if (k >= LEAST_SAMPLES && hone_clock_ns() - start > ENOUGH_NS)
            break;
        double ns;
        st = versus_sample(&t, &ns, &err);
        if (st == HONE_OK && t.flops / ns > ret->gflops)
            ret->gflops = t.flops / ns;
    }
    if (st == HONE_OK) {
        memcpy(ret->detail, t.detail, sizeof ret->detail);
    } else {
        ret->gflops = 0;
        snprintf(ret->detail, sizeof ret->detail, "%.190s", err.message);
    }
}

static void try_one(candidate *c, const problem *p, double best)
{
    int fd[2];
    if (pipe(fd) != 0)
        return;
    pid_t pid = fork();
    if (pid == 0) {
        /* Libraries print to stderr and abort on a core type they do not have. */
        int null = open("/dev/null", O_WRONLY);
        if (null >= 0) {
            dup2(null, STDERR_FILENO);
            dup2(null, STDOUT_FILENO);
        }
        limit(CHILD_SECONDS);
        message m = {0};
        child(c, p, best, &m);
        _exit(write(fd[1], &m, sizeof m) == (ssize_t)sizeof m ? 0 : 1);
    }
    close(fd[1]);
    message m = {0};
    bool whole = pid > 0 && read(fd[0], &m, sizeof m) == (ssize_t)sizeof m;
    close(fd[0]);
    int status = 0;
    if (pid > 0)
        waitpid(pid, &status, 0);
    if (!whole)
        snprintf(m.detail, sizeof m.detail, "%s",
                 !WIFSIGNALED(status)          ? "did not start"
                 : WTERMSIG(status) == SIGALRM ? "given up: not half as fast, or stuck"
                                               : strsignal(WTERMSIG(status)));
    if (m.gflops >= c->gflops) {
        c->gflops = m.gflops;
        memcpy(c->detail, m.detail, sizeof c->detail);
    }
}

static double fastest(const candidate_list *l, const char *library)
{
    double best = 0;
    for (uint32_t k = 0; k < l->n; k++)
        if (strcmp(l->v[k].library, library) == 0 && l->v[k].gflops > best)
            best = l->v[k].gflops;
    return best;
}

void versus_calibrate(const problem *p, const char *only, bool defaults_only, candidate_list *ret)
{
    collect(ret, p, only, defaults_only);
    fflush(stdout);
    /* Whoever came near its library's best has a second chance, and the nearest a third. */
    static const double near[ROUNDS] = {0, 0.7, 0.9};
    for (int round = 0; round < ROUNDS; round++)
        for (uint32_t k = 0; k < ret->n; k++)
            if (round == 0 || ret->v[k].gflops > near[round] * fastest(ret, ret->v[k].library))
                try_one(&ret->v[k], p, fastest(ret, ret->v[k].library));
    for (uint32_t k = 0; k < ret->n; k++) {
        bool taken = false;
        for (uint32_t j = 0; j < k; j++)
            taken |= ret->v[j].chosen && strcmp(ret->v[j].library, ret->v[k].library) == 0;
        ret->v[k].chosen =
            !taken && ret->v[k].gflops > 0 && ret->v[k].gflops >= fastest(ret, ret->v[k].library);
    }
}
