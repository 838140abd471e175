/* What an artifact has in it beside its kernel, where nobody else could give it that: the preset's
 * runtime, LLVM's IR. */
#include "codegen/internal.h"

#include <llvm-c/IRReader.h>
#include <llvm-c/Linker.h>

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
