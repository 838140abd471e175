/* Operators that choose elements by index, evaluated. */
#include "net/eval/eval.h"

#include <math.h>

/* Element k of an index tensor as a place of an axis of size n: negative ones count from the end.
 */
static hone_status place(const hone_net_use *u, const hone_tensor *index, int64_t k, int64_t n,
                         int64_t *ret, hone_error *err)
{
    int64_t i = hone_tensor_int(index, k);
    *ret = 0;
    if (i < -n || i >= n)
        return HONE_NET_BAD("index %" PRId64 " of an axis of %" PRId64, i, n);
    *ret = i < 0 ? i + n : i;
    return HONE_OK;
}

/* ---- gathering ------------------------------------------------------------------------------- */

hone_status hone_net__eval_gather(const hone_net_use *u, hone_error *err)
{
    const hone_tensor *x = u->in[0], *index = u->in[1];
    uint32_t axis;
    HONE_TRY(hone_net_axis_of(u, "axis", x->n_dims, &axis, err));
    int64_t outer = hone_net__elems(x, 0, axis), size = x->shape[axis];
    int64_t inner = hone_net__elems(x, axis + 1, x->n_dims), n = hone_tensor_elems(index);
    for (int64_t o = 0; o < outer; o++)
        for (int64_t k = 0; k < n; k++) {
            int64_t i;
            HONE_TRY(place(u, index, k, size, &i, err));
            hone_net__move_n(x, (o * size + i) * inner, u->out[0], (o * n + k) * inner, inner);
        }
    return HONE_OK;
}

hone_status hone_net__eval_gather_elements(const hone_net_use *u, hone_error *err)
{
    const hone_tensor *x = u->in[0], *index = u->in[1];
    uint32_t axis;
    int64_t stride[HONE_MAX_DIMS];
    HONE_TRY(hone_net_axis_of(u, "axis", x->n_dims, &axis, err));
    hone_net__strides(x, stride);
    hone_net_counter c = hone_net__count(index);
    hone_net__track(&c, 0, stride);
    for (int64_t k = 0, n = hone_tensor_elems(index); k < n; k++, hone_net__next(&c)) {
        int64_t i;
        HONE_TRY(place(u, index, k, x->shape[axis], &i, err));
        hone_net__move(x, c.offset[0] + (i - c.at[axis]) * stride[axis], u->out[0], k);
    }
    return HONE_OK;
}

/* Index tuple k of `index` as an offset among the axes [from, from + depth) of x, in slices. */
static hone_status tuple(const hone_net_use *u, int64_t k, uint32_t from, int64_t *ret,
                         hone_error *err)
{
    const hone_tensor *x = u->in[0], *index = u->in[1];
    int64_t depth = index->shape[index->n_dims - 1];
    *ret = 0;
    for (int64_t d = 0; d < depth; d++) {
        int64_t i, size = x->shape[from + d];
        HONE_TRY(place(u, index, k * depth + d, size, &i, err));
        *ret = *ret * size + i;
    }
    return HONE_OK;
}

hone_status hone_net__eval_gather_nd(const hone_net_use *u, hone_error *err)
{
    const hone_tensor *x = u->in[0], *index = u->in[1];
    uint32_t batches = (uint32_t)hone_net_attr_int(u->node, "batch_dims");
    uint32_t depth = (uint32_t)index->shape[index->n_dims - 1];
    int64_t inner = hone_net__elems(x, batches + depth, x->n_dims);
    int64_t slices = hone_net__elems(x, batches, batches + depth);
    int64_t n = hone_net__elems(index, 0, index->n_dims - 1);
    int64_t each = hone_net__elems(index, batches, index->n_dims - 1);
    for (int64_t k = 0; k < n; k++) {
        int64_t at;
        HONE_TRY(tuple(u, k, batches, &at, err));
        hone_net__move_n(x, (k / each * slices + at) * inner, u->out[0], k * inner, inner);
    }
    return HONE_OK;
}

/* ---- scattering ------------------------------------------------------------------------------ */

