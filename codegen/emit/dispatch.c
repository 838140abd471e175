/* Functions that choose between variants: NAME and its pack functions as programs see them.
 *
 *   NAME(args...):        functions = NAME_variants.chosen; none: first_call(args...)
 *                         functions[0](args...)
 *   first_call(args...):  functions = the runtime's choice; none: HONE_RT_NOVARIANT
 *                         functions[0](args...)
 *
 * NAME_pack_ARG and NAME_pack_ARG_bytes likewise, with the functions after it. Nothing here is for
 * a certain processor: it runs before it is known what there is. */
#include "codegen/internal.h"
#include "runtime/hone_rt.h"

_Static_assert(sizeof(hone_rt_need) == sizeof(hone_target_need) &&
                   offsetof(hone_rt_need, mask) == offsetof(hone_target_need, mask) &&
                   HONE_RT_EDX == (int)HONE_TARGET_EDX && HONE_RT_XCR0 == (int)HONE_TARGET_XCR0 &&
                   HONE_RT_VECTORS == (int)HONE_TARGET_VECTORS,
               "needs of targets are those of the runtime");
_Static_assert(sizeof(hone_rt_variant_row) == 32 && sizeof(hone_rt_variants) == 24 &&
                   offsetof(hone_rt_variants, chosen) == 16,
               "generated tables have these layouts");

typedef struct dispatch {
    const cg_variants *s;
    LLVMModuleRef m;
    LLVMContextRef ctx;
    LLVMBuilderRef b;
    LLVMTypeRef i32, i64, ptr, table_type;
    LLVMValueRef table;
    LLVMTypeRef kernel, pack, bytes; /* types of functions */
} dispatch;

/* ---- tables ---------------------------------------------------------------------------------- */

static LLVMValueRef constant(dispatch *d, LLVMTypeRef type, LLVMValueRef value)
{
    LLVMValueRef g = LLVMAddGlobal(d->m, type, "");
    LLVMSetInitializer(g, value);
    LLVMSetGlobalConstant(g, true);
    LLVMSetLinkage(g, LLVMPrivateLinkage);
    return g;
}

static LLVMValueRef array(dispatch *d, LLVMTypeRef type, LLVMValueRef *v, unsigned n)
{
    return constant(d, LLVMArrayType2(type, n), LLVMConstArray2(type, v, n));
}

static LLVMValueRef needs(dispatch *d, const cg_variant *v)
{
    LLVMTypeRef members[] = {d->i32, d->i32, d->i32, d->i32};
    LLVMTypeRef type = LLVMStructTypeInContext(d->ctx, members, 4, false);
    LLVMValueRef rows[HONE_TARGET_MAX_NEEDS];
    for (unsigned k = 0; k < v->n_needs; k++) {
        const hone_target_need *x = &v->needs[k];
        LLVMValueRef row[] = {
            LLVMConstInt(d->i32, x->leaf, false), LLVMConstInt(d->i32, x->subleaf, false),
            LLVMConstInt(d->i32, x->reg, false), LLVMConstInt(d->i32, x->mask, false)};
        rows[k] = LLVMConstStructInContext(d->ctx, row, 4, false);
    }
    return array(d, type, rows, v->n_needs);
}

/* ---- what a variant does not have ------------------------------------------------------------ */

static LLVMValueRef function(dispatch *d, const char *name, LLVMTypeRef type, LLVMLinkage linkage)
{
    LLVMValueRef fn = LLVMAddFunction(d->m, name, type);
    const char *const attrs[] = {"nounwind", "no-builtins"};
    unsigned kind = LLVMGetEnumAttributeKindForName(attrs[0], strlen(attrs[0]));
    LLVMAddAttributeAtIndex(fn, LLVMAttributeFunctionIndex,
                            LLVMCreateEnumAttribute(d->ctx, kind, 0));
    LLVMAddAttributeAtIndex(
        fn, LLVMAttributeFunctionIndex,
        LLVMCreateStringAttribute(d->ctx, attrs[1], (unsigned)strlen(attrs[1]), "", 0));
    LLVMSetLinkage(fn, linkage);
    return fn;
}

