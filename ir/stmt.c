/* The statement tree. Rows of removed statements stay, marked HONE_STMT_FREE; ids are not reused.
 *
 * Reader's map: making statements, linking, removing, questions, rewriting everything below. Row 0,
 * which a program over HONE_MAX_STMTS hands out, is accepted and ignored by whatever links. */
#include "ir/internal.h"

/* ---- making ---------------------------------------------------------------------------------- */

static hone_stmt stmt_new(hone_program *p, hone_stmt_row row)
{
    if (p->stmts.n > HONE_MAX_STMTS) {
        p->overflow = true;
        return HONE_NO_STMT;
    }
    hone_vec_push(&p->stmts, row);
    return (hone_stmt){p->stmts.n - 1};
}

hone_stmt hone_loop_new(hone_program *p, const char *name, int64_t extent)
{
    hone_sym s = hone_sym_of(p, name);
    hone_stmt l = stmt_new(p, (hone_stmt_row){.kind = HONE_LOOP, .name = s});
    if (!l.i)
        return l;
    hone_var v = hone_ir__var_named(p, s, extent);
    p->vars.v[v.i].owner = l;
    hone_stmt_at(p, l)->var = v;
    return l;
}

static bool block_named(const hone_program *p, hone_sym s)
{
    for (uint32_t b = 1; b < p->stmts.n; b++)
        if (p->stmts.v[b].kind == HONE_BLOCK && HONE_SAME(p->stmts.v[b].name, s))
            return true;
    return false;
}

hone_stmt hone_block_new(hone_program *p, const char *name)
{
    hone_sym s = hone_ir__unique(p, name, block_named);
    return stmt_new(p, (hone_stmt_row){.kind = HONE_BLOCK, .name = s});
}

hone_var hone_block_add_iter(hone_program *p, hone_stmt block, const char *name,
                             hone_iter_kind kind, int64_t extent, hone_expr binding)
{
    if (!block.i)
        return (hone_var){0};
    hone_var v = hone_var_new(p, name, extent);
    p->vars.v[v.i].owner = block;
    hone_stmt_row *row = hone_stmt_at(p, block);
    HONE_ASSERT(row->kind == HONE_BLOCK && row->n_iters < HONE_MAX_ITERS);
    if (row->n_iters == 0)
        row->iters = p->iters.n;
    HONE_ASSERT(row->iters + row->n_iters == p->iters.n);
    row->n_iters++;
    hone_vec_push(&p->iters, (hone_iter){.var = v, .kind = kind, .binding = binding});
    return v;
}

void hone_block_set_iters(hone_program *p, hone_stmt block, const hone_iter *iters, unsigned n)
{
    if (!block.i)
        return;
    hone_iter own[HONE_MAX_ITERS]; /* iters may lie in p->iters */
    HONE_ASSERT(n <= HONE_MAX_ITERS && hone_is_block(p, block));
    for (unsigned k = 0; k < n; k++) {
        own[k] = iters[k];
        p->vars.v[own[k].var.i].owner = block;
    }
    hone_stmt_row *row = hone_stmt_at(p, block);
    if (n > row->n_iters) {
        row->iters = p->iters.n;
        hone_vec_reserve(&p->iters, n);
        p->iters.n += n;
    }
    row->n_iters = (uint8_t)n;
    for (unsigned k = 0; k < n; k++)
        p->iters.v[row->iters + k] = own[k];
}

void hone_block_set_store(hone_program *p, hone_stmt block, hone_buffer out, const hone_expr *index,
                          unsigned n, hone_expr value, hone_expr init)
{
    if (!block.i)
        return;
    hone_expr own[HONE_MAX_DIMS]; /* index may lie in p->args */
    HONE_ASSERT(n <= HONE_MAX_DIMS && hone_is_block(p, block));
    HONE_ASSERT(n == hone_buffer_at(p, out)->n_dims);
    for (unsigned k = 0; k < n; k++)
        own[k] = index[k];
    hone_stmt_row *row = hone_stmt_at(p, block);
    row->out = out;
    row->value = value;
    row->init = init;
    if (n > row->n_index) {
        row->index = p->args.n;
        hone_vec_reserve(&p->args, n);
        p->args.n += n;
    }
    row->n_index = (uint8_t)n;
    for (unsigned k = 0; k < n; k++)
        p->args.v[row->index + k] = own[k];
}

