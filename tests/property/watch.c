/* Machine code in which every access of memory calls a function of the test: the code generator's
 * final IR, with calls put before each load and store.
 *
 *   hone_watch[0](address, bytes, is_store)
 *   hone_watch[1](address, bytes of an element, elements, a byte for each: is it accessed?,
 * is_store) hone_watch[2]() at the start of a function; what it returns goes to hone_watch[3](that)
 * before each return hone_watch[4](address, bytes) for memory on the stack, which gets space around
 * it
 *
 * What they make of it is in shadow.c. */
#include "tests/property/harness.h"

#include <llvm-c/Analysis.h>
#include <llvm-c/Core.h>
#include <llvm-c/Error.h>
#include <llvm-c/IRReader.h>
#include <llvm-c/TargetMachine.h>

enum { ACCESS, MASKED, ENTER, LEAVE, STACK, CALLS };
#define AROUND 64 /* bytes before and behind memory on the stack */

typedef struct watch {
    LLVMContextRef ctx;
    LLVMModuleRef mod;
    LLVMBuilderRef b;
    LLVMTargetDataRef data;
    LLVMValueRef table, fn, mark;
    LLVMTypeRef ptr, i8, i32, i64, type[CALLS], table_type;
    HONE_VEC(LLVMValueRef) todo; /* of one function */
    const char *unknown;
} watch;

static LLVMValueRef call(watch *w, int which, LLVMValueRef *args, unsigned n)
{
    LLVMValueRef at[] = {LLVMConstInt(w->i64, 0, false),
                         LLVMConstInt(w->i64, (unsigned)which, false)};
    LLVMValueRef from = LLVMBuildGEP2(w->b, w->table_type, w->table, at, 2, "");
    LLVMValueRef f = LLVMBuildLoad2(w->b, w->ptr, from, "");
    return LLVMBuildCall2(w->b, w->type[which], f, args, n, "");
}

static LLVMValueRef int64(watch *w, uint64_t k)
{
    return LLVMConstInt(w->i64, k, false);
}

static LLVMValueRef sort_of(watch *w, pair_access sort)
{
    return LLVMConstInt(w->i32, sort, false);
}

static void plain(watch *w, LLVMValueRef p, LLVMTypeRef type, pair_access sort)
{
    LLVMValueRef bytes = int64(w, LLVMStoreSizeOfType(w->data, type));
    call(w, ACCESS, (LLVMValueRef[]){p, bytes, sort_of(w, sort)}, 3);
}

/* Memory of the function, at its start. */
static LLVMValueRef local(watch *w, LLVMTypeRef type)
{
    LLVMBuilderRef b = LLVMCreateBuilderInContext(w->ctx);
    LLVMPositionBuilderBefore(b, LLVMGetFirstInstruction(LLVMGetEntryBasicBlock(w->fn)));
    LLVMValueRef p = LLVMBuildAlloca(b, type, "");
    LLVMDisposeBuilder(b);
    return p;
}

static void masked(watch *w, LLVMValueRef p, LLVMTypeRef type, LLVMValueRef mask, pair_access sort)
{
    unsigned n = LLVMGetVectorSize(type);
    LLVMTypeRef bytes = LLVMVectorType(w->i8, n);
    LLVMValueRef lanes = local(w, bytes);
    LLVMBuildStore(w->b, LLVMBuildZExt(w->b, mask, bytes, ""), lanes);
    uint64_t size = LLVMStoreSizeOfType(w->data, LLVMGetElementType(type));
    call(w, MASKED, (LLVMValueRef[]){p, int64(w, size), int64(w, n), lanes, sort_of(w, sort)}, 5);
}

static bool starts(const char *text, const char *with)
{
    return !strncmp(text, with, strlen(with));
}

