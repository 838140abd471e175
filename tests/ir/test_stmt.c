/* The statement tree: links, walks, removal, rewriting, annotations. Shapes are written as text:
 * l(x y) is the loop l around x and y. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "ir/ir.h"

static hone_program prog;
static hone_program *P = &prog;
static hone_stmt i, j, a, b;

static void check(const char *want);

/* root(i(j(a) b)) */
static int setup(void **state)
{
    (void)state;
    hone_program_init(P, "test");
    i = hone_loop_new(P, "i", 4);
    j = hone_loop_new(P, "j", 8);
    a = hone_block_new(P, "a");
    b = hone_block_new(P, "b");
    hone_stmt_append(P, P->root, i);
    hone_stmt_append(P, i, b);
    hone_stmt_prepend(P, i, j);
    hone_stmt_append(P, j, a);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    hone_program_fini(P);
    return 0;
}

#define same(x, y) assert_int_equal((x).i, (y).i)

static void put(hone_stmt s, hone_buf *out)
{
    const hone_stmt_row *row = hone_stmt_at(P, s);
    hone_buf_puts(out, hone_sym_text(P, row->name));
    if (!row->first.i)
        return;
    hone_stmt last = HONE_NO_STMT;
    for (hone_stmt c = row->first; c.i; c = hone_stmt_at(P, c)->next) {
        hone_buf_puts(out, last.i ? " " : "(");
        put(c, out);
        same(hone_stmt_at(P, c)->parent, s);
        same(hone_stmt_at(P, c)->prev, last);
        last = c;
    }
    same(row->last, last);
    hone_buf_puts(out, ")");
}

static void check(const char *want)
{
    hone_buf out = {0};
    put(P->root, &out);
    assert_string_equal(out.s, want);
    hone_buf_free(&out);
}

static void linking(void **state)
{
    (void)state;
    check("root(i(j(a) b))");
    hone_stmt x = hone_loop_new(P, "x", 2), y = hone_loop_new(P, "y", 2);
    hone_stmt_insert_after(P, j, x);
    hone_stmt_insert_before(P, j, y);
    check("root(i(y j(a) x b))");
    hone_stmt_detach(P, j);
    check("root(i(y x b))");
    hone_stmt_replace(P, x, j);
    check("root(i(y j(a) b))");
    hone_stmt_append(P, j, x);
    hone_stmt_detach(P, y);
    hone_stmt_insert_after(P, b, y);
    check("root(i(j(a x) b y))");
    hone_stmt_detach(P, y); /* the last */
    check("root(i(j(a x) b))");
    hone_stmt_detach(P, a); /* the first */
    check("root(i(j(x) b))");
}

static void walking(void **state)
{
    (void)state;
    hone_stmt seen[8];
    unsigned n = 0;
    for (hone_stmt s = P->root; s.i; s = hone_next(P, P->root, s))
        seen[n++] = s;
    assert_int_equal(n, 5);
    same(seen[2], j);
    same(seen[3], a);
    same(seen[4], b);
    same(hone_next(P, j, a), HONE_NO_STMT); /* stays within j */
    same(hone_next_skip(P, P->root, j), b);
    same(hone_next_skip(P, j, j), HONE_NO_STMT);
    hone_stmt loops[4];
    assert_int_equal(hone_loops_of(P, a, loops, 4), 2);
    same(loops[0], i);
    same(loops[1], j);
    assert_int_equal(hone_loops_of(P, a, loops, 1), 2);
    same(loops[0], i);
    assert_int_equal(hone_loops_of(P, P->root, loops, 4), 0);
    same(hone_lca(P, a, b), i);
    same(hone_lca(P, a, j), j);
    same(hone_lca(P, a, P->root), P->root);
    assert_true(hone_is_ancestor(P, i, a));
    assert_true(hone_is_ancestor(P, a, a));
    assert_false(hone_is_ancestor(P, j, b));
    same(hone_block_find(P, "b"), b);
    same(hone_block_find(P, "j"), HONE_NO_STMT); /* a loop */
}

static void removing(void **state)
{
    (void)state;
    hone_stmt_prune(P, a); /* j would be empty, i not */
    check("root(i(b))");
    assert_int_equal(hone_stmt_at(P, a)->kind, HONE_STMT_FREE);
    assert_int_equal(hone_stmt_at(P, j)->kind, HONE_STMT_FREE);
    same(hone_block_find(P, "a"), HONE_NO_STMT);
    hone_stmt again = hone_block_new(P, "a"), third = hone_block_new(P, "a");
    assert_string_equal(hone_sym_text(P, hone_stmt_at(P, again)->name), "a");
    assert_string_equal(hone_sym_text(P, hone_stmt_at(P, third)->name), "a_1");
    hone_stmt_append(P, P->root, again);
    hone_stmt_remove(P, i);
    check("root(a)");
    assert_int_equal(hone_stmt_at(P, b)->kind, HONE_STMT_FREE);
    hone_stmt_prune(P, again);
    check("root");
}

