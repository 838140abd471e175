/* Whole kernels, scheduled by hand and from the workload language. */
#include "codegen_test.h"

/* 3x3 convolution, NHWC, zero padding by a guarded load inside the product. */
static void conv_guard_inside(void **state)
{
    (void)state;
    check_same(
        "program conv {\n"
        "  buffer X: f32[1, 9, 11, 5] input\n  buffer W: f32[3, 3, 5, 16] input\n"
        "  buffer Y: f32[1, 9, 11, 16] output\n"
        "  for h in 9 { for wo in 3 {\n"
        "    for wu in 4 unrolled { for c in 16 vectorized {\n"
        "      block zero(vh: 9 = h, vw: 11 = wo*4 + wu, vc: 16 = c) where wo*4 + wu < 11 {\n"
        "        Y[0, vh, vw, vc] = 0.0 } } }\n"
        "    for r in 3 { for s in 3 { for ci in 5 {\n"
        "    for wu in 4 unrolled { for c in 16 vectorized {\n"
        "      block up(vh: 9 = h, vw: 11 = wo*4 + wu, vc: 16 = c, reduce vr: 3 = r,\n"
        "               reduce vs: 3 = s, reduce vi: 5 = ci) where wo*4 + wu < 11 {\n"
        "        Y[0, vh, vw, vc] = Y[0, vh, vw, vc] + select(1 <= vh + vr and vh + vr < 10\n"
        "          and 1 <= vw + vs and vw + vs < 12, X[0, vh + vr - 1, vw + vs - 1, vi], 0.0)\n"
        "          * W[vr, vs, vi, vc] } } }\n"
        "    } } } } }\n}\n");
}

/* The padded rows as a stage of their own, computed where they are used and kept for that long. */
static void conv_padding_stage(void **state)
{
    (void)state;
    check_same(
        "program conv {\n"
        "  buffer X: f32[9, 11, 24] input\n  buffer W: f32[3, 3, 24, 16] input\n"
        "  buffer Y: f32[9, 11, 16] output\n  buffer P: f32[11, 13, 24]\n"
        "  for h in 9 {\n"
        "    for r in 3 { for w in 13 { for c in 24 vectorized {\n"
        "      block pad(vh: 11 = h + r, vw: 13 = w, vc: 24 = c) {\n"
        "        P[vh, vw, vc] = select(1 <= vh and vh < 10 and 1 <= vw and vw < 12,\n"
        "                               X[vh - 1, vw - 1, vc], 0.0) } } } }\n"
        "    for w in 11 { for r in 3 { for s in 3 { for ci in 24 { for c in 16 vectorized {\n"
        "      block y(vh: 9 = h, vw: 11 = w, vc: 16 = c, reduce vr: 3 = r, reduce vs: 3 = s,\n"
        "              reduce vi: 24 = ci) {\n"
        "        init 0.0\n"
        "        Y[vh, vw, vc] = Y[vh, vw, vc] + P[vh + vr, vw + vs, vi] * W[vr, vs, vi, vc] }\n"
        "    } } } } }\n"
        "  }\n}\n");
}

static void softmax_parallel(void **state)
{
    (void)state;
    check_same("program softmax {\n"
               "  buffer X: f32[17, 45] input\n  buffer Y: f32[17, 45] output\n"
               "  buffer M: f32[17]\n  buffer E: f32[17, 45]\n  buffer S: f32[17]\n"
               "  for i in 17 parallel {\n"
               "    for j in 45 { block m(vi: 17 = i, reduce vj: 45 = j) {\n"
               "      init -inf\n M[vi] = max(M[vi], X[vi, vj]) } }\n"
               "    for jo in 3 { for v in 16 vectorized {\n"
               "      block ex(vi: 17 = i, vj: 45 = jo*16 + v) where jo*16 + v < 45 {\n"
               "        E[vi, vj] = exp(X[vi, vj] - M[vi]) } } }\n"
               "    for j in 45 { block s(vi: 17 = i, reduce vj: 45 = j) {\n"
               "      init 0.0\n S[vi] = S[vi] + E[vi, vj] } }\n"
               "    for jo in 3 { for v in 16 vectorized {\n"
               "      block y(vi: 17 = i, vj: 45 = jo*16 + v) where jo*16 + v < 45 {\n"
               "        Y[vi, vj] = E[vi, vj] / S[vi] } } }\n"
               "  }\n}\n");
}

