/* A network as one object: its kernels, the function that calls them one after the other, and what
 * the runtime has to know to open its weights. */
#include "codegen/internal.h"
#include "runtime/hone_rt.h"

#define ALIGN 64

/* A packed form of weights: what a kernel takes in the place of argument `arg` at `place`. */
typedef struct packed {
    unsigned kernel, arg;
    int64_t from, to; /* bytes into the weights, and into what is packed */
} packed;

typedef struct net_cg {
    const hone_codegen_network *n;
    cg_join *j;
    LLVMBuilderRef b;
    LLVMTypeRef i8, i32, i64, ptr;
    /* Of the function that is being written: NAME_run, or NAME_watch. */
    LLVMValueRef run;
    LLVMValueRef weights, packs; /* loaded from the first parameter */
    LLVMValueRef *io;            /* inputs, outputs, the workspace */
    LLVMValueRef after;          /* to be called after each call, with the next; NULL: nothing */
    LLVMValueRef after_ctx;
    LLVMValueRef watched_args; /* room for the arguments of any call */
    hone_code *codes;          /* of each kernel; bytes are gone */
    HONE_VEC(packed) packed;
    int64_t packed_bytes;
} net_cg;

/* ---- names ----------------------------------------------------------------------------------- */

static LLVMValueRef declare(net_cg *c, const char *name, LLVMTypeRef type)
{
    LLVMValueRef fn = LLVMGetNamedFunction(c->j->m, name);
    return fn ? fn : LLVMAddFunction(c->j->m, name, type);
}

static LLVMValueRef kernel_fn(net_cg *c, unsigned k, LLVMTypeRef *ret_type)
{
    LLVMTypeRef params[HONE_MAX_ARGS];
    unsigned n = hone_program_n_args(c->n->kernels[k].program);
    for (unsigned a = 0; a < n; a++)
        params[a] = c->ptr;
    *ret_type = LLVMFunctionType(c->i32, params, n, false);
    char *symbol = hone_cg__part_symbol(c->n->name, k, "");
    LLVMValueRef fn = declare(c, symbol, *ret_type);
    free(symbol);
    return fn;
}

static LLVMValueRef pack_fn(net_cg *c, unsigned kernel, unsigned arg)
{
    char *stems[HONE_MAX_ARGS];
    const hone_program *p = c->n->kernels[kernel].program;
    unsigned n = hone_program_n_args(p);
    LLVMTypeRef params[] = {c->ptr, c->ptr};
    hone_cg__arg_stems(p, n, stems);
    char *tail = hone_xasprintf("_pack_%s", stems[arg]);
    char *symbol = hone_cg__part_symbol(c->n->name, kernel, tail);
    LLVMValueRef fn = declare(c, symbol, LLVMFunctionType(c->i32, params, 2, false));
    free(symbol);
    free(tail);
    for (unsigned k = 0; k < n; k++)
        free(stems[k]);
    return fn;
}

/* ---- the kernels ----------------------------------------------------------------------------- */

static hone_status compile(net_cg *c, unsigned k, hone_error *err)
{
    char *symbol = hone_cg__part_symbol(c->n->name, k, "");
    hone_codegen_options o = c->n->kernels[k].options;
    o.emit = HONE_EMIT_BITCODE;
    o.name = symbol;
    o.cold = true;
    hone_status st = hone_codegen_emit(c->j->g, c->n->kernels[k].program, &o, &c->codes[k], err);
    if (st == HONE_OK)
        st = hone_cg__join_add(c->j, &c->codes[k]);
    free(c->codes[k].bytes);
    c->codes[k].bytes = NULL;
    free(symbol);
    return st;
}

/* ---- where arguments lie --------------------------------------------------------------------- */

/* Bytes from the start of what is packed. */
static int64_t packed_at(net_cg *c, unsigned kernel, unsigned arg, int64_t from)
{
    for (uint32_t k = 0; k < c->packed.n; k++)
        if (c->packed.v[k].kernel == kernel && c->packed.v[k].arg == arg &&
            c->packed.v[k].from == from)
            return c->packed.v[k].to;
    int64_t at = c->packed_bytes;
    hone_vec_push(&c->packed, (packed){kernel, arg, from, at});
    c->packed_bytes += (c->codes[kernel].pack_bytes[arg] + ALIGN - 1) / ALIGN * ALIGN;
    return at;
}

static LLVMValueRef offset(net_cg *c, LLVMValueRef base, int64_t bytes)
{
    LLVMValueRef by = LLVMConstInt(c->i64, (uint64_t)bytes, true);
    return LLVMBuildInBoundsGEP2(c->b, c->i8, base, &by, 1, "");
}

static LLVMValueRef pointer(net_cg *c, const hone_codegen_place *p)
{
    unsigned n_in = c->n->n_in, n_out = c->n->n_out;
    switch (p->area) {
    case HONE_CODEGEN_IN:
        return c->io[p->at];
    case HONE_CODEGEN_OUT:
        return c->io[n_in + (unsigned)p->at];
    case HONE_CODEGEN_WEIGHTS:
        return offset(c, c->weights, p->at);
    default:
        return offset(c, c->io[n_in + n_out], p->at);
    }
}

