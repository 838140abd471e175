/* Whatever walks expressions takes as many steps as there are expressions, not paths to them. Here
 * there are 2^150 paths and more: what follows one after the other never ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "ir/interp.h"
#include "tests/ir/graph.h"

#define STEPS 150

static hone_program parsed(const char *text)
{
    hone_program p;
    hone_error err;
    if (hone_program_parse(text, strlen(text), &p, &err) != HONE_OK ||
        hone_verify(&p, &err) != HONE_OK)
        fail_msg("%s\n%s", err.message, text);
    return p;
}

static hone_program graph(const graph_kind *kind)
{
    char *text = graph_text(kind, STEPS);
    hone_program p = parsed(text);
    free(text);
    return p;
}

static hone_stmt leaf_of(const hone_program *p)
{
    return hone_writer_of(p, hone_buffer_find(p, "C"));
}

typedef struct visits {
    bool *seen;
    unsigned n, again;
} visits;

static bool visit(void *ctx, const hone_program *p, hone_expr e)
{
    visits *v = ctx;
    (void)p;
    v->again += v->seen[e.i];
    v->seen[e.i] = true;
    v->n++;
    return true;
}

static unsigned count_nodes(const hone_program *p, hone_expr e)
{
    visits v = {.seen = hone_xcalloc(p->exprs.n, sizeof *v.seen)};
    hone_walk(p, e, visit, &v);
    assert_int_equal(v.again, 0);
    free(v.seen);
    return v.n;
}

static hone_expr count(void *ctx, hone_program *p, hone_expr e)
{
    (void)p;
    ++*(unsigned *)ctx;
    return e;
}

static void walks(void **state)
{
    (void)state;
    for (unsigned k = 0; k < HONE_LEN(graph_kinds); k++) {
        hone_program p = graph(&graph_kinds[k]);
        hone_stmt leaf = leaf_of(&p);
        hone_expr value = hone_stmt_at(&p, leaf)->value;
        unsigned nodes = count_nodes(&p, value), n = 0;
        assert_in_range(nodes, STEPS, 12 * STEPS);
        assert_int_equal(hone_rewrite(&p, value, count, &n).i, value.i);
        assert_in_range(n, nodes, 2 * nodes + 50);
        /* a buffer with the bit of A in expressions, so that the answer needs a walk */
        hone_buffer twin = HONE_NO_BUFFER;
        int64_t shape = 8;
        while (twin.i % 16 != 1 || twin.i == 1)
            twin = hone_buffer_new(&p, "X", HONE_F32, &shape, 1, HONE_TEMP, HONE_GLOBAL);
        assert_true(hone_uses_buffer(&p, value, hone_buffer_find(&p, "A")));
        assert_false(hone_uses_buffer(&p, value, twin));
        hone_var v = hone_iter_at(&p, leaf, 0)->var, w = hone_var_new(&p, "w", 8);
        hone_expr of_v = hone_var_expr(&p, v), of_w = hone_var_expr(&p, w);
        hone_expr moved = hone_substitute(&p, value, &v, &of_w, 1);
        assert_false(hone_uses_var(&p, moved, v));
        assert_int_equal(hone_substitute(&p, moved, &w, &of_v, 1).i, value.i);
        hone_program_fini(&p);
    }
}

static void questions(void **state)
{
    (void)state;
    for (unsigned k = 0; k < HONE_LEN(graph_kinds); k++) {
        hone_program p = graph(&graph_kinds[k]);
        hone_stmt leaf = leaf_of(&p), readers[2];
        hone_expr value = hone_stmt_at(&p, leaf)->value, loads[4];
        int64_t lo, hi;
        assert_int_equal(hone_block_loads(&p, leaf, loads, 4), 1);
        assert_int_equal(hone_readers_of(&p, hone_buffer_find(&p, "A"), readers, 2), 1);
        assert_int_equal(hone_readers_of(&p, hone_buffer_find(&p, "unused"), readers, 2), 0);
        assert_true(hone_program_hash(&p) != 0);
        hone_bounds(&p, value, &lo, &hi);
        hone_expr simple = hone_simplify(&p, value);
        assert_true(simple.i != 0);
        /* as written: 2^150 operations are more than can be counted, and said to be so */
        assert_true(hone_program_flops(&p) > 1 << 30 || hone_expr_dtype(&p, value) == HONE_BOOL);
        hone_program_fini(&p);
    }
}

