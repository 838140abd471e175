/* The entry points: one program through layout, emission and LLVM's passes to code. */
#include "codegen/internal.h"

#include <llvm-c/Analysis.h>
#include <llvm-c/BitWriter.h>
#include <llvm-c/Error.h>
#include <llvm-c/ErrorHandling.h>
#include <llvm-c/Support.h>
#include <llvm-c/Target.h>
#include <llvm-c/Transforms/PassBuilder.h>
#include <time.h>

/* Everything a later pass would do for the schedule is done while emitting; what remains is to make
 * registers of tiles, of local buffers (sroa) and of output elements that a loop updates (licm),
 * and to clean up. `instcombine` without its option would verify that it is done after one round
 * and end the process when it is not. */
#define PIPELINE_SCHEDULED                                                 \
    "function(sroa,early-cse,instcombine<no-verify-fixpoint>,simplifycfg," \
    "loop-mssa(licm),simplifycfg)"
#define PIPELINE_INTRINSICS "always-inline," PIPELINE_SCHEDULED
/* The oracle: without LLVM's own vectorisers, which O2 always adds, but for the loops of sums that
 * ask for one. (The one for straight-line code mixes up lanes when it meets loads forwards and
 * backwards at once; seen in 19.1.7.) */
#define PIPELINE_PLAIN                                                                            \
    PIPELINE_SCHEDULED ",function(loop-vectorize<interleave-forced-only;vectorize-forced-only>)," \
                       "default<O1>"

#if !defined(NDEBUG) || defined(__SANITIZE_ADDRESS__)
#define VERIFY 1
#else
#define VERIFY 0
#endif

static void fatal(const char *reason)
{
    hone_log(HONE_LOG_ERROR, "LLVM gave up: %s", reason);
}

/* Loop strength reduction took half of the time of a large unrolled body, and finds nothing: index
 * arithmetic is emitted reduced (emit/index.c). There is no way to ask a target machine for it, so
 * the option is the process's. */
static void init_llvm(void)
{
    static bool done;
    if (!done) {
        done = true;
        LLVMInitializeAllTargetInfos();
        LLVMInitializeAllTargets();
        LLVMInitializeAllTargetMCs();
        LLVMInitializeAllAsmPrinters();
        LLVMInstallFatalErrorHandler(fatal);
        const char *const options[] = {"hone", "-disable-lsr"};
        LLVMParseCommandLineOptions(HONE_LEN(options), options, NULL);
    }
}

const char *hone_codegen_version(void)
{
    static char text[48];
    unsigned major, minor, patch;
    LLVMGetVersion(&major, &minor, &patch);
    snprintf(text, sizeof text, "LLVM %u.%u.%u", major, minor, patch);
    return text;
}

hone_status hone_codegen_new(const hone_target *t, hone_codegen **ret, hone_error *err)
{
    hone_codegen full = {.target = *t};
    hone_cg__complete(&full);
    t = &full.target;
    init_llvm();
    LLVMTargetRef target;
    char *message = NULL;
    if (LLVMGetTargetFromTriple(t->triple, &target, &message)) {
        hone_status s = hone_fail(err, HONE_E_INPUT,
                                  "LLVM does not know the target triple \"%s\" (%s); "
                                  "\"x86_64-pc-linux-gnu\" is an example of one.",
                                  t->triple, message ? message : "");
        LLVMDisposeMessage(message);
        return s;
    }
    const hone_preset *p = hone_preset_of(t);
    LLVMTargetMachineRef m =
        LLVMCreateTargetMachine(target, t->triple, t->cpu, t->features, LLVMCodeGenLevelDefault,
                                p->runtime ? LLVMRelocStatic : LLVMRelocPIC, LLVMCodeModelDefault);
    if (!m) {
        return hone_fail(err, HONE_E_INPUT, "LLVM cannot generate code for cpu \"%s\" of \"%s\".",
                         t->cpu, t->triple);
    }
    hone_codegen *g = hone_xcalloc(1, sizeof *g);
    *g = full;
    g->machine = m;
    LLVMTargetDataRef data = LLVMCreateTargetDataLayout(m);
    char *layout = LLVMCopyStringRepOfTargetData(data);
    g->layout = hone_xstrdup(layout);
    LLVMDisposeMessage(layout);
    g->is_narrow = LLVMPointerSize(data) == 4;
    LLVMDisposeTargetData(data);
    g->has_fma = !p->fma || (*p->fma && hone_target_has(t, p->fma));
    g->soft_half = p->half && !(*p->half && hone_target_has(t, p->half));
    g->has_rounding = !p->rounding || (*p->rounding && hone_target_has(t, p->rounding));
    g->madd = p->madd.feature && hone_target_has(t, p->madd.feature) ? p->madd.intrinsic : NULL;
    g->madd_bytes = (unsigned)p->vectors[0].bytes;
    g->unsigned_offsets = p->unsigned_offsets;
    g->shares = hone_preset_shares(t);
    g->runtime = g->shares ? p->shared_runtime : p->runtime;
    const char *end = g->shares ? p->shared_runtime_end : p->runtime_end;
    g->runtime_bytes = g->runtime ? (size_t)(end - g->runtime) : 0;
    g->is_scalable = p->scalable && hone_target_has(t, p->scalable);
    g->has_maxnum = p->maxnum && hone_target_has(t, p->maxnum);
    *ret = g;
    return HONE_OK;
}

