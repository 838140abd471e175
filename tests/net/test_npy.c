/* numpy's files: as numpy writes them, in every type, both orders of axes and of bytes, three
 * formats; written and read again; and what is none. */
#include "tests/net/model.h"

#include <unistd.h>

/* A file of this version: header (blanks are added) and elements. */
static hone_buf npy(unsigned version, const char *header, const void *elements, size_t n)
{
    hone_buf b = {0};
    size_t length = strlen(header);
    hone_buf_add(&b, "\x93NUMPY", 6);
    hone_buf_add(&b, (uint8_t[]){(uint8_t)version, 0}, 2);
    for (unsigned k = 0; k < (version == 1 ? 2 : 4); k++)
        hone_buf_add(&b, &(uint8_t){(uint8_t)(length >> (8 * k))}, 1);
    hone_buf_add(&b, header, length);
    hone_buf_add(&b, elements, n);
    return b;
}

/* In memory of exactly its size. */
static hone_status parse(const hone_buf *b, hone_tensor *ret, hone_error *err)
{
    char *exact = hone_xmalloc(b->n ? b->n : 1);
    memcpy(exact, b->s, b->n);
    hone_status st = hone_net_parse_npy(exact, b->n, ret, err);
    free(exact);
    return st;
}

static hone_tensor good(unsigned version, const char *header, const void *elements, size_t n)
{
    hone_buf b = npy(version, header, elements, n);
    hone_error err = {0};
    hone_tensor t;
    if (parse(&b, &t, &err) != HONE_OK)
        fail_msg("%s: %s", header, err.message);
    hone_buf_free(&b);
    return t;
}

static void formats(void **state)
{
    (void)state;
    const float v[] = {1, 2, 3, 4, 5, 6};
    for (unsigned version = 1; version <= 3; version++) {
        hone_tensor t = good(
            version, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }   \n", v, 24);
        assert_int_equal(t.dtype, HONE_F32);
        assert_int_equal(t.n_dims, 2);
        assert_int_equal(t.shape[0], 2);
        assert_int_equal(t.shape[1], 3);
        assert_memory_equal(t.data, v, sizeof v);
        free(t.data);
    }
    /* other quotes, another order, no blanks, Python 2's numbers, no last comma */
    hone_tensor t = good(1, "{\"shape\":(6L,),\"fortran_order\":True,\"descr\":\"=f4\"}", v, 24);
    assert_int_equal(t.n_dims, 1);
    assert_memory_equal(t.data, v, sizeof v);
    free(t.data);
    t = good(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (), }\n", v, 4);
    assert_int_equal(t.n_dims, 0);
    free(t.data);
    t = good(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 0, 2), }\n", v, 0);
    assert_int_equal(hone_tensor_elems(&t), 0);
    assert_non_null(t.data);
    free(t.data);
}

static void orders(void **state)
{
    (void)state;
    /* [a][b][c] = 100 a + 10 b + c, the first axis fastest */
    int32_t v[24];
    size_t n = 0;
    for (int c = 0; c < 4; c++)
        for (int b = 0; b < 3; b++)
            for (int a = 0; a < 2; a++)
                v[n++] = 100 * a + 10 * b + c;
    hone_tensor t =
        good(1, "{'descr': '<i4', 'fortran_order': True, 'shape': (2, 3, 4), }\n", v, sizeof v);
    for (int k = 0; k < 24; k++)
        assert_int_equal(((int32_t *)t.data)[k], 100 * (k / 12) + 10 * (k / 4 % 3) + k % 4);
    free(t.data);
    t = good(1, "{'descr': '>i4', 'fortran_order': False, 'shape': (2,), }\n",
             "\x00\x00\x01\x02\xff\xff\xff\xfe", 8);
    assert_int_equal(((int32_t *)t.data)[0], 258);
    assert_int_equal(((int32_t *)t.data)[1], -2);
    free(t.data);
    t = good(1, "{'descr': '|b1', 'fortran_order': False, 'shape': (3,), }\n", "\x00\x01\x07", 3);
    assert_memory_equal(t.data, "\x00\x01\x01", 3);
    free(t.data);
}