/* Element k of the updates into element `to` of y. */
static void update(const hone_net_use *u, int64_t k, int64_t to)
{
    const hone_tensor *from = u->in[2];
    hone_tensor *y = u->out[0];
    const char *how = "none";
    for (uint32_t a = 0; a < u->node->n_attrs; a++)
        if (strcmp(u->node->attrs[a].name, "reduction") == 0)
            how = u->node->attrs[a].text;
    double a = hone_tensor_float(y, to), b = hone_tensor_float(from, k);
    uint64_t i = (uint64_t)hone_tensor_int(y, to), j = (uint64_t)hone_tensor_int(from, k);
    bool real = hone_dtype_is_float(y->dtype), adds = strcmp(how, "add") == 0;
    if (adds || strcmp(how, "mul") == 0) {
        if (real)
            hone_net__set_float(y, to, adds ? a + b : a * b);
        else
            hone_net__set_int(y, to, (int64_t)(adds ? i + j : i * j));
        return;
    }
    bool less = real ? b < a : (int64_t)j < (int64_t)i,
         more = real ? b > a : (int64_t)j > (int64_t)i;
    if (strcmp(how, "max") == 0 ? more : strcmp(how, "min") == 0 ? less : true)
        hone_net__move(from, k, y, to);
}

hone_status hone_net__eval_scatter_elements(const hone_net_use *u, hone_error *err)
{
    const hone_tensor *x = u->in[0], *index = u->in[1];
    uint32_t axis;
    int64_t stride[HONE_MAX_DIMS];
    HONE_TRY(hone_net_axis_of(u, "axis", x->n_dims, &axis, err));
    hone_net__move_n(x, 0, u->out[0], 0, hone_tensor_elems(x));
    hone_net__strides(x, stride);
    hone_net_counter c = hone_net__count(index);
    hone_net__track(&c, 0, stride);
    for (int64_t k = 0, n = hone_tensor_elems(index); k < n; k++, hone_net__next(&c)) {
        int64_t i;
        HONE_TRY(place(u, index, k, x->shape[axis], &i, err));
        update(u, k, c.offset[0] + (i - c.at[axis]) * stride[axis]);
    }
    return HONE_OK;
}

hone_status hone_net__eval_scatter_nd(const hone_net_use *u, hone_error *err)
{
    const hone_tensor *x = u->in[0], *index = u->in[1];
    uint32_t depth = (uint32_t)index->shape[index->n_dims - 1];
    int64_t inner = hone_net__elems(x, depth, x->n_dims);
    hone_net__move_n(x, 0, u->out[0], 0, hone_tensor_elems(x));
    for (int64_t k = 0, n = hone_net__elems(index, 0, index->n_dims - 1); k < n; k++) {
        int64_t at;
        HONE_TRY(tuple(u, k, 0, &at, err));
        for (int64_t j = 0; j < inner; j++)
            update(u, k * inner + j, at * inner + j);
    }
    return HONE_OK;
}

/* ---- joining and splitting ------------------------------------------------------------------- */

/* Rows along axis, of the part that begins at `start`, between it and the whole. */
static void move_part(const hone_tensor *x, hone_tensor *y, uint32_t axis, int64_t start, bool in)
{
    const hone_tensor *part = in ? x : y, *whole = in ? y : x;
    int64_t inner = hone_net__elems(part, axis + 1, part->n_dims);
    int64_t n = part->shape[axis] * inner, all = whole->shape[axis] * inner;
    for (int64_t o = 0, outer = hone_net__elems(part, 0, axis); o < outer; o++) {
        int64_t at = o * all + start * inner;
        hone_net__move_n(x, in ? o * n : at, y, in ? at : o * n, n);
    }
}

hone_status hone_net__eval_concat(const hone_net_use *u, hone_error *err)
{
    uint32_t axis;
    int64_t start = 0;
    HONE_TRY(hone_net_axis_of(u, "axis", u->out[0]->n_dims, &axis, err));
    for (uint32_t k = 0; k < u->n_in; k++) {
        move_part(u->in[k], u->out[0], axis, start, true);
        start += u->in[k]->shape[axis];
    }
    return HONE_OK;
}

