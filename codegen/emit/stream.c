/* Stores that pass by the caches, of blocks annotated HONE_ANN_STREAM: a line that is written whole
 * need not be read first, and what is read again soon keeps its place.
 *
 * Processors have them for whole vectors at multiples of their size. By how much an element's place
 * in its array is a multiple is known here; of the array's own address the code asks at the start,
 * and stores as usual where it is none. Other processors need not see these stores in the order of
 * the program: a function that has any ends with a fence. */
#include "codegen/internal.h"

static bool is_multiple(cg *e, const cg_leaf *leaf, int64_t of)
{
    cg_lin l = hone_cg__lin(e, leaf->offset);
    int64_t c = l.c;
    for (uint32_t k = 0; k < l.n; k++) {
        cg_term t = e->terms.v[l.first + k];
        if (t.var.i && HONE_SAME(t.var, e->lane_var)) {
            continue;
        }
        bool fixed = t.var.i && e->env[t.var.i].lo == e->env[t.var.i].hi;
        if (fixed) {
            c += t.coeff * e->env[t.var.i].lo;
        } else if (t.coeff % of) {
            return false;
        }
    }
    return c % of == 0;
}

/* Bytes that are stored at once, 0: as usual. */
static unsigned stored_at_once(cg *e, const cg_leaf *leaf)
{
    const hone_ann *a = hone_ann_get(&e->q, leaf->s, HONE_ANN_STREAM);
    hone_buffer_row b = *hone_buffer_at(&e->q, leaf->out);
    unsigned width = hone_cg__elem_bytes((hone_dtype)b.dtype), bytes = e->lanes * width;
    if (!a || a->value != 1 || e->o->plain || !e->lane_var.i || e->mask || b.role != HONE_OUTPUT) {
        return 0;
    }
    unsigned most = (unsigned)e->g->target.vector_bytes;
    bytes = bytes < most ? bytes : most;
    return bytes >= 16 && !(bytes & (bytes - 1)) && e->lanes * width % bytes == 0 &&
                   is_multiple(e, leaf, bytes / width)
               ? bytes
               : 0;
}

/* Is the array's address a multiple of `bytes`? Asked where the function starts. */
static LLVMValueRef starts_at_multiple(cg *e, hone_buffer b, unsigned bytes)
{
    LLVMBasicBlockRef here = LLVMGetInsertBlock(e->b);
    LLVMPositionBuilderBefore(e->b, e->fn.anchor[0]);
    LLVMValueRef at = LLVMBuildPtrToInt(e->b, e->fn.ptr[b.i], e->i64, "");
    LLVMValueRef rest = LLVMBuildAnd(e->b, at, LLVMConstInt(e->i64, bytes - 1, false), "");
    LLVMValueRef yes = LLVMBuildICmp(e->b, LLVMIntEQ, rest, LLVMConstInt(e->i64, 0, false), "");
    LLVMPositionBuilderAtEnd(e->b, here);
    return yes;
}

bool hone_cg__stream(cg *e, const cg_leaf *leaf, LLVMValueRef v, LLVMValueRef p, unsigned align)
{
    unsigned bytes = stored_at_once(e, leaf);
    if (!bytes) {
        return false;
    }
    LLVMBasicBlockRef past = hone_cg__block(e, "past"), cached = hone_cg__block(e, "cached");
    LLVMBasicBlockRef on = hone_cg__block(e, "stored");
    LLVMBuildCondBr(e->b, starts_at_multiple(e, leaf->out, bytes), past, cached);
    LLVMPositionBuilderAtEnd(e->b, past);
    LLVMValueRef store = LLVMBuildStore(e->b, v, p);
    LLVMSetAlignment(store, bytes);
    LLVMValueRef one = LLVMConstInt(e->i32, 1, false);
    LLVMMetadataRef yes = LLVMValueAsMetadata(one);
    LLVMSetMetadata(store, LLVMGetMDKindIDInContext(e->ctx, "nontemporal", 11),
                    LLVMMetadataAsValue(e->ctx, LLVMMDNodeInContext2(e->ctx, &yes, 1)));
    LLVMBuildBr(e->b, on);
    LLVMPositionBuilderAtEnd(e->b, cached);
    LLVMSetAlignment(LLVMBuildStore(e->b, v, p), align);
    LLVMBuildBr(e->b, on);
    LLVMPositionBuilderAtEnd(e->b, on);
    e->fn.streams = true;
    return true;
}

void hone_cg__end_streams(cg *e)
{
    const char *name = hone_preset_of(&e->g->target)->stream_fence;
    if (!e->fn.streams || !name) {
        return;
    }
    LLVMTypeRef type = LLVMFunctionType(e->void_, NULL, 0, false);
    LLVMValueRef fn = LLVMGetNamedFunction(e->mod, name);
    fn = fn ? fn : LLVMAddFunction(e->mod, name, type);
    LLVMBuildCall2(e->b, type, fn, NULL, 0, "");
}
