/* Blocks in blocks, and tensor intrinsics: calls instead of loops, with the same results. */
#include "codegen_test.h"

#include "space/space.h"
#include "workers/builder.h"

static hone_codegen_intrin *intrins;
static unsigned n_intrins;

static int setup(void **state)
{
    intrins = hone_builder_intrins(hone_intrin_shipped(), &n_intrins);
    return setup_codegen(state);
}

static int teardown(void **state)
{
    free(intrins);
    return teardown_codegen(state);
}

static bool native_has(const char *features)
{
    hone_target t;
    hone_error err;
    return hone_target_native(&t, &err) == HONE_OK && hone_target_has(&t, features);
}

static char *emit_text_with(const char *text, hone_emit kind)
{
    hone_program p = parse_text(text);
    hone_codegen_options o = {.emit = kind, .intrins = intrins, .n_intrins = n_intrins};
    hone_code code;
    hone_error err;
    if (hone_codegen_emit(test_codegen, &p, &o, &code, &err) != HONE_OK)
        fail_msg("%s", err.message);
    hone_program_fini(&p);
    return (char *)code.bytes;
}

/* Small numbers: sums are exact. */
static double small(unsigned a, int64_t k, hone_rng *rng, hone_dtype t)
{
    (void)a;
    (void)k;
    int64_t x = (int64_t)hone_rng_below(rng, 9);
    return (double)(t == HONE_U8 || t == HONE_BOOL ? x : x - 4);
}

/* ---- blocks in blocks -------------------------------------------------------------------------
 */

static void nested_blocks(void **state)
{
    (void)state;
    check_same("program nested {\n"
               "  buffer A: f32[30, 20] input\n  buffer B: f32[30, 20] output\n"
               "  buffer T: f32[30, 20]\n"
               "  for i0 in 8 parallel {\n"
               "    block outer(vi: 8 = i0) {\n"
               "      for i1 in 4 {\n"
               "        block middle(wi: 32 = vi*4 + i1) where vi*4 + i1 < 30 {\n"
               "          for j in 5 { for jl in 4 vectorized {\n"
               "            block t(ti: 30 = wi, tj: 20 = j*4 + jl) {\n"
               "              T[ti, tj] = A[ti, tj] + 1.0 } } }\n"
               "          for j in 2 { for jl in 16 vectorized {\n"
               "            block b(ti: 30 = wi, tj: 20 = j*16 + jl) where j*16 + jl < 20 {\n"
               "              B[ti, tj] = T[ti, tj] * 2.0 } } }\n"
               "        } } } }\n}\n");
}

/* ---- what is computed --------------------------------------------------------------------------
 */

/* Sums of K/kk steps for 5 rows and 2*jj columns, in a register tile of 5 rows and 2 vectors. */
static char *product(const char *name, const char *a, const char *b, const char *c, int jj, int kk,
                     const char *value, const char *zero)
{
    hone_buf t = {0};
    int columns = 2 * jj, depth = 6 * kk;
    hone_buf_printf(&t,
                    "program product {\n"
                    "  buffer A: %s[5, %d] input\n  buffer B: %s[2, 6, %d, %d] input\n"
                    "  buffer C: %s[5, %d] output\n  buffer T: %s[5, %d] local\n"
                    "  for p in 1 {\n"
                    "    for i in 5 unrolled { for v in 2 unrolled { for l in %d vectorized {\n"
                    "      block start(vi: 5 = i, vj: %d = v*%d + l) { T[vi, vj] = %s } } } }\n",
                    a, depth, b, jj, kk, c, columns, c, columns, jj, columns, jj, zero);
    hone_buf_printf(
        &t,
        "    for k in 6 { for i in 5 unrolled { for v in 2 unrolled {\n"
        "      block outer(vi: 5 = i, wj: 2 = v, reduce wk: 6 = k) @hone.intrin=\"%s\" {\n"
        "        for j in %d { for kk in %d {\n"
        "          block T(ti: 5 = vi, vj: %d = wj*%d + j, reduce vk: %d = wk*%d + kk) {\n"
        "            T[ti, vj] = %s } } } } } } }\n",
        name, jj, kk, columns, jj, depth, kk, value);
    hone_buf_printf(&t,
                    "    for i in 5 unrolled { for v in 2 unrolled { for l in %d vectorized {\n"
                    "      block store(vi: 5 = i, vj: %d = v*%d + l) { C[vi, vj] = T[vi, vj] } "
                    "} } }\n  }\n}\n",
                    jj, columns, jj);
    return hone_buf_take(&t);
}

