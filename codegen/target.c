/* This host in LLVM's words. */
#include "codegen/internal.h"

#include <llvm-c/Target.h>

hone_status hone_target_native(hone_target *ret, hone_error *err)
{
    memset(ret, 0, sizeof *ret);
    char *triple = LLVMGetDefaultTargetTriple();
    char *cpu = LLVMGetHostCPUName();
    char *features = LLVMGetHostCPUFeatures();
    int a = snprintf(ret->triple, sizeof ret->triple, "%s", triple);
    int b = snprintf(ret->cpu, sizeof ret->cpu, "%s", cpu);
    int c = snprintf(ret->features, sizeof ret->features, "%s", features);
    LLVMDisposeMessage(triple);
    LLVMDisposeMessage(cpu);
    LLVMDisposeMessage(features);
    if (a >= (int)sizeof ret->triple || b >= (int)sizeof ret->cpu ||
        c >= (int)sizeof ret->features || !a || !b) {
        return hone_fail(err, HONE_E_LLVM,
                         "LLVM describes this processor in a form hone does not hold; "
                         "write the target by hand instead of \"native\".");
    }
    hone_target_fill_host(ret);
    return HONE_OK;
}