/* ---- linking --------------------------------------------------------------------------------- */

/* Puts s, which hangs nowhere, under parent between two neighbours (none: at that end). */
static void link_between(hone_program *p, hone_stmt parent, hone_stmt before, hone_stmt s,
                         hone_stmt after)
{
    hone_stmt_row *row = hone_stmt_at(p, s), *up = hone_stmt_at(p, parent);
    HONE_ASSERT(row->kind != HONE_STMT_FREE && up->kind != HONE_STMT_FREE);
    HONE_ASSERT(!row->parent.i && !row->prev.i && !row->next.i && !HONE_SAME(s, p->root));
    HONE_ASSERT(!HONE_SAME(s, parent));
    row->parent = parent;
    row->prev = before;
    row->next = after;
    if (before.i)
        hone_stmt_at(p, before)->next = s;
    else
        up->first = s;
    if (after.i)
        hone_stmt_at(p, after)->prev = s;
    else
        up->last = s;
}

void hone_stmt_append(hone_program *p, hone_stmt parent, hone_stmt child)
{
    if (parent.i && child.i)
        link_between(p, parent, hone_stmt_at(p, parent)->last, child, HONE_NO_STMT);
}

void hone_stmt_prepend(hone_program *p, hone_stmt parent, hone_stmt child)
{
    if (parent.i && child.i)
        link_between(p, parent, HONE_NO_STMT, child, hone_stmt_at(p, parent)->first);
}

void hone_stmt_insert_after(hone_program *p, hone_stmt where, hone_stmt s)
{
    if (where.i && s.i)
        link_between(p, hone_stmt_at(p, where)->parent, where, s, hone_stmt_at(p, where)->next);
}

void hone_stmt_insert_before(hone_program *p, hone_stmt where, hone_stmt s)
{
    if (where.i && s.i)
        link_between(p, hone_stmt_at(p, where)->parent, hone_stmt_at(p, where)->prev, s, where);
}

void hone_stmt_detach(hone_program *p, hone_stmt s)
{
    hone_stmt_row *row = hone_stmt_at(p, s);
    if (!s.i || !row->parent.i)
        return;
    hone_stmt_row *up = hone_stmt_at(p, row->parent);
    if (row->prev.i) {
        HONE_ASSERT(HONE_SAME(hone_stmt_at(p, row->prev)->next, s));
        hone_stmt_at(p, row->prev)->next = row->next;
    } else {
        HONE_ASSERT(HONE_SAME(up->first, s));
        up->first = row->next;
    }
    if (row->next.i) {
        HONE_ASSERT(HONE_SAME(hone_stmt_at(p, row->next)->prev, s));
        hone_stmt_at(p, row->next)->prev = row->prev;
    } else {
        HONE_ASSERT(HONE_SAME(up->last, s));
        up->last = row->prev;
    }
    row->parent = row->prev = row->next = HONE_NO_STMT;
}

void hone_stmt_replace(hone_program *p, hone_stmt s, hone_stmt t)
{
    if (!s.i || !t.i)
        return;
    hone_stmt_row row = *hone_stmt_at(p, s);
    HONE_ASSERT(row.parent.i && !HONE_SAME(s, t));
    hone_stmt_detach(p, s);
    link_between(p, row.parent, row.prev, t, row.next);
}

/* ---- removing -------------------------------------------------------------------------------- */

void hone_stmt_remove(hone_program *p, hone_stmt s)
{
    if (!s.i)
        return;
    HONE_ASSERT(!HONE_SAME(s, p->root) && hone_stmt_at(p, s)->kind != HONE_STMT_FREE);
    hone_stmt_detach(p, s);
    /* The walk reads links only, which freeing leaves alone. */
    for (hone_stmt t = s; t.i; t = hone_next(p, s, t))
        hone_stmt_at(p, t)->kind = HONE_STMT_FREE;
}