static void check_product(const char *features, const char *name, const char *a, const char *b,
                          const char *c, int jj, int kk, const char *cast, const char *zero,
                          const char *instruction)
{
    if (!native_has(features)) {
        print_message("%s: not on this processor\n", name);
        return;
    }
    char value[300];
    snprintf(value, sizeof value,
             "T[ti, vj] + %s(A[ti, vk]) * %s(B[vj // %d, vk // %d, vj %% %d, vk %% %d])", cast,
             cast, jj, kk, jj, kk);
    if (strcmp(cast, "popcount") == 0)
        snprintf(value, sizeof value,
                 "T[ti, vj] + popcount(A[ti, vk] & B[vj // %d, vk // %d, vj %% %d, vk %% %d])", jj,
                 kk, jj, kk);
    char *text = product(name, a, b, c, jj, kk, value, zero);
    run_options o = {.emit = {.intrins = intrins, .n_intrins = n_intrins}};
    check_both(text, &o);
    o.choose = small;
    check_both(text, &o);
    /* and it is the intrinsic, for each row and vector, that does it */
    char *assembly = emit_text_with(text, HONE_EMIT_ASM);
    unsigned n = 0;
    for (const char *at = assembly; instruction && (at = strstr(at, instruction)); at++)
        n++;
    assert_true(!instruction || (n >= 10 && n <= 20));
    free(assembly);
    hone_error err;
    assert_int_equal(emit_status(text, &err), HONE_REJECT_BUILD);
    assert_non_null(strstr(err.message, "is not known here"));
    free(text);
}

/* The largest and smallest values: no step may saturate. */
static double extreme(unsigned a, int64_t k, hone_rng *rng, hone_dtype t)
{
    (void)a;
    (void)k;
    bool high = hone_rng_below(rng, 4) != 0;
    return t == HONE_U8    ? (high ? 255 : 0)
           : t == HONE_I8  ? (high ? -128 : 127)
           : t == HONE_I16 ? (high ? -32768 : 32767)
                           : high;
}

/* The largest products there are, all of one sign: they add up to the largest sum. */
static double all_extreme(unsigned a, int64_t k, hone_rng *rng, hone_dtype t)
{
    (void)a;
    (void)k;
    (void)rng;
    return t == HONE_U8 ? 255 : t == HONE_I8 ? -128 : 0;
}

static void products(void **state)
{
    (void)state;
    check_product("+avx512vnni", "x86.avx512.vnni.u8i8i32_16x4", "u8", "i8", "i32", 16, 4, "i32",
                  "i32(0)", "vpdpbusd");
    check_product("+avx512vnni,+avx512vl", "x86.avx512vl.vnni.u8i8i32_8x4", "u8", "i8", "i32", 8, 4,
                  "i32", "i32(0)", "vpdpbusd");
    check_product("+avx2", "x86.avx2.u8i8i32_8x2", "u8", "i8", "i32", 8, 2, "i32", "i32(0)",
                  NULL /* LLVM may do it with a newer one */);
    check_product("+avx512bw", "x86.avx512bw.i16i16i32_16x2", "i16", "i16", "i32", 16, 2, "i32",
                  "i32(0)", NULL);
    check_product("+avx2", "x86.avx2.i16i16i32_8x2", "i16", "i16", "i32", 8, 2, "i32", "i32(0)",
                  NULL);
    check_product("+avx512bf16", "x86.avx512.bf16.dot_16x2", "bf16", "bf16", "f32", 16, 2, "f32",
                  "0.0", "vdpbf16ps");
    check_product("+avx512vpopcntdq", "x86.avx512.popcnt.b1_16x1", "i32", "i32", "i32", 16, 1,
                  "popcount", "i32(0)", "vpopcntd");
    check_product("+avx2", "x86.avx2.popcnt.b1_8x1", "i32", "i32", "i32", 8, 1, "popcount",
                  "i32(0)", NULL);
}

static double bits(unsigned a, int64_t k, hone_rng *rng, hone_dtype t)
{
    (void)a;
    (void)k;
    (void)t;
    return (double)(int32_t)(uint32_t)hone_rng_below(rng, UINT64_C(1) << 32);
}