static void iterators_and_stores(void **state)
{
    (void)state;
    int64_t shape[] = {4, 8};
    hone_buffer A = hone_buffer_new(P, "A", HONE_F32, shape, 2, HONE_INPUT, HONE_GLOBAL);
    hone_buffer C = hone_buffer_new(P, "C", HONE_F32, shape, 2, HONE_OUTPUT, HONE_GLOBAL);
    hone_expr ei = hone_var_expr(P, hone_stmt_at(P, i)->var);
    hone_expr ej = hone_var_expr(P, hone_stmt_at(P, j)->var);
    hone_var vi = hone_block_add_iter(P, a, "vi", HONE_SPATIAL, 4, ei);
    hone_var vj = hone_block_add_iter(P, a, "vj", HONE_REDUCE, 8, ej);
    same(hone_var_at(P, vj)->owner, a);
    same(hone_var_at(P, hone_stmt_at(P, j)->var)->owner, j);
    assert_int_equal(hone_loop_extent(P, j), 8);
    hone_expr index[] = {hone_var_expr(P, vi), hone_var_expr(P, vj)};
    hone_expr load = hone_load(P, A, index, 2), zero = hone_const(P, HONE_F32, 0);
    hone_expr value = hone_binary(P, HONE_OP_ADD, hone_load(P, C, index, 2), load);
    hone_block_set_store(P, a, C, index, 2, value, zero);
    same(hone_store_index(P, a, 1), index[1]);
    hone_stmt_at(P, a)->where = hone_binary(P, HONE_OP_LT, ej, hone_int(P, 5));

    hone_var from = hone_stmt_at(P, j)->var;
    hone_expr to = hone_binary(P, HONE_OP_ADD, ei, hone_int(P, 1));
    hone_stmt_substitute(P, P->root, &from, &to, 1);
    same(hone_iter_at(P, a, 0)->binding, ei);
    same(hone_iter_at(P, a, 1)->binding, to);
    same(hone_stmt_at(P, a)->where, hone_binary(P, HONE_OP_LT, to, hone_int(P, 5)));

    /* iterators of another block, made from those of this one */
    hone_block_set_iters(P, b, hone_iter_at(P, a, 0), 2);
    assert_int_equal(hone_stmt_at(P, b)->n_iters, 2);
    same(hone_var_at(P, vi)->owner, b);
    hone_block_set_iters(P, b, hone_iter_at(P, b, 1), 1); /* overlapping */
    same(hone_iter_at(P, b, 0)->var, vj);
    same(hone_iter_at(P, a, 0)->var, vi); /* a's own rows are untouched */
    hone_block_set_store(P, b, A, P->args.v + hone_stmt_at(P, a)->index, 2, zero, HONE_NO_EXPR);
    same(hone_store_index(P, b, 1), index[1]);
}

static void annotations(void **state)
{
    (void)state;
    assert_null(hone_ann_get(P, i, "k"));
    hone_ann_set(P, i, "k", 3);
    hone_ann_set_text(P, i, "t", "text");
    hone_ann_set(P, j, "k", 5);
    assert_int_equal(hone_ann_get(P, i, "k")->value, 3);
    assert_string_equal(hone_sym_text(P, hone_ann_get(P, i, "t")->text), "text");
    hone_ann_set(P, i, "k", 4);
    assert_int_equal(hone_ann_get(P, i, "k")->value, 4);
    assert_int_equal(hone_ann_get(P, j, "k")->value, 5);
    assert_true(hone_ann_remove(P, i, "k"));
    assert_false(hone_ann_remove(P, i, "k"));
    assert_non_null(hone_ann_get(P, i, "t"));
    hone_ann_set(P, i, "t", 9); /* the text is gone */
    assert_int_equal(hone_ann_get(P, i, "t")->text.i, 0);
}

static void over_the_limit(void **state)
{
    (void)state;
    hone_stmt s = b;
    for (int k = 0; k < HONE_MAX_STMTS + 5; k++) {
        hone_stmt l = hone_loop_new(P, "l", 2);
        hone_stmt_insert_after(P, s.i ? s : b, l);
        s = l;
    }
    assert_true(P->overflow);
    same(s, HONE_NO_STMT);
    hone_block_add_iter(P, s, "v", HONE_SPATIAL, 2, hone_int(P, 0));
    hone_stmt_prune(P, s);
    hone_stmt_detach(P, s);
    same(hone_next(P, P->root, P->root), i); /* the tree is whole */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
        T(linking),     T(walking),        T(removing), T(iterators_and_stores),
        T(annotations), T(over_the_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
