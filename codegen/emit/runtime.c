/* What an artifact has in it beside its kernel, where nobody else could give it that: the preset's
 * runtime, LLVM's IR. */
#include "codegen/internal.h"
#include "targets/preset.h"

#include <llvm-c/IRReader.h>
#include <llvm-c/Linker.h>

/* hone_rt's second number. */
static void set_threads(cg *e, LLVMModuleRef m)
{
    LLVMValueRef rt = LLVMGetNamedGlobal(m, "hone_rt"), old = LLVMGetInitializer(rt), all[6];
    int32_t threads = e->o->threads < HONE_PRESET_SHARING ? e->o->threads : HONE_PRESET_SHARING;
    HONE_ASSERT(LLVMGetNumOperands(old) == HONE_LEN(all));
    for (unsigned k = 0; k < HONE_LEN(all); k++) {
        all[k] = LLVMGetOperand(old, k);
    }
    all[1] = LLVMConstInt(LLVMTypeOf(all[1]), (unsigned long long)(threads > 1 ? threads : 1), 0);
    LLVMSetInitializer(rt, LLVMConstStructInContext(e->ctx, all, HONE_LEN(all), 0));
}

void hone_cg__add_runtime(cg *e)
{
    LLVMModuleRef m = NULL;
    char *message = NULL;
    LLVMMemoryBufferRef in = LLVMCreateMemoryBufferWithMemoryRangeCopy(
        e->g->runtime, e->g->runtime_bytes, "runtime"); /* the reader's to free */
    if (LLVMParseIRInContext(e->ctx, in, &m, &message)) {
        hone_cg__fail(e, HONE_E_LLVM, "LLVM does not read the runtime of modules: %s", message);
        LLVMDisposeMessage(message);
        return;
    }
    if (e->g->shares) {
        set_threads(e, m);
    }
    LLVMSetTarget(m, e->g->target.triple);
    LLVMSetDataLayout(m, e->g->layout);
    for (LLVMValueRef f = LLVMGetFirstFunction(m); f; f = LLVMGetNextFunction(f)) {
        if (!LLVMIsDeclaration(f)) {
            hone_cg__target_attrs(e, f);
        }
    }
    if (LLVMLinkModules2(e->mod, m)) {
        hone_cg__fail(e, HONE_E_LLVM, "LLVM could not add the runtime of modules");
    }
}
