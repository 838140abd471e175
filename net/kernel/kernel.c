/* A kernel as it is written: its buffers, its stages, and which function writes which operator. */
#include "net/kernel/internal.h"

#include <math.h>

#define MOST_WHOLE 0x1p53 /* whole numbers below it are exact as f64 */

struct hone_net_kernel {
    char *name;
    hone_nk_row buffers[HONE_NET_KERNEL_MAX_BUFFERS + 1]; /* row 0: no room was left */
    uint32_t n_buffers;
    hone_buf body;
    bool full; /* a temporary did not find room */
    hone_net_way way;
    bool took; /* a use was written in that way */
};

/* ---- buffers --------------------------------------------------------------------------------- */

hone_net_kernel *hone_net_kernel_new(const char *name)
{
    hone_net_kernel *k = hone_xcalloc(1, sizeof *k);
    k->name = hone_xstrdup(name);
    return k;
}

void hone_net_kernel_free(hone_net_kernel *k)
{
    if (!k)
        return;
    free(k->name);
    hone_buf_free(&k->body);
    free(k);
}

static hone_net_buffer declare(hone_net_kernel *k, const hone_tensor *t, hone_role role,
                               char letter)
{
    if (k->n_buffers == HONE_NET_KERNEL_MAX_BUFFERS)
        return HONE_NET_NO_BUFFER;
    hone_nk_row *r = &k->buffers[++k->n_buffers];
    *r = (hone_nk_row){.t = *t, .role = role};
    for (uint8_t d = 0; d < HONE_MAX_DIMS; d++)
        r->order[d] = d;
    snprintf(r->name, sizeof r->name, "%c%" PRIu32, letter, k->n_buffers);
    return (hone_net_buffer){k->n_buffers};
}

hone_net_buffer hone_net_kernel_input(hone_net_kernel *k, const hone_tensor *t)
{
    return declare(k, t, HONE_INPUT, 'x');
}

hone_net_buffer hone_net_kernel_output(hone_net_kernel *k, const hone_tensor *t)
{
    return declare(k, t, HONE_OUTPUT, 'y');
}

hone_net_buffer hone_net_kernel_temp(hone_net_kernel *k, const hone_tensor *t)
{
    return declare(k, t, HONE_TEMP, 't');
}

bool hone_net_kernel_has(const hone_net_kernel *k, hone_net_buffer b)
{
    return b.i && k->buffers[b.i].used;
}

void hone_net_kernel_order(hone_net_kernel *k, hone_net_buffer b, const uint8_t *axes)
{
    hone_nk_row *r = &k->buffers[b.i];
    HONE_ASSERT(b.i && !r->used);
    memcpy(r->order, axes, r->t.n_dims);
}

static const hone_nk_row *use(hone_net_kernel *k, hone_net_buffer b)
{
    HONE_ASSERT(b.i);
    k->buffers[b.i].used = true;
    return &k->buffers[b.i];
}

const hone_nk_row *hone_nk__in(hone_nk *e, unsigned k)
{
    return use(e->k, e->in[k]);
}

const hone_nk_row *hone_nk__out(hone_nk *e, unsigned k)
{
    return use(e->k, e->out[k]);
}

const hone_nk_row *hone_nk__temp_in(hone_nk *e, hone_dtype t, const int64_t *shape, unsigned n,
                                    const uint8_t *order)
{
    hone_tensor of = {.dtype = t, .n_dims = (uint8_t)n};
    for (unsigned d = 0; d < n; d++)
        of.shape[d] = shape[d];
    hone_net_buffer b = hone_net_kernel_temp(e->k, &of);
    e->k->full = e->k->full || !b.i;
    if (!b.i)
        return &e->k->buffers[0];
    if (order)
        hone_net_kernel_order(e->k, b, order);
    return use(e->k, b);
}

const hone_nk_row *hone_nk__temp_like(hone_nk *e, hone_dtype t, const int64_t *shape, unsigned n,
                                      hone_net_buffer b)
{
    const hone_nk_row *like = &e->k->buffers[b.i];
    return hone_nk__temp_in(e, t, shape, n, b.i && like->t.n_dims == n ? like->order : NULL);
}

