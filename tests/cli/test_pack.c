/* A library whose const input is packed ahead of time: the header declares the packing function and
 * its size, and a C program that packs once and calls twice gets the right result. The trace is
 * taken from the search space, because which schedule wins a tuning is not for a test to rely on.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "codegen/codegen.h"
#include "space/space.h"

#include "tests/cli/folder.h"

static const char kernel[] = "kernel dense(M, N, K) {\n"
                             "  input A: f32[M, K]\n"
                             "  const input W: f32[K, N]\n"
                             "  input bias: f32[N]\n"
                             "  output C: f32[M, N]\n"
                             "  T[i, j] = sum(k < K) A[i, k] * W[k, j]\n"
                             "  C[i, j] = max(T[i, j] + bias[j], 0)\n"
                             "}\n";

static const char program[] =
    "#include \"lib/f.h\"\n"
    "#include <math.h>\n"
    "#include <stdio.h>\n"
    "#include <stdlib.h>\n"
    "enum { M = 37, N = 83, K = 29 };\n"
    "static float A[M * K] __attribute__((aligned(64)));\n"
    "static float W[K * N] __attribute__((aligned(64)));\n"
    "static float bias[N] __attribute__((aligned(64)));\n"
    "static float C[M * N] __attribute__((aligned(64)));\n"
    "int main(void)\n"
    "{\n"
    "    for (int i = 0; i < M * K; i++) A[i] = (float)((i * 37) % 101) / 50 - 1;\n"
    "    for (int i = 0; i < K * N; i++) W[i] = (float)((i * 53) % 97) / 48 - 1;\n"
    "    for (int i = 0; i < N; i++) bias[i] = (float)((i * 29) % 31) / 15 - 1;\n"
    "    int64_t bytes = f_pack_W_bytes();\n"
    "    if (bytes < (int64_t)sizeof W) return printf(\"only %lld bytes\\n\", (long long)bytes), "
    "1;\n"
    "    unsigned char *packed = aligned_alloc(64, (size_t)(bytes + 128) / 64 * 64);\n"
    "    packed[bytes] = 77;\n"
    "    if (f_pack_W(W, packed) != 0) return puts(\"f_pack_W failed\"), 1;\n"
    "    if (packed[bytes] != 77) return puts(\"f_pack_W writes too much\"), 1;\n"
    "    for (int round = 0; round < 2; round++) {\n"
    "        for (int i = 0; i < M * N; i++) C[i] = NAN;\n"
    "        if (f(A, packed, bias, C) != 0) return puts(\"f failed\"), 1;\n"
    "        for (int i = 0; i < M; i++)\n"
    "            for (int j = 0; j < N; j++) {\n"
    "                double want = bias[j];\n"
    "                for (int k = 0; k < K; k++) want += (double)A[i * K + k] * W[k * N + j];\n"
    "                want = want > 0 ? want : 0;\n"
    "                if (!(fabs(C[i * N + j] - want) < 1e-4))\n"
    "                    return printf(\"C[%d, %d] is %g, not %g\\n\", i, j, C[i * N + j], want), "
    "1;\n"
    "            }\n"
    "    }\n"
    "    free(packed);\n"
    "    puts(\"right\");\n"
    "    return 0;\n"
    "}\n";

static void in_folder(const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_int_equal(hone_file_write(path, text, strlen(text), NULL), HONE_OK);
}

/* Runs a command in the folder; its exit code must be 0. */
static void run(const char *command)
{
    char *all = hone_xasprintf("cd %s && %s", folder, command);
    int status = system(all);
    if (status != 0)
        fail_msg("%s: status %d", all, status);
    free(all);
}

/* Text of a trace of the kernel that packs W ahead of time. */
static char *packing_trace(void)
{
    hone_error err = {0};
    hone_size sizes[] = {{"M", 37}, {"N", 83}, {"K", 29}};
    hone_program p = {0};
    hone_target target;
    hone_space *space;
    assert_int_equal(hone_workload_parse("dense", kernel, strlen(kernel), NULL, sizes, 3, &p, &err),
                     HONE_OK);
    assert_int_equal(hone_target_native(&target, &err), HONE_OK);
    assert_int_equal(
        hone_space_new(&p, &(hone_space_options){.target = &target, .threads = 1}, &space, &err),
        HONE_OK);
    hone_sched s = {0};
    hone_rng rng;
    char *text = NULL;
    hone_rng_seed(&rng, 7);
    for (int k = 0; k < 500; k++) {
        if (hone_space_sample(space, &rng, &s, NULL) != HONE_OK)
            continue;
        text = hone_trace_text(&s.trace);
        if (strstr(text, "hone.prepack"))
            break;
        free(text);
        text = NULL;
    }
    if (!text)
        fail_msg("none of 500 candidates packs a const input ahead of time");
    hone_sched_fini(&s);
    hone_space_free(space);
    hone_program_fini(&p);
    return text;
}

static void test_packed_library(void **state)
{
    (void)state;
    char *trace = packing_trace(), *header = NULL;
    in_folder("dense.hone", kernel);
    in_folder("main.c", program);
    in_folder("t.json", trace);
    free(trace);
    run(HONE_BINARY_DIR "/hone query dense.hone -D M=37 -D N=83 -D K=29 --threads 1 --trace t.json "
                        "--emit library -o lib --name f");
    char path[256];
    snprintf(path, sizeof path, "%s/lib/f.h", folder);
    assert_int_equal(hone_file_read(path, 1 << 16, &header, NULL, NULL), HONE_OK);
    assert_non_null(strstr(
        header, "int f(const float *A, const void *W_packed, const float *bias, float *C);"));
    assert_non_null(strstr(header, "int f_pack_W(const float *W, void *packed);"));
    assert_non_null(strstr(header, "int64_t f_pack_W_bytes(void);"));
    free(header);
#ifdef __SANITIZE_ADDRESS__
    run("cc -fsanitize=address,undefined -O1 -o main main.c lib/f.o " HONE_BINARY_DIR
        "/libhone_rt.a -lm -lpthread");
#else
    run("cc -O1 -o main main.c lib/f.o " HONE_BINARY_DIR "/libhone_rt.a -lm -lpthread");
#endif
    run("./main");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_packed_library)};
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
