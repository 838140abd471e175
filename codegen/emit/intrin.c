/* Tensor intrinsics: a block annotated hone.intrin becomes a call of a function that was given as
 * LLVM IR, which is then inlined. The block's own leaf serves to place buffers and to decide
 * conditions; its loops are not emitted. */
#include "codegen/internal.h"

#include <llvm-c/Analysis.h>
#include <llvm-c/IRReader.h>
#include <llvm-c/Linker.h>

/* ---- finding them ---------------------------------------------------------------------------- */

const cg_use *hone_cg__use(const cg *e, hone_stmt s)
{
    for (uint32_t k = 0; k < e->uses.n; k++) {
        if (HONE_SAME(e->uses.v[k].s, s)) {
            return &e->uses.v[k];
        }
    }
    return NULL;
}

static const hone_codegen_intrin *intrin_of(cg *e, const char *name)
{
    for (unsigned k = 0; k < e->o->n_intrins; k++) {
        if (!strcmp(e->o->intrins[k].name, name)) {
            return &e->o->intrins[k];
        }
    }
    return NULL;
}

typedef struct loads {
    hone_expr own, v[HONE_CODEGEN_INTRIN_ARGS];
    unsigned n;
} loads;

static bool add_load(void *ctx, const hone_program *p, hone_expr x)
{
    loads *l = ctx;
    if (hone_expr_op(p, x) != HONE_OP_LOAD) {
        return true;
    }
    bool known = HONE_SAME(x, l->own);
    for (unsigned k = 0; k < l->n; k++) {
        known = known || HONE_SAME(x, l->v[k]);
    }
    if (!known && l->n < HONE_LEN(l->v)) {
        l->v[l->n++] = x;
    }
    return false;
}

/* The loops of more than one iteration from the block down to its leaf; false: others than the
 * intrinsic's. */
static bool same_loops(cg *e, cg_use *u)
{
    unsigned n = 0;
    hone_stmt s = hone_stmt_at(&e->q, u->s)->first;
    for (; hone_is_loop(&e->q, s); s = hone_stmt_at(&e->q, s)->first) {
        int64_t extent = hone_loop_extent(&e->q, s);
        if (hone_stmt_at(&e->q, s)->next.i) {
            return false;
        }
        if (extent == 1) {
            continue;
        }
        if (n == u->in->n_loops || extent != u->in->extent[n]) {
            return false;
        }
        u->loops[n++] = hone_stmt_at(&e->q, s)->var;
    }
    u->leaf = s;
    return n == u->in->n_loops && hone_cg__leaf(e, s) && !hone_stmt_at(&e->q, s)->next.i;
}

static void note_use(cg *e, hone_stmt s, const char *name)
{
    cg_use u = {.s = s, .in = intrin_of(e, name)};
    if (!u.in) {
        hone_cg__fail(e, HONE_REJECT_BUILD, "The intrinsic \"%s\" is not known here.", name);
        return;
    }
    if (!hone_target_has(&e->g->target, u.in->features)) {
        hone_cg__fail(e, HONE_REJECT_BUILD,
                      "The target does not have the features \"%s\" of the intrinsic \"%s\".",
                      u.in->features, name);
        return;
    }
    loads l = {0};
    bool same = same_loops(e, &u);
    if (same) {
        hone_stmt_row r = *hone_stmt_at(&e->q, u.leaf);
        hone_expr index[HONE_MAX_DIMS];
        for (unsigned d = 0; d < r.n_index; d++) {
            index[d] = hone_store_index(&e->q, u.leaf, d);
        }
        l.own = hone_load(&e->q, r.out, index, r.n_index);
        hone_walk(&e->q, r.value, add_load, &l);
        same = !r.init.i;
    }
    for (unsigned a = 0; a < u.in->n_args && same; a++) {
        unsigned k = u.in->access[a];
        same = k <= l.n;
        u.load[a] = k == 0 ? l.own : same ? l.v[k - 1] : HONE_NO_EXPR;
        u.load[a] = hone_simplify(&e->q, hone_bind(&e->q, u.leaf, u.load[a]));
    }
    if (!same) {
        hone_cg__fail(e, HONE_REJECT_BUILD, "Block \"%s\" is not what the intrinsic \"%s\" does.",
                      hone_sym_text(&e->q, hone_stmt_at(&e->q, s)->name), name);
        return;
    }
    hone_vec_push(&e->uses, u);
}

void hone_cg__find_uses(cg *e)
{
    for (hone_stmt s = e->q.root; s.i && e->status == HONE_OK; s = hone_next(&e->q, e->q.root, s)) {
        const hone_ann *a = hone_is_block(&e->q, s) ? hone_ann_get(&e->q, s, "hone.intrin") : NULL;
        if (a && !hone_stmt_at(&e->q, s)->out.i) {
            char name[256];
            snprintf(name, sizeof name, "%s", hone_sym_text(&e->q, a->text));
            note_use(e, s, name);
        }
    }
}

/* ---- importing the implementation ------------------------------------------------------------ */

