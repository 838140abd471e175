/* The nests that rules make: the first candidate of a space as text, and samples that all hold. */
#include "space/space.h"
#include "tests/space/prim_test.h"

static const char softmax[] = "kernel softmax() {\n"
                              "  input X: f32[4, 40]\n"
                              "  output Y: f32[4, 40]\n"
                              "  top[i] = max(k < 40) X[i, k]\n"
                              "  E[i, j] = exp(X[i, j] - top[i])\n"
                              "  total[i] = sum(k < 40) E[i, k]\n"
                              "  scale[i] = 1 / total[i]\n"
                              "  Y[i, j] = E[i, j] * scale[i]\n"
                              "}\n";

static const char pool[] =
    "kernel pool() {\n"
    "  input X: f32[1, 9, 9, 16]\n"
    "  output Y: f32[1, 5, 5, 16]\n"
    "  temp P: f32[1, 11, 11, 16]\n"
    "  temp T: f32[1, 5, 5, 16]\n"
    "  P[n, h, w, c] = select(1 <= h and h < 10 and 1 <= w and w < 10, X[n, h - 1, w - 1, c], 0)\n"
    "  T[n, y, x, c] = sum(r < 3, s < 3) P[n, y*2 + r, x*2 + s, c]\n"
    "  Y[n, y, x, c] = T[n, y, x, c] * (1/9)\n"
    "}\n";

/* The same with weights, of the taps and channels. */
static const char weighted[] =
    "kernel weighted() {\n"
    "  input X: f32[1, 7, 9, 32]\n"
    "  input F: f32[3, 3, 32]\n"
    "  output Y: f32[1, 5, 7, 32]\n"
    "  Y[n, y, x, c] = sum(r < 3, s < 3) X[n, y + r, x + s, c] * F[r, s, c]\n"
    "}\n";

/* The same with so many channels that three rows of the image are more than the nearest cache. */
static const char many_channels[] = {
    "kernel many_channels() {\n"
    "  input X: f32[1, 5, 9, 512]\n"
    "  input F: f32[3, 3, 512]\n"
    "  output Y: f32[1, 3, 7, 512]\n"
    "  Y[n, y, x, c] = sum(r < 3, s < 3) X[n, y + r, x + s, c] * F[r, s, c]\n"
    "}\n"};

/* Such an image with a border. */
static const char many_padded[] = {
    "kernel many_padded() {\n"
    "  input X: f32[2, 5, 5, 512]\n"
    "  input F: f32[3, 3, 512]\n"
    "  temp P: f32[2, 7, 7, 512]\n"
    "  output Y: f32[2, 3, 3, 512]\n"
    "  P[n, h, w, c] = select(1 <= h and h < 6 and 1 <= w and w < 6, X[n, h - 1, w - 1, c], 0)\n"
    "  Y[n, y, x, c] = sum(r < 3, s < 3) P[n, 2*y + r, 2*x + s, c] * F[r, s, c]\n"
    "}\n"};

/* Strips without windows. */
static const char plain_strip[] = "kernel strip() {\n"
                                  "  input X: f32[6, 5, 7, 32]\n"
                                  "  output Y: f32[5, 7, 32]\n"
                                  "  Y[y, x, c] = sum(k < 6) X[k, y, x, c]\n"
                                  "}\n";

/* Long sums of pixels that have no neighbours. */
static const char whole_image[] = "kernel whole_image() {\n"
                                  "  input X: f32[2, 6, 7, 100]\n"
                                  "  temp T: f32[2, 1, 1, 100]\n"
                                  "  output Y: f32[2, 1, 1, 100]\n"
                                  "  T[n, y, x, c] = sum(r < 6, s < 7) X[n, y + r, x + s, c]\n"
                                  "  Y[n, y, x, c] = T[n, y, x, c] * (1/42)\n"
                                  "}\n";

static const char long_columns[] = "kernel long_columns() {\n"
                                   "  input X: f32[50, 70]\n"
                                   "  output Y: f32[70]\n"
                                   "  Y[c] = sum(k < 50) X[k, c]\n"
                                   "}\n";

static const char one_row[] = "kernel one() {\n"
                              "  input X: f32[1, 1000]\n"
                              "  output Y: f32[1]\n"
                              "  Y[i] = sum(k < 1000) X[i, k]\n"
                              "}\n";

/* A matrix times a column: each row of A is summed along memory, and so is B's one column. */
static const char column[] = "kernel column() {\n"
                             "  input A: f32[3, 70]\n"
                             "  input B: f32[70, 1]\n"
                             "  output C: f32[3, 1]\n"
                             "  C[i, j] = sum(k < 70) A[i, k] * B[k, j]\n"
                             "}\n";

/* The same with two columns: elements of a column lie apart, and it is a product as others are. */
static const char columns[] = "kernel columns() {\n"
                              "  input A: f32[3, 70]\n"
                              "  input B: f32[70, 2]\n"
                              "  output C: f32[3, 2]\n"
                              "  C[i, j] = sum(k < 70) A[i, k] * B[k, j]\n"
                              "}\n";

