/* ONNX models for tests, written by field numbers: what a file may hold, also what none should. */
#ifndef TESTS_NET_MODEL_H
#define TESTS_NET_MODEL_H

#include "net/graph.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define TEST_UNUSED __attribute__((unused))

/* ---- protobuf -------------------------------------------------------------------------------- */

static void put_varint(hone_buf *b, uint64_t v)
{
    for (; v >= 128; v >>= 7)
        hone_buf_add(b, &(char){(char)(v | 128)}, 1);
    hone_buf_add(b, &(char){(char)v}, 1);
}

static TEST_UNUSED void put_int(hone_buf *b, uint32_t field, int64_t v)
{
    put_varint(b, field << 3);
    put_varint(b, (uint64_t)v);
}

static void put_bytes(hone_buf *b, uint32_t field, const void *p, size_t n)
{
    put_varint(b, field << 3 | 2);
    put_varint(b, n);
    hone_buf_add(b, p, n);
}

static void put_text(hone_buf *b, uint32_t field, const char *s)
{
    put_bytes(b, field, s, strlen(s));
}

/* A message, which is emptied. */
static void put_message(hone_buf *b, uint32_t field, hone_buf *m)
{
    put_bytes(b, field, m->s ? m->s : "", m->n);
    hone_buf_free(m);
}

/* ---- ONNX ------------------------------------------------------------------------------------ */

enum { FLOAT = 1, UINT8, INT8, INT32 = 6, INT64, STRING, BOOL, FLOAT16, DOUBLE, UINT32 };

/* Attributes of a node, as the field of it. */
static TEST_UNUSED void put_attr_int(hone_buf *node, const char *name, int64_t v)
{
    hone_buf a = {0};
    put_text(&a, 1, name);
    put_int(&a, 3, v);
    put_int(&a, 20, 2);
    put_message(node, 5, &a);
}

static TEST_UNUSED void put_attr_ints(hone_buf *node, const char *name, const int64_t *v,
                                      unsigned n)
{
    hone_buf a = {0};
    put_text(&a, 1, name);
    for (unsigned k = 0; k < n; k++)
        put_int(&a, 8, v[k]);
    put_int(&a, 20, 7);
    put_message(node, 5, &a);
}

static TEST_UNUSED void put_attr_text(hone_buf *node, const char *name, const char *v)
{
    hone_buf a = {0};
    put_text(&a, 1, name);
    put_text(&a, 4, v);
    put_int(&a, 20, 3);
    put_message(node, 5, &a);
}

/* A node without attributes; names are divided by spaces, "_" is one that is not given. */
static TEST_UNUSED hone_buf node_of(const char *op, const char *in, const char *out)
{
    hone_buf n = {0};
    const char *const lists[] = {in, out};
    for (unsigned k = 0; k < 2; k++)
        for (const char *s = lists[k]; *s;) {
            size_t len = strcspn(s, " ");
            put_bytes(&n, k + 1, s, *s == '_' ? 0 : len);
            s += len + (s[len] == ' ');
        }
    put_text(&n, 4, op);
    return n;
}

static TEST_UNUSED void put_node(hone_buf *graph, const char *op, const char *in, const char *out)
{
    hone_buf n = node_of(op, in, out);
    put_message(graph, 1, &n);
}

/* An input (11) or output (12); a dimension below -1 is a name, 'N' + its number. */
static TEST_UNUSED void put_value(hone_buf *graph, uint32_t field, const char *name, int type,
                                  const int64_t *shape, unsigned n)
{
    hone_buf dims = {0}, tensor = {0}, t = {0}, v = {0};
    for (unsigned k = 0; k < n; k++) {
        hone_buf d = {0};
        if (shape[k] < -1)
            put_text(&d, 2, "N");
        else
            put_int(&d, 1, shape[k]);
        put_message(&dims, 1, &d);
    }
    put_int(&tensor, 1, type);
    put_message(&tensor, 2, &dims);
    put_message(&t, 1, &tensor);
    put_text(&v, 1, name);
    put_message(&v, 2, &t);
    put_message(graph, field, &v);
}

/* An initializer with raw data. */
static TEST_UNUSED hone_buf tensor_of(const char *name, int type, const int64_t *shape, unsigned n)
{
    hone_buf t = {0};
    for (unsigned k = 0; k < n; k++)
        put_int(&t, 1, shape[k]);
    put_int(&t, 2, type);
    put_text(&t, 8, name);
    return t;
}

static TEST_UNUSED void put_raw(hone_buf *graph, const char *name, int type, const int64_t *shape,
                                unsigned n, const void *p, size_t bytes)
{
    hone_buf t = tensor_of(name, type, shape, n);
    put_bytes(&t, 9, p, bytes);
    put_message(graph, 5, &t);
}

/* The model around a graph, which is emptied. */
static TEST_UNUSED hone_buf model_of(hone_buf *graph, int64_t opset)
{
    hone_buf m = {0}, set = {0};
    put_int(&m, 1, 8);
    put_int(&set, 2, opset);
    put_message(&m, 8, &set);
    put_message(&m, 7, graph);
    return m;
}

/* Shapes for the calls above. */
#define DIMS(...) (const int64_t[]){__VA_ARGS__}, HONE_LEN(((const int64_t[]){__VA_ARGS__}))

/* ---- what comes of it ------------------------------------------------------------------------ */

/* The graph is read, and the network is *ret; the graph is emptied. */
static TEST_UNUSED hone_status read_graph(hone_buf *graph, int64_t opset, const hone_net_options *o,
                                          hone_net **ret, hone_error *err)
{
    hone_buf m = model_of(graph, opset);
    hone_status st = hone_net_parse(m.s, m.n, NULL, o, ret, err);
    assert_true((st == HONE_OK) == (*ret != NULL));
    hone_buf_free(&m);
    return st;
}

/* Refused, with this in a message of one line. */
static TEST_UNUSED void refuse(hone_buf *graph, int64_t opset, hone_status status, const char *text)
{
    hone_net *g;
    hone_error err = {0};
    hone_status st = read_graph(graph, opset, NULL, &g, &err);
    if (st != status || !strstr(err.message, text) || strchr(err.message, '\n'))
        fail_msg("%s '%s', not %s '%s'", hone_status_name(st), err.message,
                 hone_status_name(status), text);
}

static TEST_UNUSED hone_net *network(hone_buf *graph, int64_t opset, const hone_net_options *o)
{
    hone_net *g;
    hone_error err = {0};
    if (read_graph(graph, opset, o, &g, &err) != HONE_OK)
        fail_msg("%s", err.message);
    return g;
}

static TEST_UNUSED const hone_tensor *output(const hone_net *g, uint32_t k)
{
    return &hone_net_value_at(g, g->outputs.v[k])->t;
}

/* The output's type and shape, as text. */
static TEST_UNUSED void is_output(const hone_net *g, uint32_t k, const char *text)
{
    char is[200];
    hone_tensor_text(output(g, k), is, sizeof is);
    assert_string_equal(is, text);
}

#endif