/* The assembler would read whatever file a directive names, and end the process at one it does not
 * know; and no pass could tell what the kernel does. */
static bool has_inline_asm(LLVMValueRef fn)
{
    for (LLVMBasicBlockRef b = LLVMGetFirstBasicBlock(fn); b; b = LLVMGetNextBasicBlock(b)) {
        for (LLVMValueRef i = LLVMGetFirstInstruction(b); i; i = LLVMGetNextInstruction(i)) {
            for (int k = 0; k < LLVMGetNumOperands(i); k++) {
                if (LLVMIsAInlineAsm(LLVMGetOperand(i, (unsigned)k))) {
                    return true;
                }
            }
        }
    }
    return false;
}

/* The function defined in the module, NULL with a reason in *ret_why. */
static LLVMValueRef only_function(LLVMModuleRef m, unsigned n_args, const char **ret_why)
{
    LLVMValueRef fn = NULL;
    *ret_why = NULL;
    for (LLVMValueRef f = LLVMGetFirstFunction(m); f; f = LLVMGetNextFunction(f)) {
        if (LLVMIsDeclaration(f)) {
            if (!LLVMGetIntrinsicID(f)) {
                *ret_why = "it may call LLVM's intrinsics only";
            }
            continue;
        }
        if (fn) {
            *ret_why = "it defines more than one function";
        }
        fn = f;
    }
    size_t n_asm = 0;
    LLVMGetModuleInlineAsm(m, &n_asm);
    if (LLVMGetFirstGlobalAlias(m) || LLVMGetFirstGlobalIFunc(m)) {
        *ret_why = "it may hold a function and constants only";
    }
    for (LLVMValueRef g = LLVMGetFirstGlobal(m); g; g = LLVMGetNextGlobal(g)) {
        if (!LLVMIsGlobalConstant(g) || LLVMIsDeclaration(g)) {
            *ret_why = "it may hold a function and constants only";
        }
        LLVMSetLinkage(g, LLVMPrivateLinkage);
    }
    if (!fn) {
        *ret_why = "it defines no function";
        return NULL;
    }
    if (n_asm || has_inline_asm(fn)) {
        *ret_why = "it may not use inline assembly";
    }
    LLVMTypeRef type = LLVMGlobalGetValueType(fn);
    bool fits = LLVMGetTypeKind(LLVMGetReturnType(type)) == LLVMVoidTypeKind &&
                LLVMCountParamTypes(type) == n_args && !LLVMIsFunctionVarArg(type);
    for (unsigned k = 0; fits && k < n_args; k++) {
        fits = LLVMGetTypeKind(LLVMTypeOf(LLVMGetParam(fn, k))) == LLVMPointerTypeKind;
    }
    if (!fits) {
        *ret_why = "the function must be void and take one pointer per buffer of the description";
    }
    return *ret_why ? NULL : fn;
}

/* A module with the implementation's function in *ret, named `name`; NULL: bad IR. */
static LLVMModuleRef parse_impl(const hone_codegen *g, LLVMContextRef ctx,
                                const hone_codegen_intrin *in, const char *name, LLVMValueRef *ret,
                                hone_error *err)
{
    LLVMMemoryBufferRef text =
        LLVMCreateMemoryBufferWithMemoryRangeCopy(in->impl, strlen(in->impl), in->name);
    LLVMModuleRef m = NULL;
    char *message = NULL;
    const char *why = NULL;
    if (LLVMParseIRInContext(ctx, text, &m, &message)) {
        hone_fail(err, HONE_E_INPUT, "intrinsic %.200s: %.500s", in->name, message);
        LLVMDisposeMessage(message);
        return NULL;
    }
    LLVMDisposeMessage(message);
    message = NULL;
    *ret = only_function(m, in->n_args, &why);
    if (*ret && LLVMVerifyModule(m, LLVMReturnStatusAction, &message)) {
        why = message;
    }
    if (why) {
        hone_fail(err, HONE_E_INPUT, "intrinsic %.200s: %.500s", in->name, why);
        LLVMDisposeMessage(message);
        LLVMDisposeModule(m);
        return NULL;
    }
    LLVMDisposeMessage(message);
    LLVMSetTarget(m, g->target.triple);
    LLVMSetDataLayout(m, g->layout);
    LLVMSetValueName2(*ret, name, strlen(name));
    return m;
}

static void drop_attr(LLVMValueRef fn, const char *name)
{
    unsigned kind = LLVMGetEnumAttributeKindForName(name, strlen(name));
    LLVMRemoveEnumAttributeAtIndex(fn, (LLVMAttributeIndex)LLVMAttributeFunctionIndex, kind);
}

