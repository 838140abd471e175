/* Probes of address translation: cache lines that lie each on a page of its own, and as many that
 * lie side by side. Lines are a little more than a page apart, so that they do not share sets of
 * caches. */
#include "tuner/calibrate/internal.h"

#define PAGE 4096
#define UNROLL 8
#define LINES 32768 /* of a call */

static hone_status lines(const hone_target *t, int64_t n, int64_t apart, hone_probe_plan *ret,
                         hone_error *err)
{
    char text[400];
    int64_t v = t->vector_bytes >= 8 ? t->vector_bytes / 8 : 1, k = n / UNROLL;
    snprintf(text, sizeof text,
             "kernel lines(T, R, K, U, V) {\n"
             "  input A: f64[K, U, %" PRId64 "] in 0 .. 1\n"
             "  output S: f64[T, U, V]\n"
             "  S[t, u, v] = sum(r < R, k < K) A[k, u, v]\n"
             "}\n",
             apart / 8);
    ret->work = (double)(LINES / n * k * UNROLL);
    ret->is_time = true;
    return hone_calibrate__make(&(hone_calibrate__kernel){.text = text,
                                                          .order = "t r k u v",
                                                          .T = 1,
                                                          .R = LINES / n,
                                                          .K = k,
                                                          .U = UNROLL,
                                                          .V = v,
                                                          .sums = true},
                                ret, err);
}

static int64_t line_of(const hone_target *t)
{
    return t->cache_line > t->vector_bytes ? t->cache_line : t->vector_bytes;
}

hone_status hone_calibrate__dense(const hone_target *t, int32_t threads, hone_probe_plan *ret,
                                  hone_error *err)
{
    (void)threads;
    return lines(t, 4096, line_of(t), ret, err);
}

hone_status hone_calibrate__pages_64(const hone_target *t, int32_t threads, hone_probe_plan *ret,
                                     hone_error *err)
{
    (void)threads;
    return lines(t, 64, PAGE + line_of(t), ret, err);
}

hone_status hone_calibrate__pages_512(const hone_target *t, int32_t threads, hone_probe_plan *ret,
                                      hone_error *err)
{
    (void)threads;
    return lines(t, 512, PAGE + line_of(t), ret, err);
}

hone_status hone_calibrate__pages_4096(const hone_target *t, int32_t threads, hone_probe_plan *ret,
                                       hone_error *err)
{
    (void)threads;
    return lines(t, 4096, PAGE + line_of(t), ret, err);
}