static const char long_rows[] = "kernel rows() {\n"
                                "  input X: f32[3, 200]\n"
                                "  output Y: f32[3, 200]\n"
                                "  total[i] = sum(k < 200) X[i, k]\n"
                                "  E[i, j] = exp(X[i, j] - total[i])\n"
                                "  all[i] = sum(k < 200) E[i, k]\n"
                                "  Y[i, j] = E[i, j] * all[i]\n"
                                "}\n";

static const char longest_rows[] = "kernel rows() {\n"
                                   "  input X: f32[3, 5003]\n"
                                   "  output Y: f32[3, 5003]\n"
                                   "  E[i, j] = sqrt(X[i, j] * X[i, j])\n"
                                   "  all[i] = sum(k < 5003) E[i, k]\n"
                                   "  Y[i, j] = E[i, j] - all[i]\n"
                                   "}\n";

static const char scaled[] = "kernel scaled() {\n"
                             "  input X: f32[3, 64]\n"
                             "  output Y: f32[3, 64]\n"
                             "  top[i] = max(k < 64) X[i, k]\n"
                             "  Y[i, j] = X[i, j] * top[i]\n"
                             "}\n";

static const char elements[] = "kernel elements() {\n"
                               "  input X: f32[3, 70]\n"
                               "  input s: f32[1]\n"
                               "  output Y: f32[3, 70]\n"
                               "  Y[i, j] = X[i, j] * s[0]\n"
                               "}\n";

/* An output beyond the second cache, along whose rows something else is read. */
static const char large[] = "kernel large() {\n"
                            "  input X: f32[1024, 1024]\n"
                            "  input b: f32[1024]\n"
                            "  output Y: f32[1024, 1024]\n"
                            "  Y[i, j] = X[i, j] * b[j]\n"
                            "}\n";

static hone_space *space_of(const char *text, int32_t threads)
{
    static const hone_target target = {.vector_bytes = 64,
                                       .vector_registers = 32,
                                       .l1_bytes = 32 << 10,
                                       .l2_bytes = 1 << 20,
                                       .l3_bytes = 32 << 20};
    hone_program p;
    hone_space *sp;
    hone_error err;
    hone_space_options o = {.target = &target, .threads = threads};
    if (hone_workload_parse("test", text, strlen(text), NULL, NULL, 0, &p, &err) != HONE_OK ||
        hone_space_new(&p, &o, &sp, &err) != HONE_OK)
        fail_msg("%s", err.message);
    hone_program_fini(&p);
    return sp;
}

static void check_first(const char *text, int32_t threads, unsigned space, const char *expected)
{
    hone_space *sp = space_of(text, threads);
    hone_sched s = {0};
    hone_error err;
    assert_true(space < sp->traces.n);
    if (hone_space_finish(sp, &sp->traces.v[space], &s, &err) != HONE_OK)
        fail_msg("%s", err.message);
    check_text(&s.prog, expected);
    hone_sched_fini(&s);
    hone_space_free(sp);
}

/* All stages of a row in one turn of the parallel loop. */
static void rows_of_softmax(void **state)
{
    (void)state;
    check_first(softmax, 2, 0,
                "program softmax {\n"
                "  buffer X: f32[4, 40] input\n"
                "  buffer Y: f32[4, 40] output\n"
                "  buffer top: f32[4]\n"
                "  buffer total: f32[4]\n"
                "  buffer total.rf: f32[4, 16]\n"
                "  buffer total.rf.rf: f32[4, 4, 16]\n"
                "  buffer top.rf: f32[4, 16]\n"
                "  buffer top.rf.rf: f32[4, 4, 16]\n"
                "  for i in 4 parallel {\n"
                "    for ax0 in 1 {\n"
                "      for ax1_0_0 in 1 {\n"
                "        for ax1_0_1 in 4 unrolled {\n"
                "          for ax1_1 in 16 vectorized {\n"
                "            block top_rf_rf(v0: 4 = i, v1: 16 = ax1_1, v2: 4 = ax1_0_1) {\n"
                "              init -inf\n"
                "              top.rf.rf[v0, v2, v1] = max(top.rf.rf[v0, v2, v1], select(v1 + "
                "v2*16 < 40 and v2 < 3, X[v0, v1 + v2*16], -inf))\n"
                "            }\n"
                "          }\n"
                "        }\n"
                "      }\n"
                "    }\n"
                "    for ax0_1 in 4 unrolled {\n"
                "      for ax1 in 16 vectorized {\n"
                "        block top_rf(v0: 4 = i, v1: 16 = ax1, reduce vr: 4 = ax0_1) {\n"
                "          init -inf\n"
                "          top.rf[v0, v1] = max(top.rf[v0, v1], top.rf.rf[v0, vr, v1])\n"
                "        }\n"
                "      }\n"
                "    }\n"
                "    for ax0_2 in 16 vectorized {\n"
                "      block top(vi: 4 = i, reduce vr: 16 = ax0_2) {\n"
                "        init -inf\n"
                "        top[vi] = max(top[vi], top.rf[vi, vr])\n"
                "      }\n"
                "    }\n"
                "    for ax0_3 in 1 {\n"
                "      for ax1_0 in 1 {\n"
                "        for ax1_1_1 in 4 unrolled {\n"
                "          for ax1_2 in 16 vectorized {\n"
                "            block E(vi: 4 = i, vj: 40 = ax1_1_1*16 + ax1_2) where ax1_1_1*16 + "
                "ax1_2 < 40 {\n"
                "              Y[vi, vj] = exp(X[vi, vj] - top[vi])\n"
                "            }\n"
                "          }\n"
                "        }\n"
                "      }\n"
                "    }\n"
                "    for ax0_4 in 1 {\n"
                "      for ax1_0_0_1 in 1 {\n"
                "        for ax1_0_1_1 in 4 unrolled {\n"
                "          for ax1_1_2 in 16 vectorized {\n"
                "            block total_rf_rf(v0: 4 = i, v1: 16 = ax1_1_2, v2: 4 = ax1_0_1_1) {\n"
                "              init 0.0\n"
                "              total.rf.rf[v0, v2, v1] = total.rf.rf[v0, v2, v1] + select(v1 + "
                "v2*16 < 40 and v2 < 3, Y[v0, v1 + v2*16], 0.0)\n"
                "            }\n"
                "          }\n"
                "        }\n"
                "      }\n"
                "    }\n"
                "    for ax0_5 in 4 unrolled {\n"
                "      for ax1_3 in 16 vectorized {\n"
                "        block total_rf(v0: 4 = i, v1: 16 = ax1_3, reduce vr: 4 = ax0_5) {\n"
                "          init 0.0\n"
                "          total.rf[v0, v1] = total.rf[v0, v1] + total.rf.rf[v0, vr, v1]\n"
                "        }\n"
                "      }\n"
                "    }\n"
                "    for ax0_6 in 16 vectorized {\n"
                "      block total(vi: 4 = i, reduce vr: 16 = ax0_6) {\n"
                "        init 0.0\n"
                "        total[vi] = total[vi] + total.rf[vi, vr]\n"
                "      }\n"
                "    }\n"
                "    for j_0 in 1 {\n"
                "      for j_1 in 4 unrolled {\n"
                "        for j_2 in 16 vectorized {\n"
                "          block Y(vi: 4 = i, vj: 40 = j_1*16 + j_2) where j_1*16 + j_2 < 40 {\n"
                "            Y[vi, vj] = Y[vi, vj] * (1.0 / total[vi])\n"
                "          }\n"
                "        }\n"
                "      }\n"
                "    }\n"
                "  }\n"
                "}\n");
}

