/* The kernels of a plan and their calls. */
#include "net/plan/internal.h"

#include <ctype.h>

#define NAME_BYTES 64 /* of a kernel: of its operators, and its way behind them */
#define OPERATOR_BYTES 32

/* Of one group, while its text is made. */
typedef struct writer {
    hone_net_plan *p;
    const hone_net_group *x;
    hone_net_kernel *k;
    HONE_VEC(hone_net_buffer) buffer_of; /* by value: made in the group, or none */
    HONE_VEC(hone_net_arg) args;         /* all that may become arguments, and */
    HONE_VEC(hone_net_buffer) buffers;   /* their buffers */
    hone_net_use_room room;
    const hone_tensor *image; /* of whose places tensors are written as rows (rows.c), or NULL */
    HONE_VEC(hone_tensor) rows;
} writer;

/* ---- names ----------------------------------------------------------------------------------- */

/* "conv_relu": the operators, as many as fit. Words of the kernel language get something before
 * them. */
static void name_of(const hone_net *g, const hone_net_group *x, char ret[NAME_BYTES])
{
    size_t n = 0;
    ret[0] = 0;
    for (uint32_t k = 0; k < x->nodes.n; k++) {
        const char *op = hone_net_node_at(g, x->nodes.v[k])->op->name;
        if (n + strlen(op) + 2 > OPERATOR_BYTES)
            break;
        if (n)
            ret[n++] = '_';
        for (; *op; op++)
            ret[n++] = (char)tolower((unsigned char)*op);
        ret[n] = 0;
    }
    if (strcmp(ret, "and") == 0 || strcmp(ret, "or") == 0 || strcmp(ret, "not") == 0) {
        memmove(ret + strlen("logical_"), ret, n + 1);
        memcpy(ret, "logical_", strlen("logical_"));
    }
}

/* ---- arguments ------------------------------------------------------------------------------- */

/* Weights with what is multiplied with them last: the taps, then inputs, then outputs. */
static bool weights_order(const hone_net_node_row *n, uint32_t at, uint8_t rank,
                          hone_net_order *ret)
{
    const char *name = n->op->name;
    bool transposed = strcmp(name, "ConvTranspose") == 0;
    bool conv = strcmp(name, "Conv") == 0 || strcmp(name, "ConvInteger") == 0;
    if (!((at == 1 && (conv || transposed)) || (at == 3 && strcmp(name, "QLinearConv") == 0)) ||
        rank < 3)
        return false;
    for (uint8_t d = 0; d + 2 < rank; d++)
        ret->axis[d] = (uint8_t)(d + 2);
    ret->axis[rank - 2] = transposed ? 0 : 1;
    ret->axis[rank - 1] = transposed ? 1 : 0;
    return true;
}

/* How an input of the group lies in memory. */
static hone_net_order order_in(const writer *w, const hone_net_node_row *n, uint32_t at)
{
    const hone_net_value v = n->in[at];
    const hone_tensor *t = &hone_net_value_at(w->p->graph, v)->t;
    hone_net_order o = hone_net__plain();
    hone_net_value out = n->out[0];
    if (!t->data)
        return w->p->orders.v[v.i];
    if (!out.i ||
        hone_net__is_plain(&hone_net_value_at(w->p->graph, out)->t, &w->p->orders.v[out.i]))
        return o;
    if (weights_order(n, at, t->n_dims, &o))
        return o;
    if (t->n_dims == hone_net_value_at(w->p->graph, out)->t.n_dims)
        return w->p->orders.v[out.i];
    return o;
}

/* Of value v in order o, which lies in memory of its own, or as another name or part of another. */
static hone_net_arg arg_of(const writer *w, hone_net_value v, hone_net_order o)
{
    const hone_net_part *s = &w->p->parts.v[v.i];
    return (hone_net_arg){.value = s->whole.i ? s->whole : w->p->of.v[v.i],
                          .order = o,
                          .part = s->whole.i ? v : HONE_NET_NO_VALUE};
}

