/* What the code generator hands out: objects, shared objects, texts, headers, refusals. */
#include "codegen_test.h"

#include <elf.h>

static const char matmul[] =
    "program matmul {\n"
    "  buffer A: f32[20, 30] input\n  buffer B: f32[30, 40] input const\n"
    "  buffer C: f32[20, 40] output\n  buffer P: f32[3, 30, 16]\n"
    "  for p in 3 { for k in 30 { for v in 16 vectorized {\n"
    "    block pack(vp: 3 = p, vk: 30 = k, vv: 16 = v) @hone.prepack=1 {\n"
    "      P[vp, vk, vv] = select(vp*16 + vv < 40, B[vk, vp*16 + vv], 0.0) } } } }\n"
    "  for i in 20 parallel { for jo in 3 { for k in 30 { for v in 16 vectorized {\n"
    "    block c(vi: 20 = i, vj: 40 = jo*16 + v, reduce vk: 30 = k) where jo*16 + v < 40 {\n"
    "      init 0.0\n C[vi, vj] = C[vi, vj] + A[vi, vk] * P[vj // 16, vk, vj % 16] } } } } }\n"
    "}\n";

static hone_code emit(const char *text, const hone_codegen_options *o)
{
    hone_program p = parse_text(text);
    hone_code code;
    hone_error err;
    uint64_t hash = hone_program_hash(&p);
    if (hone_codegen_emit(test_codegen, &p, o, &code, &err) != HONE_OK)
        fail_msg("%s", err.message);
    assert_true(hash == hone_program_hash(&p));
    hone_program_fini(&p);
    return code;
}

static char *in_dir(const char *dir, const char *name)
{
    return hone_xasprintf("%s/%s", dir, name);
}

static void write_file(const char *dir, const char *name, const void *bytes, size_t n)
{
    char *path = in_dir(dir, name);
    hone_error err;
    if (hone_file_write(path, bytes, n, &err) != HONE_OK)
        fail_msg("%s", err.message);
    free(path);
}

static void native_target(void **state)
{
    (void)state;
    hone_target t, u;
    hone_error err;
    assert_int_equal(hone_target_native(&t, &err), HONE_OK);
    assert_true(t.cores >= 1 && t.cache_line >= 16 && t.l1_bytes >= 4096);
    assert_true(t.vector_bytes >= 16 && t.vector_registers >= 16 && t.fma_per_cycle >= 1);
    char *text = hone_target_text(&t);
    assert_int_equal(hone_target_parse(text, &u, &err), HONE_OK);
    assert_string_equal(u.features, t.features);
    free(text);
    assert_memory_equal(hone_codegen_version(), "LLVM ", 5);
}

static void unknown_target(void **state)
{
    (void)state;
    hone_target t;
    hone_error err;
    hone_codegen *g;
    assert_int_equal(hone_target_native(&t, &err), HONE_OK);
    strcpy(t.triple, "abacus-unknown-none");
    assert_int_equal(hone_codegen_new(&t, &g, &err), HONE_E_INPUT);
    assert_non_null(strstr(err.message, "abacus"));
}

/* What this target would need a library for is refused, not emitted. */
static void no_library_calls(void **state)
{
    (void)state;
    hone_target t = {
        .triple = "armv7-unknown-linux-gnueabihf", .cpu = "cortex-a7", .vector_bytes = 16};
    hone_codegen *g;
    hone_error err;
    assert_int_equal(hone_codegen_new(&t, &g, &err), HONE_OK);
    hone_program p = parse_text("program f {\n buffer A: i64[8] input\n buffer C: i64[8] output\n"
                                " for i in 8 { block c(vi: 8 = i) { C[vi] = 9 / A[vi] } }\n}\n");
    hone_codegen_options o = {.emit = HONE_EMIT_OBJECT};
    hone_code code;
    assert_int_equal(hone_codegen_emit(g, &p, &o, &code, &err), HONE_REJECT_BUILD);
    assert_non_null(strstr(err.message, "library function \"__"));
    assert_null(code.bytes);
    hone_program_fini(&p);
    p = parse_text("program f {\n buffer A: f32[8] input\n buffer C: f32[8] output\n"
                   " for i in 8 { block c(vi: 8 = i, reduce vk: 8 = i) { init 1.0\n"
                   "  C[vi] = C[vi] + exp(A[vi]) * log(A[vk]) } }\n}\n");
    assert_int_equal(hone_codegen_emit(g, &p, &o, &code, &err), HONE_OK);
    hone_code_free(&code);
    hone_program_fini(&p);
    hone_codegen_free(g);
}

