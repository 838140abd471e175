/* Plans of networks: their life, and what they say. */
#include "net/internal.h"
#include "net/plan/internal.h"

#include <jansson.h>

/* ---- kinds ----------------------------------------------------------------------------------- */

hone_net_kind hone_net__kind(const hone_net_node_row *n)
{
    static const struct {
        const char *name;
        hone_net_kind kind;
    } rows[] = {
#define HONE_NET_KIND(name, kind) {name, HONE_NET_##kind},
#include "net/plan/kinds.def"
#undef HONE_NET_KIND
    };
    uint32_t asked = 0;
    for (uint32_t k = 0; k < n->n_out; k++)
        asked += n->out[k].i != 0;
    for (size_t k = 0; k < HONE_LEN(rows); k++)
        if (strcmp(rows[k].name, n->op->name) == 0)
            return asked == 1 && n->out[0].i ? rows[k].kind : HONE_NET_ALONE;
    return HONE_NET_ALONE;
}

/* ---- values ---------------------------------------------------------------------------------- */

uint32_t *hone_net__uses(const hone_net *g)
{
    uint32_t *n = hone_xcalloc(g->values.n, sizeof *n);
    for (uint32_t k = 0; k < g->order.n; k++) {
        const hone_net_node_row *row = hone_net_node_at(g, g->order.v[k]);
        for (uint32_t j = 0; j < row->n_in; j++)
            n[row->in[j].i]++;
    }
    for (uint32_t k = 0; k < g->outputs.n; k++)
        n[g->outputs.v[k].i]++;
    return n;
}

hone_net_order hone_net__plain(void)
{
    hone_net_order o;
    for (uint8_t d = 0; d < HONE_MAX_DIMS; d++)
        o.axis[d] = d;
    return o;
}

bool hone_net__is_plain(const hone_tensor *t, const hone_net_order *o)
{
    uint8_t last = 0; /* axes of more than one element come in their order */
    for (uint8_t d = 0; d < t->n_dims; d++) {
        uint8_t axis = o->axis[d];
        if (t->shape[axis] == 1)
            continue;
        if (axis < last)
            return false;
        last = axis;
    }
    return true;
}

void hone_net_reorder(const hone_tensor *t, const hone_net_order *o, const void *from, void *to)
{
    int64_t n = hone_tensor_elems(t), step[HONE_MAX_DIMS], at[HONE_MAX_DIMS] = {0}, plain = 0;
    size_t size = (size_t)hone_dtype_bytes(t->dtype);
    int64_t s = 1;
    for (int d = t->n_dims - 1; d >= 0; d--) { /* of an axis in ONNX's order */
        step[d] = s;
        s *= t->shape[d];
    }
    for (int64_t k = 0; k < n; k++) { /* in the order of memory */
        memcpy((char *)to + (size_t)k * size, (const char *)from + (size_t)plain * size, size);
        for (int d = t->n_dims - 1; d >= 0; d--) {
            uint8_t axis = o->axis[d];
            plain += step[axis];
            if (++at[axis] < t->shape[axis])
                break;
            plain -= step[axis] * at[axis];
            at[axis] = 0;
        }
    }
}

int64_t hone_net_plan_start(const hone_net_plan *p, const hone_net_arg *a)
{
    hone_dtype t = hone_net_value_at(p->graph, a->value)->t.dtype;
    return a->part.i ? p->parts.v[a->part.i].start * hone_dtype_bytes(t) : 0;
}

uint32_t hone_net_plan_output_of(const hone_net_plan *p, hone_net_value v)
{
    uint32_t k = 0;
    while (k < p->graph->outputs.n && p->of.v[p->graph->outputs.v[k].i].i != v.i)
        k++;
    return k;
}

/* ---- life ------------------------------------------------------------------------------------ */

