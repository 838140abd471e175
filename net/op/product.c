/* Products: of matrices, batches of them, and as Einstein's notation has them. */
#include "net/op/infer.h"
#include "net/op/einsum.h"

/* The shape of numpy's matmul of inputs a and b. */
static hone_status matmul_shape(const hone_net_use *u, uint32_t at_a, uint32_t at_b,
                                hone_tensor *ret, hone_error *err)
{
    hone_tensor a = *u->in[at_a], b = *u->in[at_b];
    if (!a.n_dims || !b.n_dims)
        return HONE_NET_BAD("it multiplies a scalar");
    bool row = a.n_dims == 1, column = b.n_dims == 1;
    if (row) {
        a.shape[1] = a.shape[0];
        a.shape[0] = 1;
        a.n_dims = 2;
    }
    if (column) {
        b.shape[1] = 1;
        b.n_dims = 2;
    }
    if (a.shape[a.n_dims - 1] != b.shape[b.n_dims - 2]) {
        char x[HONE_NET_TEXT_BYTES], y[HONE_NET_TEXT_BYTES];
        hone_tensor_text(u->in[at_a], x, sizeof x);
        hone_tensor_text(u->in[at_b], y, sizeof y);
        return HONE_NET_BAD("%s times %s", x, y);
    }
    int64_t m = a.shape[a.n_dims - 2], n = b.shape[b.n_dims - 1];
    a.n_dims -= 2;
    b.n_dims -= 2;
    const hone_tensor *batches[] = {&a, &b};
    const hone_net_use both = {.node = u->node, .in = batches, .n_in = 2};
    hone_tensor t = {.dtype = ret->dtype};
    HONE_TRY(hone_net_broadcast(&both, 0, 2, &t, err));
    if (!row)
        HONE_TRY(hone_net__push(u, &t, m, err));
    if (!column)
        HONE_TRY(hone_net__push(u, &t, n, err));
    *ret = t;
    return HONE_OK;
}

hone_status hone_net__infer_matmul(const hone_net_use *u, hone_error *err)
{
    HONE_TRY(hone_net__want(u, 0, hone_net__is_number, "numbers", err));
    HONE_TRY(hone_net__want_same(u, 0, 2, err));
    hone_tensor t = {.dtype = u->in[0]->dtype};
    HONE_TRY(matmul_shape(u, 0, 1, &t, err));
    return hone_net__give(u, 0, &t, err);
}

hone_status hone_net__infer_gemm(const hone_net_use *u, hone_error *err)
{
    HONE_TRY(hone_net__want(u, 0, hone_net__is_number, "numbers", err));
    HONE_TRY(hone_net__want_same(u, 0, 3, err));
    HONE_TRY(hone_net__want_dims(u, 0, 2, err));
    HONE_TRY(hone_net__want_dims(u, 1, 2, err));
    bool ta = hone_net_attr_int(u->node, "transA"), tb = hone_net_attr_int(u->node, "transB");
    const int64_t *a = u->in[0]->shape, *b = u->in[1]->shape;
    if (a[!ta] != b[tb])
        return HONE_NET_BAD("it multiplies over %" PRId64 " and %" PRId64, a[!ta], b[tb]);
    hone_tensor t = {.dtype = u->in[0]->dtype, .n_dims = 2, .shape = {a[ta], b[!tb]}}, c = t;
    if (hone_net_in(u, 2)) {
        const hone_tensor *both[] = {&t, u->in[2]};
        const hone_net_use sum = {.node = u->node, .in = both, .n_in = 2};
        HONE_TRY(hone_net_broadcast(&sum, 0, 2, &c, err));
        if (!hone_tensor_same_shape(&t, &c))
            return HONE_NET_BAD("what it adds does not fit");
    }
    return hone_net__give(u, 0, &t, err);
}

/* ---- integers -------------------------------------------------------------------------------- */

/* Zero points and scales of a are one, or one a row; those of b one, or one a column. */
static int64_t rows_of(const hone_tensor *a)
{
    return a->n_dims > 1 ? a->shape[a->n_dims - 2] : 1;
}

static int64_t columns_of(const hone_tensor *b)
{
    return b->n_dims > 1 ? b->shape[b->n_dims - 1] : 1;
}

