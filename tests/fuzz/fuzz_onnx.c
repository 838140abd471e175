/* Any bytes as a model: refused with one line, or a graph whose values all have types and shapes,
 * in an order in which it can run. It has a plan or is refused one; written as a model it is read
 * again. */
#include "net/plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MOST_BYTES (64 << 10) /* of constants: what is computed of them stays short, too */

static void look(const hone_net *g)
{
    bool *there = calloc(g->values.n, 1);
    for (uint32_t k = 1; k < g->values.n; k++) {
        const hone_net_value_row *v = &g->values.v[k];
        there[k] = !v->producer.i || v->t.data;
        HONE_ASSERT(v->t.dtype < HONE_DTYPE_COUNT && hone_tensor_elems(&v->t) >= 0);
    }
    for (uint32_t k = 0; k < g->order.n; k++) {
        const hone_net_node_row *n = hone_net_node_at(g, g->order.v[k]);
        for (uint32_t j = 0; j < n->n_in; j++)
            HONE_ASSERT(!n->in[j].i || there[n->in[j].i]);
        for (uint32_t j = 0; j < n->n_out; j++)
            there[n->out[j].i] = true;
    }
    for (uint32_t k = 0; k < g->outputs.n; k++)
        HONE_ASSERT(there[g->outputs.v[k].i]);
    free(there);
    hone_buf text = {0};
    hone_net_print(g, &text);
    hone_net_print_dot(g, &text);
    hone_buf_free(&text);
}

/* Names are the file's: what they say twice is refused before. */
static void write_and_read(const hone_net *g)
{
    uint8_t *bytes;
    size_t n;
    hone_error err = {0};
    hone_net *again;
    HONE_ASSERT(hone_net_write(g, &bytes, &n, &err) == HONE_OK);
    if (hone_net_parse(bytes, n, NULL, NULL, &again, &err) != HONE_OK) {
        fprintf(stderr, "%s\n", err.message);
        HONE_ASSERT(false);
    }
    HONE_ASSERT(again->inputs.n == g->inputs.n && again->outputs.n == g->outputs.n);
    hone_net_free(again);
    free(bytes);
}

static void plan(hone_net *g)
{
    hone_net_plan p;
    hone_error err = {0};
    hone_status st = hone_net_plan_make(g, NULL, &p, &err);
    HONE_ASSERT(st == HONE_OK || st == HONE_E_UNSUPPORTED || st == HONE_E_LIMIT);
    if (st == HONE_OK) { /* by times that are as good as any */
        double *ns = hone_xcalloc((size_t)p.kernels.n + 1, sizeof *ns);
        for (uint32_t k = 0; k < p.kernels.n; k++)
            ns[k] = 1 + k * 7 % 5;
        hone_net_plan_choose(&p, ns);
        for (uint32_t k = 0; k < p.calls.n; k++)
            HONE_ASSERT(p.calls.v[k].kernel < p.kernels.n);
        free(ns);
    }
    hone_net_plan_free(&p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const hone_size dims[] = {{"N", 2}};
    hone_net *g = NULL;
    for (uint32_t n = 0; n < 2; n++) {
        hone_error err = {0};
        const hone_net_options o = {.dims = dims, .n_dims = n, .max_bytes = MOST_BYTES};
        hone_status st = hone_net_parse(data, size, NULL, &o, &g, &err);
        HONE_ASSERT((st == HONE_OK) == (err.message[0] == '\0'));
        HONE_ASSERT((st == HONE_OK) == (g != NULL));
        HONE_ASSERT(st == HONE_OK || st == HONE_E_INPUT || st == HONE_E_UNSUPPORTED ||
                    st == HONE_E_LIMIT);
        if (g) {
            look(g);
            write_and_read(g);
            plan(g);
        }
        hone_net_free(g);
    }
    return 0;
}
