/* What blocks read and write: a tiled matmul, a padded convolution's index, random boxes. */
#include "tests/ir/expr_test.h"

/* A loop under `parent`; *ret is its variable. */
static hone_stmt loop(hone_stmt parent, const char *name, int64_t extent, hone_expr *ret)
{
    hone_stmt l = hone_loop_new(P, name, extent);
    hone_stmt_append(P, parent, l);
    *ret = hone_var_expr(P, hone_stmt_at(P, l)->var);
    return l;
}

static hone_buffer buffer(const char *name, hone_role role, unsigned n, const int64_t *shape)
{
    return hone_buffer_new(P, name, HONE_F32, shape, n, role, HONE_GLOBAL);
}

/* C[64, 96] = A[64, 32] * B[32, 96] in tiles: i0 j0 k0 i1 j1 k1, then C += 1 in place of relu. */
static struct {
    hone_buffer A, B, C, D;
    hone_stmt i0, j0, k0, i1, j1, k1, mm, relu;
    hone_expr vi0, vj0, vk0, vi1, vj1, vk1;
    hone_expr a_index[2], b_index[2], c_index[2], load_a, load_b, load_c;
} m;

static void matmul(void)
{
    m.A = buffer("A", HONE_INPUT, 2, (int64_t[]){64, 32});
    m.B = buffer("B", HONE_INPUT, 2, (int64_t[]){32, 96});
    m.C = buffer("C", HONE_TEMP, 2, (int64_t[]){64, 96});
    m.D = buffer("D", HONE_OUTPUT, 2, (int64_t[]){64, 96});
    m.i0 = loop(P->root, "i0", 8, &m.vi0);
    m.j0 = loop(m.i0, "j0", 6, &m.vj0);
    m.k0 = loop(m.j0, "k0", 4, &m.vk0);
    m.i1 = loop(m.k0, "i1", 8, &m.vi1);
    m.j1 = loop(m.i1, "j1", 16, &m.vj1);
    m.k1 = loop(m.j1, "k1", 8, &m.vk1);
    m.mm = hone_block_new(P, "mm");
    hone_stmt_append(P, m.k1, m.mm);
    hone_expr i = hone_var_expr(
        P, hone_block_add_iter(P, m.mm, "i", HONE_SPATIAL, 64, add(mul(m.vi0, 8), m.vi1)));
    hone_expr j = hone_var_expr(
        P, hone_block_add_iter(P, m.mm, "j", HONE_SPATIAL, 96, add(mul(m.vj0, 16), m.vj1)));
    hone_expr k = hone_var_expr(
        P, hone_block_add_iter(P, m.mm, "k", HONE_REDUCE, 32, add(mul(m.vk0, 8), m.vk1)));
    hone_expr ik[] = {i, k}, kj[] = {k, j}, ij[] = {i, j};
    m.load_a = hone_load(P, m.A, ik, 2);
    m.load_b = hone_load(P, m.B, kj, 2);
    m.load_c = hone_load(P, m.C, ij, 2);
    hone_block_set_store(P, m.mm, m.C, ij, 2, add(m.load_c, op(HONE_OP_MUL, m.load_a, m.load_b)),
                         hone_const(P, HONE_F32, 0));
    for (int d = 0; d < 2; d++) {
        m.a_index[d] = hone_bind(P, m.mm, ik[d]);
        m.b_index[d] = hone_bind(P, m.mm, kj[d]);
        m.c_index[d] = hone_bind(P, m.mm, ij[d]);
    }
    hone_expr x, y;
    hone_stmt ly = loop(loop(P->root, "x", 64, &x), "y", 96, &y);
    m.relu = hone_block_new(P, "relu");
    hone_stmt_append(P, ly, m.relu);
    hone_expr xy[] = {hone_var_expr(P, hone_block_add_iter(P, m.relu, "x", HONE_SPATIAL, 64, x)),
                      hone_var_expr(P, hone_block_add_iter(P, m.relu, "y", HONE_SPATIAL, 96, y))};
    hone_block_set_store(P, m.relu, m.D, xy, 2,
                         op(HONE_OP_MAX, hone_load(P, m.C, xy, 2), hone_const(P, HONE_F32, 0)),
                         HONE_NO_EXPR);
}

