/* The thread pool.
 *
 * Reader's map: lanes and claiming; waiting (spin, then futex); the threads; the public calls.
 *
 * One loop at a time, under `turn`. The loop is cut into pieces and each participating thread has
 * a lane of them, so that in repeated calls a thread sees the same part of the data; a thread whose
 * lane is empty helps the others. The caller finishes alone when the others come late, so a loop
 * never waits for a thread to wake up.
 *
 * A lane is one word: generation, number of lanes, pieces left. Taking a piece is a compare and
 * swap that counts the word down. What the loop is (task, closure, extent) is written only while
 * all lanes are empty and read between the load and the swap of a word: when the swap succeeds the
 * word was never empty in between, so what was read belongs to this generation. */
#include "runtime/internal.h"
#include "runtime/affinity.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define LINE 64
#define PIECES_PER_LANE 4
#define SPIN_NS                                                                       \
    50000 /* about a futex round trip: spinning longer than sleeping costs is a waste \
           */

struct lane {
    _Alignas(LINE) _Atomic uint64_t word; /* generation << 32 | lanes << 16 | pieces left */
};

struct view {
    hone_rt_api api; /* first, so that the api pointer is the view */
    hone_rt_pool *pool;
};

struct thread {
    hone_rt_pool *pool;
    int32_t index;
    uint32_t seen; /* generation when it was started */
    pthread_t id;
};

struct hone_rt_pool {
    _Alignas(LINE) _Atomic uint32_t generation; /* futex of sleeping threads */
    _Atomic uint32_t sleepers;
    _Atomic uint32_t arrived; /* threads that have reached their loop; futex of pool_grow */
    _Atomic uint32_t stop;
    /* the loop */
    _Atomic(hone_rt_task) task;
    _Atomic(void *) closure;
    _Atomic int64_t n, pieces;
    /* its progress */
    _Alignas(LINE) _Atomic uint32_t done; /* pieces finished; futex of the waiting caller */
    _Atomic bool caller_sleeps;
    _Atomic int32_t result;
    /* the rest changes rarely */
    _Alignas(LINE) pthread_mutex_t turn;
    unsigned epoch; /* of the process that made it */
    int32_t capacity, threads;
    pid_t pid; /* the same, and where fork() was not called by its name */
    bool pin;
    pid_t pinned_tid;
    cpu_set_t caller_set; /* what the caller had before it was pinned */
    struct lane *lanes;
    struct view *views;     /* [k] for k threads */
    struct thread *started; /* [k], k >= 1 */
    struct seat *seats;     /* [k], k >= 1 */
    struct spread spread;   /* of a pool that is not pinned */
};

/* Counts forks: a pool of another epoch has no threads here and runs loops on the caller. */
static _Atomic unsigned fork_epoch;
static _Thread_local bool in_task;

bool hone_rt__in_task(void)
{
    return in_task;
}

void hone_rt__pool_forked(void)
{
    atomic_fetch_add(&fork_epoch, 1);
}

/* ---- waiting ------------------------------------------------------------------------------- */

static inline void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield" ::: "memory");
#else
    atomic_signal_fence(memory_order_seq_cst);
#endif
}

int64_t hone_rt__now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void futex_wait(_Atomic uint32_t *word, uint32_t expected)
{
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, NULL, NULL, 0);
}

static void futex_wake(_Atomic uint32_t *word, int n)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, n, NULL, NULL, 0);
}

/* True when the word has (want_equal) or no longer has the value, within SPIN_NS. */
static bool spin(_Atomic uint32_t *word, uint32_t value, bool want_equal)
{
    int64_t end = 0;
    for (;;) {
        for (int i = 0; i < 64; i++) {
            if ((atomic_load_explicit(word, memory_order_acquire) == value) == want_equal)
                return true;
            relax();
        }
        int64_t now = hone_rt__now_ns();
        if (end == 0)
            end = now + SPIN_NS;
        else if (now >= end)
            return false;
    }
}

static uint32_t wait_for_loop(hone_rt_pool *p, uint32_t seen)
{
    while (!spin(&p->generation, seen, false)) {
        /* Sequentially consistent with start_loop, which raises the generation and then looks at
         * the sleepers: one of the two sees the other. */
        atomic_fetch_add(&p->sleepers, 1);
        if (atomic_load(&p->generation) == seen)
            futex_wait(&p->generation, seen);
        atomic_fetch_sub(&p->sleepers, 1);
    }
    return atomic_load_explicit(&p->generation, memory_order_acquire);
}

