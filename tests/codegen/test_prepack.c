/* Stages that run ahead of time: in the pack function, compiled, against the interpreter. */
#include "codegen_test.h"

#include "ir/prepack.h"

#define HEAD(ARGS, TEMPS)                              \
    "program ahead {\n  buffer X: f32[12, 10] input\n" \
    "  buffer F: f32[6, 10] input const\n" ARGS "  buffer Y: f32[12, 6] output\n" TEMPS
/* V: F turned; U: sums of pairs of V's rows. */
#define V_STAGE(ANN)                                                          \
    "  for i in 10 { for j in 6 { block V(vi: 10 = i, vj: 6 = j) " ANN " {\n" \
    "    V[vi, vj] = F[vj, vi] * 2.0 } } }\n"
#define U_STAGE(ANN)                                                   \
    "  for i in 10 { for j in 6 { for r in 3 {\n"                      \
    "    block U(vi: 10 = i, vj: 6 = j, reduce vr: 3 = r) " ANN " {\n" \
    "      init 0.0\n      U[vi, vj] = U[vi, vj] + V[(vi + vr) % 10, vj] } } } }\n"
#define P_STAGE(ANN)                                            \
    "  for p in 2 { for k in 10 { for v in 4 vectorized {\n"    \
    "    block P(vp: 2 = p, vk: 10 = k, vv: 4 = v) " ANN " {\n" \
    "      P[vp, vk, vv] = select(vp*4 + vv < 6, U[vk, vp*4 + vv], 0.0) } } } }\n"
#define Y_STAGE(VALUE)                                          \
    "  for i in 12 { for j in 6 { for k in 10 {\n"              \
    "    block Y(vi: 12 = i, vj: 6 = j, reduce vk: 10 = k) {\n" \
    "      init 0.0\n      Y[vi, vj] = Y[vi, vj] + X[vi, vk] * " VALUE " } } } }\n}\n"
#define TEMPS "  buffer V: f32[10, 6]\n  buffer U: f32[10, 6]\n  buffer P: f32[2, 10, 4]\n"
#define PRE "@hone.prepack=1"

static const char chain[] =
    HEAD("", TEMPS) V_STAGE(PRE) U_STAGE(PRE) P_STAGE(PRE) Y_STAGE("P[vj // 4, vk, vj % 4]");

static int64_t pack_bytes(const char *text, unsigned arg)
{
    hone_program p = parse_text(text);
    hone_codegen_options o = {.emit = HONE_EMIT_OBJECT};
    hone_code code;
    assert_int_equal(hone_codegen_emit(test_codegen, &p, &o, &code, NULL), HONE_OK);
    int64_t n = code.pack_bytes[arg];
    hone_code_free(&code);
    hone_program_fini(&p);
    return n;
}

static void moved(const char *text, int64_t bytes)
{
    check_both(text, &(run_options){.expect_pack = true});
    assert_int_equal(pack_bytes(text, 1), bytes);
    hone_program p = parse_text(text);
    check_program(&p, &(run_options){.emit = {.no_prepack = true}});
    hone_program_fini(&p);
}

static void stays(const char *text)
{
    check_both(text, &(run_options){.expect_pack = false});
}

static void whole_chain(void **state)
{
    (void)state;
    moved(chain, 2 * 10 * 4 * 4);
}

/* What is not annotated ends the chain: the stages before it are moved. */
static void part_of_chain(void **state)
{
    (void)state;
    moved(HEAD("", TEMPS) V_STAGE(PRE) U_STAGE(PRE) P_STAGE("") Y_STAGE("P[vj // 4, vk, vj % 4]"),
          10 * 6 * 4);
    moved(HEAD("", TEMPS) V_STAGE(PRE) U_STAGE("") P_STAGE("") Y_STAGE("P[vj // 4, vk, vj % 4]"),
          10 * 6 * 4);
    /* Annotated, but made of a buffer that stays. */
    stays(HEAD("", TEMPS) V_STAGE("") U_STAGE(PRE) P_STAGE(PRE) Y_STAGE("P[vj // 4, vk, vj % 4]"));
}

/* The kernel reads U as well as P: of the chain only what ends at U can be moved, so that one
 * buffer passes. */
