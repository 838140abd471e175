/* A library's function in the place of a program: a function with the kernel's parameters that
 * calls it with those and with constants. As an artifact it finds the library's function in a
 * variable that its loader sets (libcall/libcall.h), and so refers to no symbol outside; as NAME it
 * calls the function by its name. */
#include "codegen/internal.h"

#include <llvm-c/Analysis.h>
#include <llvm-c/IRReader.h>

static const char *const types[HONE_LIBCALL_KINDS] = {
    [HONE_LIBCALL_I32] = "i32",    [HONE_LIBCALL_I64] = "i64", [HONE_LIBCALL_F32] = "float",
    [HONE_LIBCALL_F64] = "double", [HONE_LIBCALL_PTR] = "ptr",
};

/* ---- text of LLVM IR ---------------------------------------------------------------------------
 */

/* As wide as an argument is in registers: some architectures want it said. */
static const char *extended(hone_libcall_kind kind)
{
    return kind == HONE_LIBCALL_I32 ? " signext" : "";
}

static void put_bits(double x, hone_buf *out)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    hone_buf_printf(out, "0x%016" PRIX64, bits);
}

/* The call's result, a 32-bit integer, is %rc; without one there is none. */
static void put_call(const hone_libcall *c, const char *callee, hone_buf *out)
{
    hone_buf_printf(out, "  %scall %s %s(", c->returns ? "%rc = " : "", c->returns ? "i32" : "void",
                    callee);
    for (unsigned k = 0; k < c->n_args; k++) {
        const hone_libcall_arg *a = &c->args[k];
        hone_buf_printf(out, "%s%s%s ", k ? ", " : "", types[a->kind], extended(a->kind));
        if (a->kind == HONE_LIBCALL_PTR)
            hone_buf_printf(out, "%%a%" PRId64, a->i);
        else if (a->kind == HONE_LIBCALL_F32 || a->kind == HONE_LIBCALL_F64)
            put_bits(a->x, out);
        else
            hone_buf_printf(out, "%" PRId64, a->i);
    }
    hone_buf_printf(out, ")\n  ret i32 %s\n}\n", c->returns ? "%rc" : "0");
}

/* As many bytes as the array has. */
static void put_bytes(const char *s, size_t size, hone_buf *out)
{
    hone_buf_printf(out, "[%zu x i8] c\"", size);
    for (size_t k = 0; k < size; k++)
        hone_buf_printf(out, "\\%02X", k < strlen(s) ? (unsigned char)s[k] : 0);
    hone_buf_puts(out, "\"");
}

static void put_artifact(const hone_libcall *c, unsigned n_args, hone_buf *out)
{
    hone_buf_printf(out,
                    "@" HONE_LIBCALL_SYMBOL " = protected global { ptr, i64, [%d x i8], [%d x i8] }"
                    " { ptr null, i64 %" PRId64 ", ",
                    HONE_LIBCALL_MAX_NAME, HONE_LIBCALL_MAX_SYMBOL, (int64_t)c->hash);
    put_bytes(c->name, HONE_LIBCALL_MAX_NAME, out);
    hone_buf_puts(out, ", ");
    put_bytes(c->function, HONE_LIBCALL_MAX_SYMBOL, out);
    hone_buf_puts(out, " }, align 16\n\n"
                       "define i32 @hone_kernel(ptr %args, ptr %rt) nounwind {\n"
                       "  %f = load ptr, ptr @" HONE_LIBCALL_SYMBOL "\n");
    for (unsigned k = 0; k < n_args; k++)
        hone_buf_printf(out,
                        "  %%p%u = getelementptr ptr, ptr %%args, i64 %u\n"
                        "  %%a%u = load ptr, ptr %%p%u\n",
                        k, k, k, k);
    put_call(c, "%f", out);
}

