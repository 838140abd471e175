/* From a file, or its bytes, to a graph. */
#include "net/read/read.h"

#include <sys/stat.h>

#define MAX_FILE_BYTES ((size_t)2 << 30) /* no protobuf message is larger */

/* ---- protobuf-c within limits ---------------------------------------------------------------- */

static void *budget_alloc(void *data, size_t n)
{
    hone_net_budget *b = data;
    if (n > b->left)
        return NULL;
    b->left -= n;
    return hone_xmalloc(n ? n : 1);
}

static void budget_free(void *data, void *p)
{
    (void)data;
    free(p);
}

/* What is freed is not given back: it bounds the work too. */
void hone_net__budget(hone_net_budget *b, size_t bytes)
{
    *b = (hone_net_budget){.allocator = {budget_alloc, budget_free, b}, .left = bytes};
}

/* ---- the model ------------------------------------------------------------------------------- */

static hone_status check_dims_used(const hone_net_reader *r, hone_error *err)
{
    for (uint32_t k = 0; k < r->options->n_dims; k++)
        if (!r->dims_used[k])
            return hone_fail(err, HONE_E_INPUT, "no input has a dimension called '%.60s'",
                             r->options->dims[k].name);
    return HONE_OK;
}

/* Is it read to be computed? */
static bool all_given(const hone_net_options *o)
{
    bool all = o->given != NULL;
    for (uint32_t k = 0; all && k < o->n_given; k++)
        all = o->given[k].data != NULL;
    return all;
}

static hone_status read_graph(hone_net_reader *r, hone_error *err)
{
    const Onnx__Graph *m = r->model->graph;
    if (!m)
        return hone_fail(err, HONE_E_INPUT, "this is not an ONNX model: it has no graph");
    HONE_TRY(hone_net__survey(r, err));
    r->g->opset = r->opset;
    if (m->name) {
        char *clean = hone_text_clean(m->name);
        r->g->name = hone_net_strdup(r->g, clean);
        free(clean);
    }
    HONE_TRY(hone_net__read_initializers(r, err));
    HONE_TRY(hone_net__read_inputs(r, err));
    HONE_TRY(check_dims_used(r, err));
    HONE_TRY(hone_net__read_nodes(r, err));
    HONE_TRY(hone_net__read_outputs(r, err));
    HONE_TRY(hone_net__sort(r->g, err));
    HONE_TRY(hone_net__infer(r->g, all_given(r->options), err));
    return hone_net__check_outputs(r, err);
}

hone_status hone_net_parse(const void *bytes, size_t n, const char *folder,
                           const hone_net_options *o, hone_net **ret, hone_error *err)
{
    static const hone_net_options none;
    hone_net_budget budget;
    o = o ? o : &none;
    int64_t most = o->max_bytes ? o->max_bytes : HONE_NET_MAX_BYTES;
    hone_net__budget(&budget, (size_t)most);
    Onnx__Model *m = onnx__model__unpack(&budget.allocator, n, bytes);
    *ret = NULL;
    if (!m)
        return hone_fail(err, HONE_E_INPUT, "this is not an ONNX model, or a part of one only");
    hone_net_reader r = {.g = hone_net_new(), .model = m, .options = o, .folder = folder};
    hone_net__set_max_bytes(r.g, most);
    r.dims_used = hone_xcalloc(o->n_dims + 1, sizeof *r.dims_used);
    hone_status st = read_graph(&r, err);
    hone_map_free(&r.values);
    free(r.dims_used);
    hone_vec_free(&r.missing);
    onnx__model__free_unpacked(m, &budget.allocator);
    if (st == HONE_OK)
        *ret = r.g;
    else
        hone_net_free(r.g);
    return st;
}

/* ---- files ----------------------------------------------------------------------------------- */

hone_status hone_net__fail_at(const char *path, const hone_error *inner, hone_error *err)
{
    char *whole = hone_xasprintf("%.300s: %s", path, inner->message);
    char *clean = hone_text_clean(whole);
    hone_fail(err, inner->status, "%s", clean);
    if (err)
        snprintf(err->where, sizeof err->where, "%s", path);
    free(clean);
    free(whole);
    return inner->status;
}

static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return hone_xstrdup(".");
    return hone_xasprintf("%.*s", slash == path ? 1 : (int)(slash - path), path);
}

static bool is_folder(const char *path)
{
    struct stat sb;
    return stat(path, &sb) == 0 && S_ISDIR(sb.st_mode);
}

hone_status hone_net_read(const char *path, const hone_net_options *o, hone_net **ret,
                          hone_error *err)
{
    char *bytes;
    size_t n;
    *ret = NULL;
    if (is_folder(path))
        return hone_fail(err, HONE_E_INPUT,
                         "'%.300s' is a folder: a model is wanted, a file as model.onnx", path);
    HONE_TRY(hone_file_read(path, MAX_FILE_BYTES, &bytes, &n, err));
    char *folder = folder_of(path);
    hone_error inner = {0};
    hone_status st = hone_net_parse(bytes, n, folder, o, ret, &inner);
    free(folder);
    free(bytes);
    return st == HONE_OK ? st : hone_net__fail_at(path, &inner, err);
}

hone_status hone_net_read_tensor(const char *path, hone_tensor *ret, hone_error *err)
{
    char *bytes;
    size_t n;
    HONE_TRY(hone_file_read(path, MAX_FILE_BYTES, &bytes, &n, err));
    hone_error inner = {0};
    hone_net_budget budget;
    hone_net__budget(&budget, HONE_NET_MAX_BYTES);
    Onnx__Tensor *m = onnx__tensor__unpack(&budget.allocator, n, (const uint8_t *)bytes);
    hone_status st =
        m ? HONE_OK
          : hone_fail(&inner, HONE_E_INPUT, "this is not a tensor, or a part of one only");
    *ret = (hone_tensor){0};
    if (st == HONE_OK)
        st = hone_net__tensor_type(m, "the tensor", ret, &inner);
    if (st == HONE_OK && hone_tensor_bytes(ret) > HONE_NET_MAX_BYTES)
        st = hone_fail(&inner, HONE_E_LIMIT, "the tensor is too large");
    if (st == HONE_OK) {
        ret->data = hone_xcalloc((size_t)hone_tensor_bytes(ret) + 1, 1);
        st = hone_net__tensor_data(m, "the tensor", NULL, ret, &inner);
    }
    if (st != HONE_OK) {
        free(ret->data);
        ret->data = NULL;
    }
    if (m)
        onnx__tensor__free_unpacked(m, &budget.allocator);
    free(bytes);
    return st == HONE_OK ? st : hone_net__fail_at(path, &inner, err);
}
