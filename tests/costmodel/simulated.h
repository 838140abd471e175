/* A machine that runs nothing: kernels at a size, and a time for a candidate that is a function of
 * its features and of a seed. It differs from the draft in ways a model can learn: other weights of
 * arithmetic and traffic, costs the draft leaves out, and noise that is the candidate's own. */
#ifndef HONE_TESTS_SIMULATED_H
#define HONE_TESTS_SIMULATED_H

#include "costmodel/costmodel.h"
#include "ir/builtin.h"
#include "space/space.h"

#include <math.h>

/* A server core with AVX-512, the same on every machine the tests run on. */
static inline hone_target simulated_target(void)
{
    return (hone_target){.triple = "x86_64-pc-linux-gnu",
                         .cpu = "x86-64",
                         .cores = 4,
                         .vector_bytes = 64,
                         .vector_registers = 32,
                         .fma_latency = 4,
                         .fma_per_cycle = 1,
                         .cache_line = 64,
                         .l1_bytes = 32 << 10,
                         .l2_bytes = 1 << 20,
                         .l3_bytes = 32 << 20};
}

static inline hone_program simulated_kernel(const char *name, const hone_size *sizes, unsigned n)
{
    size_t len;
    const char *text = hone_builtin_text(&len);
    hone_program p = {0};
    hone_error err = {0};
    if (hone_workload_parse("built-in", text, len, name, sizes, n, &p, &err) != HONE_OK) {
        fprintf(stderr, "%s: %s\n", name, err.message);
        abort();
    }
    return p;
}

static inline hone_space *simulated_space(const char *name, const hone_size *sizes, unsigned n,
                                          int32_t threads)
{
    hone_program p = simulated_kernel(name, sizes, n);
    hone_target t = simulated_target();
    hone_space *sp = NULL;
    hone_error err = {0};
    if (hone_space_new(&p, &(hone_space_options){.target = &t, .threads = threads}, &sp, &err) !=
        HONE_OK) {
        fprintf(stderr, "%s: %s\n", name, err.message);
        abort();
    }
    hone_program_fini(&p);
    return sp;
}

static inline double simulated_size(float slog)
{
    return exp2((double)slog) - 1;
}

/* Noise-free: positive, in nanoseconds. */
static inline double simulated_quiet_ns(const hone_features *f)
{
    double total = 1500;
    for (uint32_t r = 0; r < f->rows; r++) {
        const float *x = f->v.v + r * HONE_N_FEATURES;
        double compute = simulated_size(x[HONE_FEATURE_draft_compute]);
        double memory = simulated_size(x[HONE_FEATURE_draft_memory]);
        /* spills early, decodes long bodies slowly, likes its loads to be broadcasts */
        compute *= 1 + 1.5 * fmax(0, (double)x[HONE_FEATURE_registers] - 0.7);
        compute *= 1 + 0.25 * fmax(0, (double)x[HONE_FEATURE_code_bytes] - 8);
        compute *= 1.4 - 0.6 * (double)x[HONE_FEATURE_broadcasts];
        /* much bandwidth, few translations, and caches that keep what the draft thinks is lost */
        memory *= 0.2 + 0.1 * fmax(0, (double)x[HONE_FEATURE_pages] - 4) +
                  0.2 * (double)x[HONE_FEATURE_aliasing];
        memory *= 2 - (double)x[HONE_FEATURE_reuse_level + 1];
        double guard = x[HONE_FEATURE_guarded] > 0 ? 1.25 : 1;
        total += guard * (compute + memory) + 20 * simulated_size(x[HONE_FEATURE_tasks]);
    }
    return total;
}

/* The same with a factor of about exp(sigma) drawn from the seed and the candidate's hash. */
static inline double simulated_ns(const hone_features *f, uint64_t hash, uint64_t seed,
                                  double sigma)
{
    hone_rng rng;
    hone_rng_seed(&rng, hash ^ seed);
    double bell = -6;
    for (int k = 0; k < 12; k++)
        bell += hone_rng_double(&rng);
    return simulated_quiet_ns(f) * exp(sigma * bell);
}

#endif
