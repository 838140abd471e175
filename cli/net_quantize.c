/* hone net quantize: a model whose layers compute with integers where the outputs allow it. */
#include "cli/net_made.h"
#include "cli/net_samples.h"
#include "cli/net_trial.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

#define MOST_TRIES 16

typedef struct job {
    const net_request *q;
    hone_target target;
    int32_t threads;
    double bound;
    hone_dtype weights;
    net_samples sets;
    uint32_t n_held;   /* the last so many sets are not looked at before the end */
    hone_net *g;       /* as its plan was made */
    hone_tensor **was; /* its outputs, of all sets */
    hone_net_quantised_layers layers;
    uint8_t *bytes; /* the model */
    size_t n_bytes, n_before;
    double error, held_error;
} job;

/* ---- the choice ------------------------------------------------------------------------------ */

static hone_net_quantise_options options(const job *j, const net_compiled *c)
{
    return (hone_net_quantise_options){.max_error = j->bound,
                                       .weights = j->weights,
                                       .samples = (const hone_tensor *const *)j->sets.v,
                                       .n_samples = j->sets.n,
                                       .kernel_ns = net_compiled_ns(c)};
}

/* A quarter of the sets, rounded up, is held out if there are two. */
static hone_status read_sets(job *j, hone_error *err)
{
    HONE_TRY(net_samples_read(j->q->data, j->g, &j->sets, err));
    j->n_held = j->sets.n < 2 ? 0 : (j->sets.n + 3) / 4;
    return HONE_OK;
}

/* Outputs of the model as it is, for all sets, and the choice of layers by those not held out. */
static hone_status try_layers(job *j, net_compiled *c, const hone_net_plan *p, hone_error *err)
{
    const hone_net_quantise_options o = options(j, c);
    HONE_TRY(hone_net_quantise_look(p, &o, &j->layers, err));
    j->was = hone_net_outputs_new(j->sets.n, j->g->outputs.n);
    return net_trial(c, p, &o, j->n_held, j->was, &j->layers, err);
}

static hone_status compile(const job *j, hone_net_plan *p, net_compiled **ret, hone_error *err)
{
    const net_make_options o = {.target = &j->target, .logs = &j->q->logs, .threads = j->threads};
    HONE_TRY(net_choose(p, &o, err)); /* as build would; nothing is compiled that is not run */
    return net_compiled_new(p, &j->target, &j->q->logs, j->threads, ret, err);
}

static hone_status choose(job *j, hone_error *err)
{
    hone_net_plan p = {0};
    net_compiled *c = NULL;
    hone_status st = cli_net_plan(j->q, &j->g, &p, err);
    if (st == HONE_OK)
        st = read_sets(j, err);
    if (st == HONE_OK)
        st = compile(j, &p, &c, err);
    if (st == HONE_OK) {
        st = try_layers(j, c, &p, err);
        if (st == HONE_E_INPUT) {
            const hone_error inner = *err;
            hone_fail(err, st, "%.300s: %.700s", j->q->args[0], inner.message);
        }
    }
    net_compiled_free(c);
    hone_net_plan_free(&p);
    return st;
}

/* ---- the quantised model --------------------------------------------------------------------- */

/* The graph has its order again afterwards: there may be another choice. */
static hone_status write_model(job *j, hone_error *err)
{
    HONE_VEC(hone_net_node) order = {0};
    hone_vec_copy(&order, &j->g->order);
    free(j->bytes);
    j->bytes = NULL;
    hone_status st = hone_net_quantise_insert(j->g, &j->layers, err);
    if (st == HONE_OK)
        st = hone_net_write(j->g, &j->bytes, &j->n_bytes, err);
    hone_vec_copy(&j->g->order, &order);
    hone_vec_free(&order);
    return st;
}

static hone_status size_before(job *j, hone_error *err)
{
    uint8_t *bytes;
    hone_status st = hone_net_write(j->g, &bytes, &j->n_before, err);
    free(bytes);
    return st;
}

static void compare(job *j, hone_tensor **is, uint32_t n)
{
    uint32_t seen = j->sets.n - j->n_held;
    j->error = hone_net_output_error((const hone_tensor *const *)is,
                                     (const hone_tensor *const *)j->was, seen, n);
    j->held_error = hone_net_output_error((const hone_tensor *const *)is + seen,
                                          (const hone_tensor *const *)j->was + seen, j->n_held, n);
}

