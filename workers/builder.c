/* The builder: a trace replayed on its workload, and the code of what comes out. */
#include "workers/builder.h"

#include "codegen/codegen.h"
#include "ir/oracle.h"
#include "space/space.h"
#include "workers/sandbox/sandbox.h"

_Static_assert((int)HONE_ELEM_COUNT == (int)HONE_DTYPE_COUNT, "hone_elem mirrors hone_dtype");

_Static_assert(HONE_CODEGEN_INTRIN_ARGS == HONE_INTRIN_MAX_ARGS,
               "one array is copied to the other");
_Static_assert(HONE_CODEGEN_INTRIN_LOOPS == HONE_INTRIN_MAX_LOOPS, "likewise");

struct hone_builder {
    char *target_text, *workload_text, *intrin_text;
    hone_intrin_set *intrins; /* NULL: hone's own */
    hone_codegen_intrin *codegen_intrins;
    unsigned n_intrins;
    hone_codegen *codegen;
    hone_program base, oracle;
    int64_t least_ops; /* of base */
    hone_sched sched;
    hone_codegen_linker *linker; /* NULL: linkers are started from here */
};

hone_builder *hone_builder_new(void)
{
    return hone_xcalloc(1, sizeof(hone_builder));
}

void hone_builder_free(hone_builder *b)
{
    if (!b)
        return;
    hone_codegen_linker_stop(b->linker);
    hone_codegen_free(b->codegen);
    hone_program_fini(&b->base);
    hone_program_fini(&b->oracle);
    hone_sched_fini(&b->sched);
    hone_intrin_set_free(b->intrins);
    free(b->codegen_intrins);
    free(b->target_text);
    free(b->workload_text);
    free(b->intrin_text);
    free(b);
}

hone_status hone_builder_prepare(void *ctx, hone_error *err)
{
    hone_builder *b = ctx;
    return hone_codegen_linker_start(hone_sandbox__enter_linker, &b->linker, err);
}

static hone_status use_target(hone_builder *b, const char *text, hone_error *err)
{
    if (b->target_text && strcmp(b->target_text, text) == 0)
        return HONE_OK;
    hone_target t;
    hone_status st = hone_target_parse(text, &t, err);
    if (st != HONE_OK)
        return st;
    hone_codegen_free(b->codegen);
    b->codegen = NULL;
    free(b->target_text);
    b->target_text = NULL;
    st = hone_codegen_new(&t, &b->codegen, err);
    if (st == HONE_OK)
        b->target_text = hone_xstrdup(text);
    return st;
}

static hone_status use_workload(hone_builder *b, const char *text, hone_error *err)
{
    if (b->workload_text && strcmp(b->workload_text, text) == 0)
        return HONE_OK;
    free(b->workload_text);
    b->workload_text = NULL;
    hone_program_fini(&b->base);
    b->base = (hone_program){0};
    hone_status st = hone_program_parse(text, strlen(text), &b->base, err);
    if (st == HONE_OK)
        st = hone_verify(&b->base, err);
    if (st == HONE_OK)
        b->least_ops = hone_program_least_ops(&b->base);
    if (st == HONE_OK)
        b->workload_text = hone_xstrdup(text);
    return st;
}

hone_codegen_intrin *hone_builder_intrins(const hone_intrin_set *s, unsigned *ret_n)
{
    unsigned n = hone_intrin_count(s);
    hone_codegen_intrin *ret = hone_xcalloc(n, sizeof *ret);
    for (unsigned k = 0; k < n; k++) {
        const hone_intrin *in = hone_intrin_at(s, k);
        ret[k] = (hone_codegen_intrin){.name = in->name,
                                       .features = in->features,
                                       .impl = in->impl,
                                       .n_args = in->n_args,
                                       .n_loops = in->n_loops};
        memcpy(ret[k].access, in->access, sizeof ret[k].access);
        memcpy(ret[k].extent, in->extent, sizeof ret[k].extent);
        memcpy(ret[k].stride, in->stride, sizeof ret[k].stride);
    }
    *ret_n = n;
    return ret;
}

static hone_status use_intrins(hone_builder *b, const char *text, hone_error *err)
{
    text = text ? text : "";
    if (b->codegen_intrins && strcmp(b->intrin_text ? b->intrin_text : "", text) == 0)
        return HONE_OK;
    free(b->codegen_intrins);
    b->codegen_intrins = NULL;
    free(b->intrin_text);
    b->intrin_text = NULL;
    hone_intrin_set_free(b->intrins);
    b->intrins = hone_intrin_set_new();
    hone_status st = hone_intrin_set_add(b->intrins, "intrinsics", text, strlen(text), err);
    if (st != HONE_OK)
        return st;
    b->intrin_text = hone_xstrdup(text);
    b->codegen_intrins = hone_builder_intrins(b->intrins, &b->n_intrins);
    return HONE_OK;
}