static LLVMBasicBlockRef block(dispatch *d, LLVMValueRef fn, const char *name)
{
    return LLVMAppendBasicBlockInContext(d->ctx, fn, name);
}

/* The pack function of variants that take the argument as it is: copies it, element by element. */
static LLVMValueRef copy(dispatch *d, unsigned arg)
{
    const hone_buffer_row *row = hone_buffer_at(d->s->any, (hone_buffer){arg + 1});
    unsigned bits = 8 * (unsigned)hone_dtype_bytes((hone_dtype)row->dtype);
    LLVMTypeRef elem = LLVMIntTypeInContext(d->ctx, bits);
    LLVMValueRef fn = function(d, "copy", d->pack, LLVMInternalLinkage);
    LLVMBasicBlockRef entry = block(d, fn, "entry"), top = block(d, fn, "top"),
                      after = block(d, fn, "after");
    LLVMValueRef zero = LLVMConstInt(d->i64, 0, false), one = LLVMConstInt(d->i64, 1, false);
    LLVMPositionBuilderAtEnd(d->b, entry);
    LLVMBuildBr(d->b, top);
    LLVMPositionBuilderAtEnd(d->b, top);
    LLVMValueRef i = LLVMBuildPhi(d->b, d->i64, "i");
    LLVMValueRef from = LLVMBuildGEP2(d->b, elem, LLVMGetParam(fn, 0), &i, 1, "");
    LLVMValueRef to = LLVMBuildGEP2(d->b, elem, LLVMGetParam(fn, 1), &i, 1, "");
    LLVMBuildStore(d->b, LLVMBuildLoad2(d->b, elem, from, ""), to);
    LLVMValueRef next = LLVMBuildAdd(d->b, i, one, "");
    int64_t n = hone_buffer_count(d->s->any, (hone_buffer){arg + 1});
    LLVMValueRef end = LLVMConstInt(d->i64, (uint64_t)n, false);
    LLVMBuildCondBr(d->b, LLVMBuildICmp(d->b, LLVMIntULT, next, end, ""), top, after);
    LLVMAddIncoming(i, &zero, &entry, 1);
    LLVMAddIncoming(i, &next, &top, 1);
    LLVMPositionBuilderAtEnd(d->b, after);
    LLVMBuildRet(d->b, LLVMConstInt(d->i32, 0, false));
    return fn;
}

static LLVMValueRef copy_bytes(dispatch *d, unsigned arg)
{
    hone_buffer b = {arg + 1};
    int64_t bytes = hone_buffer_count(d->s->any, b) *
                    hone_dtype_bytes((hone_dtype)hone_buffer_at(d->s->any, b)->dtype);
    LLVMValueRef fn = function(d, "copy_bytes", d->bytes, LLVMInternalLinkage);
    LLVMPositionBuilderAtEnd(d->b, block(d, fn, "entry"));
    LLVMBuildRet(d->b, LLVMConstInt(d->i64, (uint64_t)bytes, false));
    return fn;
}

/* ---- the functions of a variant, and those that choose between them -------------------------- */

static LLVMValueRef declared(dispatch *d, unsigned k, const char *tail, LLVMTypeRef type)
{
    char *name = hone_cg__variant_symbol(d->s, k, tail);
    LLVMValueRef fn = function(d, name, type, LLVMExternalLinkage);
    free(name);
    return fn;
}