static void wait_for_pieces(hone_rt_pool *p, uint32_t pieces)
{
    if (spin(&p->done, pieces, true))
        return;
    atomic_store(&p->caller_sleeps, true);
    for (uint32_t d; (d = atomic_load(&p->done)) != pieces;)
        futex_wait(&p->done, d);
    atomic_store(&p->caller_sleeps, false);
}

/* ---- lanes --------------------------------------------------------------------------------- */

static int64_t first_piece(int64_t pieces, int32_t lane, int32_t lanes)
{
    return pieces * lane / lanes;
}

/* Takes and does one piece of a lane; false when there is none for this thread. */
static bool do_piece(hone_rt_pool *p, int32_t lane, int32_t self)
{
    _Atomic uint64_t *word = &p->lanes[lane].word;
    uint64_t w = atomic_load_explicit(word, memory_order_acquire);
    hone_rt_task task;
    void *closure;
    int64_t n, pieces;
    int32_t lanes;
    do {
        lanes = (int32_t)(w >> 16 & 0xffff);
        if ((w & 0xffff) == 0 || self >= lanes)
            return false;
        task = atomic_load_explicit(&p->task, memory_order_relaxed);
        closure = atomic_load_explicit(&p->closure, memory_order_relaxed);
        n = atomic_load_explicit(&p->n, memory_order_relaxed);
        pieces = atomic_load_explicit(&p->pieces, memory_order_relaxed);
    } while (!atomic_compare_exchange_weak_explicit(word, &w, w - 1, memory_order_acq_rel,
                                                    memory_order_acquire));
    int64_t piece = first_piece(pieces, lane + 1, lanes) - (int64_t)(w & 0xffff);
    int64_t size = n / pieces, larger = n % pieces;
    int64_t begin = piece * size + (piece < larger ? piece : larger);
    int64_t end = begin + size + (piece < larger);
    if (atomic_load_explicit(&p->result, memory_order_relaxed) == 0) {
        int32_t r = task(closure, begin, end);
        int32_t none = 0;
        if (r != 0)
            atomic_compare_exchange_strong(&p->result, &none, r);
    }
    uint32_t done = atomic_fetch_add(&p->done, 1) + 1;
    if (done == (uint32_t)pieces && atomic_load(&p->caller_sleeps))
        futex_wake(&p->done, 1);
    return true;
}

/* Own lane first, then the neighbours'. */
static void do_lanes(hone_rt_pool *p, int32_t self, int32_t lanes)
{
    for (int32_t i = 0, lane = self; i < lanes; i++) {
        while (do_piece(p, lane, self)) {
        }
        lane = lane + 1 == lanes ? 0 : lane + 1;
    }
}

static void start_loop(hone_rt_pool *p, int32_t lanes, int64_t n, int64_t pieces, hone_rt_task task,
                       void *closure)
{
    atomic_store_explicit(&p->task, task, memory_order_relaxed);
    atomic_store_explicit(&p->closure, closure, memory_order_relaxed);
    atomic_store_explicit(&p->n, n, memory_order_relaxed);
    atomic_store_explicit(&p->pieces, pieces, memory_order_relaxed);
    atomic_store_explicit(&p->result, 0, memory_order_relaxed);
    atomic_store_explicit(&p->done, 0, memory_order_relaxed);
    uint32_t g = atomic_load_explicit(&p->generation, memory_order_relaxed) + 1;
    for (int32_t i = 0; i < lanes; i++) {
        int64_t left = first_piece(pieces, i + 1, lanes) - first_piece(pieces, i, lanes);
        uint64_t w = (uint64_t)g << 32 | (uint64_t)lanes << 16 | (uint64_t)left;
        atomic_store_explicit(&p->lanes[i].word, w, memory_order_release);
    }
    atomic_store(&p->generation, g);
    if (atomic_load(&p->sleepers) > 0)
        futex_wake(&p->generation, INT_MAX);
}

