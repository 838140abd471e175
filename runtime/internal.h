/* Inside runtime/: what pool, default api and scratch share. Nothing here is part of the ABI. */
#ifndef HONE_RT_INTERNAL_H
#define HONE_RT_INTERNAL_H

#include "runtime/hone_rt.h"

#include <sched.h>
#include <stdbool.h>

#define HONE_RT__MAX_THREADS 4096

/* A pool with room for `capacity` threads of which only the caller exists yet. Detached threads
 * are never joined: such a pool lives as long as the process. NULL without memory. */
hone_rt_pool *hone_rt__pool_make(int32_t capacity, bool pin, bool detached);
/* Starts threads until `threads` (the caller counted) take part, as far as that is possible.
 * Returns how many do. Waits for a loop that runs. */
int32_t hone_rt__pool_grow(hone_rt_pool *pool, int32_t threads);
/* The api for kernels that want `threads` of them; at most what pool_grow returned. */
const hone_rt_api *hone_rt__pool_view(hone_rt_pool *pool, int32_t threads);

/* Processors this process may use, in order; returns their number, at least 1. `ret` may be NULL
 * and otherwise holds at most `max` of them. */
int32_t hone_rt__allowed(int32_t *ret, int32_t max);

int64_t hone_rt__now_ns(void); /* monotonic */

/* Whether the calling thread is inside a parallel loop. */
bool hone_rt__in_task(void);

void *hone_rt__scratch(const hone_rt_api *rt, int32_t slot, int64_t bytes);

/* Called around fork() by the handlers that the first pool installs (default.c). */
void hone_rt__before_fork(void);
void hone_rt__after_fork(bool child);

#endif
