/* Structural hash. Variables and temporaries are known by where they first appear, arguments by
 * their place in the signature, so that names and ids do not count. */
#include "ir/ir.h"

typedef struct hasher {
    const hone_program *p;
    uint64_t *exprs;   /* by id, 0: not yet */
    uint32_t *vars;    /* by id: order of appearance */
    uint32_t *buffers; /* by id: order of appearance, 0: not yet */
    uint32_t n_buffers;
} hasher;

static uint64_t hash_text(uint64_t h, const hone_program *p, hone_sym s)
{
    const char *text = hone_sym_text(p, s);
    return hone_hash_bytes(h, text, strlen(text));
}

static uint64_t hash_buffer_row(uint64_t h, const hone_buffer_row *b)
{
    h = hone_hash_mix(h, (uint64_t)b->dtype | (uint64_t)b->role << 8 | (uint64_t)b->scope << 16 |
                             (uint64_t)b->is_const << 24 | (uint64_t)b->n_dims << 32);
    for (unsigned k = 0; k < b->n_dims; k++)
        h = hone_hash_mix(h, (uint64_t)b->shape[k]);
    if (b->ranged) { /* other inputs may be timed otherwise: a table, say, on other rows */
        h = hone_hash_bytes(h, &b->lo, sizeof b->lo);
        h = hone_hash_bytes(h, &b->hi, sizeof b->hi);
    }
    return h;
}

static uint64_t hash_buffer(hasher *hs, uint64_t h, hone_buffer b)
{
    if (!hs->buffers[b.i])
        hs->buffers[b.i] = ++hs->n_buffers;
    h = hone_hash_mix(h, hs->buffers[b.i]);
    return hash_buffer_row(h, hone_buffer_at(hs->p, b));
}

static uint64_t hash_expr(hasher *hs, hone_expr e)
{
    if (!e.i)
        return 0;
    if (hs->exprs[e.i])
        return hs->exprs[e.i];
    const hone_expr_row *row = hone_expr_at(hs->p, e);
    uint64_t h = hone_hash_mix(row->dtype, row->op), bits = 0;
    if (row->op == HONE_OP_VAR)
        h = hone_hash_mix(h, hs->vars[row->sym]);
    else if (row->op == HONE_OP_LOAD)
        h = hash_buffer(hs, h, (hone_buffer){row->sym});
    else if (row->op == HONE_OP_FLOAT)
        memcpy(&bits, &row->imm.f, sizeof bits);
    else if (row->op == HONE_OP_INT)
        bits = (uint64_t)row->imm.i;
    else
        bits = hone_is_fast(hs->p, e);
    h = hone_hash_mix(h, bits);
    for (unsigned k = 0; k < row->n_args; k++)
        h = hone_hash_mix(h, hash_expr(hs, hone_expr_arg(hs->p, e, k)));
    hs->exprs[e.i] = h ? h : 1;
    return hs->exprs[e.i];
}

/* A sum, so that their order does not count. */
static uint64_t hash_anns(const hone_program *p, uint32_t first)
{
    uint64_t sum = 0;
    for (uint32_t a = first; a; a = p->anns.v[a].next) {
        const hone_ann *ann = &p->anns.v[a];
        uint64_t h = hash_text(hash_text(1, p, ann->key), p, ann->text);
        sum += hone_hash_mix(h, ann->text.i ? 0 : (uint64_t)ann->value);
    }
    return sum;
}

static uint64_t hash_block(hasher *hs, uint64_t h, hone_stmt s)
{
    const hone_program *p = hs->p;
    const hone_stmt_row *row = hone_stmt_at(p, s);
    h = hone_hash_mix(h, row->n_iters);
    for (unsigned k = 0; k < row->n_iters; k++) {
        const hone_iter *it = hone_iter_at(p, s, k);
        h = hone_hash_mix(h, it->kind);
        h = hone_hash_mix(h, (uint64_t)hone_var_at(p, it->var)->extent);
        h = hone_hash_mix(h, hash_expr(hs, it->binding));
    }
    h = hone_hash_mix(h, hash_expr(hs, row->where));
    h = hone_hash_mix(h, row->out.i != 0);
    if (!row->out.i)
        return h;
    h = hash_buffer(hs, h, row->out);
    for (unsigned k = 0; k < row->n_index; k++)
        h = hone_hash_mix(h, hash_expr(hs, hone_store_index(p, s, k)));
    h = hone_hash_mix(h, hash_expr(hs, row->init));
    return hone_hash_mix(h, hash_expr(hs, row->value));
}

/* The statement's place in the tree is in the counts of children, which follow their parent. */
static uint64_t hash_stmts(hasher *hs, uint64_t h)
{
    const hone_program *p = hs->p;
    for (hone_stmt s = p->root; s.i; s = hone_next(p, p->root, s)) {
        const hone_stmt_row *row = hone_stmt_at(p, s);
        uint64_t n_children = 0;
        for (hone_stmt c = row->first; c.i; c = hone_stmt_at(p, c)->next)
            n_children++;
        h = hone_hash_mix(h, (uint64_t)row->kind | n_children << 8);
        h = hone_hash_mix(h, hash_anns(p, row->anns));
        if (row->kind == HONE_LOOP) {
            h = hone_hash_mix(h, row->loop_kind);
            if (row->loop_kind == HONE_BOUND)
                h = hone_hash_mix(h, row->axis);
            h = hone_hash_mix(h, (uint64_t)hone_loop_extent(p, s));
        } else {
            h = hash_block(hs, h, s);
        }
    }
    return h;
}

uint64_t hone_program_hash(const hone_program *p)
{
    hasher hs = {.p = p};
    hs.exprs = hone_xcalloc(p->exprs.n, sizeof *hs.exprs);
    hs.vars = hone_xcalloc(p->vars.n, sizeof *hs.vars);
    hs.buffers = hone_xcalloc(p->buffers.n, sizeof *hs.buffers);
    uint32_t n_vars = 0;
    for (hone_stmt s = p->root; s.i; s = hone_next(p, p->root, s)) {
        if (hone_is_loop(p, s))
            hs.vars[hone_stmt_at(p, s)->var.i] = ++n_vars;
        for (unsigned k = 0; k < hone_stmt_at(p, s)->n_iters; k++)
            hs.vars[hone_iter_at(p, s, k)->var.i] = ++n_vars;
    }
    uint64_t h = 1;
    for (uint32_t b = 1; b < p->buffers.n; b++)
        if (p->buffers.v[b].role != HONE_TEMP) {
            hs.buffers[b] = ++hs.n_buffers;
            h = hash_buffer_row(h, &p->buffers.v[b]);
        }
    h = hash_stmts(&hs, h);
    free(hs.exprs);
    free(hs.vars);
    free(hs.buffers);
    return h;
}
