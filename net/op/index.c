/* Operators that choose elements by index: shapes, and what their indices come to. */
#include "net/op/infer.h"

static bool is_index(hone_dtype t)
{
    return t == HONE_I32 || t == HONE_I64;
}

static bool is_truth(hone_dtype t)
{
    return t == HONE_BOOL;
}

/* ---- gathering ------------------------------------------------------------------------------- */

hone_status hone_net__infer_gather(const hone_net_use *u, hone_error *err)
{
    const hone_tensor *x = u->in[0], *index = u->in[1];
    uint32_t axis;
    HONE_TRY(hone_net__want(u, 1, is_index, "i32 or i64", err));
    HONE_TRY(hone_net_axis_of(u, "axis", x->n_dims, &axis, err));
    hone_tensor t = {.dtype = x->dtype};
    for (uint32_t k = 0; k < axis; k++)
        HONE_TRY(hone_net__push(u, &t, x->shape[k], err));
    for (uint32_t k = 0; k < index->n_dims; k++)
        HONE_TRY(hone_net__push(u, &t, index->shape[k], err));
    for (uint32_t k = axis + 1; k < x->n_dims; k++)
        HONE_TRY(hone_net__push(u, &t, x->shape[k], err));
    return hone_net__give(u, 0, &t, err);
}

hone_status hone_net__infer_gather_elements(const hone_net_use *u, hone_error *err)
{
    const hone_tensor *x = u->in[0], *index = u->in[1];
    uint32_t axis;
    HONE_TRY(hone_net__want(u, 1, is_index, "i32 or i64", err));
    HONE_TRY(hone_net__want_dims(u, 1, x->n_dims, err));
    HONE_TRY(hone_net_axis_of(u, "axis", x->n_dims, &axis, err));
    for (uint32_t k = 0; k < x->n_dims; k++)
        if (k != axis && index->shape[k] > x->shape[k])
            return HONE_NET_BAD("its indices are larger than its data");
    hone_tensor t = *index;
    t.dtype = x->dtype;
    return hone_net__give(u, 0, &t, err);
}

/* The last axis of the indices, whose size is how many axes one of them chooses. */
static hone_status index_depth(const hone_net_use *u, uint32_t batches, int64_t *ret,
                               hone_error *err)
{
    const hone_tensor *x = u->in[0], *index = u->in[1];
    HONE_TRY(hone_net__want(u, 1, is_index, "i32 or i64", err));
    if (index->n_dims < 1 || index->n_dims <= batches || x->n_dims < batches)
        return HONE_NET_BAD("its indices have %u dimensions", index->n_dims);
    *ret = index->shape[index->n_dims - 1];
    if (*ret < 1 || *ret > x->n_dims - batches)
        return HONE_NET_BAD("an index has %" PRId64 " numbers, its data %u dimensions", *ret,
                            x->n_dims);
    return HONE_OK;
}

hone_status hone_net__infer_gather_nd(const hone_net_use *u, hone_error *err)
{
    const hone_tensor *x = u->in[0], *index = u->in[1];
    int64_t batches = hone_net_attr_int(u->node, "batch_dims"), depth;
    if (batches < 0 || batches >= HONE_MAX_DIMS)
        return HONE_NET_BAD("its batch_dims is %" PRId64, batches);
    HONE_TRY(index_depth(u, (uint32_t)batches, &depth, err));
    hone_tensor t = {.dtype = x->dtype};
    for (uint32_t k = 0; k + 1u < index->n_dims; k++) {
        if (k < batches && index->shape[k] != x->shape[k])
            return HONE_NET_BAD("its batches differ in axis %" PRIu32, k);
        HONE_TRY(hone_net__push(u, &t, index->shape[k], err));
    }
    for (uint32_t k = (uint32_t)(batches + depth); k < x->n_dims; k++)
        HONE_TRY(hone_net__push(u, &t, x->shape[k], err));
    return hone_net__give(u, 0, &t, err);
}

/* ---- scattering ------------------------------------------------------------------------------ */

