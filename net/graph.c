/* The graph: its memory, its values and nodes, and one node as the use of an operator. */
#include "net/internal.h"
#include "net/op/op.h"

/* ---- memory ---------------------------------------------------------------------------------- */

#define CHUNK_BYTES (256 << 10)

typedef struct chunk {
    struct chunk *next;
    size_t used, size;
} chunk;

struct hone_net_arena {
    chunk *first;
    int64_t left; /* bytes of constants that may still be taken */
};

/* The first place of a chunk from `at` on whose address is a multiple. */
static size_t aligned(const chunk *c, size_t at, size_t align)
{
    return at + (align - ((uintptr_t)c + at) % align) % align;
}

static void *take(struct hone_net_arena *a, size_t n, size_t align)
{
    chunk *c = a->first;
    size_t at = c ? aligned(c, c->used, align) : 0;
    if (!c || at > c->size || n > c->size - at) {
        size_t size = sizeof *c + (n > CHUNK_BYTES ? n : CHUNK_BYTES);
        /* zeroed by the system where it is large */
        c = hone_xcalloc(1, size + HONE_NET_ALIGN);
        c->size = size + HONE_NET_ALIGN;
        c->next = a->first;
        a->first = c;
        at = aligned(c, sizeof *c, align);
    }
    c->used = at + n;
    return (char *)c + at;
}

void *hone_net_alloc(hone_net *g, size_t n)
{
    if (n > PTRDIFF_MAX / 2 || (int64_t)n > g->arena->left)
        return NULL;
    g->arena->left -= (int64_t)n;
    return take(g->arena, n ? n : 1, HONE_NET_ALIGN);
}

const char *hone_net_strdup(hone_net *g, const char *s)
{
    size_t n = strlen(s) + 1;
    return memcpy(take(g->arena, n, 1), s, n);
}

static void *copy(hone_net *g, const void *p, size_t n)
{
    void *q = take(g->arena, n ? n : 1, HONE_NET_ALIGN);
    return n ? memcpy(q, p, n) : q;
}

void hone_net__set_max_bytes(hone_net *g, int64_t bytes)
{
    g->arena->left = bytes;
}

/* ---- life ------------------------------------------------------------------------------------ */

hone_net *hone_net_new(void)
{
    hone_net *g = hone_xcalloc(1, sizeof *g);
    g->arena = hone_xcalloc(1, sizeof *g->arena);
    g->arena->left = HONE_NET_MAX_BYTES;
    g->name = "";
    hone_vec_push(&g->values, (hone_net_value_row){.name = ""});
    hone_vec_push(&g->nodes, (hone_net_node_row){.name = ""});
    return g;
}

void hone_net_free(hone_net *g)
{
    if (!g)
        return;
    while (g->arena->first) {
        chunk *c = g->arena->first;
        g->arena->first = c->next;
        free(c);
    }
    free(g->arena);
    hone_vec_free(&g->values);
    hone_vec_free(&g->nodes);
    hone_vec_free(&g->order);
    hone_vec_free(&g->inputs);
    hone_vec_free(&g->outputs);
    free(g);
}

hone_net_value hone_net_add_value(hone_net *g, const char *name, const hone_tensor *t)
{
    hone_net_value v = {g->values.n};
    hone_vec_push(&g->values, (hone_net_value_row){.name = hone_net_strdup(g, name), .t = *t});
    return v;
}

hone_net_node hone_net_add_node(hone_net *g, const hone_net_node_row *row)
{
    hone_net_node n = {g->nodes.n};
    hone_net_node_row r = *row;
    r.name = hone_net_strdup(g, row->name);
    r.in = copy(g, row->in, row->n_in * sizeof *row->in);
    r.out = copy(g, row->out, row->n_out * sizeof *row->out);
    r.attrs = copy(g, row->attrs, row->n_attrs * sizeof *row->attrs);
    hone_vec_push(&g->nodes, r);
    for (uint32_t k = 0; k < r.n_out; k++)
        if (r.out[k].i)
            g->values.v[r.out[k].i].producer = n;
    return n;
}

/* ---- one use of an operator ------------------------------------------------------------------ */

hone_net_use hone_net_use_of(const hone_net *g, hone_net_node n, hone_net_use_room *room)
{
    const hone_net_node_row *r = hone_net_node_at(g, n);
    room->in.n = room->out.n = 0;
    for (uint32_t k = 0; k < r->n_in; k++)
        hone_vec_push(&room->in, r->in[k].i ? &g->values.v[r->in[k].i].t : NULL);
    for (uint32_t k = 0; k < r->n_out; k++)
        hone_vec_push(&room->out, r->out[k].i ? &g->values.v[r->out[k].i].t : NULL);
    return (hone_net_use){r, room->in.v, room->out.v, r->n_in, r->n_out};
}

void hone_net_use_room_free(hone_net_use_room *room)
{
    hone_vec_free(&room->in);
    hone_vec_free(&room->out);
}

hone_status hone_net__fail(hone_error *err, hone_status s, const hone_net_use *u, const char *fmt,
                           ...)
{
    char text[600];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return hone_fail(err, s, "node '%.100s' (%s): %s", u->node->name, u->node->op->name, text);
}
