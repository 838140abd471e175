/* Programs that primitives on buffers made, compiled: against the interpreter. */
#include "codegen_test.h"

#include "space/prim/prim.h"

static const char product[] =
    "program product {\n"
    "  buffer A: f32[23, 31] input\n  buffer B: f32[31, 45] input\n  buffer D: f32[23, 45] output\n"
    "  buffer C: f32[23, 45]\n"
    "  for i in 23 { for j in 45 { for k in 31 {\n"
    "    block C(vi: 23 = i, vj: 45 = j, reduce vk: 31 = k) {\n"
    "      init 0.0\n      C[vi, vj] = C[vi, vj] + A[vi, vk] * B[vk, vj] } } } }\n"
    "  for i in 23 { for j in 45 { block D(vi: 23 = i, vj: 45 = j) {\n"
    "    D[vi, vj] = max(C[vi, vj], 0.0) } } }\n}\n";

static const char window[] =
    "program window {\n"
    "  buffer X: f32[40] input\n  buffer Y: f32[40] output\n"
    "  for i in 40 { for k in 5 { block Y(v: 40 = i, reduce r: 5 = k) {\n"
    "    init 0.0\n"
    "    Y[v] = Y[v] + select(1 < v + r and v + r < 42, X[v + r - 2], 0.0) } } }\n}\n";

static const char fold[] = "program fold {\n"
                           "  buffer X: f32[30, 7] input\n  buffer Y: f32[11, 90] output\n"
                           "  for i in 11 { for j in 90 { block Y(vi: 11 = i, vj: 90 = j) {\n"
                           "    Y[vi, vj] = X[(vi + vj // 3) % 30, vj * vi % 7] } } }\n}\n";

static hone_stmt block(const hone_program *p, const char *name)
{
    hone_stmt b = hone_block_find(p, name);
    assert_true(b.i);
    return b;
}

static hone_stmt loop(const hone_program *p, const char *name, unsigned k)
{
    hone_stmt loops[16];
    assert_true(hone_loops_of(p, block(p, name), loops, 16) > k);
    return loops[k];
}

static void done(hone_status s, const hone_error *err)
{
    if (s != HONE_OK)
        fail_msg("%s: %s", hone_status_name(s), err->message);
}

/* As it is, and with the block's innermost loop vectorised. */
static void check_scheduled(hone_program *p, const char *vectorised)
{
    hone_error err;
    check_program(p, &(run_options){0});
    check_program(p, &(run_options){.emit = {.plain = true}});
    hone_stmt loops[16];
    unsigned n = hone_loops_of(p, block(p, vectorised), loops, 16);
    done(hone_prim__set_loop_kind(p, loops[n - 1], HONE_VECTORIZED, &err), &err);
    check_program(p, &(run_options){0});
    hone_program_fini(p);
}

static void reindexed(void **state)
{
    (void)state;
    hone_error err;
    hone_stmt ret;
    hone_program p = parse_text(window);
    done(hone_prim__reindex(&p, block(&p, "Y"), 0, false, &ret, &err), &err);
    check_scheduled(&p, "X_reindex");
    p = parse_text(product);
    done(hone_prim__reindex(&p, block(&p, "C"), 1, false, &ret, &err), &err);
    done(hone_prim__reindex(&p, block(&p, "C"), 0, true, &ret, &err), &err);
    check_scheduled(&p, "C_reindex");
}

static void reindexed_caches(void **state)
{
    (void)state;
    hone_error err;
    hone_stmt ret;
    hone_program p = parse_text(product);
    const char *map = "lambda i, j, k: (j // 16, k, j % 16)";
    done(hone_prim__reindex_cache_read(&p, block(&p, "C"), 1, map, HONE_SHARED, &ret, &err), &err);
    map = "lambda i, j, k: (j, i // 4, i % 4)";
    done(hone_prim__reindex_cache_write(&p, block(&p, "C"), map, HONE_GLOBAL, &ret, &err), &err);
    check_scheduled(&p, "B_shared");
}

