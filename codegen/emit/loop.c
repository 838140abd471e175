/* Serial and vectorised loops, and the statements in them. */
#include "codegen/internal.h"

#include <llvm-c/DebugInfo.h>

void hone_cg__children(cg *e, hone_stmt s)
{
    for (hone_stmt t = hone_stmt_at(&e->q, s)->first; t.i; t = hone_stmt_at(&e->q, t)->next) {
        hone_cg__stmt(e, t);
    }
}

/* A loop's own identity, distinct from every other loop's, and whether LLVM may make vectors of it.
 * Loops as scheduled are not to be unrolled either. */
static void describe_loop(cg *e, LLVMValueRef latch, bool vectorise)
{
    if (e->o->plain && !vectorise) {
        return;
    }
    const char *names[] = {"llvm.loop.vectorize.enable", "llvm.loop.unroll.disable"};
    unsigned n = vectorise ? 1 : 2;
    LLVMMetadataRef self = LLVMTemporaryMDNode(e->ctx, NULL, 0), parts[3] = {self};
    for (unsigned k = 0; k < n; k++) {
        LLVMMetadataRef pair[2] = {
            LLVMMDStringInContext2(e->ctx, names[k], strlen(names[k])),
            LLVMValueAsMetadata(LLVMConstInt(e->i1, vectorise, false)),
        };
        parts[k + 1] = LLVMMDNodeInContext2(e->ctx, pair, k ? 1 : 2);
    }
    LLVMMetadataRef node = LLVMMDNodeInContext2(e->ctx, parts, n + 1);
    LLVMMetadataReplaceAllUsesWith(self, node);
    LLVMSetMetadata(latch, LLVMGetMDKindIDInContext(e->ctx, "llvm.loop", 9),
                    LLVMMetadataAsValue(e->ctx, node));
}

static void bound_children(cg *e, hone_stmt loop, cg_idx i)
{
    hone_var v = hone_stmt_at(&e->q, loop)->var;
    hone_cg__bind(e, v, i);
    hone_cg__children(e, loop);
    hone_cg__unbind(e, v);
}

static void bound_body(cg *e, hone_stmt loop, cg_idx i)
{
    hone_var v = hone_stmt_at(&e->q, loop)->var;
    hone_cg__bind(e, v, i);
    hone_cg__body(e, loop);
    hone_cg__unbind(e, v);
}

static void run_once(cg *e, hone_stmt loop, cg_idx lo, cg_idx hi)
{
    cg_idx i = lo;
    i.hi = i.hi < hi.hi ? i.hi : hi.hi - 1;
    if (lo.hi < hi.lo) {
        bound_body(e, loop, i);
        return;
    }
    LLVMBasicBlockRef in = hone_cg__block(e, "once"), out = hone_cg__block(e, "past");
    LLVMValueRef c = LLVMBuildICmp(e->b, LLVMIntSLT, hone_cg__v(e, lo), hone_cg__v(e, hi), "");
    LLVMBuildCondBr(e->b, c, in, out);
    LLVMPositionBuilderAtEnd(e->b, in);
    bound_body(e, loop, i);
    LLVMBuildBr(e->b, out);
    LLVMPositionBuilderAtEnd(e->b, out);
}

cg_idx hone_cg__open(cg *e, cg_idx lo, cg_idx hi, cg_loop *ret)
{
    LLVMBasicBlockRef body;
    *ret = (cg_loop){.before = LLVMGetInsertBlock(e->b), .top = hone_cg__block(e, "loop")};
    body = hone_cg__block(e, "body");
    ret->after = hone_cg__block(e, "done");
    ret->first = hone_cg__v(e, lo);
    ret->end = hone_cg__v(e, hi);
    if (lo.hi < hi.lo) {
        LLVMBuildBr(e->b, ret->top);
    } else {
        LLVMValueRef any = LLVMBuildICmp(e->b, LLVMIntSLT, ret->first, ret->end, "");
        LLVMBuildCondBr(e->b, any, ret->top, ret->after);
    }
    LLVMPositionBuilderAtEnd(e->b, ret->top);
    ret->i = LLVMBuildPhi(e->b, e->i64, "");
    hone_cg__scope_open(e, LLVMBuildBr(e->b, body));
    LLVMPositionBuilderAtEnd(e->b, body);
    return (cg_idx){ret->i, lo.lo, hi.hi - 1, e->fn.level};
}

