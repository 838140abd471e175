/* Growable arrays and text, and what happens when there is no memory. */
#include "tests/base/child.h"

#include <malloc.h>
#include <signal.h>

typedef HONE_VEC(int64_t) numbers;

static void arrays(void **state)
{
    (void)state;
    numbers a = {0}, b = {0};
    for (int64_t k = 0; k < 1000; k++)
        hone_vec_push(&a, k);
    assert_int_equal(a.n, 1000);
    while (a.n < a.cap || a.n == 1000) /* its own first element, also when it moves */
        hone_vec_push(&a, a.v[0] + a.v[1]);
    for (int64_t k = 0; k < 1000; k++)
        assert_int_equal(a.v[k], k);
    hone_vec_copy(&b, &a);
    assert_int_equal(b.n, a.n);
    assert_memory_equal(b.v, a.v, a.n * sizeof *a.v);
    hone_vec_reserve(&b, 0);
    numbers empty = {0};
    hone_vec_copy(&b, &empty);
    assert_int_equal(b.n, 0);
    hone_vec_free(&a);
    hone_vec_free(&a);
    assert_null(a.v);
    hone_vec_free(&b);
    hone_vec_free(&empty);
}

static void text(void **state)
{
    (void)state;
    hone_buf b = {0};
    char *taken = hone_buf_take(&b);
    assert_string_equal(taken, ""); /* never NULL */
    free(taken);
    hone_buf_add(&b, "a\0b", 3);
    assert_int_equal(b.n, 3);
    assert_memory_equal(b.s, "a\0b", 4);
    hone_buf_reset(&b);
    assert_string_equal(b.s, "");
    /* every length around the sizes it grows at */
    for (int n = 0; n < 600; n++) {
        hone_buf_reset(&b);
        hone_buf_printf(&b, "%*d", n, 7);
        assert_int_equal(b.n, n ? n : 1);
        assert_int_equal(strlen(b.s), b.n);
        assert_true(b.s[b.n - 1] == '7');
    }
    hone_buf_puts(&b, "");
    hone_buf_add(&b, NULL, 0);
    size_t before = b.n;
    for (int k = 0; k < 10000; k++)
        hone_buf_puts(&b, "0123456789");
    assert_int_equal(b.n, before + 100000);
    taken = hone_buf_take(&b);
    assert_null(b.s);
    assert_int_equal(strlen(taken), before + 100000);
    assert_true(malloc_usable_size(taken) <
                before + 100000 + 8192); /* what was ahead is given back */
    free(taken);
}

static void nothing_asked(void **state)
{
    (void)state;
    void *p = hone_xmalloc(0), *q = hone_xcalloc(0, 0);
    assert_non_null(p);
    assert_non_null(q);
    p = hone_xrealloc(p, 0);
    assert_non_null(p);
    free(p);
    free(q);
    char *s = hone_xasprintf("%s-%d", "x", 3);
    assert_string_equal(s, "x-3");
    free(s);
}

static void ask_too_much(void)
{
    volatile size_t all = SIZE_MAX / 2;
    char *p = hone_xmalloc(all);
    p[0] = 1;
}

static void ask_in_product(void)
{
    volatile size_t half = SIZE_MAX / 2;
    char *p = hone_xcalloc(half, 16); /* more than a size_t holds */
    p[0] = 1;
}

static void grow_too_far(void)
{
    numbers a = {.v = NULL, .n = UINT32_MAX / 2, .cap = UINT32_MAX / 2};
    hone_vec_reserve(&a, 10);
}

static void bug(void)
{
    HONE_ASSERT(1 + 1 == 3);
}

static void warn_as_device(void)
{
    hone_log_set_name("hone-device");
    hone_log(HONE_LOG_WARN, "it is hot");
}

/* What a program is called stands before its lines. */
static void log_has_a_name(void **state)
{
    (void)state;
    char text[400];
    assert_int_equal(in_child(warn_as_device, text, sizeof text), 0);
    assert_string_equal(text, "hone-device: warning: it is hot\n");
}

/* One line and exit code 1, as base.h says; a bug aborts, in every build. */
static void ends(void **state)
{
    (void)state;
    char text[400];
#if !defined __SANITIZE_ADDRESS__ && \
    !defined __SANITIZE_THREAD__ /* their malloc aborts by itself */
    assert_int_equal(in_child(ask_too_much, text, sizeof text), 1);
    assert_string_equal(text, "hone: out of memory: 9223372036854775807 bytes were wanted\n");
    assert_int_equal(in_child(ask_in_product, text, sizeof text), 1);
    assert_string_equal(text,
                        "hone: out of memory: 9223372036854775807 times 16 bytes were wanted\n");
#else
    (void)ask_too_much;
    (void)ask_in_product;
#endif
    assert_int_equal(in_child(grow_too_far, text, sizeof text), -SIGABRT);
    assert_int_equal(in_child(bug, text, sizeof text), -SIGABRT);
    assert_non_null(strstr(text, "1 + 1 == 3"));
    assert_non_null(strstr(text, "test_memory.c"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arrays), cmocka_unit_test(text),           cmocka_unit_test(nothing_asked),
        cmocka_unit_test(ends),   cmocka_unit_test(log_has_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
