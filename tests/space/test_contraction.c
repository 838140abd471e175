/* Every class of contraction is recognised with the roles a library's author would give its loops,
 * and the nest meant for it is among the first candidates. */
#include "space/rule/contraction_analysis.h"
#include "ir/builtin.h"
#include "tests/space/prim_test.h"

static const hone_target target = {.cores = 1,
                                   .vector_bytes = 64,
                                   .vector_registers = 32,
                                   .fma_per_cycle = 2,
                                   .fma_latency = 4,
                                   .l1_bytes = 32 << 10,
                                   .l2_bytes = 1 << 20,
                                   .l3_bytes = 32 << 20};

typedef struct subject {
    const char *kernel, *block;
    hone_size sizes[8];
    const char *roles; /* column, row, k; what else is known */
    const char *nest;  /* loops of more than one iteration around the sum, of the first seed */
} subject;

static const subject subjects[] = {
    {"matmul", "C", {{"M", 140}, {"N", 64}, {"K", 64}}, "j i k", "2 2 8 64 14u 2u 16v"},
    {"matmul", "C", {{"M", 1}, {"N", 1000}, {"K", 64}}, "j - k", "4 8 16 8u 16v"},
    {"dense", "C", {{"M", 140}, {"N", 64}, {"K", 64}}, "j i k const", "2 10 64 14u 2u 16v"},
    {"batch_matmul",
     "Z",
     {{"B", 3}, {"M", 56}, {"N", 64}, {"K", 64}},
     "j i k",
     "3p 2 4 64 14u 2u 16v"},
    {"transpose_batch_matmul",
     "Z",
     {{"B", 1}, {"L", 56}, {"H", 2}, {"D", 64}},
     "j i d turned",
     "2p 2 4 64 14u 2u 16v"},
    {"conv1d_nlc",
     "Y",
     {{"N", 1}, {"L", 56}, {"CI", 16}, {"CO", 32}},
     "f x c clip const",
     "4 3 16 14u 2u 16v"},
    {"conv2d_nhwc",
     "Y",
     {{"N", 1}, {"H", 14}, {"W", 14}, {"CI", 32}, {"CO", 64}},
     "f x c clip const",
     "14p 2 3 3 32 14u 2u 16v"},
    {"conv2d_nhwc",
     "Y",
     {{"N", 1}, {"H", 28}, {"W", 28}, {"CI", 3}, {"CO", 64}, {"R", 7}, {"stride", 2}},
     "f x c clip const",
     "12p 2 7 3 3u 14u 2u 16v"},
    /* vectors along the row of the image */
    {"conv2d_nhwc",
     "Y",
     {{"N", 1}, {"H", 14}, {"W", 56}, {"CI", 3}, {"CO", 1}},
     "x - r turned",
     "14p 3 3 3u 4u 16v"},
    {"conv2d_nhwc",
     "Y",
     {{"N", 1}, {"H", 14}, {"W", 56}, {"CI", 1}, {"CO", 1}},
     "x - r turned",
     "14p 3 3u 4u 16v"},
    {"conv3d_ndhwc",
     "Y",
     {{"N", 1}, {"D", 4}, {"H", 14}, {"W", 14}, {"CI", 8}, {"CO", 32}},
     "f x c clip const",
     "56p 3 3 3 8u 14u 2u 16v"},
    {"conv2d_group_nhwc",
     "Y",
     {{"N", 1}, {"H", 14}, {"W", 14}, {"CI", 32}, {"CO", 128}},
     "f x c clip const",
     "56p 3 3 8u 14u 2u 16v"},
    {"conv2d_group_nhwc",
     "Y",
     {{"N", 1}, {"H", 14}, {"W", 14}, {"CI", 32}, {"CO", 32}, {"G", 8}},
     "f x c clip const",
     "14p 2 3 4u 3u 14u 16v"},
    {"conv2d_group_nhwc",
     "Y",
     {{"N", 1}, {"H", 15}, {"W", 29}, {"CI", 24}, {"CO", 48}, {"G", 6}, {"stride", 2}},
     "f x c clip const",
     "8p 3 2 3 4u 3u 12u 16v"},
    {"conv2d_transposed_nhwc",
     "Y",
     {{"N", 1}, {"H", 14}, {"W", 14}, {"CI", 32}, {"CO", 64}},
     "f w c clip",
     "56p 2 2 2 32 14u 2u 16v"},
    {"capsule_conv2d_nhwc",
     "Y",
     {{"N", 1}, {"H", 16}, {"W", 16}, {"CI", 8}, {"CO", 32}},
     "f i k clip const turned",
     "256p 3 3 8 4u 4u 2u 16v"},
};

