/* One rule for constants of every dtype: in its range they take the nearest value it has, beyond it
 * they are an error that names the place and the bound; and names in quotes are text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "ir/ir.h"

#include <math.h>

static hone_status parse(const char *dtype, const char *value, hone_program *p, hone_error *err)
{
    static const hone_size sizes[] = {{"S", 70000}};
    char *text = hone_xasprintf("kernel k(S) {\n  output Y: %s[2]\n  Y[i] = %s\n}\n", dtype, value);
    hone_status s = hone_workload_parse("t.hone", text, strlen(text), NULL, sizes, 1, p, err);
    free(text);
    return s;
}

static const struct {
    const char *dtype, *value;
    const char *printed; /* in the program, when it fits */
    const char *message; /* when it does not */
} cases[] = {
    {"i8", "127", "127", NULL},
    {"i8", "-128", "-128", NULL},
    {"i8", "128", NULL, "128 does not fit i8, whose largest value is 127"},
    {"i8", "300", NULL, "300 does not fit i8, whose largest value is 127"},
    {"i8", "-129", NULL, "-129 does not fit i8, whose smallest value is -128"},
    {"i8", "i8(300)", NULL, "300 does not fit i8"},
    {"u8", "255", "255", NULL},
    {"u8", "256", NULL, "256 does not fit u8, whose largest value is 255"},
    {"u8", "-1", NULL, "-1 does not fit u8, whose smallest value is 0"},
    {"i16", "32767", "32767", NULL},
    {"i16", "S", NULL, "70000 does not fit i16, whose largest value is 32767"},
    {"i32", "2147483647", "2147483647", NULL},
    {"i32", "2147483648", NULL, "does not fit i32, whose largest value is 2147483647"},
    {"i64", "-9223372036854775808", "-9223372036854775808", NULL},
    {"i64", "9223372036854775808", NULL, "does not fit 64 bits"},
    {"f16", "65504", "65504.0", NULL},
    {"f16", "65519.0", "65504.0", NULL},
    {"f16", "-65519", "-65504.0", NULL},
    {"f16", "65520", NULL, "65520 does not fit f16, whose largest value is 65504"},
    {"f16", "65535", NULL, "65535 does not fit f16, whose largest value is 65504"},
    {"f16", "-65535.0", NULL, "-65535 does not fit f16, whose smallest value is -65504"},
    {"f16", "S", NULL, "70000 does not fit f16"},
    {"f16", "1 / S", NULL, "70000 does not fit f16"},
    {"f16", "f16(1e5)", NULL, "100000 does not fit f16"},
    {"f16", "f16(f32(S))", "inf", NULL},
    {"f16", "inf", "inf", NULL},
    {"f16", "-inf", "-inf", NULL},
    {"bf16", "3.39e38", "3.39e+38", NULL},
    {"bf16", "3.4e38", NULL,
     "3.4e+38 does not fit bf16, whose largest value is 3.3895313892515355e+38"},
    {"f32", "3.4028235e38", "3.4028235e+38", NULL},
    {"f32", "1e40", NULL, "1e+40 does not fit f32, whose largest value is 3.4028234663852886e+38"},
    {"f32", "-1e40", NULL, "-1e+40 does not fit f32, whose smallest value is -3.402823"},
    {"f32", "1e-50", "0.0", NULL},
    {"f64", "1e308", "1e+308", NULL},
    {"f64", "1e309", NULL,
     "1e309 does not fit f64, whose largest value is 1.7976931348623157e+308"},
};

static void constants(void **state)
{
    (void)state;
    for (size_t k = 0; k < HONE_LEN(cases); k++) {
        hone_program p;
        hone_error err = {0};
        hone_status s = parse(cases[k].dtype, cases[k].value, &p, &err);
        if (cases[k].message) {
            if (s != HONE_E_INPUT || !strstr(err.message, cases[k].message))
                fail_msg("%s %s: '%s'", cases[k].dtype, cases[k].value, err.message);
            assert_int_equal(err.line, 3);
            continue;
        }
        if (s != HONE_OK)
            fail_msg("%s %s: %s", cases[k].dtype, cases[k].value, err.message);
        hone_buf text = {0};
        hone_program_print(&p, &text);
        bool bare = strcmp(cases[k].dtype, "f32") == 0 || strcmp(cases[k].dtype, "i64") == 0 ||
                    strchr(cases[k].printed, '(');
        char *want = bare ? hone_xasprintf("Y[vi] = %s\n", cases[k].printed)
                          : hone_xasprintf("Y[vi] = %s(%s)\n", cases[k].dtype, cases[k].printed);
        if (!strstr(text.s, want))
            fail_msg("%s %s: not %s in\n%s", cases[k].dtype, cases[k].value, want, text.s);
        hone_program again;
        assert_int_equal(hone_program_parse(text.s, text.n, &again, &err), HONE_OK);
        assert_true(hone_program_hash(&again) == hone_program_hash(&p));
        free(want);
        hone_buf_free(&text);
        hone_program_fini(&p);
        hone_program_fini(&again);
    }
}

static void of_what_they_meet(void **state)
{
    (void)state;
    static const struct {
        const char *body, *message;
    } wrong[] = {
        {"input X: f16[2]; output Y: f16[2]; Y[i] = X[i] * 65535", "65535 does not fit f16"},
        {"input X: i8[2]; output Y: i8[2]; Y[i] = X[i] + 300", "300 does not fit i8"},
        {"input X: f32[2]; output Y: f32[2]; Y[i] = X[i] < 1e40 ? 1 : 2", "1e+40 does not fit f32"},
        {"input X: f32[2]; output Y: bool[2]; Y[i] = X[i] == 1e39", "1e+39 does not fit f32"},
    };
    for (size_t k = 0; k < HONE_LEN(wrong); k++) {
        char *text = hone_xasprintf("kernel k() {\n%s }", wrong[k].body);
        hone_program p;
        hone_error err = {0};
        if (hone_workload_parse("t", text, strlen(text), NULL, NULL, 0, &p, &err) != HONE_E_INPUT ||
            !strstr(err.message, wrong[k].message))
            fail_msg("%s: %s", text, err.message);
        free(text);
    }
}

static void quoted_names_are_text(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool good;
    } names[] = {{"a b", true},      {"\xc3\xa9", true},      {"\\xc3\\xa9", true},
                 {"\\x0a", true},    {"\xff", false},         {"\\xff", false},
                 {"a\xc3", false},   {"\xed\xa0\x80", false}, {"\\xc3", false},
                 {"\xe2\x82", false}};
    for (size_t k = 0; k < HONE_LEN(names); k++) {
        char *text = hone_xasprintf("kernel k() { output `%s`: f32[2]; `%s`[i] = 1 }",
                                    names[k].name, names[k].name);
        hone_program p;
        hone_error err = {0};
        hone_status s = hone_workload_parse("t", text, strlen(text), NULL, NULL, 0, &p, &err);
        if (s != (names[k].good ? HONE_OK : HONE_E_INPUT) ||
            (!names[k].good && !strstr(err.message, "not UTF-8")))
            fail_msg("%s: %s", text, err.message);
        if (s == HONE_OK)
            hone_program_fini(&p);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(constants),
        cmocka_unit_test(of_what_they_meet),
        cmocka_unit_test(quoted_names_are_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