static LLVMValueRef import(cg *e, const hone_codegen_intrin *in)
{
    size_t at = (size_t)(in - e->o->intrins);
    if (!e->intrin_fns) {
        e->intrin_fns = hone_xcalloc(e->o->n_intrins, sizeof *e->intrin_fns);
    }
    if (e->intrin_fns[at]) {
        return e->intrin_fns[at];
    }
    char name[32];
    snprintf(name, sizeof name, "hone.intrin.%zu", at);
    hone_error err;
    LLVMValueRef fn;
    LLVMModuleRef m = parse_impl(e->g, e->ctx, in, name, &fn, &err);
    if (!m) {
        hone_cg__fail(e, HONE_REJECT_BUILD, "%s", err.message);
        return NULL;
    }
    if (LLVMLinkModules2(e->mod, m)) { /* m is gone either way */
        hone_cg__fail(e, HONE_REJECT_BUILD, "The intrinsic \"%s\" does not link.", in->name);
        return NULL;
    }
    fn = LLVMGetNamedFunction(e->mod, name);
    LLVMSetLinkage(fn, LLVMInternalLinkage);
    static const char *const against[] = {"noinline", "optnone", "naked", "returns_twice"};
    for (size_t k = 0; k < HONE_LEN(against); k++) {
        drop_attr(fn, against[k]);
    }
    hone_cg__target_attrs(e, fn);
    unsigned inlined = LLVMGetEnumAttributeKindForName("alwaysinline", strlen("alwaysinline"));
    LLVMAddAttributeAtIndex(fn, (LLVMAttributeIndex)LLVMAttributeFunctionIndex,
                            LLVMCreateEnumAttribute(e->ctx, inlined, 0));
    e->intrin_fns[at] = fn;
    return fn;
}

hone_status hone_codegen_check_intrin(hone_codegen *g, const hone_codegen_intrin *in,
                                      hone_error *err)
{
    if (!hone_target_has(&g->target, in->features)) {
        return hone_fail(err, HONE_REJECT_BUILD,
                         "The target does not have the features \"%s\" of the intrinsic \"%s\".",
                         in->features, in->name);
    }
    LLVMContextRef ctx = LLVMContextCreate();
    LLVMValueRef fn;
    LLVMModuleRef m = parse_impl(g, ctx, in, "intrinsic", &fn, err);
    if (m) {
        LLVMDisposeModule(m);
    }
    LLVMContextDispose(ctx);
    return m ? HONE_OK : HONE_E_INPUT;
}

/* ---- emitting -------------------------------------------------------------------------------- */

/* Where the implementation finds argument a; NULL: not contiguous. */
static LLVMValueRef address(cg *e, const cg_use *u, unsigned a)
{
    hone_expr load = u->load[a];
    hone_buffer b = {hone_expr_at(&e->q, load)->sym};
    cg_lin l = hone_cg__lin(e, (hone_expr){e->offset_of.v[load.i]});
    for (unsigned k = 0; k < u->in->n_loops; k++) {
        int64_t step = 0;
        for (uint32_t t = l.first; t < l.first + l.n; t++) {
            if (HONE_SAME(e->terms.v[t].var, u->loops[k])) {
                step += e->terms.v[t].coeff;
            } else if (e->terms.v[t].atom.i &&
                       hone_uses_var(&e->q, e->terms.v[t].atom, u->loops[k])) {
                return NULL;
            }
        }
        if (step != u->in->stride[a][k]) {
            return NULL;
        }
    }
    cg_sum s;
    hone_cg__sum(e, l, CG_ALL_TERMS, l.c, &s);
    LLVMTypeRef type = hone_cg__mem_type(e, (hone_dtype)hone_buffer_at(&e->q, b)->dtype);
    return hone_cg__address(e, e->fn.ptr[b.i], type, &s);
}

void hone_cg__use_emit(cg *e, const cg_use *u)
{
    LLVMBasicBlockRef out;
    LLVMValueRef args[HONE_CODEGEN_INTRIN_ARGS], fn = import(e, u->in);
    if (!fn || !hone_cg__enter(e, hone_cg__leaf(e, u->leaf), u->loops, u->in->n_loops, &out)) {
        return;
    }
    if (++e->instances > CG_MAX_INSTANCES) {
        hone_cg__fail(e, HONE_REJECT_TOO_BIG, "Unrolling makes more than %d copies of the blocks.",
                      CG_MAX_INSTANCES);
        return;
    }
    for (unsigned k = 0; k < u->in->n_loops; k++) {
        hone_cg__bind(e, u->loops[k], hone_cg__const(0));
    }
    for (unsigned a = 0; a < u->in->n_args; a++) {
        args[a] = address(e, u, a);
        if (!args[a]) {
            hone_cg__fail(
                e, HONE_REJECT_BUILD,
                "What buffer \"%s\" gives the intrinsic \"%s\" is not contiguous.",
                hone_sym_text(&e->q, e->q.buffers.v[hone_expr_at(&e->q, u->load[a])->sym].name),
                u->in->name);
            args[a] = LLVMGetPoison(e->ptr);
        }
    }
    for (unsigned k = u->in->n_loops; k-- > 0;) {
        hone_cg__unbind(e, u->loops[k]);
    }
    LLVMBuildCall2(e->b, LLVMGlobalGetValueType(fn), fn, args, u->in->n_args, "");
    if (out) {
        LLVMBuildBr(e->b, out);
        LLVMPositionBuilderAtEnd(e->b, out);
    }
}
