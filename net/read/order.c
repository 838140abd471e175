/* The order in which nodes can run: that of the model where it is one, which the format asks for
 * and not every exporter keeps. */
#include "net/read/read.h"

typedef enum colour { NEW, OPEN, DONE } colour;

typedef struct visit {
    hone_net_node node;
    uint32_t next; /* input to look at */
} visit;

/* Depth first, without recursion: a model may be one chain of any length. */
hone_status hone_net__sort(hone_net *g, hone_error *err)
{
    uint8_t *colours = hone_xcalloc(g->nodes.n, 1);
    HONE_VEC(visit) stack = {0};
    hone_status st = HONE_OK;
    g->order.n = 0;
    for (uint32_t first = 1; first < g->nodes.n && st == HONE_OK; first++) {
        if (colours[first] == NEW) {
            colours[first] = OPEN;
            hone_vec_push(&stack, (visit){{first}, 0});
        }
        while (stack.n && st == HONE_OK) {
            visit *top = &stack.v[stack.n - 1];
            const hone_net_node_row *n = hone_net_node_at(g, top->node);
            if (top->next == n->n_in) {
                colours[top->node.i] = DONE;
                hone_vec_push(&g->order, top->node);
                stack.n--;
                continue;
            }
            hone_net_node before = hone_net_value_at(g, n->in[top->next++])->producer;
            if (before.i && colours[before.i] == NEW) {
                colours[before.i] = OPEN;
                hone_vec_push(&stack, (visit){before, 0});
            } else if (before.i && colours[before.i] == OPEN) {
                st = hone_fail(err, HONE_E_INPUT, "node '%.100s' takes what is made of its result",
                               hone_net_node_at(g, before)->name);
            }
        }
    }
    hone_vec_free(&stack);
    free(colours);
    return st;
}