/* The names of an oracle's arguments end in what they are; the rest may be cut. */
static void fill_name(char *ret, size_t size, const char *name)
{
    const char *dot = strrchr(name, '.');
    int tail = dot ? (int)strlen(dot) : 0, head = (int)size - 1 - tail;
    if (head < 0 || !dot)
        snprintf(ret, size, "%s", name);
    else
        snprintf(ret, size, "%.*s%s", (int)(dot - name) < head ? (int)(dot - name) : head, name,
                 dot);
}

static void fill_manifest(const hone_program *p, const hone_code *code, int64_t ops,
                          hone_manifest *ret)
{
    *ret = (hone_manifest){.flops = ops, .has_pack = code->has_pack};
    ret->n_args = hone_program_n_args(p);
    ret->args = hone_xcalloc(ret->n_args ? ret->n_args : 1, sizeof *ret->args);
    bool *varies = hone_xcalloc(p->buffers.n, sizeof *varies);
    hone_find_varying(p, varies);
    for (unsigned k = 0; k < ret->n_args; k++) {
        hone_buffer buf = {k + 1};
        const hone_buffer_row *r = hone_buffer_at(p, buf);
        hone_arg *a = &ret->args[k];
        fill_name(a->name, sizeof a->name, hone_sym_text(p, r->name));
        a->elem = r->dtype;
        a->is_output = r->role != HONE_OUTPUT ? 0
                       : varies[buf.i]        ? HONE_ARG_VARIES
                                              : HONE_ARG_CONSTANT;
        a->count = hone_buffer_count(p, buf);
        a->pack_bytes = code->pack_bytes[k];
        if (r->role != HONE_INPUT || !hone_input_range(p, buf, &a->lo, &a->hi))
            a->lo = a->hi = 0;
    }
    free(varies);
}

static hone_status link_code(hone_builder *b, const hone_code *code, hone_artifact *ret,
                             hone_error *err)
{
    HONE_TRY(b->linker ? hone_codegen_linker_link(b->linker, code->bytes, code->n, &ret->bytes,
                                                  &ret->n, err)
                       : hone_codegen_link(code->bytes, code->n, &ret->bytes, &ret->n, err));
    ret->hash = hone_hash_bytes(0, ret->bytes, ret->n);
    return HONE_OK;
}

/* The trace is a library's call: there is no schedule. */
static hone_status build_call(hone_builder *b, const hone_build_job *job, hone_artifact *ret,
                              hone_error *err)
{
    hone_libcall c;
    hone_code code = {0};
    HONE_TRY(hone_libcall_parse(job->trace, strlen(job->trace), &c, err));
    HONE_TRY(hone_codegen_emit_call(b->codegen, &b->base, &c, HONE_EMIT_OBJECT, NULL, &code, err));
    fill_manifest(&b->base, &code, b->least_ops, &ret->manifest);
    hone_status st = link_code(b, &code, ret, err);
    hone_code_free(&code);
    return st;
}

hone_status hone_builder_build(void *ctx, const hone_build_job *job, hone_artifact *ret,
                               hone_error *err)
{
    hone_builder *b = ctx;
    *ret = (hone_artifact){0};
    hone_status st = use_target(b, job->target, err);
    if (st == HONE_OK)
        st = use_workload(b, job->workload, err);
    if (st == HONE_OK)
        st = use_intrins(b, job->intrins, err);
    if (st == HONE_OK && hone_program_n_args(&b->base) > HONE_MAX_KERNEL_ARGS)
        st =
            hone_fail(err, HONE_E_LIMIT, "a kernel has at most %d arguments", HONE_MAX_KERNEL_ARGS);
    if (st != HONE_OK)
        return st;

    if (!job->reference && hone_libcall_is(job->trace))
        return build_call(b, job, ret, err);
    const hone_program *p = &b->base, *whose = &b->base; /* whose arguments the artifact takes */
    bool as_written = job->reference;
    if (job->reference) {
        st = hone_oracle_make(&b->base, &b->oracle, err);
        if (st != HONE_OK)
            return st;
        p = whose = &b->oracle;
    }
    if (!job->reference && job->trace && job->trace[0]) {
        hone_trace t = {0};
        b->sched.intrins = b->intrins;
        st = hone_trace_parse(job->trace, strlen(job->trace), &t, err);
        if (st == HONE_OK)
            st = hone_trace_replay(&t, &b->base, &b->sched, NULL, false, err);
        as_written = hone_trace_search_part(&t) == 0;
        hone_trace_free(&t);
        if (st != HONE_OK)
            return st;
        p = &b->sched.prog;
    }
    hone_code code = {0};
    st = hone_codegen_emit(b->codegen, p,
                           &(hone_codegen_options){.emit = HONE_EMIT_OBJECT,
                                                   .threads = job->threads,
                                                   .intrins = b->codegen_intrins,
                                                   .n_intrins = b->n_intrins,
                                                   .plain = as_written},
                           &code, err);
    if (st == HONE_OK) {
        fill_manifest(whose, &code, b->least_ops, &ret->manifest);
        st = link_code(b, &code, ret, err);
    }
    hone_code_free(&code);
    return st;
}