static hone_status reduction(const hone_net_use *u, hone_error *err)
{
    static const char *const names[] = {"none", "add", "mul", "max", "min"};
    if (!hone_net__has_attr(u, "reduction"))
        return HONE_OK;
    for (unsigned k = 0; k < HONE_LEN(names); k++)
        if (strcmp(hone_net_attr_text(u->node, "reduction"), names[k]) == 0)
            return HONE_OK;
    return HONE_NET_BAD("there is no reduction '%s'", hone_net_attr_text(u->node, "reduction"));
}

hone_status hone_net__infer_scatter(const hone_net_use *u, hone_error *err)
{
    const hone_tensor *x = u->in[0], *index = u->in[1], *from = u->in[2];
    uint32_t axis;
    HONE_TRY(reduction(u, err));
    HONE_TRY(hone_net__want(u, 1, is_index, "i32 or i64", err));
    HONE_TRY(hone_net__want_dims(u, 1, x->n_dims, err));
    HONE_TRY(hone_net_axis_of(u, "axis", x->n_dims, &axis, err));
    if (from->dtype != x->dtype || !hone_tensor_same_shape(from, index))
        return HONE_NET_BAD("its updates fit neither its data's type nor its indices");
    for (uint32_t k = 0; k < x->n_dims; k++)
        if (k != axis && index->shape[k] > x->shape[k])
            return HONE_NET_BAD("its indices are larger than its data");
    return hone_net__give(u, 0, x, err);
}

hone_status hone_net__infer_scatter_nd(const hone_net_use *u, hone_error *err)
{
    const hone_tensor *x = u->in[0], *index = u->in[1], *from = u->in[2];
    int64_t depth;
    HONE_TRY(reduction(u, err));
    HONE_TRY(index_depth(u, 0, &depth, err));
    hone_tensor want = {.dtype = x->dtype};
    for (uint32_t k = 0; k + 1u < index->n_dims; k++)
        HONE_TRY(hone_net__push(u, &want, index->shape[k], err));
    for (uint32_t k = (uint32_t)depth; k < x->n_dims; k++)
        HONE_TRY(hone_net__push(u, &want, x->shape[k], err));
    if (from->dtype != x->dtype || !hone_tensor_same_shape(from, &want))
        return HONE_NET_BAD("its updates fit neither its data's type nor its indices");
    return hone_net__give(u, 0, x, err);
}

/* ---- joining and splitting ------------------------------------------------------------------- */

hone_status hone_net__infer_concat(const hone_net_use *u, hone_error *err)
{
    uint32_t axis;
    for (uint32_t k = 0; k < u->n_in; k++)
        if (!hone_net_in(u, k))
            return HONE_NET_BAD("input %" PRIu32 " is not given", k);
    hone_tensor t = *u->in[0];
    HONE_TRY(hone_net__want_same(u, 0, u->n_in, err));
    HONE_TRY(hone_net_axis_of(u, "axis", t.n_dims, &axis, err));
    for (uint32_t k = 1; k < u->n_in; k++) {
        HONE_TRY(hone_net__want_dims(u, k, t.n_dims, err));
        for (uint32_t d = 0; d < t.n_dims; d++)
            if (d != axis && u->in[k]->shape[d] != t.shape[d])
                return HONE_NET_BAD("input %" PRIu32 " differs in axis %" PRIu32, k, d);
        t.shape[axis] += u->in[k]->shape[axis];
    }
    return hone_net__give(u, 0, &t, err);
}

