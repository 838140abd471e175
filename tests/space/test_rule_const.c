/* Stages made of one const input: annotated in every candidate, left as written, in the pack
 * function; and what may not be is not. */
#include "tests/space/prim_test.h"

#include "codegen/codegen.h"
#include "ir/prepack.h"
#include "space/space.h"

static hone_target target;

static hone_program load_kernel(const char *text)
{
    hone_program p;
    hone_error err;
    if (hone_workload_parse("kernel", text, strlen(text), NULL, NULL, 0, &p, &err) != HONE_OK)
        fail_msg("%s", err.message);
    return p;
}

/* Samples candidates; fn sees each that is legal. At least 20 are. */
static void each_candidate(const hone_program *base, void (*fn)(const hone_program *, hone_sched *))
{
    hone_error err;
    hone_space *space;
    hone_space_options o = {.target = &target, .threads = 2};
    if (hone_space_new(base, &o, &space, &err) != HONE_OK)
        fail_msg("%s", err.message);
    hone_rng rng;
    hone_rng_seed(&rng, 17);
    hone_sched s = {0};
    unsigned legal = 0;
    for (unsigned k = 0; k < 40; k++) {
        if (hone_space_sample(space, &rng, &s, &err) != HONE_OK)
            continue;
        legal++;
        fn(base, &s);
    }
    assert_true(legal >= 20);
    hone_sched_fini(&s);
    hone_space_free(space);
}

static bool is_annotated(const hone_program *p, const char *block)
{
    hone_stmt b = hone_block_find(p, block);
    return b.i && hone_ann_get(p, b, HONE_ANN_PREPACK);
}

/* F goes through U (a sum), W (elementwise) and the rule's own packing. */
static const char transform[] = "kernel transform() {\n"
                                "  input X: f32[21, 30]\n"
                                "  const input F: f32[19, 30, 3]\n"
                                "  output Y: f32[21, 19]\n"
                                "  U[n, k] = sum(r < 3) F[n, k, r]\n"
                                "  W[k, n] = U[n, k] * 2\n"
                                "  Y[m, n] = sum(k < 30) X[m, k] * W[k, n]\n"
                                "}\n";

static void check_transform(const hone_program *base, hone_sched *s)
{
    hone_program *p = &s->prog;
    assert_true(is_annotated(p, "U"));
    assert_true(is_annotated(p, "W"));
    /* As the workload wrote it. */
    hone_stmt loops[8];
    assert_int_equal(hone_loops_of(p, block_of(p, "U"), loops, 8), 3);
    for (unsigned k = 0; k < 3; k++)
        assert_int_equal(hone_stmt_at(p, loops[k])->loop_kind, HONE_SERIAL);
    hone_ahead a = {0};
    hone_ahead_find(p, false, &a);
    assert_true(a.packed[2].i);
    /* The kernel has the product left, with what the rule makes of it. */
    assert_true(hone_ahead_of(&a, hone_stmt_at(p, p->root)->first) == 2);
    hone_ahead_free(&a);
    char why[400];
    if (!computes_same(base, p, why))
        fail_msg("%s", why);
}

static void annotates_chain(void **state)
{
    (void)state;
    hone_program p = load_kernel(transform);
    each_candidate(&p, check_transform);
    hone_program_fini(&p);
}

/* The product's operand is packed by the rule for contractions: ahead of time too. */
static bool packs_panels;

static void look_for_panels(const hone_program *base, hone_sched *s)
{
    (void)base;
    packs_panels |= is_annotated(&s->prog, "W_global");
}

static void packs_result(void **state)
{
    (void)state;
    hone_program p = load_kernel(transform);
    packs_panels = false;
    each_candidate(&p, look_for_panels);
    assert_true(packs_panels);
    hone_program_fini(&p);
}

static void check_none(const hone_program *base, hone_sched *s)
{
    assert_false(is_annotated(&s->prog, "U"));
    char why[400];
    if (!computes_same(base, &s->prog, why))
        fail_msg("%s", why);
}