/* In the order of `choosers`. `copies`: two for each argument, made when first needed. */
static LLVMValueRef functions(dispatch *d, unsigned k, LLVMValueRef *copies)
{
    LLVMValueRef v[1 + 2 * HONE_MAX_ARGS];
    unsigned n = 0;
    v[n++] = declared(d, k, "", d->kernel);
    for (unsigned a = 0; a < d->s->n_args; a++) {
        if (!d->s->packed[a])
            continue;
        if (d->s->v[k].code.pack_bytes[a]) {
            char *pack = hone_xasprintf("_pack_%s", d->s->stems[a]);
            char *bytes = hone_xasprintf("%s_bytes", pack);
            v[n++] = declared(d, k, pack, d->pack);
            v[n++] = declared(d, k, bytes, d->bytes);
            free(pack);
            free(bytes);
            continue;
        }
        if (!copies[2 * a]) {
            copies[2 * a] = copy(d, a);
            copies[2 * a + 1] = copy_bytes(d, a);
        }
        v[n++] = copies[2 * a];
        v[n++] = copies[2 * a + 1];
    }
    return array(d, d->ptr, v, n);
}

/* Ends the function with a call of another that has its arguments. */
static void go_to(dispatch *d, LLVMValueRef fn, LLVMTypeRef type, LLVMValueRef to)
{
    LLVMValueRef args[HONE_MAX_ARGS];
    for (unsigned k = 0; k < LLVMCountParams(fn); k++)
        args[k] = LLVMGetParam(fn, k);
    LLVMValueRef call = LLVMBuildCall2(d->b, type, to, args, LLVMCountParams(fn), "");
    LLVMSetTailCall(call, true);
    LLVMBuildRet(d->b, call);
}

static void go_to_slot(dispatch *d, LLVMValueRef fn, LLVMTypeRef type, LLVMValueRef functions,
                       unsigned slot)
{
    LLVMValueRef at = LLVMConstInt(d->i64, slot, false);
    LLVMValueRef member = LLVMBuildGEP2(d->b, d->ptr, functions, &at, 1, "");
    go_to(d, fn, type, LLVMBuildLoad2(d->b, d->ptr, member, ""));
}

/* What a function does as long as nothing is chosen. */
static LLVMValueRef first_call(dispatch *d, LLVMTypeRef type, unsigned slot)
{
    LLVMValueRef fn = function(d, "first_call", type, LLVMInternalLinkage);
    LLVMBasicBlockRef entry = block(d, fn, "entry"), on = block(d, fn, "on"),
                      none = block(d, fn, "none");
    LLVMPositionBuilderAtEnd(d->b, entry);
    LLVMTypeRef choose_type = LLVMFunctionType(d->ptr, &d->ptr, 1, false);
    LLVMValueRef choose = LLVMGetNamedFunction(d->m, "hone_rt_variants_choose");
    choose = choose ? choose : LLVMAddFunction(d->m, "hone_rt_variants_choose", choose_type);
    LLVMValueRef got = LLVMBuildCall2(d->b, choose_type, choose, &d->table, 1, "");
    LLVMBuildCondBr(d->b, LLVMBuildIsNotNull(d->b, got, ""), on, none);
    LLVMPositionBuilderAtEnd(d->b, none);
    LLVMBuildRet(d->b,
                 LLVMConstInt(LLVMGetReturnType(type), (uint64_t)(int64_t)HONE_RT_NOVARIANT, true));
    LLVMPositionBuilderAtEnd(d->b, on);
    go_to_slot(d, fn, type, got, slot);
    return fn;
}

static void chooser(dispatch *d, const char *tail, LLVMTypeRef type, unsigned slot)
{
    char *name = hone_xasprintf("%s%s", d->s->name, tail);
    LLVMValueRef fn = function(d, name, type, LLVMExternalLinkage);
    free(name);
    LLVMBasicBlockRef entry = block(d, fn, "entry"), on = block(d, fn, "on"),
                      first = block(d, fn, "first");
    LLVMPositionBuilderAtEnd(d->b, entry);
    LLVMValueRef at = LLVMBuildStructGEP2(d->b, d->table_type, d->table, 3, "");
    LLVMValueRef chosen = LLVMBuildLoad2(d->b, d->ptr, at, "");
    LLVMSetOrdering(chosen, LLVMAtomicOrderingAcquire);
    LLVMSetAlignment(chosen, sizeof(void *));
    LLVMBuildCondBr(d->b, LLVMBuildIsNotNull(d->b, chosen, ""), on, first);
    LLVMPositionBuilderAtEnd(d->b, on);
    go_to_slot(d, fn, type, chosen, slot);
    LLVMValueRef slow = first_call(d, type, slot);
    LLVMPositionBuilderAtEnd(d->b, first);
    go_to(d, fn, type, slow);
}