hone_status hone_net__eval_split(const hone_net_use *u, hone_error *err)
{
    uint32_t axis;
    int64_t start = 0, *sizes = hone_xcalloc(HONE_NET_MAX_INPUTS, sizeof *sizes);
    hone_status st = hone_net_split_of(u, &axis, sizes, err);
    for (uint32_t k = 0; k < u->n_out && st == HONE_OK; start += sizes[k++])
        if (u->out[k])
            move_part(u->in[0], u->out[k], axis, start, false);
    free(sizes);
    return st;
}

/* ---- slices and padding ---------------------------------------------------------------------- */

hone_status hone_net__eval_slice(const hone_net_use *u, hone_error *err)
{
    const hone_tensor *x = u->in[0];
    hone_net_slice s;
    int64_t stride[HONE_MAX_DIMS], start = 0;
    HONE_TRY(hone_net_slice_of(u, &s, err));
    hone_net__strides(x, stride);
    for (uint32_t k = 0; k < x->n_dims; k++) {
        start += s.start[k] * stride[k];
        stride[k] *= s.size[k] > 1 ? s.step[k] : 0; /* a step past the only element is not taken */
    }
    hone_net_counter c = hone_net__count(u->out[0]);
    hone_net__track(&c, start, stride);
    hone_net__follow(x, &c, u->out[0]);
    return HONE_OK;
}

/* Where place i of a padded axis comes from; -1: from nowhere. */
static int64_t unpadded(int64_t i, int64_t n, char mode)
{
    if (i >= 0 && i < n)
        return i;
    if (mode == 'e')
        return i < 0 ? 0 : n - 1;
    if (mode == 'r')
        return i < 0 ? -i : 2 * (n - 1) - i;
    return -1;
}

hone_status hone_net__eval_pad(const hone_net_use *u, hone_error *err)
{
    const hone_tensor *x = u->in[0], *value = hone_net_in(u, 2);
    char mode = hone_net_attr_text(u->node, "mode")[0];
    hone_net_pad p;
    HONE_TRY(hone_net_pad_of(u, &p, err));
    double fill = u->node->op->id == HONE_NET_OP_PAD_7 ? hone_net_attr_float(u->node, "value") : 0;
    hone_net_counter c = hone_net__count(u->out[0]);
    for (int64_t k = 0, n = hone_tensor_elems(u->out[0]); k < n; k++, hone_net__next(&c)) {
        int64_t from = 0;
        for (uint32_t d = 0; d < x->n_dims && from >= 0; d++) {
            int64_t i = unpadded(c.at[d] - p.before[d], x->shape[d], mode);
            from = i < 0 ? -1 : from * x->shape[d] + i;
        }
        if (from >= 0)
            hone_net__move(x, from, u->out[0], k);
        else if (value)
            hone_net__move(value, 0, u->out[0], k);
        else
            hone_net__set_float(u->out[0], k, fill);
    }
    return HONE_OK;
}

/* ---- choosing -------------------------------------------------------------------------------- */

hone_status hone_net__eval_one_hot(const hone_net_use *u, hone_error *err)
{
    (void)err;
    const hone_tensor *index = u->in[0];
    hone_tensor *y = u->out[0];
    int64_t axis = hone_net_attr_int(u->node, "axis"), depth = hone_tensor_int(u->in[1], 0);
    axis += axis < 0 ? y->n_dims : 0;
    int64_t inner = hone_net__elems(y, (uint32_t)axis + 1, y->n_dims);
    for (int64_t k = 0, n = hone_tensor_elems(y); k < n; k++) {
        int64_t i = hone_tensor_int(index, k / inner / depth * inner + k % inner);
        i += i < 0 ? depth : 0;
        hone_net__move(u->in[2], i == k / inner % depth, y, k);
    }
    return HONE_OK;
}

typedef struct choice {
    double real;
    int64_t whole, at;
} choice;

static int compare(const choice *a, const choice *b)
{
    int by = (a->real > b->real) - (a->real < b->real);
    by = by ? by : (a->whole > b->whole) - (a->whole < b->whole);
    return by;
}

/* Equal elements keep their order. */
static int falling(const void *p, const void *q)
{
    const choice *a = p, *b = q;
    int by = compare(b, a);
    return by ? by : (a->at > b->at) - (a->at < b->at);
}