static void on_call(watch *w, LLVMValueRef in)
{
    LLVMValueRef f = LLVMGetCalledValue(in);
    size_t n;
    const char *name = LLVMIsAFunction(f) ? LLVMGetValueName2(f, &n) : "";
    unsigned n_args = LLVMGetNumArgOperands(in);
    bool has_pointer = false;
    for (unsigned k = 0; k < n_args; k++)
        has_pointer |= LLVMTypeOf(LLVMGetOperand(in, k)) == w->ptr;
    if (!starts(name, "llvm.") || !has_pointer || starts(name, "llvm.lifetime") ||
        starts(name, "llvm.prefetch."))
        return; /* no access: what is fetched ahead may be anywhere */
    if (starts(name, "llvm.masked.load.")) {
        masked(w, LLVMGetOperand(in, 0), LLVMTypeOf(in), LLVMGetOperand(in, 2), PAIR_LOAD);
    } else if (starts(name, "llvm.masked.store.")) {
        LLVMTypeRef type = LLVMTypeOf(LLVMGetOperand(in, 0));
        masked(w, LLVMGetOperand(in, 1), type, LLVMGetOperand(in, 3), PAIR_STORE);
    } else if (starts(name, "llvm.memset.")) {
        call(w, ACCESS,
             (LLVMValueRef[]){LLVMGetOperand(in, 0), LLVMGetOperand(in, 2), sort_of(w, PAIR_STORE)},
             3);
    } else {
        w->unknown = name;
    }
}

/* Takes the place of one with space around it, and is made known. */
static void on_stack(watch *w, LLVMValueRef in)
{
    LLVMTypeRef type = LLVMGetAllocatedType(in);
    uint64_t bytes = LLVMABISizeOfType(w->data, type);
    LLVMValueRef wide = LLVMBuildAlloca(w->b, LLVMArrayType2(w->i8, bytes + 2 * AROUND), "");
    LLVMSetAlignment(wide, AROUND);
    LLVMValueRef at = int64(w, AROUND);
    LLVMValueRef p = LLVMBuildGEP2(w->b, w->i8, wide, &at, 1, "");
    call(w, STACK, (LLVMValueRef[]){p, int64(w, bytes)}, 2);
    LLVMReplaceAllUsesWith(in, p);
    LLVMInstructionEraseFromParent(in);
}

static void on_instruction(watch *w, LLVMValueRef in)
{
    LLVMPositionBuilderBefore(w->b, in);
    switch (LLVMGetInstructionOpcode(in)) {
    case LLVMLoad:
        plain(w, LLVMGetOperand(in, 0), LLVMTypeOf(in),
              LLVMGetTypeKind(LLVMTypeOf(in)) == LLVMVectorTypeKind ? PAIR_LOAD_WHOLE : PAIR_LOAD);
        /* else LLVM's fast selection folds one of 8 bytes into a vblendvpd, which loads 16 */
        LLVMSetVolatile(in, true);
        break;
    case LLVMStore:
        plain(w, LLVMGetOperand(in, 1), LLVMTypeOf(LLVMGetOperand(in, 0)), PAIR_STORE);
        break;
    case LLVMCall:
        on_call(w, in);
        break;
    case LLVMAlloca:
        on_stack(w, in);
        break;
    case LLVMRet:
        call(w, LEAVE, &w->mark, 1);
        break;
    case LLVMAtomicRMW:
    case LLVMAtomicCmpXchg:
        w->unknown = "an atomic operation";
        break;
    default:
        break;
    }
}

static void on_function(watch *w, LLVMValueRef fn)
{
    w->todo.n = 0;
    for (LLVMBasicBlockRef b = LLVMGetFirstBasicBlock(fn); b; b = LLVMGetNextBasicBlock(b))
        for (LLVMValueRef in = LLVMGetFirstInstruction(b); in; in = LLVMGetNextInstruction(in))
            hone_vec_push(&w->todo, in);
    if (!w->todo.n)
        return;
    w->fn = fn;
    LLVMPositionBuilderBefore(w->b, w->todo.v[0]);
    w->mark = call(w, ENTER, NULL, 0);
    for (uint32_t k = 0; k < w->todo.n; k++)
        on_instruction(w, w->todo.v[k]);
}

