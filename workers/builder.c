#include "workers/builder.h"

#include "codegen/codegen.h"
#include "space/space.h"

_Static_assert((int)HONE_ELEM_COUNT == (int)HONE_DTYPE_COUNT, "hone_elem mirrors hone_dtype");

struct hone_builder {
    char *target_text, *workload_text;
    hone_codegen *codegen;
    hone_program base;
    hone_sched sched;
};

hone_builder *hone_builder_new(void)
{
    return hone_xcalloc(1, sizeof(hone_builder));
}

void hone_builder_free(hone_builder *b)
{
    if (!b)
        return;
    hone_codegen_free(b->codegen);
    hone_program_fini(&b->base);
    hone_sched_fini(&b->sched);
    free(b->target_text);
    free(b->workload_text);
    free(b);
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
        b->workload_text = hone_xstrdup(text);
    return st;
}

static void fill_manifest(hone_program *p, const hone_code *code, hone_manifest *ret)
{
    *ret = (hone_manifest){.flops = hone_program_flops(p), .has_pack = code->has_pack};
    ret->n_args = hone_program_n_args(p);
    for (unsigned k = 0; k < ret->n_args; k++) {
        hone_buffer buf = {k + 1};
        const hone_buffer_row *r = hone_buffer_at(p, buf);
        hone_arg *a = &ret->args[k];
        snprintf(a->name, sizeof a->name, "%s", hone_sym_text(p, r->name));
        a->elem = r->dtype;
        a->is_output = r->role == HONE_OUTPUT;
        a->count = hone_buffer_count(p, buf);
        a->pack_bytes = code->pack_bytes[k];
    }
}

hone_status hone_builder_build(void *ctx, const hone_build_job *job, hone_artifact *ret,
                               hone_error *err)
{
    hone_builder *b = ctx;
    *ret = (hone_artifact){0};
    hone_status st = use_target(b, job->target, err);
    if (st == HONE_OK)
        st = use_workload(b, job->workload, err);
    if (st == HONE_OK && hone_program_n_args(&b->base) > HONE_MAX_ARGS)
        st = hone_fail(err, HONE_E_LIMIT, "a kernel has at most %d arguments", HONE_MAX_ARGS);
    if (st != HONE_OK)
        return st;

    hone_program *p = &b->base;
    bool as_written = job->reference;
    if (!job->reference && job->trace && job->trace[0]) {
        hone_trace t = {0};
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
                                                   .plain = as_written},
                           &code, err);
    if (st == HONE_OK) {
        fill_manifest(&b->base, &code, &ret->manifest);
        st = hone_codegen_link(code.bytes, code.n, &ret->bytes, &ret->n, err);
    }
    hone_code_free(&code);
    if (st == HONE_OK)
        ret->hash = hone_hash_bytes(0, ret->bytes, ret->n);
    return st;
}
