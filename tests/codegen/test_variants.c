/* One object with code for several targets: what it exports, which variant runs here, results,
 * packed arguments, refusals. What lesser processors choose is in tests/e2e/test_variants.sh. */
#include "codegen_test.h"

/* A product whose B is packed in panels of so many columns; 0: not at all. */
static char *product(int panel)
{
    hone_buf b = {0};
    hone_buf_puts(&b, "program mm {\n  buffer A: f32[20, 30] input\n"
                      "  buffer B: f32[30, 40] input const\n  buffer C: f32[20, 40] output\n");
    if (panel == 0)
        hone_buf_puts(&b, "  for i in 20 { for j in 40 { for k in 30 {\n"
                          "    block c(vi: 20 = i, vj: 40 = j, reduce vk: 30 = k) { init 0.0\n"
                          "      C[vi, vj] = C[vi, vj] + A[vi, vk] * B[vk, vj] } } } }\n}\n");
    else {
        int n = (40 + panel - 1) / panel;
        hone_buf_printf(&b,
                        "  buffer P: f32[%d, 30, %d]\n"
                        "  for p in %d { for k in 30 { for v in %d vectorized {\n"
                        "    block pack(vp: %d = p, vk: 30 = k, vv: %d = v) @hone.prepack=1 {\n"
                        "      P[vp, vk, vv] = select(vp*%d + vv < 40, B[vk, vp*%d + vv], 0.0) } } "
                        "} }\n",
                        n, panel, n, panel, n, panel, panel, panel);
        hone_buf_printf(
            &b,
            "  for i in 20 parallel { for jo in %d { for k in 30 { for v in %d "
            "vectorized {\n"
            "    block c(vi: 20 = i, vj: 40 = jo*%d + v, reduce vk: 30 = k) where "
            "jo*%d + v < 40 {\n"
            "      init 0.0\n C[vi, vj] = C[vi, vj] + A[vi, vk] * P[vj // %d, vk, vj %% "
            "%d] } } } } }\n}\n",
            n, panel, panel, panel, panel, panel);
    }
    return hone_buf_take(&b);
}

#define MOST 20
typedef struct set {
    hone_target targets[MOST];
    hone_program programs[MOST];
    hone_codegen_variant v[MOST];
    unsigned n, order[HONE_CODEGEN_MAX_VARIANTS];
} set;

static void add_text(set *s, const char *cpu, const char *text)
{
    hone_error err;
    if (hone_target_named(cpu, &s->targets[s->n], &err) != HONE_OK)
        fail_msg("%s", err.message);
    s->programs[s->n] = parse_text(text);
    s->v[s->n] = (hone_codegen_variant){.name = cpu,
                                        .target = &s->targets[s->n],
                                        .program = &s->programs[s->n],
                                        .options = {.threads = 2}};
    s->n++;
}

static void add(set *s, const char *cpu, int panel)
{
    char *text = product(panel);
    add_text(s, cpu, text);
    free(text);
}

static void clear(set *s)
{
    for (unsigned k = 0; k < s->n; k++)
        hone_program_fini(&s->programs[k]);
    s->n = 0;
}

static hone_code emit(set *s)
{
    hone_code code;
    hone_error err;
    hone_status st = hone_codegen_emit_variants(s->v, s->n, "mm", s->order, &code, &err);
    if (st != HONE_OK)
        fail_msg("%s", err.message);
    return code;
}

static void write_file(const char *dir, const char *name, const void *bytes, size_t n)
{
    char *path = hone_xasprintf("%s/%s", dir, name);
    hone_error err;
    if (hone_file_write(path, bytes, n, &err) != HONE_OK)
        fail_msg("%s", err.message);
    free(path);
}