const hone_nk_row *hone_nk__temp(hone_nk *e, hone_dtype t, const int64_t *shape, unsigned n)
{
    return hone_nk__temp_in(e, t, shape, n, NULL);
}

const char *hone_net_way_name(hone_net_way w)
{
    static const char *const names[] = {
#define HONE_NET_WAY(NAME, name) #name,
#include "net/kernel/ways.def"
#undef HONE_NET_WAY
    };
    return names[w];
}

void hone_net_kernel_prefer(hone_net_kernel *k, hone_net_way w)
{
    k->way = w;
    k->took = false;
}

bool hone_net_kernel_preferred(const hone_net_kernel *k)
{
    return k->took;
}

hone_net_way hone_nk__way(const hone_nk *e)
{
    return e->k->way;
}

void hone_nk__take_way(hone_nk *e)
{
    e->k->took = true;
}

void hone_net_kernel_defer(hone_net_kernel *k, hone_net_buffer b)
{
    HONE_ASSERT(b.i && !k->buffers[b.i].used);
    k->buffers[b.i].deferred = true;
}

void hone_nk__put_scale(hone_nk *e, const hone_nk_row *scale)
{
    e->k->buffers[e->out[0].i].scale = (hone_net_buffer){(uint32_t)(scale - e->k->buffers)};
}

const hone_nk_row *hone_nk__scale_of(const hone_nk *e, unsigned k)
{
    const hone_nk_row *b = &e->k->buffers[e->in[k].i];
    return b->scale.i ? &e->k->buffers[b->scale.i] : NULL;
}

void hone_nk__in_range(hone_nk *e, unsigned k, int64_t lo, int64_t hi)
{
    hone_nk_row *r = &e->k->buffers[e->in[k].i];
    r->ranged = r->role == HONE_INPUT && lo < hi;
    r->lo = lo;
    r->hi = hi;
}

hone_dtype hone_nk__sum_type(hone_dtype t)
{
    return t == HONE_F16 || t == HONE_BF16 ? HONE_F32 : t;
}

/* ---- pieces of text -------------------------------------------------------------------------- */

hone_nk_text hone_nk__textf(const char *fmt, ...)
{
    hone_nk_text t;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(t.s, sizeof t.s, fmt, ap);
    va_end(ap);
    return t;
}

void hone_nk__set(hone_nk_index *x, unsigned d, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(x->d[d], sizeof x->d[d], fmt, ap);
    va_end(ap);
}

hone_nk_index hone_nk__indices(unsigned n)
{
    hone_nk_index x = {.n = n};
    for (unsigned d = 0; d < n; d++)
        hone_nk__set(&x, d, "i%u", d);
    return x;
}

hone_nk_text hone_nk__at(const hone_nk_row *b, const hone_nk_index *x)
{
    hone_nk_text t = hone_nk__textf("%s[", b->name);
    size_t n = strlen(t.s);
    for (unsigned d = 0; d < x->n; d++)
        n += (size_t)snprintf(t.s + n, sizeof t.s - n, "%s%s", d ? ", " : "", x->d[b->order[d]]);
    snprintf(t.s + n, sizeof t.s - n, "]");
    return t;
}

hone_nk_text hone_nk__as(hone_dtype to, hone_dtype of, const char *x)
{
    return to == of ? hone_nk__textf("%s", x) : hone_nk__textf("%s(%s)", hone_dtype_name(to), x);
}

hone_nk_text hone_nk__times(const char *x, int64_t by)
{
    return by == 1 ? hone_nk__textf("%s", x) : hone_nk__textf("%s*%" PRId64, x, by);
}

hone_nk_text hone_nk__number(double v)
{
    if (isnan(v) || isinf(v))
        return hone_nk__textf(isnan(v) ? "nan" : v < 0 ? "(-inf)" : "inf");
    if (v == floor(v) && fabs(v) < MOST_WHOLE) /* 1e+06 would be no integer */
        return hone_nk__textf(signbit(v) ? "(%.0f)" : "%.0f", v);
    for (int places = 6; places < 17; places++) {
        hone_nk_text t = hone_nk__textf(signbit(v) ? "(%.*g)" : "%.*g", places, v);
        if (strtod(t.s + (t.s[0] == '('), NULL) == v)
            return t;
    }
    return hone_nk__textf(signbit(v) ? "(%.17g)" : "%.17g", v);
}