/* Fewer rows than threads: one row in pieces. */
static void pieces_of_a_row(void **state)
{
    (void)state;
    check_first(
        one_row, 4, 1,
        "program one {\n"
        "  buffer X: f32[1, 1000] input\n"
        "  buffer Y: f32[1] output\n"
        "  buffer Y.rf: f32[1, 4]\n"
        "  buffer Y.rf.rf: f32[1, 4, 16]\n"
        "  buffer Y.rf.rf.rf: f32[1, 4, 4, 16]\n"
        "  for i in 1 {\n"
        "    for k_0 in 4 parallel {\n"
        "      for ax0 in 4 unrolled {\n"
        "        for ax1 in 16 vectorized {\n"
        "          block Y_rf_rf_rf_init(v0: 1 = i, v1: 4 = k_0, v2: 16 = ax1, v3: 4 = ax0) {\n"
        "            Y.rf.rf.rf[v0, v1, v3, v2] = 0.0\n"
        "          }\n"
        "        }\n"
        "      }\n"
        "      for k_1_0_0 in 4 {\n"
        "        for k_1_0_1 in 4 unrolled {\n"
        "          for k_1_1 in 16 vectorized {\n"
        "            block Y_rf_rf_rf(v0: 1 = i, v1: 4 = k_0, v2: 16 = k_1_1, v3: 4 = k_1_0_1, "
        "reduce v4: 4 = k_1_0_0) {\n"
        "              Y.rf.rf.rf[v0, v1, v3, v2] = Y.rf.rf.rf[v0, v1, v3, v2] + select(v2 + v4*64 "
        "+ v3*16 < 250, X[v0, v1*250 + (v2 + v4*64 + v3*16)], 0.0)\n"
        "            }\n"
        "          }\n"
        "        }\n"
        "      }\n"
        "      for ax0_1 in 4 unrolled {\n"
        "        for ax1_1 in 16 vectorized {\n"
        "          block Y_rf_rf(v0: 1 = i, v1: 4 = k_0, v2: 16 = ax1_1, reduce vr: 4 = ax0_1) {\n"
        "            init 0.0\n"
        "            Y.rf.rf[v0, v1, v2] = Y.rf.rf[v0, v1, v2] + Y.rf.rf.rf[v0, v1, vr, v2]\n"
        "          }\n"
        "        }\n"
        "      }\n"
        "      for ax0_2 in 16 vectorized {\n"
        "        block Y_rf(v0: 1 = i, v1: 4 = k_0, reduce vr: 16 = ax0_2) {\n"
        "          init 0.0\n"
        "          Y.rf[v0, v1] = Y.rf[v0, v1] + Y.rf.rf[v0, v1, vr]\n"
        "        }\n"
        "      }\n"
        "    }\n"
        "    block Y_init(v0: 1 = i) {\n"
        "      Y[v0] = 0.0\n"
        "    }\n"
        "    for ax0_3 in 4 {\n"
        "      block Y(vi: 1 = i, reduce vr: 4 = ax0_3) {\n"
        "        Y[vi] = Y[vi] + Y.rf[vi, vr]\n"
        "      }\n"
        "    }\n"
        "  }\n"
        "}\n");
}