/* Prints the variant, the bytes of a packed B, and whether the product is right. */
static const char user[] =
    "#include \"mm.h\"\n#include \"runtime/hone_rt.h\"\n#include <stdio.h>\n"
    "#include <stdlib.h>\n"
    "int main(void) {\n"
    "  static float a[20*30], b[30*40], c[20*40];\n"
    "  for (int i = 0; i < 600; i++) a[i] = (float)(i % 7 - 3);\n"
    "  for (int i = 0; i < 1200; i++) b[i] = (float)(i % 5 - 2);\n"
    "  void *p = b;\n"
    "#ifdef mm_PACKS_B\n"
    "  p = aligned_alloc(64, ((size_t)mm_pack_B_bytes() + 63) / 64 * 64);\n"
    "  if (mm_pack_B(b, p)) return 1;\n"
    "#endif\n"
    "  if (mm(a, p, c)) return 1;\n"
    "  for (int i = 0; i < 20; i++) for (int j = 0; j < 40; j++) {\n"
    "    float s = 0; for (int k = 0; k < 30; k++) s += a[i*30+k] * b[k*40+j];\n"
    "    if (s != c[i*40+j]) return 2; }\n"
    "  printf(\"%s\", hone_rt_variant(&mm_variants));\n"
    "#ifdef mm_PACKS_B\n"
    "  printf(\" %d\", (int)mm_pack_B_bytes()); free(p);\n"
    "#endif\n"
    "  puts(\"\"); return 0; }\n";

static char *build(set *s, const hone_code *code)
{
    char *dir = hone_xstrdup("/tmp/hone-test-XXXXXX");
    assert_non_null(mkdtemp(dir));
    hone_buf header = {0};
    hone_codegen_header(&s->programs[0], "mm", code, &header);
    write_file(dir, "mm.h", header.s, header.n);
    write_file(dir, "mm.o", code->bytes, code->n);
    write_file(dir, "user.c", user, strlen(user));
    hone_buf_free(&header);
    char *command = hone_xasprintf(
        "cd %s && cc -std=c11 -Wall -Wextra -Werror -I. user.c mm.o %s/runtime/*.c -I%s "
        "-D_GNU_SOURCE -lpthread -o user 2>&1",
        dir, HONE_SOURCE_DIR, HONE_SOURCE_DIR);
    free(shell(command));
    free(command);
    return dir;
}

static void runs_as(const char *dir, const char *wanted, const char *line)
{
    char *command = hone_xasprintf("HONE_VARIANT=%s %s/user", wanted, dir);
    char *out = shell(command);
    assert_string_equal(out, line);
    free(out);
    free(command);
}

static void drop(char *dir)
{
    char *command = hone_xasprintf("rm -r %s", dir);
    free(shell(command));
    free(command);
    free(dir);
}

/* What is for x86-64 is linked and run where that is this machine's. */
static void skip_elsewhere(void)
{
    hone_target host;
    if (hone_target_host(&host, NULL) != HONE_OK || strncmp(host.triple, "x86_64", 6) != 0)
        skip();
}

/* Packed in three ways, of which one is not at all: each gets what it made itself. */
static void packed(void **state)
{
    (void)state;
    set s = {0};
    skip_elsewhere();
    add(&s, "x86-64", 0);
    add(&s, "x86-64-v2", 4);
    add(&s, "skylake-avx512", 16);
    add(&s, "haswell", 8);
    add(&s, "znver4", 32);
    hone_code code = emit(&s);
    static const unsigned want[] = {4, 2, 3, 1, 0}; /* by what they ask for */
    assert_memory_equal(s.order, want, sizeof want);
    assert_int_equal(code.n_variants, 5);
    assert_true(code.has_pack && code.code_bytes > 0);
    assert_int_equal(code.pack_bytes[0], 0);
    assert_int_equal(code.pack_bytes[1], 2 * 32 * 30 * 4);
    char *dir = build(&s, &code);
    static const char *const lines[] = {"x86-64 4800\n", "x86-64-v2 4800\n",
                                        "skylake-avx512 5760\n", "haswell 4800\n", "znver4 7680\n"};
    hone_target host;
    hone_error err;
    assert_int_equal(hone_target_host(&host, &err), HONE_OK);
    const char *best = NULL;
    for (unsigned k = 0; k < s.n && !best; k++)
        if (hone_target_can_run(&host, &s.targets[s.order[k]]))
            best = lines[s.order[k]];
    for (unsigned k = 0; k < s.n && best; k++)
        runs_as(dir, s.v[k].name, hone_target_can_run(&host, &s.targets[k]) ? lines[k] : best);
    if (best)
        runs_as(dir, "nothing", best);
    drop(dir);
    hone_code_free(&code);
    clear(&s);
}