/* Sizes that are given, or as equal as they can be, the last ones smaller (opset 18). */
hone_status hone_net_split_of(const hone_net_use *u, uint32_t *ret_axis, int64_t *ret_sizes,
                              hone_error *err)
{
    const hone_tensor *x = u->in[0];
    uint32_t n;
    HONE_TRY(hone_net_axis_of(u, "axis", x->n_dims, ret_axis, err));
    HONE_TRY(hone_net__list_or(u, 1, "split", HONE_NET_MAX_INPUTS, ret_sizes, &n, err));
    int64_t said = hone_net__int_or(u, "num_outputs", 0), whole = x->shape[*ret_axis];
    int64_t parts = u->n_out, each = whole / parts + (whole % parts != 0), left = whole;
    if (said && said != parts)
        return HONE_NET_BAD("it has %" PRId64 " results, and says %" PRId64, parts, said);
    if (n && n != parts)
        return HONE_NET_BAD("it has %" PRIu32 " sizes for %" PRId64 " results", n, parts);
    if (!n && whole % parts && u->node->op->last < 18)
        return HONE_NET_BAD("%" PRId64 " does not split in %" PRId64, whole, parts);
    for (uint32_t k = 0; k < parts; k++) {
        ret_sizes[k] = n ? ret_sizes[k] : left < each ? left : each;
        if (ret_sizes[k] < 0 || ret_sizes[k] > left)
            return HONE_NET_BAD("its sizes do not sum to %" PRId64, whole);
        left -= ret_sizes[k];
    }
    return left ? HONE_NET_BAD("its sizes do not sum to %" PRId64, whole) : HONE_OK;
}

hone_status hone_net__infer_split(const hone_net_use *u, hone_error *err)
{
    uint32_t axis;
    int64_t *sizes = hone_xcalloc(HONE_NET_MAX_INPUTS, sizeof *sizes);
    hone_status st = hone_net_split_of(u, &axis, sizes, err);
    for (uint32_t k = 0; k < u->n_out && st == HONE_OK; k++) {
        hone_tensor t = *u->in[0];
        t.shape[axis] = sizes[k];
        st = hone_net__give(u, k, &t, err);
    }
    free(sizes);
    return st;
}

/* ---- slices ---------------------------------------------------------------------------------- */

/* One axis of size n, by the standard's rules: negative numbers count from the end, and both are
 * held to the axis. */
static void slice_axis(int64_t n, int64_t start, int64_t end, int64_t step, int64_t *ret_start,
                       int64_t *ret_size)
{
    *ret_start = *ret_size = 0;
    if (n == 0)
        return; /* backwards too: there is no last element to begin with */
    start += start < 0 ? n : 0;
    end += end < 0 ? n : 0;
    int64_t least = step < 0 ? -1 : 0, most = step < 0 ? n - 1 : n;
    start = start < 0 ? 0 : start > most ? most : start;
    end = end < least ? least : end > n ? n : end;
    int64_t span = step < 0 ? start - end : end - start;
    int64_t by = step < 0 ? -step : step;
    *ret_start = start;
    *ret_size = span > 0 ? (span - 1) / by + 1 : 0;
}

hone_status hone_net_slice_of(const hone_net_use *u, hone_net_slice *ret, hone_error *err)
{
    const hone_tensor *x = u->in[0];
    int64_t start[HONE_MAX_DIMS], end[HONE_MAX_DIMS], step[HONE_MAX_DIMS];
    uint32_t n, n_end, n_step = 0;
    hone_net_axes axes;
    HONE_TRY(hone_net__list_or(u, 1, "starts", HONE_MAX_DIMS, start, &n, err));
    HONE_TRY(hone_net__list_or(u, 2, "ends", HONE_MAX_DIMS, end, &n_end, err));
    HONE_TRY(hone_net_axes_of(u, 3, x->n_dims, &axes, err));
    HONE_TRY(hone_net__list(u, 4, HONE_MAX_DIMS, step, &n_step, err));
    if (n != n_end || (axes.n && axes.n != n) || (n_step && n_step != n) || n > x->n_dims)
        return HONE_NET_BAD("its starts, ends, axes and steps differ in number");
    for (uint32_t k = 0; k < x->n_dims; k++) {
        ret->start[k] = 0;
        ret->step[k] = 1;
        ret->size[k] = x->shape[k];
    }
    for (uint32_t k = 0; k < n; k++) {
        uint32_t axis = axes.n ? axes.v[k] : k;
        int64_t by = n_step ? step[k] : 1;
        if (by == 0 || by == INT64_MIN)
            return HONE_NET_BAD("its step is %" PRId64, by);
        ret->step[axis] = by;
        slice_axis(x->shape[axis], start[k], end[k], by, &ret->start[axis], &ret->size[axis]);
    }
    return HONE_OK;
}

