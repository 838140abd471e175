/* Random sequences of primitives, the structural ones among them, on small programs of odd extents:
 * what is accepted leaves a sound program that computes the same bits, and what stands at the end
 * compiles to them too. Inputs are small integers, so that sums are exact in any order.
 *
 * HONE_SEQUENCES=n sets how many sequences a program gets (default 150), HONE_SEED=n where they
 * start. A failure prints what was done. */
#include "tests/codegen/codegen_test.h"

#include "space/prim/prim.h"

#include <stdlib.h>

#define MAX_STEPS 8

/* ---- programs -------------------------------------------------------------------------------- */

static const char matmul_relu[] = "program mr {\n"
                                  "  buffer A: f32[7, 5] input\n"
                                  "  buffer B: f32[5, 6] input\n"
                                  "  buffer D: f32[7, 6] output\n"
                                  "  buffer C: f32[7, 6]\n"
                                  "  for i in 7 {\n"
                                  "    for j in 6 {\n"
                                  "      for k in 5 {\n"
                                  "        block C(vi: 7 = i, vj: 6 = j, reduce vk: 5 = k) {\n"
                                  "          init 0.0\n"
                                  "          C[vi, vj] = C[vi, vj] + A[vi, vk] * B[vk, vj]\n"
                                  "        }\n      }\n    }\n  }\n"
                                  "  for i_1 in 7 {\n"
                                  "    for j_1 in 6 {\n"
                                  "      block D(vi: 7 = i_1, vj: 6 = j_1) {\n"
                                  "        D[vi, vj] = max(C[vi, vj], 0.0)\n"
                                  "      }\n    }\n  }\n}\n";

static const char windows[] = "program windows {\n"
                              "  buffer X: f32[9, 5] input\n"
                              "  buffer Y: f32[9, 5] output\n"
                              "  buffer P: f32[11, 5]\n"
                              "  buffer T: f32[11, 5]\n"
                              "  for i in 11 {\n"
                              "    for j in 5 {\n"
                              "      block P(v: 11 = i, w: 5 = j) {\n"
                              "        P[v, w] = select(0 < v and v < 10, X[v - 1, w], 0.0)\n"
                              "      }\n    }\n  }\n"
                              "  for i_1 in 11 {\n"
                              "    for j_1 in 5 {\n"
                              "      block T(v: 11 = i_1, w: 5 = j_1) {\n"
                              "        T[v, w] = P[v, w] * P[v, w]\n"
                              "      }\n    }\n  }\n"
                              "  for i_2 in 9 {\n"
                              "    for j_2 in 5 {\n"
                              "      for r in 3 {\n"
                              "        block Y(v: 9 = i_2, w: 5 = j_2, reduce u: 3 = r) {\n"
                              "          init 0.0\n"
                              "          Y[v, w] = Y[v, w] + T[v + u, w]\n"
                              "        }\n      }\n    }\n  }\n}\n";

static const char strided[] =
    "program strided {\n"
    "  buffer X: f32[14, 6] input\n"
    "  buffer Y: f32[6, 5] output\n"
    "  buffer T: f32[14, 6]\n"
    "  for i in 14 {\n"
    "    for j in 6 {\n"
    "      block T(v: 14 = i, w: 6 = j) {\n"
    "        T[v, w] = X[v, w] + 1.0\n"
    "      }\n    }\n  }\n"
    "  for i_1 in 6 {\n"
    "    for j_1 in 5 {\n"
    "      for r in 4 {\n"
    "        for q in 2 {\n"
    "          block Y(v: 6 = i_1, w: 5 = j_1, reduce a: 4 = r, reduce b: 2 = q) {\n"
    "            init 1.0\n"
    "            Y[v, w] = Y[v, w] + T[v*2 + a, w + b]\n"
    "          }\n        }\n      }\n    }\n  }\n}\n";

/* ---- steps ----------------------------------------------------------------------------------- */

typedef struct walk {
    hone_program *p;
    hone_rng *rng;
} walk;

static int64_t pick(walk *w, int64_t n)
{
    return (int64_t)hone_rng_below(w->rng, (uint64_t)n);
}

/* A random statement of a kind; none when there is none. */
static hone_stmt any(walk *w, bool loop)
{
    hone_stmt ret = HONE_NO_STMT;
    uint64_t seen = 0;
    for (hone_stmt s = w->p->root; s.i; s = hone_next(w->p, w->p->root, s))
        if ((loop ? hone_is_loop(w->p, s) : hone_stmt_at(w->p, s)->out.i != 0) &&
            hone_rng_below(w->rng, ++seen) == 0)
            ret = s;
    return ret;
}

static hone_status do_split(walk *w)
{
    hone_stmt two[2];
    return hone_prim__split(w->p, any(w, true), (int64_t[]){0, 1 + pick(w, 4)}, 2, two, NULL);
}

