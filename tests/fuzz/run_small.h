/* Interprets a verified program on zeros when that takes little time and memory. */
#ifndef HONE_TESTS_RUN_SMALL_H
#define HONE_TESTS_RUN_SMALL_H

#include "ir/ir.h"

/* a * b, or a number above every limit here. */
static inline int64_t run_small_times(int64_t a, int64_t b)
{
    return a > 1 << 20 || b > 1 << 20 ? 1 << 21 : a * b;
}

static inline bool run_small_is_small(const hone_program *p)
{
    int64_t elements = 0, steps = 0;
    for (uint32_t b = 1; b < p->buffers.n; b++) {
        elements += run_small_times(hone_buffer_count(p, (hone_buffer){b}), 1);
        if (elements > 1 << 17)
            return false;
    }
    for (hone_stmt s = p->root; s.i; s = hone_next(p, p->root, s)) {
        int64_t turns = 1;
        for (hone_stmt l = s; l.i; l = hone_stmt_at(p, l)->parent)
            if (hone_is_loop(p, l))
                turns = run_small_times(turns, hone_loop_extent(p, l));
        steps += turns;
        if (steps > 1 << 16)
            return false;
    }
    return hone_program_n_args(p) <= 64;
}

static inline void run_small(const hone_program *p)
{
    if (!run_small_is_small(p))
        return;
    void *args[64];
    unsigned n = 0;
    for (uint32_t b = 1; b < p->buffers.n; b++)
        if (p->buffers.v[b].role != HONE_TEMP) {
            size_t bytes = (size_t)hone_dtype_bytes((hone_dtype)p->buffers.v[b].dtype);
            args[n++] = hone_xcalloc((size_t)hone_buffer_count(p, (hone_buffer){b}), bytes);
        }
    hone_error err;
    if (hone_interp_run(p, args, &err) != HONE_OK)
        HONE_ASSERT(err.message[0]);
    while (n)
        free(args[--n]);
}

#endif
