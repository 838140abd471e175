/* Primitives on blocks whose values are graphs with far more paths than expressions, as inlining a
 * chain of stages makes them: what walks one path after the other never comes back. */
#include "tests/ir/graph.h"
#include "tests/space/prim_test.h"

#define STEPS 120

/* A chain of stages, all inlined into the last, which stands at C. */
static hone_program inlined(const graph_kind *kind)
{
    char *text = graph_text_apart(kind, STEPS);
    hone_program p = load_program(text);
    hone_error err;
    for (unsigned k = 0; k < STEPS; k++) {
        char name[16];
        snprintf(name, sizeof name, "b%u", k);
        if (hone_prim__compute_inline(&p, hone_block_find(&p, name), &err) != HONE_OK)
            fail_msg("%s: %s", kind->name, err.message);
    }
    free(text);
    return p;
}

static hone_stmt only_block(const hone_program *p)
{
    return hone_writer_of(p, hone_buffer_find(p, "C"));
}

static void inlining(void **state)
{
    (void)state;
    for (unsigned k = 0; k < HONE_LEN(graph_kinds); k++) {
        hone_program p = inlined(&graph_kinds[k]);
        char *text = graph_text(&graph_kinds[k], STEPS), why[400];
        hone_program q = load_program(text);
        check_sound(&p);
        if (!computes_same(&p, &q, why))
            fail_msg("%s: %s", graph_kinds[k].name, why);
        free(text);
        hone_program_fini(&p);
        hone_program_fini(&q);
    }
}

/* The other way round: each stage stores what the next would have made of it. */
static void reverse_inlining(void **state)
{
    (void)state;
    for (unsigned k = 0; k < HONE_LEN(graph_kinds); k++) {
        if (strchr(graph_kinds[k].step, '&') || strstr(graph_kinds[k].step, "A["))
            continue; /* reads two stages */
        char *text = graph_text_apart(&graph_kinds[k], STEPS), why[400];
        hone_program p = load_program(text), q = load_program(text);
        hone_error err;
        for (unsigned s = 1; s <= STEPS; s++) {
            char name[16];
            snprintf(name, sizeof name, "b%u", s);
            if (hone_prim__reverse_compute_inline(&p, hone_block_find(&p, name), &err) != HONE_OK)
                fail_msg("%s: %s", graph_kinds[k].name, err.message);
        }
        if (!computes_same(&p, &q, why))
            fail_msg("%s: %s", graph_kinds[k].name, why);
        free(text);
        hone_program_fini(&p);
        hone_program_fini(&q);
    }
}

/* What looks at loads, moves blocks, or asks what a block computes. */
static void primitives(void **state)
{
    (void)state;
    for (unsigned k = 0; k < HONE_LEN(graph_kinds); k++) {
        hone_program p = inlined(&graph_kinds[k]), before = copy_program(&p);
        hone_stmt b = only_block(&p), cache, copy, out[4], loops[4];
        hone_error err;
        unsigned n;
        char why[400];
        assert_int_equal(hone_prim__cache_index(&p, b, HONE_GLOBAL, 0, out, 4, &n, &err), HONE_OK);
        assert_int_equal(hone_prim__cache_write(&p, b, HONE_GLOBAL, &copy, &err), HONE_OK);
        assert_int_equal(hone_prim__cache_read(&p, b, 0, HONE_GLOBAL, &cache, &err), HONE_OK);
        assert_int_equal(
            hone_prim__transform_layout(&p, b, "lambda i: (i // 4, i % 4)", NULL, 0, &err),
            HONE_OK);
        assert_true(hone_loops_of(&p, copy, loops, 4) == 1);
        if (hone_prim__compute_at(&p, b, loops[0], &err) != HONE_OK)
            fail_msg("%s: %s", graph_kinds[k].name, err.message);
        assert_int_equal(hone_prim__skip_zeros(&p, b, &err), HONE_REJECT_ARG);
        check_sound(&p);
        if (!computes_same(&p, &before, why))
            fail_msg("%s: %s", graph_kinds[k].name, why);
        hone_program_fini(&p);
        hone_program_fini(&before);
    }
}

/* A sum of powers of two: a product of one factor, however many paths lead to it. */
static void products(void **state)
{
    (void)state;
    hone_buf text = {0};
    hone_buf_puts(&text, "program p { buffer A: f32[6, 5] input buffer C: f32[6] output\n"
                         "for i in 6 { for k in 5 { block b(v: 6 = i, reduce w: 5 = k) {\n"
                         "let t0 = A[v, w]\n");
    for (int k = 1; k < 100; k++)
        hone_buf_printf(&text, "let t%d = t%d * t%d\n", k, k - 1, k - 1);
    hone_buf_puts(&text, "init 0.0 C[v] = C[v] + t99 } } } }");
    hone_program p = load_program(text.s);
    hone_error err;
    int64_t padding[] = {4, 4};
    if (hone_prim__pad_einsum(&p, hone_block_find(&p, "b"), padding, 2, &err) != HONE_OK)
        fail_msg("%s", err.message);
    check_sound(&p);
    hone_program_fini(&p);
    hone_buf_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inlining),
        cmocka_unit_test(reverse_inlining),
        cmocka_unit_test(primitives),
        cmocka_unit_test(products),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
