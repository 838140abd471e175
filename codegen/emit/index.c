/* Integer arithmetic with ranges, put into the outermost scope it can be computed in and shared
 * there. */
#include "codegen/internal.h"

/* Ranges are kept within +-2^60, so that sums and products of two of them cannot overflow after
 * clamping; index values of programs that fit a memory are far smaller. */
#define FAR ((int64_t)1 << 60)

static int64_t clamp(__int128 x)
{
    return x > FAR ? FAR : x < -FAR ? -FAR : (int64_t)x;
}

enum {
    OP_ADD,
    OP_SUB,
    OP_MUL,
    OP_SDIV,
    OP_UDIV,
    OP_UREM,
    OP_UDIV32, /* of what fits 32 bits without sign */
    OP_UREM32,
    OP_ASHR,
    OP_AND,
    OP_MIN,
    OP_MAX,
    OP_GEP
};

static LLVMValueRef in_32_bits(cg *e, int op, LLVMValueRef a, LLVMValueRef b)
{
    a = LLVMBuildTrunc(e->b, a, e->i32, "");
    b = LLVMBuildTrunc(e->b, b, e->i32, "");
    a = op == OP_UDIV32 ? LLVMBuildUDiv(e->b, a, b, "") : LLVMBuildURem(e->b, a, b, "");
    return LLVMBuildZExt(e->b, a, e->i64, "");
}

static LLVMValueRef build(cg *e, int op, LLVMTypeRef type, LLVMValueRef a, LLVMValueRef b)
{
    switch (op) {
    case OP_ADD:
        return LLVMBuildNSWAdd(e->b, a, b, "");
    case OP_SUB:
        return LLVMBuildNSWSub(e->b, a, b, "");
    case OP_MUL:
        return LLVMBuildNSWMul(e->b, a, b, "");
    case OP_SDIV:
        return LLVMBuildSDiv(e->b, a, b, "");
    case OP_UDIV:
        return LLVMBuildUDiv(e->b, a, b, "");
    case OP_UREM:
        return LLVMBuildURem(e->b, a, b, "");
    case OP_UDIV32:
    case OP_UREM32:
        return in_32_bits(e, op, a, b);
    case OP_ASHR:
        return LLVMBuildAShr(e->b, a, b, "");
    case OP_AND:
        return LLVMBuildAnd(e->b, a, b, "");
    case OP_MIN:
    case OP_MAX: {
        LLVMValueRef c = LLVMBuildICmp(e->b, op == OP_MIN ? LLVMIntSLT : LLVMIntSGT, a, b, "");
        return LLVMBuildSelect(e->b, c, a, b, "");
    }
    default:
        return LLVMBuildGEP2(e->b, type, a, &b, 1, ""); /* partial sums may be out of bounds */
    }
}

/* Built once per scope, at the end of the scope's entry block; at level CG_HERE where we stand. */
static LLVMValueRef hoisted(cg *e, uint32_t level, int op, LLVMTypeRef type, LLVMValueRef a,
                            LLVMValueRef b)
{
    if (level == CG_HERE) {
        return build(e, op, type, a, b);
    }
    for (uint32_t i = e->fn.memo.n; i-- > 0;) {
        const cg_memo *m = &e->fn.memo.v[i];
        if (m->a == a && m->b == b && m->op == op && m->type == type) {
            return m->v;
        }
    }
    LLVMBasicBlockRef here = LLVMGetInsertBlock(e->b);
    LLVMPositionBuilderBefore(e->b, e->fn.anchor[level]);
    LLVMValueRef v = build(e, op, type, a, b);
    LLVMPositionBuilderAtEnd(e->b, here);
    hone_vec_push(&e->fn.memo, (cg_memo){a, b, v, type, op, level});
    return v;
}

cg_idx hone_cg__const(int64_t c)
{
    return (cg_idx){NULL, c, c, 0};
}

static bool is_const(cg_idx a)
{
    return a.lo == a.hi;
}

LLVMValueRef hone_cg__v(cg *e, cg_idx a)
{
    return is_const(a) ? LLVMConstInt(e->i64, (uint64_t)a.lo, true) : a.v;
}

static cg_idx op2(cg *e, int op, cg_idx a, cg_idx b, __int128 lo, __int128 hi)
{
    cg_idx r = {NULL, clamp(lo), clamp(hi), a.level > b.level ? a.level : b.level};
    if (r.lo < r.hi) {
        r.v = hoisted(e, r.level, op, NULL, hone_cg__v(e, a), hone_cg__v(e, b));
    } else {
        r.level = 0;
    }
    return r;
}