static void not_packed(void **state)
{
    (void)state;
    set s = {0};
    skip_elsewhere();
    add(&s, "x86-64-v3", 0);
    add(&s, "x86-64", 0);
    hone_code code = emit(&s);
    assert_false(code.has_pack);
    assert_int_equal(code.pack_bytes[1], 0);
    hone_target host;
    assert_int_equal(hone_target_host(&host, NULL), HONE_OK);
    char *dir = build(&s, &code);
    if (hone_target_can_run(&host, &s.targets[1]))
        runs_as(dir, "x86-64", "x86-64\n");
    char *command = hone_xasprintf("nm -g %s/mm.o | sed 's/^[0-9a-f]* *//'", dir);
    char *out = shell(command);
    assert_string_equal(out, "U hone_rt_default\nU hone_rt_variants_choose\nT mm\nD mm_variants\n");
    free(out);
    free(command);
    drop(dir);
    hone_code_free(&code);
    clear(&s);
}

static void same_bytes(void **state)
{
    (void)state;
    set s = {0};
    add(&s, "haswell", 8);
    add(&s, "x86-64", 0);
    add(&s, "znver4", 16);
    hone_code a = emit(&s), b = emit(&s);
    assert_int_equal(a.n, b.n);
    assert_memory_equal(a.bytes, b.bytes, a.n);
    hone_code_free(&a);
    hone_code_free(&b);
    clear(&s);
}

/* Also where there are no CPUID and no way to run it here. */
static void other_architecture(void **state)
{
    (void)state;
    set s = {0};
    add(&s, "cortex-a53", 0);
    add(&s, "neoverse-n1", 8);
    hone_code code = emit(&s);
    assert_int_equal(s.order[0], 1);
    assert_true(code.code_bytes > 0);
    hone_code_free(&code);
    clear(&s);
}

static void refused(set *s, hone_status want, const char *says)
{
    hone_code code;
    hone_error err;
    assert_int_equal(hone_codegen_emit_variants(s->v, s->n, "mm", s->order, &code, &err), want);
    assert_null(code.bytes);
    if (!strstr(err.message, says))
        fail_msg("'%s' does not say %s", err.message, says);
    clear(s);
}

static void refusals(void **state)
{
    (void)state;
    set s = {0};
    refused(&s, HONE_E_INPUT, "1 to 16");
    for (unsigned k = 0; k < 17; k++)
        add(&s, "haswell", 0);
    refused(&s, HONE_E_INPUT, "1 to 16");
    add(&s, "haswell", 0);
    add(&s, "haswell", 8);
    refused(&s, HONE_E_INPUT, "two variants are called 'haswell'");
    add(&s, "haswell", 0);
    add(&s, "neoverse-n1", 0);
    refused(&s, HONE_E_INPUT, "aarch64");
    add(&s, "sifive-u74", 0);
    refused(&s, HONE_E_INPUT, "riscv64");
    add(&s, "haswell", 0);
    add(&s, "x86-64", 0);
    snprintf(s.targets[1].features, sizeof s.targets[1].features, "+avx9");
    refused(&s, HONE_E_INPUT, "avx9");
    /* what only the lesser one cannot do */
    add_text(&s, "haswell",
             "program f {\n buffer A: f32[8] input\n buffer C: f32[8] output\n"
             " for i in 8 { block c(vi: 8 = i) { C[vi] = A[vi] } }\n}\n");
    add_text(&s, "x86-64",
             "program f {\n buffer A: f32[8] input\n buffer C: f32[8] output\n"
             " for i in 8 { block o(vo: 8 = i) @hone.intrin=\"none\" {"
             " block c(vi: 8 = vo) { C[vi] = A[vi] } } }\n}\n");
    refused(&s, HONE_REJECT_BUILD, "variant 'x86-64': The intrinsic \"none\" is not known here");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packed),     cmocka_unit_test(not_packed),
        cmocka_unit_test(same_bytes), cmocka_unit_test(other_architecture),
        cmocka_unit_test(refusals),
    };
    return cmocka_run_group_tests(tests, setup_codegen, teardown_codegen);
}
