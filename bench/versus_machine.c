/* What this machine can do with so many threads.
 *
 * Reader's map: a team of pinned threads; arithmetic; memory; as JSON and as text. */
#include "bench/versus.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

enum { PASSES = 3, TRIES = 7, TRIES_AGAIN = 2 }; /* passes: tries that are apart in time */
#define TRY_NS 1000000.0                         /* short and many: some find the machine quiet */
#define ENOUGH_NS 150000000                      /* of one kind: no more tries after this */
#define MOST_BYTES (128LL << 20)
#define WARM_BYTES (16LL << 20) /* more is in no cache for long */

/* ---- a team -----------------------------------------------------------------------------------
 */

/* Each thread runs a peak loop, or a stream over memory of its own. */
typedef struct team {
    void (*arithmetic)(int64_t calls);
    stream_loop *stream;
    int64_t bytes, calls; /* bytes: of one thread */
    int32_t threads;
    char **memory; /* one for each thread; of arithmetic NULL */
    _Atomic int32_t place, waiting, done;
    _Atomic bool go;
} team;

static void work(const team *t, int32_t thread)
{
    if (t->arithmetic) {
        t->arithmetic(t->calls);
        return;
    }
    for (int64_t k = 0; k < t->calls; k++)
        t->stream(t->memory[thread], t->bytes);
}

/* Brings the memory into the caches of the thread that uses it. */
static void warm(const team *t, int32_t thread)
{
    if (!t->arithmetic && t->bytes <= WARM_BYTES)
        t->stream(t->memory[thread], t->bytes);
}

static void *member(void *arg)
{
    team *t = arg;
    int32_t thread = 1 + atomic_fetch_add(&t->place, 1);
    versus_move(0, thread, 1);
    warm(t, thread);
    atomic_fetch_add(&t->waiting, 1);
    while (!atomic_load_explicit(&t->go, memory_order_acquire))
        ;
    work(t, thread);
    atomic_fetch_add(&t->done, 1);
    return NULL;
}

/* Nanoseconds for all threads to make t->calls calls, -1: a thread could not be started. */
static double run(team *t)
{
    pthread_t threads[HONE_MAX_THREADS];
    int32_t n = 0;
    atomic_store(&t->place, 0);
    atomic_store(&t->waiting, 0);
    atomic_store(&t->done, 0);
    atomic_store(&t->go, false);
    while (n < t->threads - 1 && n < HONE_MAX_THREADS &&
           pthread_create(&threads[n], NULL, member, t) == 0)
        n++;
    versus_move(0, 0, 1);
    warm(t, 0);
    while (atomic_load(&t->waiting) < n)
        ;
    int64_t start = hone_clock_ns();
    atomic_store_explicit(&t->go, true, memory_order_release);
    work(t, 0);
    while (atomic_load(&t->done) < n)
        ;
    int64_t ns = hone_clock_ns() - start;
    for (int32_t k = 0; k < n; k++)
        pthread_join(threads[k], NULL);
    versus_move(0, 0, t->threads);
    return n == t->threads - 1 ? (double)ns : -1;
}

/* Best units of `of_one_call` (of one thread) per nanosecond. */
static double best(team *t, double of_one_call, int tries)
{
    double most = 0, ns;
    int64_t start = hone_clock_ns();
    t->calls = 1;
    while ((ns = run(t)) >= 0 && ns < TRY_NS) /* long enough for the clock */
        t->calls = (int64_t)((double)t->calls * (ns > TRY_NS / 8 ? TRY_NS / ns + 1 : 8));
    for (int k = 1; ns >= 0; k++) {
        double speed = of_one_call * (double)t->calls * t->threads / ns;
        most = speed > most ? speed : most;
        if (k >= tries || (k > 4 && hone_clock_ns() - start > ENOUGH_NS))
            break;
        ns = run(t);
    }
    return ns < 0 ? 0 : most;
}

/* ---- arithmetic -------------------------------------------------------------------------------
 */

/* 10^9 operations a second; 0: the threads could not be started. */
static double speed_of(const peak_loop *loop, int32_t threads, int tries)
{
    team t = {.arithmetic = loop->run, .threads = threads};
    return best(&t, loop->ops, tries);
}

static void measure_peak(machine *m, unit u, int tries)
{
    const peak_loop *loop;
    for (unsigned k = 0; (loop = versus_peak_loop(u, k)); k++) {
        double speed = speed_of(loop, m->threads, tries);
        if (speed <= m->peak[u])
            continue;
        m->peak[u] = speed;
        snprintf(m->how[u], sizeof m->how[u], "%s", loop->how);
    }
}

static void measure_rates(machine *m, int tries)
{
    const rate_loop *l;
    for (unsigned k = 0; (l = versus_rate_loop(k)); k++) {
        double speed = speed_of(&l->loop, m->threads, tries);
        if (speed <= m->rate[l->which])
            continue;
        m->rate[l->which] = speed;
        snprintf(m->rate_how[l->which], sizeof m->rate_how[0], "%s", l->loop.how);
    }
}

/* ---- memory -----------------------------------------------------------------------------------
 */

