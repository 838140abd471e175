/* `fast` before a function: read, printed, hashed, carried through rewriting, verified, of the same
 * meaning, and given its own bound by the oracle. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "ir/interp.h"
#include "ir/oracle.h"

#include <math.h>

enum { N = 4 };

static hone_status parse(const char *value, hone_program *p, hone_error *err)
{
    char *text = hone_xasprintf("kernel k(N = %d) { input A: f32[N]; input fast: f32[N]\n"
                                "output C: f32[N]\n C[i] = %s }",
                                N, value);
    hone_status st = hone_workload_parse("test", text, strlen(text), NULL, NULL, 0, p, err);
    free(text);
    return st;
}

static hone_program of(const char *value)
{
    hone_program p;
    hone_error err;
    if (parse(value, &p, &err) != HONE_OK)
        fail_msg("%s", err.message);
    return p;
}

/* The value as program text has it, which must read back as the same program. */
static void prints_as(const char *value, const char *want)
{
    hone_program p = of(value), q;
    hone_error err;
    hone_buf text = {0}, again = {0};
    hone_program_print(&p, &text);
    if (!strstr(text.s, want))
        fail_msg("no %s in\n%s", want, text.s);
    if (hone_program_parse(text.s, text.n, &q, &err) != HONE_OK)
        fail_msg("%s", err.message);
    hone_program_print(&q, &again);
    assert_string_equal(text.s, again.s);
    assert_true(hone_program_hash(&p) == hone_program_hash(&q));
    assert_int_equal(hone_verify(&q, &err), HONE_OK);
    hone_buf_free(&text);
    hone_buf_free(&again);
    hone_program_fini(&p);
    hone_program_fini(&q);
}

static void text(void **state)
{
    (void)state;
    prints_as("fast exp(A[i])", "= fast exp(A[vi])");
    prints_as("fast exp(A[i]) + exp(A[i])", "= fast exp(A[vi]) + exp(A[vi])");
    prints_as("fast tanh(fast sigmoid(fast erf(A[i])))",
              "= fast tanh(fast sigmoid(fast erf(A[vi])))");
    /* a name like any other where no call follows */
    prints_as("fast[i] + exp(fast[i])", "= fast[vi] + exp(fast[vi])");
    prints_as("fast exp(fast[i])", "= fast exp(fast[vi])");
}

static void refusals(void **state)
{
    (void)state;
    static const char *const values[] = {
        "fast sqrt(A[i])",    "fast log(A[i])",      "fast f32(A[i])", "fast max(A[i], 0)",
        "fast nothing(A[i])", "fast fast exp(A[i])", "fast sin(A[i])"};
    for (size_t k = 0; k < HONE_LEN(values); k++) {
        hone_program p;
        hone_error err;
        if (parse(values[k], &p, &err) != HONE_E_INPUT || err.line != 3)
            fail_msg("'%s' was accepted", values[k]);
    }
    hone_program p;
    hone_error err;
    assert_int_equal(parse("fast sqrt(A[i])", &p, &err), HONE_E_INPUT);
    assert_non_null(strstr(err.message, "'sqrt' has no fast form"));
    assert_int_equal(parse("fast exp(A[i], A[i])", &p, &err), HONE_E_INPUT);
    assert_non_null(strstr(err.message, "exp takes 1 arguments"));
}

static void hash(void **state)
{
    (void)state;
    hone_program p = of("exp(A[i])"), q = of("fast exp(A[i])");
    assert_true(hone_program_hash(&p) != hone_program_hash(&q));
    hone_program_fini(&p);
    hone_program_fini(&q);
}

static hone_expr value_of(const hone_program *p)
{
    return hone_stmt_at(p, hone_block_find(p, "C"))->value;
}

