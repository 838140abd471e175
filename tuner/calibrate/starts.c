/* Probes of what is there before any work: the call, and the start and end of a parallel loop. */
#include "tuner/calibrate/internal.h"

static hone_status tasks(const hone_target *t, int32_t threads, int64_t n, hone_probe_plan *ret,
                         hone_error *err)
{
    static const char text[] = "kernel tasks(T, V) {\n"
                               "  input A: f32[T, V] in 0 .. 1\n"
                               "  output S: f32[T, V]\n"
                               "  S[t, v] = A[t, v] * 2\n"
                               "}\n";
    ret->threads = threads;
    ret->work = 1;
    ret->is_time = true;
    return hone_calibrate__make(
        &(hone_calibrate__kernel){
            .text = text, .order = "t v", .T = n, .V = hone_calibrate__lanes(t)},
        ret, err);
}

hone_status hone_calibrate__call(const hone_target *t, int32_t threads, hone_probe_plan *ret,
                                 hone_error *err)
{
    return tasks(t, 1, threads, ret, err);
}

hone_status hone_calibrate__parallel(const hone_target *t, int32_t threads, hone_probe_plan *ret,
                                     hone_error *err)
{
    if (threads < 2)
        return hone_fail(err, HONE_E_NOTFOUND, "one thread starts no others");
    return tasks(t, threads, threads, ret, err);
}