static void two_would_pass(void **state)
{
    (void)state;
    moved(HEAD("", TEMPS) V_STAGE(PRE) U_STAGE(PRE) P_STAGE(PRE)
              Y_STAGE("P[vj // 4, vk, vj % 4] * U[vk, vj]"),
          10 * 6 * 4);
    /* U and V both: V alone, of which U is made in every call. */
    moved(HEAD("", TEMPS) V_STAGE(PRE) U_STAGE(PRE) Y_STAGE("(V[vk, vj] + U[vk, vj])"), 10 * 6 * 4);
}

static void input_read_directly(void **state)
{
    (void)state;
    stays(HEAD("", TEMPS) V_STAGE(PRE) U_STAGE(PRE) Y_STAGE("U[vk, vj] * F[vj, vk]"));
}

/* Made of two inputs: neither can be replaced by it. */
static void two_inputs_mixed(void **state)
{
    (void)state;
    stays(HEAD("  buffer S: f32[6] input const\n",
               TEMPS) "  for i in 10 { for j in 6 { block V(vi: 10 = i, vj: 6 = j) " PRE " {\n"
                      "    V[vi, vj] = F[vj, vi] * S[vj] } } }\n" Y_STAGE("V[vk, vj]"));
    /* F through V can, when S comes later. */
    moved(HEAD("  buffer S: f32[6] input const\n", TEMPS)
              V_STAGE(PRE) "  for i in 10 { for j in 6 { block U(vi: 10 = i, vj: 6 = j) " PRE " {\n"
                           "    U[vi, vj] = V[vi, vj] * S[vj] } } }\n" Y_STAGE("U[vk, vj]"),
          10 * 6 * 4);
}

static void input_not_const(void **state)
{
    (void)state;
    stays("program plain {\n  buffer F: f32[6] input\n  buffer Y: f32[6] output\n"
          "  buffer V: f32[6]\n"
          "  for i in 6 { block V(v: 6 = i) " PRE " { V[v] = F[5 - v] } }\n"
          "  for i in 6 { block Y(v: 6 = i) { Y[v] = V[v] } }\n}\n");
}

/* Two inputs, each with a chain of its own; sums that start in a nest of their own, without the
 * annotation; temporaries too large for the stack; parallel loops. */
static const char both[] =
    "program both {\n"
    "  buffer X: f32[40] input\n  buffer F: f32[40, 50] input const\n"
    "  buffer G: f32[60, 40] input const\n  buffer Y: f32[40] output\n"
    "  buffer T: f32[50, 40]\n  buffer A: f32[40]\n  buffer B: f32[40]\n  buffer W: f32[60, 40]\n"
    "  for i in 50 parallel { for j in 40 { block T(vi: 50 = i, vj: 40 = j) " PRE " {\n"
    "    T[vi, vj] = F[vj, vi] + 1.0 } } }\n"
    "  for j in 40 { block A_init(vj: 40 = j) { A[vj] = 0.0 } }\n"
    "  for j in 40 parallel { for i in 50 {\n"
    "    block A(vj: 40 = j, reduce vi: 50 = i) " PRE " { A[vj] = A[vj] + T[vi, vj] } } }\n"
    "  for j in 40 parallel {\n"
    "    for i in 60 { block W(vi: 60 = i, vj: 40 = j) { W[vi, vj] = G[vi, vj] * 3.0 } }\n"
    "    for i in 60 { block B(vj: 40 = j, reduce vi: 60 = i) " PRE " {\n"
    "      init 0.0\n      B[vj] = B[vj] + W[vi, vj] } } }\n"
    "  for j in 40 { block Y(vj: 40 = j) { Y[vj] = X[vj] * A[vj] + B[vj] } }\n}\n";