hone_nk_text hone_nk__operand(hone_nk *e, unsigned k, unsigned n)
{
    const hone_tensor *t = hone_net_in(e->u, k);
    if (t->data && hone_tensor_elems(t) == 1 && fabs(hone_tensor_float(t, 0)) < MOST_WHOLE) {
        double v = hone_tensor_float(t, 0);
        return t->dtype == HONE_BOOL ? hone_nk__textf(v != 0 ? "true" : "false")
                                     : hone_nk__number(v);
    }
    hone_nk_index x = {.n = t->n_dims};
    for (unsigned d = 0; d < t->n_dims; d++)
        if (t->shape[d] == 1)
            hone_nk__set(&x, d, "0");
        else
            hone_nk__set(&x, d, "i%u", n - t->n_dims + d);
    return hone_nk__at(hone_nk__in(e, k), &x);
}

hone_nk_text hone_nk__per(hone_nk *e, unsigned k, const char *at)
{
    const hone_tensor *t = hone_net_in(e->u, k);
    hone_nk_index x = {.n = t->n_dims};
    for (unsigned d = 0; d < t->n_dims; d++)
        hone_nk__set(&x, d, "%s", t->shape[d] == 1 ? "0" : at);
    return hone_nk__at(hone_nk__in(e, k), &x);
}

hone_nk_text hone_nk__spread(const hone_nk_row *b, const int64_t *shape, unsigned n)
{
    hone_nk_index x = hone_nk__indices(n);
    for (unsigned d = 0; d < n; d++)
        if (shape[d] == 1)
            hone_nk__set(&x, d, "0");
    return hone_nk__at(b, &x);
}

bool hone_nk__is_per(const hone_tensor *t)
{
    unsigned long_ones = 0;
    for (unsigned d = 0; d < t->n_dims; d++)
        long_ones += t->shape[d] != 1;
    return long_ones <= 1;
}

void hone_nk__stage(hone_nk *e, const hone_nk_row *b, unsigned n, const char *fmt, ...)
{
    hone_nk_index x = hone_nk__indices(n);
    hone_buf *body = &e->k->body;
    hone_buf_printf(body, "  %s = ", hone_nk__at(b, &x).s);
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int need = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    char *text = hone_xmalloc((size_t)need + 1);
    vsnprintf(text, (size_t)need + 1, fmt, again);
    va_end(again);
    hone_buf_puts(body, text);
    hone_buf_puts(body, "\n");
    free(text);
}

/* ---- refusing, knowing ----------------------------------------------------------------------- */

hone_status hone_nk__refuse(hone_nk *e, const char *fmt, ...)
{
    char text[200];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return hone_fail(e->err, HONE_E_UNSUPPORTED, "%s '%.80s': %s", e->u->node->op->name,
                     e->u->node->name, text);
}

hone_status hone_nk__known(hone_nk *e, unsigned k, const char *what, const hone_tensor **ret)
{
    *ret = hone_net_in(e->u, k);
    if (*ret && (*ret)->data)
        return HONE_OK;
    return hone_nk__refuse(e, "%s must be known before the network runs", what);
}

bool hone_nk__is_all(const hone_tensor *t, double v)
{
    for (int64_t k = 0; t && t->data && k < hone_tensor_elems(t); k++)
        if (hone_tensor_float(t, k) != v)
            return false;
    return t && t->data;
}

/* ---- uses ------------------------------------------------------------------------------------ */

typedef struct family {
    const char *op;
    hone_nk_write *write;
} family;

static const family families[] = {
#define HONE_NK(OP, FN) {OP, hone_nk__##FN},
#include "net/kernel/families.def"
#undef HONE_NK
};

static hone_nk_write *writer_of(const char *op)
{
    for (unsigned k = 0; k < HONE_LEN(families); k++)
        if (strcmp(families[k].op, op) == 0)
            return families[k].write;
    return hone_nk__elementwise; /* which has a table of its own */
}