/* Reads what was written, and runs it: its error is that of integers. */
static hone_status measure(job *j, hone_error *err)
{
    hone_net *g = NULL;
    hone_net_plan p = {0};
    net_compiled *c = NULL;
    hone_status st = hone_net_parse(j->bytes, j->n_bytes, NULL, NULL, &g, err);
    if (st == HONE_OK)
        st = hone_net_plan_make(g, NULL, &p, err);
    if (st == HONE_OK)
        st = compile(j, &p, &c, err);
    if (st == HONE_OK) {
        hone_tensor **is = hone_net_outputs_new(j->sets.n, g->outputs.n);
        const hone_net_quantise_options o = options(j, c);
        st = net_trial(c, &p, &o, 0, is, NULL, err);
        if (st == HONE_OK)
            compare(j, is, g->outputs.n);
        hone_net_outputs_free(is, j->sets.n, g->outputs.n);
    }
    net_compiled_free(c);
    hone_net_plan_free(&p);
    hone_net_free(g);
    return st;
}

/* The chosen layer that makes the largest error alone stays in floats after all; false: it is the
 * last. */
static bool give_up_one(hone_net_quantised_layers *q)
{
    const unsigned least = q->weights == HONE_F32 ? 2 : 1;
    hone_net_layer *worst = NULL;
    unsigned n = 0;
    for (uint32_t k = 0; k < q->layers.n; k++) {
        hone_net_layer *l = &q->layers.v[k];
        n += l->chosen;
        if (l->chosen && (!worst || l->error > worst->error))
            worst = l;
    }
    if (n < least)
        return false;
    worst->chosen = false;
    return true;
}

/* Rounding differs a little from what was simulated: the bound is for the model itself. */
static hone_status make(job *j, hone_error *err)
{
    for (unsigned tries = 0; tries < MOST_TRIES; tries++) {
        HONE_TRY(write_model(j, err));
        HONE_TRY(measure(j, err));
        if (j->error <= j->bound)
            return HONE_OK;
        if (!give_up_one(&j->layers))
            break;
    }
    return hone_fail(err, HONE_E_INPUT,
                     "the quantised model's error is %.3g, and the bound %g: allow more with "
                     "--max-error",
                     j->error, j->bound);
}

/* ---- what is said ---------------------------------------------------------------------------- */

static double share_of_products(const hone_net_quantised_layers *q, uint32_t *ret_chosen)
{
    double chosen = 0, all = 0;
    *ret_chosen = 0;
    for (uint32_t k = 0; k < q->layers.n; k++) {
        const hone_net_layer *l = &q->layers.v[k];
        *ret_chosen += l->chosen;
        chosen += l->chosen ? l->products : 0;
        all += l->products;
    }
    return chosen / all;
}

static void tell_json(const job *j)
{
    uint32_t chosen;
    double share = share_of_products(&j->layers, &chosen);
    for (uint32_t k = 0; k < j->layers.layers.n; k++) {
        const hone_net_layer *l = &j->layers.layers.v[k];
        cli_print_json(json_pack("{s:o, s:s, s:f, s:f, s:f, s:b}", "layer",
                                 hone_json_string(l->name), "op", l->op, "products", l->products,
                                 "gain", l->gain, "error", fmin(l->error, DBL_MAX), "quantized",
                                 l->chosen));
    }
    json_t *s = json_pack("{s:o, s:i, s:i, s:f, s:f, s:f, s:i, s:i, s:I, s:I, s:i}", "model",
                          hone_json_string(j->q->out), "layers", (int)j->layers.layers.n,
                          "quantized", (int)chosen, "share_of_products", share, "max_error",
                          j->bound, "error", j->error, "samples", (int)(j->sets.n - j->n_held),
                          "held_out", (int)j->n_held, "bytes_before", (json_int_t)j->n_before,
                          "bytes", (json_int_t)j->n_bytes, "runs", (int)j->layers.runs);
    if (j->n_held)
        json_object_set_new(s, "held_out_error", json_real(fmin(j->held_error, DBL_MAX)));
    cli_print_json(s);
}

