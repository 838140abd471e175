/* One object out of code for several ranges of a size, and the function that chooses by the size.
 */
#include "codegen/internal.h"
#include "runtime/hone_rt.h"

typedef struct chooser {
    cg_join *j;
    const hone_codegen_range *ranges;
    LLVMBuilderRef b;
    LLVMTypeRef type;
    LLVMValueRef fn, variants[HONE_CODEGEN_MAX_SIZED];
} chooser;

static LLVMBasicBlockRef block(chooser *c, const char *name)
{
    return LLVMAppendBasicBlockInContext(c->j->ctx, c->fn, name);
}

static LLVMValueRef size_is(chooser *c, LLVMIntPredicate p, int64_t than)
{
    LLVMTypeRef i64 = LLVMInt64TypeInContext(c->j->ctx);
    return LLVMBuildICmp(c->b, p, LLVMGetParam(c->fn, 0), LLVMConstInt(i64, (uint64_t)than, true),
                         "");
}

static void call_variant(chooser *c, unsigned variant)
{
    LLVMValueRef args[HONE_MAX_ARGS + 1];
    unsigned n = LLVMCountParams(c->fn);
    for (unsigned k = 0; k < n; k++)
        args[k] = LLVMGetParam(c->fn, k);
    LLVMValueRef call = LLVMBuildCall2(c->b, c->type, c->variants[variant], args, n, "");
    LLVMSetTailCall(call, true);
    LLVMBuildRet(c->b, call);
}

/* The size is in one of ranges [from, to). */
static void choose(chooser *c, unsigned from, unsigned to)
{
    unsigned mid = from + (to - from - 1) / 2;
    if (to - from == 1) {
        call_variant(c, c->ranges[from].variant);
        return;
    }
    LLVMBasicBlockRef low = block(c, "low"), high = block(c, "high");
    LLVMBuildCondBr(c->b, size_is(c, LLVMIntSLE, c->ranges[mid].last), low, high);
    LLVMPositionBuilderAtEnd(c->b, low);
    choose(c, from, mid + 1);
    LLVMPositionBuilderAtEnd(c->b, high);
    choose(c, mid + 1, to);
}

static LLVMValueRef declare(cg_join *j, const char *name, LLVMTypeRef type)
{
    LLVMValueRef fn = LLVMAddFunction(j->m, name, type);
    unsigned kind = LLVMGetEnumAttributeKindForName("nounwind", 8);
    LLVMAddAttributeAtIndex(fn, LLVMAttributeFunctionIndex,
                            LLVMCreateEnumAttribute(j->ctx, kind, 0));
    return fn;
}

static void add_chooser(cg_join *j, const char *name, unsigned n_args, unsigned n, int64_t least,
                        const hone_codegen_range *ranges, unsigned n_ranges)
{
    chooser c = {.j = j, .ranges = ranges, .b = LLVMCreateBuilderInContext(j->ctx)};
    LLVMTypeRef i32 = LLVMInt32TypeInContext(j->ctx), params[HONE_MAX_ARGS + 1];
    params[0] = LLVMInt64TypeInContext(j->ctx);
    for (unsigned k = 1; k <= n_args; k++)
        params[k] = LLVMPointerTypeInContext(j->ctx, 0);
    c.type = LLVMFunctionType(i32, params, n_args + 1, false);
    c.fn = declare(j, name, c.type);
    for (unsigned k = 0; k < n; k++) {
        char *symbol = hone_cg__part_symbol(name, k, "");
        c.variants[k] = declare(j, symbol, c.type);
        free(symbol);
    }
    LLVMPositionBuilderAtEnd(c.b, block(&c, "entry"));
    LLVMBasicBlockRef in = block(&c, "in"), out = block(&c, "out");
    LLVMValueRef low = size_is(&c, LLVMIntSLT, least);
    LLVMValueRef high = size_is(&c, LLVMIntSGT, ranges[n_ranges - 1].last);
    LLVMBuildCondBr(c.b, LLVMBuildOr(c.b, low, high, ""), out, in);
    LLVMPositionBuilderAtEnd(c.b, out);
    LLVMBuildRet(c.b, LLVMConstInt(i32, (uint64_t)(int64_t)HONE_RT_NOSIZE, true));
    LLVMPositionBuilderAtEnd(c.b, in);
    choose(&c, 0, n_ranges);
    LLVMDisposeBuilder(c.b);
}

static hone_status compile(hone_codegen *g, const hone_codegen_sized *v, const char *name,
                           unsigned k, hone_code *ret, hone_error *err)
{
    char *symbol = hone_cg__part_symbol(name, k, "");
    hone_codegen_options o = v->options;
    o.emit = HONE_EMIT_BITCODE;
    o.name = symbol;
    o.no_prepack = true; /* a packed form is one variant's */
    hone_status st = hone_codegen_emit(g, v->program, &o, ret, err);
    free(symbol);
    return st;
}

/* Of the whole range. */
static hone_codegen_size whole_range(const hone_codegen_sized *v, int64_t least, int64_t most)
{
    hone_codegen_size s = *v->options.size;
    s.least = least;
    s.most = most;
    return s;
}

hone_status hone_codegen_emit_sizes(const hone_target *t, const hone_codegen_sized *v, unsigned n,
                                    int64_t least, const hone_codegen_range *ranges,
                                    unsigned n_ranges, const char *name, unsigned *ret_bad,
                                    hone_code *ret, hone_error *err)
{
    static const char *const allowed[] = {"hone_rt_default", NULL};
    HONE_ASSERT(n > 0 && n <= HONE_CODEGEN_MAX_SIZED && n_ranges > 0);
    cg_join j;
    bool foreign = false;
    *ret = (hone_code){0};
    *ret_bad = n;
    hone_status st = hone_cg__join_open(t, &j, err);
    if (st == HONE_OK)
        add_chooser(&j, name, hone_program_n_args(v[0].program), n, least, ranges, n_ranges);
    for (unsigned k = 0; k < n && st == HONE_OK; k++) {
        hone_code code = {0};
        st = compile(j.g, &v[k], name, k, &code, err);
        if (st != HONE_OK)
            *ret_bad = k;
        else
            st = hone_cg__join_add(&j, &code);
        ret->lower_ns += code.lower_ns;
        ret->llvm_ns += code.llvm_ns;
        hone_code_free(&code);
    }
    if (st == HONE_OK)
        st = hone_cg__join_write(&j, name, allowed, ret, &foreign);
    hone_cg__join_close(&j);
    if (st == HONE_OK && foreign)
        st = hone_fail(err, HONE_REJECT_BUILD,
                       "The target needs a library function for this kernel, which kernels may not "
                       "call.");
    if (st != HONE_OK) {
        hone_code_free(ret);
        return st;
    }
    ret->n_args = hone_program_n_args(v[0].program);
    ret->size = whole_range(&v[0], least, ranges[n_ranges - 1].last);
    return HONE_OK;
}
