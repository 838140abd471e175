/* What `hone net quantize` asks of a network's kernels, done in a child that is closed in. */
#ifndef HONE_CLI_NET_TRIAL_H
#define HONE_CLI_NET_TRIAL_H

#include "cli/net_compiled.h"

/* Outputs of the network on all samples, as hone_net_quantise_outputs; ret: of
 * hone_net_outputs_new. q: also measures and chooses among these layers, as hone_net_quantise, on
 * all but the last n_held of the samples; NULL: does not. Of o all but `run` and `ctx` is looked
 * at. HONE_E_NOMEM, and what these and net_compiled_work return. */
hone_status net_trial(net_compiled *c, const hone_net_plan *p, const hone_net_quantise_options *o,
                      uint32_t n_held, hone_tensor **ret, hone_net_quantised_layers *q,
                      hone_error *err) HONE_NODISCARD;

#endif