cg_idx hone_cg__add(cg *e, cg_idx a, cg_idx b)
{
    if (is_const(a) && !a.lo) {
        return b;
    }
    if (is_const(b) && !b.lo) {
        return a;
    }
    return op2(e, OP_ADD, a, b, (__int128)a.lo + b.lo, (__int128)a.hi + b.hi);
}

cg_idx hone_cg__sub(cg *e, cg_idx a, cg_idx b)
{
    if (is_const(b)) {
        return hone_cg__add(e, a, hone_cg__const(-b.lo));
    }
    return op2(e, OP_SUB, a, b, (__int128)a.lo - b.hi, (__int128)a.hi - b.lo);
}

/* c times the counter of a loop: added up from one iteration to the next. */
static LLVMValueRef step(cg *e, uint32_t level, int64_t c)
{
    const cg_loop *l = e->fn.counts[level];
    for (uint32_t k = 0; k < e->fn.steps.n; k++) {
        const cg_step *s = &e->fn.steps.v[k];
        if (s->level == level && s->by == c) {
            return s->phi;
        }
    }
    LLVMBasicBlockRef here = LLVMGetInsertBlock(e->b), before = l->before;
    LLVMPositionBuilderBefore(e->b, LLVMGetBasicBlockTerminator(before));
    LLVMValueRef times = LLVMConstInt(e->i64, (uint64_t)c, true);
    LLVMValueRef first = LLVMBuildNSWMul(e->b, l->first, times, "");
    LLVMPositionBuilderBefore(e->b, l->i);
    LLVMValueRef phi = LLVMBuildPhi(e->b, e->i64, "");
    LLVMAddIncoming(phi, &first, &before, 1);
    LLVMPositionBuilderAtEnd(e->b, here);
    hone_vec_push(&e->fn.steps, (cg_step){phi, c, level});
    return phi;
}

cg_idx hone_cg__mul(cg *e, cg_idx a, int64_t c)
{
    if (c == 1 || !c) {
        return c ? a : hone_cg__const(0);
    }
    __int128 x = (__int128)a.lo * c, y = (__int128)a.hi * c;
    /* Twice is for nothing: processors multiply by the size of an element and by that, too. */
    if (c != 2 && a.level <= e->fn.level && e->fn.counts[a.level] &&
        e->fn.counts[a.level]->i == a.v) {
        return (cg_idx){step(e, a.level, c), clamp(x < y ? x : y), clamp(x < y ? y : x), a.level};
    }
    return op2(e, OP_MUL, a, hone_cg__const(c), x < y ? x : y, x < y ? y : x);
}

/* Processors of 32 bits divide 64 by a function that is not there. */
static int division(const cg *e, int op, cg_idx a, int64_t c)
{
    bool small = e->g->is_narrow && a.hi <= UINT32_MAX && c <= UINT32_MAX;
    return !small ? op : op == OP_UDIV ? OP_UDIV32 : OP_UREM32;
}

cg_idx hone_cg__floordiv(cg *e, cg_idx a, int64_t c)
{
    HONE_ASSERT(c > 0);
    int64_t lo = hone_floor_div(a.lo, c), hi = hone_floor_div(a.hi, c);
    if (c == 1) {
        return a;
    }
    cg_idx k = hone_cg__const(c);
    if (!(c & (c - 1))) {
        return op2(e, OP_ASHR, a, hone_cg__const(__builtin_ctzll((uint64_t)c)), lo, hi);
    }
    if (a.lo >= 0) {
        return op2(e, division(e, OP_UDIV, a, c), a, k, lo, hi);
    }
    /* Moved up by a multiple of c the dividend is not negative, and rounding down is truncation. */
    int64_t up = -lo;
    if (up < FAR / c) {
        cg_idx moved = hone_cg__add(e, a, hone_cg__const(up * c));
        cg_idx q = hone_cg__floordiv(e, moved, c);
        return hone_cg__add(e, q, hone_cg__const(-up));
    }
    cg_idx bias = op2(e, OP_ASHR, a, hone_cg__const(63), -1, 0); /* -1 where negative */
    cg_idx t = op2(e, OP_SUB, a, bias, (__int128)a.lo, (__int128)a.hi + 1);
    cg_idx q = op2(e, OP_SDIV, t, k, (__int128)lo - 1, (__int128)hi + 1);
    cg_idx r = hone_cg__add(e, q, bias);
    r.lo = lo;
    r.hi = hi;
    return r;
}

