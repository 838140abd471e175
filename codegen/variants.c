/* One object out of code for several targets. Each is compiled for its own to LLVM's bitcode, whose
 * functions say which processor they are for; these and the functions that choose between them
 * (emit/dispatch.c) are linked into one module, and that is written for the least of processors. */
#include "codegen/internal.h"

char *hone_cg__variant_symbol(const cg_variants *s, unsigned k, const char *tail)
{
    return hone_cg__part_symbol(s->name, k, tail);
}

/* ---- which, and in which order --------------------------------------------------------------- */

hone_status hone_codegen_check_variants(const hone_codegen_variant *v, unsigned n, hone_error *err)
{
    hone_target_need needs[HONE_TARGET_MAX_NEEDS];
    unsigned n_needs;
    hone_status st = HONE_OK;
    if (n == 0 || n > HONE_CODEGEN_MAX_VARIANTS)
        return hone_fail(err, HONE_E_INPUT, "a function has 1 to %d variants, not %u",
                         HONE_CODEGEN_MAX_VARIANTS, n);
    for (unsigned k = 1; k < n; k++) {
        for (unsigned q = 0; q < k; q++)
            if (strcmp(v[k].name, v[q].name) == 0)
                return hone_fail(err, HONE_E_INPUT,
                                 "two variants are called '%.64s': give each processor once",
                                 v[k].name);
        if (strcmp(v[k].target->triple, v[0].target->triple) != 0)
            return hone_fail(err, HONE_E_INPUT,
                             "'%.64s' is for %s and '%.64s' for %s: one object is for one of them",
                             v[0].name, v[0].target->triple, v[k].name, v[k].target->triple);
    }
    for (unsigned k = 0; k < n && st == HONE_OK; k++)
        st = hone_target_needs(v[k].target, needs, &n_needs, err);
    return st;
}

/* Does b ask for all that a asks for, and more? */
static bool asks_more(const hone_target *b, const hone_target *a)
{
    return hone_target_can_run(b, a) && !hone_target_can_run(a, b);
}

static void sort(const hone_codegen_variant *v, unsigned n, unsigned *ret_order)
{
    bool placed[HONE_CODEGEN_MAX_VARIANTS] = {false};
    for (unsigned at = 0; at < n; at++) {
        unsigned k = 0;
        for (bool free_to_go = false; !free_to_go; k += !free_to_go) {
            free_to_go = !placed[k];
            for (unsigned q = 0; q < n && free_to_go; q++)
                free_to_go = placed[q] || !asks_more(v[q].target, v[k].target);
        }
        placed[k] = true;
        ret_order[at] = k;
    }
}

/* ---- each by itself -------------------------------------------------------------------------- */

static hone_status emit_as(const hone_codegen_variant *v, const char *name, hone_emit kind,
                           hone_code *ret, hone_error *err)
{
    hone_codegen *g;
    hone_error why = {0};
    hone_codegen_options o = v->options;
    o.emit = kind;
    o.name = name;
    hone_status st = hone_codegen_new(v->target, &g, &why);
    if (st == HONE_OK) {
        st = hone_codegen_emit(g, v->program, &o, ret, &why);
        hone_codegen_free(g);
    }
    if (st != HONE_OK)
        hone_fail(err, st, "variant '%.64s': %s", v->name, why.message);
    return st;
}

static hone_status compile(const hone_codegen_variant *v, cg_variants *s, unsigned k,
                           hone_error *err)
{
    cg_variant *to = &s->v[k];
    to->name = v->name;
    hone_status st = hone_target_needs(v->target, to->needs, &to->n_needs, err);
    if (st != HONE_OK)
        return st;
    char *name = hone_cg__variant_symbol(s, k, "");
    st = emit_as(v, name, HONE_EMIT_BITCODE, &to->code, err);
    free(name);
    if (st == HONE_OK)
        HONE_ASSERT(to->code.n_args == s->n_args);
    return st;
}