static void same_bytes_every_time(void **state)
{
    (void)state;
    hone_codegen_options o = {.emit = HONE_EMIT_OBJECT};
    hone_code a = emit(matmul, &o), b = emit(matmul, &o);
    assert_int_equal(a.n, b.n);
    assert_memory_equal(a.bytes, b.bytes, a.n);
    hone_code_free(&a);
    hone_code_free(&b);
}

static void texts(void **state)
{
    (void)state;
    hone_codegen_options o = {.emit = HONE_EMIT_ASM};
    hone_code code = emit(matmul, &o);
    assert_non_null(strstr((char *)code.bytes, "hone_kernel:"));
    assert_non_null(strstr((char *)code.bytes, "hone_pack:"));
    hone_code_free(&code);
    o.emit = HONE_EMIT_LLVM;
    code = emit(matmul, &o);
    assert_non_null(strstr((char *)code.bytes, "define i32 @hone_kernel(ptr"));
    assert_null(strstr((char *)code.bytes, "memset"));
    hone_code_free(&code);
}

static void shared_object(void **state)
{
    (void)state;
    hone_codegen_options o = {.emit = HONE_EMIT_OBJECT};
    hone_code code = emit(matmul, &o);
    uint8_t *so;
    size_t n;
    hone_error err;
    assert_int_equal(hone_codegen_link(code.bytes, code.n, &so, &n, &err), HONE_OK);
    const Elf64_Ehdr *h = (const void *)so;
    assert_int_equal(h->e_type, ET_DYN);
    for (unsigned k = 0; k < h->e_phnum; k++) {
        const Elf64_Phdr *ph = (const void *)(so + h->e_phoff + k * sizeof *ph);
        const Elf64_Dyn *d = (const void *)(so + ph->p_offset);
        for (; ph->p_type == PT_DYNAMIC && d->d_tag != DT_NULL; d++)
            assert_true(d->d_tag != DT_NEEDED && d->d_tag != DT_INIT && d->d_tag != DT_INIT_ARRAY &&
                        d->d_tag != DT_TEXTREL);
    }
    free(so);
    hone_code_free(&code);
    assert_int_equal(hone_codegen_link((const uint8_t *)"not an object", 13, &so, &n, &err),
                     HONE_E_TOOL);
}

/* A loop that any optimiser would make a memset or memcpy of: still no undefined symbol. */
static void no_undefined_symbols(void **state)
{
    (void)state;
    char dir[] = "/tmp/hone-test-XXXXXX";
    assert_non_null(mkdtemp(dir));
    const char *text = "program copy {\n buffer A: f32[9000] input\n buffer C: f32[9000] output\n"
                       " buffer D: f32[9000] output\n buffer T: f32[9000]\n"
                       " for i in 9000 { block t(vi: 9000 = i) { T[vi] = 0.0 } }\n"
                       " for i in 9000 { block c(vi: 9000 = i) { C[vi] = A[vi] } }\n"
                       " for i in 9000 { block d(vi: 9000 = i) { D[vi] = T[vi] } }\n}\n";
    for (int plain = 0; plain < 2; plain++) {
        hone_codegen_options o = {.emit = HONE_EMIT_OBJECT, .plain = plain};
        hone_code code = emit(text, &o);
        write_file(dir, "k.o", code.bytes, code.n);
        char *command = hone_xasprintf("nm -u %s/k.o", dir), *out = shell(command);
        assert_string_equal(out, "");
        free(command);
        free(out);
        hone_code_free(&code);
    }
    char *command = hone_xasprintf("rm -r %s", dir);
    free(shell(command));
    free(command);
}

