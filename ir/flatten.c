/* Blocks in blocks, written out: what looks at whole nests sees loops and leaf blocks only. */
#include "ir/ir.h"

/* The leaf blocks below `s` (which no other block of statements holds by then) run under its
 * predicate too; its iterators become their bindings. */
static void dissolve(hone_program *p, hone_stmt s)
{
    hone_var from[HONE_MAX_ITERS];
    hone_expr to[HONE_MAX_ITERS], where = hone_stmt_at(p, s)->where;
    unsigned n = hone_stmt_at(p, s)->n_iters;
    for (unsigned k = 0; k < n; k++) {
        from[k] = hone_iter_at(p, s, k)->var;
        to[k] = hone_iter_at(p, s, k)->binding;
    }
    hone_stmt after = s;
    for (hone_stmt c; (c = hone_stmt_at(p, s)->first).i; after = c) {
        hone_stmt_substitute(p, c, from, to, n);
        for (hone_stmt t = c; where.i && t.i;
             t = hone_is_block(p, t) ? hone_next_skip(p, c, t) : hone_next(p, c, t)) {
            if (!hone_is_block(p, t))
                continue;
            hone_expr both = hone_and(p, where, hone_stmt_at(p, t)->where);
            hone_stmt_at(p, t)->where = both;
        }
        hone_stmt_detach(p, c);
        hone_stmt_insert_after(p, after, c);
    }
    hone_stmt_remove(p, s);
}

bool hone_program_flatten(hone_program *p)
{
    bool any = false;
    for (hone_stmt s = p->root, next; s.i; s = next) {
        next = hone_next(p, p->root, s);
        if (hone_is_loop(p, s) || hone_stmt_at(p, s)->out.i || HONE_SAME(s, p->root))
            continue;
        hone_stmt first = hone_stmt_at(p, s)->first;
        next = first.i ? first : hone_next_skip(p, p->root, s);
        dissolve(p, s);
        any = true;
    }
    return any;
}