hone_status hone_net_plan_make(hone_net *g, const hone_net_plan_options *o, hone_net_plan *ret,
                               hone_error *err)
{
    const hone_net_plan_options usual = {0};
    o = o ? o : &usual;
    *ret = (hone_net_plan){.graph = g};
    hone_net__fold(g);
    HONE_TRY(hone_net__integers(g, err));
    hone_net__splits(g);
    hone_net__unread(g);
    hone_net__divisions(g);
    hone_vec_reserve(&ret->orders, g->values.n);
    hone_vec_reserve(&ret->of, g->values.n);
    hone_vec_reserve(&ret->at, g->values.n);
    hone_vec_reserve(&ret->parts, g->values.n);
    for (uint32_t k = 0; k < g->values.n; k++) {
        hone_vec_push(&ret->orders, hone_net__plain());
        hone_vec_push(&ret->of, (hone_net_value){k});
        hone_vec_push(&ret->at, -1);
        hone_vec_push(&ret->parts, (hone_net_part){0});
    }
    hone_net__views(ret);
    hone_net__fuse(ret, o->no_fuse);
    hone_net__layout(ret, o->no_layout);
    hone_net__parts(ret);
    if (!o->no_fuse)
        hone_net__covers(ret);
    HONE_TRY(hone_net__texts(ret, o, err));
    hone_net__choices(ret);
    hone_net__memory(ret);
    return HONE_OK;
}

/* Does it say how to compute rather than what of? */
static bool is_parameter(const hone_tensor *t)
{
    return t->n_dims == 0 || (t->n_dims == 1 && t->dtype == HONE_I64);
}

hone_status hone_net_plan_for(const char *path, const hone_net_options *o, hone_net **ret_graph,
                              hone_net_plan *ret, hone_error *err)
{
    HONE_VEC(hone_tensor) given = {0};
    bool others = false;
    *ret_graph = NULL;
    *ret = (hone_net_plan){0};
    hone_vec_reserve(&given, o->n_given + 1); /* of no inputs, an array all the same */
    for (uint32_t k = 0; k < o->n_given; k++)
        others |= !is_parameter(&o->given[k]);
    for (uint32_t k = 0; k < o->n_given; k++) {
        hone_vec_push(&given, o->given[k]);
        if (!others || !is_parameter(&o->given[k]))
            given.v[k].data = NULL;
    }
    hone_net_options shapes = *o;
    shapes.given = given.v;
    hone_status st = hone_net_read(path, &shapes, ret_graph, err);
    hone_vec_free(&given);
    if (st == HONE_OK)
        st = hone_net_plan_make(*ret_graph, NULL, ret, err);
    return st;
}

void hone_net__free_kernel(hone_net_kernel_row *k)
{
    free(k->name);
    free(k->text);
    hone_vec_free(&k->pitch);
}

void hone_net__free_call(hone_net_call *c)
{
    hone_vec_free(&c->args);
    hone_vec_free(&c->ways);
}

void hone_net_plan_free(hone_net_plan *p)
{
    for (uint32_t k = 0; k < p->groups.n; k++)
        hone_vec_free(&p->groups.v[k].nodes);
    for (uint32_t k = 0; k < p->calls.n; k++)
        hone_net__free_call(&p->calls.v[k]);
    for (uint32_t k = 0; k < p->spare.n; k++)
        hone_net__free_call(&p->spare.v[k]);
    for (uint32_t k = 0; k < p->kernels.n; k++)
        hone_net__free_kernel(&p->kernels.v[k]);
    hone_vec_free(&p->parts);
    hone_vec_free(&p->groups);
    hone_vec_free(&p->orders);
    hone_vec_free(&p->of);
    hone_vec_free(&p->kernels);
    hone_vec_free(&p->calls);
    hone_vec_free(&p->spare);
    hone_vec_free(&p->choices);
    hone_vec_free(&p->fused);
    hone_vec_free(&p->at);
}

/* ---- what is to be tuned --------------------------------------------------------------------- */

char *hone_net_plan_source(const hone_net_plan *p)
{
    hone_buf b = {0};
    for (uint32_t k = 0; k < p->kernels.n; k++)
        hone_buf_printf(&b, "%s%s", k ? "\n" : "", p->kernels.v[k].text);
    hone_buf_puts(&b, "");
    return b.s;
}

