/* A device whose kernels are modules that Node runs: what it measures, and what it finds wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "codegen/codegen.h"
#include "targets/preset.h"
#include "tests/workers/device_kernels.h"

#include <llvm-c/Core.h>
#include <llvm-c/IRReader.h>
#include <llvm-c/TargetMachine.h>

#define ENTRY                                                                \
    "%a = load ptr, ptr %args\n %at = getelementptr ptr, ptr %args, i32 1\n" \
    "%c = load ptr, ptr %at\n %x = load <4 x float>, ptr %a\n"               \
    "%y = fadd <4 x float> %x, %x\n"
#define RIGHT ENTRY "store <4 x float> %y, ptr %c\n ret i32 0\n"

static hone_nursery *nursery;
static hone_manifest doubles;
static hone_artifact right;

/* ---- modules from LLVM's IR ------------------------------------------------------------------ */

static LLVMMemoryBufferRef object_of(const char *text, const hone_target *t)
{
    LLVMContextRef ctx = LLVMContextCreate();
    LLVMModuleRef m;
    LLVMTargetRef target;
    LLVMMemoryBufferRef object;
    char *message = NULL;
    LLVMMemoryBufferRef in = LLVMCreateMemoryBufferWithMemoryRangeCopy(text, strlen(text), "test");
    if (LLVMParseIRInContext(ctx, in, &m, &message) ||
        LLVMGetTargetFromTriple(t->triple, &target, &message))
        fail_msg("%s", message);
    LLVMTargetMachineRef tm =
        LLVMCreateTargetMachine(target, t->triple, t->cpu, t->features, LLVMCodeGenLevelDefault,
                                LLVMRelocStatic, LLVMCodeModelDefault);
    LLVMTargetDataRef layout = LLVMCreateTargetDataLayout(tm);
    LLVMSetModuleDataLayout(m, layout);
    LLVMSetTarget(m, t->triple);
    if (LLVMTargetMachineEmitToMemoryBuffer(tm, m, LLVMObjectFile, &message, &object))
        fail_msg("%s", message);
    LLVMDisposeTargetData(layout);
    LLVMDisposeTargetMachine(tm);
    LLVMDisposeModule(m);
    LLVMContextDispose(ctx);
    return object;
}

static hone_artifact module_of(const char *body)
{
    hone_target t;
    hone_codegen *g;
    hone_error err;
    hone_artifact a = {0};
    if (hone_target_named("wasm32", &t, &err) != HONE_OK ||
        hone_codegen_new(&t, &g, &err) != HONE_OK) /* which makes LLVM ready */
        fail_msg("%s", err.message);
    char *text = hone_xasprintf("%s\ndeclare void @llvm.trap()\n"
                                "define i32 @hone_kernel(ptr %%args, ptr %%rt) {\n%s}\n",
                                hone_preset_of(&t)->runtime, body);
    LLVMMemoryBufferRef object = object_of(text, &t);
    hone_manifest_copy(&a.manifest, &doubles);
    assert_status(hone_codegen_link((const uint8_t *)LLVMGetBufferStart(object),
                                    LLVMGetBufferSize(object), &a.bytes, &a.n, &err),
                  HONE_OK, &err);
    a.hash = hone_hash_bytes(0, a.bytes, a.n);
    LLVMDisposeMemoryBuffer(object);
    hone_codegen_free(g);
    free(text);
    return a;
}

static hone_artifact bytes_of(const void *bytes, size_t n)
{
    hone_artifact a = {.bytes = hone_xmalloc(n), .n = n, .hash = hone_hash_bytes(0, bytes, n)};
    memcpy(a.bytes, bytes, n);
    hone_manifest_copy(&a.manifest, &doubles);
    return a;
}

static int set_up(void **state)
{
    (void)state;
    hone_error err;
    char *linker = hone_codegen_linker_path(HONE_LINKED_MODULE);
    bool there = linker && system("node -e 0 >/dev/null 2>&1") == 0;
    free(linker);
    if (!there)
        return 0;
    add_arg(&doubles, "in", HONE_ELEM_F32, false, 4);
    add_arg(&doubles, "out", HONE_ELEM_F32, true, 4);
    right = module_of(RIGHT);
    assert_status(hone_nursery_start_modules("node", &nursery, &err), HONE_OK, &err);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    hone_nursery_stop(nursery);
    hone_artifact_free(&right);
    return 0;
}

/* ---- what comes of them ---------------------------------------------------------------------- */

static void works(void)
{
    hone_measure_result r;
    hone_error err;
    hone_measure_job job = plain_job(&right, &right);
    assert_status(run_job(nursery, &job, &r, &err), HONE_OK, &err);
    assert_true(r.time_ns > 0 && r.n_samples >= 1 && r.max_error == 0);
    if (!strstr(r.env, "runtime=node v"))
        fail_msg("%s", r.env);
}

static void measures(void **state)
{
    (void)state;
    if (!nursery)
        skip();
    works();
    hone_measure_result r;
    hone_error err;
    hone_artifact other = module_of(ENTRY "%z = fmul <4 x float> %x, <float 2.0, float 2.0, "
                                          "float 2.0, float 2.0>\n"
                                          "store <4 x float> %z, ptr %c\n ret i32 0\n");
    hone_measure_job job = plain_job(&other, &right);
    job.incumbent = &right;
    assert_status(run_job(nursery, &job, &r, &err), HONE_OK, &err);
    for (int32_t k = 0; k < (int32_t)r.n_samples; k++)
        assert_true(r.sample_ns[k] > 0 && r.incumbent_ns[k] > 0);
    hone_artifact_free(&other);
}