/* ---- together -------------------------------------------------------------------------------- */

static hone_status join(const cg_variants *s, const hone_target *any, hone_code *ret,
                        bool *ret_foreign, hone_error *err)
{
    static const char *const allowed[] = {"hone_rt_default", "hone_rt_variants_choose", NULL};
    hone_target least = *any;
    snprintf(least.cpu, sizeof least.cpu, "%s", hone_preset_of(any)->cpus[0].name);
    least.features[0] = 0;
    cg_join j;
    hone_status st = hone_cg__join_open(&least, &j, err);
    if (st == HONE_OK)
        hone_cg__dispatch(j.m, s);
    for (unsigned k = 0; k < s->n && st == HONE_OK; k++)
        st = hone_cg__join_add(&j, &s->v[k].code);
    if (st == HONE_OK)
        st = hone_cg__join_write(&j, s->name, allowed, ret, ret_foreign);
    hone_cg__join_close(&j);
    return st;
}

static void describe(const cg_variants *s, hone_code *ret)
{
    ret->n_args = s->n_args;
    ret->n_variants = s->n;
    for (unsigned k = 0; k < s->n; k++) {
        const hone_code *c = &s->v[k].code;
        ret->has_pack = ret->has_pack || c->has_pack;
        ret->lower_ns += c->lower_ns;
        ret->llvm_ns += c->llvm_ns;
        for (unsigned a = 0; a < s->n_args; a++)
            if (c->pack_bytes[a] > ret->pack_bytes[a])
                ret->pack_bytes[a] = c->pack_bytes[a];
    }
    for (unsigned a = 0; a < s->n_args && ret->has_pack; a++) {
        hone_buffer b = {a + 1}; /* as the variants that copy it have it */
        int64_t bytes = hone_buffer_count(s->any, b) *
                        hone_dtype_bytes((hone_dtype)hone_buffer_at(s->any, b)->dtype);
        for (unsigned k = 0; k < s->n; k++)
            if (s->packed[a] && !s->v[k].code.pack_bytes[a] && bytes > ret->pack_bytes[a])
                ret->pack_bytes[a] = bytes;
    }
}

hone_status hone_codegen_emit_variants(const hone_codegen_variant *v, unsigned n, const char *name,
                                       unsigned ret_order[HONE_CODEGEN_MAX_VARIANTS],
                                       hone_code *ret, hone_error *err)
{
    memset(ret, 0, sizeof *ret);
    hone_status st = hone_codegen_check_variants(v, n, err);
    if (st != HONE_OK)
        return st;
    cg_variants *s = hone_xcalloc(1, sizeof *s);
    s->name = name;
    s->any = v[0].program;
    s->n = n;
    s->n_args = hone_program_n_args(s->any);
    hone_cg__arg_stems(s->any, s->n_args, s->stems);
    sort(v, n, ret_order);
    bool foreign = false;
    for (unsigned k = 0; k < n && st == HONE_OK; k++)
        st = compile(&v[ret_order[k]], s, k, err);
    for (unsigned k = 0; k < n; k++)
        for (unsigned a = 0; a < s->n_args; a++)
            s->packed[a] = s->packed[a] || s->v[k].code.pack_bytes[a];
    if (st == HONE_OK)
        st = join(s, v[0].target, ret, &foreign, err);
    for (unsigned k = 0; k < n && st == HONE_OK && foreign; k++) { /* which of them, and to what? */
        hone_code alone = {0};
        st = emit_as(&v[ret_order[k]], name, HONE_EMIT_OBJECT, &alone, err);
        hone_code_free(&alone);
    }
    HONE_ASSERT(st != HONE_OK || !foreign);
    if (st == HONE_OK)
        describe(s, ret);
    else
        hone_code_free(ret);
    for (unsigned k = 0; k < n; k++)
        hone_code_free(&s->v[k].code);
    for (unsigned a = 0; a < s->n_args; a++)
        free(s->stems[a]);
    free(s);
    return st;
}