static void products_at_the_edges(void **state)
{
    (void)state;
    static const struct {
        const char *features, *name, *a, *b;
        int jj, kk;
    } all[] = {{"+avx512vnni", "x86.avx512.vnni.u8i8i32_16x4", "u8", "i8", 16, 4},
               {"+avx512vnni,+avx512vl", "x86.avx512vl.vnni.u8i8i32_8x4", "u8", "i8", 8, 4},
               {"+avx2", "x86.avx2.u8i8i32_8x2", "u8", "i8", 8, 2},
               {"+avx512bw", "x86.avx512bw.i16i16i32_16x2", "i16", "i16", 16, 2},
               {"+avx2", "x86.avx2.i16i16i32_8x2", "i16", "i16", 8, 2}};
    for (unsigned k = 0; k < HONE_LEN(all); k++) {
        if (!native_has(all[k].features))
            continue;
        char value[200];
        snprintf(value, sizeof value,
                 "T[ti, vj] + i32(A[ti, vk]) * i32(B[vj // %d, vk // %d, vj %% %d, vk %% %d])",
                 all[k].jj, all[k].kk, all[k].jj, all[k].kk);
        char *text =
            product(all[k].name, all[k].a, all[k].b, "i32", all[k].jj, all[k].kk, value, "i32(0)");
        check_both(text, &(run_options){.emit = {.intrins = intrins, .n_intrins = n_intrins},
                                        .choose = extreme});
        free(text);
    }
    static const char *const popcounts[] = {"x86.avx512.popcnt.b1_16x1", "x86.avx2.popcnt.b1_8x1"};
    for (int k = 0; k < 2; k++) {
        int jj = k ? 8 : 16;
        char value[200];
        if (!native_has(k ? "+avx2" : "+avx512vpopcntdq"))
            continue;
        snprintf(value, sizeof value,
                 "T[ti, vj] + popcount(A[ti, vk] & B[vj // %d, vk // 1, vj %% %d, vk %% 1])", jj,
                 jj);
        char *text = product(popcounts[k], "i32", "i32", "i32", jj, 1, value, "i32(0)");
        check_both(text, &(run_options){.emit = {.intrins = intrins, .n_intrins = n_intrins},
                                        .choose = bits});
        free(text);
    }
}

/* Products whose columns and steps are no whole number of lanes and groups, as the rule tiles them.
 * The operands end where memory does: what is padded is not read beyond. */
static void odd_products(void **state)
{
    (void)state;
    static const int sizes[][3] = {{3, 20, 7}, {14, 33, 21}, {1, 31, 6}, {5, 47, 11}};
    hone_target t;
    hone_error err;
    hone_sched s = {0};
    assert_int_equal(hone_target_native(&t, &err), HONE_OK);
    for (unsigned k = 0; k < HONE_LEN(sizes); k++) {
        unsigned found = 0;
        int m = sizes[k][0], n = sizes[k][1], d = sizes[k][2];
        char *text = hone_xasprintf(
            "program odd {\n  buffer A: u8[%d, %d] input\n  buffer B: i8[%d, %d] input const\n"
            "  buffer C: i32[%d, %d] output\n  for i in %d { for j in %d { for k in %d {\n"
            "    block C(vi: %d = i, vj: %d = j, reduce vk: %d = k) {\n      init i32(0)\n"
            "      C[vi, vj] = C[vi, vj] + i32(A[vi, vk]) * i32(B[vk, vj]) } } } }\n}\n",
            m, d, d, n, m, n, m, n, d, m, n, d);
        hone_program base = parse_text(text);
        hone_space *sp;
        hone_space_options so = {.target = &t, .threads = 1 + (int)(k % 2)};
        assert_int_equal(hone_space_new(&base, &so, &sp, &err), HONE_OK);
        for (uint32_t q = 0; q < sp->seeds.n; q += 3) {
            hone_buf b = {0};
            if (hone_space_finish(sp, &sp->seeds.v[q], &s, &err) != HONE_OK)
                fail_msg("%s", err.message);
            hone_program_print(&s.prog, &b);
            bool has = strstr(b.s, "hone.intrin") != NULL;
            hone_buf_free(&b);
            if (!has)
                continue;
            found++;
            check_program(&s.prog,
                          &(run_options){.choose = extreme,
                                         .expect_pack = true,
                                         .emit = {.intrins = intrins, .n_intrins = n_intrins}});
        }
        assert_true(found || !native_has("+avx2"));
        hone_space_free(sp);
        hone_program_fini(&base);
        free(text);
    }
    hone_sched_fini(&s);
}