/* Every type, written and read; as numpy.save aligns and ends its header. */
static void there_and_back(void **state)
{
    (void)state;
    for (unsigned d = 0; d < HONE_DTYPE_COUNT; d++)
        for (uint8_t rank = 0; rank < 3; rank++) {
            hone_tensor t = {.dtype = (hone_dtype)d, .n_dims = rank, .shape = {2, 3}}, is;
            hone_error err = {0};
            hone_buf b = {0};
            size_t n = (size_t)hone_tensor_bytes(&t);
            t.data = hone_xcalloc(1, n);
            for (size_t k = 0; k < n; k++)
                ((uint8_t *)t.data)[k] = (uint8_t)(d == HONE_BOOL ? k % 2 : 17 * k + d);
            hone_net_print_npy(&t, &b);
            assert_int_equal((b.n - n) % 64, 0);
            assert_int_equal(b.s[b.n - n - 1], '\n');
            if (parse(&b, &is, &err) != HONE_OK)
                fail_msg("%s: %s", hone_dtype_name(t.dtype), err.message);
            assert_int_equal(is.dtype, d);
            assert_true(hone_tensor_same_shape(&is, &t));
            assert_memory_equal(is.data, t.data, n);
            free(is.data);
            /* no part of it is a whole one */
            for (b.n--; b.n > 0; b.n -= 1 + b.n / 7)
                assert_int_equal(parse(&b, &is, NULL), HONE_E_INPUT);
            free(t.data);
            hone_buf_free(&b);
        }
}

static void refuse_npy(const char *header, hone_status st, const char *text)
{
    hone_buf b = npy(1, header, "0123456789abcdef", 16);
    hone_error err = {0};
    hone_tensor t;
    assert_int_equal(parse(&b, &t, &err), st);
    if (!strstr(err.message, text) || strchr(err.message, '\n'))
        fail_msg("%s: '%s' does not say '%s'", header, err.message, text);
    assert_null(t.data);
    hone_buf_free(&b);
}

static void wrong(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        hone_status st;
        const char *text;
    } all[] = {
        {"", HONE_E_INPUT, "no dictionary"},
        {"{'descr': '<f4'", HONE_E_INPUT, "does not end"},
        {"{'descr': '<f4', 'shape': (4,)}", HONE_E_INPUT, "lacks"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (4,)} x", HONE_E_INPUT, "follows"},
        {"{'descr': '<f4', 'fortran_order': 0, 'shape': (4,)}", HONE_E_INPUT, "neither"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': 4}", HONE_E_INPUT, "no tuple"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (-4,)}", HONE_E_INPUT, "no number"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (4 4)}", HONE_E_INPUT, "does not end"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}", HONE_E_INPUT,
         "no number"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (9999999, 9999999)}", HONE_E_INPUT,
         "too large"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,4)}",
         HONE_E_UNSUPPORTED, "more than 8 dimensions"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (5,)}", HONE_E_INPUT,
         "16 bytes of elements, the array's shape needs 20"},
        {"{'descr': '<c8', 'fortran_order': False, 'shape': (2,)}", HONE_E_UNSUPPORTED,
         "element type '<c8'"},
        {"{'descr': '<u4', 'fortran_order': False, 'shape': (4,)}", HONE_E_UNSUPPORTED,
         "element type '<u4'"},
        {"{'descr': '|O', 'fortran_order': False, 'shape': (4,)}", HONE_E_UNSUPPORTED, "'|O'"},
        {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (4,)}", HONE_E_UNSUPPORTED,
         "structures"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (4,), 'x': 1}", HONE_E_INPUT,
         "a word of its own"},
    };
    for (size_t k = 0; k < HONE_LEN(all); k++)
        refuse_npy(all[k].header, all[k].st, all[k].text);
}

/* What a file is, its name says. */
static void files(void **state)
{
    (void)state;
    hone_buf b = npy(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", "12345678", 8);
    hone_error err = {0};
    hone_tensor t;
    assert_int_equal(hone_file_write("array.npy", b.s, b.n, NULL), HONE_OK);
    assert_int_equal(hone_net_read_array("array.npy", &t, &err), HONE_OK);
    assert_int_equal(t.shape[0], 2);
    free(t.data);
    assert_int_equal(hone_file_write("array.pb", b.s, b.n, NULL), HONE_OK);
    assert_int_equal(hone_net_read_array("array.pb", &t, &err), HONE_E_INPUT);
    assert_non_null(strstr(err.message, "array.pb: this is not a tensor"));
    assert_int_equal(hone_file_write("array.npy", "PK", 2, NULL), HONE_OK);
    assert_int_equal(hone_net_read_array("array.npy", &t, &err), HONE_E_INPUT);
    assert_non_null(strstr(err.message, "array.npy: this is not an array of numpy's"));
    unlink("array.npy");
    unlink("array.pb");
    assert_int_equal(hone_net_read_array("array.npy", &t, &err), HONE_E_NOTFOUND);
    hone_buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(formats), cmocka_unit_test(orders),
                                       cmocka_unit_test(there_and_back), cmocka_unit_test(wrong),
                                       cmocka_unit_test(files)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