static int32_t run_loop(const hone_rt_api *rt, int64_t n, hone_rt_task task, void *closure)
{
    hone_rt_pool *p = ((const struct view *)rt)->pool;
    int32_t lanes = rt->threads;
    if (n <= 0)
        return 0;
    if (in_task)
        return task(closure, 0, n);
    int32_t r;
    if (lanes == 1 || n == 1 ||
        p->epoch != atomic_load_explicit(&fork_epoch, memory_order_relaxed)) {
        in_task = true;
        r = task(closure, 0, n);
        in_task = false;
        return r;
    }
    pthread_mutex_lock(&p->turn);
    hone_rt__spread_check(&p->spread, p->seats);
    int64_t pieces = n < lanes * PIECES_PER_LANE ? n : lanes * PIECES_PER_LANE;
    start_loop(p, lanes, n, pieces, task, closure);
    in_task = true;
    do_lanes(p, 0, lanes);
    in_task = false;
    wait_for_pieces(p, (uint32_t)pieces);
    r = atomic_load_explicit(&p->result, memory_order_relaxed);
    pthread_mutex_unlock(&p->turn);
    return r;
}

/* ---- threads ------------------------------------------------------------------------------- */

static void *thread_main(void *arg)
{
    struct thread *t = arg;
    hone_rt_pool *p = t->pool;
    uint32_t seen = t->seen;
    in_task = true; /* whatever runs here is part of a loop */
    atomic_fetch_add(&p->arrived, 1);
    futex_wake(&p->arrived, 1);
    for (;;) {
        seen = wait_for_loop(p, seen);
        if (atomic_load(&p->stop))
            return NULL;
        /* The number of lanes is in the words; lane 0 is always part of the loop. */
        uint64_t w = atomic_load_explicit(&p->lanes[0].word, memory_order_acquire);
        int32_t lanes = (int32_t)(w >> 16 & 0xffff);
        if (t->index < lanes)
            do_lanes(p, t->index, lanes);
    }
}

int32_t hone_rt__allowed(int32_t *ret, int32_t max)
{
    /* Kernels with more than 1024 processors refuse a set that is too small for them. */
    for (int bits = CPU_SETSIZE; bits <= 1 << 18; bits *= 4) {
        cpu_set_t *set = CPU_ALLOC(bits);
        size_t size = CPU_ALLOC_SIZE(bits);
        if (!set)
            break;
        if (sched_getaffinity(0, size, set) != 0) {
            int e = errno;
            CPU_FREE(set);
            if (e == EINVAL)
                continue;
            break;
        }
        int32_t n = 0;
        for (int cpu = 0; cpu < bits; cpu++) {
            if (!CPU_ISSET_S(cpu, size, set))
                continue;
            if (ret && n < max)
                ret[n] = cpu;
            n++;
        }
        CPU_FREE(set);
        if (n > 0)
            return n;
        break;
    }
    if (ret && max > 0)
        ret[0] = 0;
    return 1;
}

/* Synchronous signals stay open: blocked, they would bypass the program's own handlers. */
static void block_signals(sigset_t *ret_old)
{
    static const int keep[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT, SIGPROF};
    sigset_t all;
    sigfillset(&all);
    for (size_t i = 0; i < sizeof keep / sizeof keep[0]; i++)
        sigdelset(&all, keep[i]);
    pthread_sigmask(SIG_BLOCK, &all, ret_old);
}

static bool start_thread(hone_rt_pool *p, int32_t index, const int32_t *cpus, int32_t n_cpus)
{
    struct thread *t = &p->started[index];
    *t = (struct thread){.pool = p, .index = index, .seen = p->generation};
    pthread_attr_t attr;
    if (pthread_attr_init(&attr) != 0)
        return false;
    bool good = true;
    if (p->pin && cpus[index % n_cpus] < CPU_SETSIZE) {
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET(cpus[index % n_cpus], &one);
        good = pthread_attr_setaffinity_np(&attr, sizeof one, &one) == 0;
    }
    sigset_t old;
    block_signals(&old);
    int e = good ? pthread_create(&t->id, &attr, thread_main, t) : EINVAL;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attr);
    if (e)
        errno = e;
    return e == 0;
}

int32_t hone_rt__pool_grow(hone_rt_pool *p, int32_t threads)
{
    if (threads > p->capacity)
        threads = p->capacity;
    int32_t *cpus = malloc(sizeof *cpus * (size_t)threads);
    if (!cpus)
        return p->threads;
    int32_t n_cpus = hone_rt__allowed(cpus, threads);
    if (n_cpus > threads)
        n_cpus = threads;
    pthread_mutex_lock(&p->turn);
    int32_t had = p->threads;
    while (p->threads < threads && start_thread(p, p->threads, cpus, n_cpus)) {
        p->seats[p->threads] = (struct seat){p->started[p->threads].id, SPREAD_ANY};
        p->threads++;
    }
    int e = errno; /* of the thread that did not start */
    /* A thread's start makes system calls that a sandboxed process may not make later on. */
    for (uint32_t a; (a = atomic_load(&p->arrived)) + 1 < (uint32_t)p->threads;)
        futex_wait(&p->arrived, a);
    if (!p->pin && p->threads > had)
        hone_rt__spread_grow(&p->spread, p->seats, p->threads);
    int32_t got = p->threads;
    pthread_mutex_unlock(&p->turn);
    free(cpus);
    errno = e;
    return got;
}

