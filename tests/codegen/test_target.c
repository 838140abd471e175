/* What targets/ says about processors, against LLVM; code for processors other than this one. */
#include "targets/preset.h"
#include "tests/codegen/codegen_test.h"

#include <llvm-c/Core.h>
#include <llvm-c/IRReader.h>
#include <llvm-c/Target.h>
#include <llvm-c/TargetMachine.h>
#include <llvm-c/Transforms/PassBuilder.h>

static hone_target target_of(const char *triple, const char *cpu, const char *features)
{
    hone_target t = {.vector_bytes = 64, .vector_registers = 32};
    snprintf(t.triple, sizeof t.triple, "%s", triple);
    snprintf(t.cpu, sizeof t.cpu, "%s", cpu);
    snprintf(t.features, sizeof t.features, "%s", features);
    return t;
}

static char *assembly_for(const hone_target *t, const char *text)
{
    hone_codegen *g;
    hone_error err;
    hone_code code;
    hone_codegen_options o = {.emit = HONE_EMIT_ASM};
    hone_program p = parse_text(text);
    if (hone_codegen_new(t, &g, &err) != HONE_OK ||
        hone_codegen_emit(g, &p, &o, &code, &err) != HONE_OK)
        fail_msg("%s", err.message);
    char *ret = strdup((const char *)code.bytes);
    hone_code_free(&code);
    hone_codegen_free(g);
    hone_program_fini(&p);
    return ret;
}

static const char exp_text[] =
    "program f {\n buffer A: f32[64] input\n buffer C: f32[64] output\n"
    " for i in 4 { for j in 16 vectorized { block c(vi: 64 = i*16 + j) { C[vi] = exp(A[vi]) } } }\n"
    "}\n";

/* A list that mentions nothing leaves it to the processor what it has. */
static void by_processor(void **state)
{
    (void)state;
    static const struct {
        const char *cpu, *features;
        bool fma, zmm;
    } all[] = {{"haswell", "", true, false},
               {"x86-64", "", false, false},
               {"skylake-avx512", "", true, true},
               {"znver4", "-avx512f", true, false},
               {"knl", "", true, true},
               {"x86-64-v2", "+avx512f", true, true},
               {"ivybridge", "", false, false}};
    for (size_t k = 0; k < HONE_LEN(all); k++) {
        hone_target t = target_of("x86_64-pc-linux-gnu", all[k].cpu, all[k].features);
        char *text = assembly_for(&t, exp_text);
        if (!strstr(text, "vfmadd") == all[k].fma || !strstr(text, "zmm") == all[k].zmm)
            fail_msg("%s %s", all[k].cpu, all[k].features);
        free(text);
    }
}

/* ---- the tables against LLVM ------------------------------------------------------------------
 *
 * LLVM inlines a function into one whose processor has at least the features it was made for. */

/* What a function is switched off that LLVM's generic processors are tuned with. */
static const char *untuned(const hone_preset *p)
{
    return strcmp(p->name, "aarch64") == 0
               ? "-ete,-trbe,-fuse-aes,-fuse-adrp-add,-use-postra-scheduler,-enable-select-opt,"
                 "-predictable-select-expensive,"
               : "";
}

/* LLVM refuses lengths of vectors, and operations on them, where there are none. */
static bool needs_vectors(const hone_preset *p, const char *feature)
{
    return strcmp(p->name, "riscv64") == 0 && strncmp(feature, "zv", 2) == 0 &&
           strncmp(feature, "zve", 3) != 0;
}

static void put_callee(hone_buf *b, const hone_preset *p, unsigned k, const char *feature)
{
    hone_buf_printf(
        b,
        "define internal i32 @f%u(i32 %%x) \"target-cpu\"=\"%s\" "
        "\"target-features\"=\"%s%s%s+%s\" {\n %%y = mul i32 %%x, %u\n ret i32 %%y\n}\n",
        k, strcmp(p->name, "aarch64") == 0 ? "generic" : "", untuned(p),
        strcmp(p->name, "riscv64") == 0 ? "+64bit," : "",
        needs_vectors(p, feature) ? "+zve32x," : "", feature, k + 3);
}

static bool asks_llvm(const hone_preset_feature *f)
{
    return strncmp(f->name, "prefer-", 7) != 0 && strcmp(f->name, "vzeroupper") != 0 &&
           strcmp(f->name, "relax") != 0;
}