static int rising(const void *p, const void *q)
{
    const choice *a = p, *b = q;
    int by = compare(a, b);
    return by ? by : (a->at > b->at) - (a->at < b->at);
}

hone_status hone_net__eval_top_k(const hone_net_use *u, hone_error *err)
{
    const hone_tensor *x = u->in[0];
    bool largest = u->node->op->id == HONE_NET_OP_TOP_K_7 || hone_net_attr_int(u->node, "largest");
    bool real = hone_dtype_is_float(x->dtype);
    uint32_t axis;
    HONE_TRY(hone_net_axis_of(u, "axis", x->n_dims, &axis, err));
    int64_t size = x->shape[axis], inner = hone_net__elems(x, axis + 1, x->n_dims);
    int64_t most = u->out[0]->shape[axis];
    choice *row = hone_xmalloc((size_t)(size + 1) * sizeof *row);
    for (int64_t r = 0, n = size ? hone_tensor_elems(x) / size : 0; r < n; r++) {
        int64_t base = r / inner * size * inner + r % inner;
        for (int64_t k = 0; k < size; k++)
            row[k] = (choice){real ? hone_tensor_float(x, base + k * inner) : 0,
                              real ? 0 : hone_tensor_int(x, base + k * inner), k};
        qsort(row, (size_t)size, sizeof *row, largest ? falling : rising);
        for (int64_t k = 0; k < most; k++) {
            int64_t to = (r / inner * most + k) * inner + r % inner;
            hone_net__move(x, base + row[k].at * inner, u->out[0], to);
            hone_net__set_int(u->out[1], to, row[k].at);
        }
    }
    free(row);
    return HONE_OK;
}

hone_status hone_net__eval_non_zero(const hone_net_use *u, hone_error *err)
{
    (void)err;
    const hone_tensor *x = u->in[0];
    int64_t found = 0, columns = u->out[0]->shape[1];
    hone_net_counter c = hone_net__count(x);
    for (int64_t k = 0, n = hone_tensor_elems(x); k < n; k++, hone_net__next(&c)) {
        if (hone_tensor_float(x, k) == 0)
            continue;
        for (uint32_t d = 0; d < x->n_dims; d++)
            hone_net__set_int(u->out[0], d * columns + found, c.at[d]);
        found++;
    }
    return HONE_OK;
}

hone_status hone_net__eval_compress(const hone_net_use *u, hone_error *err)
{
    const hone_tensor *x = u->in[0], *which = u->in[1];
    bool flat = !hone_net_attr_given(u->node, "axis");
    uint32_t axis = 0;
    if (!flat)
        HONE_TRY(hone_net_axis_of(u, "axis", x->n_dims, &axis, err));
    int64_t size = flat ? hone_tensor_elems(x) : x->shape[axis], to = 0;
    int64_t inner = flat ? 1 : hone_net__elems(x, axis + 1, x->n_dims);
    int64_t outer = flat ? 1 : hone_net__elems(x, 0, axis);
    for (int64_t o = 0; o < outer; o++)
        for (int64_t k = 0; k < which->shape[0]; k++)
            if (hone_tensor_int(which, k)) {
                hone_net__move_n(x, (o * size + k) * inner, u->out[0], to, inner);
                to += inner;
            }
    return HONE_OK;
}

hone_status hone_net__eval_reverse_sequence(const hone_net_use *u, hone_error *err)
{
    const hone_tensor *x = u->in[0];
    uint32_t time = (uint32_t)hone_net_attr_int(u->node, "time_axis");
    int64_t inner = hone_net__elems(x, 2, x->n_dims);
    for (int64_t i = 0; i < x->shape[0]; i++)
        for (int64_t j = 0; j < x->shape[1]; j++) {
            int64_t at[2] = {i, j}, n = hone_tensor_int(u->in[1], at[1 - time]);
            if (n < 0 || n > x->shape[time])
                return HONE_NET_BAD("a sequence of %" PRId64 " of %" PRId64, n, x->shape[time]);
            if (at[time] < n)
                at[time] = n - 1 - at[time];
            hone_net__move_n(x, (at[0] * x->shape[1] + at[1]) * inner, u->out[0],
                             (i * x->shape[1] + j) * inner, inner);
        }
    return HONE_OK;
}