static hone_net_buffer declare(writer *w, hone_net_value v, hone_net_buffer b, hone_net_order o)
{
    const hone_tensor *t = &hone_net_value_at(w->p->graph, v)->t;
    if (b.i && !w->image && !hone_net__is_plain(t, &o))
        hone_net_kernel_order(w->k, b, o.axis);
    return b;
}

/* The filters of a 1 x 1 convolution, results x channels. */
static hone_tensor filters_of(const hone_tensor *t)
{
    hone_tensor f = *t;
    f.n_dims = 2;
    return f;
}

/* Input `at` of the node, as it is to be written. */
static hone_tensor shape_in(const writer *w, const hone_net_node_row *n, uint32_t at)
{
    const hone_tensor *t = &hone_net_value_at(w->p->graph, n->in[at])->t;
    hone_tensor rows = *t;
    if (w->image && strcmp(n->op->name, "Conv") == 0)
        rows = at == 1 ? filters_of(t) : rows; /* a bias is as it is */
    if (w->image && (strcmp(n->op->name, "Conv") != 0 || at == 0)) {
        bool good = hone_net__as_rows(t, w->image, &rows);
        HONE_ASSERT(good); /* hone_net__is_of_rows */
    }
    return rows;
}

static hone_tensor shape_out(const writer *w, hone_net_value v)
{
    const hone_tensor *t = &hone_net_value_at(w->p->graph, v)->t;
    hone_tensor rows = *t;
    if (w->image) {
        bool good = hone_net__as_rows(t, w->image, &rows);
        HONE_ASSERT(good);
    }
    return rows;
}

/* The buffer that input `at` of the node is read from. */
static hone_net_buffer input(writer *w, const hone_net_node_row *n, uint32_t at)
{
    hone_net_value v = n->in[at];
    if (!v.i)
        return HONE_NET_NO_BUFFER;
    if (w->buffer_of.v[v.i].i)
        return w->buffer_of.v[v.i];
    hone_net_order o = order_in(w, n, at);
    hone_tensor t = shape_in(w, n, at);
    hone_net_buffer b = declare(w, v, hone_net_kernel_input(w->k, &t), o);
    bool filters = w->image && at == 1 && strcmp(n->op->name, "Conv") == 0;
    if (b.i && filters && o.axis[hone_net_value_at(w->p->graph, v)->t.n_dims - 1] == 0)
        hone_net_kernel_order(w->k, b, (const uint8_t[]){1, 0}); /* as weights_order has them */
    w->buffer_of.v[v.i] = b;
    hone_vec_push(&w->args, arg_of(w, v, o));
    hone_vec_push(&w->buffers, b);
    return b;
}

/* The node of the group that alone takes v there, or NULL. */
static const hone_net_node_row *only_reader(const writer *w, hone_net_value v)
{
    const hone_net_node_row *ret = NULL;
    for (uint32_t k = 0; k < w->x->nodes.n; k++) {
        const hone_net_node_row *m = hone_net_node_at(w->p->graph, w->x->nodes.v[k]);
        for (uint32_t j = 0; j < m->n_in; j++) {
            if (m->in[j].i == v.i && ret)
                return NULL;
            ret = m->in[j].i == v.i ? m : ret;
        }
    }
    return ret;
}

/* Is this the softmax of an attention (net/plan/fuse.c), whose rows may be scaled after the
 * product? */
static bool is_deferred(const writer *w, const hone_net_node_row *n)
{
    hone_net_value v = n->out[0];
    const hone_net_node_row *m = only_reader(w, v);
    if (strcmp(n->op->name, "Softmax") != 0 || !m || strcmp(m->op->name, "MatMul") != 0 ||
        m->in[0].i != v.i)
        return false;
    const hone_tensor *t = &hone_net_value_at(w->p->graph, v)->t;
    const hone_tensor *y = &hone_net_value_at(w->p->graph, m->out[0])->t;
    bool same = t->dtype == HONE_F32 && t->n_dims == y->n_dims && t->n_dims >= 2;
    for (uint8_t d = 0; same && d + 1 < t->n_dims; d++)
        same = t->shape[d] == y->shape[d];
    return same;
}

