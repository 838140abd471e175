/* What a node says of its operator's attributes. */
#include "net/internal.h"

static const hone_net_attr *find(const hone_net_node_row *n, const char *name)
{
    for (uint32_t k = 0; k < n->n_attrs; k++)
        if (strcmp(n->attrs[k].name, name) == 0)
            return &n->attrs[k];
    return NULL;
}

static const hone_net_attr *get(const hone_net_node_row *n, const char *name,
                                hone_net_attr_kind kind)
{
    const hone_net_attr *a = find(n, name);
    HONE_ASSERT(a && a->kind == kind);
    return a;
}

bool hone_net_attr_given(const hone_net_node_row *n, const char *name)
{
    const hone_net_attr *a = find(n, name);
    return a && a->given;
}

int64_t hone_net_attr_int(const hone_net_node_row *n, const char *name)
{
    return get(n, name, HONE_NET_ATTR_INT)->i;
}

double hone_net_attr_float(const hone_net_node_row *n, const char *name)
{
    return (double)get(n, name, HONE_NET_ATTR_FLOAT)->f;
}

const char *hone_net_attr_text(const hone_net_node_row *n, const char *name)
{
    return get(n, name, HONE_NET_ATTR_TEXT)->text;
}

const int64_t *hone_net_attr_ints(const hone_net_node_row *n, const char *name, uint32_t *ret_n)
{
    const hone_net_attr *a = get(n, name, HONE_NET_ATTR_INTS);
    *ret_n = a->n;
    return a->ints;
}

const float *hone_net_attr_floats(const hone_net_node_row *n, const char *name, uint32_t *ret_n)
{
    const hone_net_attr *a = get(n, name, HONE_NET_ATTR_FLOATS);
    *ret_n = a->n;
    return a->floats;
}

const hone_tensor *hone_net_attr_tensor(const hone_net_node_row *n, const char *name)
{
    return get(n, name, HONE_NET_ATTR_TENSOR)->tensor;
}
