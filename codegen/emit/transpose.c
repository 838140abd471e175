/* Copies whose vectors are strided in the source: a packed panel of a transposed operand. One by
 * one, each lane is a load and an insertion, and each line of the source is come back to for every
 * element in it. Where the loop around the vectors is unrolled, goes along the source, and is as
 * long as they are, the tile is a square: its rows are loaded as vectors, transposed in registers,
 * and stored as the columns.
 *
 * First squares of four by four, side by side in the vectors, then these squares as wholes: each
 * step is a shuffle of two vectors that processors have. */
#include "codegen/internal.h"

#define MAX_SIDE 16

typedef struct square {
    cg_leaf *leaf;
    hone_expr load;
    hone_var step, lane;
    unsigned side;
    cg_lin from; /* the load's offset, which moves by one with the step */
} square;

/* The offset moves with v by a constant, which is *ret. */
static bool coefficient(const cg *e, cg_lin l, hone_var v, int64_t *ret)
{
    *ret = 0;
    for (uint32_t k = 0; k < l.n; k++) {
        cg_term t = e->terms.v[l.first + k];
        if (t.var.i && HONE_SAME(t.var, v)) {
            *ret += t.coeff;
        } else if (t.atom.i && hone_uses_var(&e->q, t.atom, v)) {
            return false;
        }
    }
    return true;
}

static hone_stmt only_child(const cg *e, hone_stmt s)
{
    const hone_stmt_row *row = hone_stmt_at(&e->q, s);
    return HONE_SAME(row->first, row->last) ? row->first : HONE_NO_STMT;
}

static bool find(cg *e, hone_stmt loop, square *ret)
{
    hone_stmt vector = only_child(e, loop), block;
    if (!vector.i || !hone_is_loop(&e->q, vector) ||
        hone_stmt_at(&e->q, vector)->loop_kind != HONE_VECTORIZED) {
        return false;
    }
    int64_t side = hone_loop_extent(&e->q, loop), by_step, by_lane;
    block = only_child(e, vector);
    cg_leaf *leaf = block.i && !hone_is_loop(&e->q, block) ? hone_cg__leaf(e, block) : NULL;
    if (!leaf || (side != 4 && side != 8 && side != MAX_SIDE) || leaf->init.i ||
        hone_loop_extent(&e->q, vector) != side || e->o->plain || e->g->is_scalable ||
        hone_expr_op(&e->q, leaf->value) != HONE_OP_LOAD) {
        return false;
    }
    hone_buffer source = {hone_expr_at(&e->q, leaf->value)->sym};
    uint8_t dtype = hone_buffer_at(&e->q, source)->dtype;
    *ret = (square){.leaf = leaf,
                    .load = leaf->value,
                    .step = hone_stmt_at(&e->q, loop)->var,
                    .lane = hone_stmt_at(&e->q, vector)->var,
                    .side = (unsigned)side,
                    .from = hone_cg__lin(e, (hone_expr){e->offset_of.v[leaf->value.i]})};
    cg_lin to = hone_cg__lin(e, leaf->offset);
    return !HONE_SAME(source, leaf->out) && hone_cg__elem_bytes((hone_dtype)dtype) == 4 &&
           dtype == hone_buffer_at(&e->q, leaf->out)->dtype &&
           coefficient(e, ret->from, ret->step, &by_step) && by_step == 1 &&
           coefficient(e, ret->from, ret->lane, &by_lane) && by_lane != 1 && by_lane != 0 &&
           coefficient(e, to, ret->lane, &by_lane) && by_lane == 1;
}

static void begin(cg *e, const square *sq)
{
    e->leaf = sq->leaf;
    e->where_lanes = false;
    e->lane_var = sq->lane;
    e->lanes = sq->side;
    hone_cg__bind(e, sq->lane, (cg_idx){NULL, 0, sq->side - 1, 0});
}

static void end(cg *e, const square *sq)
{
    hone_cg__unbind(e, sq->lane);
    e->lane_var = (hone_var){0};
    e->lanes = 0;
}

/* Is all of the square copied? */
static bool is_whole(cg *e, const square *sq)
{
    bool whole = true;
    for (unsigned k = 0; k < sq->side && whole; k++) {
        hone_cg__bind(e, sq->step, hone_cg__const(k));
        for (unsigned c = 0; c < sq->leaf->n_conds && whole; c++) {
            whole = hone_cg__decide(e, sq->leaf->conds[c].e) == CG_YES;
        }
        hone_cg__unbind(e, sq->step);
    }
    return whole;
}

/* ---- shuffles -------------------------------------------------------------------------------- */

/* Four by four: which of a's (0 to 3) and b's (4 to 7) elements, in each quarter. */
static LLVMValueRef in_fours(cg *e, LLVMValueRef a, LLVMValueRef b, unsigned n,
                             const unsigned *from)
{
    LLVMValueRef at[MAX_SIDE];
    for (unsigned k = 0; k < n; k++) {
        unsigned of = from[k % 4];
        at[k] = LLVMConstInt(e->i32, k / 4 * 4 + of % 4 + (of < 4 ? 0 : n), false);
    }
    return LLVMBuildShuffleVector(e->b, a, b, LLVMConstVector(at, n), "");
}