static void put_function(const hone_libcall *c, const char *name, unsigned n_args, hone_buf *out)
{
    hone_buf_printf(out, "declare %s @%s(", c->returns ? "i32" : "void", c->function);
    for (unsigned k = 0; k < c->n_args; k++)
        hone_buf_printf(out, "%s%s%s", k ? ", " : "", types[c->args[k].kind],
                        extended(c->args[k].kind));
    hone_buf_printf(out, ")\n\ndefine i32 @%s(", name);
    for (unsigned k = 0; k < n_args; k++)
        hone_buf_printf(out, "%sptr %%a%u", k ? ", " : "", k);
    hone_buf_puts(out, ") nounwind {\n");
    char *callee = hone_xasprintf("@%s", c->function);
    put_call(c, callee, out);
    free(callee);
}

/* ---- code --------------------------------------------------------------------------------------
 */

static hone_status write_module(const hone_codegen *g, LLVMModuleRef m, hone_emit emit,
                                hone_code *ret, hone_error *err)
{
    char *message = NULL;
    LLVMMemoryBufferRef buffer = NULL;
    if (emit == HONE_EMIT_LLVM) {
        char *text = LLVMPrintModuleToString(m);
        hone_cg__take(ret, text, strlen(text));
        LLVMDisposeMessage(text);
        return HONE_OK;
    }
    bool object = emit == HONE_EMIT_OBJECT;
    if (LLVMTargetMachineEmitToMemoryBuffer(
            g->machine, m, object ? LLVMObjectFile : LLVMAssemblyFile, &message, &buffer)) {
        hone_fail(err, HONE_E_LLVM, "LLVM could not write the code: %s", message);
        LLVMDisposeMessage(message);
        return HONE_E_LLVM;
    }
    hone_cg__take(ret, LLVMGetBufferStart(buffer), LLVMGetBufferSize(buffer));
    LLVMDisposeMemoryBuffer(buffer);
    char ignored[CG_MAX_SYMBOL];
    const char *const none[] = {NULL};
    if (object)
        hone_cg__object_scan(ret->bytes, ret->n, none, &ret->code_bytes, ignored);
    return HONE_OK;
}

static hone_status compile_text(const hone_codegen *g, const hone_buf *text, hone_emit emit,
                                hone_code *ret, hone_error *err)
{
    char *message = NULL;
    LLVMModuleRef m = NULL;
    LLVMContextRef ctx = LLVMContextCreate();
    LLVMMemoryBufferRef in = LLVMCreateMemoryBufferWithMemoryRangeCopy(text->s, text->n, "call");
    hone_status st = HONE_OK;
    if (LLVMParseIRInContext(ctx, in, &m, &message)) {
        st = hone_fail(err, HONE_E_LLVM, "LLVM does not read the library call: %s", message);
    } else {
        LLVMSetTarget(m, g->target.triple);
        LLVMSetDataLayout(m, g->layout);
        st = write_module(g, m, emit, ret, err);
        LLVMDisposeModule(m);
    }
    LLVMDisposeMessage(message);
    LLVMContextDispose(ctx);
    return st;
}

hone_status hone_codegen_emit_call(hone_codegen *g, const hone_program *p, const hone_libcall *c,
                                   hone_emit emit, const char *name, hone_code *ret,
                                   hone_error *err)
{
    hone_buf text = {0};
    *ret = (hone_code){.n_args = hone_program_n_args(p), .call = c};
    HONE_ASSERT(emit != HONE_EMIT_BITCODE);
    for (unsigned k = 0; k < c->n_args; k++)
        if (c->args[k].kind == HONE_LIBCALL_PTR && c->args[k].i >= ret->n_args)
            return hone_fail(err, HONE_E_INPUT,
                             "the call of library %s wants argument %" PRId64
                             ", and this kernel has %u",
                             c->name, c->args[k].i + 1, ret->n_args);
    if (name && strcmp(name, c->function) == 0)
        return hone_fail(err, HONE_E_INPUT,
                         "'%s' is the library's own function: give this one another name", name);
    if (name)
        put_function(c, name, ret->n_args, &text);
    else
        put_artifact(c, ret->n_args, &text);
    hone_status st = compile_text(g, &text, emit, ret, err);
    hone_buf_free(&text);
    if (st != HONE_OK)
        hone_code_free(ret);
    return st;
}