static void rewriting(void **state)
{
    (void)state;
    hone_program p = of("fast exp(A[i])");
    hone_expr e = value_of(&p);
    assert_true(hone_is_fast(&p, e));
    hone_var from = hone_iter_at(&p, hone_block_find(&p, "C"), 0)->var;
    hone_expr zero = hone_int(&p, 0), moved = hone_substitute(&p, e, &from, &zero, 1);
    assert_false(HONE_SAME(moved, e));
    assert_true(hone_is_fast(&p, moved));
    assert_true(HONE_SAME(hone_fast(&p, moved), moved));
    /* what has no such form stays */
    hone_expr load = hone_expr_arg(&p, e, 0), root = hone_unary(&p, HONE_OP_SQRT, load);
    assert_true(HONE_SAME(hone_fast(&p, root), root));
    assert_true(HONE_SAME(hone_fast(&p, load), load));
    assert_false(hone_is_fast(&p, load));
    hone_program_fini(&p);
}

static void damage(void **state)
{
    (void)state;
    hone_error err;
    hone_program p = of("fast exp(A[i]) + sqrt(A[i])");
    assert_int_equal(hone_verify(&p, &err), HONE_OK);
    hone_expr sum = value_of(&p);
    for (unsigned k = 0; k < 2; k++) {
        hone_program q = {0};
        hone_program_copy(&q, &p);
        q.exprs.v[hone_expr_arg(&p, sum, k).i].sym = k ? 1 : 2;
        assert_int_equal(hone_verify(&q, &err), HONE_E_INPUT);
        assert_non_null(strstr(err.message, "has no fast form"));
        hone_program_fini(&q);
    }
    hone_program_fini(&p);
}

/* What the interpreter makes of it, and the oracle's bound. */
static void run(const char *value, float *ret, double *ret_error)
{
    hone_program p = of(value), o = {0};
    hone_error err;
    float a[N] = {-3, 0.5F, 1, 80}, fast[N] = {0};
    double v[N], quantum[1] = {0};
    void *args[] = {a, fast, ret}, *oracle_args[] = {a, fast, quantum, v, ret_error};
    assert_int_equal(hone_interp_run(&p, args, &err), HONE_OK);
    assert_int_equal(hone_oracle_make(&p, &o, &err), HONE_OK);
    assert_int_equal(hone_program_n_args(&o), HONE_LEN(oracle_args));
    assert_int_equal(hone_interp_run(&o, oracle_args, &err), HONE_OK);
    for (int k = 0; k < N; k++)
        assert_true(fabs(v[k] - exp((double)a[k])) <= 1e-12 * v[k]);
    hone_program_fini(&p);
    hone_program_fini(&o);
}

static void meaning(void **state)
{
    (void)state;
    const hone_function *f = hone_function_of(HONE_OP_EXP);
    float precise[N], fast[N];
    double bound[N], fast_bound[N];
    run("exp(A[i])", precise, bound);
    run("fast exp(A[i])", fast, fast_bound);
    assert_memory_equal(precise, fast, sizeof fast);
    for (int k = 0; k < N; k++)
        assert_true(fabs(fast_bound[k] / bound[k] - f->fast / f->precise) < 1e-6);
}

/* docs/ORACLE.md has the table as it is. */
static void documented(void **state)
{
    (void)state;
    char *text, fast[32];
    size_t n;
    hone_error err;
    unsigned rows = 0;
    if (hone_file_read(HONE_SOURCE_DIR "/docs/ORACLE.md", 1 << 20, &text, &n, &err) != HONE_OK)
        fail_msg("%s", err.message);
    for (int op = 1; op < HONE_OP_COUNT; op++) {
        const hone_function *f = hone_function_of((hone_op)op);
        if (!f)
            continue;
        snprintf(fast, sizeof fast, "%g", f->fast);
        char *row = hone_xasprintf("| %s | %g | %s | %g | %s |\n", hone_op_text(f->op), f->precise,
                                   f->fast > 0 ? fast : "-", f->wide, f->how);
        if (!strstr(text, row))
            fail_msg("docs/ORACLE.md has no row %s", row);
        rows++;
        free(row);
    }
    assert_int_equal(rows, 10);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text),       cmocka_unit_test(refusals), cmocka_unit_test(hash),
        cmocka_unit_test(rewriting),  cmocka_unit_test(damage),   cmocka_unit_test(meaning),
        cmocka_unit_test(documented),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