static char *print(const hone_program *p)
{
    hone_buf out = {0};
    hone_program_print(p, &out);
    return out.s;
}

static void texts(void **state)
{
    (void)state;
    for (unsigned k = 0; k < HONE_LEN(graph_kinds); k++) {
        hone_program p = graph(&graph_kinds[k]);
        unsigned nodes = count_nodes(&p, hone_stmt_at(&p, leaf_of(&p))->value);
        char *text = print(&p);
        assert_in_range(strlen(text), STEPS, 40 * nodes);
        hone_program q = parsed(text);
        char *again = print(&q);
        assert_string_equal(text, again);
        assert_true(hone_program_hash(&p) == hone_program_hash(&q));
        free(text);
        free(again);
        hone_program_fini(&p);
        hone_program_fini(&q);
    }
}

/* Nothing but the height: more than the parser takes in one expression. */
static void high(void **state)
{
    (void)state;
    static const graph_kind tower = {"tower", "f32", "@ * 0.5 + 1.0"};
    hone_program p = graph(&tower);
    assert_int_equal(hone_expr_at(&p, hone_stmt_at(&p, leaf_of(&p))->value)->height, 2 * STEPS + 1);
    char *text = print(&p);
    hone_program q = parsed(text);
    assert_true(hone_program_hash(&p) == hone_program_hash(&q));
    free(text);
    hone_program_fini(&p);
    hone_program_fini(&q);
    text = graph_text(&tower, HONE_MAX_HEIGHT / 2 + 1);
    hone_error err;
    assert_int_equal(hone_program_parse(text, strlen(text), &p, &err), HONE_E_LIMIT);
    assert_non_null(strstr(err.message, "4000 of these within one another"));
    free(text);
}

static void run(const hone_program *p, double ret[8])
{
    hone_dtype t = (hone_dtype)hone_buffer_at(p, hone_buffer_find(p, "C"))->dtype;
    uint64_t a[8] = {0}, c[8] = {0};
    float unused[8] = {0};
    hone_error err;
    for (int k = 0; k < 8; k++)
        hone_elem_set(t, a, k, t == HONE_BOOL ? k % 2 : hone_dtype_is_float(t) ? k / 8.0 : k);
    if (hone_interp_run(p, (void *[]){a, unused, c}, &err) != HONE_OK)
        fail_msg("%s", err.message);
    for (int k = 0; k < 8; k++)
        ret[k] = hone_elem_get(t, c, k);
}

static unsigned code_of(const hone_program *p)
{
    hone_interp in;
    unsigned n = 0;
    hone_interp__compile(&in, p);
    for (uint32_t k = 0; k < in.nodes.n; k++)
        n += in.nodes.v[k].code.n;
    hone_interp__free(&in);
    return n;
}

/* In one block and in as many as there are steps, the results are the same, and the code as long.
 */
static void results(void **state)
{
    (void)state;
    for (unsigned k = 0; k <= HONE_LEN(graph_kinds); k++) {
        const graph_kind *kind = k < HONE_LEN(graph_kinds) ? &graph_kinds[k] : &graph_hidden;
        char *text = graph_text_apart(kind, STEPS);
        hone_program p = graph(kind), apart = parsed(text);
        unsigned nodes = count_nodes(&p, hone_stmt_at(&p, leaf_of(&p))->value);
        double one[8], many[8];
        free(text);
        run(&p, one);
        run(&apart, many);
        for (int i = 0; i < 8; i++)
            if (one[i] != many[i])
                fail_msg("%s[%d] is %.9g, not %.9g", kind->name, i, one[i], many[i]);
        assert_in_range(code_of(&p), STEPS, 10 * nodes);
        hone_program_fini(&p);
        hone_program_fini(&apart);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(walks), cmocka_unit_test(questions), cmocka_unit_test(texts),
        cmocka_unit_test(high),  cmocka_unit_test(results),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