static hone_status do_fuse(walk *w)
{
    hone_stmt l = any(w, true), ret;
    return hone_prim__fuse(w->p, (hone_stmt[]){l, hone_stmt_at(w->p, l)->first}, 2, &ret, NULL);
}

static hone_status do_reorder(walk *w)
{
    return hone_prim__reorder(w->p, (hone_stmt[]){any(w, true), any(w, true)}, 2, NULL);
}

static hone_status do_kind(walk *w)
{
    return hone_prim__set_loop_kind(w->p, any(w, true), (hone_loop_kind)(1 + pick(w, 3)), NULL);
}

static hone_status do_bind(walk *w)
{
    return hone_prim__bind(w->p, any(w, true), pick(w, 2) ? "blockIdx.x" : "threadIdx.y", NULL);
}

static hone_status do_partition(walk *w)
{
    hone_stmt ret[2];
    return hone_prim__loop_partition(w->p, any(w, true), (int64_t[]){1 + pick(w, 5), 0}, 2, ret,
                                     NULL);
}

static hone_status do_merge(walk *w)
{
    hone_stmt ret;
    return hone_prim__merge(w->p, (hone_stmt[]){any(w, true), any(w, true)}, 2, &ret, NULL);
}

static hone_status do_compute_at(walk *w)
{
    return hone_prim__compute_at(w->p, any(w, false), any(w, true), NULL);
}

static hone_status do_reverse_compute_at(walk *w)
{
    return hone_prim__reverse_compute_at(w->p, any(w, false), any(w, true), NULL);
}

static hone_status do_inline(walk *w)
{
    return hone_prim__compute_inline(w->p, any(w, false), NULL);
}

static hone_status do_decompose_reduction(walk *w)
{
    hone_stmt ret;
    return hone_prim__decompose_reduction(w->p, any(w, false), any(w, true), &ret, NULL);
}

static hone_status do_cache_write(walk *w)
{
    hone_stmt ret;
    return hone_prim__cache_write(w->p, any(w, false), HONE_GLOBAL, &ret, NULL);
}

static hone_status do_decompose_padding(walk *w)
{
    hone_stmt ret;
    return hone_prim__decompose_padding(w->p, any(w, false), any(w, true), &ret, NULL);
}

static hone_status do_pad_einsum(walk *w)
{
    int64_t to[HONE_MAX_ITERS];
    hone_stmt b = any(w, false);
    unsigned n = hone_stmt_at(w->p, b)->n_iters;
    for (unsigned k = 0; k < n; k++)
        to[k] = 1 + pick(w, 4);
    return hone_prim__pad_einsum(w->p, b, to, n, NULL);
}

static hone_status do_rolling(walk *w)
{
    return hone_prim__rolling_buffer(w->p, any(w, false), NULL);
}

static hone_status do_block_layout(walk *w)
{
    static const char *const maps[] = {"lambda i, j: (j // 2, i, j % 2)", "lambda i, j: (j, i)",
                                       "lambda i, j, k: (k // 2, i, j, k % 2)",
                                       "lambda i, j, k: (i // 4, j, i % 4, k)",
                                       "lambda i, j, a, b: (b, i // 3, i % 3, a, j)"};
    return hone_prim__transform_block_layout(w->p, any(w, false), maps[pick(w, HONE_LEN(maps))],
                                             NULL);
}

static const struct step {
    const char *name;
    hone_status (*run)(walk *w);
} steps[] = {
    {"split", do_split},
    {"split", do_split},
    {"fuse", do_fuse},
    {"reorder", do_reorder},
    {"reorder", do_reorder},
    {"kind", do_kind},
    {"kind", do_kind},
    {"bind", do_bind},
    {"partition", do_partition},
    {"merge", do_merge},
    {"merge", do_merge},
    {"compute_at", do_compute_at},
    {"compute_at", do_compute_at},
    {"compute_at", do_compute_at},
    {"reverse_compute_at", do_reverse_compute_at},
    {"inline", do_inline},
    {"decompose_reduction", do_decompose_reduction},
    {"cache_write", do_cache_write},
    {"decompose_padding", do_decompose_padding},
    {"pad_einsum", do_pad_einsum},
    {"rolling", do_rolling},
    {"block_layout", do_block_layout},
};

/* ---- runs ------------------------------------------------------------------------------------ */

static double small_integer(unsigned a, int64_t k, hone_rng *rng, hone_dtype t)
{
    (void)a;
    (void)k;
    (void)t;
    return (double)hone_rng_below(rng, 9) - 4;
}