static json_t *choices_json(const hone_net_plan *p)
{
    json_t *all = json_array();
    uint32_t n;
    hone_net_weighed *v = hone_net_plan_weigh(p, &n);
    for (uint32_t k = 0; k < n; k++) {
        json_t *covers = json_array();
        for (uint32_t j = 0; j < v[k].of->n; j++) {
            const hone_net_cover *c = &v[k].of->covers[j];
            json_t *cover = json_array();
            for (uint32_t i = 0; i < c->n; i++)
                json_array_append_new(cover, json_integer(c->kernel[i]));
            json_array_append_new(covers, cover);
        }
        json_array_append_new(
            all, json_pack("{s:i, s:o}", "weight", (int)v[k].weight, "covers", covers));
    }
    free(v);
    return all;
}

char *hone_net_plan_tasks(const hone_net_plan *p, const char *file)
{
    json_t *tasks = json_array();
    for (uint32_t k = 0; k < p->kernels.n; k++) {
        const hone_net_kernel_row *row = &p->kernels.v[k];
        char *kernel = hone_xasprintf("%s:%s", file, row->name);
        json_array_append_new(tasks, json_pack("{s:o, s:i}", "kernel", hone_json_string(kernel),
                                               "weight", (int)row->n_always));
        free(kernel);
    }
    json_t *j = json_pack("{s:o, s:o, s:o}", "name", hone_json_string(p->graph->name), "tasks",
                          tasks, "choices", choices_json(p));
    char *text = json_dumps(j, JSON_INDENT(1));
    HONE_ASSERT(text);
    json_decref(j);
    return text;
}

/* ---- text ------------------------------------------------------------------------------------ */

static void put_order(const hone_tensor *t, const hone_net_order *o, hone_buf *ret)
{
    if (hone_net__is_plain(t, o))
        return;
    hone_buf_puts(ret, " in order ");
    for (uint8_t d = 0; d < t->n_dims; d++)
        hone_buf_printf(ret, "%s%u", d ? "," : "", (unsigned)o->axis[d]);
}

static hone_net_value result_of(const hone_net_plan *p, uint32_t group)
{
    const hone_net_group *x = &p->groups.v[group];
    const hone_net_node_row *last = hone_net_node_at(p->graph, x->nodes.v[x->nodes.n - 1]);
    for (uint32_t k = 0; k < last->n_out; k++)
        if (last->out[k].i)
            return last->out[k];
    return HONE_NET_NO_VALUE;
}

static void put_operators(const hone_net_plan *p, uint32_t group, hone_buf *ret)
{
    const hone_net_group *x = &p->groups.v[group];
    for (uint32_t j = 0; j < x->nodes.n; j++)
        hone_buf_printf(ret, " %s", hone_net_node_at(p->graph, x->nodes.v[j])->op->name);
}

static void put_group(const hone_net_plan *p, uint32_t k, bool orders, hone_buf *ret)
{
    hone_net_value v = result_of(p, k);
    const hone_tensor *t = &hone_net_value_at(p->graph, v)->t;
    char text[200];
    hone_tensor_text(t, text, sizeof text);
    hone_buf_printf(ret, "group  ");
    hone_net__put_name(p->graph, v, ret);
    hone_buf_printf(ret, ": %s", text);
    if (orders)
        put_order(t, &p->orders.v[v.i], ret);
    hone_buf_puts(ret, " =");
    put_operators(p, k, ret);
    hone_buf_puts(ret, "\n");
}

static bool is_direct(const hone_net_cover *c)
{
    bool direct = true;
    for (uint32_t k = 0; k < c->n; k++)
        direct &= c->way[k] == HONE_NET_WAY_DIRECT;
    return direct;
}

/* "       or apart, 2700.1 us: MatMul Add | Erf Mul" */
static void put_cover(const hone_net_plan *p, const hone_net_cover *c, const char *what,
                      hone_buf *ret)
{
    char *name = hone_net_cover_name(c);
    hone_buf_printf(ret, "       %s %s", what, name);
    if (c->ns > 0)
        hone_buf_printf(ret, ", %.1f us", c->ns / 1e3);
    for (uint32_t k = 0; k < c->n && c->n > 1; k++) {
        hone_buf_puts(ret, k ? " |" : ":");
        put_operators(p, c->group[k], ret);
    }
    hone_buf_puts(ret, "\n");
    free(name);
}

