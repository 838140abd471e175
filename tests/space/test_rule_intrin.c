/* The rule that tiles contractions down to a tensor intrinsic, and MetaSchedule's mark for it. */
#include "tests/space/prim_test.h"

#include "space/rule/intrin_fit.h"

#define U8I8(M, N, K)                                                                      \
    "program product {\n  buffer A: u8[" #M ", " #K "] input\n"                            \
    "  buffer B: i8[" #K ", " #N "] input const\n  buffer C: i32[" #M ", " #N "] output\n" \
    "  for i in " #M " { for j in " #N " { for k in " #K " {\n"                            \
    "    block C(vi: " #M " = i, vj: " #N " = j, reduce vk: " #K " = k) {\n"               \
    "      init i32(0)\n"                                                                  \
    "      C[vi, vj] = C[vi, vj] + i32(A[vi, vk]) * i32(B[vk, vj]) } } } }\n}\n"

static const char mine[] = "intrin my.dot {\n"
                           "  desc { program d { buffer b: i8[16, 4] input buffer a: u8[4] input "
                           "buffer c: i32[16] output\n"
                           "    for j in 16 { for k in 4 { block c(v: 16 = j, reduce w: 4 = k) {\n"
                           "      c[v] = i32(b[v, w]) * i32(a[w]) + c[v] } } } } }\n"
                           "  impl { define void @f(ptr %b, ptr %a, ptr %c) { ret void } }\n}\n";

static hone_target target_with(const char *features)
{
    hone_target t = some_cpu;
    snprintf(t.features, sizeof t.features, "%s", features);
    return t;
}

/* Seeds that use an intrinsic, `name` or any; each of them computes the same as the program. */
static unsigned seeds_with(const char *program, const char *features, const hone_intrin_set *set,
                           const char *name, int32_t threads)
{
    hone_program base = load_program(program);
    hone_target t = target_with(features);
    hone_space *sp;
    hone_error e;
    hone_sched s = {0};
    unsigned n = 0;
    if (hone_space_new(&base,
                       &(hone_space_options){.target = &t, .threads = threads, .intrins = set}, &sp,
                       &e) != HONE_OK)
        fail_msg("%s", e.message);
    for (uint32_t k = 0; k < sp->seeds.n; k++) {
        if (hone_space_finish(sp, &sp->seeds.v[k], &s, &e) != HONE_OK)
            fail_msg("%s", e.message);
        char *text = program_text(&s.prog);
        bool found = strstr(text, name) != NULL;
        free(text);
        n += found;
        if (found)
            check_same(&base, &s.prog);
    }
    hone_sched_fini(&s);
    hone_space_free(sp);
    hone_program_fini(&base);
    return n;
}

static void finds_the_intrinsic(void **state)
{
    (void)state;
    const char *wide = "hone.intrin=\"x86.avx512.vnni.u8i8i32_16x4\"";
    const char *narrow = "hone.intrin=\"x86.avx2.u8i8i32_8x2\"", *any = "hone.intrin";
    assert_true(seeds_with(U8I8(13, 48, 24), "+avx2,+avx512vnni", NULL, wide, 1) > 0);
    assert_true(seeds_with(U8I8(1, 96, 8), "+avx2,+avx512vnni", NULL, wide, 2) > 0);
    /* of hone's own the widest only; one that fits where a wider one does not */
    assert_int_equal(seeds_with(U8I8(13, 48, 24), "+avx2,+avx512vnni", NULL, narrow, 1), 0);
    assert_true(seeds_with(U8I8(13, 40, 24), "+avx2,+avx512vnni", NULL, narrow, 1) > 0);
    assert_true(seeds_with(U8I8(13, 40, 24), "+avx2,+avx512vnni", NULL, wide, 1) > 0);
    assert_true(seeds_with(U8I8(13, 48, 26), "+avx2,+avx512vnni", NULL, narrow, 2) > 0);
    /* padding would be half of the work; features that are missing */
    assert_int_equal(seeds_with(U8I8(13, 4, 1), "+avx2,+avx512vnni", NULL, any, 1), 0);
    assert_int_equal(seeds_with(U8I8(13, 48, 24), "+sse4.2", NULL, any, 1), 0);
}