static void refuses_what_is_wrong(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        hone_status want;
        const char *says;
    } all[] = {
        {ENTRY "store <4 x float> %x, ptr %c\n ret i32 0\n", HONE_REJECT_WRONG_RESULT, "expected"},
        {"call void @llvm.trap()\n unreachable\n", HONE_REJECT_CRASH, "unreachable"},
        {ENTRY "store <4 x float> %y, ptr inttoptr (i32 -64 to ptr)\n ret i32 0\n",
         HONE_REJECT_OUT_OF_BOUNDS, "out of bounds"},
        {ENTRY "store <4 x float> %y, ptr %c\n %b = getelementptr i8, ptr %c, i32 16\n"
               "store i8 1, ptr %b\n ret i32 0\n",
         HONE_REJECT_OUT_OF_BOUNDS, "beside an argument"},
        {ENTRY "store <4 x float> %y, ptr %c\n store <4 x float> %y, ptr %a\n ret i32 0\n",
         HONE_REJECT_OUT_OF_BOUNDS, "of an input was written"},
        {ENTRY "store <4 x float> %y, ptr %c\n ret i32 7\n", HONE_REJECT_NONZERO, "returned 7"},
    };
    if (!nursery)
        skip();
    for (size_t k = 0; k < HONE_LEN(all); k++) {
        hone_measure_result r;
        hone_error err;
        hone_artifact a = module_of(all[k].body);
        hone_measure_job job = plain_job(&a, &right);
        hone_status s = run_job(nursery, &job, &r, &err);
        if (s != all[k].want || !strstr(err.message, all[k].says))
            fail_msg("case %zu: %s: %s", k, hone_status_name(s), err.message);
        hone_artifact_free(&a);
    }
    works();
}

/* The runtime's process is gone with it, and the next one does as well. */
static void survives_what_does_not_end(void **state)
{
    (void)state;
    if (!nursery)
        skip();
    hone_measure_result r;
    hone_error err;
    hone_artifact a = module_of(ENTRY "br label %on\non:\n store volatile float 1.0, ptr %c\n"
                                      "br label %on\n");
    hone_measure_job job = plain_job(&a, &right);
    job.check_ms = 1000;
    assert_status(run_job(nursery, &job, &r, &err), HONE_REJECT_RUN_TIMEOUT, &err);
    hone_artifact_free(&a);
    works();
}

static void refuses_what_is_no_kernel(void **state)
{
    (void)state;
    static const uint8_t none[] = "no module at all";
    static const uint8_t empty[] = {0, 'a', 's', 'm', 1, 0, 0, 0};
    static const uint8_t broken[] = {0, 'a', 's', 'm', 1, 0, 0, 0, 10, 0xff, 0xff};
    /* a function of no arguments, "e" "f" */
    static const uint8_t imports[] = {0, 'a', 's', 'm', 1, 0, 0,   0, 1,   4, 1, 0x60,
                                      0, 0,   2,   7,   1, 1, 'e', 1, 'f', 0, 0};
    static const struct {
        const uint8_t *bytes;
        size_t n;
        hone_status want;
        const char *says;
    } all[] = {{none, sizeof none, HONE_E_INPUT, "no module of WebAssembly"},
               {empty, sizeof empty, HONE_REJECT_ARTIFACT, "an export is missing"},
               {broken, sizeof broken, HONE_REJECT_ARTIFACT, "cannot be loaded"},
               {imports, sizeof imports, HONE_REJECT_ARTIFACT, "it imports something"}};
    if (!nursery)
        skip();
    for (size_t k = 0; k < HONE_LEN(all); k++) {
        hone_measure_result r;
        hone_error err;
        hone_artifact a = bytes_of(all[k].bytes, all[k].n);
        hone_measure_job job = plain_job(&a, &right);
        hone_status s = run_job(nursery, &job, &r, &err);
        if (s != all[k].want || !strstr(err.message, all[k].says))
            fail_msg("case %zu: %s: %s", k, hone_status_name(s), err.message);
        hone_artifact_free(&a);
    }
    works();
}

static void needs_node(void **state)
{
    (void)state;
    hone_nursery *n;
    hone_error err;
    char *path = hone_xstrdup(getenv("PATH"));
    setenv("PATH", "/nowhere", 1);
    assert_status(hone_nursery_start_modules("node", &n, &err), HONE_E_TOOL, &err);
    assert_says(&err, "install nodejs");
    setenv("PATH", path, 1);
    free(path);
    assert_status(hone_nursery_start_modules("browser:nonsense", &n, &err), HONE_E_INPUT, &err);
    assert_says(&err, "HOST:PORT");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(measures),
        cmocka_unit_test(refuses_what_is_wrong),
        cmocka_unit_test(survives_what_does_not_end),
        cmocka_unit_test(refuses_what_is_no_kernel),
        cmocka_unit_test(needs_node),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
