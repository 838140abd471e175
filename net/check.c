/* Models with their test data, as ONNX ships them: is what the reference computes what is expected?
 */
#include "net/plan.h"

#include <math.h>
#include <sys/stat.h>

#define TOLERANCE_REL 1e-3 /* of ONNX's backend tests */
#define TOLERANCE_ABS 1e-7
#define MAX_OUTPUTS 64

const char *hone_net_verdict_name(hone_net_verdict v)
{
    static const char *const names[] = {"equal", "differs", "unsupported", "error"};
    return names[v];
}

/* ---- two tensors ----------------------------------------------------------------------------- */

static bool close_enough(double is, double expected)
{
    if (isnan(expected) || isinf(expected))
        return isnan(expected) ? isnan(is) : is == expected;
    return fabs(is - expected) <= TOLERANCE_ABS + TOLERANCE_REL * fabs(expected);
}

bool hone_tensor_agree(const hone_tensor *is, const hone_tensor *expected, char *ret, size_t n)
{
    *ret = '\0';
    if (is->dtype != expected->dtype || !hone_tensor_same_shape(is, expected)) {
        char a[160], b[160];
        hone_tensor_text(is, a, sizeof a);
        hone_tensor_text(expected, b, sizeof b);
        snprintf(ret, n, "it is %s, expected %s", a, b);
        return false;
    }
    bool real = hone_dtype_is_float(is->dtype);
    int64_t wrong = 0, first = 0, elems = hone_tensor_elems(is);
    for (int64_t k = 0; k < elems; k++) {
        bool fits = real ? close_enough(hone_tensor_float(is, k), hone_tensor_float(expected, k))
                         : hone_tensor_int(is, k) == hone_tensor_int(expected, k);
        if (!fits && !wrong++)
            first = k;
    }
    if (wrong)
        snprintf(
            ret, n,
            "%" PRId64 " of %" PRId64 " elements, first element %" PRId64 ": %.9g, expected %.9g",
            wrong, elems, first, hone_tensor_float(is, first), hone_tensor_float(expected, first));
    return !wrong;
}

/* ---- a set of test data ---------------------------------------------------------------------- */

typedef struct tensors {
    HONE_VEC(hone_tensor) v;
} tensors;

static bool is_there(const char *path)
{
    struct stat sb;
    return stat(path, &sb) == 0;
}

static void free_tensors(tensors *t)
{
    for (uint32_t k = 0; k < t->v.n; k++)
        free(t->v.v[k].data);
    hone_vec_free(&t->v);
}

/* "input_0.pb", "input_1.pb" and so on, as far as they go. */
static hone_status read_tensors(const char *folder, uint32_t set, const char *kind, tensors *ret,
                                hone_error *err)
{
    hone_status st = HONE_OK;
    for (uint32_t k = 0; st == HONE_OK; k++) {
        char *path =
            hone_xasprintf("%s/test_data_set_%" PRIu32 "/%s_%" PRIu32 ".pb", folder, set, kind, k);
        bool there = is_there(path);
        hone_tensor t;
        if (there)
            st = hone_net_read_tensor(path, &t, err);
        if (there && st == HONE_OK)
            hone_vec_push(&ret->v, t);
        free(path);
        if (!there)
            break;
    }
    return st;
}

static hone_net_verdict compare(const hone_net *g, const hone_tensor *is, const tensors *expected,
                                char *ret, size_t n)
{
    for (uint32_t k = 0; k < g->outputs.n; k++) {
        char why[400];
        if (!hone_tensor_agree(&is[k], &expected->v.v[k], why, sizeof why)) {
            snprintf(ret, n, "output '%.100s': %s", hone_net_value_at(g, g->outputs.v[k])->name,
                     why);
            return HONE_NET_DIFFERS;
        }
    }
    return HONE_NET_EQUAL;
}

static hone_net_verdict failed(hone_status st, const hone_error *err, char *ret, size_t n)
{
    snprintf(ret, n, "%s", err->message);
    return st == HONE_E_UNSUPPORTED ? HONE_NET_UNSUPPORTED : HONE_NET_ERROR;
}

/* ---- what computes --------------------------------------------------------------------------- */