static hone_net_buffer output(writer *w, const hone_net_node_row *n, uint32_t at, bool last)
{
    hone_net_value v = n->out[at];
    if (!v.i)
        return HONE_NET_NO_BUFFER;
    hone_tensor t = shape_out(w, v);
    hone_net_order o = w->p->orders.v[v.i];
    hone_net_buffer b = last ? hone_net_kernel_output(w->k, &t) : hone_net_kernel_temp(w->k, &t);
    w->buffer_of.v[v.i] = declare(w, v, b, o);
    if (!last && b.i && is_deferred(w, n))
        hone_net_kernel_defer(w->k, b);
    if (last) {
        hone_vec_push(&w->args, arg_of(w, v, o));
        hone_vec_push(&w->buffers, b);
    }
    return b;
}

/* ---- one kernel ------------------------------------------------------------------------------ */

/* The node with its tensors as they are written. */
static hone_net_use use_of(writer *w, hone_net_node id)
{
    const hone_net_node_row *n = hone_net_node_at(w->p->graph, id);
    hone_net_use u = hone_net_use_of(w->p->graph, id, &w->room);
    w->rows.n = 0;
    hone_vec_reserve(&w->rows, n->n_in + n->n_out); /* pointers into it stay */
    for (uint32_t k = 0; k < n->n_in && w->image; k++)
        if (n->in[k].i) {
            hone_vec_push(&w->rows, shape_in(w, n, k));
            w->room.in.v[k] = &w->rows.v[w->rows.n - 1];
        }
    for (uint32_t k = 0; k < n->n_out && w->image; k++)
        if (n->out[k].i) {
            hone_vec_push(&w->rows, shape_out(w, n->out[k]));
            w->room.out.v[k] = &w->rows.v[w->rows.n - 1];
        }
    return u;
}

static hone_status add_node(writer *w, hone_net_node id, bool last, hone_error *err)
{
    const hone_net_node_row *n = hone_net_node_at(w->p->graph, id);
    hone_net_use u = use_of(w, id);
    HONE_VEC(hone_net_buffer) in = {0}, out = {0};
    bool full = false;
    for (uint32_t k = 0; k < n->n_in; k++) {
        hone_vec_push(&in, input(w, n, k));
        full |= n->in[k].i && !in.v[k].i;
    }
    for (uint32_t k = 0; k < n->n_out; k++) {
        hone_vec_push(&out, output(w, n, k, last));
        full |= n->out[k].i && !out.v[k].i;
    }
    hone_status st =
        full ? hone_fail(err, HONE_E_LIMIT, "more than %d tensors", HONE_NET_KERNEL_MAX_BUFFERS)
             : hone_net_kernel_add(w->k, &u, in.v, out.v, err);
    hone_vec_free(&in);
    hone_vec_free(&out);
    return st;
}

/* How far rows of the call's k-th argument are from each other, 0: as it is whole. */
static int64_t pitch_of(const hone_net_plan *p, const hone_net_call *c, uint32_t k)
{
    hone_net_value part = c->args.v[k].part;
    return part.i ? p->parts.v[part.i].pitch : 0;
}

static bool same_pitch(const hone_net_plan *p, const hone_net_kernel_row *row,
                       const hone_net_call *c)
{
    for (uint32_t k = 0; k < c->args.n; k++)
        if (pitch_of(p, c, k) != (row->pitch.n ? row->pitch.v[k] : 0))
            return false;
    return true;
}

