/* Elementary functions against ir/functions.def: over floats of all sizes no compiled form is off
 * by more than is stated, as scalar code and as vectors, for this processor and for lesser ones
 * that it can stand in for. One float in 4093 is tried; HONE_FUNCTIONS=1 ./test_codegen_functions
 * in the build folder tries all 2^32, HONE_FUNCTIONS=97 one in 97, and they print how far each was
 * off. */
#include "codegen_test.h"

#include "bench/function_error.h"

#define CHUNK 65536
#define MAX_FORMS 32

static uint64_t stride(void)
{
    const char *own = getenv("HONE_FUNCTIONS");
    int64_t n = own ? strtoll(own, NULL, 10) : 4093;
    return n > 0 ? (uint64_t)n : 1;
}

/* One compiled kernel. */
typedef struct form {
    char name[80];
    hone_codegen *codegen;
    loaded code;
    double stated, least, worst;
    float worst_at, got;
} form;

typedef struct forms {
    form v[MAX_FORMS];
    unsigned n;
} forms;

static void add_form(forms *f, hone_codegen *g, const char *target, const char *value,
                     unsigned lanes, double stated, double least)
{
    hone_program p;
    hone_code code;
    hone_error err;
    hone_codegen_options o = {.emit = HONE_EMIT_OBJECT};
    assert_true(f->n < MAX_FORMS);
    if (function_program(value, CHUNK, lanes, &p, &err) != HONE_OK)
        fail_msg("%s", err.message);
    hone_status st = hone_codegen_emit(g, &p, &o, &code, &err);
    if (st == HONE_REJECT_BUILD) { /* no f16 there */
        hone_program_fini(&p);
        return;
    }
    if (st != HONE_OK)
        fail_msg("%s", err.message);
    form *to = &f->v[f->n++];
    *to = (form){.code = load_code(&code), .stated = stated, .least = least};
    snprintf(to->name, sizeof to->name, "%s, %s, %u lane%s", value, target, lanes,
             lanes > 1 ? "s" : "");
    hone_code_free(&code);
    hone_program_fini(&p);
}

/* Calls fn for this host and for lesser processors whose code it can run. */
static void for_targets(void (*fn)(hone_codegen *g, const char *target, void *ctx), void *ctx)
{
    static const char *const lesser[] = {"haswell", "x86-64-v2"};
    hone_target host, t;
    hone_error err;
    fn(test_codegen, "this host", ctx);
    assert_int_equal(hone_target_native(&host, &err), HONE_OK);
    for (size_t k = 0; k < HONE_LEN(lesser); k++) {
        hone_codegen *g;
        if (hone_target_named(lesser[k], &t, &err) != HONE_OK || !hone_target_can_run(&host, &t))
            continue;
        assert_int_equal(hone_codegen_new(&t, &g, &err), HONE_OK);
        fn(g, lesser[k], ctx);
        hone_codegen_free(g);
    }
}

typedef struct wanted {
    forms *to;
    const char *value[2]; /* precise, fast */
    double stated[2], least[2];
} wanted;

static void add_target(hone_codegen *g, const char *target, void *ctx)
{
    const wanted *w = ctx;
    for (int fast = 0; fast < 2 && w->value[fast]; fast++)
        for (unsigned lanes = 1; lanes <= 16; lanes *= 16)
            add_form(w->to, g, target, w->value[fast], lanes, w->stated[fast], w->least[fast]);
}

static void try_chunk(forms *f, const float *x, const double *exact, float *y)
{
    for (unsigned q = 0; q < f->n; q++) {
        form *to = &f->v[q];
        void *args[] = {(void *)x, y};
        assert_int_equal(to->code.kernel(args, hone_rt_pool_api(test_pool)), 0);
        for (unsigned k = 0; k < CHUNK; k++) {
            double off = function_error(exact[k], y[k], to->least);
            if (off > to->worst) {
                to->worst = off;
                to->worst_at = x[k];
                to->got = y[k];
            }
        }
    }
}