/* ---- NAME_run -------------------------------------------------------------------------------- */

static LLVMBasicBlockRef block(net_cg *c, const char *name)
{
    return LLVMAppendBasicBlockInContext(c->j->ctx, c->run, name);
}

/* Tells who watches. */
static void tell(net_cg *c, unsigned k, LLVMValueRef *args, unsigned n)
{
    LLVMTypeRef params[] = {c->ptr, c->i64, c->ptr};
    LLVMTypeRef type = LLVMFunctionType(LLVMVoidTypeInContext(c->j->ctx), params, 3, false);
    LLVMBasicBlockRef some = block(c, "watched"), next = block(c, "next");
    LLVMBuildCondBr(c->b, LLVMBuildIsNull(c->b, c->after, ""), next, some);
    LLVMPositionBuilderAtEnd(c->b, some);
    for (unsigned a = 0; a < n; a++)
        LLVMBuildStore(c->b, args[a], offset(c, c->watched_args, a * (int64_t)sizeof(void *)));
    LLVMValueRef v[] = {c->after_ctx, LLVMConstInt(c->i64, k, false), c->watched_args};
    LLVMBuildCall2(c->b, type, c->after, v, 3, "");
    LLVMBuildBr(c->b, next);
    LLVMPositionBuilderAtEnd(c->b, next);
}

static void call(net_cg *c, unsigned k)
{
    const hone_codegen_call *x = &c->n->calls[k];
    LLVMTypeRef type;
    LLVMValueRef fn = kernel_fn(c, x->kernel, &type), args[HONE_MAX_ARGS];
    unsigned n = LLVMCountParamTypes(type);
    for (unsigned a = 0; a < n; a++) {
        bool is_packed = c->codes[x->kernel].pack_bytes[a] != 0;
        HONE_ASSERT(!is_packed || x->args[a].area == HONE_CODEGEN_WEIGHTS);
        args[a] = is_packed ? offset(c, c->packs, packed_at(c, x->kernel, a, x->args[a].at))
                            : pointer(c, &x->args[a]);
    }
    LLVMValueRef result = LLVMBuildCall2(c->b, type, fn, args, n, "");
    LLVMBasicBlockRef good = block(c, "good"), bad = block(c, "bad");
    LLVMValueRef zero = LLVMConstInt(c->i32, 0, false);
    LLVMBuildCondBr(c->b, LLVMBuildICmp(c->b, LLVMIntEQ, result, zero, ""), good, bad);
    LLVMPositionBuilderAtEnd(c->b, bad);
    LLVMBuildRet(c->b, result);
    LLVMPositionBuilderAtEnd(c->b, good);
    if (c->after)
        tell(c, k, args, n);
}

/* The calls, and what is copied at the end; c->run and c->io are there. */
static void add_body(net_cg *c)
{
    const hone_codegen_network *n = c->n;
    /* hone_rt_net begins with these two */
    c->weights = LLVMBuildLoad2(c->b, c->ptr, LLVMGetParam(c->run, 0), "weights");
    c->packs = LLVMBuildLoad2(c->b, c->ptr, offset(c, LLVMGetParam(c->run, 0), 8), "packed");
    for (unsigned k = 0; k < n->n_calls; k++)
        call(c, k);
    for (unsigned k = 0; k < n->n_copies; k++) {
        const hone_codegen_copy *x = &n->copies[k];
        LLVMBuildMemCpy(c->b, c->io[n->n_in + x->out], 1, pointer(c, &x->from), 1,
                        LLVMConstInt(c->i64, (uint64_t)x->bytes, false));
    }
    LLVMBuildRet(c->b, LLVMConstInt(c->i32, 0, false));
}

/* A function of so many pointers, NAME and the tail, to be filled. */
static void start(net_cg *c, const char *tail, unsigned n_params)
{
    LLVMTypeRef *params = hone_xcalloc(n_params, sizeof(LLVMTypeRef));
    for (unsigned k = 0; k < n_params; k++)
        params[k] = c->ptr;
    char *name = hone_xasprintf("%s_%s", c->n->name, tail);
    c->run = LLVMAddFunction(c->j->m, name, LLVMFunctionType(c->i32, params, n_params, false));
    LLVMPositionBuilderAtEnd(c->b, block(c, "entry"));
    free(params);
    free(name);
}

static void add_run(net_cg *c)
{
    unsigned n_io = c->n->n_in + c->n->n_out + 1;
    start(c, "run", 1 + n_io);
    for (unsigned k = 0; k < n_io; k++)
        c->io[k] = LLVMGetParam(c->run, 1 + k);
    add_body(c);
}

/* ---- NAME_watch ------------------------------------------------------------------------------ */

