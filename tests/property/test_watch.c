/* The detector of wrong accesses itself (watch.c, shadow.c): kernels written as IR, most of them
 * wrong in one way that random inputs and threads may well not show. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/property/harness.h"

static const char program[] = "program rows {\n"
                              "  buffer X: f32[4, 5] input\n  buffer Y: f32[4, 5] output\n"
                              "  for i in 4 parallel { for j in 5 {\n"
                              "    block y(vi: 4 = i, vj: 5 = j) { Y[vi, vj] = X[vi, vj] } } }\n"
                              "}\n";

/* Iteration i has its rows of X and Y in %x and %y, and five elements from %x in %v. */
static const char before[] =
    "declare <8 x float> @llvm.masked.load.v8f32.p0(ptr, i32, <8 x i1>, <8 x float>)\n"
    "declare void @llvm.masked.store.v8f32.p0(<8 x float>, ptr, i32, <8 x i1>)\n"
    "define i32 @hone_kernel(ptr %args, ptr %rt) {\n"
    "  %member = getelementptr i8, ptr %rt, i64 8\n"
    "  %parallel = load ptr, ptr %member\n"
    "  %r = call i32 %parallel(ptr %rt, i64 4, ptr @task, ptr %args)\n"
    "  ret i32 %r\n}\n"
    "define internal i32 @task(ptr %args, i64 %i, i64 %end) {\n"
    "  %temp = alloca [5 x float], align 64\n"
    "  %x0 = load ptr, ptr %args\n"
    "  %second = getelementptr ptr, ptr %args, i64 1\n"
    "  %y0 = load ptr, ptr %second\n"
    "  %row = mul i64 %i, 5\n"
    "  %x = getelementptr float, ptr %x0, i64 %row\n"
    "  %y = getelementptr float, ptr %y0, i64 %row\n"
    "  %five = icmp ult <8 x i8> <i8 0, i8 1, i8 2, i8 3, i8 4, i8 5, i8 6, i8 7>,"
    " <i8 5, i8 5, i8 5, i8 5, i8 5, i8 5, i8 5, i8 5>\n"
    "  %v = call <8 x float> @llvm.masked.load.v8f32.p0(ptr %x, i32 4, <8 x i1> %five,"
    " <8 x float> zeroinitializer)\n";
static const char after[] = "  ret i32 0\n}\n";

#define STORE \
    "  call void @llvm.masked.store.v8f32.p0(<8 x float> %v, ptr %y, i32 4, <8 x i1> %five)\n"

static const struct subject {
    const char *body, *found; /* found: NULL when nothing is wrong */
} subjects[] = {
    {STORE, NULL},
    /* the elements of the next row as well, unchanged */
    {"  %old = load <8 x float>, ptr %y, align 4\n"
     "  %new = select <8 x i1> %five, <8 x float> %v, <8 x float> %old\n"
     "  store <8 x float> %new, ptr %y, align 4\n",
     "of Y, which iteration 0 wrote"},
    /* what another iteration wrote, and before it did, in one order */
    {STORE "  %c = load float, ptr %y0, align 4\n", "reads byte 0 of Y, which iteration 0 wrote"},
    /* one element for all */
    {"  store i64 %i, ptr %y0, align 4\n" STORE, "writes byte 0 of Y, which iteration 0 wrote"},
    /* a vector too wide for a temporary on the stack; stack of others lies behind it */
    {STORE "  store <8 x float> %v, ptr %temp, align 4\n", "32 bytes are written at byte 0 of"},
    {STORE "  %before = getelementptr i8, ptr %temp, i64 -4\n"
           "  %w = load float, ptr %before, align 4\n",
     "4 bytes are read at byte -4 of a temporary on the stack, which has 20"},
    {STORE "  store float 1.0, ptr %x, align 4\n", "X, an input, is written"},
    /* whole vectors, of which only one's own elements are used */
    {"  %some = load <2 x float>, ptr %y0, align 4\n" STORE, NULL},
};

static hone_target target;

static void check(const struct subject *s, bool backwards)
{
    hone_error err = {0};
    hone_program p;
    pair_code c = {.code.n_args = 2};
    pair_args args;
    hone_buf ir = {0};
    hone_buf_printf(&ir, "%s%s%s", before, s->body, after);
    c.code.n = ir.n;
    c.code.bytes = (uint8_t *)hone_buf_take(&ir);
    assert_int_equal(hone_program_parse(program, strlen(program), &p, &err), HONE_OK);
    if (pair_watch_ir(&target, &c.code, &err) != HONE_OK || pair_code_load(&c, &err) != HONE_OK)
        fail_msg("%s", err.message);
    pair_args_new(&args, &p);
    pair_args_fill(&args, &p, 1);
    int32_t result;
    const char *found = pair_code_watch(&c, &p, &args, backwards, &result);
    assert_int_equal(result, 0);
    if (!s->found && found)
        fail_msg("%s\n%s", found, s->body);
    if (s->found && !backwards && (!found || !strstr(found, s->found)))
        fail_msg("'%s' instead of '%s'", found ? found : "nothing", s->found);
    assert_true(!found == !s->found);
    pair_args_free(&args);
    pair_code_free(&c);
    hone_program_fini(&p);
}

static void wrong_accesses_are_found(void **state)
{
    (void)state;
    /* makes LLVM's targets known */
    hone_codegen *g;
    assert_int_equal(hone_target_native(&target, NULL), HONE_OK);
    assert_int_equal(hone_codegen_new(&target, &g, NULL), HONE_OK);
    for (size_t k = 0; k < HONE_LEN(subjects); k++)
        for (int backwards = 0; backwards < 2; backwards++)
            check(&subjects[k], backwards);
    hone_codegen_free(g);
}

/* Accesses of which nothing is known are no silent gap. */
static void unknown_accesses_are_refused(void **state)
{
    (void)state;
    static const char ir[] =
        "declare void @llvm.memmove.p0.p0.i64(ptr, ptr, i64, i1)\n"
        "define i32 @hone_kernel(ptr %args, ptr %rt) {\n"
        "  call void @llvm.memmove.p0.p0.i64(ptr %args, ptr %rt, i64 8, i1 0)\n"
        "  ret i32 0\n}\n";
    hone_error err = {0};
    hone_code c = {.n = sizeof ir - 1, .bytes = (uint8_t *)hone_xstrdup(ir)};
    assert_int_equal(pair_watch_ir(&target, &c, &err), HONE_E_LLVM);
    assert_non_null(strstr(err.message, "llvm.memmove"));
    hone_code_free(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_accesses_are_found),
        cmocka_unit_test(unknown_accesses_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