hone_status hone_net_kernel_add(hone_net_kernel *k, const hone_net_use *u,
                                const hone_net_buffer *in, const hone_net_buffer *out,
                                hone_error *err)
{
    hone_nk e = {.k = k, .u = u, .in = in, .out = out, .err = err};
    hone_status s = writer_of(u->node->op->name)(&e);
    if (s == HONE_OK && k->full)
        s = hone_fail(err, HONE_E_LIMIT, "a kernel has at most %d buffers",
                      HONE_NET_KERNEL_MAX_BUFFERS);
    if (s != HONE_OK && err)
        snprintf(err->where, sizeof err->where, "%s", u->node->name);
    return s;
}

static void print_buffer(const hone_nk_row *r, hone_buf *out)
{
    static const char *const roles[] = {
        [HONE_TEMP] = "temp", [HONE_INPUT] = "input", [HONE_OUTPUT] = "output"};
    hone_buf_printf(out, "  %s%s %s: %s[", r->role == HONE_INPUT && r->t.data ? "const " : "",
                    roles[r->role], r->name, hone_dtype_name(r->t.dtype));
    for (unsigned d = 0; d < r->t.n_dims; d++)
        hone_buf_printf(out, "%s%" PRId64, d ? ", " : "", r->t.shape[r->order[d]]);
    hone_buf_puts(out, "]");
    if (r->ranged)
        hone_buf_printf(out, " in %" PRId64 " .. %" PRId64, r->lo, r->hi);
    hone_buf_puts(out, "\n");
}

char *hone_net_kernel_text(const hone_net_kernel *k)
{
    static const hone_role order[] = {HONE_INPUT, HONE_OUTPUT, HONE_TEMP};
    hone_buf b = {0};
    hone_buf_printf(&b, "kernel %s() {\n", k->name);
    for (unsigned o = 0; o < HONE_LEN(order); o++)
        for (uint32_t i = 1; i <= k->n_buffers; i++)
            if (k->buffers[i].used && k->buffers[i].role == order[o])
                print_buffer(&k->buffers[i], &b);
    hone_buf_puts(&b, "\n");
    hone_buf_puts(&b, k->body.s ? k->body.s : "");
    hone_buf_puts(&b, "}\n");
    return hone_buf_take(&b);
}

/* ---- one use by itself ----------------------------------------------------------------------- */

hone_status hone_net_kernel_make(const char *name, const hone_net_use *u,
                                 hone_net_kernel_of_use *ret, hone_error *err)
{
    *ret = (hone_net_kernel_of_use){0};
    if (u->n_in + u->n_out > HONE_NET_KERNEL_MAX_BUFFERS)
        return hone_fail(err, HONE_E_LIMIT, "a kernel has at most %d buffers",
                         HONE_NET_KERNEL_MAX_BUFFERS);
    hone_net_kernel *k = hone_net_kernel_new(name);
    hone_net_buffer b[2][HONE_NET_KERNEL_MAX_BUFFERS];
    for (uint32_t i = 0; i < u->n_in; i++)
        b[0][i] = u->in[i] ? hone_net_kernel_input(k, u->in[i]) : HONE_NET_NO_BUFFER;
    for (uint32_t i = 0; i < u->n_out; i++)
        b[1][i] = u->out[i] ? hone_net_kernel_output(k, u->out[i]) : HONE_NET_NO_BUFFER;
    hone_status s = hone_net_kernel_add(k, u, b[0], b[1], err);
    for (unsigned o = 0; o < 2 && s == HONE_OK; o++)
        for (uint32_t i = 0; i < (o ? u->n_out : u->n_in); i++)
            if (hone_net_kernel_has(k, b[o][i]))
                hone_vec_push(&ret->args, (hone_net_kernel_arg){.is_output = o, .at = i});
    if (s == HONE_OK)
        ret->text = hone_net_kernel_text(k);
    hone_net_kernel_free(k);
    return s;
}

void hone_net_kernel_of_use_free(hone_net_kernel_of_use *k)
{
    free(k->text);
    hone_vec_free(&k->args);
    *k = (hone_net_kernel_of_use){0};
}
