/* Attention as it may be written: every form keeps its one nest, and computes what it says, by the
 * interpreter and as machine code, at lengths that are multiples of nothing. Its memory does not
 * grow with the length.
 *
 * HONE_TRACES=n sets how many candidates a form gets (default 4), HONE_SEED=n where they start. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/property/harness.h"

#include <math.h>

typedef struct form {
    const char *name, *text;
    double tolerance;
} form;

/* Queries of H heads and L tokens, keys of N. `MORE` are further inputs, `SCORES` and `MASKED` the
 * stages before the softmax, whose operand is `X`. */
#define ATTENTION(TYPE, MORE, Q, K, V, MASKED, X, SCALE)                                        \
    "kernel k(B = 1, H = 2, L = 37, N = 45, D = 19, P = 5, R = 9) {\n" MORE "  output O: " TYPE \
    "[B, H, L, D]\n"                                                                            \
    "  S[b, h, i, j] = sum(d < D) " Q " * " K "\n" MASKED "  top[b, h, i] = max(j < N) " X      \
    "\n  E[b, h, i, j] = exp((" X " - top[b, h, i])" SCALE ")\n"                                \
    "  total[b, h, i] = sum(j < N) E[b, h, i, j]\n"                                             \
    "  T[b, h, i, d] = sum(j < N) E[b, h, i, j] * " V "\n"                                      \
    "  O[b, h, i, d] = T[b, h, i, d] / total[b, h, i]\n}\n"
#define INPUTS(TYPE)                                                                     \
    "  input Q: " TYPE "[B, H, L, D]\n  input K: " TYPE "[B, H, N, D]\n  input V: " TYPE \
    "[B, H, N, D]\n"
#define PLAIN(TYPE, MORE, MASKED, X, SCALE)                                                       \
    ATTENTION(TYPE, INPUTS(TYPE) MORE, "Q[b, h, i, d]", "K[b, h, j, d]", "V[b, h, j, d]", MASKED, \
              X, SCALE)

static const form forms[] = {
    {"plain", PLAIN("f32", "", "", "S[b, h, i, j]", " * 0.25"), 1e-5},
    {"f64", PLAIN("f64", "", "", "S[b, h, i, j]", " * 0.25"), 1e-12},
    {"bias",
     PLAIN("f32", "  input bias: f32[H, L, N]\n", "", "(S[b, h, i, j] * 0.25 + bias[h, i, j])", ""),
     1e-5},
    {"causal",
     PLAIN("f32", "", "  M[b, h, i, j] = select(j <= i + N - L, S[b, h, i, j], -inf)\n",
           "M[b, h, i, j]", " * 0.25"),
     1e-5},
    {"window",
     PLAIN("f32", "",
           "  M[b, h, i, j] = select(j <= i + N - L and i + N - L < j + R, S[b, h, i, j], -inf)\n",
           "M[b, h, i, j]", " * 0.25"),
     1e-5},
    {"soft cap",
     PLAIN("f32", "", "  M[b, h, i, j] = 3 * tanh(S[b, h, i, j] * (1 / 3))\n", "M[b, h, i, j]", ""),
     1e-5},
    {"soft cap, bias and causal",
     PLAIN("f32", "  input bias: f32[H, N]\n",
           "  M[b, h, i, j] = select(j <= i, 3 * tanh(S[b, h, i, j] * (1 / 3)) + bias[h, j], "
           "-inf)\n",
           "M[b, h, i, j]", ""),
     1e-5},
    {"grouped heads",
     ATTENTION("f32",
               "  input Q: f32[B, 2*H, L, D]\n  input K: f32[B, H, N, D]\n"
               "  input V: f32[B, H, N, D]\n  temp S: f32[B, 2*H, L, N]\n",
               "Q[b, h, i, d]", "K[b, h // 2, j, d]", "V[b, h // 2, j, d]", "", "S[b, h, i, j]",
               " * 0.25"),
     1e-5},
    {"one head of keys",
     ATTENTION("f32",
               "  input Q: f32[B, H, L, D]\n  input K: f32[B, N, D]\n  input V: f32[B, N, D]\n",
               "Q[b, h, i, d]", "K[b, j, d]", "V[b, j, d]", "", "S[b, h, i, j]", " * 0.25"),
     1e-5},
    {"heads innermost",
     ATTENTION(
         "f32",
         "  input Q: f32[B, L, H, D]\n  input K: f32[B, N, H, D]\n  input V: f32[B, N, H, D]\n",
         "Q[b, i, h, d]", "K[b, j, h, d]", "V[b, j, h, d]", "", "S[b, h, i, j]", " * 0.25"),
     1e-5},
    {"pages",
     ATTENTION(
         "f32",
         "  input Q: f32[B, H, L, D]\n  input page: i64[N // P] in 0 .. R\n"
         "  input K: f32[R, P, H, D]\n  input V: f32[R, P, H, D]\n  temp S: f32[B, H, L, N]\n",
         "Q[b, h, i, d]", "K[page[j // P], j % P, h, d]", "V[page[j // P], j % P, h, d]", "",
         "S[b, h, i, j]", " * 0.25"),
     1e-5},
    {"bf16",
     ATTENTION("f32",
               "  input Q: bf16[B, H, L, D]\n  input K: bf16[B, H, N, D]\n"
               "  input V: bf16[B, H, N, D]\n",
               "f32(Q[b, h, i, d])", "f32(K[b, h, j, d])", "f32(V[b, h, j, d])", "",
               "S[b, h, i, j]", " * 0.25"),
     1e-5},
    {"f16",
     ATTENTION("f32",
               "  input Q: f16[B, H, L, D]\n  input K: f16[B, H, N, D]\n"
               "  input V: f16[B, H, N, D]\n",
               "f32(Q[b, h, i, d])", "f32(K[b, h, j, d])", "f32(V[b, h, j, d])", "",
               "S[b, h, i, j]", " * 0.25"),
     1e-5},
};