#define I16(NAME) "hone.intrin=\"x86." NAME "\""
#define I8I8(M, N, K)                                                                \
    "program product {\n  buffer A: i8[" #M ", " #K "] input\n"                      \
    "  buffer B: i8[" #N ", " #K "] input\n  buffer C: i32[" #M ", " #N "] output\n" \
    "  for i in " #M " { for j in " #N " { for k in " #K " {\n"                      \
    "    block C(vi: " #M " = i, vj: " #N " = j, reduce vk: " #K " = k) {\n"         \
    "      init i32(0)\n"                                                            \
    "      C[vi, vj] = C[vi, vj] + i32(A[vi, vk]) * i32(B[vj, vk]) } } } }\n}\n"

/* Bytes are packed as i16 where nothing takes them as they are, or only at a price. */
static void widens_the_operands(void **state)
{
    (void)state;
    const char *wide = I16("avx2.i16i16i32_8x2"), *narrow = I16("avx2.u8i8i32_8x2");
    const char *widest = I16("avx512bw.i16i16i32_16x2");
    assert_true(seeds_with(U8I8(13, 48, 24), "+avx2", NULL, wide, 1) > 0);
    assert_int_equal(seeds_with(U8I8(13, 48, 24), "+avx2", NULL, narrow, 2), 0);
    assert_true(seeds_with(U8I8(13, 48, 24), "+avx512bw", NULL, widest, 1) > 0);
    assert_int_equal(seeds_with(U8I8(13, 48, 24), "+avx512bw", NULL, wide, 1), 0);
    /* A is packed, or copied, padded or not */
    assert_true(seeds_with(U8I8(13, 48, 24), "+avx2", NULL, "A_global_i16[v0, v1] = i16(", 1) > 0);
    assert_true(seeds_with(U8I8(13, 45, 23), "+avx2", NULL, wide, 1) > 0);
    assert_true(seeds_with(U8I8(13, 48, 23), "+avx2", NULL, "A_pad_i16[", 2) > 0);
    /* other signs, B turned round and not ahead of time */
    assert_true(seeds_with(I8I8(13, 48, 24), "+avx2", NULL, wide, 1) > 0);
    assert_true(seeds_with(I8I8(5, 20, 7), "+avx2", NULL, wide, 2) > 0);
    /* bytes that have an instruction of their own stay bytes */
    assert_int_equal(seeds_with(U8I8(13, 48, 24), "+avx2,+avx512bw,+avx512vnni", NULL, "i16", 1),
                     0);
    assert_int_equal(seeds_with(U8I8(13, 40, 24), "+avx2,+avx512bw,+avx512vnni", NULL, "i16", 1),
                     0);
    assert_true(seeds_with(I8I8(13, 48, 24), "+avx2,+avx512bw,+avx512vnni", NULL, widest, 1) > 0);
}

/* Of few rows B is used a few times: as it is, where something takes it so. */
static void few_rows_stay_short(void **state)
{
    (void)state;
    hone_program base = load_program(U8I8(7, 96, 32));
    hone_target t = target_with("+avx2");
    hone_rule__fit f;
    hone_fit_shape sh;
    hone_rule__ctx ctx = {.target = &t, .threads = 1};
    hone_stmt block = block_of(&base, "C");
    unsigned n = hone_rule__intrin_variants(&base, block, &ctx);
    assert_true(n > 0);
    for (unsigned k = 0; k < n; k++) {
        hone_rule__fit_choose(&base, block, &ctx, k, &f, &sh);
        assert_false(f.widens);
    }
    hone_program_fini(&base);
    /* signed bytes have no other way */
    base =
        load_program("program row {\n  buffer A: i8[1, 32] input\n"
                     "  buffer B: i8[32, 96] input const\n  buffer C: i32[1, 96] output\n"
                     "  for i in 1 { for j in 96 { for k in 32 {\n"
                     "    block C(vi: 1 = i, vj: 96 = j, reduce vk: 32 = k) {\n"
                     "      init i32(0)\n"
                     "      C[vi, vj] = C[vi, vj] + i32(A[vi, vk]) * i32(B[vk, vj]) } } } }\n}\n");
    assert_true(hone_rule__intrin_variants(&base, block_of(&base, "C"), &ctx) > 0);
    hone_program_fini(&base);
}

