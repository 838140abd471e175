/* Statements that can run ahead of time (ir/prepack.h).
 *
 *   accesses    which top-level statement reads and writes which buffer
 *   candidates  statements that read nothing but one input and what other candidates wrote
 *   cuts        of the candidates in order, as many of the first as leave one buffer to pass */
#include "ir/prepack.h"

typedef struct touch {
    uint32_t top; /* position among the root's children */
    uint32_t buffer;
    bool writes;
} touch;

typedef struct work {
    const hone_program *p;
    hone_stmt *tops;
    uint32_t n_tops;
    bool *marked; /* by statement's position: looked at */
    HONE_VEC(touch) touches;
    /* for one input */
    uint32_t input;
    bool *chosen; /* by position */
    bool *made;   /* by buffer: written by a chosen statement */
} work;

/* ---- accesses -------------------------------------------------------------------------------- */

typedef struct noting {
    work *w;
    uint32_t top;
} noting;

static bool note_load(void *ctx, const hone_program *p, hone_expr e)
{
    noting *c = ctx;
    if (hone_expr_op(p, e) == HONE_OP_LOAD)
        hone_vec_push(&c->w->touches, (touch){c->top, hone_expr_at(p, e)->sym, false});
    return true;
}

static void note_accesses(work *w, uint32_t top)
{
    const hone_program *p = w->p;
    noting c = {w, top};
    for (hone_stmt s = w->tops[top]; s.i; s = hone_next(p, w->tops[top], s)) {
        const hone_stmt_row *row = hone_stmt_at(p, s);
        if (!hone_is_block(p, s) || !row->out.i)
            continue;
        hone_vec_push(&w->touches, (touch){top, row->out.i, true});
        hone_walk(p, row->value, note_load, &c);
        if (row->init.i)
            hone_walk(p, row->init, note_load, &c);
        for (unsigned k = 0; k < row->n_index; k++)
            hone_walk(p, hone_store_index(p, s, k), note_load, &c);
    }
}

/* Statements that write a buffer which an annotated block writes: also what a primitive has split
 * off such a block, as the start of a sum. */
static void mark(work *w, bool all)
{
    const hone_program *p = w->p;
    bool *wanted = hone_xcalloc(p->buffers.n, sizeof *wanted);
    for (hone_stmt s = p->root; s.i; s = hone_next(p, p->root, s)) {
        if (hone_is_block(p, s) && hone_ann_get(p, s, HONE_ANN_PREPACK))
            wanted[hone_stmt_at(p, s)->out.i] = true;
    }
    for (uint32_t k = 0; k < w->touches.n; k++) {
        touch t = w->touches.v[k];
        if (all || (t.writes && wanted[t.buffer]))
            w->marked[t.top] = true;
    }
    free(wanted);
}

/* ---- candidates ------------------------------------------------------------------------------ */

static bool writes(const work *w, uint32_t top, uint32_t b)
{
    for (uint32_t k = 0; k < w->touches.n; k++) {
        touch t = w->touches.v[k];
        if (t.top == top && t.writes && t.buffer == b)
            return true;
    }
    return false;
}

static bool may_choose(const work *w, uint32_t top)
{
    for (uint32_t k = 0; k < w->touches.n; k++) {
        touch t = w->touches.v[k];
        if (t.top != top)
            continue;
        if (t.writes && w->p->buffers.v[t.buffer].role != HONE_TEMP)
            return false;
        if (!t.writes && t.buffer != w->input && !w->made[t.buffer] && !writes(w, top, t.buffer))
            return false;
    }
    return w->marked[top];
}

static void choose(work *w)
{
    memset(w->made, 0, w->p->buffers.n * sizeof *w->made);
    for (uint32_t top = 0; top < w->n_tops; top++) {
        w->chosen[top] = may_choose(w, top);
        for (uint32_t k = 0; w->chosen[top] && k < w->touches.n; k++) {
            if (w->touches.v[k].top == top && w->touches.v[k].writes)
                w->made[w->touches.v[k].buffer] = true;
        }
    }
}