/* All floats, or one in so many; `exact` of each by the caller's function. */
static void sweep(forms *f, double (*exact_of)(const void *ctx, double x), const void *ctx)
{
    static float x[CHUNK], y[CHUNK];
    static double exact[CHUNK];
    unsigned n = 0;
    for (uint64_t at = 0; at <= UINT32_MAX; at += stride()) {
        uint32_t bits = (uint32_t)at;
        memcpy(&x[n], &bits, sizeof bits);
        exact[n] = exact_of(ctx, (double)x[n]);
        if (++n < CHUNK && at + stride() <= UINT32_MAX)
            continue;
        for (; n < CHUNK; n++) {
            x[n] = x[0];
            exact[n] = exact[0];
        }
        try_chunk(f, x, exact, y);
        n = 0;
    }
    for (unsigned q = 0; q < f->n; q++) {
        const form *a = &f->v[q];
        if (getenv("HONE_FUNCTIONS"))
            printf("%-50s off by %.3f at %a, stated %g\n", a->name, a->worst, (double)a->worst_at,
                   a->stated);
        if (!(a->worst <= a->stated))
            fail_msg("%s: %a of %a is off by %g units of the last place, stated are %g", a->name,
                     (double)a->got, (double)a->worst_at, a->worst, a->stated);
        dlclose(a->code.handle);
    }
}

static double exact_function(const void *ctx, double x)
{
    return function_exact(*(const hone_op *)ctx, x);
}

static void functions(void **state)
{
    (void)state;
    for (int op = 1; op < HONE_OP_COUNT; op++) {
        const hone_function *f = hone_function_of((hone_op)op);
        static forms all;
        char precise[64], fast[64];
        if (!f || op == HONE_OP_POW)
            continue;
        all.n = 0;
        snprintf(precise, sizeof precise, "%s(A[vi])", hone_op_text(f->op));
        snprintf(fast, sizeof fast, "fast %s(A[vi])", hone_op_text(f->op));
        wanted w = {&all,
                    {precise, f->fast > 0 ? fast : NULL},
                    {f->precise, f->fast},
                    {0x1p-126, 0x1p-125}};
        for_targets(add_target, &w);
        sweep(&all, exact_function, &f->op);
    }
}

static double exact_power(const void *ctx, double x)
{
    return pow(x, *(const double *)ctx);
}

static void powers(void **state)
{
    (void)state;
    static const double exponents[] = {-2.5, -1, 0.5, 2, 3, 11};
    double stated = hone_function_of(HONE_OP_POW)->precise;
    for (size_t k = 0; k < HONE_LEN(exponents); k++) {
        static forms all;
        char value[64];
        all.n = 0;
        snprintf(value, sizeof value, "pow(A[vi], f32(%.9g))", exponents[k]);
        wanted w = {&all, {value, NULL}, {stated, 0}, {0x1p-126, 0}};
        for_targets(add_target, &w);
        sweep(&all, exact_power, &exponents[k]);
    }
}

/* To 16 bits and back: the nearest number, ties to even, denormals too. */
static double exact_rounding(const void *ctx, double x)
{
    hone_dtype t = *(const hone_dtype *)ctx;
    uint64_t cell = 0;
    hone_elem_set(t, &cell, 0, x);
    return hone_elem_get(t, &cell, 0);
}

static void conversions(void **state)
{
    (void)state;
    static const hone_dtype types[] = {HONE_F16, HONE_BF16};
    for (size_t k = 0; k < HONE_LEN(types); k++) {
        static forms all;
        char value[64];
        all.n = 0;
        snprintf(value, sizeof value, "f32(%s(A[vi]))", hone_dtype_name(types[k]));
        wanted w = {&all, {value, NULL}, {0, 0}, {0, 0}};
        for_targets(add_target, &w);
        sweep(&all, exact_rounding, &types[k]);
    }
}

/* What is not a function of the table has no fast form, nor has f64 code another. */
static void fast_of_double(void **state)
{
    (void)state;
    static const char text[] = "program f { buffer A: f64[64] input buffer C: f64[64] output\n"
                               "  for i in 64 { block c(vi: 64 = i) { C[vi] = %sexp(A[vi]) } } }";
    char *precise = hone_xasprintf(text, ""), *fast = hone_xasprintf(text, "fast ");
    char *a = emit_text(precise, HONE_EMIT_ASM), *b = emit_text(fast, HONE_EMIT_ASM);
    assert_string_equal(a, b);
    free(a);
    free(b);
    free(precise);
    free(fast);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(functions),
        cmocka_unit_test(powers),
        cmocka_unit_test(conversions),
        cmocka_unit_test(fast_of_double),
    };
    return cmocka_run_group_tests(tests, setup_codegen, teardown_codegen);
}