void hone_cg__close(cg *e, const cg_loop *l, int64_t step)
{
    hone_cg__scope_close(e);
    LLVMValueRef by = LLVMConstInt(e->i64, (uint64_t)step, true);
    LLVMValueRef next = LLVMBuildNSWAdd(e->b, l->i, by, "");
    /* When it can be "not equal" it is, because instcombine would ask "less" of i: two registers.
     */
    LLVMIntPredicate less = step == 1 ? LLVMIntNE : LLVMIntSLT;
    LLVMValueRef more = LLVMBuildICmp(e->b, less, next, l->end, "");
    LLVMBasicBlockRef latch = LLVMGetInsertBlock(e->b);
    describe_loop(e, LLVMBuildCondBr(e->b, more, l->top, l->after), l->vectorise);
    LLVMValueRef values[] = {l->first, next};
    LLVMBasicBlockRef blocks[] = {l->before, latch};
    LLVMAddIncoming(l->i, values, blocks, 2);
    LLVMPositionBuilderAtEnd(e->b, l->after);
}

static bool is_innermost(cg *e, hone_stmt loop)
{
    for (hone_stmt s = hone_next(&e->q, loop, loop); s.i; s = hone_next(&e->q, loop, s)) {
        hone_loop_kind kind = (hone_loop_kind)hone_stmt_at(&e->q, s)->loop_kind;
        if (hone_is_loop(&e->q, s) && hone_loop_extent(&e->q, s) > 1 && kind != HONE_UNROLLED &&
            kind != HONE_VECTORIZED) {
            return false;
        }
    }
    return true;
}

void hone_cg__run(cg *e, hone_stmt loop, cg_idx lo, cg_idx hi, bool once)
{
    if (e->status != HONE_OK || hi.hi <= lo.lo) {
        return;
    }
    if (once || hi.hi - lo.lo == 1) {
        run_once(e, loop, lo, hi);
        return;
    }
    cg_loop l;
    cg_idx i = hone_cg__open(e, lo, hi, &l);
    e->fn.counts[e->fn.level] = is_innermost(e, loop) ? &l : NULL; /* registers are few */
    bound_body(e, loop, i);
    hone_cg__close(e, &l, 1);
}

static void vectorised(cg *e, hone_stmt loop, int64_t extent)
{
    e->lane_var = hone_stmt_at(&e->q, loop)->var;
    e->lanes = (unsigned)extent;
    bound_children(e, loop, (cg_idx){NULL, 0, extent - 1, 0});
    e->lane_var = (hone_var){0};
    e->lanes = 0;
}

void hone_cg__stmt(cg *e, hone_stmt s)
{
    if (e->status != HONE_OK) {
        return;
    }
    if (!hone_is_loop(&e->q, s)) {
        cg_leaf *leaf = hone_cg__leaf(e, s);
        const cg_use *use = hone_cg__use(e, s);
        if (leaf) {
            hone_cg__leaf_emit(e, leaf);
        } else if (use) {
            hone_cg__use_emit(e, use);
        } else {
            hone_cg__children(e, s);
        }
        return;
    }
    if (e->o->plain && hone_cg__plain_sum(e, s)) {
        return;
    }
    int64_t extent = hone_loop_extent(&e->q, s);
    if (extent == 1) {
        bound_children(e, s, hone_cg__const(0));
        return;
    }
    switch (hone_stmt_at(&e->q, s)->loop_kind) {
    case HONE_UNROLLED:
        if (hone_cg__transpose(e, s) || hone_cg__lockstep(e, s)) {
            return;
        }
        for (int64_t k = 0; k < extent && e->status == HONE_OK; k++) {
            bound_children(e, s, hone_cg__const(k));
        }
        return;
    case HONE_VECTORIZED:
        vectorised(e, s, extent);
        return;
    case HONE_PARALLEL:
        if (!e->fn.owner.i) {
            hone_cg__task(e, s);
            return;
        }
        break;
    default:
        break;
    }
    hone_cg__parts(e, s, hone_cg__const(0), hone_cg__const(extent));
}
