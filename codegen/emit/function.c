/* Functions of the object.
 *
 *   hone_kernel(args, rt)      loads the pointers, calls
 *   kernel_body(pointers, rt)  which does the work: as parameters they can be said not to alias
 *   hone_pack(from, to, rt)    calls packN_body(from, to, rt) for each packed argument N
 * With a size that comes with the call (hone_codegen_options) kernel_body's last parameter is it.
 * or, with a name, NAME(pointers...) and NAME_pack_ARG(from, to) in the place of the first and the
 * last. taskN and taskN_body are the bodies of parallel loops (task.c). */
#include "codegen/internal.h"
#include "runtime/hone_rt.h"

_Static_assert(offsetof(hone_rt_api, scratch) == 16, "generated code calls scratch at offset 16");

LLVMTypeRef hone_cg__fn_type(cg *e, LLVMTypeRef *params, unsigned n)
{
    return LLVMFunctionType(e->i32, params, n, false);
}

static void add_text_attr(cg *e, LLVMValueRef fn, const char *key, const char *value)
{
    LLVMAttributeRef a = LLVMCreateStringAttribute(e->ctx, key, (unsigned)strlen(key), value,
                                                   (unsigned)strlen(value));
    LLVMAddAttributeAtIndex(fn, LLVMAttributeFunctionIndex, a);
}

static void add_valued_attr(cg *e, LLVMValueRef fn, LLVMAttributeIndex at, const char *name,
                            uint64_t value)
{
    unsigned kind = LLVMGetEnumAttributeKindForName(name, strlen(name));
    LLVMAddAttributeAtIndex(fn, at, LLVMCreateEnumAttribute(e->ctx, kind, value));
}

static void add_attr(cg *e, LLVMValueRef fn, LLVMAttributeIndex at, const char *name)
{
    add_valued_attr(e, fn, at, name, 0);
}

/* Vectors of fixed length become scalable ones where these are promised to be long enough: lower
 * bound and upper bound, the latter 0 for none, in multiples of 16 bytes. With the lower one alone
 * code runs on longer vectors too. */
static void add_vector_length(cg *e, LLVMValueRef fn)
{
    uint64_t least = (uint64_t)e->g->target.vector_bytes / 16;
    if (e->g->is_scalable && least > 1) {
        add_valued_attr(e, fn, LLVMAttributeFunctionIndex, "vscale_range", least << 32);
    }
}

void hone_cg__target_attrs(cg *e, LLVMValueRef fn)
{
    add_text_attr(e, fn, "target-cpu", e->g->target.cpu);
    add_text_attr(e, fn, "target-features", e->g->target.features);
    add_text_attr(e, fn, "frame-pointer", "none");
    add_text_attr(e, fn, "no-builtins", ""); /* no memset or memcpy may be made of loops */
    const hone_target *t = &e->g->target;
    const hone_preset *p = hone_preset_of(t);
    for (const hone_preset_attribute *a = p->attributes; a && a->name; a++) {
        if (t->vector_bytes >= a->vector_bytes && hone_target_has(t, a->feature)) {
            add_text_attr(e, fn, a->name, a->value);
        }
    }
    add_vector_length(e, fn);
    add_attr(e, fn, LLVMAttributeFunctionIndex, "nounwind");
}

static LLVMValueRef new_function(cg *e, const char *name, LLVMTypeRef type, bool exported)
{
    LLVMValueRef other = LLVMGetNamedFunction(e->mod, name);
    if (other && exported) /* one of ours that happens to have the user's name */
        LLVMSetValueName2(other, "", 0);
    LLVMValueRef fn = LLVMAddFunction(e->mod, name, type);
    LLVMSetLinkage(fn, exported ? LLVMExternalLinkage : LLVMInternalLinkage);
    hone_cg__target_attrs(e, fn);
    if (!exported) {
        add_attr(e, fn, LLVMAttributeFunctionIndex, "noinline");
    }
    return fn;
}

LLVMValueRef hone_cg__fn_new(cg *e, const char *name, LLVMTypeRef *params, unsigned n,
                             bool exported)
{
    LLVMValueRef fn = new_function(e, name, hone_cg__fn_type(e, params, n), exported);
    bool apart = !exported && !e->o->in_place;
    for (unsigned k = 0; apart && k < n; k++) {
        if (params[k] == e->ptr) {
            add_attr(e, fn, k + 1, "noalias");
        }
    }
    return fn;
}

