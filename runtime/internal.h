/* Inside runtime/: what pool, default api and scratch share. Nothing here is part of the ABI. */
#ifndef HONE_RT_INTERNAL_H
#define HONE_RT_INTERNAL_H

#include "runtime/hone_rt.h"

#include <sched.h>
#include <stdbool.h>

#define HONE_RT__MAX_THREADS 4096

/* A pool with room for `capacity` threads of which only the caller exists yet. NULL without memory.
 */
hone_rt_pool *hone_rt__pool_make(int32_t capacity, bool pin);
/* Starts threads until `threads` (the caller counted) take part, as far as that is possible.
 * Returns how many do. Waits for a loop that runs. */
int32_t hone_rt__pool_grow(hone_rt_pool *pool, int32_t threads);
/* Ends the threads; loops run on the caller then. False when a loop runs: nothing is changed. */
bool hone_rt__pool_stop(hone_rt_pool *pool);
/* The api for kernels that want `threads` of them; at most what pool_grow returned. */
const hone_rt_api *hone_rt__pool_view(hone_rt_pool *pool, int32_t threads);

/* Processors this process may use, in order; returns their number, at least 1. `ret` may be NULL
 * and otherwise holds at most `max` of them. */
int32_t hone_rt__allowed(int32_t *ret, int32_t max);

int64_t hone_rt__now_ns(void); /* monotonic */

/* Whether the calling thread is inside a parallel loop. */
bool hone_rt__in_task(void);

void *hone_rt__scratch(const hone_rt_api *rt, int32_t slot, int64_t bytes);

/* ---- variants.c: what this processor has ---- */

#define HONE_RT__LEAVES 9
struct hone_rt__cpu {
    uint32_t cpuid[HONE_RT__LEAVES][4];
    uint32_t other[HONE_RT_VECTORS - HONE_RT_XCR0 + 1]; /* by register, from XCR0 on */
};
typedef void hone_rt__cpuid(uint32_t leaf, uint32_t sub, uint32_t ret[4]);
/* From a processor with CPUID. xcr0 is called only where it may be. */
void hone_rt__cpu_read(hone_rt__cpuid *cpuid, uint32_t (*xcr0)(void), struct hone_rt__cpu *ret);
/* The row for it: the one called `wanted`, if it can run that, else the first that it can; NULL:
 * none. `wanted` may be NULL. */
const hone_rt_variant_row *hone_rt__variants_pick(const hone_rt_variants *v,
                                                  const struct hone_rt__cpu *cpu,
                                                  const char *wanted);

/* ---- unload.c: the end of the object that holds this library, or of the process ---- */

/* Whether the end has begun: nothing new is started, and what is asked for is done without. */
bool hone_rt__ended(void);
/* `unloaded`: no thread is inside a kernel, nor will be, so memory is given back. Otherwise the
 * process ends, perhaps with kernels that run. */
void hone_rt__default_end(bool unloaded);
void hone_rt__scratch_end(bool unloaded);

/* Called before anything is made that fork() has to heed: locks are taken before it and released
 * after it, and the child has none of the threads. */
void hone_rt__watch_forks(void);
void hone_rt__default_hold(void);
void hone_rt__default_release(bool child);
void hone_rt__scratch_hold(void);
void hone_rt__scratch_release(void);
void hone_rt__pool_forked(void); /* in the child */

#endif