/* Columns or steps that are no whole number of lanes and groups, or both; B is packed as it is
 * padded. */
static void pads_what_does_not_divide(void **state)
{
    (void)state;
    const char *features = "+avx2,+avx512vnni";
    const char *wide = "hone.intrin=\"x86.avx512.vnni.u8i8i32_16x4\"";
    assert_true(seeds_with(U8I8(13, 44, 24), features, NULL, wide, 1) > 0);
    assert_true(seeds_with(U8I8(13, 48, 25), features, NULL, wide, 2) > 0);
    assert_true(seeds_with(U8I8(5, 33, 39), features, NULL, wide, 1) > 0);
    assert_true(seeds_with(U8I8(1, 19, 7), features, NULL, wide, 2) > 0);
    assert_int_equal(seeds_with(U8I8(5, 33, 39), features, NULL, "block B_pad(", 1), 0);
}

/* Of several rows, beside those of one. */
static void takes_several_rows(void **state)
{
    (void)state;
    const char *features = "+neon,+dotprod,+i8mm";
    const char *rows = "arm.neon.usmmla.u8i8i32_2x2x8", *one = "arm.neon.usdot.u8i8i32_4x4";
    assert_true(seeds_with(U8I8(12, 24, 32), features, NULL, rows, 1) > 0);
    assert_true(seeds_with(U8I8(12, 24, 32), features, NULL, one, 2) > 0);
    assert_true(seeds_with(U8I8(13, 21, 31), features, NULL, rows, 2) > 0); /* padded */
    assert_int_equal(seeds_with(U8I8(1, 24, 32), features, NULL, rows, 1), 0);
    assert_true(seeds_with(U8I8(1, 24, 32), features, NULL, one, 1) > 0);
}

static void tries_those_added(void **state)
{
    (void)state;
    hone_error e;
    hone_intrin_set *set = hone_intrin_set_new();
    assert_int_equal(hone_intrin_set_add(set, "mine", mine, strlen(mine), &e), HONE_OK);
    assert_true(seeds_with(U8I8(13, 48, 24), "+avx2", set, "hone.intrin=\"my.dot\"", 1) > 0);
    /* beside hone's own */
    assert_true(seeds_with(U8I8(13, 48, 24), "+avx2", set, "x86.avx2.i16i16i32_8x2", 1) > 0);
    hone_intrin_set_free(set);
}

#define CONV(CI, CO)                                                                      \
    "program conv {\n  buffer X: u8[1, 6, 7, " #CI "] input\n"                            \
    "  buffer F: i8[3, 2, " #CI ", " #CO "] input const\n"                                \
    "  buffer Y: i32[1, 4, 6, " #CO "] output\n"                                          \
    "  for n in 1 { for y in 4 { for x in 6 { for f in " #CO " {\n"                       \
    "    for r in 3 { for s in 2 { for c in " #CI " {\n"                                  \
    "      block Y(vn: 1 = n, vy: 4 = y, vx: 6 = x, vf: " #CO " = f, reduce vr: 3 = r,\n" \
    "              reduce vs: 2 = s, reduce vc: " #CI " = c) {\n"                         \
    "        init i32(0)\n"                                                               \
    "        Y[vn, vy, vx, vf] = Y[vn, vy, vx, vf] +\n"                                   \
    "          i32(X[vn, vy + vr, vx + vs, vc]) * i32(F[vr, vs, vc, vf])\n"               \
    "      } } } } } } } }\n}\n"