/* Reading the model with all inputs given computes it. */
static hone_status by_reference(const char *model, const tensors *in, hone_net **ret_g,
                                hone_tensor *ret, hone_error *err)
{
    static const hone_tensor none[1];
    const hone_net_options o = {.given = in->v.n ? in->v.v : none, .n_given = in->v.n};
    HONE_TRY(hone_net_read(model, &o, ret_g, err));
    for (uint32_t k = 0; k < (*ret_g)->outputs.n && k < MAX_OUTPUTS; k++)
        ret[k] = hone_net_value_at(*ret_g, (*ret_g)->outputs.v[k])->t;
    return HONE_OK;
}

/* Does it say how to compute rather than what of? */
static bool is_parameter(const hone_tensor *t)
{
    return t->n_dims == 0 || (t->n_dims == 1 && t->dtype == HONE_I64);
}

static hone_status by_kernels(const char *model, const tensors *in, hone_net **ret_g,
                              hone_tensor *ret, hone_error *err)
{
    tensors given = {0};
    bool others = false;
    hone_net_plan p = {0};
    for (uint32_t k = 0; k < in->v.n; k++)
        others |= !is_parameter(&in->v.v[k]);
    for (uint32_t k = 0; k < in->v.n; k++) {
        hone_tensor t = in->v.v[k];
        if (!others || !is_parameter(&t))
            t.data = NULL;
        hone_vec_push(&given.v, t);
    }
    const hone_net_options o = {.given = given.v.v, .n_given = given.v.n};
    hone_status st = hone_net_read(model, &o, ret_g, err);
    hone_vec_free(&given.v);
    if (st == HONE_OK)
        st = hone_net_plan_make(*ret_g, NULL, &p, err);
    if (st == HONE_OK && (*ret_g)->outputs.n <= MAX_OUTPUTS)
        st = hone_net_plan_interpret(&p, in->v.v, ret, err);
    hone_net_plan_free(&p);
    return st;
}

static hone_net_verdict check_set(const char *folder, const char *model, uint32_t set, bool kernels,
                                  char *ret, size_t n)
{
    tensors in = {0}, out = {0};
    hone_error err = {0};
    hone_net *g = NULL;
    hone_tensor is[MAX_OUTPUTS] = {0};
    hone_net_verdict v = HONE_NET_ERROR;
    hone_status st = read_tensors(folder, set, "input", &in, &err);
    if (st == HONE_OK)
        st = read_tensors(folder, set, "output", &out, &err);
    if (st == HONE_OK) {
        st = (kernels ? by_kernels : by_reference)(model, &in, &g, is, &err);
    } else {
        /* data that is no tensor belongs to a model that says so */
        hone_error of_model = {0};
        if (hone_net_read(model, NULL, &g, &of_model) == HONE_E_UNSUPPORTED) {
            st = HONE_E_UNSUPPORTED;
            err = of_model;
        }
    }
    if (st != HONE_OK)
        v = failed(st, &err, ret, n);
    else if (g->outputs.n != out.v.n || g->outputs.n > MAX_OUTPUTS)
        snprintf(ret, n, "%" PRIu32 " outputs, expected %" PRIu32, g->outputs.n, out.v.n);
    else
        v = compare(g, is, &out, ret, n);
    for (unsigned k = 0; k < MAX_OUTPUTS && kernels; k++)
        free(is[k].data);
    hone_net_free(g);
    free_tensors(&in);
    free_tensors(&out);
    return v;
}

hone_net_verdict hone_net_check(const char *folder, bool kernels, char *ret, size_t n)
{
    char *model = hone_xasprintf("%s/model.onnx", folder);
    hone_net_verdict v = HONE_NET_EQUAL;
    uint32_t set = 0;
    *ret = '\0';
    for (; v == HONE_NET_EQUAL; set++) {
        char *data = hone_xasprintf("%s/test_data_set_%" PRIu32, folder, set);
        bool there = is_there(data);
        free(data);
        if (!there)
            break;
        v = check_set(folder, model, set, kernels, ret, n);
    }
    if (set == 0) {
        snprintf(ret, n,
                 is_there(model) ? "there is no test_data_set_0" : "there is no model.onnx");
        v = HONE_NET_ERROR;
    }
    free(model);
    return v;
}