static void rows_times_a_column(void **state)
{
    (void)state;
    check_first(
        column, 2, 0,
        "program column {\n"
        "  buffer A: f32[3, 70] input\n"
        "  buffer B: f32[70, 1] input\n"
        "  buffer C: f32[3, 1] output\n"
        "  buffer C.rf: f32[3, 1, 16]\n"
        "  buffer C.rf.rf: f32[3, 1, 4, 16]\n"
        "  for i_j_fused in 3 parallel {\n"
        "    for ax0 in 4 unrolled {\n"
        "      for ax1 in 16 vectorized {\n"
        "        block C_rf_rf_init(v0: 3 = i_j_fused, v1: 1 = 0, v2: 16 = ax1, v3: 4 = ax0) {\n"
        "          C.rf.rf[v0, v1, v3, v2] = 0.0\n"
        "        }\n"
        "      }\n"
        "    }\n"
        "    for k_0_0 in 2 {\n"
        "      for k_0_1 in 4 unrolled {\n"
        "        for k_1 in 16 vectorized {\n"
        "          block C_rf_rf(v0: 3 = i_j_fused, v1: 1 = 0, v2: 16 = k_1, v3: 4 = k_0_1, reduce "
        "v4: 2 = k_0_0) {\n"
        "            C.rf.rf[v0, v1, v3, v2] = C.rf.rf[v0, v1, v3, v2] + select(v2 + v4*64 + v3*16 "
        "< 70 and v4*4 + v3 < 5, A[v0, v2 + v4*64 + v3*16] * B[v2 + v4*64 + v3*16, v1], 0.0)\n"
        "          }\n"
        "        }\n"
        "      }\n"
        "    }\n"
        "    for ax0_1 in 4 unrolled {\n"
        "      for ax1_1 in 16 vectorized {\n"
        "        block C_rf(v0: 3 = i_j_fused, v1: 1 = 0, v2: 16 = ax1_1, reduce vr: 4 = ax0_1) {\n"
        "          init 0.0\n"
        "          C.rf[v0, v1, v2] = C.rf[v0, v1, v2] + C.rf.rf[v0, v1, vr, v2]\n"
        "        }\n"
        "      }\n"
        "    }\n"
        "    for ax0_2 in 16 vectorized {\n"
        "      block C(vi: 3 = i_j_fused, vj: 1 = 0, reduce vr: 16 = ax0_2) {\n"
        "        init 0.0\n"
        "        C[vi, vj] = C[vi, vj] + C.rf[vi, vj, vr]\n"
        "      }\n"
        "    }\n"
        "  }\n"
        "}\n");
    static const struct {
        const char *text;
        bool in_rows;
    } cases[] = {{column, true}, {columns, false}};
    for (unsigned k = 0; k < HONE_LEN(cases); k++) {
        hone_space *sp = space_of(cases[k].text, 2);
        hone_sched s = {0};
        hone_error err;
        if (hone_space_finish(sp, &sp->traces.v[0], &s, &err) != HONE_OK)
            fail_msg("%s", err.message);
        char *text = program_text(&s.prog);
        assert_int_equal(strstr(text, ".rf") != NULL, cases[k].in_rows);
        check_same(&sp->base, &s.prog);
        free(text);
        hone_sched_fini(&s);
        hone_space_free(sp);
    }
}

/* Padding inlined, columns in registers, the mean taken while they are. */
static void tiles_of_pooling(void **state)
{
    (void)state;
    check_first(
        pool, 2, 0,
        "program pool {\n"
        "  buffer X: f32[1, 9, 9, 16] input\n"
        "  buffer Y: f32[1, 5, 5, 16] output\n"
        "  buffer T: f32[1, 5, 5, 16]\n"
        "  buffer T_local: f32[1, 5, 5, 16] local\n"
        "  for n in 1 {\n"
        "    for y in 5 parallel {\n"
        "      for x_0 in 1 {\n"
        "        for c_0_0 in 1 {\n"
        "          for ax0 in 1 {\n"
        "            for ax1 in 1 {\n"
        "              for ax2 in 5 unrolled {\n"
        "                for ax3_0 in 1 unrolled {\n"
        "                  for ax3_1 in 16 vectorized {\n"
        "                    block T_local_load(v0: 1 = 0, v1: 5 = y, v2: 5 = ax2, v3: 16 = ax3_1) "
        "{\n"
        "                      T_local[v0, v1, v2, v3] = 0.0\n"
        "                    }\n"
        "                  }\n"
        "                }\n"
        "              }\n"
        "            }\n"
        "          }\n"
        "          for r in 3 unrolled {\n"
        "            for s in 3 unrolled {\n"
        "              for x_1 in 5 unrolled {\n"
        "                for c_0_1 in 1 unrolled {\n"
        "                  for c_1 in 16 vectorized {\n"
        "                    block T(vn: 1 = n, vy: 5 = y, vx: 5 = x_1, vc: 16 = c_1, reduce vr: 3 "
        "= r, reduce vs: 3 = s) {\n"
        "                      T_local[vn, vy, vx, vc] = T_local[vn, vy, vx, vc] + select(0 < vy*2 "
        "+ vr and vy*2 + vr < 10 and 0 < vx*2 + vs and vx*2 + vs < 10, X[0, vy*2 + vr - 1, vx*2 + "
        "vs - 1, vc], 0.0)\n"
        "                    }\n"
        "                  }\n"
        "                }\n"
        "              }\n"
        "            }\n"
        "          }\n"
        "          for ax0_1 in 1 {\n"
        "            for ax1_1 in 1 {\n"
        "              for ax2_1 in 5 unrolled {\n"
        "                for ax3_0_1 in 1 unrolled {\n"
        "                  for ax3_1_1 in 16 vectorized {\n"
        "                    block T_local_store(v0: 1 = 0, v1: 5 = y, v2: 5 = ax2_1, v3: 16 = "
        "ax3_1_1) {\n"
        "                      T[v0, v1, v2, v3] = T_local[v0, v1, v2, v3]\n"
        "                    }\n"
        "                  }\n"
        "                }\n"
        "              }\n"
        "            }\n"
        "          }\n"
        "          for ax0_2 in 1 {\n"
        "            for ax1_2 in 1 {\n"
        "              for ax2_2 in 5 unrolled {\n"
        "                for ax3_0_2 in 1 unrolled {\n"
        "                  for ax3_1_2 in 16 vectorized {\n"
        "                    block Y(vn: 1 = 0, vy: 5 = y, vx: 5 = ax2_2, vc: 16 = ax3_1_2) {\n"
        "                      Y[vn, vy, vx, vc] = T[vn, vy, vx, vc] * 0.11111111\n"
        "                    }\n"
        "                  }\n"
        "                }\n"
        "              }\n"
        "            }\n"
        "          }\n"
        "        }\n"
        "      }\n"
        "    }\n"
        "  }\n"
        "}\n");
}