/* Bytes that are widened where they are packed: the values, of any signs, are what they were, and
 * a long sum of the largest products is exact. */
static void widened_products(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        int m, n, d;
    } all[] = {{"u8", "i8", 9, 24, 4099}, {"i8", "i8", 5, 16, 1030}, {"u8", "u8", 6, 20, 33}};
    hone_target t;
    hone_error err;
    hone_sched s = {0};
    assert_int_equal(hone_target_native(&t, &err), HONE_OK);
    for (unsigned k = 0; k < HONE_LEN(all); k++) {
        unsigned found = 0;
        int m = all[k].m, n = all[k].n, d = all[k].d;
        char *text = hone_xasprintf(
            "program wide {\n  buffer A: %s[%d, %d] input\n  buffer B: %s[%d, %d] input const\n"
            "  buffer C: i32[%d, %d] output\n  for i in %d { for j in %d { for k in %d {\n"
            "    block C(vi: %d = i, vj: %d = j, reduce vk: %d = k) {\n      init i32(0)\n"
            "      C[vi, vj] = C[vi, vj] + i32(A[vi, vk]) * i32(B[vk, vj]) } } } }\n}\n",
            all[k].a, m, d, all[k].b, d, n, m, n, m, n, d, m, n, d);
        hone_program base = parse_text(text);
        hone_space *sp;
        hone_space_options so = {.target = &t, .threads = 1};
        assert_int_equal(hone_space_new(&base, &so, &sp, &err), HONE_OK);
        for (uint32_t q = 0; q < sp->seeds.n; q++) {
            hone_buf b = {0};
            if (hone_space_finish(sp, &sp->seeds.v[q], &s, &err) != HONE_OK)
                fail_msg("%s", err.message);
            hone_program_print(&s.prog, &b);
            bool has = strstr(b.s, "i16i16i32") != NULL;
            hone_buf_free(&b);
            if (!has || found++ % 3)
                continue;
            check_program(&s.prog,
                          &(run_options){.choose = found % 2 ? all_extreme : extreme,
                                         .expect_pack = true,
                                         .emit = {.intrins = intrins, .n_intrins = n_intrins}});
        }
        bool bytes_have_their_own = k == 0 && native_has("+avx512vnni");
        assert_true(found || bytes_have_their_own || !native_has("+avx2"));
        hone_space_free(sp);
        hone_program_fini(&base);
        free(text);
    }
    hone_sched_fini(&s);
}

#define ROWS(WHERE, INDEX)                                                                    \
    "program rows {\n  buffer A: f32[7] input\n  buffer B: f32[7, 8] input\n"                 \
    "  buffer C: f32[8, 8] output\n"                                                          \
    "  for i in 8 { for j in 8 { block start(vi: 8 = i, vj: 8 = j) { C[vi, vj] = 1.0 } } }\n" \
    "  for i0 in 3 { for i1 in 3 {\n"                                                         \
    "    block outer(vi: 9 = i0*3 + i1) " WHERE "@hone.intrin=\"my.add\" {\n"                 \
    "      for j in 8 { block C(wi: 7 = vi, vj: 8 = j) {\n"                                   \
    "        " INDEX " = " INDEX " + A[wi] * B[wi, vj] } } } } }\n}\n"

static const char add[] =
    "intrin my.add {\n"
    "  desc { program d { buffer a: f32[1] input buffer b: f32[8] input buffer c: f32[8] output\n"
    "    for j in 8 { block c(v: 8 = j) { c[v] = c[v] + a[0] * b[v] } } } }\n"
    "  impl {\n"
    "    @table = global [8 x float] zeroinitializer\n"
    "    define void @add(ptr %a, ptr %b, ptr %c) noinline {\n"
    "      br label %loop\n"
    "    loop:\n"
    "      %i = phi i64 [ 0, %0 ], [ %next, %loop ]\n"
    "      %x = load float, ptr %a\n"
    "      %pb = getelementptr float, ptr %b, i64 %i\n"
    "      %y = load float, ptr %pb\n"
    "      %pc = getelementptr float, ptr %c, i64 %i\n"
    "      %z = load float, ptr %pc\n"
    "      %xy = fmul float %x, %y\n"
    "      %s = fadd float %z, %xy\n"
    "      store float %s, ptr %pc\n"
    "      %next = add i64 %i, 1\n"
    "      %more = icmp ult i64 %next, 8\n"
    "      br i1 %more, label %loop, label %end\n"
    "    end:\n"
    "      ret void\n"
    "    }\n  }\n}\n";