static hone_program built_in(const subject *s)
{
    size_t n;
    unsigned n_sizes = 0;
    const char *text = hone_builtin_text(&n);
    hone_program p;
    hone_error err;
    while (n_sizes < 8 && s->sizes[n_sizes].name)
        n_sizes++;
    if (hone_workload_parse("built-in", text, n, s->kernel, s->sizes, n_sizes, &p, &err) != HONE_OK)
        fail_msg("%s", err.message);
    return p;
}

static const char *name_at(const hone_program *p, const hone_stmt *loops, int at)
{
    return at < 0 ? "-" : hone_sym_text(p, hone_stmt_at(p, loops[at])->name);
}

static void roles(void **state)
{
    (void)state;
    for (unsigned k = 0; k < HONE_LEN(subjects); k++) {
        hone_program p = built_in(&subjects[k]);
        hone_stmt b = block_of(&p, subjects[k].block), loops[16];
        hone_rule__contraction c;
        char got[200];
        if (!hone_rule__contraction_analyse(&p, b, &target, &c))
            fail_msg("%s is no contraction", subjects[k].kernel);
        hone_loops_of(&p, b, loops, 16);
        snprintf(got, sizeof got, "%s %s %s%s%s%s", name_at(&p, loops, c.col),
                 name_at(&p, loops, c.row), name_at(&p, loops, c.k), c.clippable ? " clip" : "",
                 c.b_const ? " const" : "", c.b_direct ? "" : " turned");
        if (strcmp(got, subjects[k].roles) != 0)
            fail_msg("%s: \"%s\", should be \"%s\"", subjects[k].kernel, got, subjects[k].roles);
        hone_program_fini(&p);
    }
}

/* The loops around the sum of products in the first seed: extents, p parallel, u unrolled,
 * v vectorised. */
static void first_seeds(void **state)
{
    (void)state;
    for (unsigned k = 0; k < HONE_LEN(subjects); k++) {
        hone_program p = built_in(&subjects[k]);
        hone_space *sp;
        hone_sched s = {0};
        hone_buf got = {0};
        hone_stmt loops[32];
        APPLY(hone_space_new(&p, &(hone_space_options){.target = &target, .threads = 1}, &sp, err));
        APPLY(hone_space_finish(sp, &sp->seeds.v[0], &s, err));
        unsigned n = hone_loops_of(&s.prog, block_of(&s.prog, subjects[k].block), loops, 32);
        for (unsigned q = 0; q < n; q++) {
            static const char letters[] = {0, 'p', 'v', 'u'};
            const hone_stmt_row *r = hone_stmt_at(&s.prog, loops[q]);
            int64_t extent = hone_loop_extent(&s.prog, loops[q]);
            if (extent > 1)
                hone_buf_printf(&got, "%s%" PRId64 "%.1s", got.n ? " " : "", extent,
                                &letters[r->loop_kind]);
        }
        if (strcmp(got.s, subjects[k].nest) != 0)
            fail_msg("%s: \"%s\", should be \"%s\"", subjects[k].kernel, got.s, subjects[k].nest);
        hone_buf_free(&got);
        hone_sched_fini(&s);
        hone_space_free(sp);
        hone_program_fini(&p);
    }
}

/* Threads get even shares, of rows too where columns do not divide. */
static void even_shares(void **state)
{
    (void)state;
    static const struct {
        int64_t n, tile, block, split, blocks[3];
    } cases[] = {
        {64, 32, 0, 2, {2, 1, 32}},   /* half each */
        {64, 32, 256, 2, {2, 4, 8}},  /* in blocks of 8 tiles */
        {73, 14, 128, 2, {10, 1, 8}}, /* not 64 and 9 */
        {7, 32, 0, 2, {2, 1, 4}},     /* 4 and 3 */
        {5, 32, 0, 4, {3, 1, 2}},     /* somebody has two: then three threads do */
        {73, 14, 128, 1, {2, 8, 8}},  /* one thread needs none of this */
    };
    for (unsigned k = 0; k < HONE_LEN(cases); k++) {
        int64_t got[3];
        hone_rule__contraction_blocks(cases[k].n, cases[k].tile, cases[k].block, cases[k].split,
                                      got);
        for (unsigned q = 0; q < 3; q++)
            if (got[q] != cases[k].blocks[q])
                fail_msg("case %u: %d %d %d", k, (int)got[0], (int)got[1], (int)got[2]);
    }
    /* 211 columns are 7 tiles of 32, 4 and 3 for each thread; 1009 rows are 73 tiles of 14; and
     * what takes a microsecond stays on one thread */
    static const struct {
        subject of;
        int64_t tasks;
    } products[] = {{{"matmul", "C", {{"M", 1009}, {"N", 211}, {"K", 97}}, "", ""}, 10},
                    {{"matmul", "C", {{"M", 24}, {"N", 24}, {"K", 24}}, "", ""}, 1}};
    for (unsigned k = 0; k < HONE_LEN(products); k++) {
        hone_program p = built_in(&products[k].of);
        hone_space *sp;
        hone_sched s = {0};
        hone_stmt loops[32];
        APPLY(hone_space_new(&p, &(hone_space_options){.target = &target, .threads = 2}, &sp, err));
        APPLY(hone_space_finish(sp, &sp->seeds.v[0], &s, err));
        hone_loops_of(&s.prog, block_of(&s.prog, "C"), loops, 32);
        assert_int_equal(hone_stmt_at(&s.prog, loops[0])->loop_kind, HONE_PARALLEL);
        assert_int_equal(hone_loop_extent(&s.prog, loops[0]), products[k].tasks);
        hone_sched_fini(&s);
        hone_space_free(sp);
        hone_program_fini(&p);
    }
}