/* The output tile is loaded, updated over a piece of the sum and stored again. */
static void accumulate_over_outer(void **state)
{
    (void)state;
    check_same(
        "program kblock {\n"
        "  buffer A: f32[23, 50] input\n  buffer B: f32[50, 40] input\n"
        "  buffer C: f32[23, 40] output\n  buffer T: f32[23, 40] local\n"
        "  for ko in 4 { for io in 4 { for jo in 3 {\n"
        "    for iu in 6 unrolled { for v in 16 vectorized {\n"
        "      block get(vi: 23 = io*6 + iu, vj: 40 = jo*16 + v, vo: 4 = ko)\n"
        "        where io*6 + iu < 23 and jo*16 + v < 40 {\n"
        "        T[vi, vj] = select(vo < 1, 0.0, C[vi, vj]) } } }\n"
        "    for ki in 8 { for ku in 2 unrolled { for iu in 6 unrolled { for v in 16 vectorized {\n"
        "      block up(vi: 23 = io*6 + iu, vj: 40 = jo*16 + v, reduce vk: 50 = ko*16 + ki*2 + "
        "ku)\n"
        "        where io*6 + iu < 23 and jo*16 + v < 40 and ko*16 + ki*2 + ku < 50 {\n"
        "        T[vi, vj] = T[vi, vj] + A[vi, vk] * B[vk, vj] } } } } }\n"
        "    for iu in 6 unrolled { for v in 16 vectorized {\n"
        "      block put(vi: 23 = io*6 + iu, vj: 40 = jo*16 + v)\n"
        "        where io*6 + iu < 23 and jo*16 + v < 40 { C[vi, vj] = T[vi, vj] } } }\n"
        "  } } }\n}\n");
}

static void int8_product(void **state)
{
    (void)state;
    check_same("program q {\n"
               "  buffer A: u8[9, 20] input\n  buffer B: i8[20, 33] input\n"
               "  buffer C: i32[9, 33] output\n"
               "  for i in 9 { for jo in 3 { for k in 20 { for v in 16 vectorized {\n"
               "  block c(vi: 9 = i, vj: 33 = jo*16 + v, reduce vk: 20 = k)\n"
               "    where jo*16 + v < 33 {\n"
               "    init 0\n C[vi, vj] = C[vi, vj] + i32(A[vi, vk]) * i32(B[vk, vj]) } } } } }\n"
               "}\n");
}

static void half_product(void **state)
{
    (void)state;
    const char *const types[] = {"f16", "bf16"};
    for (size_t k = 0; k < 2; k++) {
        char text[1024];
        snprintf(text, sizeof text,
                 "program h {\n  buffer A: %s[7, 20] input\n  buffer B: %s[20, 40] input\n"
                 "  buffer C: f32[7, 40] output\n"
                 "  for i in 7 { for k in 20 { for j in 40 vectorized {\n"
                 "  block c(vi: 7 = i, vj: 40 = j, reduce vk: 20 = k) {\n"
                 "    init 0.0\n C[vi, vj] = C[vi, vj] + f32(A[vi, vk]) * f32(B[vk, vj]) } } } }\n"
                 "}\n",
                 types[k], types[k]);
        check_same(text);
    }
}

/* Blocks of statements with iterators of their own. */
static void blocks_in_blocks(void **state)
{
    (void)state;
    check_same("program deep {\n"
               "  buffer A: f32[10, 12] input\n  buffer C: f32[10, 12] output\n"
               "  for i in 5 { for j in 3 {\n"
               "    block outer(a: 5 = i, b: 3 = j) {\n"
               "      for u in 2 { for v in 4 {\n"
               "        block inner(vi: 10 = a*2 + u, vj: 12 = b*4 + v) {\n"
               "          C[vi, vj] = A[vi, vj] + 1.0 } } }\n"
               "    } } }\n}\n");
}

static const char language[] =
    "kernel matmul(M, N, K) {\n  input A: f32[M, K]\n  const input B: f32[K, N]\n"
    "  output C: f32[M, N]\n  C[i, j] = sum(k < K) A[i, k] * B[k, j]\n}\n"
    "kernel norm(M, N, K) {\n  input X: f32[M, N]\n  output Y: f32[M, N]\n"
    "  S[i] = sum(j < N) X[i, j]\n"
    "  Y[i, j] = tanh(X[i, j] - S[i] / N)\n}\n";

static void workloads(void **state)
{
    (void)state;
    const char *const names[] = {"matmul", "norm"};
    const hone_size sizes[] = {{"M", 13}, {"N", 31}, {"K", 17}};
    for (size_t k = 0; k < HONE_LEN(names); k++) {
        hone_program p;
        hone_error err;
        if (hone_workload_parse("test", language, strlen(language), names[k], sizes, 3, &p, &err) !=
            HONE_OK)
            fail_msg("%s", err.message);
        check_program(&p, &(run_options){0});
        check_program(&p, &(run_options){.emit = {.plain = true}});
        hone_program_fini(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conv_guard_inside), cmocka_unit_test(conv_padding_stage),
        cmocka_unit_test(softmax_parallel),  cmocka_unit_test(accumulate_over_outer),
        cmocka_unit_test(int8_product),      cmocka_unit_test(half_product),
        cmocka_unit_test(blocks_in_blocks),  cmocka_unit_test(workloads),
    };
    return cmocka_run_group_tests(tests, setup_codegen, teardown_codegen);
}
