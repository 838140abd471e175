/* Probes of arithmetic: what the pipes of one core do when operands come from L1.
 *
 * Sums of floats have an order, which code generation keeps between vectors: what is one chain in
 * the program is one chain in the machine. */
#include "tuner/calibrate/internal.h"
#include "targets/preset.h"

#define PASSES 16 /* over the same operands, so that beginning and end count for little */

static const char dot[] = "kernel dot(T, R, K, U, V) {\n"
                          "  input A: f32[T, K, U, V] in 0 .. 1\n"
                          "  input B: f32[T, K, U, V] in 0 .. 1\n"
                          "  output S: f32[T, U, V]\n"
                          "  S[t, u, v] = sum(r < R, k < K) A[t, k, u, v] * B[t, k, u, v]\n"
                          "}\n";

/* Steps of a loop whose operands, of `bytes` each step, are in half of L1. */
static int64_t steps(const hone_target *t, int64_t bytes)
{
    int64_t n = t->l1_bytes / 2 / bytes;
    return n < 4 ? 4 : n > 4096 ? 4096 : n;
}

hone_status hone_calibrate__chain(const hone_target *t, int32_t threads, hone_probe_plan *ret,
                                  hone_error *err)
{
    (void)threads;
    int64_t v = hone_calibrate__lanes(t), k = steps(t, 2 * 4 * v);
    ret->work = (double)(PASSES * k);
    ret->is_time = true;
    return hone_calibrate__make(&(hone_calibrate__kernel){.text = dot,
                                                          .order = "t r k u v",
                                                          .T = 1,
                                                          .R = PASSES,
                                                          .K = k,
                                                          .U = 1,
                                                          .V = v,
                                                          .sums = true},
                                ret, err);
}

/* Two loads for each multiply-add: with as many accumulators as the latency asks for, and registers
 * to spare, the loads are what limits it. */
hone_status hone_calibrate__load(const hone_target *t, int32_t threads, hone_probe_plan *ret,
                                 hone_error *err)
{
    (void)threads;
    int64_t v = hone_calibrate__lanes(t), u = t->vector_registers >= 32 ? 16 : 8;
    int64_t k = steps(t, 2 * 4 * v * u);
    ret->work = (double)(PASSES * k * u * 2);
    return hone_calibrate__make(&(hone_calibrate__kernel){.text = dot,
                                                          .order = "t r k u v",
                                                          .T = 1,
                                                          .R = PASSES,
                                                          .K = k,
                                                          .U = u,
                                                          .V = v,
                                                          .sums = true},
                                ret, err);
}

/* The register tile that seeds begin with. */
static const hone_preset_tile *tile_of(const hone_target *t)
{
    const hone_preset_tile *tile = hone_preset_of(t)->tiles;
    while (tile[1].rows && tile->registers > t->vector_registers)
        tile++;
    return tile;
}

hone_status hone_calibrate__fma(const hone_target *t, int32_t threads, hone_probe_plan *ret,
                                hone_error *err)
{
    static const char product[] = "kernel product(T, R, K, I, U, V) {\n"
                                  "  input A: f32[T, K, I] in 0 .. 1\n"
                                  "  input B: f32[T, K, U, V] in 0 .. 1\n"
                                  "  output S: f32[T, I, U, V]\n"
                                  "  S[t, i, u, v] = sum(r < R, k < K) A[t, k, i] * B[t, k, u, v]\n"
                                  "}\n";
    (void)threads;
    const hone_preset_tile *tile = tile_of(t);
    int64_t v = hone_calibrate__lanes(t), k = steps(t, 4 * (tile->rows + tile->vectors * v));
    ret->work = (double)(PASSES * k * tile->rows * tile->vectors);
    return hone_calibrate__make(&(hone_calibrate__kernel){.text = product,
                                                          .order = "t r k i u v",
                                                          .T = 1,
                                                          .R = PASSES,
                                                          .K = k,
                                                          .I = tile->rows,
                                                          .U = tile->vectors,
                                                          .V = v,
                                                          .sums = true},
                                ret, err);
}