/* Channels inside, outside or outermost, padding ahead, several rows, shared sums, sums in memory:
 * where each is of use. */
static void ways_of_strips(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        unsigned spaces, tall, shared, first, near, streamed; /* a bit for each space */
    } cases[] = {{pool, 8, 0x98, 0xe0, 0, 0, 0},
                 {weighted, 4, 0x3, 0, 0, 0, 0},
                 {many_channels, 7, 0x7, 0, 0x64, 0x40, 0},
                 {many_padded, 8, 0x7, 0, 0xc4, 0x80, 0},
                 {plain_strip, 2, 0, 0, 0, 0, 0},
                 {whole_image, 3, 0, 0, 0, 0, 0x4},
                 {long_columns, 2, 0, 0, 0, 0, 0x2}};
    for (unsigned k = 0; k < HONE_LEN(cases); k++) {
        hone_space *sp = space_of(cases[k].text, 1);
        assert_int_equal(sp->traces.n, cases[k].spaces);
        for (unsigned v = 0; v < sp->traces.n; v++) {
            hone_sched s = {0};
            hone_error err;
            if (hone_space_finish(sp, &sp->traces.v[v], &s, &err) != HONE_OK)
                fail_msg("%s", err.message);
            char *text = program_text(&s.prog), *trace = hone_trace_text(&sp->traces.v[v]);
            assert_int_equal(strstr(trace, "ShareWindows") != NULL, cases[k].shared >> v & 1);
            assert_int_equal(strstr(trace, "SampleRegisterTile") != NULL, cases[k].tall >> v & 1);
            assert_int_equal(strstr(text, "T.windows: f32[1, 5, 11, 16] local") != NULL,
                             cases[k].shared >> v & 1);
            const char *c = strstr(text, "for c_0"), *y = strstr(text, "for y");
            assert_int_equal(c && y && c < y, cases[k].first >> v & 1);
            /* the copy of an image's channels goes before the rows made of it */
            const char *copy = strstr(text, "block X_global");
            assert_int_equal(copy && c && y && c < copy && copy < strstr(c, "block Y"),
                             cases[k].near >> v & 1);
            /* the loop over channels turns within the steps of the sum, of which none is unrolled
             */
            const char *step = strstr(text, "for s_0"), *within = strstr(text, "for c_0_0_1");
            step = step ? step : strstr(text, "for k_0");
            assert_int_equal(step && within && step < within, cases[k].streamed >> v & 1);
            check_same(&sp->base, &s.prog);
            free(text);
            free(trace);
            hone_sched_fini(&s);
        }
        hone_space_free(sp);
    }
}

/* Several rows come first where windows have weights. The tile loads least of those that stay in
 * registers: its sums, what the next row of taps wants of this one's, and a row of weights. */