LLVMValueRef hone_cg__alloca(cg *e, LLVMTypeRef elem, int64_t n)
{
    LLVMBasicBlockRef here = LLVMGetInsertBlock(e->b);
    LLVMPositionBuilderBefore(e->b, LLVMGetFirstInstruction(e->fn.entry));
    LLVMTypeRef type = LLVMArrayType2(elem, (uint64_t)n);
    LLVMValueRef p = LLVMBuildAlloca(e->b, type, "");
    LLVMSetAlignment(p, 64);
    LLVMPositionBuilderAtEnd(e->b, here);
    return p;
}

void hone_cg__check(cg *e, LLVMValueRef rc)
{
    LLVMBasicBlockRef bad = hone_cg__block(e, "failed"), on = hone_cg__block(e, "on");
    LLVMValueRef zero = LLVMConstInt(e->i32, 0, false);
    LLVMBuildCondBr(e->b, LLVMBuildICmp(e->b, LLVMIntEQ, rc, zero, ""), on, bad);
    LLVMPositionBuilderAtEnd(e->b, bad);
    LLVMBuildRet(e->b, rc);
    LLVMPositionBuilderAtEnd(e->b, on);
}

/* rt->scratch(rt, slot, bytes), or the function ends with HONE_RT_NOMEM. */
static LLVMValueRef scratch(cg *e, int slot, int64_t bytes)
{
    LLVMValueRef at = LLVMConstInt(e->i64, offsetof(hone_rt_api, scratch), false);
    LLVMValueRef member = LLVMBuildGEP2(e->b, e->i8, e->fn.rt, &at, 1, "");
    LLVMValueRef call = LLVMBuildLoad2(e->b, e->ptr, member, "");
    LLVMTypeRef params[] = {e->ptr, e->i32, e->i64};
    LLVMTypeRef type = LLVMFunctionType(e->ptr, params, 3, false);
    LLVMValueRef args[] = {e->fn.rt, LLVMConstInt(e->i32, (uint64_t)slot, false),
                           LLVMConstInt(e->i64, (uint64_t)bytes, false)};
    LLVMValueRef p = LLVMBuildCall2(e->b, type, call, args, 3, "");
    LLVMValueRef none = LLVMBuildICmp(e->b, LLVMIntEQ, p, LLVMConstNull(e->ptr), "");
    LLVMValueRef rc = LLVMBuildSelect(e->b, none, LLVMConstInt(e->i32, (uint64_t)HONE_RT_NOMEM, 1),
                                      LLVMConstInt(e->i32, 0, false), "");
    hone_cg__check(e, rc);
    return p;
}

void hone_cg__fn_open(cg *e, LLVMValueRef fn, hone_stmt owner, LLVMValueRef rt, int slot)
{
    e->fn = (cg_fn){.fn = fn, .rt = rt, .owner = owner};
    e->fn.ptr = hone_xcalloc(e->q.buffers.n, sizeof(LLVMValueRef));
    e->fn.entry = hone_cg__block(e, "entry");
    LLVMBasicBlockRef start = hone_cg__block(e, "start");
    LLVMPositionBuilderAtEnd(e->b, e->fn.entry);
    LLVMBuildBr(e->b, start);
    LLVMPositionBuilderAtEnd(e->b, start);
    int64_t bytes = hone_cg__scratch_bytes(e, owner);
    LLVMValueRef block = bytes ? scratch(e, slot, bytes) : NULL;
    for (uint32_t b = 1; b < e->places.n; b++) {
        const cg_place *pl = &e->places.v[b];
        if (!hone_cg__lives_in(e, pl, owner)) {
            continue;
        }
        LLVMTypeRef type = hone_cg__mem_type(e, (hone_dtype)e->q.buffers.v[b].dtype);
        if (pl->where == CG_STACK) {
            e->fn.ptr[b] = hone_cg__alloca(e, type, pl->elems);
        } else if (pl->where == CG_SCRATCH) {
            LLVMValueRef at = LLVMConstInt(e->i64, (uint64_t)pl->offset, false);
            e->fn.ptr[b] = LLVMBuildGEP2(e->b, e->i8, block, &at, 1, "");
        }
    }
    LLVMBasicBlockRef body = hone_cg__block(e, "main");
    e->fn.anchor[0] = LLVMBuildBr(e->b, body);
    LLVMPositionBuilderAtEnd(e->b, body);
}