static void leaves_others(void **state)
{
    (void)state;
    static const char *const texts[] = {
        /* of two inputs */
        "kernel mixed() {\n  input X: f32[9, 8]\n  const input F: f32[7, 8, 3]\n"
        "  const input G: f32[3]\n  output Y: f32[9, 7]\n"
        "  U[n, k] = sum(r < 3) F[n, k, r] * G[r]\n"
        "  Y[m, n] = sum(k < 8) X[m, k] * U[n, k]\n}\n",
        /* the input itself is read as well */
        "kernel direct() {\n  input X: f32[9, 8]\n  const input F: f32[7, 8, 3]\n"
        "  output Y: f32[9, 7]\n"
        "  U[n, k] = sum(r < 3) F[n, k, r]\n"
        "  Y[m, n] = sum(k < 8) X[m, k] * U[n, k] * F[n, k, 0]\n}\n",
        /* not const */
        "kernel variable() {\n  input X: f32[9, 8]\n  input F: f32[7, 8, 3]\n"
        "  output Y: f32[9, 7]\n"
        "  U[n, k] = sum(r < 3) F[n, k, r]\n"
        "  Y[m, n] = sum(k < 8) X[m, k] * U[n, k]\n}\n",
        /* four times the bytes to read in every call */
        "kernel wide() {\n  input X: f32[9, 8]\n  const input F: i8[7, 8]\n"
        "  output Y: f32[9, 7]\n"
        "  U[n, k] = f32(F[n, k]) * 0.5\n"
        "  Y[m, n] = sum(k < 8) X[m, k] * U[n, k]\n}\n",
        /* many times the elements */
        "kernel spread() {\n  input X: f32[40, 8]\n  const input F: f32[8, 3]\n"
        "  output Y: f32[40, 8]\n"
        "  temp U: f32[40, 8]\n"
        "  U[m, n] = sum(r < 3) F[n, r] * f32(m + r)\n"
        "  Y[m, n] = X[m, n] * U[m, n]\n}\n",
    };
    for (unsigned k = 0; k < HONE_LEN(texts); k++) {
        hone_program p = load_kernel(texts[k]);
        each_candidate(&p, check_none);
        hone_program_fini(&p);
    }
}

/* The annotation keeps a block from being inlined; without it, it could be. */
static void not_inlined(void **state)
{
    (void)state;
    hone_program p = load_program("program turn {\n  buffer F: f32[8] input const\n"
                                  "  buffer Y: f32[8] output\n  buffer V: f32[8]\n"
                                  "  for i in 8 { block V(v: 8 = i) { V[v] = F[7 - v] } }\n"
                                  "  for i in 8 { block Y(v: 8 = i) { Y[v] = V[v] } }\n}\n");
    assert_true(hone_prim__can_inline(&p, block_of(&p, "V")));
    hone_ann_set(&p, block_of(&p, "V"), HONE_ANN_PREPACK, 1);
    assert_false(hone_prim__can_inline(&p, block_of(&p, "V")));
    CHECK_REJECTED(&p, HONE_REJECT_INLINE, hone_prim__compute_inline(&p, block_of(&p, "V"), err));
    hone_program_fini(&p);
}

/* Compiled: the packed form has a size, and the kernel builds. */
static hone_codegen *codegen;

static void check_builds(const hone_program *base, hone_sched *s)
{
    (void)base;
    hone_codegen_options o = {.emit = HONE_EMIT_OBJECT};
    hone_code code;
    hone_error err;
    if (hone_codegen_emit(codegen, &s->prog, &o, &code, &err) != HONE_OK)
        fail_msg("%s", err.message);
    assert_true(code.pack_bytes[1] >= 19 * 30 * 4);
    assert_int_equal(code.pack_bytes[0], 0);
    hone_code_free(&code);
}

static void builds(void **state)
{
    (void)state;
    hone_program p = load_kernel(transform);
    each_candidate(&p, check_builds);
    hone_program_fini(&p);
}

static int setup(void **state)
{
    (void)state;
    hone_error err;
    return hone_target_native(&target, &err) != HONE_OK ||
           hone_codegen_new(&target, &codegen, &err) != HONE_OK;
}

static int teardown(void **state)
{
    (void)state;
    hone_codegen_free(codegen);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(annotates_chain), cmocka_unit_test(packs_result),
        cmocka_unit_test(leaves_others),   cmocka_unit_test(not_inlined),
        cmocka_unit_test(builds),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
