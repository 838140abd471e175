#include "bench/versus.h"

#include <pthread.h>
#include <stdatomic.h>

/* Twelve independent accumulators cover latency x throughput of every x86 processor with FMA (4 to
 * 5 cycles, 2 per cycle), and leave four of the sixteen registers AVX2 has. Written as assembly: a
 * compiler is free to spill or to fold intrinsics. a = a*x + y converges, so no value is slow. */
#if defined(__x86_64__)

#define STEPS 2048 /* of 24 instructions: about 25 microseconds a call */
/* clang-format off */
#define FMA(r, k) "vfmadd213ps %%" r "mm15, %%" r "mm14, %%" r "mm" k "\n\t"
#define TWELVE(r)                                                            \
    FMA(r, "0") FMA(r, "1") FMA(r, "2") FMA(r, "3") FMA(r, "4") FMA(r, "5")  \
    FMA(r, "6") FMA(r, "7") FMA(r, "8") FMA(r, "9") FMA(r, "10") FMA(r, "11")
#define ZERO(k) "vxorps %%ymm" k ", %%ymm" k ", %%ymm" k "\n\t"
#define CLEAR                                                   \
    ZERO("0") ZERO("1") ZERO("2") ZERO("3") ZERO("4") ZERO("5") \
    ZERO("6") ZERO("7") ZERO("8") ZERO("9") ZERO("10") ZERO("11")
#define LOOP(r)                                                                              \
    int64_t n = calls * STEPS;                                                               \
    const float x = 0.5F, y = 0.1F;                                                          \
    __asm__ volatile("vbroadcastss %[x], %%" r "mm14\n\t"                                    \
                     "vbroadcastss %[y], %%" r "mm15\n\t" CLEAR                              \
                     "1:\n\t" TWELVE(r) TWELVE(r) "dec %[n]\n\t"                             \
                     "jnz 1b\n\t"                                                            \
                     "vzeroupper"                                                            \
                     : [n] "+r"(n)                                                           \
                     : [x] "m"(x), [y] "m"(y)                                                \
                     : "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", \
                       "xmm8", "xmm9", "xmm10", "xmm11", "xmm14", "xmm15")
/* clang-format on */

static void fma512(int64_t calls)
{
    LOOP("z");
}

static void fma256(int64_t calls)
{
    LOOP("y");
}

typedef struct peak {
    void (*loop)(int64_t calls);
    int32_t threads;
} peak;

typedef struct team {
    const peak *p;
    int64_t calls;
    _Atomic int32_t place, waiting, done;
    _Atomic bool go;
} team;

static void *member(void *arg)
{
    team *t = arg;
    versus_move(0, 1 + atomic_fetch_add(&t->place, 1), 1);
    atomic_fetch_add(&t->waiting, 1);
    while (!atomic_load_explicit(&t->go, memory_order_acquire))
        __builtin_ia32_pause();
    t->p->loop(t->calls);
    atomic_fetch_add(&t->done, 1);
    return NULL;
}

static int64_t run(contestant *c, int64_t calls)
{
    const peak *p = c->state;
    enum { MOST = 1024 };
    pthread_t threads[MOST];
    team t = {.p = p, .calls = calls};
    int32_t n = 0;
    while (n < p->threads - 1 && n < MOST && pthread_create(&threads[n], NULL, member, &t) == 0)
        n++;
    while (atomic_load(&t.waiting) < n)
        __builtin_ia32_pause();
    int64_t start = hone_clock_ns();
    atomic_store_explicit(&t.go, true, memory_order_release);
    p->loop(calls);
    while (atomic_load(&t.done) < n)
        __builtin_ia32_pause();
    int64_t ns = hone_clock_ns() - start;
    for (int32_t k = 0; k < n; k++)
        pthread_join(threads[k], NULL);
    return n == p->threads - 1 ? ns : -1;
}

static void prepare(contestant *c, bool wide, int32_t threads)
{
    *c = (contestant){.run = run, .name = "FMA peak", .placed = true};
    peak *p = hone_xcalloc(1, sizeof *p);
    *p = (peak){wide ? fma512 : fma256, threads};
    c->state = p;
    c->flops = 2.0 * (wide ? 16 : 8) * 24 * STEPS * threads;
    snprintf(c->detail, sizeof c->detail, "registers only, %s, %d thread%s",
             wide ? "AVX-512" : "AVX2", threads, threads == 1 ? "" : "s");
}

hone_status versus_peak(int32_t threads, contestant *ret, hone_error *err)
{
    if (!__builtin_cpu_supports("fma") || !__builtin_cpu_supports("avx2"))
        return hone_fail(err, HONE_E_NOTFOUND, "this processor has no FMA instructions");
    contestant c[2] = {{.calls = 0}};
    double best[2] = {0};
    for (int wide = 0; wide <= (__builtin_cpu_supports("avx512f") ? 1 : 0); wide++) {
        prepare(&c[wide], wide, threads);
        hone_status st = versus_warm(&c[wide], 20000000, err);
        for (int k = 0; k < 5 && st == HONE_OK; k++) {
            double ns;
            st = versus_sample(&c[wide], &ns, err);
            if (st == HONE_OK && c[wide].flops / ns > best[wide])
                best[wide] = c[wide].flops / ns;
        }
        if (st != HONE_OK)
            return st;
        c[wide].ns.n = 0;
    }
    bool wide = best[1] > best[0];
    free(c[!wide].state);
    hone_vec_free(&c[!wide].ns);
    *ret = c[wide];
    return HONE_OK;
}

#else

hone_status versus_peak(int32_t threads, contestant *ret, hone_error *err)
{
    (void)threads;
    (void)ret;
    return hone_fail(err, HONE_E_NOTFOUND, "the FMA peak is measured on x86-64 only");
}

#endif