static uint32_t kernel_of(hone_net_plan *p, const char *base, const char *text, uint32_t n_same,
                          const hone_net_call *c)
{
    char *name = n_same ? hone_xasprintf("%s_%" PRIu32, base, n_same + 1) : hone_xstrdup(base);
    size_t head = strlen("kernel ") + strlen(base);
    hone_net_kernel_row row = {.name = name,
                               .text = hone_xasprintf("kernel %s%s", name, text + head)};
    bool parts = !same_pitch(p, &row, c);
    for (uint32_t k = 0; k < c->args.n && parts; k++)
        hone_vec_push(&row.pitch, pitch_of(p, c, k));
    hone_vec_push(&p->kernels, row);
    return p->kernels.n - 1;
}

/* The kernel with this text, which has `base` for its name, for the call's arguments. */
static uint32_t find_kernel(hone_net_plan *p, const char *base, const char *text,
                            const hone_net_call *c)
{
    const char *body = text + strlen("kernel ") + strlen(base);
    uint32_t n_same = 0;
    for (uint32_t k = 0; k < p->kernels.n; k++) {
        const hone_net_kernel_row *row = &p->kernels.v[k];
        size_t n = strlen(base);
        bool same =
            strncmp(row->name, base, n) == 0 &&
            (!row->name[n] || (row->name[n] == '_' && isdigit((unsigned char)row->name[n + 1])));
        n_same += same;
        if (same && strcmp(row->text + strlen("kernel ") + strlen(row->name), body) == 0 &&
            same_pitch(p, row, c))
            return k;
    }
    return kernel_of(p, base, text, n_same, c);
}

/* The image that the group can be computed on as rows, or NULL. */
static const hone_tensor *rows_of(writer *w)
{
    const hone_net_node_row *n = hone_net_node_at(w->p->graph, w->x->nodes.v[0]);
    return hone_net__is_of_rows(w->p, w->x, &w->room)
               ? &hone_net_value_at(w->p->graph, n->out[0])->t
               : NULL;
}

/* Writes the group's kernel, named `base`, as far as it can in that way, and w->args of it. */
static hone_status write_kernel(writer *w, const char *base, hone_net_way way, hone_error *err)
{
    hone_status st = HONE_OK;
    w->k = hone_net_kernel_new(base);
    hone_net_kernel_prefer(w->k, way);
    w->image = way == HONE_NET_WAY_PRODUCT ? rows_of(w) : NULL;
    memset(w->buffer_of.v, 0, w->buffer_of.n * sizeof *w->buffer_of.v);
    w->args.n = w->buffers.n = 0;
    for (uint32_t k = 0; k < w->x->nodes.n && st == HONE_OK; k++)
        st = add_node(w, w->x->nodes.v[k], k + 1 == w->x->nodes.n, err);
    return st;
}

static void add_args(const writer *w, hone_net_call *c)
{
    for (uint32_t k = 0; k < w->args.n; k++)
        if (hone_net_kernel_has(w->k, w->buffers.v[k]))
            hone_vec_push(&c->args, w->args.v[k]);
}

static bool same_args(const hone_net_call *a, const hone_net_call *b)
{
    bool same = a->args.n == b->args.n;
    for (uint32_t k = 0; same && k < a->args.n; k++)
        same = a->args.v[k].value.i == b->args.v[k].value.i &&
               a->args.v[k].part.i == b->args.v[k].part.i &&
               memcmp(&a->args.v[k].order, &b->args.v[k].order, sizeof a->args.v[k].order) == 0;
    return same;
}

/* What was written, as a further alternative of the call. */
static void add_way(writer *w, const char *base, hone_net_way way, hone_net_call *c)
{
    char *text = hone_net_kernel_text(w->k);
    hone_vec_push(&c->ways, (hone_net_alternative){way, find_kernel(w->p, base, text, c)});
    free(text);
}