void hone_codegen_free(hone_codegen *g)
{
    if (g) {
        LLVMDisposeTargetMachine(g->machine);
        free(g->layout);
        free(g);
    }
}

void hone_code_free(hone_code *c)
{
    free(c->bytes);
    memset(c, 0, sizeof *c);
}

/* ---- one candidate --------------------------------------------------------------------------- */

static void on_diagnostic(LLVMDiagnosticInfoRef d, void *ctx)
{
    cg *e = ctx;
    if (LLVMGetDiagInfoSeverity(d) == LLVMDSError) {
        char *text = LLVMGetDiagInfoDescription(d);
        hone_cg__fail(e, HONE_E_LLVM, "LLVM reports: %s", text);
        LLVMDisposeMessage(text);
    }
}

static void open_context(cg *e)
{
    e->ctx = LLVMContextCreate();
    LLVMContextSetDiagnosticHandler(e->ctx, on_diagnostic, e);
    e->mod = LLVMModuleCreateWithNameInContext("hone", e->ctx);
    LLVMSetTarget(e->mod, e->g->target.triple);
    LLVMSetDataLayout(e->mod, e->g->layout);
    e->b = LLVMCreateBuilderInContext(e->ctx);
    e->i1 = LLVMInt1TypeInContext(e->ctx);
    e->i8 = LLVMInt8TypeInContext(e->ctx);
    e->i16 = LLVMInt16TypeInContext(e->ctx);
    e->i32 = LLVMInt32TypeInContext(e->ctx);
    e->i64 = LLVMInt64TypeInContext(e->ctx);
    e->f16 = LLVMHalfTypeInContext(e->ctx);
    e->f32 = LLVMFloatTypeInContext(e->ctx);
    e->f64 = LLVMDoubleTypeInContext(e->ctx);
    e->ptr = LLVMPointerTypeInContext(e->ctx, 0);
    e->void_ = LLVMVoidTypeInContext(e->ctx);
    e->env = hone_xcalloc(e->q.vars.n + 1, sizeof *e->env);
    e->bound = hone_xcalloc(e->q.vars.n + 1, sizeof *e->bound);
}

static void close_all(cg *e)
{
    if (e->ctx) {
        LLVMDisposeBuilder(e->b);
        LLVMDisposeModule(e->mod);
        LLVMContextDispose(e->ctx);
    }
    free(e->env);
    free(e->bound);
    hone_program_fini(&e->q);
    hone_vec_free(&e->leaves);
    hone_vec_free(&e->leaf_of);
    hone_vec_free(&e->uses);
    free(e->intrin_fns);
    hone_vec_free(&e->places);
    hone_vec_free(&e->lin_of);
    hone_vec_free(&e->lins);
    hone_vec_free(&e->terms);
    hone_vec_free(&e->offset_of);
    hone_vec_free(&e->fits);
    hone_vec_free(&e->ranges);
    hone_vec_free(&e->facts);
    hone_vec_free(&e->known);
    hone_vec_free(&e->known_at);
    hone_vec_free(&e->known_idx);
    hone_vec_free(&e->known_idx_at);
    hone_vec_free(&e->harmless);
    hone_ahead_free(&e->ahead);
}