/* The text with `from` replaced, read as a set. */
static hone_intrin_set *variant(const char *from, const char *to)
{
    const char *at = strstr(add, from);
    assert_non_null(at);
    hone_buf b = {0};
    hone_buf_add(&b, add, (size_t)(at - add));
    hone_buf_puts(&b, to);
    hone_buf_puts(&b, at + strlen(from));
    hone_error err;
    hone_intrin_set *s = hone_intrin_set_new();
    if (hone_intrin_set_add(s, "test", b.s, b.n, &err) != HONE_OK)
        fail_msg("%s", err.message);
    hone_buf_free(&b);
    return s;
}

static hone_status emit_with(const hone_intrin_set *s, const char *text, hone_error *err)
{
    unsigned n;
    hone_codegen_intrin *v = hone_builder_intrins(s, &n);
    hone_program p;
    hone_code code;
    if (hone_program_parse(text, strlen(text), &p, err) != HONE_OK)
        fail_msg("%s", err->message);
    hone_codegen_options o = {.emit = HONE_EMIT_OBJECT, .intrins = v, .n_intrins = n};
    hone_status st = hone_codegen_emit(test_codegen, &p, &o, &code, err);
    hone_code_free(&code);
    hone_program_fini(&p);
    free(v);
    return st;
}

/* The rows that run are those of the predicate. */
static void own_intrinsic_under_a_predicate(void **state)
{
    (void)state;
    hone_intrin_set *s = variant("@table = global [8 x float] zeroinitializer", "");
    unsigned n;
    hone_codegen_intrin *v = hone_builder_intrins(s, &n);
    hone_error err;
    assert_int_equal(hone_codegen_check_intrin(test_codegen, &v[0], &err), HONE_OK);
    check_both(ROWS("where i0*3 + i1 < 7 ", "C[wi, vj]"),
               &(run_options){.emit = {.intrins = v, .n_intrins = n}});
    free(v);
    hone_intrin_set_free(s);
}

static void refused(void **state)
{
    (void)state;
    hone_error err;
    hone_intrin_set *s = variant("@table = global [8 x float] zeroinitializer", "");
    assert_int_equal(emit_with(s, ROWS("where i0*3 + i1 < 7 ", "C[wi, vj]"), &err), HONE_OK);
    /* columns are not next to each other */
    assert_int_equal(emit_with(s, ROWS("where i0*3 + i1 < 7 ", "C[vj, wi]"), &err),
                     HONE_REJECT_BUILD);
    assert_non_null(strstr(err.message, "is not contiguous"));
    hone_intrin_set_free(s);

    static const struct {
        const char *from, *to, *message;
    } cases[] = {
        {"", "", "a function and constants only"},
        {"@table = global [8 x float] zeroinitializer", "declare void @puts(ptr)",
         "LLVM's intrinsics only"},
        {"@table = global [8 x float] zeroinitializer", "module asm \"nop\"",
         "intrinsic my.add: it may not use inline assembly"},
        {"@table = global [8 x float] zeroinitializer", "define void @g() { ret void }",
         "more than one function"},
        {"ptr %a, ptr %b, ptr %c)", "ptr %a, ptr %b, ptr %c, i32 %d)", "one pointer per buffer"},
        {"%x = load float, ptr %a", "%x = load float, i32 %a", "intrinsic my.add: "},
        {"ret void", "ret i32 0", "intrinsic my.add: "},
        {"ret void", "call void asm sideeffect \"nop\", \"\"() ret void",
         "intrinsic my.add: it may not use inline assembly"},
        {"ret void", "%p = call ptr asm \".incbin \\22/etc/passwd\\22\", \"=r\"() ret void",
         "intrinsic my.add: it may not use inline assembly"},
        {"ret void",
         "callbr void asm sideeffect \"\", \"!i\"() to label %on [label %off] on: br label %off "
         "off: ret void",
         "intrinsic my.add: it may not use inline assembly"},
    };
    for (unsigned k = 0; k < HONE_LEN(cases); k++) {
        s = variant(cases[k].from, cases[k].to);
        assert_int_equal(emit_with(s, ROWS("where i0*3 + i1 < 7 ", "C[wi, vj]"), &err),
                         HONE_REJECT_BUILD);
        if (!strstr(err.message, cases[k].message))
            fail_msg("case %u: %s", k, err.message);
        unsigned n;
        hone_codegen_intrin *v = hone_builder_intrins(s, &n);
        assert_int_equal(hone_codegen_check_intrin(test_codegen, &v[0], &err), HONE_E_INPUT);
        v[0].features = "+not-there";
        assert_int_equal(hone_codegen_check_intrin(test_codegen, &v[0], &err), HONE_REJECT_BUILD);
        free(v);
        hone_intrin_set_free(s);
    }
}