static void put_caller(hone_buf *b, const hone_preset *p, unsigned at, const char *cpu,
                       const char *features)
{
    hone_buf_printf(b,
                    "define void @c%u(i32 %%x, ptr %%p) \"target-cpu\"=\"%s\" "
                    "\"target-features\"=\"%s\" {\n",
                    at, cpu, features);
    for (unsigned k = 0; p->features[k].name; k++)
        if (asks_llvm(&p->features[k]))
            hone_buf_printf(b,
                            " %%r%u = call i32 @f%u(i32 %%x)\n store volatile i32 %%r%u, ptr %%p\n",
                            k, k, k);
    hone_buf_puts(b, " ret void\n}\n");
}

static LLVMModuleRef inlined(LLVMContextRef ctx, const hone_preset *p, const hone_buf *text)
{
    LLVMModuleRef m;
    LLVMTargetRef target;
    char *message = NULL;
    LLVMMemoryBufferRef in = LLVMCreateMemoryBufferWithMemoryRangeCopy(text->s, text->n, "cpus");
    if (LLVMParseIRInContext(ctx, in, &m, &message))
        fail_msg("%s", message);
    LLVMSetTarget(m, p->triple);
    if (LLVMGetTargetFromTriple(p->triple, &target, &message))
        fail_msg("%s", message);
    LLVMTargetMachineRef tm = LLVMCreateTargetMachine(
        target, p->triple, "", "", LLVMCodeGenLevelDefault, LLVMRelocPIC, LLVMCodeModelDefault);
    LLVMPassBuilderOptionsRef o = LLVMCreatePassBuilderOptions();
    LLVMPassBuilderOptionsSetInlinerThreshold(o, 1000000);
    LLVMErrorRef failed = LLVMRunPasses(m, "cgscc(inline)", tm, o);
    if (failed)
        fail_msg("%s", LLVMGetErrorMessage(failed));
    LLVMDisposePassBuilderOptions(o);
    LLVMDisposeTargetMachine(tm);
    return m;
}

/* The features whose function is still called. */
static void read_missing(LLVMModuleRef m, unsigned at, bool *ret)
{
    char name[16];
    snprintf(name, sizeof name, "c%u", at);
    LLVMValueRef fn = LLVMGetNamedFunction(m, name);
    for (LLVMValueRef i = LLVMGetFirstInstruction(LLVMGetEntryBasicBlock(fn)); i;
         i = LLVMGetNextInstruction(i))
        if (LLVMGetInstructionOpcode(i) == LLVMCall) {
            size_t n;
            const char *callee = LLVMGetValueName2(LLVMGetCalledValue(i), &n);
            ret[strtoul(callee + 1, NULL, 10)] = true;
        }
}

static void compare_tables(const hone_preset *p)
{
    struct {
        char cpu[64], features[128];
    } callers[400];
    unsigned n = 0, wrong = 0;
    for (const hone_preset_cpu *c = p->cpus; c->name; c++, n++) {
        snprintf(callers[n].cpu, sizeof callers[n].cpu, "%s", c->name);
        callers[n].features[0] = 0;
    }
    for (const hone_preset_feature *f = p->features; f->name; f++, n++) {
        snprintf(callers[n].cpu, sizeof callers[n].cpu, "%s", p->cpus[0].name);
        snprintf(callers[n].features, sizeof callers[n].features, "%s+%s",
                 needs_vectors(p, f->name) ? "+zve32x," : "", f->name);
    }
    hone_buf text = {0};
    for (unsigned k = 0; p->features[k].name; k++)
        if (asks_llvm(&p->features[k]))
            put_callee(&text, p, k, p->features[k].name);
    for (unsigned k = 0; k < n; k++)
        put_caller(&text, p, k, callers[k].cpu, callers[k].features);
    LLVMContextRef ctx = LLVMContextCreate();
    LLVMModuleRef m = inlined(ctx, p, &text);
    for (unsigned k = 0; k < n; k++) {
        bool missing[400] = {false};
        hone_target t = target_of(p->triple, callers[k].cpu, callers[k].features);
        read_missing(m, k, missing);
        for (unsigned q = 0; p->features[q].name; q++)
            if (asks_llvm(&p->features[q]) && !p->features[q].idle &&
                hone_target_has(&t, p->features[q].name) == missing[q]) {
                print_error("%s: cpu \"%s\" with \"%s\" %s %s\n", p->name, callers[k].cpu,
                            callers[k].features, missing[q] ? "lacks" : "has", p->features[q].name);
                wrong++;
            }
    }
    LLVMDisposeModule(m);
    LLVMContextDispose(ctx);
    hone_buf_free(&text);
    assert_int_equal(wrong, 0);
}