static long number(const char *name, long fallback)
{
    const char *v = getenv(name);
    return v ? strtol(v, NULL, 10) : fallback;
}

static hone_program parsed(const char *text, const hone_size *sizes, unsigned n)
{
    hone_program p;
    hone_error err;
    if (hone_workload_parse("test", text, strlen(text), NULL, sizes, n, &p, &err) != HONE_OK)
        fail_msg("%s in\n%s", err.message, text);
    return p;
}

/* Inputs with a range, which say where something is, within it. */
static void fill(const pair_args *a, const hone_program *p, uint64_t seed)
{
    pair_args_fill(a, p, seed);
    for (unsigned k = 0; k < a->n; k++) {
        const hone_buffer_row *b = hone_buffer_at(p, (hone_buffer){k + 1});
        for (int64_t e = 0; b->ranged && e < hone_buffer_count(p, (hone_buffer){k + 1}); e++)
            hone_elem_set((hone_dtype)b->dtype, a->at[k], e,
                          (double)((e * 5 + 2) % (int64_t)b->hi));
    }
}

static void agrees(const form *f, const hone_program *base, const pair_args *want,
                   const pair_args *got, const char *what, const char *trace)
{
    const char *diff = pair_args_differ(base, want, got, f->tolerance);
    if (diff)
        fail_msg("%s %s: %s\n%s", f->name, what, diff, trace);
}

static void keeps_its_nest(void **state)
{
    const form *f = *state;
    long n = number("HONE_TRACES", 4), ok = 0;
    uint64_t seed = (uint64_t)number("HONE_SEED", 1);
    hone_error err = {0};
    hone_program base = parsed(f->text, NULL, 0);
    hone_target native;
    hone_codegen *g;
    hone_space *sp;
    assert_int_equal(hone_target_native(&native, NULL), HONE_OK);
    assert_int_equal(hone_codegen_new(&native, &g, NULL), HONE_OK);
    assert_int_equal(
        hone_space_new(&base, &(hone_space_options){.target = &native, .threads = 2}, &sp, NULL),
        HONE_OK);
    hone_rt_pool *pool = hone_rt_pool_new(2, 0);
    pair_args want, got;
    pair_args_new(&want, &base);
    pair_args_new(&got, &base);
    fill(&want, &base, seed);
    assert_int_equal(hone_interp_run(&base, want.at, &err), HONE_OK);
    hone_sched s = {0};
    hone_rng rng;
    hone_rng_seed(&rng, seed);
    for (long k = 0; ok < n && k < 20 * n; k++) {
        /* Of the first design space, that of the one nest. */
        hone_status st = k == 0 ? hone_space_finish(sp, &sp->seeds.v[0], &s, &err)
                                : hone_trace_replay(&sp->traces.v[0], &base, &s, &rng, true, &err);
        if (hone_status_is_reject(st) && k > 0)
            continue;
        if (st != HONE_OK)
            fail_msg("%s: %s", f->name, err.message);
        char *trace = hone_trace_text(&s.trace);
        if (!strstr(trace, "\"OnlineSoftmax\""))
            fail_msg("%s has another nest: %s", f->name, trace);
        if (hone_verify(&s.prog, &err) != HONE_OK)
            fail_msg("%s: %s\n%s", f->name, err.message, trace);
        fill(&got, &base, seed);
        assert_int_equal(hone_interp_run(&s.prog, got.at, &err), HONE_OK);
        agrees(f, &base, &want, &got, "scheduled", trace);
        pair_code code;
        hone_codegen_options o = {.emit = HONE_EMIT_OBJECT, .threads = 2};
        st = pair_code_new(g, &s.prog, &o, &code, &err);
        if (st != HONE_OK && st != HONE_REJECT_TOO_BIG)
            fail_msg("%s: %s\n%s", f->name, err.message, trace);
        if (st == HONE_OK) {
            fill(&got, &base, seed);
            assert_int_equal(pair_code_run(&code, &got, hone_rt_pool_api(pool)), 0);
            agrees(f, &base, &want, &got, "compiled", trace);
            pair_code_free(&code);
            ok++;
        }
        free(trace);
    }
    assert_int_equal(ok, n);
    hone_sched_fini(&s);
    hone_space_free(sp);
    hone_rt_pool_free(pool);
    hone_codegen_free(g);
    pair_args_free(&want);
    pair_args_free(&got);
    hone_program_fini(&base);
}