static void add_watch(net_cg *c)
{
    unsigned n_io = c->n->n_in + c->n->n_out + 1;
    start(c, "watch", 4);
    for (unsigned k = 0; k < n_io; k++)
        c->io[k] = LLVMBuildLoad2(
            c->b, c->ptr, offset(c, LLVMGetParam(c->run, 1), k * (int64_t)sizeof(void *)), "");
    c->after = LLVMGetParam(c->run, 2);
    c->after_ctx = LLVMGetParam(c->run, 3);
    c->watched_args = LLVMBuildAlloca(c->b, LLVMArrayType2(c->ptr, HONE_MAX_ARGS), "args");
    add_body(c);
}

/* ---- NAME_network ---------------------------------------------------------------------------- */

static LLVMValueRef number(net_cg *c, uint64_t v)
{
    return LLVMConstInt(c->i64, v, false);
}

/* The rows of hone_rt_net_pack. */
static LLVMValueRef pack_table(net_cg *c)
{
    LLVMTypeRef fields[] = {c->ptr, c->i64, c->i64};
    LLVMTypeRef row = LLVMStructTypeInContext(c->j->ctx, fields, 3, false);
    uint32_t n = c->packed.n;
    LLVMValueRef *rows = hone_xcalloc((size_t)n + 1, sizeof(LLVMValueRef));
    for (uint32_t k = 0; k < n; k++) {
        const packed *p = &c->packed.v[k];
        LLVMValueRef v[] = {pack_fn(c, p->kernel, p->arg), number(c, (uint64_t)p->from),
                            number(c, (uint64_t)p->to)};
        rows[k] = LLVMConstStructInContext(c->j->ctx, v, 3, false);
    }
    char *name = hone_xasprintf("%s__packs", c->n->name);
    LLVMValueRef table = LLVMAddGlobal(c->j->m, LLVMArrayType2(row, n), name);
    LLVMSetInitializer(table, LLVMConstArray2(row, rows, n));
    LLVMSetLinkage(table, LLVMInternalLinkage);
    LLVMSetGlobalConstant(table, true);
    free(name);
    free(rows);
    return table;
}

static void add_network(net_cg *c)
{
    LLVMValueRef v[] = {number(c, HONE_RT_NET_ABI),    number(c, (uint64_t)c->n->weights_bytes),
                        number(c, c->n->weights_hash), number(c, (uint64_t)c->packed_bytes),
                        number(c, c->packed.n),        pack_table(c)};
    LLVMValueRef x = LLVMConstStructInContext(c->j->ctx, v, HONE_LEN(v), false);
    char *name = hone_xasprintf("%s_network", c->n->name);
    LLVMValueRef g = LLVMAddGlobal(c->j->m, LLVMTypeOf(x), name);
    LLVMSetInitializer(g, x);
    LLVMSetGlobalConstant(g, true);
    free(name);
}

/* ---- all of it ------------------------------------------------------------------------------- */

hone_status hone_codegen_emit_network(const hone_target *t, const hone_codegen_network *n,
                                      unsigned *ret_bad, int64_t *ret_packed, hone_code *ret,
                                      hone_error *err)
{
    static const char *const allowed[] = {"hone_rt_default", "memcpy", NULL};
    cg_join j;
    bool foreign = false;
    *ret = (hone_code){0};
    *ret_bad = n->n_kernels;
    hone_status st = hone_cg__join_open(t, &j, err);
    if (st != HONE_OK) {
        hone_cg__join_close(&j);
        return st;
    }
    net_cg c = {.n = n,
                .j = &j,
                .b = LLVMCreateBuilderInContext(j.ctx),
                .i8 = LLVMInt8TypeInContext(j.ctx),
                .i32 = LLVMInt32TypeInContext(j.ctx),
                .i64 = LLVMInt64TypeInContext(j.ctx),
                .ptr = LLVMPointerTypeInContext(j.ctx, 0),
                .io = hone_xcalloc((size_t)n->n_in + n->n_out + 1, sizeof(LLVMValueRef)),
                .codes = hone_xcalloc((size_t)n->n_kernels + 1, sizeof *c.codes)};
    for (unsigned k = 0; k < n->n_kernels && st == HONE_OK; k++) {
        if (n->stop && n->stop(NULL)) {
            st = hone_fail(err, HONE_E_INTERRUPTED, "interrupted");
            break;
        }
        st = compile(&c, k, err);
        if (st != HONE_OK)
            *ret_bad = k;
    }
    if (st == HONE_OK) {
        add_run(&c);
        if (n->watched)
            add_watch(&c);
        add_network(&c);
        st = hone_cg__join_write(&j, n->name, allowed, ret, &foreign);
    }
    *ret_packed = c.packed_bytes;
    LLVMDisposeBuilder(c.b);
    hone_cg__join_close(&j);
    hone_vec_free(&c.packed);
    free(c.codes);
    free(c.io);
    if (st == HONE_OK && foreign)
        st = hone_fail(err, HONE_REJECT_BUILD,
                       "The target needs a library function for a kernel, which kernels may not "
                       "call.");
    if (st != HONE_OK)
        hone_code_free(ret);
    return st;
}
