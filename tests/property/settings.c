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

#define ATTENTION(SCORES)                                      \
    "  input Q: f32[N0, N3]\n  input K: f32[N1, N3]\n"         \
    "  input V: f32[N1, N2]\n  output O: f32[N0, N2]\n"        \
    "  S[i, j] = sum(d < N3) Q[i, d] * K[j, d]\n"              \
    "  M[i, j] = " SCORES "\n  top[i] = max(j < N1) M[i, j]\n" \
    "  E[i, j] = exp((M[i, j] - top[i]) * 0.25)\n"             \
    "  total[i] = sum(j < N1) E[i, j]\n"                       \
    "  T[i, d] = sum(j < N1) E[i, j] * V[j, d]\n"              \
    "  O[i, d] = T[i, d] / total[i]\n"
#define AT(block, rv, loop) GET(block, rv) ",[\"ComputeAt\",[\"" rv "\",\"" loop "\"],[1,-1],[]],"

static const setting settings[] = {
    {HONE_INST_OnlineSoftmax, ATTENTION("S[i, j]"), 1,
     "[[" GET("top", "b0") ",[\"OnlineSoftmax\",[\"b0\",3],[],[\"l1\"]]],[]]"},
    {HONE_INST_SkipUnread, ATTENTION("select(j <= i, S[i, j], -inf)"), 1,
     "[[" GET("O", "b0") ",[\"GetLoops\",[\"b0\"],[],[\"l1\",\"l2\"]]," AT("T", "b3", "l1")
         AT("total", "b4", "l1") AT("E", "b5", "l1") AT("top", "b6", "l1") AT("M", "b7", "l1")
             AT("S", "b8", "l1") "[\"OnlineSoftmax\",[\"b6\",2],[],[\"l9\"]],"
                                 "[\"ComputeAt\",[\"b7\",\"l9\"],[1,-1],[]],"
                                 "[\"ComputeAt\",[\"b8\",\"l9\"],[1,-1],[]],"
                                 "[\"SkipUnread\",[\"b7\"],[],[]]],[]]"},
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
    {HONE_INST_ShareWindows,
     "  input X: f32[N0, N1]\n  temp P: f32[N0 + 2, N1 + 2]\n  output Y: f32[N0, N1]\n"
     "  P[h, w] = select(1 <= h and h < N0 + 1 and 1 <= w and w < N1 + 1, X[h - 1, w - 1], 0.0)\n"
     "  Y[y, x] = sum(r < 3, s < 3) P[y + r, x + s]\n",
     1,
     "[[" GET("P", "b0") "," GET("Y",
                                 "b1") ",[\"ComputeInline\",[\"b0\"],[],[]],"
                                       "[\"GetLoops\",[\"b1\"],[],[\"l2\",\"l3\",\"l4\",\"l5\"]],"
                                       "[\"ShareWindows\",[\"l4\"],[],[\"b6\"]]],[]]"},
    {HONE_INST_ComputeInplace,
     "  input A: f32[N0, N1]\n  output Y: f32[N0, N1]\n"
     "  top[i] = max(k < N1) A[i, k]\n  E[i, j] = A[i, j] - top[i]\n"
     "  total[i] = sum(k < N1) E[i, k]\n  Y[i, j] = E[i, j] * total[i]\n",
     1,
     "[[" GET("E", "b0") "," GET("total", "b1") "," GET(
         "Y", "b2") ",[\"GetLoops\",[\"b2\"],[],[\"l3\",\"l4\"]],"
                    "[\"ComputeAt\",[\"b1\",\"l3\"],[1,-1],[]],"
                    "[\"ComputeAt\",[\"b0\",\"l3\"],[1,-1],[]],"
                    "[\"ComputeInplace\",[\"b2\"],[0],[]]],[]]"},
    {HONE_INST_Widen,
     "  input A: u8[N0, N1]\n  input B: i8[N1, N2]\n  output C: i32[N0, N2]\n"
     "  C[i, j] = sum(k < N1) i32(A[i, k]) * i32(B[k, j])\n",
     1,
     "[[" GET("C", "b0") ",[\"CacheRead\",[\"b0\",[\"b0\"]],[1,\"global\"],[\"b1\"]],"
                         "[\"Widen\",[\"b1\"],[\"i16\"],[]]],[]]"},
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