/* ---- memory ---------------------------------------------------------------------------------- */

static int64_t most_bytes;

static void *give_scratch(const hone_rt_api *rt, int32_t slot, int64_t bytes)
{
    static void *at[HONE_RT_SLOTS];
    (void)rt;
    most_bytes = bytes > most_bytes ? bytes : most_bytes;
    free(at[slot]);
    at[slot] = NULL;
    return posix_memalign(&at[slot], 64, (size_t)bytes) ? NULL : at[slot];
}

static int32_t in_turn(const hone_rt_api *rt, int64_t n, hone_rt_task task, void *closure)
{
    (void)rt;
    return task(closure, 0, n);
}

/* The most that the first candidate asks for at once. */
static int64_t scratch_of(const char *text, int64_t length)
{
    static const hone_rt_api rt = {
        .abi = HONE_RT_ABI, .threads = 1, .parallel = in_turn, .scratch = give_scratch};
    const hone_size sizes[] = {{"L", length}, {"N", length}};
    hone_error err = {0};
    hone_program base = parsed(text, sizes, 2);
    hone_target native;
    hone_codegen *g;
    hone_space *sp;
    hone_sched s = {0};
    pair_args args;
    pair_code code;
    assert_int_equal(hone_target_native(&native, NULL), HONE_OK);
    assert_int_equal(hone_codegen_new(&native, &g, NULL), HONE_OK);
    assert_int_equal(
        hone_space_new(&base, &(hone_space_options){.target = &native, .threads = 1}, &sp, NULL),
        HONE_OK);
    assert_int_equal(hone_space_finish(sp, &sp->seeds.v[0], &s, &err), HONE_OK);
    hone_codegen_options o = {.emit = HONE_EMIT_OBJECT, .threads = 1};
    assert_int_equal(pair_code_new(g, &s.prog, &o, &code, &err), HONE_OK);
    pair_args_new(&args, &base);
    fill(&args, &base, 1);
    most_bytes = 0;
    assert_int_equal(pair_code_run(&code, &args, &rt), 0);
    pair_code_free(&code);
    pair_args_free(&args);
    hone_sched_fini(&s);
    hone_space_free(sp);
    hone_codegen_free(g);
    hone_program_fini(&base);
    return most_bytes;
}

static void memory_stays(void **state)
{
    (void)state;
    const char *text = forms[0].text;
    int64_t small = scratch_of(text, 509), large = scratch_of(text, 2039);
    if (large > small + small / 8)
        fail_msg("%lld bytes of scratch for 509 tokens, %lld for 2039", (long long)small,
                 (long long)large);
}

int main(void)
{
    struct CMUnitTest tests[HONE_LEN(forms) + 1];
    for (unsigned k = 0; k < HONE_LEN(forms); k++)
        tests[k] = (struct CMUnitTest){.name = forms[k].name,
                                       .test_func = keeps_its_nest,
                                       .initial_state = (void *)(uintptr_t)&forms[k]};
    tests[HONE_LEN(forms)] = (struct CMUnitTest)cmocka_unit_test(memory_stays);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
