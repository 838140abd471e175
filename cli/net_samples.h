/* Inputs of a network in a folder, as ONNX has them: test_data_set_N/input_K.pb. */
#ifndef HONE_CLI_NET_SAMPLES_H
#define HONE_CLI_NET_SAMPLES_H

#include "net/graph.h"

typedef struct net_samples {
    hone_tensor **v; /* by set, then by the graph's inputs */
    uint32_t n, n_inputs;
} net_samples;
/* Reads all sets there are, in the order of their numbers. *ret is the caller's to free in any
 * case. HONE_E_INPUT: there is none, or one is not what the network takes, or has elements that are
 * no finite numbers; HONE_E_LIMIT: more than NET_MOST_SAMPLES; and what hone_net_find_sets and
 * hone_net_read_tensor return. */
#define NET_MOST_SAMPLES 1024
hone_status net_samples_read(const char *folder, const hone_net *g, net_samples *ret,
                             hone_error *err) HONE_NODISCARD;
void net_samples_free(net_samples *s);

#endif