static const char user[] =
    "#include \"mm.h\"\n#include <stdio.h>\n#include <stdlib.h>\n"
    "int main(void) {\n"
    "  static float a[20*30], b[30*40], c[20*40];\n"
    "  for (int i = 0; i < 600; i++) a[i] = (float)(i % 7 - 3);\n"
    "  for (int i = 0; i < 1200; i++) b[i] = (float)(i % 5 - 2);\n"
    "  void *p = aligned_alloc(64, (size_t)mm_pack_B_bytes());\n"
    "  if (mm_pack_B(b, p) || mm(a, p, c)) return 1;\n"
    "  for (int i = 0; i < 20; i++) for (int j = 0; j < 40; j++) {\n"
    "    float s = 0; for (int k = 0; k < 30; k++) s += a[i*30+k] * b[k*40+j];\n"
    "    if (s != c[i*40+j]) return 2; }\n"
    "  puts(\"good\"); free(p); return 0; }\n";

/* The object and header as a build uses them. */
static void named_form(void **state)
{
    (void)state;
    char dir[] = "/tmp/hone-test-XXXXXX";
    assert_non_null(mkdtemp(dir));
    hone_codegen_options o = {.emit = HONE_EMIT_OBJECT, .name = "mm", .threads = 2};
    hone_code code = emit(matmul, &o);
    hone_program p = parse_text(matmul);
    hone_buf header = {0};
    hone_codegen_header(&p, "mm", &code, &header);
    assert_non_null(strstr(header.s, "int mm(const float *A, const void *B_packed, float *C);"));
    assert_non_null(strstr(header.s, "f32[20, 40]"));
    write_file(dir, "mm.h", header.s, header.n);
    write_file(dir, "mm.o", code.bytes, code.n);
    write_file(dir, "user.c", user, strlen(user));
    char *command = hone_xasprintf(
        "cd %s && nm -u mm.o && cc -std=c11 -Wall -Wextra -Werror -I. user.c mm.o %s/runtime/*.c"
        " -I%s -D_GNU_SOURCE -lpthread -o user 2>&1 && ./user && rm -r %s",
        dir, HONE_SOURCE_DIR, HONE_SOURCE_DIR, dir);
    char *out = shell(command);
    assert_string_equal(out, "                 U hone_rt_default\ngood\n");
    free(out);
    free(command);
    hone_buf_free(&header);
    hone_program_fini(&p);
    hone_code_free(&code);
}

static void header_types(void **state)
{
    (void)state;
    hone_program p =
        parse_text("program types {\n buffer A: f16[2] input\n buffer B: bool[2] input\n"
                   " buffer D: i64[2, 3] input\n buffer C: bf16[2] output\n"
                   " for i in 2 { block c(vi: 2 = i) { C[vi] = select(B[vi], bf16(A[vi]), "
                   "bf16(D[vi, 1])) } }\n"
                   "}\n");
    hone_code code = {.n_args = 4};
    hone_buf b = {0};
    hone_codegen_header(&p, "f", &code, &b);
    assert_string_equal(
        b.s, "#ifndef HONE_KERNEL_f_H\n#define HONE_KERNEL_f_H\n\n#include <stdint.h>\n\n"
             "#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n"
             "/* types: dense row-major arrays that do not overlap.\n"
             " *   A        input  f16[2]\n"
             " *   B        input  bool[2]\n"
             " *   D        input  i64[2, 3]\n"
             " *   C        output bf16[2]\n"
             " * Returns 0, or -1 when memory could not be had. Link with hone_rt. */\n"
             "int f(const uint16_t *A, const uint8_t *B, const int64_t *D, uint16_t *C);\n"
             "\n#ifdef __cplusplus\n}\n#endif\n\n#endif /* HONE_KERNEL_f_H */\n");
    hone_buf_free(&b);
    hone_program_fini(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(native_target),
        cmocka_unit_test(unknown_target),
        cmocka_unit_test(no_library_calls),
        cmocka_unit_test(same_bytes_every_time),
        cmocka_unit_test(texts),
        cmocka_unit_test(shared_object),
        cmocka_unit_test(no_undefined_symbols),
        cmocka_unit_test(named_form),
        cmocka_unit_test(header_types),
    };
    return cmocka_run_group_tests(tests, setup_codegen, teardown_codegen);
}
