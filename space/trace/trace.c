/* Traces as data: copies, hash, operands that move from one to another. */
#include "space/trace/internal.h"

void hone_trace_copy(hone_trace *dst, const hone_trace *src)
{
    if (dst == src)
        return;
    hone_vec_copy(&dst->insts, &src->insts);
    hone_vec_copy(&dst->values, &src->values);
    hone_vec_copy(&dst->ints, &src->ints);
    hone_vec_copy(&dst->chars, &src->chars);
    dst->n_rvs = src->n_rvs;
}

void hone_trace_reset(hone_trace *t)
{
    t->insts.n = t->values.n = t->ints.n = t->chars.n = 0;
    t->n_rvs = 0;
}

void hone_trace_free(hone_trace *t)
{
    hone_vec_free(&t->insts);
    hone_vec_free(&t->values);
    hone_vec_free(&t->ints);
    hone_vec_free(&t->chars);
    t->n_rvs = 0;
}

uint32_t hone_trace_search_part(const hone_trace *t)
{
    for (uint32_t k = 0; k < t->insts.n; k++)
        if (t->insts.v[k].kind == HONE_INST_EnterPostproc)
            return k;
    return t->insts.n;
}

/* ---- hash ------------------------------------------------------------------------------------ */

static uint64_t hash_values(const hone_trace *t, uint64_t h, uint32_t first, uint32_t n)
{
    h = hone_hash_mix(h, n);
    for (uint32_t k = 0; k < n; k++) {
        const hone_value *v = &t->values.v[first + k];
        h = hone_hash_mix(h, v->kind);
        switch (v->kind) {
        case HONE_VALUE_NONE:
            break;
        case HONE_VALUE_INT:
            h = hone_hash_mix(h, (uint64_t)v->u.i);
            break;
        case HONE_VALUE_FLOAT: {
            uint64_t bits;
            memcpy(&bits, &v->u.f, sizeof bits);
            h = hone_hash_mix(h, bits);
            break;
        }
        case HONE_VALUE_TEXT:
            h = hone_hash_bytes(h, hone_space__chars(t, v), v->n);
            break;
        case HONE_VALUE_RV:
            h = hone_hash_mix(h, v->u.rv.i);
            break;
        case HONE_VALUE_LIST:
            h = hash_values(t, h, v->first, v->n);
            break;
        }
    }
    return h;
}

uint64_t hone_trace_hash(const hone_trace *t)
{
    uint64_t h = hone_hash_mix(0, t->insts.n);
    for (uint32_t k = 0; k < t->insts.n; k++) {
        const hone_inst *in = &t->insts.v[k];
        /* by name: the number of a kind may change when the table grows */
        const char *name = hone_inst_name(in->kind);
        h = hone_hash_bytes(h, name, strlen(name));
        h = hash_values(t, h, in->inputs, in->n_inputs);
        h = hash_values(t, h, in->attrs, in->n_attrs);
        h = hone_hash_mix(h, in->n_outputs);
        h = hone_hash_mix(h, in->n_decision);
        for (uint32_t q = 0; q < in->n_decision; q++)
            h = hone_hash_mix(h, (uint64_t)t->ints.v[in->decision + q]);
    }
    return h;
}

/* ---- building -------------------------------------------------------------------------------- */

hone_value hone_space__text(hone_trace *t, const char *s, size_t n)
{
    hone_value v = {.kind = HONE_VALUE_TEXT, .first = t->chars.n, .n = (uint32_t)n};
    hone_vec_reserve(&t->chars, n + 1);
    memcpy(t->chars.v + t->chars.n, s, n);
    t->chars.v[t->chars.n + n] = '\0';
    t->chars.n += (uint32_t)n + 1;
    return v;
}

static hone_value adopt(hone_trace *t, const hone_trace *pool, hone_value v)
{
    if (v.kind == HONE_VALUE_TEXT) {
        HONE_ASSERT(pool && v.first + v.n < pool->chars.n);
        uint32_t first = t->chars.n;
        hone_vec_reserve(&t->chars, v.n + 1);
        /* the pool's address is read after the move: it may be t */
        memcpy(t->chars.v + first, pool->chars.v + v.first, v.n + 1);
        t->chars.n += v.n + 1;
        v.first = first;
    } else if (v.kind == HONE_VALUE_LIST) {
        uint32_t first = t->values.n;
        hone_vec_reserve(&t->values, v.n);
        t->values.n += v.n;
        for (uint32_t k = 0; k < v.n; k++) {
            hone_value x = adopt(t, pool, pool->values.v[v.first + k]);
            t->values.v[first + k] = x;
        }
        v.first = first;
    }
    return v;
}

uint32_t hone_space__put(hone_trace *t, const hone_trace *pool, const hone_value *v, uint32_t n)
{
    uint32_t first = t->values.n;
    hone_vec_reserve(&t->values, n);
    t->values.n += n;
    for (uint32_t k = 0; k < n; k++) {
        hone_value x = adopt(t, pool, v[k]);
        t->values.v[first + k] = x;
    }
    return first;
}
