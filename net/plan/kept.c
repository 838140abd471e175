/* What the calls of a plan write, kept beside the workspace, in which the next tensors lie. */
#include "net/plan/internal.h"

#include <sys/mman.h>

static const hone_tensor *tensor_of(const hone_net_plan *p, const hone_net_arg *a)
{
    return &hone_net_value_at(p->graph, a->part.i ? a->part : a->value)->t;
}

/* Of a part the rows, which are apart. */
static void keep(const hone_net_plan *p, const hone_net_arg *a, const char *from, char *to)
{
    const hone_tensor *t = tensor_of(p, a);
    int64_t bytes = hone_tensor_bytes(t), row = bytes, pitch = 0;
    if (a->part.i) {
        row = t->shape[a->order.axis[t->n_dims - 1]] * hone_dtype_bytes(t->dtype);
        pitch = p->parts.v[a->part.i].pitch * hone_dtype_bytes(t->dtype);
    }
    for (int64_t at = 0; at < bytes; at += row, from += pitch)
        memcpy(to + at, from, (size_t)row);
}

hone_status hone_net_kept_new(const hone_net_plan *p, hone_net_kept *ret, hone_error *err)
{
    *ret = (hone_net_kept){.plan = p};
    for (uint32_t c = 0; c < p->calls.n; c++) {
        const hone_net_call *x = &p->calls.v[c];
        hone_vec_push(&ret->at, ret->n_bytes);
        for (uint32_t k = x->args.n - x->n_out; k < x->args.n; k++)
            ret->n_bytes += hone_net__aligned(hone_tensor_bytes(tensor_of(p, &x->args.v[k])));
    }
    void *bytes = mmap(NULL, (size_t)ret->n_bytes + 1, PROT_READ | PROT_WRITE,
                       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (bytes == MAP_FAILED)
        return hone_fail_errno(err, HONE_E_NOMEM, "no memory for the tensors between calls");
    ret->bytes = bytes;
    return HONE_OK;
}

void hone_net_kept_free(hone_net_kept *k)
{
    if (k->bytes)
        munmap(k->bytes, (size_t)k->n_bytes + 1);
    hone_vec_free(&k->at);
    *k = (hone_net_kept){0};
}

void hone_net_keep(const hone_net_kept *k, uint32_t call, const void *const *outputs)
{
    const hone_net_call *x = &k->plan->calls.v[call];
    char *to = k->bytes + k->at.v[call];
    for (uint32_t o = 0; o < x->n_out; o++) {
        const hone_net_arg *a = &x->args.v[x->args.n - x->n_out + o];
        keep(k->plan, a, outputs[o], to);
        to += hone_net__aligned(hone_tensor_bytes(tensor_of(k->plan, a)));
    }
}

const void *hone_net_kept_at(const hone_net_kept *k, uint32_t call, uint32_t output)
{
    const hone_net_call *x = &k->plan->calls.v[call];
    const char *at = k->bytes + k->at.v[call];
    for (uint32_t o = 0; o < output; o++)
        at += hone_net__aligned(
            hone_tensor_bytes(tensor_of(k->plan, &x->args.v[x->args.n - x->n_out + o])));
    return at;
}