/* The convolution's taps stay loops; B has four dimensions. Channels are padded as steps are. */
static void convolution(void **state)
{
    (void)state;
    const char *wide = "x86.avx512.vnni.u8i8i32_16x4";
    assert_true(seeds_with(CONV(8, 32), "+avx512vnni", NULL, wide, 2) > 0);
    assert_true(seeds_with(CONV(3, 32), "+avx512vnni", NULL, wide, 1) > 0);
    assert_true(seeds_with(CONV(7, 29), "+avx512vnni", NULL, wide, 2) > 0);
    assert_int_equal(seeds_with(CONV(1, 32), "+avx512vnni", NULL, wide, 1), 0);
}

/* A padded convolution reads its input where it is, and does without the taps beyond the border. */
static void clips_the_padding(void **state)
{
    (void)state;
    const char *text =
        "program conv {\n  buffer X: u8[1, 5, 7, 8] input\n"
        "  buffer F: i8[3, 3, 8, 32] input const\n  buffer Y: i32[1, 5, 7, 32] output\n"
        "  buffer P: u8[1, 7, 9, 8]\n"
        "  for n in 1 { for h in 7 { for w in 9 { for c in 8 {\n"
        "    block P(vn: 1 = n, vh: 7 = h, vw: 9 = w, vc: 8 = c) {\n"
        "      P[vn, vh, vw, vc] = select(1 <= vh and vh < 6 and 1 <= vw and vw < 8,\n"
        "                                 X[vn, vh - 1, vw - 1, vc], u8(0)) } } } } }\n"
        "  for n in 1 { for y in 5 { for x in 7 { for f in 32 {\n"
        "    for r in 3 { for s in 3 { for c in 8 {\n"
        "      block Y(vn: 1 = n, vy: 5 = y, vx: 7 = x, vf: 32 = f, reduce vr: 3 = r,\n"
        "              reduce vs: 3 = s, reduce vc: 8 = c) {\n"
        "        init i32(0)\n"
        "        Y[vn, vy, vx, vf] = Y[vn, vy, vx, vf] +\n"
        "          i32(P[vn, vy + vr, vx + vs, vc]) * i32(F[vr, vs, vc, vf])\n"
        "      } } } } } } } }\n}\n";
    static const char *const features[] = {"+avx512vnni", "+avx2"};
    static const char *const in[] = {"hone.intrin=\"x86.avx512.vnni.u8i8i32_16x4\"",
                                     "hone.intrin=\"x86.avx2.i16i16i32_8x2\""};
    for (unsigned k = 0; k < 2; k++) {
        unsigned all = seeds_with(text, features[k], NULL, in[k], 1);
        unsigned padded = seeds_with(text, features[k], NULL, "block P(", 1);
        unsigned clipped = seeds_with(text, features[k], NULL, " < 8 @hone.intrin=", 1);
        assert_true(padded > 0 && clipped > 0);
        assert_true(clipped < all);
        assert_true(seeds_with(text, features[k], NULL, in[k], 2) > 0);
    }
    /* the image is widened as it is, or as it is padded */
    assert_true(seeds_with(text, "+avx2", NULL, "X_global_i16[", 1) > 0);
    assert_true(seeds_with(text, "+avx2", NULL, "P_i16[vn, vh, vw, vc] = select(", 1) > 0);
}

/* What reads the sums goes into the store of the tile, also where that cuts padded columns off. */
static void epilogue(void **state)
{
    (void)state;
#define QUANTISED(M, N, K)                                                           \
    "program product {\n  buffer A: u8[" #M ", " #K "] input\n"                      \
    "  buffer B: i8[" #K ", " #N "] input const\n  buffer bias: i32[" #N "] input\n" \
    "  buffer C: u8[" #M ", " #N "] output\n  buffer T: i32[" #M ", " #N "]\n"       \
    "  for i in " #M " { for j in " #N " { for k in " #K " {\n"                      \
    "    block T(vi: " #M " = i, vj: " #N " = j, reduce vk: " #K " = k) {\n"         \
    "      init i32(0)\n"                                                            \
    "      T[vi, vj] = T[vi, vj] + i32(A[vi, vk]) * i32(B[vk, vj]) } } } }\n"        \
    "  for i2 in " #M " { for j2 in " #N " {\n"                                      \
    "    block C(vi: " #M " = i2, vj: " #N " = j2) {\n"                              \
    "      C[vi, vj] = u8(round(f32(T[vi, vj] + bias[vj]) * 0.25)) } } }\n}\n"
    const char *features = "+avx512vnni", *in = "hone.intrin=\"x86.avx512.vnni.u8i8i32_16x4\"";
    static const char *const texts[] = {QUANTISED(13, 48, 24), QUANTISED(13, 41, 22),
                                        QUANTISED(2, 16, 1024)};
    static const char *const stores[] = {"u8(round(f32(T_local[", "u8(round(f32(T_pad_local[",
                                         "u8(round(f32(T_local["};
    for (unsigned k = 0; k < HONE_LEN(texts); k++) {
        assert_true(seeds_with(texts[k], features, NULL, in, 2) > 0);
        assert_true(seeds_with(texts[k], features, NULL, stores[k], 1) > 0);
    }
}

