/* Several modules as one object: variants of a function, and the functions that choose between
 * them. What is called NAME__.. is hidden in it. */
#include "codegen/internal.h"

#include <llvm-c/Analysis.h>
#include <llvm-c/BitReader.h>
#include <llvm-c/Linker.h>

char *hone_cg__part_symbol(const char *name, unsigned k, const char *tail)
{
    return hone_xasprintf("%s__%u%s", name, k, tail);
}

static void on_diagnostic(LLVMDiagnosticInfoRef d, void *ctx)
{
    cg_join *j = ctx;
    if (LLVMGetDiagInfoSeverity(d) == LLVMDSError && j->status == HONE_OK) {
        char *text = LLVMGetDiagInfoDescription(d);
        j->status = hone_fail(j->err, HONE_E_LLVM, "LLVM reports: %s", text);
        LLVMDisposeMessage(text);
    }
}

hone_status hone_cg__join_open(const hone_target *t, cg_join *j, hone_error *err)
{
    *j = (cg_join){.err = err};
    hone_status st = hone_codegen_new(t, &j->g, err);
    if (st != HONE_OK)
        return st;
    j->ctx = LLVMContextCreate();
    LLVMContextSetDiagnosticHandler(j->ctx, on_diagnostic, j);
    j->m = LLVMModuleCreateWithNameInContext("hone", j->ctx);
    LLVMSetTarget(j->m, t->triple);
    LLVMSetDataLayout(j->m, j->g->layout);
    return HONE_OK;
}

void hone_cg__join_close(cg_join *j)
{
    if (j->m)
        LLVMDisposeModule(j->m);
    if (j->ctx)
        LLVMContextDispose(j->ctx);
    hone_codegen_free(j->g);
}

hone_status hone_cg__join_add(cg_join *j, const hone_code *code)
{
    LLVMModuleRef m;
    LLVMMemoryBufferRef in =
        LLVMCreateMemoryBufferWithMemoryRange((const char *)code->bytes, code->n, "variant", false);
    bool bad = LLVMParseBitcodeInContext2(j->ctx, in, &m);
    LLVMDisposeMemoryBuffer(in);
    bad = bad || LLVMLinkModules2(j->m, m);
    if (bad && j->status == HONE_OK)
        j->status = hone_fail(j->err, HONE_E_LLVM, "LLVM could not put the variants together");
    return j->status;
}

static void hide(LLVMModuleRef m, const char *name)
{
    char *own = hone_xasprintf("%s__", name);
    for (LLVMValueRef f = LLVMGetFirstFunction(m); f; f = LLVMGetNextFunction(f)) {
        size_t n;
        if (!LLVMIsDeclaration(f) && strncmp(LLVMGetValueName2(f, &n), own, strlen(own)) == 0)
            LLVMSetLinkage(f, LLVMInternalLinkage);
    }
    free(own);
}

hone_status hone_cg__join_write(cg_join *j, const char *name, const char *const *allowed,
                                hone_code *ret, bool *ret_foreign)
{
    LLVMMemoryBufferRef buffer = NULL;
    char *message = NULL;
    hide(j->m, name);
    if (LLVMVerifyModule(j->m, LLVMReturnStatusAction, &message)) {
        hone_fail(j->err, HONE_E_LLVM, "The code generator made wrong IR: %s", message);
        LLVMDisposeMessage(message);
        return HONE_E_LLVM;
    }
    LLVMDisposeMessage(message);
    if (LLVMTargetMachineEmitToMemoryBuffer(j->g->machine, j->m, LLVMObjectFile, &message,
                                            &buffer)) {
        hone_fail(j->err, HONE_E_LLVM, "LLVM could not write the code: %s", message);
        LLVMDisposeMessage(message);
        return HONE_E_LLVM;
    }
    hone_cg__take(ret, LLVMGetBufferStart(buffer), LLVMGetBufferSize(buffer));
    LLVMDisposeMemoryBuffer(buffer);
    char undefined[CG_MAX_SYMBOL];
    hone_cg__object_scan(ret->bytes, ret->n, allowed, &ret->code_bytes, undefined);
    *ret_foreign = *undefined != 0;
    return j->status;
}
