/* Unrolled vectors side by side. An elementary function is a chain of twenty instructions or more,
 * each of which waits for the one before. A processor finds others to do in the meantime among
 * those that come next, but not as many as it takes when whole chains come one after the other: so
 * a few vectors that a loop was unrolled for are made one long vector, of which LLVM makes each
 * instruction for all registers before the next. */
#include "codegen/internal.h"

#define LANE_BYTES 4   /* elementary functions are computed in f32 */
#define SIDE_BY_SIDE 4 /* as long as a processor finds others to do then */
/* What a chain keeps in registers, constants included: three numbers, and its part of what
 * constants are loaded into when they are needed, for all chains at once. Where a product is
 * rounded before it is added that needs a register as well, and exp is longer. */
#define REGISTERS_OF_CHAIN 4
#define REGISTERS_OF_LONG_CHAIN 8

static bool is_function(hone_op op)
{
    return op == HONE_OP_EXP || op == HONE_OP_LOG || op == HONE_OP_TANH || op == HONE_OP_SIGMOID ||
           op == HONE_OP_ERF || op == HONE_OP_SIN || op == HONE_OP_COS || op == HONE_OP_ATAN;
}

/* An unrolled loop around a vectorised one. */
typedef struct pair {
    cg *e;
    hone_var turn, lane;
    int64_t lanes;
    bool has_function, ok;
} pair;

/* A turn moves it as far as all lanes do. */
static bool goes_on(const pair *p, cg_lin l, int64_t most)
{
    int64_t by_turn = 0, by_lane = 0;
    for (uint32_t k = 0; k < l.n; k++) {
        cg_term t = p->e->terms.v[l.first + k];
        if (t.var.i && HONE_SAME(t.var, p->turn)) {
            by_turn += t.coeff;
        } else if (t.var.i && HONE_SAME(t.var, p->lane)) {
            by_lane += t.coeff;
        } else if (t.atom.i && (hone_uses_var(&p->e->q, t.atom, p->turn) ||
                                hone_uses_var(&p->e->q, t.atom, p->lane))) {
            return false;
        }
    }
    return by_turn == by_lane * p->lanes && by_lane >= 0 && by_lane <= most;
}

static bool look(void *ctx, const hone_program *q, hone_expr x)
{
    pair *p = ctx;
    hone_op op = hone_expr_op(q, x);
    p->has_function |= is_function(op);
    if (op == HONE_OP_LOAD) {
        p->ok &= goes_on(p, hone_cg__lin(p->e, (hone_expr){p->e->offset_of.v[x.i]}), 1);
        return false;
    }
    p->ok &= op != HONE_OP_VAR && op != HONE_OP_SELECT && op != HONE_OP_POW;
    return true;
}

/* Vectors of `lanes` lanes, in the turns that there are in `turns`. */
static void bind(cg *e, const pair *p, cg_idx turns, int64_t lanes)
{
    hone_cg__bind(e, p->turn, turns);
    e->lane_var = p->lane;
    e->lanes = (unsigned)lanes;
    hone_cg__bind(e, p->lane, (cg_idx){NULL, 0, lanes - 1, 0});
}

static void unbind(cg *e, const pair *p)
{
    hone_cg__unbind(e, p->lane);
    e->lane_var = (hone_var){0};
    e->lanes = 0;
    hone_cg__unbind(e, p->turn);
}

/* All lanes run, in each turn. */
static bool runs_whole(cg *e, const cg_leaf *leaf, const pair *p, int64_t turns)
{
    bool whole = true;
    bind(e, p, (cg_idx){NULL, 0, turns - 1, 0}, p->lanes);
    for (unsigned c = 0; c < leaf->n_where; c++) {
        whole = whole && hone_cg__decide(e, leaf->conds[c].e) == CG_YES;
    }
    unbind(e, p);
    return whole;
}

bool hone_cg__lockstep(cg *e, hone_stmt loop)
{
    const hone_target *t = &e->g->target;
    hone_stmt inner = hone_stmt_at(&e->q, loop)->first;
    if (e->o->plain || e->lane_var.i || !hone_is_loop(&e->q, inner) ||
        hone_stmt_at(&e->q, inner)->next.i ||
        hone_stmt_at(&e->q, inner)->loop_kind != HONE_VECTORIZED) {
        return false;
    }
    hone_stmt block = hone_stmt_at(&e->q, inner)->first;
    cg_leaf *leaf = hone_is_block(&e->q, block) && !hone_stmt_at(&e->q, block)->next.i
                        ? hone_cg__leaf(e, block)
                        : NULL;
    pair p = {.e = e,
              .turn = hone_stmt_at(&e->q, loop)->var,
              .lane = hone_stmt_at(&e->q, inner)->var,
              .lanes = hone_loop_extent(&e->q, inner),
              .ok = true};
    int64_t turns = hone_loop_extent(&e->q, loop);
    int64_t n =
        t->vector_registers / (e->g->has_fma ? REGISTERS_OF_CHAIN : REGISTERS_OF_LONG_CHAIN);
    n = n < SIDE_BY_SIDE ? n : SIDE_BY_SIDE;
    while (n > 1 && turns % n) {
        n--;
    }
    if (!leaf || leaf->init.i || leaf->uses_own || n < 2 ||
        p.lanes * LANE_BYTES != t->vector_bytes || n * p.lanes > CG_MAX_LANES) {
        return false;
    }
    hone_walk(&e->q, leaf->value, look, &p);
    if (!p.has_function || !p.ok || !goes_on(&p, hone_cg__lin(e, leaf->offset), 1) ||
        !runs_whole(e, leaf, &p, turns)) {
        return false;
    }
    for (int64_t k = 0; k < turns && e->status == HONE_OK; k += n) {
        bind(e, &p, hone_cg__const(k), n * p.lanes);
        hone_cg__leaf_emit(e, leaf);
        unbind(e, &p);
    }
    return true;
}