hone_status hone_net__infer_slice(const hone_net_use *u, hone_error *err)
{
    hone_net_slice s;
    HONE_TRY(hone_net_slice_of(u, &s, err));
    hone_tensor t = *u->in[0];
    memcpy(t.shape, s.size, t.n_dims * sizeof t.shape[0]);
    return hone_net__give(u, 0, &t, err);
}

/* ---- padding --------------------------------------------------------------------------------- */

hone_status hone_net_pad_of(const hone_net_use *u, hone_net_pad *ret, hone_error *err)
{
    const hone_tensor *x = u->in[0];
    int64_t pads[2 * HONE_MAX_DIMS];
    uint32_t n;
    *ret = (hone_net_pad){0};
    HONE_TRY(hone_net__list_or(u, 1, "pads", 2 * HONE_MAX_DIMS, pads, &n, err));
    hone_net_axes axes = {0};
    if (hone_net_in(u, 3))
        HONE_TRY(hone_net_axes_of(u, 3, x->n_dims, &axes, err));
    uint32_t half = hone_net_in(u, 3) ? axes.n : x->n_dims;
    if (n != 2 * half)
        return HONE_NET_BAD("it has %" PRIu32 " pads, not %" PRIu32, n, 2 * half);
    for (uint32_t k = 0; k < half; k++) {
        uint32_t axis = hone_net_in(u, 3) ? axes.v[k] : k;
        if (pads[k] < -HONE_NET_MAX_ELEMS || pads[k] > HONE_NET_MAX_ELEMS ||
            pads[half + k] < -HONE_NET_MAX_ELEMS || pads[half + k] > HONE_NET_MAX_ELEMS)
            return HONE_NET_BAD("it pads by too much");
        ret->before[axis] = pads[k];
        ret->after[axis] = pads[half + k];
    }
    return HONE_OK;
}

hone_status hone_net__infer_pad(const hone_net_use *u, hone_error *err)
{
    hone_net_pad p;
    const hone_tensor *value = hone_net_in(u, 2);
    const char *mode = hone_net_attr_text(u->node, "mode");
    bool constant = strcmp(mode, "constant") == 0, reflect = strcmp(mode, "reflect") == 0;
    if (!constant && !reflect && strcmp(mode, "edge") != 0)
        return HONE_NET_BAD("there is no mode '%s'", mode);
    if (value && (value->dtype != u->in[0]->dtype || hone_tensor_elems(value) != 1))
        return HONE_NET_BAD("what it pads with is not one element of its data's type");
    HONE_TRY(hone_net_pad_of(u, &p, err));
    hone_tensor t = *u->in[0];
    for (uint32_t k = 0; k < t.n_dims; k++) {
        int64_t n = t.shape[k];
        bool grows = p.before[k] > 0 || p.after[k] > 0;
        if (grows && !constant && n == 0)
            return HONE_NET_BAD("axis %" PRIu32 " has nothing to pad with", k);
        if (reflect && (p.before[k] >= n || p.after[k] >= n) && grows)
            return HONE_NET_BAD("it reflects more of axis %" PRIu32 " than there is", k);
        t.shape[k] += p.before[k] + p.after[k];
    }
    return hone_net__give(u, 0, &t, err);
}

/* ---- choosing -------------------------------------------------------------------------------- */