static void indexed(void **state)
{
    (void)state;
    hone_error err;
    hone_stmt ret[8];
    unsigned n;
    hone_program p = parse_text(fold);
    done(hone_prim__cache_index(&p, block(&p, "Y"), HONE_GLOBAL, 1, ret, 8, &n, &err), &err);
    assert_int_equal(n, 2);
    check_scheduled(&p, "Y");
}

static void in_place(void **state)
{
    (void)state;
    hone_error err;
    hone_stmt init, ret[2];
    hone_program p = parse_text(product);
    done(hone_prim__decompose_reduction(&p, block(&p, "C"), loop(&p, "C", 0), &init, &err), &err);
    done(hone_prim__cache_inplace(&p, block(&p, "C"), 0, HONE_SHARED_DYN, ret, &err), &err);
    check_scheduled(&p, "C_shared_dyn");
}

static void at_loops(void **state)
{
    (void)state;
    hone_error err;
    hone_stmt ret;
    hone_program p = parse_text(product);
    done(hone_prim__read_at(&p, loop(&p, "C", 1), block(&p, "C"), 1, HONE_LOCAL, &ret, &err), &err);
    done(hone_prim__read_at(&p, loop(&p, "C", 0), block(&p, "C"), 0, HONE_GLOBAL, &ret, &err),
         &err);
    done(hone_prim__write_at(&p, loop(&p, "C", 0), block(&p, "C"), HONE_LOCAL, &ret, &err), &err);
    check_scheduled(&p, "C_local");
}

static void chosen_consumers(void **state)
{
    (void)state;
    hone_error err;
    hone_stmt ret;
    hone_program p = parse_text(product);
    hone_stmt d = block(&p, "D");
    done(hone_prim__cache_write_for(&p, block(&p, "C"), &d, 1, HONE_GLOBAL, &ret, &err), &err);
    check_scheduled(&p, "D");
}

/* Rows of a temporary that is 64 wide lie 64 + 16 apart, those of a plane 8 more than a multiple of
 * 512; and the kernel still computes the same. */
static void aligned(void **state)
{
    (void)state;
    const char *text = "program pad {\n"
                       "  buffer A: f32[5, 33, 64] input\n  buffer C: f32[5, 64, 33] output\n"
                       "  buffer T: f32[5, 33, 64]\n"
                       "  for b in 5 { for i in 33 { for j in 64 {\n"
                       "    block T(vb: 5 = b, vi: 33 = i, vj: 64 = j) {\n"
                       "      T[vb, vi, vj] = A[vb, vi, vj] + 1.0 } } } }\n"
                       "  for b in 5 { for j in 64 { for i in 33 {\n"
                       "    block C(vb: 5 = b, vj: 64 = j, vi: 33 = i) {\n"
                       "      C[vb, vj, vi] = T[vb, vi, vj] } } } }\n}\n";
    hone_error err;
    hone_program p = parse_text(text);
    done(hone_prim__storage_align(&p, block(&p, "T"), 1, 80, 0, &err), &err);
    done(hone_prim__storage_align(&p, block(&p, "T"), 0, 512, 8, &err), &err);
    /* 33 rows of 80 are 2640; the next that is 8 more than a multiple of 512 is 3080. */
    hone_buf b = {0};
    hone_program_print(&p, &b);
    char *ll = emit_text(b.s, HONE_EMIT_LLVM);
    assert_non_null(strstr(ll, "i64 61632)")); /* 5 * 3080 floats, to a multiple of 64 bytes */
    free(ll);
    ll = emit_text(text, HONE_EMIT_LLVM);
    assert_non_null(strstr(ll, "i64 42240)")); /* 5 * 33 * 64 floats */
    free(ll);
    hone_buf_free(&b);
    check_scheduled(&p, "T");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reindexed), cmocka_unit_test(reindexed_caches),
        cmocka_unit_test(indexed),   cmocka_unit_test(in_place),
        cmocka_unit_test(at_loops),  cmocka_unit_test(chosen_consumers),
        cmocka_unit_test(aligned),
    };
    return cmocka_run_group_tests(tests, setup_codegen, teardown_codegen);
}