static void popcounts(void **state)
{
    (void)state;
    const char *text = "program bits {\n  buffer A: i32[5, 7] input\n"
                       "  buffer B: i32[32, 7] input const\n  buffer C: i32[5, 32] output\n"
                       "  for i in 5 { for j in 32 { for k in 7 {\n"
                       "    block C(vi: 5 = i, vj: 32 = j, reduce vk: 7 = k) {\n"
                       "      init i32(0)\n"
                       "      C[vi, vj] = C[vi, vj] + popcount(A[vi, vk] & B[vj, vk]) } } } }\n}\n";
    assert_true(seeds_with(text, "+avx512vpopcntdq", NULL, "x86.avx512.popcnt.b1_16x1", 1) > 0);
    assert_true(seeds_with(text, "+avx2", NULL, "x86.avx2.popcnt.b1_8x1", 1) > 0);
    const char *odd = "program bits {\n  buffer A: i32[5, 7] input\n"
                      "  buffer B: i32[29, 7] input const\n  buffer C: i32[5, 29] output\n"
                      "  for i in 5 { for j in 29 { for k in 7 {\n"
                      "    block C(vi: 5 = i, vj: 29 = j, reduce vk: 7 = k) {\n"
                      "      init i32(0)\n"
                      "      C[vi, vj] = C[vi, vj] + popcount(A[vi, vk] & B[vj, vk]) } } } }\n}\n";
    assert_true(seeds_with(odd, "+avx512vpopcntdq", NULL, "x86.avx512.popcnt.b1_16x1", 1) > 0);
}

/* Several products at once: both operands have the batch's index, or each one of its own. */
static void batches(void **state)
{
    (void)state;
    const char *text =
        "program batch {\n  buffer A: u8[3, 5, 12] input\n"
        "  buffer B: i8[3, 12, 32] input\n  buffer C: i32[3, 5, 32] output\n"
        "  for b in 3 { for i in 5 { for j in 32 { for k in 12 {\n"
        "    block C(vb: 3 = b, vi: 5 = i, vj: 32 = j, reduce vk: 12 = k) {\n"
        "      init i32(0)\n"
        "      C[vb, vi, vj] = C[vb, vi, vj] + i32(A[vb, vi, vk]) * i32(B[vb, vk, vj])\n"
        "    } } } } }\n}\n";
    const char *planes =
        "program planes {\n  buffer A: i32[2, 5, 7] input\n"
        "  buffer B: i32[2, 29, 7] input const\n  buffer C: i32[2, 2, 5, 29] output\n"
        "  for p in 2 { for q in 2 { for i in 5 { for j in 29 { for k in 7 {\n"
        "    block C(vp: 2 = p, vq: 2 = q, vi: 5 = i, vj: 29 = j, reduce vk: 7 = k) {\n"
        "      init i32(0)\n"
        "      C[vp, vq, vi, vj] = C[vp, vq, vi, vj] + popcount(A[vp, vi, vk] & B[vq, vj, vk])\n"
        "    } } } } } }\n}\n";
    assert_true(seeds_with(text, "+avx512vnni", NULL, "x86.avx512.vnni.u8i8i32_16x4", 1) > 0);
    assert_true(seeds_with(text, "+avx512vnni", NULL, "x86.avx512.vnni.u8i8i32_16x4", 2) > 0);
    assert_true(seeds_with(planes, "+avx512vpopcntdq", NULL, "x86.avx512.popcnt.b1_16x1", 2) > 0);
}