static void chains_side_by_side(void **state)
{
    (void)state;
    check_both(both, &(run_options){.expect_pack = true});
    assert_int_equal(pack_bytes(both, 0), 0);
    assert_int_equal(pack_bytes(both, 1), 40 * 4);
    assert_int_equal(pack_bytes(both, 2), 40 * 4);
    /* T, 8000 bytes, is scratch of the pack function and not of the kernel. */
    char *ll = emit_text(both, HONE_EMIT_LLVM), *kernel = strstr(ll, "@kernel_body(");
    char *pack = strstr(ll, "@pack1_body(");
    assert_non_null(kernel);
    assert_non_null(pack);
    char *scratch = strstr(ll, "i64 8000)");
    assert_non_null(scratch);
    assert_null(strstr(scratch + 1, "i64 8000)"));
    const char *start = ll;
    for (const char *d = ll; (d = strstr(d, "\ndefine ")) && d < scratch; d++)
        start = d;
    assert_memory_equal(strstr(start, "@") + 1, "pack1_body", 10);
    free(ll);
}

static void *no_scratch(const hone_rt_api *rt, int32_t slot, int64_t bytes)
{
    (void)rt;
    (void)slot;
    (void)bytes;
    return NULL;
}

static int32_t in_turn(const hone_rt_api *rt, int64_t n, hone_rt_task task, void *closure)
{
    (void)rt;
    return task(closure, 0, n);
}

/* The pack function says so, as the kernel does. */
static void no_memory_for_pack(void **state)
{
    (void)state;
    hone_program p = parse_text(both);
    hone_codegen_options o = {.emit = HONE_EMIT_OBJECT};
    hone_code code;
    assert_int_equal(hone_codegen_emit(test_codegen, &p, &o, &code, NULL), HONE_OK);
    loaded l = load_code(&code);
    static float f[2000], g[2400], a[40], b[40];
    void *from[] = {NULL, f, g, NULL}, *to[] = {NULL, a, b, NULL};
    hone_rt_api rt = {HONE_RT_ABI, 1, in_turn, no_scratch};
    assert_int_equal(l.pack(from, to, &rt), HONE_RT_NOMEM);
    dlclose(l.handle);
    hone_code_free(&code);
    hone_program_fini(&p);
}

static void header_and_named_form(void **state)
{
    (void)state;
    hone_program p = parse_text(chain);
    hone_codegen_options o = {.emit = HONE_EMIT_OBJECT, .name = "f"};
    hone_code code;
    hone_buf h = {0};
    assert_int_equal(hone_codegen_emit(test_codegen, &p, &o, &code, NULL), HONE_OK);
    hone_codegen_header(&p, "f", &code, &h);
    assert_non_null(strstr(h.s, "int f(const float *X, const void *F_packed, float *Y);"));
    assert_non_null(strstr(h.s, "/* Fills `packed`, f_pack_F_bytes() bytes, from F; once, ahead of "
                                "the calls of f. */\n"
                                "int f_pack_F(const float *F, void *packed);\n"
                                "int64_t f_pack_F_bytes(void);\n"
                                "#define f_PACKS_F 1\n"));
    hone_buf_free(&h);
    hone_code_free(&code);
    hone_program_fini(&p);
}

/* Without annotations, all that can be moved. */
static void every_stage(void **state)
{
    (void)state;
    hone_program p = parse_text(HEAD("", TEMPS) V_STAGE("") U_STAGE("") P_STAGE("")
                                    Y_STAGE("P[vj // 4, vk, vj % 4]"));
    hone_ahead a = {0};
    hone_ahead_find(&p, false, &a);
    assert_int_equal(a.packed[2].i, 0);
    hone_ahead_find(&p, true, &a);
    assert_int_equal(a.packed[2].i, hone_buffer_find(&p, "P").i);
    unsigned moved_stmts = 0;
    for (hone_stmt s = hone_stmt_at(&p, p.root)->first; s.i; s = hone_stmt_at(&p, s)->next)
        moved_stmts += hone_ahead_of(&a, s) == 2;
    assert_int_equal(moved_stmts, 3);
    hone_ahead_free(&a);
    hone_program_fini(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_chain),           cmocka_unit_test(part_of_chain),
        cmocka_unit_test(two_would_pass),        cmocka_unit_test(input_read_directly),
        cmocka_unit_test(two_inputs_mixed),      cmocka_unit_test(input_not_const),
        cmocka_unit_test(chains_side_by_side),   cmocka_unit_test(no_memory_for_pack),
        cmocka_unit_test(header_and_named_form), cmocka_unit_test(every_stage),
    };
    return cmocka_run_group_tests(tests, setup_codegen, teardown_codegen);
}