/* ---- other processors --------------------------------------------------------------------------
 */

static void for_arm(void **state)
{
    (void)state;
    hone_error err;
    hone_target t = {.triple = "aarch64-unknown-linux-gnu",
                     .cpu = "neoverse-n1",
                     .features = "+neon,+dotprod,+i8mm,+bf16",
                     .vector_bytes = 16,
                     .vector_registers = 32};
    hone_codegen *g;
    if (hone_codegen_new(&t, &g, &err) != HONE_OK)
        fail_msg("%s", err.message);
    static const struct {
        const char *name, *a, *b, *c, *cast, *zero, *instruction;
        int kk;
    } all[] = {{"arm.neon.sdot.i8i8i32_4x4", "i8", "i8", "i32", "i32", "i32(0)", "sdot", 4},
               {"arm.neon.udot.u8u8i32_4x4", "u8", "u8", "i32", "i32", "i32(0)", "udot", 4},
               {"arm.neon.usdot.u8i8i32_4x4", "u8", "i8", "i32", "i32", "i32(0)", "usdot", 4},
               {"arm.neon.usdot.i8u8i32_4x4", "i8", "u8", "i32", "i32", "i32(0)", "usdot", 4},
               {"arm.neon.bfdot.bf16bf16f32_4x2", "bf16", "bf16", "f32", "f32", "0.0", "bfdot", 2},
               {"arm.neon.fmla.f32_4x1", "f32", "f32", "f32", "", "0.0", "fmla", 1}};
    for (unsigned k = 0; k < HONE_LEN(all); k++) {
        char value[200];
        snprintf(value, sizeof value,
                 "T[ti, vj] + %s(A[ti, vk]) * %s(B[vj // 4, vk // %d, vj %% 4, vk %% %d])",
                 all[k].cast, all[k].cast, all[k].kk, all[k].kk);
        char *text =
            product(all[k].name, all[k].a, all[k].b, all[k].c, 4, all[k].kk, value, all[k].zero);
        hone_program p = parse_text(text);
        for (int emit = 0; emit < 2; emit++) {
            hone_codegen_options o = {.emit = emit ? HONE_EMIT_ASM : HONE_EMIT_OBJECT,
                                      .intrins = intrins,
                                      .n_intrins = n_intrins};
            hone_code code;
            if (hone_codegen_emit(g, &p, &o, &code, &err) != HONE_OK)
                fail_msg("%s: %s", all[k].name, err.message);
            if (emit) {
                const char *s = (const char *)code.bytes;
                unsigned n = 0;
                for (; (s = strstr(s, all[k].instruction)); s++)
                    n++;
                assert_true(n >= 10); /* one per row and vector */
            }
            hone_code_free(&code);
        }
        free(text);
        hone_program_fini(&p);
    }
    /* what the processor does not have */
    hone_codegen_free(g);
    snprintf(t.features, sizeof t.features, "+neon,-dotprod");
    assert_int_equal(hone_codegen_new(&t, &g, &err), HONE_OK);
    char *text =
        product(all[0].name, "i8", "i8", "i32", 4, 4,
                "T[ti, vj] + i32(A[ti, vk]) * i32(B[vj // 4, vk // 4, vj % 4, vk % 4])", "i32(0)");
    hone_program p = parse_text(text);
    hone_codegen_options o = {.emit = HONE_EMIT_OBJECT, .intrins = intrins, .n_intrins = n_intrins};
    hone_code code;
    assert_int_equal(hone_codegen_emit(g, &p, &o, &code, &err), HONE_REJECT_BUILD);
    assert_non_null(strstr(err.message, "does not have the features \"+dotprod\""));
    free(text);
    hone_program_fini(&p);
    hone_codegen_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nested_blocks),
        cmocka_unit_test(products),
        cmocka_unit_test(products_at_the_edges),
        cmocka_unit_test(widened_products),
        cmocka_unit_test(odd_products),
        cmocka_unit_test(own_intrinsic_under_a_predicate),
        cmocka_unit_test(refused),
        cmocka_unit_test(for_arm),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