static void optimise(cg *e)
{
    if (VERIFY) {
        char *message = NULL;
        if (LLVMVerifyModule(e->mod, LLVMReturnStatusAction, &message)) {
            hone_cg__fail(e, HONE_E_LLVM, "The code generator made wrong IR: %s", message);
        }
        LLVMDisposeMessage(message);
        if (e->status != HONE_OK) {
            return;
        }
    }
    LLVMPassBuilderOptionsRef options = LLVMCreatePassBuilderOptions();
    const char *pipeline = e->o->plain ? PIPELINE_PLAIN
                           : e->uses.n ? PIPELINE_INTRINSICS
                                       : PIPELINE_SCHEDULED;
    LLVMErrorRef failed = LLVMRunPasses(e->mod, pipeline, e->g->machine, options);
    LLVMDisposePassBuilderOptions(options);
    if (failed) {
        char *message = LLVMGetErrorMessage(failed);
        hone_cg__fail(e, HONE_E_LLVM, "LLVM's passes failed: %s", message);
        LLVMDisposeErrorMessage(message);
    }
}

void hone_cg__take(hone_code *ret, const char *bytes, size_t n)
{
    ret->bytes = hone_xmalloc(n + 1);
    memcpy(ret->bytes, bytes, n);
    ret->bytes[n] = 0;
    ret->n = n;
}

static void write_out(cg *e, hone_code *ret)
{
    if (e->o->emit == HONE_EMIT_LLVM) {
        char *text = LLVMPrintModuleToString(e->mod);
        hone_cg__take(ret, text, strlen(text));
        LLVMDisposeMessage(text);
        return;
    }
    if (e->o->emit == HONE_EMIT_BITCODE) {
        LLVMMemoryBufferRef code = LLVMWriteBitcodeToMemoryBuffer(e->mod);
        hone_cg__take(ret, LLVMGetBufferStart(code), LLVMGetBufferSize(code));
        LLVMDisposeMemoryBuffer(code);
        return;
    }
    bool object = e->o->emit == HONE_EMIT_OBJECT;
    LLVMMemoryBufferRef buffer = NULL;
    char *message = NULL;
    if (LLVMTargetMachineEmitToMemoryBuffer(
            e->g->machine, e->mod, object ? LLVMObjectFile : LLVMAssemblyFile, &message, &buffer)) {
        hone_cg__fail(e, HONE_E_LLVM, "LLVM could not write the code: %s", message);
        LLVMDisposeMessage(message);
        return;
    }
    if (e->status == HONE_OK) {
        hone_cg__take(ret, LLVMGetBufferStart(buffer), LLVMGetBufferSize(buffer));
    }
    LLVMDisposeMemoryBuffer(buffer);
    const char *const allowed[] = {e->o->name ? "hone_rt_default" : NULL, NULL};
    char undefined[CG_MAX_SYMBOL] = "";
    if (object && ret->bytes) {
        hone_cg__object_scan(ret->bytes, ret->n, allowed, &ret->code_bytes, undefined);
    }
    if (*undefined) {
        hone_cg__fail(e, HONE_REJECT_BUILD,
                      "The target needs the library function \"%s\" for this kernel, "
                      "which kernels may not call.",
                      undefined);
    }
}

static int64_t cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

hone_status hone_codegen_emit(hone_codegen *g, const hone_program *p, const hone_codegen_options *o,
                              hone_code *ret, hone_error *err)
{
    memset(ret, 0, sizeof *ret);
    int64_t start = cpu_ns();
    cg e = {.g = g, .o = o, .err = err};
    hone_cg__prepare(&e, p);
    if (e.status == HONE_OK) {
        hone_cg__place(&e);
    }
    if (e.status == HONE_OK) {
        open_context(&e);
        hone_cg__functions(&e);
    }
    if (e.status == HONE_OK && g->runtime && !o->name) {
        hone_cg__add_runtime(&e);
    }
    int64_t lowered = cpu_ns();
    if (e.status == HONE_OK) {
        optimise(&e);
    }
    if (e.status == HONE_OK) {
        write_out(&e, ret);
    }
    ret->n_args = e.n_args;
    ret->shares = g->shares;
    for (unsigned k = 0; e.status == HONE_OK && k < e.n_args; k++) {
        if (e.packed[k].i) {
            const hone_buffer_row *b = hone_buffer_at(&e.q, e.packed[k]);
            int width = hone_dtype_bytes((hone_dtype)b->dtype);
            ret->pack_bytes[k] = e.places.v[e.packed[k].i].elems * width;
            ret->has_pack = true;
        }
    }
    ret->lower_ns = lowered - start;
    ret->llvm_ns = cpu_ns() - lowered;
    hone_status s = e.status;
    close_all(&e);
    if (s != HONE_OK) {
        hone_code_free(ret);
    }
    return s;
}