/* The ways beyond the first that the group can be computed in, with the same arguments. */
static void write_ways(writer *w, const char *base, hone_net_call *c)
{
    for (hone_net_way way = HONE_NET_WAY_DIRECT + 1; way < HONE_NET_WAYS; way++) {
        char name[2 * NAME_BYTES];
        snprintf(name, sizeof name, "%s_%s", base, hone_net_way_name(way));
        hone_net_call other = {0};
        bool good = write_kernel(w, name, way, NULL) == HONE_OK &&
                    (w->image || hone_net_kernel_preferred(w->k));
        if (good) {
            add_args(w, &other);
            good = same_args(c, &other);
        }
        if (good)
            add_way(w, name, way, c);
        hone_vec_free(&other.args);
        hone_net_kernel_free(w->k);
    }
}

static hone_status write_group(writer *w, uint32_t group, hone_net_way want, hone_error *err)
{
    hone_net_plan *p = w->p;
    char base[NAME_BYTES];
    w->x = &p->groups.v[group];
    name_of(p->graph, w->x, base);
    hone_status st = write_kernel(w, base, HONE_NET_WAY_DIRECT, err);
    hone_net_call c = {.group = group};
    if (st == HONE_OK) {
        const hone_net_node_row *last =
            hone_net_node_at(p->graph, w->x->nodes.v[w->x->nodes.n - 1]);
        for (uint32_t k = 0; k < last->n_out; k++)
            c.n_out += last->out[k].i != 0;
        add_args(w, &c);
        if (c.args.n <= HONE_MAX_ARGS)
            add_way(w, base, HONE_NET_WAY_DIRECT, &c);
        else
            st = hone_fail(err, HONE_E_UNSUPPORTED,
                           "%s '%.80s': %" PRIu32 " tensors, and a kernel takes at most %d",
                           last->op->name, last->name, c.args.n, HONE_MAX_ARGS);
    }
    hone_net_kernel_free(w->k);
    if (st != HONE_OK) {
        hone_net__free_call(&c);
        return st;
    }
    write_ways(w, base, &c);
    c.kernel = c.ways.v[0].kernel;
    for (uint32_t k = 0; k < c.ways.n; k++)
        if (c.ways.v[k].way == want)
            c.kernel = c.ways.v[k].kernel;
    if (hone_net__is_taken(p, w->x))
        hone_vec_push(&p->calls, c);
    else
        hone_vec_push(&p->spare, c);
    return HONE_OK;
}

/* ---- all of them ----------------------------------------------------------------------------- */

/* Each reason once. */
static void add_reason(hone_buf *reasons, unsigned *n, const char *why)
{
    if (reasons->s && strstr(reasons->s, why))
        return;
    hone_buf_printf(reasons, "%s%s", (*n)++ ? "; " : "", why);
}

/* Sites that can be fused so are. */
static void prefer(hone_net_plan *p, hone_net_fused fused)
{
    for (uint32_t k = 0; k < p->groups.n; k++)
        if (p->groups.v[k].site && p->groups.v[k].fused == fused)
            p->fused.v[p->groups.v[k].site] = fused;
}

hone_status hone_net__texts(hone_net_plan *p, const hone_net_plan_options *o, hone_error *err)
{
    writer w = {.p = p};
    hone_buf reasons = {0};
    unsigned n = 0;
    hone_status st = HONE_OK;
    prefer(p, o->fused);
    for (uint32_t k = 0; k < p->graph->values.n; k++)
        hone_vec_push(&w.buffer_of, HONE_NET_NO_BUFFER);
    for (uint32_t k = 0; k < p->groups.n; k++) {
        hone_error why = {0};
        hone_status s = write_group(&w, k, o->way, &why);
        if (s != HONE_OK) {
            st = st == HONE_OK ? s : st;
            add_reason(&reasons, &n, why.message);
        }
    }
    if (st != HONE_OK)
        hone_fail(err, st, "no kernel for %u of its nodes: %.800s", n, reasons.s);
    hone_buf_free(&reasons);
    hone_vec_free(&w.buffer_of);
    hone_vec_free(&w.args);
    hone_vec_free(&w.buffers);
    hone_vec_free(&w.rows);
    hone_net_use_room_free(&w.room);
    return st;
}
