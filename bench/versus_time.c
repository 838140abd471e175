/* Taking turns on the same processors, and waiting for other threads to be quiet. */
#include "bench/versus.h"

#include <dirent.h>
#include <sched.h>
#include <time.h>
#include <unistd.h>

enum { MAX_CPUS = 1024, WARM_NS = 1000000 };

/* ---- processors --------------------------------------------------------------------------------
 */

/* One processor for each thread of a contestant. Left to itself the kernel at times keeps two
 * threads that spin and yield, like OpenBLAS's, on one processor for seconds. */
static int cpus[MAX_CPUS];
static int32_t n_cpus;
static HONE_VEC(pid_t) known; /* threads of contestants seen so far */

hone_status versus_pin(int32_t threads, hone_error *err)
{
    cpu_set_t allowed, mine;
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0)
        return hone_fail_errno(err, HONE_E_IO, "cannot ask which processors may be used");
    if (CPU_COUNT(&allowed) < threads || threads > MAX_CPUS)
        return hone_fail(err, HONE_E_INPUT, "%d threads asked for, %d processors allowed", threads,
                         CPU_COUNT(&allowed));
    CPU_ZERO(&mine);
    for (int c = CPU_SETSIZE - 1; c >= 0 && n_cpus < threads; c--)
        if (CPU_ISSET(c, &allowed)) {
            CPU_SET(c, &mine);
            cpus[n_cpus++] = c;
        }
    if (sched_setaffinity(0, sizeof mine, &mine) != 0)
        return hone_fail_errno(err, HONE_E_IO, "cannot pin the process");
    return HONE_OK;
}

void versus_move(pid_t thread, int32_t first, int32_t n)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    for (int32_t k = first; k < first + n; k++)
        CPU_SET(cpus[k % n_cpus], &set);
    sched_setaffinity(thread, sizeof set, &set);
}

static bool is_known(pid_t thread)
{
    for (uint32_t k = 0; k < known.n; k++)
        if (known.v[k] == thread)
            return true;
    return thread == getpid();
}

typedef struct thread_time {
    pid_t id;
    double ran_ns;
} thread_time;

/* What it has had of processors since it was made; 0: unknown. */
static double ran_ns(pid_t id)
{
    char path[64], text[64] = "";
    snprintf(path, sizeof path, "/proc/self/task/%d/schedstat", id);
    FILE *f = fopen(path, "r");
    if (f) {
        if (!fgets(text, sizeof text, f))
            text[0] = '\0';
        fclose(f);
    }
    return strtod(text, NULL);
}

static int busiest_first(const void *x, const void *y)
{
    const thread_time *a = x, *b = y;
    return a->ran_ns != b->ran_ns ? (a->ran_ns < b->ran_ns) - (a->ran_ns > b->ran_ns)
                                  : (a->id > b->id) - (a->id < b->id);
}

/* The busiest first: libraries have threads, too, that wait for something else, and who computes
 * must not share a processor because of them. */
static void pin_new_threads(void)
{
    DIR *d = opendir("/proc/self/task");
    if (!d)
        return;
    HONE_VEC(thread_time) new = {0};
    for (struct dirent *e; (e = readdir(d));) {
        pid_t id = (pid_t)strtol(e->d_name, NULL, 10);
        if (id > 0 && !is_known(id))
            hone_vec_push(&new, (thread_time){id, ran_ns(id)});
    }
    closedir(d);
    if (new.n > 0)
        qsort(new.v, new.n, sizeof *new.v, busiest_first);
    for (uint32_t k = 0; k < new.n; k++) {
        hone_vec_push(&known, new.v[k].id);
        versus_move(new.v[k].id, (int32_t)k + 1, 1);
    }
    hone_vec_free(&new);
}

/* The calling thread's processors while c runs: its own, or all of them if c makes its threads anew
 * in every call, since they inherit them. */
static void take_place(const contestant *c)
{
    if (n_cpus > 1)
        versus_move(0, 0, c->placed && !c->makes_threads ? 1 : n_cpus);
}

/* ---- time --------------------------------------------------------------------------------------
 */

/* The state of a thread of this process as /proc has it: 'R' when it runs or could. The processor
 * time of the process would not do: it lags by a tick. */
static char state_of(const char *thread)
{
    char path[64], text[128];
    snprintf(path, sizeof path, "/proc/self/task/%.20s/stat", thread);
    FILE *f = fopen(path, "r");
    if (!f)
        return 'X';
    size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[n] = '\0';
    const char *end = strrchr(text, ')'); /* of the thread's name */
    return end && end[1] == ' ' ? end[2] : 'X';
}

static bool others_run(void)
{
    DIR *d = opendir("/proc/self/task");
    bool run = false;
    for (struct dirent *e; d && !run && (e = readdir(d));)
        run = e->d_name[0] != '.' && strtol(e->d_name, NULL, 10) != gettid() &&
              state_of(e->d_name) == 'R';
    if (d)
        closedir(d);
    return run;
}

/* Threads of the library before spin for a while after their last call (OpenBLAS for tens of
 * milliseconds) and would take the processors from the next one. Waits until nothing here runs. */
static void settle(void)
{
    for (int k = 0; n_cpus > 1 && k < 500 && others_run(); k++)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

hone_status versus_broken(const contestant *c, hone_error *err)
{
    return hone_fail(err, HONE_E_TOOL, "%s (%s) failed while it was called", c->name, c->detail);
}

hone_status versus_warm(contestant *c, int64_t ns, hone_error *err)
{
    settle();
    take_place(c);
    if (!c->placed && c->run(c, 1) < 0)
        return versus_broken(c, err);
    if (!c->placed && !c->makes_threads && n_cpus > 1)
        pin_new_threads();
    c->placed = true;
    take_place(c);
    int64_t start = hone_clock_ns(), least = INT64_MAX;
    for (int k = 0; k < 2 || hone_clock_ns() - start < ns; k++) {
        int64_t t = c->run(c, 1);
        if (t < 0)
            return versus_broken(c, err);
        least = t < least ? t : least;
    }
    c->warm_ns = least > 0 ? least : 1;
    c->calls = least > 0 ? (SAMPLE_NS + least - 1) / least : SAMPLE_NS;
    return HONE_OK;
}

hone_status versus_sample(contestant *c, double *ret_ns, hone_error *err)
{
    settle();
    take_place(c);
    int64_t start = hone_clock_ns();
    do /* caches and threads are now this contestant's */
        if (c->run(c, 1) < 0)
            return versus_broken(c, err);
    while (hone_clock_ns() - start < WARM_NS);
    int64_t ns = c->run(c, c->calls);
    if (ns < 0)
        return versus_broken(c, err);
    *ret_ns = (double)ns / (double)c->calls;
    hone_vec_push(&c->ns, *ret_ns);
    return HONE_OK;
}