static void instrument(watch *w)
{
    w->ptr = LLVMPointerTypeInContext(w->ctx, 0);
    w->i8 = LLVMInt8TypeInContext(w->ctx);
    w->i32 = LLVMInt32TypeInContext(w->ctx);
    w->i64 = LLVMInt64TypeInContext(w->ctx);
    LLVMTypeRef none = LLVMVoidTypeInContext(w->ctx);
    LLVMTypeRef args[] = {w->ptr, w->i64, w->i32};
    LLVMTypeRef masked_args[] = {w->ptr, w->i64, w->i64, w->ptr, w->i32};
    w->type[ACCESS] = LLVMFunctionType(none, args, 3, false);
    w->type[MASKED] = LLVMFunctionType(none, masked_args, 5, false);
    w->type[ENTER] = LLVMFunctionType(w->i64, NULL, 0, false);
    w->type[LEAVE] = LLVMFunctionType(none, &w->i64, 1, false);
    w->type[STACK] = LLVMFunctionType(none, args, 2, false);
    w->table_type = LLVMArrayType2(w->ptr, CALLS);
    w->table = LLVMAddGlobal(w->mod, w->table_type, "hone_watch");
    LLVMSetInitializer(w->table, LLVMConstNull(w->table_type));
    for (LLVMValueRef f = LLVMGetFirstFunction(w->mod); f; f = LLVMGetNextFunction(f))
        on_function(w, f);
}

/* For quick compilation: nothing is to be gained from these calls. */
static LLVMTargetMachineRef machine_for(const hone_target *t)
{
    static LLVMTargetMachineRef m;
    LLVMTargetRef target;
    char *message = NULL;
    if (!m && !LLVMGetTargetFromTriple(t->triple, &target, &message))
        m = LLVMCreateTargetMachine(target, t->triple, t->cpu, t->features, LLVMCodeGenLevelNone,
                                    LLVMRelocPIC, LLVMCodeModelDefault);
    HONE_ASSERT(m);
    return m;
}

static hone_status to_object(watch *w, LLVMTargetMachineRef m, hone_code *code, hone_error *err)
{
    char *message = NULL;
    LLVMMemoryBufferRef object = NULL;
    if (w->unknown)
        return hone_fail(err, HONE_E_LLVM, "tests/property/watch.c does not know what %s accesses",
                         w->unknown);
    if (LLVMVerifyModule(w->mod, LLVMReturnStatusAction, &message) ||
        LLVMTargetMachineEmitToMemoryBuffer(m, w->mod, LLVMObjectFile, &message, &object)) {
        hone_status st = hone_fail(err, HONE_E_LLVM, "watched code: %s", message);
        LLVMDisposeMessage(message);
        return st;
    }
    LLVMDisposeMessage(message);
    free(code->bytes);
    code->n = LLVMGetBufferSize(object);
    code->bytes = hone_xmalloc(code->n);
    memcpy(code->bytes, LLVMGetBufferStart(object), code->n);
    LLVMDisposeMemoryBuffer(object);
    return HONE_OK;
}

hone_status pair_watch_ir(const hone_target *t, hone_code *code, hone_error *err)
{
    watch w = {.ctx = LLVMContextCreate()};
    LLVMTargetMachineRef m = machine_for(t);
    /* the parser takes the buffer */
    LLVMMemoryBufferRef text =
        LLVMCreateMemoryBufferWithMemoryRangeCopy((const char *)code->bytes, code->n, "watched");
    char *message = NULL;
    if (LLVMParseIRInContext(w.ctx, text, &w.mod, &message)) {
        hone_status st = hone_fail(err, HONE_E_LLVM, "the IR does not read back: %s", message);
        LLVMDisposeMessage(message);
        LLVMContextDispose(w.ctx);
        return st;
    }
    w.b = LLVMCreateBuilderInContext(w.ctx);
    w.data = LLVMCreateTargetDataLayout(m);
    instrument(&w);
    hone_status st = to_object(&w, m, code, err);
    hone_vec_free(&w.todo);
    LLVMDisposeTargetData(w.data);
    LLVMDisposeBuilder(w.b);
    LLVMDisposeModule(w.mod);
    LLVMContextDispose(w.ctx);
    return st;
}