/* What was chosen between where this group is the last that is taken, with the times; before there
 * are any, the other ways to fuse. */
static void put_choice(const hone_net_plan *p, uint32_t group, hone_buf *ret)
{
    for (uint32_t k = 0; k < p->choices.n; k++) {
        const hone_net_choice *c = &p->choices.v[k];
        const hone_net_cover *taken = &c->covers[c->taken];
        if (taken->group[taken->n - 1] != group)
            continue;
        if (taken->ns > 0)
            put_cover(p, taken, "taken:", ret);
        for (uint32_t j = 0; j < c->n; j++)
            if (j != c->taken && (c->covers[j].ns > 0 || is_direct(&c->covers[j])))
                put_cover(p, &c->covers[j], "or", ret);
    }
}

/* Does its result lie where an input does? */
static bool is_in_place(const hone_net_plan *p, const hone_net_call *c)
{
    hone_net_value y = c->args.v[c->args.n - 1].value;
    for (uint32_t k = 0; k + c->n_out < c->args.n; k++) {
        hone_net_value v = c->args.v[k].value;
        if (v.i != y.i && p->at.v[v.i] >= 0 && p->at.v[v.i] == p->at.v[y.i])
            return true;
    }
    return false;
}

static void put_call(const hone_net_plan *p, const hone_net_call *c, hone_buf *ret)
{
    uint32_t n_in = c->args.n - c->n_out;
    hone_buf_printf(ret, "call   %s(", p->kernels.v[c->kernel].name);
    for (uint32_t k = 0; k < c->args.n; k++) {
        hone_net_value v = c->args.v[k].value;
        hone_buf_puts(ret, k == 0 ? "" : k == n_in ? ") -> " : ", ");
        hone_net__put_name(p->graph, v, ret);
        if (c->args.v[k].part.i)
            hone_buf_printf(ret, "[%" PRId64 "..]", p->parts.v[c->args.v[k].part.i].start);
        if (p->at.v[v.i] >= 0)
            hone_buf_printf(ret, "@%" PRId64, p->at.v[v.i]);
    }
    for (uint32_t k = 1; k < c->ways.n; k++)
        hone_buf_printf(ret, " or %s", hone_net_way_name(c->ways.v[k].way));
    if (is_in_place(p, c))
        hone_buf_puts(ret, " in place");
    hone_buf_puts(ret, "\n");
}

void hone_net_plan_print(const hone_net_plan *p, hone_net_stage after, hone_buf *ret)
{
    if (after == HONE_NET_READ) {
        hone_net_print(p->graph, ret);
    } else if (after == HONE_NET_PLAN) {
        uint32_t taken = 0;
        for (uint32_t k = 0; k < p->kernels.n; k++)
            taken += p->kernels.v[k].n_calls != 0;
        hone_buf_printf(ret,
                        "plan of %s: %" PRIu32 " calls of %" PRIu32 " kernels; workspace %" PRId64
                        " bytes, of which at most %" PRId64 " are needed at one time\n",
                        *p->graph->name ? p->graph->name : "_", p->calls.n, taken, p->workspace,
                        p->live);
        for (uint32_t k = 0; k < p->calls.n; k++) {
            put_call(p, &p->calls.v[k], ret);
            put_choice(p, p->calls.v[k].group, ret);
        }
    } else {
        uint32_t nodes = 0;
        for (uint32_t k = 0; k < p->calls.n; k++)
            nodes += p->groups.v[p->calls.v[k].group].nodes.n;
        hone_buf_printf(ret,
                        "groups of %s: %" PRIu32 " of %" PRIu32
                        " nodes; nodes that only view others: %" PRIu32 "\n",
                        *p->graph->name ? p->graph->name : "_", p->calls.n, nodes,
                        p->graph->order.n - nodes);
        for (uint32_t k = 0; k < p->calls.n; k++) {
            put_group(p, p->calls.v[k].group, after == HONE_NET_LAYOUT, ret);
            put_choice(p, p->calls.v[k].group, ret);
        }
    }
}