static void tiles_of_several_rows(void **state)
{
    (void)state;
    static const struct {
        int step, rows, columns, registers; /* of the output; of the target */
        const char *tile;
    } cases[] = {
        {1, 112, 112, 32, "vy: 112 = y_0*4 + y_1, vx: 112 = x_0*3 + x_1"}, /* 12 + 15 + 3 */
        {1, 7, 7, 32, "vy: 7 = y_0*4 + y_1, vx: 7 = x_0*2 + x_1"},
        {1, 2, 112, 32, "vy: 2 = y_1, vx: 112 = x_0*6 + x_1"},
        {2, 56, 56, 32, "vy: 56 = y_0*4 + y_1, vx: 56 = x_0*2 + x_1"}, /* 8 + 15 + 3 */
        {1, 56, 56, 16, "vy: 56 = y_0*2 + y_1, vx: 56 = x_0*3 + x_1"}, /* 6 + 5 + 3 */
    };
    for (unsigned k = 0; k < HONE_LEN(cases); k++) {
        const hone_target target = {.vector_bytes = 64,
                                    .vector_registers = cases[k].registers,
                                    .l1_bytes = 48 << 10,
                                    .l2_bytes = 1 << 20,
                                    .l3_bytes = 32 << 20};
        char *text = hone_xasprintf(
            "kernel w() {\n  input X: f32[1, %d, %d, 32]\n  input F: f32[3, 3, 32]\n"
            "  output Y: f32[1, %d, %d, 32]\n"
            "  Y[n, y, x, c] = sum(r < 3, s < 3) X[n, y*%d + r, x*%d + s, c] * F[r, s, c]\n}\n",
            (cases[k].rows - 1) * cases[k].step + 3, (cases[k].columns - 1) * cases[k].step + 3,
            cases[k].rows, cases[k].columns, cases[k].step, cases[k].step);
        hone_program p;
        hone_space *sp;
        hone_sched s = {0};
        APPLY(hone_workload_parse("test", text, strlen(text), NULL, NULL, 0, &p, err));
        APPLY(hone_space_new(&p, &(hone_space_options){.target = &target, .threads = 1}, &sp, err));
        APPLY(hone_space_finish(sp, &sp->seeds.v[0], &s, err));
        char *got = program_text(&s.prog);
        if (!strstr(got, cases[k].tile))
            fail_msg("case %u: not %s in\n%s", k, cases[k].tile, got);
        for (uint32_t q = 0; q < sp->seeds.n; q++) /* each once */
            for (uint32_t r = 0; r < q; r++)
                assert_true(hone_trace_hash(&sp->seeds.v[q]) != hone_trace_hash(&sp->seeds.v[r]));
        free(got);
        free(text);
        hone_sched_fini(&s);
        hone_space_free(sp);
        hone_program_fini(&p);
    }
}

/* A stage that only moves what it reads is computed by its readers at first, unless one is a sum.
 */
static void padding_goes_to_its_readers(void **state)
{
    (void)state;
    static const struct {
        const char *times;
        bool stays;
    } cases[] = {{"", false}, {" * 2", true}};
    for (unsigned k = 0; k < HONE_LEN(cases); k++) {
        char *text = hone_xasprintf(
            "kernel w() {\n  input X: f32[64, 32]\n  output Y: f32[64, 32]\n"
            "  temp P: f32[66, 34]\n"
            "  P[h, c] = select(1 <= h and h < 65 and 1 <= c and c < 33, X[h - 1, c - 1]%s, 0)\n"
            "  Y[h, c] = P[h, c] - P[h + 1, c] + P[h + 2, c] * P[h, c + 1] - P[h + 1, c + 2] +\n"
            "            P[h + 2, c + 2]\n}\n",
            cases[k].times);
        hone_space *sp = space_of(text, 1);
        hone_sched s = {0};
        APPLY(hone_space_finish(sp, &sp->seeds.v[0], &s, err));
        char *got = program_text(&s.prog);
        assert_int_equal(strstr(got, "block P(") != NULL, cases[k].stays);
        check_same(&sp->base, &s.prog);
        free(got);
        free(text);
        hone_sched_fini(&s);
        hone_space_free(sp);
    }
}

/* One output of a window over everything: as many vectors of channels as registers hold the sums
 * of, as long as each thread has some. */
static void windows_over_everything(void **state)
{
    (void)state;
    static const struct {
        int channels, threads;
        const char *vectors;
    } cases[] = {
        {2048, 1, " in 16 unrolled"}, {256, 2, " in 8 unrolled"}, {64, 1, " in 4 unrolled"}};
    for (unsigned k = 0; k < HONE_LEN(cases); k++) {
        char *kernel =
            hone_xasprintf("kernel w() {\n  input X: f32[7, 7, %d]\n  output Y: f32[1, 1, %d]\n"
                           "  Y[y, x, c] = sum(r < 7, s < 7) X[y + r, x + s, c]\n}\n",
                           cases[k].channels, cases[k].channels);
        hone_space *sp = space_of(kernel, cases[k].threads);
        hone_sched s = {0};
        APPLY(hone_space_finish(sp, &sp->seeds.v[0], &s, err));
        char *text = program_text(&s.prog);
        if (!strstr(text, cases[k].vectors))
            fail_msg("%d channels: %s", cases[k].channels, text);
        free(text);
        free(kernel);
        hone_sched_fini(&s);
        hone_space_free(sp);
    }
}

/* Of 49 taps the innermost seven are unrolled. */
static void long_windows(void **state)
{
    (void)state;
    hone_space *sp = space_of("kernel w() {\n  input X: f32[62, 62, 32]\n  input F: f32[7, 7, 32]\n"
                              "  output Y: f32[56, 56, 32]\n"
                              "  Y[y, x, c] = sum(r < 7, s < 7) X[y + r, x + s, c]*F[r, s, c]\n}\n",
                              1);
    hone_sched s = {0};
    APPLY(hone_space_finish(sp, &sp->seeds.v[0], &s, err));
    char *text = program_text(&s.prog);
    assert_non_null(strstr(text, "for r in 7 {"));
    assert_non_null(strstr(text, "for s in 7 unrolled"));
    free(text);
    hone_sched_fini(&s);
    hone_space_free(sp);
}