static void blocks(void **state)
{
    (void)state;
    matmul();
    hone_expr loads[4], operand;
    hone_op combiner;
    assert_int_equal(hone_block_loads(P, m.mm, loads, 4), 2);
    same(loads[0], m.load_a);
    same(loads[1], m.load_b);
    assert_true(hone_block_reduction(P, m.mm, &combiner, &operand));
    assert_int_equal(combiner, HONE_OP_ADD);
    same(operand, op(HONE_OP_MUL, m.load_a, m.load_b));
    assert_false(hone_block_reduction(P, m.relu, &combiner, &operand));
    assert_int_equal(hone_block_loads(P, m.relu, loads, 4), 1);
    same(hone_writer_of(P, m.C), m.mm);
    same(hone_writer_of(P, m.A), HONE_NO_STMT);
    hone_stmt who[4];
    assert_int_equal(hone_readers_of(P, m.C, who, 4), 1);
    same(who[0], m.relu);
    assert_int_equal(hone_readers_of(P, m.A, who, 0), 1);
    assert_int_equal(hone_readers_of(P, m.D, who, 4), 0);
    assert_int_equal(hone_program_flops(P), 2LL * 64 * 96 * 32 + 64 * 96);

    /* the old value on the right, and twice: the first is a reduction, the second is not */
    hone_stmt_row *row = hone_stmt_at(P, m.mm);
    hone_expr index[] = {hone_store_index(P, m.mm, 0), hone_store_index(P, m.mm, 1)};
    row->value = op(HONE_OP_MAX, m.load_a, m.load_c);
    assert_true(hone_block_reduction(P, m.mm, &combiner, &operand));
    same(operand, m.load_a);
    hone_expr twice = op(HONE_OP_ADD, m.load_c, op(HONE_OP_MUL, m.load_c, m.load_a));
    hone_block_set_store(P, m.mm, m.C, index, 2, twice, hone_const(P, HONE_F32, 0));
    assert_false(hone_block_reduction(P, m.mm, &combiner, &operand));
    hone_expr swapped[] = {index[1], index[0]};
    hone_expr other = op(HONE_OP_ADD, m.load_c, hone_load(P, m.C, swapped, 2));
    hone_block_set_store(P, m.mm, m.C, index, 2, other, hone_const(P, HONE_F32, 0));
    assert_int_equal(hone_readers_of(P, m.C, who, 4), 2); /* another element of its own buffer */
}

static void flops_of_values_only(void **state)
{
    (void)state;
    hone_buffer A = buffer("A", HONE_INPUT, 1, (int64_t[]){40});
    hone_buffer B = buffer("B", HONE_OUTPUT, 1, (int64_t[]){10});
    hone_expr x, v, zero = hone_const(P, HONE_F32, 0);
    hone_stmt l = loop(P->root, "x", 10, &x), s = hone_block_new(P, "s");
    hone_stmt_append(P, l, s);
    v = hone_var_expr(P, hone_block_add_iter(P, s, "v", HONE_SPATIAL, 10, x));
    hone_expr at = add(mul(v, 3), num(1)), load = hone_load(P, A, &at, 1);
    hone_expr c = op(HONE_OP_LT, add(v, num(2)), num(5));
    hone_expr sum = add(load, hone_cast(P, HONE_F32, add(v, num(1))));
    hone_expr value = hone_select(P, c, hone_unary(P, HONE_OP_EXP, sum), zero);
    hone_block_set_store(P, s, B, &v, 1, value, HONE_NO_EXPR);
    assert_int_equal(hone_program_flops(P), 2 * 10); /* exp and + */
}

static void box_is(hone_buffer b, const hone_expr *index, hone_stmt block, hone_stmt below,
                   const hone_expr *start, const int64_t *extent)
{
    hone_box box;
    assert_true(hone_access_box(P, b, index, block, below, &box));
    for (unsigned d = 0; d < hone_buffer_at(P, b)->n_dims; d++) {
        if (!HONE_SAME(box.start[d], start[d]) || box.extent[d] != extent[d]) {
            hone_buf t = {0};
            hone_expr_print(P, box.start[d], &t);
            fail_msg("dimension %u: start %s, extent %" PRId64, d, t.s, box.extent[d]);
        }
    }
}

static void tiles(void **state)
{
    (void)state;
    matmul();
    hone_expr zero = num(0);
    box_is(m.C, m.c_index, m.mm, m.k0, (hone_expr[]){mul(m.vi0, 8), mul(m.vj0, 16)},
           (int64_t[]){8, 16});
    box_is(m.A, m.a_index, m.mm, m.k0, (hone_expr[]){mul(m.vi0, 8), zero}, (int64_t[]){8, 32});
    box_is(m.A, m.a_index, m.mm, m.i1, (hone_expr[]){mul(m.vi0, 8), mul(m.vk0, 8)},
           (int64_t[]){8, 8});
    box_is(m.B, m.b_index, m.mm, m.k1, (hone_expr[]){mul(m.vk0, 8), hone_simplify(P, m.b_index[1])},
           (int64_t[]){8, 1});
    box_is(m.B, m.b_index, m.mm, HONE_NO_STMT, (hone_expr[]){zero, zero}, (int64_t[]){32, 96});
    box_is(m.C, m.c_index, m.mm, m.mm,
           (hone_expr[]){hone_simplify(P, m.c_index[0]), hone_simplify(P, m.c_index[1])},
           (int64_t[]){1, 1});
}

/* x outside, y inside, one dimension of 1000. */
static struct {
    hone_buffer b;
    hone_stmt lx, ly, s;
    hone_expr x, y;
} two;

static void two_loops(int64_t outer, int64_t inner)
{
    two.b = buffer("b", HONE_INPUT, 1, (int64_t[]){1000});
    two.lx = loop(P->root, "x", outer, &two.x);
    two.ly = loop(two.lx, "y", inner, &two.y);
    two.s = hone_block_new(P, "s");
    hone_stmt_append(P, two.ly, two.s);
}

