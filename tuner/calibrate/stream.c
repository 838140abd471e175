/* Probes of caches and memory: every thread streams over a part of its own, again and again. */
#include "tuner/calibrate/internal.h"

#define UNROLL 8
#define LONG_BYTES                                                                 \
    (4 << 20) /* of one thread in one call: the start of threads counts for little \
               */
#define MEMORY_BYTES                                                             \
    (64 << 20) /* of all threads: more than one core's share of most last caches \
                */

/* Numbers in a vector. They are wide ones, since each has to be made and checked. */
static int64_t lanes(const hone_target *t)
{
    return t->vector_bytes >= 8 ? t->vector_bytes / 8 : 1;
}

/* What is surely in L3: a virtual machine may claim that of the whole socket, of which its
 * processors see a part. */
static int64_t in_l3(const hone_target *t, int32_t threads)
{
    int64_t some = 4 * t->l2_bytes, share = t->l3_bytes / 2 / threads;
    return some < share ? some : share;
}

static hone_status read(const hone_target *t, int32_t threads, int64_t bytes, hone_probe_plan *ret,
                        hone_error *err)
{
    static const char text[] = "kernel read(T, R, K, U, V) {\n"
                               "  input A: f64[T, K, U, V] in 0 .. 1\n"
                               "  output S: f64[T, U, V]\n"
                               "  S[t, u, v] = sum(r < R, k < K) A[t, k, u, v]\n"
                               "}\n";
    int64_t v = lanes(t), k = bytes / (8 * UNROLL * v), r = LONG_BYTES / bytes;
    r = r < 1 ? 1 : r;
    ret->threads = threads;
    ret->work = (double)(r * k * 8 * UNROLL * v);
    return hone_calibrate__make(&(hone_calibrate__kernel){.text = text,
                                                          .order = "t r k u v",
                                                          .T = threads,
                                                          .R = r,
                                                          .K = k,
                                                          .U = UNROLL,
                                                          .V = v,
                                                          .sums = true},
                                ret, err);
}

/* bytes: of source and destination together. */
static hone_status copy(const hone_target *t, int32_t threads, int64_t bytes, hone_probe_plan *ret,
                        hone_error *err)
{
    static const char text[] = "kernel copy(T, K, U, V) {\n"
                               "  input A: f64[T, K, U, V] in 0 .. 1\n"
                               "  output S: f64[T, K, U, V]\n"
                               "  S[t, k, u, v] = A[t, k, u, v] * 2\n"
                               "}\n";
    int64_t v = lanes(t), k = bytes / 2 / (8 * UNROLL * v);
    ret->threads = threads;
    ret->work = (double)(2 * k * 8 * UNROLL * v);
    return hone_calibrate__make(
        &(hone_calibrate__kernel){
            .text = text, .order = "t k u v", .T = threads, .K = k, .U = UNROLL, .V = v},
        ret, err);
}

hone_status hone_calibrate__l2_read(const hone_target *t, int32_t threads, hone_probe_plan *ret,
                                    hone_error *err)
{
    return read(t, threads, t->l2_bytes / 2, ret, err);
}

/* Of one thread: a call is too short for others to be started. */
hone_status hone_calibrate__l2_copy(const hone_target *t, int32_t threads, hone_probe_plan *ret,
                                    hone_error *err)
{
    (void)threads;
    return copy(t, 1, t->l2_bytes / 2, ret, err);
}

hone_status hone_calibrate__l3_read(const hone_target *t, int32_t threads, hone_probe_plan *ret,
                                    hone_error *err)
{
    int64_t bytes = in_l3(t, threads);
    if (bytes < 2 * t->l2_bytes)
        return hone_fail(err, HONE_E_NOTFOUND, "no L3, or no more of it than of L2");
    return read(t, threads, bytes, ret, err);
}

hone_status hone_calibrate__memory_read(const hone_target *t, int32_t threads, hone_probe_plan *ret,
                                        hone_error *err)
{
    return read(t, threads, MEMORY_BYTES / threads, ret, err);
}
