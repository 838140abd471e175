/* Settings: workloads and traces that lead up to instructions which random ones hardly ever reach.
 * What follows them is random again. */
#include "tests/property/harness.h"

typedef struct setting {
    hone_inst_kind leads_to;
    const char *workload; /* four sizes, then the kernel's body */
    unsigned multiple;    /* of which the sizes are, as a rule */
    const char *trace;
} setting;

#define GET(block, rv) "[\"GetBlock\",[],[\"" block "\",\"main\"],[\"" rv "\"]]"
#define CONV                                                        \
    "  input X: f32[N0, N3]\n"                                      \
    "  input F: f32[3, N3, N1]\n"                                   \
    "  temp P: f32[N0 + 2, N3]\n"                                   \
    "  output Y: f32[N0, N1]\n"                                     \
    "  P[h, c] = select(1 <= h and h < N0 + 1, X[h - 1, c], 0.0)\n" \
    "  Y[y, f] = sum(r < 3, c < N3) P[y + r, c] * F[r, c, f]\n"

static const setting settings[] = {
    {HONE_INST_SkipZeros, CONV, 1,
     "[[" GET("P", "b0") "," GET("Y",
                                 "b1") ",[\"ComputeInline\",[\"b0\"],[],[]],"
                                       "[\"GetLoops\",[\"b1\"],[],[\"l2\",\"l3\",\"l4\",\"l5\"]],"
                                       "[\"DecomposeReduction\",[\"b1\",\"l4\"],[],[\"b6\"]],["
                                       "\"SkipZeros\",[\"b1\"],[],[]]],[]]"},
    {HONE_INST_RollingBuffer, CONV, 1,
     "[[" GET("P", "b0") "," GET("Y",
                                 "b1") ",[\"GetLoops\",[\"b1\"],[],[\"l2\",\"l3\",\"l4\",\"l5\"]],"
                                       "[\"ComputeAt\",[\"b0\",\"l2\"],[1,-1],[]],["
                                       "\"RollingBuffer\",[\"b0\"],[0],[]]],[]]"},
    {HONE_INST_Tensorize,
     "  input A: u8[N0, N1]\n  input B: i8[N2, N1]\n  output C: i32[N0, N2]\n"
     "  C[i, j] = sum(k < N1) i32(A[i, k]) * i32(B[j, k])\n",
     16,
     "[[" GET("C", "b0") ",[\"GetLoops\",[\"b0\"],[],[\"l1\",\"l2\",\"l3\"]],"
                         "[\"Split\",[\"l2\",\"None\",16],[1,0],[\"l4\",\"l5\"]],"
                         "[\"Split\",[\"l3\",\"None\",4],[1,0],[\"l6\",\"l7\"]],"
                         "[\"Reorder\",[\"l4\",\"l6\",\"l5\",\"l7\"],[],[]],"
                         "[\"DecomposeReduction\",[\"b0\",\"l6\"],[],[\"b8\"]],"
                         "[\"Tensorize\",[\"l5\"],[\"x86.avx512.vnni.u8i8i32_16x4\",1],[]]],[]]"},
};

char *pair_setting(hone_rng *rng, hone_inst_kind focus, const char **ret_trace)
{
    for (size_t k = 0; k < HONE_LEN(settings); k++) {
        const setting *s = &settings[k];
        if (s->leads_to != focus || hone_rng_below(rng, 3) == 0)
            continue;
        hone_buf out = {0};
        uint64_t m = hone_rng_below(rng, 4) ? s->multiple : 1;
        hone_buf_puts(&out, "kernel pair(");
        for (unsigned q = 0; q < 4; q++)
            hone_buf_printf(&out, "%sN%u = %" PRIu64, q ? ", " : "", q,
                            m * (1 + hone_rng_below(rng, m > 1    ? 3
                                                         : q == 3 ? 4
                                                                  : 19)));
        hone_buf_printf(&out, ") {\n%s}\n", s->workload);
        *ret_trace = s->trace;
        return hone_buf_take(&out);
    }
    return NULL;
}