/* The output, the last argument, of a run; the caller frees. */
static float *output_of(const hone_program *p, int64_t *ret_n, hone_error *err)
{
    void *args[MAX_ARGS] = {0};
    hone_rng rng;
    hone_rng_seed(&rng, 5);
    unsigned n = hone_program_n_args(p);
    for (unsigned a = 0; a < n; a++) {
        *ret_n = hone_buffer_count(p, (hone_buffer){a + 1});
        float *x = args[a] = hone_xcalloc((size_t)*ret_n, sizeof(float));
        for (int64_t k = 0; k < *ret_n; k++)
            x[k] = a + 1 == n ? NAN : (float)small_integer(a, k, &rng, HONE_F32);
    }
    bool ok = hone_interp_run(p, args, err) == HONE_OK;
    for (unsigned a = 0; a + (ok ? 1 : 0) < n; a++)
        free(args[a]);
    return ok ? args[n - 1] : NULL;
}

static long number(const char *name, long fallback)
{
    const char *v = getenv(name);
    return v ? strtol(v, NULL, 10) : fallback;
}

static void fail_with(const hone_program *p, const char *log, const char *why)
{
    hone_buf b = {0};
    hone_program_print(p, &b);
    fprintf(stderr, "after %s\n%s\n", log, hone_buf_take(&b));
    fail_msg("%s", why);
}

static void check_step(const float *want, int64_t n, hone_program *p, const char *log)
{
    hone_error err = {0};
    int64_t m;
    if (hone_verify(p, &err) != HONE_OK)
        fail_with(p, log, err.message);
    float *got = output_of(p, &m, &err);
    if (!got)
        fail_with(p, log, err.message);
    for (int64_t k = 0; k < n; k++)
        if (!(want[k] == got[k]))
            fail_with(p, log, "another result");
    free(got);
}

static void random_sequences(void **state)
{
    const char *text = *state;
    long n = number("HONE_SEQUENCES", 150), seed = number("HONE_SEED", 1);
    unsigned accepted[HONE_LEN(steps)] = {0}, rolling_step = 0;
    while (steps[rolling_step].run != do_rolling)
        rolling_step++;
    hone_program base = parse_text(text);
    hone_error err = {0};
    int64_t n_out;
    float *want = output_of(&base, &n_out, &err);
    assert_non_null(want);
    hone_rng rng;
    hone_rng_seed(&rng, (uint64_t)seed);
    for (long k = 0; k < n; k++) {
        hone_program p = {0};
        char log[400] = "";
        hone_program_copy(&p, &base);
        walk w = {.p = &p, .rng = &rng};
        bool placed = false; /* has the last step moved a producer to its consumer? */
        for (unsigned done = 0, tries = 0; done < MAX_STEPS && tries < 20 * MAX_STEPS; tries++) {
            unsigned at = (unsigned)pick(&w, HONE_LEN(steps));
            if (placed && pick(&w, 2)) /* rarely legal elsewhere */
                at = rolling_step;
            uint64_t before = hone_program_hash(&p);
            hone_status s = steps[at].run(&w);
            if (s != HONE_OK) {
                if (hone_program_hash(&p) != before)
                    fail_with(&p, log, "rejected, but changed");
                continue;
            }
            done++;
            accepted[at]++;
            placed = steps[at].run == do_compute_at;
            snprintf(log + strlen(log), sizeof log - strlen(log), "%s ", steps[at].name);
            check_step(want, n_out, &p, log);
        }
        if (k % 5 == 0) {
            hone_code code;
            hone_codegen_options o = {.emit = HONE_EMIT_OBJECT};
            hone_status s = hone_codegen_emit(test_codegen, &p, &o, &code, &err);
            if (s == HONE_OK) {
                hone_code_free(&code);
                if (number("HONE_VERBOSE", 0)) {
                    hone_buf b = {0};
                    hone_program_print(&p, &b);
                    fprintf(stderr, "%s\n%s\n", log, b.s);
                    hone_buf_free(&b);
                }
                check_program(&p, &(run_options){.choose = small_integer});
            } else if (!hone_status_is_reject(s)) {
                fail_with(&p, log, err.message);
            }
        }
        hone_program_fini(&p);
    }
    for (unsigned k = 0; k < HONE_LEN(steps); k++)
        if (k == 0 || steps[k].run != steps[k - 1].run)
            printf("%s %u%s", steps[k].name, accepted[k], k + 1 < HONE_LEN(steps) ? ", " : "\n");
    free(want);
    hone_program_fini(&base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(random_sequences, (void *)(uintptr_t)matmul_relu),
        cmocka_unit_test_prestate(random_sequences, (void *)(uintptr_t)windows),
        cmocka_unit_test_prestate(random_sequences, (void *)(uintptr_t)strided),
    };
    return cmocka_run_group_tests(tests, setup_codegen, teardown_codegen);
}