/* Does the statement take part: does it read the input, or share a buffer with one that does? */
static void drop_unrelated(work *w)
{
    bool *related = hone_xcalloc(w->p->buffers.n, sizeof *related), *part;
    part = hone_xcalloc(w->n_tops + 1, sizeof *part);
    related[w->input] = true;
    for (bool more = true; more;) {
        more = false;
        for (uint32_t k = 0; k < w->touches.n; k++) {
            touch t = w->touches.v[k];
            if (!w->chosen[t.top])
                continue;
            if (related[t.buffer] && !part[t.top])
                part[t.top] = more = true;
            if (part[t.top] && !related[t.buffer])
                related[t.buffer] = more = true;
        }
    }
    for (uint32_t top = 0; top < w->n_tops; top++)
        w->chosen[top] = w->chosen[top] && part[top];
    free(related);
    free(part);
}

/* ---- cuts ------------------------------------------------------------------------------------ */

/* The one buffer that the chosen statements leave for the others; none: there is not just one. */
static hone_buffer passed(work *w)
{
    hone_buffer only = HONE_NO_BUFFER;
    bool reads_input = false;
    memset(w->made, 0, w->p->buffers.n * sizeof *w->made);
    for (uint32_t k = 0; k < w->touches.n; k++) {
        touch t = w->touches.v[k];
        w->made[t.buffer] |= t.writes && w->chosen[t.top];
        reads_input |= w->chosen[t.top] && t.buffer == w->input;
    }
    for (uint32_t k = 0; k < w->touches.n; k++) {
        touch t = w->touches.v[k];
        if (w->chosen[t.top])
            continue;
        if (t.buffer == w->input || (t.writes && w->made[t.buffer]))
            return HONE_NO_BUFFER; /* wanted as it is; or made by both */
        if (!w->made[t.buffer])
            continue;
        if (only.i && only.i != t.buffer)
            return HONE_NO_BUFFER;
        only = (hone_buffer){t.buffer};
    }
    return reads_input ? only : HONE_NO_BUFFER;
}

static void find_for(work *w, hone_ahead *ret)
{
    choose(w);
    drop_unrelated(w);
    for (uint32_t last = w->n_tops; last-- > 0;) {
        if (!w->chosen[last])
            continue;
        hone_buffer b = passed(w);
        if (b.i) {
            ret->packed[w->input] = b;
            for (uint32_t top = 0; top <= last; top++) {
                if (w->chosen[top])
                    ret->of.v[w->tops[top].i] = w->input;
                w->marked[top] = w->marked[top] && !w->chosen[top]; /* not for another input */
            }
            return;
        }
        w->chosen[last] = false;
    }
}

void hone_ahead_find(const hone_program *p, bool all, hone_ahead *ret)
{
    memset(ret->packed, 0, sizeof ret->packed);
    ret->of.n = 0;
    hone_vec_reserve(&ret->of, p->stmts.n);
    ret->of.n = p->stmts.n;
    memset(ret->of.v, 0, p->stmts.n * sizeof *ret->of.v);

    work w = {.p = p};
    for (hone_stmt s = hone_stmt_at(p, p->root)->first; s.i; s = hone_stmt_at(p, s)->next)
        w.n_tops++;
    w.tops = hone_xcalloc(w.n_tops + 1, sizeof *w.tops);
    w.marked = hone_xcalloc(w.n_tops + 1, sizeof *w.marked);
    w.chosen = hone_xcalloc(w.n_tops + 1, sizeof *w.chosen);
    w.made = hone_xcalloc(p->buffers.n, sizeof *w.made);
    uint32_t top = 0;
    for (hone_stmt s = hone_stmt_at(p, p->root)->first; s.i; s = hone_stmt_at(p, s)->next) {
        w.tops[top] = s;
        note_accesses(&w, top++);
    }
    mark(&w, all);
    for (w.input = 1; w.input < p->buffers.n && w.input <= HONE_MAX_ARGS; w.input++) {
        const hone_buffer_row *b = &p->buffers.v[w.input];
        if (b->role == HONE_INPUT && b->is_const)
            find_for(&w, ret);
    }
    free(w.tops);
    free(w.marked);
    free(w.chosen);
    free(w.made);
    hone_vec_free(&w.touches);
}

void hone_ahead_free(hone_ahead *a)
{
    hone_vec_free(&a->of);
}
