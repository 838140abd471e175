/* read_at and write_at: TensorIR's compact copies at a loop. A copy of just what one iteration of
 * the loop reads (or writes) of a buffer: cache_read and compute_at in one step, so that there is
 * no program in between where the copy covers the whole buffer. */
#include "space/prim/prim.h"
#include "space/prim/util.h"

#define MAX_CONSUMERS 128

/* Those that also write it are left out. */
static hone_status readers_in(const hone_program *p, hone_stmt loop, hone_buffer b,
                              hone_stmt ret[MAX_CONSUMERS], unsigned *ret_n, hone_error *err)
{
    *ret_n = 0;
    HONE_PRIM__EACH_LEAF(p, loop, s)
    {
        if (hone_prim__writes(p, s, b) || !hone_prim__reads(p, s, b))
            continue;
        if (*ret_n == MAX_CONSUMERS)
            return hone_fail(err, HONE_REJECT_TOO_BIG, "too many blocks inside the loop");
        ret[(*ret_n)++] = s;
    }
    return HONE_OK;
}

static hone_status check_loop(const hone_program *p, hone_stmt loop, hone_stmt block,
                              const char *who, hone_error *err)
{
    if (!hone_prim__is_leaf(p, block) || !hone_prim__is_around(p, loop, block))
        return hone_fail(err, HONE_REJECT_ARG, "%s: takes a loop around a block", who);
    return HONE_OK;
}

/* *p becomes *tried when s is HONE_OK, and stays as it is otherwise. */
static hone_status keep(hone_program *p, hone_program *tried, hone_status s)
{
    if (s == HONE_OK) {
        hone_program old = *p;
        *p = *tried;
        *tried = old;
    }
    hone_program_fini(tried);
    return s;
}

hone_status hone_prim__read_at(hone_program *p, hone_stmt loop, hone_stmt block,
                               unsigned read_index, hone_scope scope, hone_stmt *ret,
                               hone_error *err)
{
    hone_buffer from = HONE_NO_BUFFER;
    hone_stmt users[MAX_CONSUMERS], copy;
    unsigned n;
    hone_status s = check_loop(p, loop, block, "read_at", err);
    if (s == HONE_OK)
        s = hone_prim__read_buffer(p, block, read_index, &from, err);
    if (s == HONE_OK)
        s = readers_in(p, loop, from, users, &n, err);
    if (s != HONE_OK)
        return s;
    hone_program q = {0};
    hone_program_copy(&q, p);
    s = hone_prim__cache_read_for(&q, block, read_index, users, n, scope, &copy, err);
    if (s == HONE_OK)
        s = hone_prim__compute_at(&q, copy, loop, err);
    s = keep(p, &q, s);
    if (s == HONE_OK)
        *ret = copy;
    return s;
}

hone_status hone_prim__write_at(hone_program *p, hone_stmt loop, hone_stmt block, hone_scope scope,
                                hone_stmt *ret, hone_error *err)
{
    hone_stmt users[MAX_CONSUMERS], copy;
    unsigned n;
    hone_status s = check_loop(p, loop, block, "write_at", err);
    if (s == HONE_OK)
        s = readers_in(p, loop, hone_stmt_at(p, block)->out, users, &n, err);
    if (s != HONE_OK)
        return s;
    hone_program q = {0};
    hone_program_copy(&q, p);
    s = hone_prim__cache_write_for(&q, block, users, n, scope, &copy, err);
    if (s == HONE_OK)
        s = hone_prim__reverse_compute_at(&q, copy, loop, err);
    s = keep(p, &q, s);
    if (s == HONE_OK)
        *ret = copy;
    return s;
}