void hone_cg__fn_close(cg *e)
{
    hone_cg__end_streams(e);
    LLVMBuildRet(e->b, LLVMConstInt(e->i32, 0, false));
    free(e->fn.ptr);
    hone_vec_free(&e->fn.memo);
    hone_vec_free(&e->fn.steps);
    hone_vec_free(&e->fn.asked);
}

/* ---- kernel --------------------------------------------------------------------------------- */

/* The top-level statements of e->pack, or of the kernel. */
static void own_statements(cg *e)
{
    hone_stmt s = hone_stmt_at(&e->q, e->q.root)->first;
    for (; s.i; s = hone_stmt_at(&e->q, s)->next) {
        if (hone_ahead_of(&e->ahead, s) == e->pack) {
            hone_cg__stmt(e, s);
        }
    }
}

static LLVMValueRef kernel_body(cg *e)
{
    LLVMTypeRef params[HONE_MAX_ARGS + 2];
    for (unsigned k = 0; k <= e->n_args; k++) {
        params[k] = e->ptr;
    }
    params[e->n_args + 1] = e->i64;
    LLVMValueRef fn =
        hone_cg__fn_new(e, "kernel_body", params, e->n_args + 1 + (e->size.i != 0), false);
    hone_cg__fn_open(e, fn, HONE_NO_STMT, LLVMGetParam(fn, e->n_args), 0);
    for (unsigned k = 0; k < e->n_args; k++) {
        e->fn.ptr[e->packed[k].i ? e->packed[k].i : k + 1] = LLVMGetParam(fn, k);
    }
    if (e->size.i) {
        const hone_codegen_size *size = e->o->size;
        LLVMValueRef v = size->least < size->most ? LLVMGetParam(fn, e->n_args + 1) : NULL;
        hone_cg__bind(e, e->size, (cg_idx){v, size->least, size->most, 0});
    }
    own_statements(e);
    if (e->size.i) {
        hone_cg__unbind(e, e->size);
    }
    hone_cg__fn_close(e);
    return fn;
}

/* ptr[k] of an array of pointers. */
static LLVMValueRef pointer_at(cg *e, LLVMValueRef array, unsigned k)
{
    LLVMValueRef at = LLVMConstInt(e->i64, k, false);
    LLVMValueRef p = LLVMBuildGEP2(e->b, e->ptr, array, &at, 1, "");
    return LLVMBuildLoad2(e->b, e->ptr, p, "");
}

static LLVMValueRef call(cg *e, LLVMValueRef fn, LLVMValueRef *args, unsigned n)
{
    return LLVMBuildCall2(e->b, LLVMGlobalGetValueType(fn), fn, args, n, "");
}

static void open_plain(cg *e, LLVMValueRef fn)
{
    LLVMPositionBuilderAtEnd(e->b, LLVMAppendBasicBlockInContext(e->ctx, fn, "entry"));
}

static LLVMValueRef default_rt(cg *e)
{
    LLVMTypeRef type = LLVMFunctionType(e->ptr, &e->i32, 1, false);
    LLVMValueRef fn = LLVMGetNamedFunction(e->mod, "hone_rt_default");
    fn = fn ? fn : LLVMAddFunction(e->mod, "hone_rt_default", type);
    int32_t threads = e->o->threads > 0 ? e->o->threads : 1;
    LLVMValueRef n = LLVMConstInt(e->i32, (uint64_t)threads, false);
    return call(e, fn, &n, 1);
}

static void kernel_entry(cg *e, LLVMValueRef body)
{
    LLVMTypeRef params[HONE_MAX_ARGS + 1] = {e->ptr, e->ptr};
    LLVMValueRef args[HONE_MAX_ARGS + 2];
    unsigned sized = e->size.i != 0; /* it goes first in C, and last inside */
    if (!e->o->name) {
        LLVMValueRef fn = hone_cg__fn_new(e, "hone_kernel", params, 2, true);
        open_plain(e, fn);
        for (unsigned k = 0; k < e->n_args; k++) {
            args[k] = pointer_at(e, LLVMGetParam(fn, 0), k);
        }
        args[e->n_args] = LLVMGetParam(fn, 1);
        if (sized) {
            LLVMValueRef at = pointer_at(e, LLVMGetParam(fn, 0), e->n_args);
            args[e->n_args + 1] = LLVMBuildLoad2(e->b, e->i64, at, "");
        }
    } else {
        params[0] = e->i64;
        for (unsigned k = 0; k < e->n_args; k++) {
            params[k + sized] = e->ptr;
        }
        LLVMValueRef fn = hone_cg__fn_new(e, e->o->name, params, e->n_args + sized, true);
        open_plain(e, fn);
        for (unsigned k = 0; k < e->n_args; k++) {
            args[k] = LLVMGetParam(fn, k + sized);
        }
        args[e->n_args] = default_rt(e);
        args[e->n_args + 1] = LLVMGetParam(fn, 0);
    }
    LLVMBuildRet(e->b, call(e, body, args, e->n_args + 1 + sized));
}