/* Streams over the same memory. */
typedef struct place {
    char **memory; /* one for each thread */
    int64_t bytes; /* of each */
} place;

/* `around`: past the caches. The better of this and what was known. */
static void measure_stream(const machine *m, stream s, const place *p, bool around, int tries,
                           double *gbs)
{
    for (int wide = 0; wide < 2; wide++) {
        team t = {.threads = m->threads,
                  .bytes = p->bytes,
                  .memory = p->memory,
                  .stream = versus_stream_loop(s, wide != 0, around)};
        *gbs = fmax(*gbs, t.stream ? best(&t, (double)t.bytes, tries) : 0);
    }
}

static void measure_level(const machine *m, level *l, int64_t each, int tries)
{
    place p = {.bytes = each / 3072 * 3072};
    p.memory = hone_xcalloc((size_t)m->threads, sizeof *p.memory);
    for (int32_t k = 0; k < m->threads; k++)
        p.memory[k] = versus_buffer(p.bytes);
    measure_stream(m, STREAM_LOAD, &p, false, tries, &l->load_gbs);
    measure_stream(m, STREAM_STORE, &p, false, tries, &l->store_gbs);
    measure_stream(m, STREAM_COPY, &p, false, tries, &l->copy_gbs);
    measure_stream(m, STREAM_MIX, &p, false, tries, &l->mix_gbs);
    if (l->bytes <= 0) {
        measure_stream(m, STREAM_COPY, &p, true, tries, &l->copy_gbs);
        measure_stream(m, STREAM_STORE, &p, true, tries, &l->around_gbs);
    }
    for (int32_t k = 0; k < m->threads; k++)
        free(p.memory[k]);
    free(p.memory);
}

/* Fewer bytes are no slower: what was measured with more, as by chance of how a stream's length and
 * a cache's go together, counts for them too. */
static void at_least(level *l, const level *more)
{
    l->load_gbs = fmax(l->load_gbs, more->load_gbs);
    l->store_gbs = fmax(l->store_gbs, more->store_gbs);
    l->copy_gbs = fmax(l->copy_gbs, more->copy_gbs);
    l->mix_gbs = fmax(l->mix_gbs, more->mix_gbs);
}

static int64_t cache_bytes(int key, int64_t usual)
{
    int64_t bytes = sysconf(key);
    return bytes > 0 ? bytes : usual;
}

/* Each level is measured with the fewest bytes that it stands for, but for half of a cache's own,
 * so that no kernel over more of them is held to less than they take. */
static void measure_levels(machine *m, int tries)
{
    int64_t own[2] = {cache_bytes(_SC_LEVEL1_DCACHE_SIZE, 32 << 10),
                      cache_bytes(_SC_LEVEL2_CACHE_SIZE, 1 << 20)};
    int64_t shared = cache_bytes(_SC_LEVEL3_CACHE_SIZE, 16 << 20);
    level *l = m->levels;
    for (int k = 0; k < 2; k++)
        for (int times = 1; times <= 4; times *= 2, l++) {
            snprintf(l->name, sizeof l->name, times > 1 ? "L%dx%d" : "L%d", k + 1, times);
            l->bytes = (double)(times * own[k] * m->threads);
            /* none for what the next cache does not hold */
            if (times > 1 && l->bytes > (double)(k ? shared : own[1] * m->threads))
                l->bytes = l[-1].bytes;
            else
                measure_level(m, l, times * own[k] / 2, tries);
        }
    snprintf(l->name, sizeof l->name, "L3");
    l->bytes = (double)shared;
    /* A virtual machine may claim the L3 of the whole socket, of which its processors see a part:
     * what is surely in it is a few times L2. */
    int64_t part = shared / 2 / m->threads;
    measure_level(m, l, 4 * own[1] < part ? 4 * own[1] : part, tries);
    l++;
    snprintf(l->name, sizeof l->name, "DRAM");
    int64_t each = (4 * shared < MOST_BYTES ? 4 * shared : MOST_BYTES) / m->threads;
    measure_level(m, l, each > shared ? each : shared, tries);
    for (; l > m->levels; l--)
        at_least(l - 1, l);
}

/* Every figure by so many tries of each of its loops; one that was known stays if it is better. */
static void measure(machine *m, int tries)
{
    for (int u = 0; u < UNIT_COUNT; u++)
        measure_peak(m, (unit)u, tries);
    if (m->peak[UNIT_BF16] < m->peak[UNIT_F32]) { /* no instruction for it: by way of f32 */
        m->peak[UNIT_BF16] = m->peak[UNIT_F32];
        memcpy(m->how[UNIT_BF16], m->how[UNIT_F32], sizeof m->how[0]);
    }
    measure_rates(m, tries);
    measure_levels(m, tries);
}

hone_status versus_machine(int32_t threads, machine *ret, hone_error *err)
{
    *ret = (machine){.threads = threads};
    if (threads > HONE_MAX_THREADS)
        return hone_fail(err, HONE_E_INPUT, "more than %d threads", HONE_MAX_THREADS);
    for (int k = 0; k < PASSES; k++)
        measure(ret, TRIES);
    return HONE_OK;
}