cg_idx hone_cg__floormod(cg *e, cg_idx a, int64_t c)
{
    HONE_ASSERT(c > 0);
    if (hone_floor_div(a.lo, c) == hone_floor_div(a.hi, c)) {
        return hone_cg__sub(e, a, hone_cg__const(hone_floor_div(a.lo, c) * c));
    }
    if (!(c & (c - 1))) {
        return op2(e, OP_AND, a, hone_cg__const(c - 1), 0, c - 1);
    }
    if (a.lo >= 0) {
        return op2(e, division(e, OP_UREM, a, c), a, hone_cg__const(c), 0, c - 1);
    }
    cg_idx q = hone_cg__mul(e, hone_cg__floordiv(e, a, c), c);
    return op2(e, OP_SUB, a, q, 0, c - 1);
}

cg_idx hone_cg__min(cg *e, cg_idx a, cg_idx b)
{
    if (a.hi <= b.lo) {
        return a;
    }
    if (b.hi <= a.lo) {
        return b;
    }
    return op2(e, OP_MIN, a, b, a.lo < b.lo ? a.lo : b.lo, a.hi < b.hi ? a.hi : b.hi);
}

cg_idx hone_cg__max(cg *e, cg_idx a, cg_idx b)
{
    if (a.lo >= b.hi) {
        return a;
    }
    if (b.lo >= a.hi) {
        return b;
    }
    return op2(e, OP_MAX, a, b, a.lo > b.lo ? a.lo : b.lo, a.hi > b.hi ? a.hi : b.hi);
}

/* ---- expressions ---------------------------------------------------------------------------- */

/* An atom: what is no sum. */
static cg_idx atom(cg *e, hone_expr x)
{
    hone_op op = hone_expr_op(&e->q, x);
    int64_t c;
    bool numbers = !hone_has_load(&e->q, x); /* what memory holds may be any */
    for (unsigned k = 0; numbers && k < hone_expr_at(&e->q, x)->n_args; k++) {
        hone_expr arg = hone_expr_arg(&e->q, x, k);
        numbers = hone_expr_dtype(&e->q, arg) != HONE_I64 || hone_cg__fits(e, arg);
    }
    if (!numbers) {
        op = HONE_OP_NONE; /* with wrapping arithmetic, below */
    }
    if (op == HONE_OP_FLOORDIV || op == HONE_OP_FLOORMOD) {
        if (hone_is_int(&e->q, hone_expr_arg(&e->q, x, 1), &c) && c > 0) {
            cg_idx a = hone_cg__index(e, hone_expr_arg(&e->q, x, 0));
            return op == HONE_OP_FLOORDIV ? hone_cg__floordiv(e, a, c) : hone_cg__floormod(e, a, c);
        }
    }
    if (op == HONE_OP_MIN || op == HONE_OP_MAX) {
        cg_idx a = hone_cg__index(e, hone_expr_arg(&e->q, x, 0));
        cg_idx b = hone_cg__index(e, hone_expr_arg(&e->q, x, 1));
        return op == HONE_OP_MIN ? hone_cg__min(e, a, b) : hone_cg__max(e, a, b);
    }
    if (op == HONE_OP_MUL) {
        cg_idx a = hone_cg__index(e, hone_expr_arg(&e->q, x, 0));
        cg_idx b = hone_cg__index(e, hone_expr_arg(&e->q, x, 1));
        if (is_const(a) || is_const(b)) {
            return is_const(a) ? hone_cg__mul(e, b, a.lo) : hone_cg__mul(e, a, b.lo);
        }
        __int128 p[4] = {(__int128)a.lo * b.lo, (__int128)a.lo * b.hi, (__int128)a.hi * b.lo,
                         (__int128)a.hi * b.hi};
        __int128 lo = p[0], hi = p[0];
        for (int k = 1; k < 4; k++) {
            lo = p[k] < lo ? p[k] : lo;
            hi = p[k] > hi ? p[k] : hi;
        }
        return op2(e, OP_MUL, a, b, lo, hi);
    }
    /* Anything else is computed where it stands, and not kept. */
    cg_idx r = {NULL, -FAR, FAR, e->fn.level};
    hone_cg__range(e, x, &r.lo, &r.hi);
    if (r.lo != r.hi) {
        r.v = hone_cg__value(e, x).v;
        r.level = CG_HERE;
    }
    return r;
}

cg_idx hone_cg__index(cg *e, hone_expr x)
{
    cg_idx r;
    if (hone_cg__find_idx(e, x, &r)) {
        return r;
    }
    cg_sum s;
    cg_lin l = hone_cg__lin(e, x);
    hone_cg__enter_expr(e);
    hone_cg__sum(e, l, CG_ALL_TERMS, l.c, &s);
    HONE_ASSERT(!s.lane && !s.lane_other);
    r = hone_cg__sum_value(e, &s);
    hone_cg__keep_idx(e, x, r);
    hone_cg__leave_expr(e);
    return r;
}