void hone_stmt_prune(hone_program *p, hone_stmt s)
{
    if (!s.i)
        return;
    hone_stmt up = hone_stmt_at(p, s)->parent;
    while (hone_is_loop(p, up) && HONE_SAME(hone_stmt_at(p, up)->first, s) &&
           HONE_SAME(hone_stmt_at(p, up)->last, s)) {
        s = up;
        up = hone_stmt_at(p, up)->parent;
    }
    hone_stmt_remove(p, s);
}

/* ---- questions ------------------------------------------------------------------------------- */

bool hone_is_ancestor(const hone_program *p, hone_stmt above, hone_stmt below)
{
    for (; below.i; below = hone_stmt_at(p, below)->parent)
        if (HONE_SAME(above, below))
            return true;
    return false;
}

static unsigned depth_of(const hone_program *p, hone_stmt s)
{
    unsigned n = 0;
    for (; s.i; s = hone_stmt_at(p, s)->parent)
        n++;
    return n;
}

hone_stmt hone_lca(const hone_program *p, hone_stmt a, hone_stmt b)
{
    unsigned da = depth_of(p, a), db = depth_of(p, b);
    for (; da > db; da--)
        a = hone_stmt_at(p, a)->parent;
    for (; db > da; db--)
        b = hone_stmt_at(p, b)->parent;
    while (!HONE_SAME(a, b)) {
        a = hone_stmt_at(p, a)->parent;
        b = hone_stmt_at(p, b)->parent;
    }
    return a;
}

unsigned hone_loops_of(const hone_program *p, hone_stmt s, hone_stmt *ret, unsigned max)
{
    unsigned n = 0, k = 0;
    hone_stmt inner = hone_stmt_at(p, s)->parent;
    for (hone_stmt l = inner; hone_is_loop(p, l); l = hone_stmt_at(p, l)->parent)
        n++;
    for (hone_stmt l = inner; hone_is_loop(p, l); l = hone_stmt_at(p, l)->parent) {
        k++;
        if (n - k < max)
            ret[n - k] = l;
    }
    return n;
}

hone_stmt hone_next_skip(const hone_program *p, hone_stmt top, hone_stmt s)
{
    while (s.i && !HONE_SAME(s, top)) {
        const hone_stmt_row *row = hone_stmt_at(p, s);
        if (row->next.i)
            return row->next;
        s = row->parent;
    }
    return HONE_NO_STMT;
}

hone_stmt hone_next(const hone_program *p, hone_stmt top, hone_stmt s)
{
    hone_stmt first = hone_stmt_at(p, s)->first;
    return first.i ? first : hone_next_skip(p, top, s);
}

hone_stmt hone_block_find(const hone_program *p, const char *name)
{
    hone_sym s = hone_ir__sym_find(p, name);
    for (uint32_t b = 1; s.i && b < p->stmts.n; b++)
        if (p->stmts.v[b].kind == HONE_BLOCK && HONE_SAME(p->stmts.v[b].name, s))
            return (hone_stmt){b};
    return HONE_NO_STMT;
}

/* ---- rewriting ------------------------------------------------------------------------------- */

void hone_stmt_substitute(hone_program *p, hone_stmt top, const hone_var *from, const hone_expr *to,
                          unsigned n)
{
    for (hone_stmt s = top; s.i; s = hone_next(p, top, s)) {
        hone_stmt_row row = *hone_stmt_at(p, s);
        if (row.kind != HONE_BLOCK)
            continue;
        for (unsigned k = 0; k < row.n_iters; k++) {
            hone_expr b = hone_iter_at(p, s, k)->binding;
            b = hone_substitute(p, b, from, to, n);
            hone_iter_at(p, s, k)->binding = b;
        }
        if (row.where.i) {
            hone_expr w = hone_substitute(p, row.where, from, to, n);
            hone_stmt_at(p, s)->where = w;
        }
    }
}