/* The second way: two rows at once. */
static void rows_together(void **state)
{
    (void)state;
    check_first(
        scaled, 1, 1,
        "program scaled {\n"
        "  buffer X: f32[3, 64] input\n"
        "  buffer Y: f32[3, 64] output\n"
        "  buffer top: f32[3]\n"
        "  buffer top.rf: f32[3, 16]\n"
        "  buffer top.rf.rf: f32[3, 4, 16]\n"
        "  for i_0 in 2 parallel {\n"
        "    for ax1_0_0 in 1 {\n"
        "      for ax0 in 2 unrolled {\n"
        "        for ax1_0_1 in 4 unrolled {\n"
        "          for ax1_1 in 16 vectorized {\n"
        "            block top_rf_rf(v0: 3 = i_0*2 + ax0, v1: 16 = ax1_1, v2: 4 = ax1_0_1) where "
        "i_0*2 + ax0 < 3 {\n"
        "              init -inf\n"
        "              top.rf.rf[v0, v2, v1] = max(top.rf.rf[v0, v2, v1], X[v0, v1 + v2*16])\n"
        "            }\n"
        "          }\n"
        "        }\n"
        "      }\n"
        "    }\n"
        "    for ax0_1 in 2 unrolled {\n"
        "      for ax1 in 4 unrolled {\n"
        "        for ax2 in 16 vectorized {\n"
        "          block top_rf(v0: 3 = i_0*2 + ax0_1, v1: 16 = ax2, reduce vr: 4 = ax1) where "
        "i_0*2 + ax0_1 < 3 {\n"
        "            init -inf\n"
        "            top.rf[v0, v1] = max(top.rf[v0, v1], top.rf.rf[v0, vr, v1])\n"
        "          }\n"
        "        }\n"
        "      }\n"
        "    }\n"
        "    for ax0_2 in 2 unrolled {\n"
        "      for ax1_2 in 16 vectorized {\n"
        "        block top(vi: 3 = i_0*2 + ax0_2, reduce vr: 16 = ax1_2) where i_0*2 + ax0_2 < 3 "
        "{\n"
        "          init -inf\n"
        "          top[vi] = max(top[vi], top.rf[vi, vr])\n"
        "        }\n"
        "      }\n"
        "    }\n"
        "    for j_0_0 in 1 {\n"
        "      for i_1 in 2 unrolled {\n"
        "        for j_0_1 in 4 unrolled {\n"
        "          for j_1 in 16 vectorized {\n"
        "            block Y(vi: 3 = i_0*2 + i_1, vj: 64 = j_1 + j_0_1*16) where i_0*2 + i_1 < 3 "
        "@hone.stream=0 {\n"
        "              Y[vi, vj] = X[vi, vj] * top[vi]\n"
        "            }\n"
        "          }\n"
        "        }\n"
        "      }\n"
        "    }\n"
        "  }\n"
        "}\n");
}

/* Exponentials are computed in the output, or not, in either way. */
static void exponentials_in_the_output(void **state)
{
    (void)state;
    hone_space *sp = space_of(long_rows, 1);
    assert_int_equal(sp->traces.n, 4);
    for (unsigned k = 0; k < 4; k++) {
        hone_sched s = {0};
        APPLY(hone_space_finish(sp, &sp->traces.v[k], &s, err));
        char *text = program_text(&s.prog);
        assert_int_equal(strstr(text, "Y[vi, vj] = exp(X[vi, vj] - total[vi])") != NULL, k < 2);
        assert_int_equal(strstr(text, "Y[vi, vj] = Y[vi, vj] * all[vi]") != NULL, k < 2);
        assert_int_equal(strstr(text, " in 2 unrolled") != NULL, k % 2);
        free(text);
        hone_sched_fini(&s);
    }
    hone_space_free(sp);
}

/* Of rows that the nearest cache does not hold the elements are also added up as they are made. */
static void elements_added_up_at_once(void **state)
{
    (void)state;
    hone_space *sp = space_of(longest_rows, 1);
    assert_int_equal(sp->traces.n, 6);
    for (unsigned k = 0; k < 6; k++) {
        hone_sched s = {0};
        APPLY(hone_space_finish(sp, &sp->traces.v[k], &s, err));
        char *text = program_text(&s.prog), why[400];
        assert_int_equal(strstr(text, "_m in ") != NULL, k >= 4);
        assert_int_equal(strstr(text, "all.rf.rf") != NULL, k < 4); /* or one vector of sums */
        assert_int_equal(strstr(text, " in 2 unrolled") != NULL, k % 2);
        if (!computes_same(&sp->base, &s.prog, why))
            fail_msg("%u: %s", k, why);
        free(text);
        hone_sched_fini(&s);
    }
    hone_space_free(sp);
}