/* No reuse, or nothing that a vector could run along. */
static void not_contractions(void **state)
{
    (void)state;
    static const subject others[] = {
        {"row_sum", "Y", {{"M", 9}, {"N", 64}}, "", ""},
        {"depthwise_nhwc", "Y", {{"N", 1}, {"H", 8}, {"W", 8}, {"C", 32}}, "", ""},
        {"matmul", "C", {{"M", 64}, {"N", 1}, {"K", 64}}, "", ""},
        {"conv2d_nhwc", "P", {{"N", 1}, {"H", 8}, {"W", 8}, {"CI", 8}, {"CO", 8}}, "", ""},
    };
    for (unsigned k = 0; k < HONE_LEN(others); k++) {
        hone_program p = built_in(&others[k]);
        assert_false(hone_rule__is_contraction(&p, block_of(&p, others[k].block)));
        hone_program_fini(&p);
    }
}

/* Where an instruction takes several registers as one vector, their number is a choice; the sums
 * stay what they are. */
static void groups_of_registers(void **state)
{
    (void)state;
    static const subject product = {"matmul", "C", {{"M", 13}, {"N", 70}, {"K", 9}}, "", ""};
    hone_program p = built_in(&product);
    hone_target t;
    hone_space *sp;
    hone_sched s = {0};
    unsigned found[3] = {0};
    APPLY(hone_target_named("spacemit-x60", &t, err));
    APPLY(hone_space_new(&p, &(hone_space_options){.target = &t, .threads = 1}, &sp, err));
    for (uint32_t k = 0; k < sp->seeds.n; k++) {
        hone_stmt loops[32];
        APPLY(hone_space_finish(sp, &sp->seeds.v[k], &s, err));
        unsigned n = hone_loops_of(&s.prog, block_of(&s.prog, "C"), loops, 32);
        assert_true(n > 0);
        int64_t lanes = hone_loop_extent(&s.prog, loops[n - 1]);
        assert_true(lanes == 8 || lanes == 16 || lanes == 32);
        if (found[lanes / 16]++ == 0)
            check_same(&p, &s.prog);
    }
    for (unsigned k = 0; k < HONE_LEN(found); k++)
        assert_true(found[k] > 0);
    hone_sched_fini(&s);
    hone_space_free(sp);
    hone_program_fini(&p);
}

/* A buffer cannot have one dimension more for the columns of a panel: such operands stay as they
 * lie. */
static void operands_of_eight_dimensions(void **state)
{
    (void)state;
    static const char text[] =
        "kernel k() {\n  input A: f32[2, 2, 2, 2, 2, 2, 2, 2]\n"
        "  input B: f32[2, 2, 2, 2, 2, 2, 2, 16]\n  output C: f32[2, 2, 2, 2, 2, 16]\n"
        "  C[a, b, c, d, e, f] = sum(i < 2, j < 2, k < 2, l < 2, m < 2) A[a, b, c, i, j, k, l, m] "
        "*\n"
        "    B[d, i, j, k, l, m, e, f]\n}\n";
    hone_program p;
    hone_space *sp;
    hone_error err;
    hone_sched s = {0};
    hone_rng rng;
    unsigned legal = 0;
    if (hone_workload_parse("test", text, strlen(text), NULL, NULL, 0, &p, &err) != HONE_OK ||
        hone_space_new(&p, &(hone_space_options){.target = &target, .threads = 1}, &sp, &err) !=
            HONE_OK)
        fail_msg("%s", err.message);
    hone_rng_seed(&rng, 1);
    for (unsigned k = 0; k < 20; k++)
        legal += hone_space_sample(sp, &rng, &s, NULL) == HONE_OK &&
                 hone_program_hash(&s.prog) != hone_program_hash(&p);
    assert_true(legal > 0);
    hone_sched_fini(&s);
    hone_space_free(sp);
    hone_program_fini(&p);
}

