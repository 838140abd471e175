/* Models on data that came with them or was drawn: is what they compute what is expected?
 *
 * Reader's map: two tensors; the reference; a plan that is run; tensors between calls; a set of
 * test data; folders; random inputs. */
#include "net/check.h"

#include <math.h>
#include <sys/stat.h>

#define TOLERANCE_REL 1e-3 /* of ONNX's backend tests */
#define TOLERANCE_ABS 1e-7
#define NO_NUMBER ((double)INFINITY)

const char *hone_net_verdict_name(hone_net_verdict v)
{
    static const char *const names[] = {"equal", "differs", "unsupported", "error"};
    return names[v];
}

void hone_net_checked_free(hone_net_checked *c)
{
    for (uint32_t k = 0; k < c->tensors.n; k++) {
        free(c->tensors.v[k].name);
        free(c->tensors.v[k].kernel);
    }
    hone_vec_free(&c->tensors);
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

/* What rounding between nodes explains, of the largest element: kernels round once where the
 * reference rounds after each node, and sum in another order. */
static double slack_of(hone_dtype dtype)
{
    return dtype == HONE_F16            ? 4e-3
           : dtype == HONE_BF16         ? 3e-2
           : hone_dtype_is_float(dtype) ? 2e-5
                                        : 0;
}

/* As `agrees` of hone_net_compared has it; both have the same type and shape. */
static bool alike(const hone_tensor *is, const hone_tensor *expected, double *ret_error)
{
    double largest = 0, off = 0;
    int64_t n = hone_tensor_elems(is), wrong = 0;
    for (int64_t k = 0; k < n; k++)
        if (isfinite(hone_tensor_float(expected, k)))
            largest = fmax(largest, fabs(hone_tensor_float(expected, k)));
    double slack = slack_of(is->dtype) * largest;
    for (int64_t k = 0; k < n; k++) {
        double x = hone_tensor_float(is, k), y = hone_tensor_float(expected, k);
        if (isfinite(x) && isfinite(y)) {
            off = fmax(off, fabs(x - y));
            bool real = hone_dtype_is_float(is->dtype);
            wrong += !(fabs(x - y) <= slack || (real ? close_enough(x, y) : x == y));
        } else if (!close_enough(x, y)) {
            off = NO_NUMBER;
            wrong++;
        }
    }
    *ret_error = off == 0 ? 0 : largest == 0 ? NO_NUMBER : off / largest;
    return wrong == 0;
}

/* ---- what is run ----------------------------------------------------------------------------- */

/* One run of a model on its inputs, and what it takes to say what is wrong about it. */
typedef struct trial {
    const char *model;
    const hone_net_checker *c;
    hone_net_options o; /* with what is given */
    hone_net *g;
    hone_net_plan plan;
    hone_net_kept kept;
    hone_net *ref; /* computed; NULL: not yet */
    HONE_VEC(hone_tensor) out;
} trial;

/* Reading the model with all inputs given computes it. */
static hone_status compute_reference(trial *t, hone_error *err)
{
    return t->ref ? HONE_OK : hone_net_read(t->model, &t->o, &t->ref, err);
}

static void take_outputs(trial *t, const hone_net *g)
{
    for (uint32_t k = 0; k < g->outputs.n; k++)
        hone_vec_push(&t->out, hone_net_value_at(g, g->outputs.v[k])->t);
}

static hone_status run_plan(trial *t, hone_error *err)
{
    HONE_VEC(hone_tensor) in = {0};
    uint32_t next = 0;
    HONE_TRY(hone_net_plan_for(t->model, &t->o, &t->g, &t->plan, err));
    if (t->c->choose)
        HONE_TRY(t->c->choose(t->c->ctx, &t->plan, err));
    else
        hone_net_plan_choose(&t->plan, NULL);
    HONE_TRY(hone_net_kept_new(&t->plan, &t->kept, err));
    take_outputs(t, t->g);
    for (uint32_t k = 0; k < t->g->inputs.n; k++) {
        const char *name = hone_net_value_at(t->g, t->g->inputs.v[k])->name;
        hone_vec_push(&in, t->o.given[hone_net_given_for(&t->o, name, &next)]);
    }
    hone_vec_reserve(&in, 1);
    for (uint32_t k = 0; k < t->out.n; k++)
        t->out.v[k].data = NULL; /* constants of the graph stay there */
    hone_status st = t->c->run(t->c->ctx, &t->plan, in.v, t->out.v, &t->kept, err);
    hone_vec_free(&in);
    return st;
}

static hone_status run(trial *t, hone_error *err)
{
    if (t->c->run)
        return run_plan(t, err);
    HONE_TRY(compute_reference(t, err));
    take_outputs(t, t->ref);
    return HONE_OK;
}

static void finish(trial *t)
{
    for (uint32_t k = 0; k < t->out.n && t->c->run; k++)
        free(t->out.v[k].data);
    hone_vec_free(&t->out);
    hone_net_kept_free(&t->kept);
    hone_net_plan_free(&t->plan);
    hone_net_free(t->g);
    hone_net_free(t->ref);
}

/* ---- tensors between calls ------------------------------------------------------------------- */

/* The reference's value of this name, with data; or NULL. */
static const hone_tensor *find(const hone_net *ref, const char *name)
{
    for (uint32_t k = 1; k < ref->values.n && *name; k++)
        if (ref->values.v[k].t.data && strcmp(ref->values.v[k].name, name) == 0)
            return &ref->values.v[k].t;
    return NULL;
}

static void compare_tensor(const trial *t, uint32_t call, uint32_t output, hone_net_checked *ret)
{
    const hone_net_call *c = &t->plan.calls.v[call];
    const hone_net_arg *a = &c->args.v[c->args.n - c->n_out + output];
    const hone_net_value_row *v = hone_net_value_at(t->g, a->part.i ? a->part : a->value);
    const hone_tensor *expected = find(t->ref, v->name);
    if (!expected || expected->dtype != v->t.dtype || !hone_tensor_same_shape(expected, &v->t))
        return;
    hone_tensor is = v->t, ordered = *expected;
    is.data = (void *)(uintptr_t)hone_net_kept_at(&t->kept, call, output);
    ordered.data = hone_xmalloc((size_t)hone_tensor_bytes(expected) + 1);
    hone_net_reorder(expected, &a->order, expected->data, ordered.data);
    hone_net_compared row = {.name = hone_text_clean(v->name),
                             .kernel = hone_xstrdup(t->plan.kernels.v[c->kernel].name),
                             .call = call};
    hone_tensor_text(&v->t, row.shape, sizeof row.shape);
    row.agrees = alike(&is, &ordered, &row.error);
    hone_vec_push(&ret->tensors, row);
    free(ordered.data);
}

/* Every tensor that calls have written, against the reference. */
static hone_status compare_tensors(trial *t, hone_net_checked *ret, hone_error *err)
{
    HONE_TRY(compute_reference(t, err));
    for (uint32_t c = 0; c < t->plan.calls.n; c++)
        for (uint32_t k = 0; k < t->plan.calls.v[c].n_out; k++)
            compare_tensor(t, c, k, ret);
    return HONE_OK;
}

static void blame(trial *t, hone_net_checked *ret)
{
    hone_error err = {0};
    size_t n = strlen(ret->why);
    if (!t->c->run || (ret->verdict == HONE_NET_EQUAL && !t->c->all))
        return;
    hone_status st = compare_tensors(t, ret, &err);
    if (ret->verdict == HONE_NET_EQUAL)
        return;
    uint32_t k = 0;
    while (k < ret->tensors.n && ret->tensors.v[k].agrees)
        k++;
    if (st != HONE_OK)
        snprintf(ret->why + n, sizeof ret->why - n, "; the reference: %.300s", err.message);
    else if (k == ret->tensors.n)
        snprintf(ret->why + n, sizeof ret->why - n,
                 "; no tensor that kernels wrote differs from the reference");
    else
        snprintf(ret->why + n, sizeof ret->why - n,
                 "; the first tensor that differs from the reference is '%.100s' of %.60s, by %.3g "
                 "of its largest element",
                 ret->tensors.v[k].name, ret->tensors.v[k].kernel, ret->tensors.v[k].error);
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

static bool is_folder(const char *path)
{
    struct stat sb;
    return stat(path, &sb) == 0 && S_ISDIR(sb.st_mode);
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

static void failed(hone_status st, const hone_error *err, hone_net_checked *ret)
{
    ret->verdict = st == HONE_E_UNSUPPORTED ? HONE_NET_UNSUPPORTED : HONE_NET_ERROR;
    ret->status = st == HONE_E_UNSUPPORTED ? HONE_OK : st;
    snprintf(ret->why, sizeof ret->why, "%s", err->message);
}

static void compare(const trial *t, const tensors *expected, hone_net_checked *ret)
{
    const hone_net *g = t->ref ? t->ref : t->g;
    if (t->out.n != expected->v.n) {
        ret->verdict = HONE_NET_ERROR;
        ret->status = HONE_E_INPUT;
        snprintf(ret->why, sizeof ret->why, "%" PRIu32 " outputs, expected %" PRIu32, t->out.n,
                 expected->v.n);
        return;
    }
    for (uint32_t k = 0; k < t->out.n && ret->verdict == HONE_NET_EQUAL; k++) {
        char why[400];
        if (hone_tensor_agree(&t->out.v[k], &expected->v.v[k], why, sizeof why))
            continue;
        ret->verdict = HONE_NET_DIFFERS;
        char *name = hone_text_clean(hone_net_value_at(g, g->outputs.v[k])->name);
        snprintf(ret->why, sizeof ret->why, "output '%.100s': %s", name, why);
        free(name);
    }
}

static void check_set(const char *folder, const char *model, uint32_t set,
                      const hone_net_checker *c, hone_net_checked *ret)
{
    static const hone_tensor none[1];
    tensors in = {0}, out = {0};
    hone_error err = {0};
    trial t = {.model = model, .c = c};
    hone_status st = read_tensors(folder, set, "input", &in, &err);
    if (st == HONE_OK)
        st = read_tensors(folder, set, "output", &out, &err);
    t.o = (hone_net_options){.given = in.v.n ? in.v.v : none, .n_given = in.v.n};
    if (st == HONE_OK) {
        st = run(&t, &err);
    } else {
        /* data that is no tensor belongs to a model that says so */
        hone_error of_model = {0};
        if (hone_net_read(model, NULL, &t.g, &of_model) == HONE_E_UNSUPPORTED) {
            st = HONE_E_UNSUPPORTED;
            err = of_model;
        }
    }
    if (st != HONE_OK) {
        failed(st, &err, ret);
    } else {
        compare(&t, &out, ret);
        if (ret->verdict != HONE_NET_ERROR)
            blame(&t, ret);
    }
    finish(&t);
    free_tensors(&in);
    free_tensors(&out);
}

/* ---- folders --------------------------------------------------------------------------------- */

void hone_net_check(const char *folder, const hone_net_checker *c, hone_net_checked *ret)
{
    char *model = hone_xasprintf("%s/model.onnx", folder);
    hone_net_sets sets;
    *ret = (hone_net_checked){.verdict = HONE_NET_EQUAL};
    bool some = hone_net_find_sets(folder, &sets, NULL) == HONE_OK && sets.v.n > 0;
    for (uint32_t k = 0; k < sets.v.n && ret->verdict == HONE_NET_EQUAL; k++)
        check_set(folder, model, sets.v.v[k], c, ret);
    if (!some) {
        snprintf(ret->why, sizeof ret->why, "%s",
                 !is_there(folder)    ? "it is not there"
                 : !is_folder(folder) ? "it is no folder with a model.onnx and its test data; "
                                        "models are checked with --random SEED"
                 : is_there(model)    ? "there is no test_data_set_0"
                                      : "there is no model.onnx");
        ret->verdict = HONE_NET_ERROR;
        ret->status = is_there(folder) ? HONE_E_INPUT : HONE_E_NOTFOUND;
    }
    hone_vec_free(&sets.v);
    free(model);
}

/* ---- random inputs --------------------------------------------------------------------------- */

void hone_net_fill(hone_tensor *t, hone_rng *rng)
{
    int64_t n = hone_tensor_elems(t);
    for (int64_t k = 0; k < n; k++) {
        double x = t->dtype == HONE_U8   ? (double)hone_rng_below(rng, 256)
                   : t->dtype == HONE_I8 ? (double)hone_rng_below(rng, 256) - 128
                                         : (double)hone_rng_below(rng, 2);
        hone_elem_set(t->dtype, t->data, k,
                      hone_dtype_is_float(t->dtype) ? 2 * hone_rng_double(rng) - 1 : x);
    }
}

hone_status hone_net_draw(const hone_net *g, uint64_t seed, hone_tensor *ret, hone_error *err)
{
    hone_rng rng;
    double all = 0;
    hone_rng_seed(&rng, seed);
    for (uint32_t k = 0; k < g->inputs.n; k++) {
        const hone_net_value_row *v = hone_net_value_at(g, g->inputs.v[k]);
        int64_t n = hone_tensor_bytes(&v->t);
        all += (double)n;
        ret[k] = v->t;
        ret[k].data = all <= hone_mem_all() ? malloc((size_t)n + 1) : NULL;
        if (!ret[k].data) {
            char text[160], *name = hone_text_clean(v->name);
            hone_tensor_text(&v->t, text, sizeof text);
            hone_fail(err, HONE_E_NOMEM,
                      "input '%.100s', %s, wants %" PRId64
                      " bytes of memory, more than this machine has left of its %.0f: give it "
                      "smaller sizes with --dim",
                      name, text, n, hone_mem_all());
            free(name);
            return HONE_E_NOMEM;
        }
        hone_net_fill(&ret[k], &rng);
    }
    return HONE_OK;
}

/* Draws what the model wants. */
static hone_status draw(const trial *t, uint64_t seed, tensors *ret, hone_error *err)
{
    hone_net *g = NULL;
    const hone_net_options o = {.dims = t->c->dims, .n_dims = t->c->n_dims};
    HONE_TRY(hone_net_read(t->model, &o, &g, err));
    for (uint32_t k = 0; k < g->inputs.n; k++)
        hone_vec_push(&ret->v, (hone_tensor){.data = NULL});
    hone_status st = hone_net_draw(g, seed, ret->v.v, err);
    hone_net_free(g);
    return st;
}

static void compare_with_reference(const trial *t, hone_net_checked *ret)
{
    for (uint32_t k = 0; k < t->out.n && ret->verdict == HONE_NET_EQUAL; k++) {
        const hone_net_value_row *v = hone_net_value_at(t->ref, t->ref->outputs.v[k]);
        double error;
        if (alike(&t->out.v[k], &v->t, &error))
            continue;
        ret->verdict = HONE_NET_DIFFERS;
        char *name = hone_text_clean(v->name);
        snprintf(ret->why, sizeof ret->why, "output '%.100s': off by %.3g of its largest element",
                 name, error);
        free(name);
    }
}

void hone_net_check_random(const char *model, uint64_t seed, const hone_net_checker *c,
                           hone_net_checked *ret)
{
    static const hone_tensor none[1];
    tensors in = {0};
    hone_error err = {0};
    trial t = {.model = model, .c = c};
    *ret = (hone_net_checked){.verdict = HONE_NET_EQUAL};
    hone_status st = draw(&t, seed, &in, &err);
    t.o = (hone_net_options){
        .dims = c->dims, .n_dims = c->n_dims, .given = in.v.n ? in.v.v : none, .n_given = in.v.n};
    if (st == HONE_OK)
        st = run(&t, &err);
    if (st == HONE_OK)
        st = compute_reference(&t, &err);
    if (st == HONE_OK) {
        compare_with_reference(&t, ret);
        blame(&t, ret);
    } else {
        failed(st, &err, ret);
    }
    finish(&t);
    free_tensors(&in);
}