/* Fours as wholes: which of a's and then b's. */
static LLVMValueRef of_fours(cg *e, LLVMValueRef a, LLVMValueRef b, unsigned n,
                             const unsigned *from)
{
    LLVMValueRef at[MAX_SIDE];
    for (unsigned k = 0; k < n; k++) {
        at[k] = LLVMConstInt(e->i32, from[k / 4] * 4 + k % 4, false);
    }
    return LLVMBuildShuffleVector(e->b, a, b, LLVMConstVector(at, n), "");
}

static void transpose_fours(cg *e, LLVMValueRef *v, unsigned n)
{
    static const unsigned low[] = {0, 4, 1, 5}, high[] = {2, 6, 3, 7};
    static const unsigned low_pair[] = {0, 1, 4, 5}, high_pair[] = {2, 3, 6, 7};
    LLVMValueRef l0 = in_fours(e, v[0], v[1], n, low), h0 = in_fours(e, v[0], v[1], n, high);
    LLVMValueRef l1 = in_fours(e, v[2], v[3], n, low), h1 = in_fours(e, v[2], v[3], n, high);
    v[0] = in_fours(e, l0, l1, n, low_pair);
    v[1] = in_fours(e, l0, l1, n, high_pair);
    v[2] = in_fours(e, h0, h1, n, low_pair);
    v[3] = in_fours(e, h0, h1, n, high_pair);
}

/* The fours of v[0], v[4], ...: those that stand in the k-th place become the k-th vector. */
static void transpose_places(cg *e, LLVMValueRef *v, unsigned n)
{
    static const unsigned first[] = {0, 1, 4, 5}, second[] = {2, 3, 6, 7};
    static const unsigned even[] = {0, 2, 4, 6}, odd[] = {1, 3, 5, 7};
    if (n == 8) {
        LLVMValueRef a = v[0], b = v[4];
        v[0] = of_fours(e, a, b, n, even);
        v[4] = of_fours(e, a, b, n, odd);
    } else if (n == MAX_SIDE) {
        LLVMValueRef a = of_fours(e, v[0], v[4], n, first), b = of_fours(e, v[0], v[4], n, second);
        LLVMValueRef c = of_fours(e, v[8], v[12], n, first),
                     d = of_fours(e, v[8], v[12], n, second);
        v[0] = of_fours(e, a, c, n, even);
        v[4] = of_fours(e, a, c, n, odd);
        v[8] = of_fours(e, b, d, n, even);
        v[12] = of_fours(e, b, d, n, odd);
    }
}

/* ---- the copy -------------------------------------------------------------------------------- */

static void load_rows(cg *e, const square *sq, hone_dtype t, LLVMValueRef *ret)
{
    hone_buffer b = {hone_expr_at(&e->q, sq->load)->sym};
    LLVMTypeRef type = hone_cg__mem_type(e, t), row = LLVMVectorType(type, sq->side);
    cg_sum s;
    hone_cg__bind(e, sq->step, hone_cg__const(0));
    hone_cg__sum(e, sq->from, CG_ALL_TERMS, sq->from.c, &s);
    LLVMValueRef p = hone_cg__address(e, e->fn.ptr[b.i], type, &s);
    for (unsigned k = 0; k < sq->side; k++) {
        LLVMValueRef off = LLVMConstInt(e->i64, (uint64_t)(s.lane * (int64_t)k), true);
        LLVMValueRef at = LLVMBuildGEP2(e->b, type, p, &off, 1, "");
        ret[k] = LLVMBuildLoad2(e->b, row, at, "");
        LLVMSetAlignment(ret[k], hone_cg__elem_bytes(t));
    }
    hone_cg__unbind(e, sq->step);
}

bool hone_cg__transpose(cg *e, hone_stmt loop)
{
    square sq;
    LLVMValueRef v[MAX_SIDE];
    if (!find(e, loop, &sq)) {
        return false;
    }
    begin(e, &sq);
    bool whole = is_whole(e, &sq);
    if (whole && (e->instances += sq.side) <= CG_MAX_INSTANCES) {
        hone_dtype t = hone_expr_dtype(&e->q, sq.load);
        load_rows(e, &sq, t, v);
        for (unsigned k = 0; k < sq.side; k += 4) {
            transpose_fours(e, v + k, sq.side);
        }
        for (unsigned k = 0; k < 4; k++) {
            transpose_places(e, v + k, sq.side);
        }
        for (unsigned k = 0; k < sq.side; k++) {
            hone_cg__bind(e, sq.step, hone_cg__const(k));
            hone_cg__store(e, sq.leaf, (cg_val){hone_cg__from_mem(e, t, v[k]), true});
            hone_cg__unbind(e, sq.step);
        }
    }
    end(e, &sq);
    return whole;
}