static void tell(const job *j)
{
    uint32_t chosen;
    double share = share_of_products(&j->layers, &chosen);
    printf("%-32s %-7s %12s %7s %10s\n", "layer", "", "products", "gain", "error");
    for (uint32_t k = 0; k < j->layers.layers.n; k++) {
        const hone_net_layer *l = &j->layers.layers.v[k];
        char *name = hone_text_clean(l->name);
        printf("%-32.32s %-7s %12.0f %6.1f%% %10.3g  %s\n", name, l->op, l->products, 100 * l->gain,
               l->error, l->chosen ? "8 bits" : hone_dtype_name(j->weights));
        free(name);
    }
    char *out = hone_text_clean(j->q->out);
    printf("%s: %" PRIu32 " of %" PRIu32 " layers in 8 bits, %.1f %% of the products; error %.3g "
           "(bound %g) on %" PRIu32 " given inputs",
           out, chosen, j->layers.layers.n, 100 * share, j->error, j->bound, j->sets.n - j->n_held);
    if (j->n_held)
        printf(", %.3g on %" PRIu32 " held out", j->held_error, j->n_held);
    else
        printf(", none was held out: there is one set only");
    printf("; %.2f MB, was %.2f\n", (double)j->n_bytes / 1e6, (double)j->n_before / 1e6);
    free(out);
}

/* ---- all of it ------------------------------------------------------------------------------- */

static void finish(job *j)
{
    if (j->was)
        hone_net_outputs_free(j->was, j->sets.n, j->g->outputs.n);
    net_samples_free(&j->sets);
    hone_net_quantised_layers_free(&j->layers);
    hone_net_free(j->g);
    free(j->bytes);
}

static bool parse_bound(const char *text, double *ret)
{
    char *end;
    errno = 0;
    *ret = strtod(text, &end);
    return end != text && !*end && !errno && *ret > 0 && *ret < 1;
}

static bool parse_weights(const char *text, hone_dtype *ret)
{
    static const hone_dtype types[] = {HONE_F32, HONE_F16, HONE_BF16};
    *ret = HONE_F32;
    for (unsigned k = 0; k < HONE_LEN(types); k++)
        if (text && strcmp(text, hone_dtype_name(types[k])) == 0) {
            *ret = types[k];
            return true;
        }
    return !text;
}

/* What would end in "cannot write" after all the work. */
static hone_status check_out(const char *path, hone_error *err)
{
    struct stat sb;
    if (stat(path, &sb) == 0)
        return S_ISDIR(sb.st_mode)
                   ? hone_fail(err, HONE_E_IO, "cannot write '%.300s': it is a folder", path)
                   : HONE_OK;
    const char *slash = strrchr(path, '/');
    char *folder = hone_xasprintf("%.*s", slash ? (int)(slash - path) + 1 : 1, slash ? path : ".");
    bool good = access(folder, W_OK | X_OK) == 0;
    free(folder);
    return good ? HONE_OK : hone_fail_errno(err, HONE_E_IO, "cannot create '%.300s'", path);
}

int cli_net_quantize(const cli_command *self, const net_request *q)
{
    hone_error err = {0};
    job j = {.q = q};
    if (q->n != 1 || !q->data || !q->max_error || !q->out)
        return cli_usage(self, "quantize takes one model, --data DIR, --max-error E and -o Q.onnx");
    if (!parse_bound(q->max_error, &j.bound))
        return cli_usage(self, "--max-error is a share of the outputs' norm between 0 and 1, as "
                               "0.01");
    if (!parse_weights(q->weights, &j.weights))
        return cli_usage(self, "--weights is f32, f16 or bf16");
    if (cli_is_same_file(q->args[0], q->out))
        return cli_usage(self, "-o is the model itself");
    cli_catch_signals_soon();
    hone_status st = check_out(q->out, &err);
    cli_progress_start("quantize");
    if (st == HONE_OK)
        st = cli_net_target(q, &j.target, &j.threads, &err);
    if (st == HONE_OK)
        st = choose(&j, &err);
    if (st == HONE_OK)
        st = size_before(&j, &err);
    if (st == HONE_OK)
        st = make(&j, &err);
    cli_progress_end();
    if (st == HONE_OK)
        st = hone_file_write(q->out, j.bytes, j.n_bytes, &err);
    if (st == HONE_OK)
        (q->json ? tell_json : tell)(&j);
    finish(&j);
    return st == HONE_OK ? 0 : cli_fail(st, &err);
}