#define HALVES(T, CONST)                                                         \
    "program product {\n  buffer A: " T "[13, 24] input\n"                       \
    "  buffer B: " T "[24, 48] input" CONST "\n  buffer C: f32[13, 48] output\n" \
    "  for i in 13 { for j in 48 { for k in 24 {\n"                              \
    "    block C(vi: 13 = i, vj: 48 = j, reduce vk: 24 = k) {\n"                 \
    "      init 0.0\n"                                                           \
    "      C[vi, vj] = C[vi, vj] + f32(A[vi, vk]) * f32(B[vk, vj]) } } } }\n}\n"
#define HALF_CONV                                                                           \
    "program conv {\n  buffer X: bf16[1, 5, 7, 4] input\n"                                  \
    "  buffer F: bf16[3, 3, 4, 16] input const\n  buffer Y: f32[1, 5, 7, 16] output\n"      \
    "  buffer P: bf16[1, 7, 9, 4]\n  for n in 1 { for h in 7 { for w in 9 { for c in 4 {\n" \
    "    block P(vn: 1 = n, vh: 7 = h, vw: 9 = w, vc: 4 = c) {\n"                           \
    "      P[vn, vh, vw, vc] = select(1 <= vh and vh < 6 and 1 <= vw and vw < 8,\n"         \
    "                                 X[vn, vh - 1, vw - 1, vc], bf16(0.0)) } } } } }\n"    \
    "  for n in 1 { for y in 5 { for x in 7 { for f in 16 {\n"                              \
    "    for r in 3 { for s in 3 { for c in 4 {\n"                                          \
    "      block Y(vn: 1 = n, vy: 5 = y, vx: 7 = x, vf: 16 = f, reduce vr: 3 = r,\n"        \
    "              reduce vs: 3 = s, reduce vc: 4 = c) {\n        init 0.0\n"               \
    "        Y[vn, vy, vx, vf] = Y[vn, vy, vx, vf] +\n"                                     \
    "          f32(P[vn, vy + vr, vx + vs, vc]) * f32(F[vr, vs, vc, vf])\n"                 \
    "      } } } } } } } }\n}\n"

/* Shorter floats: converted where they are packed or copied first, and also where they are used. */
static void halves(void **state)
{
    (void)state;
    static const struct {
        const char *text, *wide[3];
    } all[] = {
        {HALVES("f16", " const"), {"= f32(B[", "A_global_f32[v0, v1] = f32(A[", "= f32(A["}},
        {HALVES("bf16", ""), {"= f32(B[", "A_global_f32[v0, v1] = f32(A[", "= f32(A["}},
        {HALF_CONV, {"= f32(F[", "P_f32[vn, vh, vw, vc] = select(", "X_global_f32["}},
    };
    for (unsigned k = 0; k < HONE_LEN(all); k++) {
        hone_program p = load_program(all[k].text);
        hone_space *sp;
        hone_error e;
        hone_sched s = {0};
        unsigned n[3] = {0}, short_ones = 0;
        if (hone_space_new(&p, &(hone_space_options){.target = &target, .threads = 1}, &sp, &e) !=
            HONE_OK)
            fail_msg("%s", e.message);
        for (uint32_t q = 0; q < sp->seeds.n; q++) {
            APPLY(hone_space_finish(sp, &sp->seeds.v[q], &s, err));
            check_same(&p, &s.prog);
            char *text = program_text(&s.prog);
            bool wide = strstr(text, all[k].wide[0]) != NULL;
            assert_true(q > 0 || wide);
            short_ones += !wide;
            for (unsigned w = 0; w < 3; w++)
                n[w] += strstr(text, all[k].wide[w]) != NULL;
            free(text);
        }
        assert_true(n[0] > 0 && n[1] > 0 && n[2] > 0 && short_ones > 0);
        hone_sched_fini(&s);
        hone_space_free(sp);
        hone_program_fini(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(halves),
        cmocka_unit_test(roles),
        cmocka_unit_test(first_seeds),
        cmocka_unit_test(even_shares),
        cmocka_unit_test(not_contractions),
        cmocka_unit_test(groups_of_registers),
        cmocka_unit_test(operands_of_eight_dimensions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