hone_status hone_net__infer_matmul_integer(const hone_net_use *u, hone_error *err)
{
    HONE_TRY(hone_net__want(u, 0, hone_net__is_byte, "u8 or i8", err));
    HONE_TRY(hone_net__want(u, 1, hone_net__is_byte, "u8 or i8", err));
    HONE_TRY(hone_net__want_point(u, 2, u->in[0]->dtype, rows_of(u->in[0]), err));
    HONE_TRY(hone_net__want_point(u, 3, u->in[1]->dtype, columns_of(u->in[1]), err));
    hone_tensor t = {.dtype = HONE_I32};
    HONE_TRY(matmul_shape(u, 0, 1, &t, err));
    return hone_net__give(u, 0, &t, err);
}

hone_status hone_net__infer_qlinear_matmul(const hone_net_use *u, hone_error *err)
{
    for (uint32_t k = 0; k <= 7; k++)
        if (k == 0 || k == 2 || k == 3 || k == 5 || k == 7)
            HONE_TRY(hone_net__want(u, k, hone_net__is_byte, "u8 or i8", err));
    HONE_TRY(hone_net__want_point(u, 1, HONE_F32, rows_of(u->in[0]), err));
    HONE_TRY(hone_net__want_point(u, 2, u->in[0]->dtype, rows_of(u->in[0]), err));
    HONE_TRY(hone_net__want_point(u, 4, HONE_F32, columns_of(u->in[3]), err));
    HONE_TRY(hone_net__want_point(u, 5, u->in[3]->dtype, columns_of(u->in[3]), err));
    HONE_TRY(hone_net__want_point(u, 6, HONE_F32, 1, err));
    HONE_TRY(hone_net__want_point(u, 7, u->in[7]->dtype, 1, err));
    hone_tensor t = {.dtype = u->in[7]->dtype};
    HONE_TRY(matmul_shape(u, 0, 3, &t, err));
    return hone_net__give(u, 0, &t, err);
}

/* ---- Einstein's notation --------------------------------------------------------------------- */

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* One term, up to ',' or '-' or the end; an ellipsis stands for `dots` axes, named 0, 1, ... */
static hone_status read_term(const hone_net_use *u, const char **at, uint32_t rank, bool is_out,
                             hone_net_term *ret, hone_error *err)
{
    const char *s = *at;
    uint32_t letters = 0;
    bool dots = false;
    for (const char *c = s; *c && *c != ',' && *c != '-'; c++)
        letters += is_letter(*c);
    *ret = (hone_net_term){0};
    for (; *s && *s != ',' && *s != '-'; s++) {
        if (*s == ' ')
            continue;
        uint32_t more = 1;
        if (*s == '.') {
            if (s[1] != '.' || s[2] != '.' || dots || letters > rank)
                return HONE_NET_BAD("its equation has an ellipsis that fits nothing");
            dots = true;
            s += 2;
            more = rank - letters;
        } else if (!is_letter(*s)) {
            return HONE_NET_BAD("its equation has '%c'", *s);
        }
        if (ret->n + more > HONE_MAX_DIMS)
            return HONE_NET_BAD("its equation has more than %d axes in a term", HONE_MAX_DIMS);
        for (uint32_t k = 0; k < more; k++)
            ret->axis[ret->n++] = dots && *s == '.' ? (char)(HONE_NET_DOTS + (more - 1 - k)) : *s;
    }
    if (!is_out && ret->n != rank)
        return HONE_NET_BAD("its equation has %" PRIu32 " axes for an input of %" PRIu32, ret->n,
                            rank);
    *at = s;
    return HONE_OK;
}

static uint32_t times(const hone_net_einsum *e, char axis)
{
    uint32_t n = 0;
    for (uint32_t k = 0; k < e->n; k++)
        for (uint32_t d = 0; d < e->in[k].n; d++)
            n += e->in[k].axis[d] == axis;
    return n;
}