hone_status hone_net__infer_one_hot(const hone_net_use *u, hone_error *err)
{
    const hone_tensor *index = u->in[0];
    int64_t axis = hone_net_attr_int(u->node, "axis"), rank = index->n_dims + 1;
    HONE_TRY(hone_net__want(u, 0, hone_net__is_number, "numbers", err));
    HONE_TRY(hone_net__want(u, 1, hone_net__is_number, "a number", err));
    HONE_TRY(hone_net__want_data(u, 1, err));
    if (hone_tensor_elems(u->in[1]) != 1 || u->in[2]->n_dims != 1 || u->in[2]->shape[0] != 2)
        return HONE_NET_BAD("its depth is not one number, or its values are not two");
    if (axis < -rank || axis >= rank)
        return HONE_NET_BAD("there is no axis %" PRId64 " among %" PRId64, axis, rank);
    int64_t depth = hone_tensor_int(u->in[1], 0);
    if (depth < 1)
        return HONE_NET_BAD("its depth is %" PRId64, depth);
    axis += axis < 0 ? rank : 0;
    hone_tensor t = {.dtype = u->in[2]->dtype};
    for (uint32_t k = 0, from = 0; k < rank; k++)
        HONE_TRY(hone_net__push(u, &t, k == axis ? depth : index->shape[from++], err));
    return hone_net__give(u, 0, &t, err);
}

hone_status hone_net__infer_top_k(const hone_net_use *u, hone_error *err)
{
    const hone_tensor *x = u->in[0];
    uint32_t axis, n = 1;
    int64_t k = hone_net__int_or(u, "k", 0);
    HONE_TRY(hone_net__want(u, 0, hone_net__is_number, "numbers", err));
    HONE_TRY(hone_net_axis_of(u, "axis", x->n_dims, &axis, err));
    if (!hone_net__has_attr(u, "k"))
        HONE_TRY(hone_net__list(u, 1, 1, &k, &n, err));
    if (n != 1 || k < 0 || k > x->shape[axis])
        return HONE_NET_BAD("it chooses %" PRId64 " of %" PRId64, k, x->shape[axis]);
    hone_tensor t = *x;
    t.shape[axis] = k;
    HONE_TRY(hone_net__give(u, 0, &t, err));
    t.dtype = HONE_I64;
    return hone_net__give(u, 1, &t, err);
}

hone_status hone_net__infer_non_zero(const hone_net_use *u, hone_error *err)
{
    const hone_tensor *x = u->in[0];
    HONE_TRY(hone_net__want_data(u, 0, err));
    int64_t n = 0;
    for (int64_t k = 0; k < hone_tensor_elems(x); k++)
        n += hone_tensor_float(x, k) != 0;
    const hone_tensor t = {.dtype = HONE_I64, .n_dims = 2, .shape = {x->n_dims, n}};
    return hone_net__give(u, 0, &t, err);
}

hone_status hone_net__infer_compress(const hone_net_use *u, hone_error *err)
{
    const hone_tensor *x = u->in[0], *which = u->in[1];
    bool flat = !hone_net_attr_given(u->node, "axis");
    uint32_t axis = 0;
    HONE_TRY(hone_net__want(u, 1, is_truth, "bool", err));
    HONE_TRY(hone_net__want_dims(u, 1, 1, err));
    HONE_TRY(hone_net__want_data(u, 1, err));
    if (!flat)
        HONE_TRY(hone_net_axis_of(u, "axis", x->n_dims, &axis, err));
    int64_t n = 0, of = flat ? hone_tensor_elems(x) : x->shape[axis];
    if (which->shape[0] > of)
        return HONE_NET_BAD("it chooses among %" PRId64 " of %" PRId64, which->shape[0], of);
    for (int64_t k = 0; k < which->shape[0]; k++)
        n += hone_tensor_int(which, k);
    hone_tensor t = *x;
    if (flat)
        t.n_dims = 1;
    t.shape[axis] = n;
    return hone_net__give(u, 0, &t, err);
}

hone_status hone_net__infer_reverse_sequence(const hone_net_use *u, hone_error *err)
{
    const hone_tensor *x = u->in[0], *n = u->in[1];
    int64_t batch = hone_net_attr_int(u->node, "batch_axis");
    int64_t time = hone_net_attr_int(u->node, "time_axis");
    if (x->n_dims < 2 || batch < 0 || batch > 1 || time != 1 - batch)
        return HONE_NET_BAD("its axes are not 0 and 1");
    if (n->dtype != HONE_I64 || n->n_dims != 1 || n->shape[0] != x->shape[batch])
        return HONE_NET_BAD("it has not one length for each sequence");
    return hone_net__give(u, 0, x, err);
}