void hone_cg__sum(cg *e, cg_lin l, uint32_t which, int64_t c, cg_sum *ret)
{
    memset(ret, 0, offsetof(cg_sum, t));
    ret->c = c;
    for (uint32_t k = 0; k < l.n; k++) {
        cg_term t = e->terms.v[l.first + k];
        cg_idx v;
        if (!(which >> k & 1)) {
            continue;
        }
        if (t.var.i && e->lane_var.i == t.var.i) {
            ret->lane += t.coeff;
            continue;
        }
        if (t.var.i) {
            HONE_ASSERT(e->bound[t.var.i]);
            v = e->env[t.var.i];
        } else if (hone_cg__by_lane(e, t.atom)) {
            ret->lane_other = true;
            continue;
        } else {
            v = atom(e, t.atom);
        }
        if (is_const(v)) {
            ret->c += v.lo * t.coeff;
            continue;
        }
        v = hone_cg__mul(e, v, t.coeff);
        unsigned at = ret->n++;
        while (at && ret->t[at - 1].level > v.level) {
            ret->t[at] = ret->t[at - 1];
            at--;
        }
        ret->t[at] = v;
    }
    int64_t first;
    if (ret->lane_other && hone_cg__lane_steps(e, l, which, &first, &ret->lane)) {
        ret->lane_other = false;
        ret->c += first;
    }
}

cg_idx hone_cg__sum_value(cg *e, const cg_sum *s)
{
    cg_idx r = hone_cg__const(0);
    for (unsigned k = 0; k < s->n; k++) {
        r = hone_cg__add(e, r, s->t[k]);
    }
    return hone_cg__add(e, r, hone_cg__const(s->c));
}

LLVMValueRef hone_cg__address(cg *e, LLVMValueRef base, LLVMTypeRef elem, const cg_sum *s)
{
    LLVMValueRef p = base;
    bool after = s->c > 0; /* the start of the buffer, whatever the rest of the sum */
    for (unsigned k = 0; k < s->n; k++) {
        after = after && s->t[k].lo >= 0;
    }
    for (unsigned k = 0; k < s->n;) {
        cg_idx part = s->t[k++];
        while (k < s->n && s->t[k].level == part.level) {
            part = hone_cg__add(e, part, s->t[k++]);
        }
        p = hoisted(e, part.level, OP_GEP, elem, p, hone_cg__v(e, part));
    }
    if (s->c) {
        LLVMValueRef off = LLVMConstInt(e->i64, (uint64_t)s->c, true);
        p = after && e->g->unsigned_offsets ? LLVMBuildInBoundsGEP2(e->b, elem, p, &off, 1, "")
                                            : LLVMBuildGEP2(e->b, elem, p, &off, 1, "");
    }
    return p;
}

/* ---- environment ---------------------------------------------------------------------------- */

void hone_cg__bind(cg *e, hone_var v, cg_idx i)
{
    HONE_ASSERT(!e->bound[v.i]);
    e->bound[v.i] = true;
    e->env[v.i] = i;
    hone_vec_push(&e->ranges, (hone_range){v, i.lo, i.hi});
}

void hone_cg__unbind(cg *e, hone_var v)
{
    HONE_ASSERT(e->bound[v.i] && e->ranges.v[e->ranges.n - 1].var.i == v.i);
    e->bound[v.i] = false;
    e->ranges.n--;
}

void hone_cg__scope_open(cg *e, LLVMValueRef anchor)
{
    HONE_ASSERT(e->fn.level + 1 < CG_MAX_SCOPES); /* layout/prepare.c checks the depth */
    e->fn.anchor[++e->fn.level] = anchor;
    e->fn.counts[e->fn.level] = NULL;
}

void hone_cg__scope_close(cg *e)
{
    LLVMBasicBlockRef last = LLVMGetInsertBlock(e->b);
    for (; e->fn.steps.n; e->fn.steps.n--) {
        cg_step s = e->fn.steps.v[e->fn.steps.n - 1];
        if (s.level < e->fn.level) {
            break;
        }
        LLVMValueRef by = LLVMConstInt(e->i64, (uint64_t)s.by, true);
        LLVMValueRef next = LLVMBuildNSWAdd(e->b, s.phi, by, "");
        LLVMAddIncoming(s.phi, &next, &last, 1);
    }
    uint32_t kept = 0;
    for (uint32_t i = 0; i < e->fn.memo.n; i++) {
        if (e->fn.memo.v[i].level < e->fn.level) {
            e->fn.memo.v[kept++] = e->fn.memo.v[i];
        }
    }
    e->fn.memo.n = kept;
    e->fn.level--;
}