/* LLVM wants much of 32-bit Arm to be the same in both functions: each processor has callees of its
 * own. */
static void compare_processors(const hone_preset *p)
{
    unsigned n = 0, wrong = 0;
    for (const hone_preset_cpu *c = p->cpus; c->name; c++) {
        hone_buf text = {0};
        hone_target t = target_of(p->triple, c->name, "");
        bool missing[400] = {false};
        for (unsigned k = 0; p->features[k].name; k++)
            hone_buf_printf(
                &text,
                "define internal i32 @f%u(i32 %%x) \"target-cpu\"=\"%s\" "
                "\"target-features\"=\"+%s\" {\n %%y = mul i32 %%x, %u\n ret i32 %%y\n}\n",
                k, c->name, p->features[k].name, k + 3);
        put_caller(&text, p, 0, c->name, "");
        LLVMContextRef ctx = LLVMContextCreate();
        LLVMModuleRef m = inlined(ctx, p, &text);
        read_missing(m, 0, missing);
        for (unsigned q = 0; p->features[q].name; q++, n++)
            if (hone_target_has(&t, p->features[q].name) == missing[q]) {
                print_error("%s: cpu \"%s\" %s %s\n", p->name, c->name,
                            missing[q] ? "lacks" : "has", p->features[q].name);
                wrong++;
            }
        LLVMDisposeModule(m);
        LLVMContextDispose(ctx);
        hone_buf_free(&text);
    }
    assert_true(n > 0);
    assert_int_equal(wrong, 0);
}

static void tables(void **state)
{
    (void)state;
    const hone_preset *p;
    for (unsigned k = 0; (p = hone_preset_at(k)); k++)
        if (p->archs && strcmp(p->name, "arm") == 0)
            compare_processors(p);
        else if (p->archs)
            compare_tables(p);
}

/* ---- this machine ------------------------------------------------------------------------------
 */

static void host(void **state)
{
    (void)state;
    hone_error err;
    hone_target native, t;
    assert_int_equal(hone_target_native(&native, &err), HONE_OK);
    if (hone_target_host(&t, &err) != HONE_OK)
        fail_msg("%s", err.message);
    assert_true(hone_target_can_run(&t, &native));
    assert_true(hone_target_can_run(&native, &t));
    assert_int_equal(t.vector_bytes, native.vector_bytes);
    assert_int_equal(t.vector_registers, native.vector_registers);
    assert_int_equal(t.l1_bytes, native.l1_bytes);
    assert_int_equal(t.l2_bytes, native.l2_bytes);
    assert_int_equal(t.l3_bytes, native.l3_bytes);
    assert_int_equal(t.cores, native.cores);
    char *a = hone_target_class(&t), *b = hone_target_class(&native);
    assert_string_equal(a, b);
    free(a);
    free(b);
    /* What LLVM found must be what the probe found, both ways. */
    for (const hone_preset_feature *f = hone_preset_host()->features; f->name; f++)
        if (f->word && hone_target_has(&t, f->name) != hone_target_has(&native, f->name))
            fail_msg("%s: LLVM says %d", f->name, hone_target_has(&native, f->name));
    /* The text can be given to --target, and the code runs here. */
    char *text = hone_target_text(&t);
    if (hone_preset_host()->host_order) {
        char *by_llvm = hone_target_text(&native); /* or logs would have two of this machine */
        assert_string_equal(text, by_llvm);
        free(by_llvm);
    }
    hone_target again;
    assert_int_equal(hone_target_parse(text, &again, &err), HONE_OK);
    char *code = assembly_for(&again, exp_text);
    free(code);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables),
        cmocka_unit_test(by_processor),
        cmocka_unit_test(host),
    };
    return cmocka_run_group_tests(tests, setup_codegen, teardown_codegen);
}
