/* A library's call as code: the artifact that finds the function in its variable, and the function
 * that calls it by name. */
#include "codegen_test.h"

#include <dlfcn.h>
#include <unistd.h>

static const hone_libcall call = {
    .name = "good",
    .file = "libgood.so.0",
    .real = "libgood.so.0.1",
    .link = "good",
    .threads = "good_threads",
    .function = "good_product",
    .hash = 0xfedcba9876543210u,
    .returns = true,
    .n_args = 8,
    .args = {{HONE_LIBCALL_I32, -7, 0},
             {HONE_LIBCALL_PTR, 2, 0},
             {HONE_LIBCALL_F32, 0, (double)0.1f},
             {HONE_LIBCALL_PTR, 0, 0},
             {HONE_LIBCALL_I64, INT64_MIN, 0},
             {HONE_LIBCALL_F64, 0, -0.3},
             {HONE_LIBCALL_PTR, 1, 0},
             {HONE_LIBCALL_I32, INT32_MAX, 0}},
};

static struct seen {
    int32_t a, h;
    int64_t e;
    float c;
    double f;
    void *b, *d, *g;
    int32_t answer;
} seen;

static int32_t product(int32_t a, void *b, float c, void *d, int64_t e, double f, void *g,
                       int32_t h)
{
    seen = (struct seen){a, h, e, c, f, b, d, g, seen.answer};
    return seen.answer;
}

static hone_program product_program(void)
{
    static const char text[] = "kernel k(N) {\n  input A: f32[N]\n  input B: f32[N]\n"
                               "  output C: f32[N]\n  C[i] = A[i] + B[i]\n}\n";
    hone_program p;
    hone_error err = {0};
    if (hone_workload_parse("t", text, strlen(text), NULL, &(hone_size){"N", 4}, 1, &p, &err) !=
        HONE_OK)
        fail_msg("%s", err.message);
    return p;
}

static hone_codegen *native(void)
{
    hone_target t;
    hone_codegen *g;
    hone_error err = {0};
    if (hone_target_native(&t, &err) != HONE_OK || hone_codegen_new(&t, &g, &err) != HONE_OK)
        fail_msg("%s", err.message);
    return g;
}

static void the_artifact_calls(void **state)
{
    (void)state;
    hone_program p = product_program();
    hone_codegen *g = native();
    hone_code code;
    hone_error err = {0};
    uint8_t *so = NULL;
    size_t n = 0;
    if (hone_codegen_emit_call(g, &p, &call, HONE_EMIT_OBJECT, NULL, &code, &err) != HONE_OK ||
        hone_codegen_link(code.bytes, code.n, &so, &n, &err) != HONE_OK)
        fail_msg("%s", err.message);
    char path[] = "/tmp/hone-call-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0 && hone_write_all(fd, so, n));
    close(fd);
    void *h = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!h)
        fail_msg("%s", dlerror());
    unlink(path);
    hone_libcall_slot *slot = dlsym(h, HONE_LIBCALL_SYMBOL);
    int32_t (*kernel)(void *const *args, const void *rt) = NULL;
    void *f = dlsym(h, "hone_kernel");
    memcpy(&kernel, &f, sizeof kernel);
    assert_non_null(slot);
    assert_non_null(f);
    assert_true(slot->address == 0 && slot->hash == call.hash);
    assert_string_equal(slot->name, "good");
    assert_string_equal(slot->function, "good_product");
    slot->address = (uint64_t)(uintptr_t)product;
    char a, b, c;
    void *const args[] = {&a, &b, &c};
    for (int32_t answer = 0; answer < 3; answer++) {
        seen = (struct seen){.answer = answer};
        assert_int_equal(kernel(args, NULL), answer);
        assert_true(seen.a == -7 && seen.h == INT32_MAX && seen.e == INT64_MIN);
        assert_true(seen.c == 0.1f && seen.f == -0.3);
        assert_true(seen.b == &c && seen.d == &a && seen.g == &b);
    }
    dlclose(h);
    free(so);
    hone_code_free(&code);
    hone_codegen_free(g);
    hone_program_fini(&p);
}

static void the_function_names_it(void **state)
{
    (void)state;
    hone_program p = product_program();
    hone_codegen *g = native();
    hone_code code;
    hone_buf header = {0};
    hone_error err = {0};
    assert_int_equal(hone_codegen_emit_call(g, &p, &call, HONE_EMIT_LLVM, "f", &code, &err),
                     HONE_OK);
    assert_non_null(strstr((const char *)code.bytes, "declare i32 @good_product("));
    assert_non_null(strstr((const char *)code.bytes, "define i32 @f("));
    assert_null(strstr((const char *)code.bytes, HONE_LIBCALL_SYMBOL));
    hone_codegen_header(&p, "f", &code, &header);
    assert_non_null(strstr(header.s, "int f(const float *A, const float *B, float *C);"));
    assert_non_null(strstr(header.s, "Calls good_product of libgood.so.0 (measured with "
                                     "libgood.so.0.1): link with -lgood."));
    assert_non_null(strstr(header.s, "good_threads(int)"));
    assert_null(strstr(header.s, "hone_rt"));
    hone_buf_free(&header);
    hone_code_free(&code);
    assert_int_equal(hone_codegen_emit_call(g, &p, &call, HONE_EMIT_ASM, "f", &code, &err),
                     HONE_OK);
    assert_non_null(strstr((const char *)code.bytes, "good_product"));
    hone_code_free(&code);
    hone_codegen_free(g);
    hone_program_fini(&p);
}

static void refuses(void **state)
{
    (void)state;
    hone_program p = product_program();
    hone_codegen *g = native();
    hone_code code;
    hone_error err = {0};
    hone_libcall c = call;
    c.args[1].i = 3;
    assert_int_equal(hone_codegen_emit_call(g, &p, &c, HONE_EMIT_OBJECT, NULL, &code, &err),
                     HONE_E_INPUT);
    assert_non_null(strstr(err.message, "wants argument 4"));
    assert_int_equal(
        hone_codegen_emit_call(g, &p, &call, HONE_EMIT_OBJECT, "good_product", &code, &err),
        HONE_E_INPUT);
    assert_non_null(strstr(err.message, "another name"));
    hone_codegen_free(g);
    hone_program_fini(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_artifact_calls),
        cmocka_unit_test(the_function_names_it),
        cmocka_unit_test(refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