/* ---- pack ----------------------------------------------------------------------------------- */

static LLVMValueRef pack_body(cg *e, unsigned arg)
{
    char name[32];
    snprintf(name, sizeof name, "pack%u_body", arg);
    LLVMTypeRef params[] = {e->ptr, e->ptr, e->ptr};
    LLVMValueRef fn = hone_cg__fn_new(e, name, params, 3, false);
    e->pack = arg + 1;
    hone_cg__fn_open(e, fn, HONE_NO_STMT, LLVMGetParam(fn, 2), 0);
    e->fn.ptr[arg + 1] = LLVMGetParam(fn, 0);
    e->fn.ptr[e->packed[arg].i] = LLVMGetParam(fn, 1);
    own_statements(e);
    hone_cg__fn_close(e);
    e->pack = 0;
    return fn;
}

/* NAME_pack_ARG(from, to) and NAME_pack_ARG_bytes(). */
static void named_pack(cg *e, unsigned arg, const char *stem, LLVMValueRef body)
{
    const cg_place *pl = &e->places.v[e->packed[arg].i];
    int width = hone_dtype_bytes((hone_dtype)e->q.buffers.v[e->packed[arg].i].dtype);
    char *name = hone_xasprintf("%s_pack_%s", e->o->name, stem);
    LLVMTypeRef params[] = {e->ptr, e->ptr};
    LLVMValueRef fn = hone_cg__fn_new(e, name, params, 2, true);
    open_plain(e, fn);
    LLVMValueRef args[] = {LLVMGetParam(fn, 0), LLVMGetParam(fn, 1), default_rt(e)};
    LLVMBuildRet(e->b, call(e, body, args, 3));
    free(name);
    name = hone_xasprintf("%s_pack_%s_bytes", e->o->name, stem);
    fn = new_function(e, name, LLVMFunctionType(e->i64, NULL, 0, false), true);
    open_plain(e, fn);
    LLVMBuildRet(e->b, LLVMConstInt(e->i64, (uint64_t)(pl->elems * width), false));
    free(name);
}

static void packs(cg *e)
{
    LLVMValueRef body[HONE_MAX_ARGS] = {NULL};
    char *stems[HONE_MAX_ARGS] = {NULL};
    bool any = false;
    if (e->o->name)
        hone_cg__arg_stems(&e->q, e->n_args, stems);
    for (unsigned k = 0; k < e->n_args; k++) {
        if (e->packed[k].i) {
            body[k] = pack_body(e, k);
            any = true;
            if (e->o->name) {
                named_pack(e, k, stems[k], body[k]);
            }
        }
    }
    for (unsigned k = 0; k < e->n_args; k++)
        free(stems[k]);
    if (!any || e->o->name) {
        return;
    }
    LLVMTypeRef params[] = {e->ptr, e->ptr, e->ptr};
    LLVMValueRef fn = hone_cg__fn_new(e, "hone_pack", params, 3, true);
    e->fn = (cg_fn){.fn = fn};
    open_plain(e, fn);
    for (unsigned k = 0; k < e->n_args; k++) {
        if (body[k]) {
            LLVMValueRef args[] = {pointer_at(e, LLVMGetParam(fn, 0), k),
                                   pointer_at(e, LLVMGetParam(fn, 1), k), LLVMGetParam(fn, 2)};
            hone_cg__check(e, call(e, body[k], args, 3));
        }
    }
    LLVMBuildRet(e->b, LLVMConstInt(e->i32, 0, false));
}

void hone_cg__functions(cg *e)
{
    LLVMValueRef body = kernel_body(e);
    kernel_entry(e, body);
    packs(e);
}