void versus_machine_again(machine *m)
{
    measure(m, TRIES_AGAIN);
}

/* ---- as JSON and as text ----------------------------------------------------------------------
 */

json_t *versus_machine_json(const machine *m)
{
    json_t *peaks = json_object(), *rates = json_object(), *levels = json_array();
    for (int r = 0; r < RATE_COUNT; r++)
        json_object_set_new(rates, versus_rate_names[r],
                            json_pack("{s:f, s:s}", "gops", m->rate[r], "how", m->rate_how[r]));
    for (int u = 0; u < UNIT_COUNT; u++)
        json_object_set_new(peaks, versus_unit_names[u],
                            json_pack("{s:f, s:s}", "gops", m->peak[u], "how", m->how[u]));
    for (int k = 0; k < VERSUS_LEVELS; k++) {
        const level *l = &m->levels[k];
        json_array_append_new(levels,
                              json_pack("{s:s, s:f, s:f, s:f, s:f, s:f, s:f}", "name", l->name,
                                        "bytes", l->bytes, "load_gbs", l->load_gbs, "store_gbs",
                                        l->store_gbs, "around_gbs", l->around_gbs, "copy_gbs",
                                        l->copy_gbs, "mix_gbs", l->mix_gbs));
    }
    return json_pack("{s:i, s:o, s:o, s:o}", "threads", m->threads, "peaks", peaks, "rates", rates,
                     "levels", levels);
}

/* {"gops": 1.5, "how": "..."} */
static bool read_speed(const json_t *all, const char *name, double *ret, char ret_how[64])
{
    const char *how = "";
    bool good =
        json_unpack(json_object_get(all, name), "{s:F, s:s}", "gops", ret, "how", &how) == 0;
    snprintf(ret_how, 64, "%s", how);
    return good;
}

hone_status versus_machine_read(const char *path, machine *ret, hone_error *err)
{
    char *text = NULL;
    size_t n;
    json_t *j = NULL;
    *ret = (machine){0};
    hone_status st = hone_file_read(path, 1 << 16, &text, &n, err);
    if (st == HONE_OK)
        st = hone_json_parse(text, n, &j, err);
    free(text);
    if (st != HONE_OK)
        return st;
    json_t *peaks = json_object_get(j, "peaks"), *levels = json_object_get(j, "levels");
    json_t *rates = json_object_get(j, "rates");
    bool good = json_unpack(j, "{s:i}", "threads", &ret->threads) == 0;
    for (int u = 0; u < UNIT_COUNT && good; u++)
        good = read_speed(peaks, versus_unit_names[u], &ret->peak[u], ret->how[u]);
    for (int r = 0; r < RATE_COUNT && good; r++)
        good = read_speed(rates, versus_rate_names[r], &ret->rate[r], ret->rate_how[r]);
    for (int k = 0; k < VERSUS_LEVELS && good; k++) {
        level *l = &ret->levels[k];
        const char *name = "";
        good = json_unpack(json_array_get(levels, (size_t)k), "{s:s, s:F, s:F, s:F, s:F, s:F, s:F}",
                           "name", &name, "bytes", &l->bytes, "load_gbs", &l->load_gbs, "store_gbs",
                           &l->store_gbs, "around_gbs", &l->around_gbs, "copy_gbs", &l->copy_gbs,
                           "mix_gbs", &l->mix_gbs) == 0;
        snprintf(l->name, sizeof l->name, "%s", name);
    }
    json_decref(j);
    return good ? HONE_OK : hone_fail(err, HONE_E_INPUT, "%s does not describe a machine", path);
}

void versus_machine_print(const machine *m, FILE *to)
{
    fprintf(to, "measured here, %d thread%s:\n", m->threads, m->threads == 1 ? "" : "s");
    for (int u = 0; u < UNIT_COUNT; u++)
        if (m->peak[u] > 0)
            fprintf(to, "  %-8s %9.1f Gop/s  (%s)\n", versus_unit_names[u], m->peak[u], m->how[u]);
    for (int r = 0; r < RATE_COUNT; r++)
        if (m->rate[r] > 0)
            fprintf(to, "  %-12s %9.2f G/s  (%s)\n", versus_rate_names[r], m->rate[r],
                    m->rate_how[r]);
    for (int k = 0; k < VERSUS_LEVELS; k++) {
        const level *l = &m->levels[k];
        char size[32] = "";
        if (l->load_gbs <= 0 || (k && l->bytes == l[-1].bytes))
            continue;
        if (l->bytes > 0)
            snprintf(size, sizeof size, "%.0f KiB", l->bytes / 1024);
        fprintf(to,
                "  %-8s %9s  load %7.1f  store %7.1f  copy %7.1f  2 loads, 1 store %7.1f GB/s\n",
                l->name, size, l->load_gbs, l->store_gbs, l->copy_gbs, l->mix_gbs);
        if (l->around_gbs > 0)
            fprintf(to, "  %-8s %9s  store without allocating lines %.1f GB/s\n", "", "",
                    l->around_gbs);
    }
}