static void choosers(dispatch *d)
{
    unsigned slot = 0;
    chooser(d, "", d->kernel, slot++);
    for (unsigned a = 0; a < d->s->n_args; a++) {
        if (!d->s->packed[a])
            continue;
        char *pack = hone_xasprintf("_pack_%s", d->s->stems[a]);
        char *bytes = hone_xasprintf("%s_bytes", pack);
        chooser(d, pack, d->pack, slot++);
        chooser(d, bytes, d->bytes, slot++);
        free(pack);
        free(bytes);
    }
}

static void add_table(dispatch *d)
{
    LLVMTypeRef members[] = {d->i32, d->i32, d->ptr, d->ptr};
    char *name = hone_xasprintf("%s_variants", d->s->name);
    d->table_type = LLVMStructTypeInContext(d->ctx, members, 4, false);
    d->table = LLVMAddGlobal(d->m, d->table_type, name);
    LLVMSetAlignment(d->table, sizeof(void *));
    free(name);
}

static void fill_table(dispatch *d)
{
    LLVMTypeRef members[] = {d->ptr, d->ptr, d->i64, d->ptr};
    LLVMTypeRef row_type = LLVMStructTypeInContext(d->ctx, members, 4, false);
    LLVMValueRef rows[HONE_CODEGEN_MAX_VARIANTS], copies[2 * HONE_MAX_ARGS] = {NULL};
    for (unsigned k = 0; k < d->s->n; k++) {
        const cg_variant *v = &d->s->v[k];
        LLVMValueRef text =
            LLVMConstStringInContext2(d->ctx, v->name, strlen(v->name), false /* with a NUL */);
        LLVMValueRef row[] = {constant(d, LLVMTypeOf(text), text), needs(d, v),
                              LLVMConstInt(d->i64, v->n_needs, false), functions(d, k, copies)};
        rows[k] = LLVMConstStructInContext(d->ctx, row, 4, false);
    }
    LLVMValueRef table[] = {LLVMConstInt(d->i32, HONE_RT_ABI, false),
                            LLVMConstInt(d->i32, d->s->n, false), array(d, row_type, rows, d->s->n),
                            LLVMConstNull(d->ptr)};
    LLVMSetInitializer(d->table, LLVMConstStructInContext(d->ctx, table, 4, false));
}

void hone_cg__dispatch(LLVMModuleRef m, const cg_variants *s)
{
    LLVMContextRef ctx = LLVMGetModuleContext(m);
    dispatch d = {.s = s,
                  .m = m,
                  .ctx = ctx,
                  .b = LLVMCreateBuilderInContext(ctx),
                  .i32 = LLVMInt32TypeInContext(ctx),
                  .i64 = LLVMInt64TypeInContext(ctx),
                  .ptr = LLVMPointerTypeInContext(ctx, 0)};
    LLVMTypeRef params[HONE_MAX_ARGS + 2];
    for (unsigned k = 0; k < HONE_LEN(params); k++)
        params[k] = d.ptr;
    d.kernel = LLVMFunctionType(d.i32, params, s->n_args, false);
    d.pack = LLVMFunctionType(d.i32, params, 2, false);
    d.bytes = LLVMFunctionType(d.i64, NULL, 0, false);
    add_table(&d);
    choosers(&d);
    fill_table(&d);
    LLVMDisposeBuilder(d.b);
}