/* Without "->": the ellipsis's axes, then the letters that stand once, in their order. */
static hone_status implied(const hone_net_use *u, hone_net_einsum *e, hone_error *err)
{
    for (char c = HONE_NET_DOTS + HONE_MAX_DIMS - 1; c >= HONE_NET_DOTS; c--)
        if (times(e, c))
            e->out.axis[e->out.n++] = c;
    for (char c = 'A'; c <= 'z'; c++) {
        if (times(e, c) != 1)
            continue;
        if (e->out.n == HONE_MAX_DIMS)
            return HONE_NET_NOT_YET("its result has more than %d dimensions", HONE_MAX_DIMS);
        e->out.axis[e->out.n++] = c;
    }
    return HONE_OK;
}

/* What it sums over is counted too. */
static hone_status check_size(const hone_net_use *u, const hone_net_einsum *e, hone_error *err)
{
    int64_t n = 1;
    for (int c = 0; c < 128; c++)
        if (e->seen[c] && e->size[c] && __builtin_mul_overflow(n, e->size[c], &n))
            return HONE_NET_BAD("its sum is too large");
    return HONE_OK;
}

static hone_status read_terms(const hone_net_use *u, hone_net_einsum *ret, hone_error *err)
{
    const char *s = hone_net_attr_text(u->node, "equation");
    uint32_t dots = 0;
    *ret = (hone_net_einsum){.n = u->n_in};
    if (u->n_in > HONE_NET_EINSUM_INPUTS)
        return HONE_NET_NOT_YET("more than %d inputs", HONE_NET_EINSUM_INPUTS);
    for (uint32_t k = 0; k < u->n_in; k++) {
        if (!hone_net_in(u, k))
            return HONE_NET_BAD("input %" PRIu32 " is not given", k);
        HONE_TRY(read_term(u, &s, u->in[k]->n_dims, false, &ret->in[k], err));
        if (*s != (k + 1 < u->n_in ? ',' : *s) || (*s == ',' && k + 1 == u->n_in))
            return HONE_NET_BAD("its equation has another number of inputs");
        s += *s == ',';
        uint32_t own = 0;
        for (uint32_t d = 0; d < ret->in[k].n; d++) {
            char c = ret->in[k].axis[d];
            own += c >= 0 && c < 'A';
            int64_t *size = &ret->size[(int)c], has = u->in[k]->shape[d];
            if (!ret->seen[(int)c] || *size == 1)
                *size = has;
            else if (*size != has && has != 1)
                return HONE_NET_BAD("its equation gives one axis sizes %" PRId64 " and %" PRId64,
                                    *size, has);
            ret->seen[(int)c] = true;
        }
        dots = own > dots ? own : dots;
    }
    if (*s == '\0')
        return implied(u, ret, err);
    if (s[0] != '-' || s[1] != '>')
        return HONE_NET_BAD("its equation has '%c'", *s);
    s += 2;
    uint32_t letters = 0;
    bool has_dots = strchr(s, '.') != NULL;
    for (const char *c = s; *c; c++)
        letters += is_letter(*c);
    HONE_TRY(read_term(u, &s, letters + (has_dots ? dots : 0), true, &ret->out, err));
    for (uint32_t d = 0; d < ret->out.n; d++) {
        if (!ret->seen[(int)ret->out.axis[d]])
            return HONE_NET_BAD("its equation's result has an axis that no input has");
        for (uint32_t j = 0; j < d; j++)
            if (ret->out.axis[j] == ret->out.axis[d])
                return HONE_NET_BAD("its equation's result has an axis twice");
    }
    return *s ? HONE_NET_BAD("its equation goes on after its result") : HONE_OK;
}

hone_status hone_net__einsum_of(const hone_net_use *u, hone_net_einsum *ret, hone_error *err)
{
    HONE_TRY(read_terms(u, ret, err));
    return check_size(u, ret, err);
}

hone_status hone_net__infer_einsum(const hone_net_use *u, hone_error *err)
{
    hone_net_einsum e;
    HONE_TRY(hone_net__want(u, 0, hone_net__is_number, "numbers", err));
    HONE_TRY(hone_net__want_same(u, 0, u->n_in, err));
    HONE_TRY(hone_net__einsum_of(u, &e, err));
    hone_tensor t = {.dtype = u->in[0]->dtype};
    for (uint32_t d = 0; d < e.out.n; d++)
        HONE_TRY(hone_net__push(u, &t, e.size[(int)e.out.axis[d]], err));
    return hone_net__give(u, 0, &t, err);
}