hone_rt_pool *hone_rt__pool_make(int32_t capacity, bool pin)
{
    hone_rt__watch_forks();
    hone_rt_pool *p = aligned_alloc(LINE, sizeof *p);
    if (!p)
        return NULL;
    memset((void *)p, 0, sizeof *p);
    size_t n = (size_t)capacity + 1;
    p->lanes = aligned_alloc(LINE, n * sizeof *p->lanes);
    p->views = calloc(n, sizeof *p->views);
    p->started = calloc(n, sizeof *p->started);
    p->seats = calloc(n, sizeof *p->seats);
    if (!p->lanes || !p->views || !p->started || !p->seats ||
        pthread_mutex_init(&p->turn, NULL) != 0) {
        free(p->lanes);
        free(p->views);
        free(p->started);
        free(p->seats);
        free(p);
        return NULL;
    }
    memset((void *)p->lanes, 0, n * sizeof *p->lanes);
    for (int32_t k = 1; k <= capacity; k++)
        p->views[k] = (struct view){.api = {HONE_RT_ABI, k, run_loop, hone_rt__scratch}, .pool = p};
    p->capacity = capacity;
    p->threads = 1;
    p->pin = pin;
    p->pid = getpid();
    p->epoch = fork_epoch;
    return p;
}

const hone_rt_api *hone_rt__pool_view(hone_rt_pool *p, int32_t threads)
{
    return &p->views[threads].api;
}

/* ---- the public calls ---------------------------------------------------------------------- */

static void pin_caller(hone_rt_pool *p)
{
    int32_t cpu;
    hone_rt__allowed(&cpu, 1);
    if (cpu >= CPU_SETSIZE || sched_getaffinity(0, sizeof p->caller_set, &p->caller_set) != 0)
        return;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    if (sched_setaffinity(0, sizeof one, &one) == 0)
        p->pinned_tid = gettid();
}

hone_rt_pool *hone_rt_pool_new(int32_t threads, int pin)
{
    if (threads < 1)
        threads = 1;
    if (threads > HONE_RT__MAX_THREADS)
        return NULL;
    hone_rt_pool *p = hone_rt__pool_make(threads, pin != 0);
    if (!p)
        return NULL;
    if (hone_rt__pool_grow(p, threads) < threads) {
        int e = errno;
        hone_rt_pool_free(p);
        errno = e;
        return NULL;
    }
    if (pin)
        pin_caller(p);
    return p;
}

const hone_rt_api *hone_rt_pool_api(hone_rt_pool *pool)
{
    return hone_rt__pool_view(pool, pool->threads);
}

/* Whether its threads are of this process. fork() is noticed, and what makes a process without it.
 */
static bool has_threads(const hone_rt_pool *p)
{
    return p->epoch == fork_epoch && p->pid == getpid();
}

static void stop(hone_rt_pool *p)
{
    if (atomic_exchange(&p->stop, 1))
        return;
    atomic_fetch_add(&p->generation, 1);
    futex_wake(&p->generation, INT_MAX);
    for (int32_t k = 1; k < p->threads; k++)
        pthread_join(p->started[k].id, NULL);
    hone_rt__spread_free(&p->spread); /* nobody is left to be seated */
}

bool hone_rt__pool_stop(hone_rt_pool *p)
{
    if (!has_threads(p))
        return true;
    if (in_task || pthread_mutex_trylock(&p->turn) != 0)
        return false;
    stop(p);
    pthread_mutex_unlock(&p->turn);
    return true;
}

void hone_rt_pool_free(hone_rt_pool *p)
{
    if (!p)
        return;
    if (has_threads(p)) {
        stop(p);
        if (p->pinned_tid != 0 && p->pinned_tid == gettid())
            sched_setaffinity(0, sizeof p->caller_set, &p->caller_set);
        pthread_mutex_destroy(&p->turn);
    }
    free(p->lanes);
    free(p->views);
    free(p->started);
    free(p->seats);
    hone_rt__spread_free(&p->spread);
    free(p);
}