/* One loop over all that there is. */
static void elements_as_one_row(void **state)
{
    (void)state;
    check_first(elements, 1, 0,
                "program elements {\n"
                "  buffer X: f32[3, 70] input\n"
                "  buffer s: f32[1] input\n"
                "  buffer Y: f32[3, 70] output\n"
                "  for i_j_fused_0 in 7 parallel {\n"
                "    for i_j_fused_1 in 2 unrolled {\n"
                "      for i_j_fused_2 in 16 vectorized {\n"
                "        block Y(vi: 3 = (i_j_fused_0*32 + i_j_fused_1*16 + i_j_fused_2) // 70, "
                "vj: 70 = (i_j_fused_0*32 + i_j_fused_1*16 + i_j_fused_2) % 70) where "
                "i_j_fused_0*32 + i_j_fused_1*16 + i_j_fused_2 < 210 @hone.stream=0 {\n"
                "          Y[vi, vj] = X[vi, vj] * s[0]\n"
                "        }\n"
                "      }\n"
                "    }\n"
                "  }\n"
                "}\n");
}

/* Whether stores pass by the caches is a decision, where the output is large. */
static void large_outputs(void **state)
{
    (void)state;
    hone_space *sp = space_of(large, 1);
    char *text = hone_trace_text(&sp->traces.v[0]);
    assert_non_null(strstr(text, "[\"SampleCategorical\",[],[[0,1],[0.5,0.5]],[\"v2\"]]"));
    assert_non_null(strstr(text, "[\"Annotate\",[\"b0\",\"v2\"],[\"hone.stream\"],[]]"));
    free(text);
    hone_space_free(sp);
    sp = space_of(elements, 1);
    text = hone_trace_text(&sp->traces.v[0]);
    assert_non_null(strstr(text, "[\"SampleCategorical\",[],[[0],[1.0]],"));
    free(text);
    hone_space_free(sp);
}

/* No decision makes another one illegal. */
static void samples_hold(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int32_t threads;
    } cases[] = {{softmax, 1}, {softmax, 8},   {one_row, 1},      {one_row, 4},
                 {pool, 1},    {pool, 3},      {weighted, 2},     {column, 1},
                 {column, 2},  {long_rows, 2}, {longest_rows, 1}, {elements, 2}};
    for (unsigned k = 0; k < HONE_LEN(cases); k++) {
        hone_space *sp = space_of(cases[k].text, cases[k].threads);
        hone_sched s = {0};
        hone_rng rng;
        hone_error err;
        hone_rng_seed(&rng, 3);
        for (unsigned n = 0; n < 60; n++) {
            if (hone_space_sample(sp, &rng, &s, &err) != HONE_OK)
                fail_msg("%s", err.message);
            if (hone_verify(&s.prog, &err) != HONE_OK)
                fail_msg("%s in\n%s", err.message, program_text(&s.prog));
        }
        hone_sched_fini(&s);
        hone_space_free(sp);
    }
}

/* Rows shorter than vectors, outputs without room for partial sums, sums over more than the row:
 * the rule for rows leaves them to the others, and no program stays as written. */
static void others_take_what_are_no_rows(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "kernel f() {\n input X: f32[7, 5]\n output Y: f32[7]\n Y[i] = max(j < 5) X[i, j]\n}\n",
        "kernel f() {\n input X: f32[5]\n output Y: f32[1]\n Y[i] = sum(j < 5) X[j]\n}\n",
        "kernel f() {\n input X: f32[7, 5]\n output Y: f32[7]\n output Z: f32[7]\n"
        " Y[i] = max(j < 5) X[i, j]\n Z[i] = sum(j < 5) X[i, j] * Y[i]\n}\n",
        "kernel f() {\n input X: f32[1, 1, 1, 1, 1, 1, 2, 40]\n"
        " output Y: f32[1, 1, 1, 1, 1, 1, 2, 1]\n"
        " Y[a, b, c, d, e, f, g, h] = sum(j < 40) X[a, b, c, d, e, f, g, j]\n}\n",
        "kernel f() {\n input X: f32[7, 5]\n output Y: f32[7]\n"
        " Y[i] = sum(k < 3, j < 5) X[i, j] + 1.0\n}\n",
    };
    for (size_t k = 0; k < 2 * HONE_LEN(texts); k++) {
        hone_space *sp = space_of(texts[k / 2], k % 2 ? 4 : 1);
        hone_sched s = {0};
        hone_error err;
        for (unsigned t = 0; t < sp->traces.n; t++) {
            assert_true(sp->traces.v[t].insts.n > 0);
            if (hone_space_finish(sp, &sp->traces.v[t], &s, &err) != HONE_OK)
                fail_msg("%zu: %s", k, err.message);
            char why[400];
            if (!computes_same(&sp->base, &s.prog, why))
                fail_msg("%zu: %s", k, why);
        }
        hone_sched_fini(&s);
        hone_space_free(sp);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(others_take_what_are_no_rows),
        cmocka_unit_test(rows_of_softmax),
        cmocka_unit_test(pieces_of_a_row),
        cmocka_unit_test(rows_times_a_column),
        cmocka_unit_test(tiles_of_pooling),
        cmocka_unit_test(ways_of_strips),
        cmocka_unit_test(tiles_of_several_rows),
        cmocka_unit_test(padding_goes_to_its_readers),
        cmocka_unit_test(windows_over_everything),
        cmocka_unit_test(long_windows),
        cmocka_unit_test(rows_together),
        cmocka_unit_test(exponentials_in_the_output),
        cmocka_unit_test(elements_added_up_at_once),
        cmocka_unit_test(elements_as_one_row),
        cmocka_unit_test(large_outputs),
        cmocka_unit_test(samples_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
