/* Any bytes as a model: refused with one line, or a graph whose values all have types and shapes,
 * in an order in which it can run. */
#include "net/graph.h"

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
        if (g)
            look(g);
        hone_net_free(g);
    }
    return 0;
}