/* MetaSchedule marks a block in the searched part and tensorizes it afterwards. */
static void rewrite_tensorize(void **state)
{
    (void)state;
    hone_program base = load_program(U8I8(4, 16, 8));
    hone_target t = target_with("+avx512vnni");
    hone_space *sp;
    hone_error e;
    hone_sched s = {0}, done = {0};
    hone_rv b, l[4], k[2], copy, init, outer, n16;
    unsigned n;
    assert_int_equal(
        hone_space_new(&base, &(hone_space_options){.target = &t, .threads = 1}, &sp, &e), HONE_OK);
    hone_rng rng;
    hone_rng_seed(&rng, 1);
    hone_sched_start(&s, &base, &rng);
    APPLY(hone_get_block(&s, "C", &b, err));
    APPLY(hone_get_loops(&s, b, l, 4, &n, err));
    APPLY(hone_cache_read(&s, b, 1, HONE_GLOBAL, &copy, err));
    APPLY(hone_sample_categorical(&s, (int64_t[]){16}, NULL, 1, (int64_t[]){0}, &n16, err));
    APPLY(hone_transform_layout(&s, copy, "lambda k, j: (j // v0, k // 4, j % v0, k % 4)", &n16, 1,
                                err));
    APPLY(hone_split_by(&s, l[2], (int64_t[]){0, 4}, 2, k, err));
    APPLY(hone_reorder(&s, (hone_rv[]){k[0], l[1], k[1]}, 3, err));
    APPLY(hone_decompose_reduction(&s, b, k[0], &init, err));
    APPLY(hone_blockize(&s, l[1], &outer, err));
    /* Annotate with a text, as a trace of MetaSchedule has it */
    char *text = hone_trace_text(&s.trace), *end = strstr(text, "]],[[");
    assert_non_null(end);
    hone_buf marked = {0};
    hone_buf_add(&marked, text, (size_t)(end - text) + 1);
    unsigned outer_number = outer.i - 1;
    hone_buf_printf(&marked,
                    ",[\"Annotate\",[\"b%u\",\"\\\"x86.avx512.vnni.u8i8i32_16x4\\\"\"],"
                    "[\"meta_schedule.auto_tensorize\"],[]]%s",
                    outer_number, end + 1);
    hone_trace tr = {0};
    if (hone_trace_parse(marked.s, marked.n, &tr, &e) != HONE_OK)
        fail_msg("%s in %s", e.message, marked.s);
    if (hone_space_finish(sp, &tr, &done, &e) != HONE_OK)
        fail_msg("%s", e.message);
    char *after = program_text(&done.prog);
    assert_non_null(strstr(after, "hone.intrin=\"x86.avx512.vnni.u8i8i32_16x4\""));
    assert_null(strstr(after, "auto_tensorize"));
    char *trace = hone_trace_text(&done.trace);
    assert_non_null(strstr(strstr(trace, "EnterPostproc"), "Tensorize"));
    check_same(&base, &done.prog);
    free(after);
    free(trace);
    free(text);
    hone_buf_free(&marked);
    hone_trace_free(&tr);
    hone_sched_fini(&s);
    hone_sched_fini(&done);
    hone_space_free(sp);
    hone_program_fini(&base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_the_intrinsic),
        cmocka_unit_test(widens_the_operands),
        cmocka_unit_test(few_rows_stay_short),
        cmocka_unit_test(pads_what_does_not_divide),
        cmocka_unit_test(takes_several_rows),
        cmocka_unit_test(tries_those_added),
        cmocka_unit_test(convolution),
        cmocka_unit_test(clips_the_padding),
        cmocka_unit_test(epilogue),
        cmocka_unit_test(popcounts),
        cmocka_unit_test(batches),
        cmocka_unit_test(rewrite_tensorize),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
