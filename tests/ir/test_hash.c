/* The structural hash: what counts and what does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "ir/ir.h"

static uint64_t hash_of(const char *text)
{
    hone_program p;
    hone_error err;
    if (hone_program_parse(text, strlen(text), &p, &err) != HONE_OK)
        fail_msg("%s", err.message);
    uint64_t h = hone_program_hash(&p);
    hone_program_fini(&p);
    return h;
}

static const char base[] =
    "program m { buffer A: f32[4, 8] input buffer B: f32[8] input const buffer C: f32[4] output\n"
    "buffer T: f32[4] buffer U: f32[4]\n"
    "for i in 4 parallel @a=1 @b=2 { block t(v: 4 = i) { T[v] = A[v, 0] + 1 } }\n"
    "for i in 4 { block u(v: 4 = i) { U[v] = T[v] * 2 } }\n"
    "for i in 4 { for k in 8 { block c(v: 4 = i, reduce w: 8 = k) where i < 3 @note=\"x\" {\n"
    "init 0 C[v] = C[v] + A[v, w] * B[w] + U[v] } } } }";

/* One edit of the text each: `from` becomes `to`, everywhere. */
static const struct {
    const char *from, *to;
} same[] =
    {
        {"program m", "program other"},
        {"for i in 4 { block u(v: 4 = i)", "for j in 4 { block u(v: 4 = j)"},
        {"@a=1 @b=2", "@b=2 @a=1"},
        {"block t", "block fill"},
        {"buffer T: f32[4] buffer U: f32[4]", "buffer U: f32[4] buffer T: f32[4]"},
        {"(v: 4 = i) { T[v] = A[v, 0] + 1 }", "(x: 4 = i) { T[x] = A[x, 0] + 1 }"},
        {"C[v] + A", "C[v]+A"},
},
  differ[] = {
      {"f32[8] input const", "f32[8] input"},
      {"for i in 4 parallel", "for i in 4"},
      {"for i in 4 parallel", "for i in 4 unrolled"},
      {"for i in 4 parallel", "for i in 4 bind blockIdx.x"},
      {"for i in 4 parallel", "for i in 4 bind threadIdx.x"},
      {"@a=1", "@a=2"},
      {"@a=1", "@c=1"},
      {" @b=2", ""},
      {"@note=\"x\"", "@note=\"y\""},
      {"@note=\"x\"", "@note=0"},
      {"where i < 3", "where i < 2"},
      {"where i < 3", ""},
      {"init 0", "init 1"},
      {"reduce w", "w"},
      {"A[v, w] * B[w]", "B[w] * A[v, w]"},
      {"A[v, 0]", "A[v, 1]"},
      {"T[v] * 2", "T[v] + 2"},
      {"T[v] * 2", "exp(T[v])"},
      {"T[v] * 2", "fast exp(T[v])"},
      {"+ U[v]", "+ T[v]"},
      {"buffer T: f32[4]", "buffer T: f32[4] local"},
      {"buffer T: f32[4]", "buffer T: f32[5]"},
      {"U: f32[4]", "U: f32[4] buffer V: f32[4] output"},
};

static char *edited(const char *from, const char *to)
{
    hone_buf b = {0};
    const char *s = base;
    bool found = false;
    for (const char *hit; (hit = strstr(s, from)) != NULL; s = hit + strlen(from)) {
        hone_buf_add(&b, s, (size_t)(hit - s));
        hone_buf_puts(&b, to);
        found = true;
    }
    hone_buf_puts(&b, s);
    assert_true(found);
    return hone_buf_take(&b);
}

static void test_names_do_not_count(void **state)
{
    (void)state;
    uint64_t h = hash_of(base);
    for (size_t k = 0; k < HONE_LEN(same); k++) {
        char *text = edited(same[k].from, same[k].to);
        if (hash_of(text) != h)
            fail_msg("'%s' for '%s' changed the hash", same[k].to, same[k].from);
        free(text);
    }
}

static void test_structure_counts(void **state)
{
    (void)state;
    uint64_t seen[HONE_LEN(differ) + 1] = {hash_of(base)};
    for (size_t k = 0; k < HONE_LEN(differ); k++) {
        char *text = edited(differ[k].from, differ[k].to);
        seen[k + 1] = hash_of(text);
        for (size_t i = 0; i <= k; i++)
            if (seen[i] == seen[k + 1])
                fail_msg("'%s' for '%s' gives the hash of edit %d", differ[k].to, differ[k].from,
                         (int)i - 1);
        free(text);
    }
}

/* The order expressions and statements were made in, and what was removed since, leave no trace. */
static void test_history_does_not_count(void **state)
{
    (void)state;
    hone_program p;
    hone_error err;
    uint64_t h = hash_of(base);
    assert_int_equal(hone_program_parse(base, strlen(base), &p, &err), HONE_OK);
    hone_stmt loop = hone_stmt_at(&p, p.root)->first;
    hone_stmt extra = hone_loop_new(&p, "x", 9);
    hone_stmt_insert_before(&p, loop, extra);
    hone_binary(&p, HONE_OP_ADD, hone_int(&p, 1234),
                hone_var_expr(&p, hone_stmt_at(&p, extra)->var));
    assert_int_not_equal(hone_program_hash(&p), h);
    hone_stmt_remove(&p, extra);
    assert_int_equal(hone_program_hash(&p), h);
    hone_stmt_detach(&p, loop);
    hone_stmt_prepend(&p, p.root, loop);
    assert_int_equal(hone_program_hash(&p), h);
    hone_program copy = {0};
    hone_program_copy(&copy, &p);
    assert_int_equal(hone_program_hash(&copy), h);
    hone_program_fini(&copy);
    hone_program_fini(&p);
}

/* The hash is stored: it must never change by accident. */
static void test_is_the_same_in_every_release(void **state)
{
    (void)state;
    char text[17];
    hone_hash_format(hash_of(base), text);
    assert_string_equal(text, "ea351ec7dd63113d");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_do_not_count),
        cmocka_unit_test(test_structure_counts),
        cmocka_unit_test(test_history_does_not_count),
        cmocka_unit_test(test_is_the_same_in_every_release),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
