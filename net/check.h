/* net: is what a network computes right? Outputs against data that came with the model, or against
 * the reference (net/eval/); tensors between calls against the reference.
 *
 * Threads: several may check at once, each with results of its own. */
#ifndef HONE_NET_CHECK_H
#define HONE_NET_CHECK_H

#include "net/plan.h"

/* Whether two tensors are equal within the tolerance of ONNX's own tests: same type and shape,
 * integers equal, floats within 1e-7 + 1e-3 of what is expected. If not, why, in at most n bytes of
 * ret. */
bool hone_tensor_agree(const hone_tensor *is, const hone_tensor *expected, char *ret, size_t n);

typedef enum hone_net_verdict {
    HONE_NET_EQUAL,
    HONE_NET_DIFFERS,
    HONE_NET_UNSUPPORTED, /* it needs what hone does not have */
    HONE_NET_ERROR        /* it could not be checked */
} hone_net_verdict;
const char *hone_net_verdict_name(hone_net_verdict v); /* "equal" */

/* Who computes. */
typedef struct hone_net_checker {
    hone_net_runner *run;     /* of plans; NULL: the reference */
    hone_net_chooser *choose; /* between what a plan may take; NULL: what the rules take */
    void *ctx;
    bool all;              /* also of a network that is equal: every tensor between calls */
    const hone_size *dims; /* of a model checked on random inputs */
    uint32_t n_dims;
} hone_net_checker;

/* A tensor that some call of the plan wrote, against the reference. */
typedef struct hone_net_compared {
    char *name;      /* of the value, made printable */
    char *kernel;    /* that wrote it */
    uint32_t call;   /* from 0 */
    char shape[128]; /* "f32[1, 64]" */
    double error;    /* largest difference over the largest element; infinite: some is no number */
    bool agrees; /* each element within 1e-7 + 1e-3 of it, or within what rounding explains: a share
                    of the largest element by type */
} hone_net_compared;

typedef struct hone_net_checked {
    hone_net_verdict verdict;
    hone_status status; /* of an error: why; else HONE_OK */
    char why[1200];     /* if not equal; one line */
    HONE_VEC(hone_net_compared)
    tensors; /* in the order of calls; of a plan that differs, or `all` */
} hone_net_checked;
void hone_net_checked_free(hone_net_checked *c);

/* A folder in ONNX's form, model.onnx and test_data_set_0, 1, ... (some may be missing) with
 * input_0.pb, ..., output_0.pb, ...: runs the model on each set's inputs, until one is not equal.
 * Of what differs `why` names the first tensor that the reference has otherwise. */
void hone_net_check(const char *folder, const hone_net_checker *c, hone_net_checked *ret);
/* A model on inputs drawn from `seed`, floats from -1 to 1, bytes from all, other integers 0 or 1;
 * against the reference, by the rule of `agrees`. */
void hone_net_check_random(const char *model, uint64_t seed, const hone_net_checker *c,
                           hone_net_checked *ret);

/* Fills t->data, which has room, so. */
void hone_net_fill(hone_tensor *t, hone_rng *rng);
/* Draws all inputs so: ret has room for each, zeroed; the data are the caller's to free, also of
 * those before a failure. HONE_E_NOMEM: together they want more memory than the machine has. */
hone_status hone_net_draw(const hone_net *g, uint64_t seed, hone_tensor *ret,
                          hone_error *err) HONE_NODISCARD;

#endif