static void one_box(hone_expr index, hone_expr start, int64_t extent)
{
    box_is(two.b, &index, two.s, two.ly, &start, &extent);
}

static void shapes_of_indices(void **state)
{
    (void)state;
    two_loops(10, 32);
    hone_expr x = two.x, y = two.y;
    one_box(quo(add(mul(x, 32), y), 16), mul(x, 2), 2);
    /* x even: 0..1 from there, x odd: 0..2 */
    one_box(quo(add(mul(x, 24), y), 16), hone_simplify(P, quo(mul(x, 3), 2)), 3);
    one_box(quo(add(mul(x, 5), y), 16), quo(mul(x, 5), 16), 3);
    one_box(quo(add(mul(x, 24), y), 8), mul(x, 3), 4);
    one_box(mod(add(x, y), 7), num(0), 7);
    one_box(mod(y, 7), num(0), 7);
    one_box(add(x, mod(y, 7)), x, 7);
    one_box(add(mul(x, 2), mul(y, 3)), mul(x, 2), 94);
    one_box(op(HONE_OP_SUB, mul(x, 2), y), op(HONE_OP_SUB, mul(x, 2), num(31)), 32);
    one_box(op(HONE_OP_SUB, add(x, y), num(1)), op(HONE_OP_SUB, x, num(1)), 32);
    /* a clamped index, as of padding */
    hone_expr clamped = op(HONE_OP_MAX, op(HONE_OP_SUB, add(mul(x, 2), y), num(3)), num(0));
    one_box(clamped, hone_simplify(P, op(HONE_OP_MAX, op(HONE_OP_SUB, mul(x, 2), num(3)), num(0))),
            32);
    one_box(mul(x, 100), mul(x, 100), 1);
    one_box(num(7), num(7), 1);
    /* too wide, or unknown: the whole buffer */
    one_box(mul(y, 40), num(0), 1000);
    int64_t shape[] = {1000};
    hone_buffer i64 = hone_buffer_new(P, "at", HONE_I64, shape, 1, HONE_INPUT, HONE_GLOBAL);
    hone_expr gather = hone_load(P, i64, &y, 1);
    hone_box box;
    assert_false(hone_access_box(P, two.b, &gather, two.s, two.ly, &box));
    same(box.start[0], num(0));
    assert_int_equal(box.extent[0], 1000);
    hone_expr part = mod(gather, 10);
    one_box(part, num(0), 10);
}

/* Every element an access touches lies in its box. */
static void random_boxes(void **state)
{
    (void)state;
    hone_rng rng;
    hone_rng_seed(&rng, 7);
    for (int round = 0; round < 1500; round++) {
        hone_program_fini(P);
        hone_program_init(P, "random");
        int64_t outer = 1 + (int64_t)hone_rng_below(&rng, 9);
        int64_t inner = 1 + (int64_t)hone_rng_below(&rng, 20);
        two_loops(outer, inner);
        hone_expr e = hone_rng_below(&rng, 2) ? two.x : two.y;
        for (uint64_t n = hone_rng_below(&rng, 7); n > 0; n--) {
            int64_t c = 1 + (int64_t)hone_rng_below(&rng, 12);
            hone_expr v = hone_rng_below(&rng, 2) ? two.x : two.y;
            switch (hone_rng_below(&rng, 8)) {
            case 0:
                e = quo(e, c);
                break;
            case 1:
                e = mod(e, 3 * c);
                break;
            case 2:
                e = op(HONE_OP_SUB, mul(v, c), e);
                break;
            case 3:
                e = op(HONE_OP_MIN, e, mul(v, c));
                break;
            case 4:
                e = op(HONE_OP_MAX, e, num(c));
                break;
            default:
                e = add(mul(e, c), v);
            }
        }
        hone_box box;
        if (!hone_access_box(P, two.b, &e, two.s, two.ly, &box))
            continue;
        if (box.extent[0] == 1000)
            continue;
        hone_var vars[] = {hone_stmt_at(P, two.lx)->var, hone_stmt_at(P, two.ly)->var};
        assert_false(hone_uses_var(P, box.start[0], vars[1]));
        for (int64_t x = 0; x < outer; x++)
            for (int64_t y = 0; y < inner; y++) {
                hone_expr to[] = {num(x), num(y)};
                int64_t at, start;
                assert_true(hone_is_int(P, hone_substitute(P, e, vars, to, 2), &at));
                assert_true(hone_is_int(P, hone_substitute(P, box.start[0], vars, to, 2), &start));
                if (at >= start && at < start + box.extent[0])
                    continue;
                hone_buf t = {0};
                hone_expr_print(P, e, &t);
                hone_buf_puts(&t, " from ");
                hone_expr_print(P, box.start[0], &t);
                fail_msg("round %d: x %" PRId64 " (< %" PRId64 "), y %" PRId64 " (< %" PRId64
                         "): %" PRId64 " is not in %s, %" PRId64 " wide",
                         round, x, outer, y, inner, at, t.s, box.extent[0]);
            }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
        T(blocks), T(flops_of_values_only), T(tiles), T(shapes_of_indices), T(random_boxes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
