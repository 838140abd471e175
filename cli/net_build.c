/* hone net build: a network as an object, a header, a file of weights and a report. */
#include "cli/emit.h"
#include "cli/lookup.h"
#include "cli/net.h"
#include "runtime/hone_rt.h"
#include "workers/builder.h"

#define ALIGN HONE_NET_ALIGN

/* A kernel of the plan and what is to become of it. */
typedef struct built_kernel {
    cli_kernel kernel;
    cli_answer answer;
    hone_codegen_intrin *intrins;
    unsigned n_intrins;
} built_kernel;

/* A constant in the order that some calls want. */
typedef struct weight {
    hone_net_arg arg;
    int64_t at;
} weight;

typedef struct build {
    const net_request *q;
    const hone_net_plan *p;
    hone_target target;
    built_kernel *kernels;
    HONE_VEC(weight) weights;
    char *bytes; /* of the file of weights */
    int64_t n_bytes;
    hone_codegen_call *calls;
    HONE_VEC(hone_codegen_copy) copies;
    cli_library made;
    int64_t packed;
} build;

/* ---- kernels --------------------------------------------------------------------------------- */

static hone_status look_up(build *b, uint32_t k, hone_error *err)
{
    const hone_net_kernel_row *row = &b->p->kernels.v[k];
    built_kernel *x = &b->kernels[k];
    HONE_TRY(hone_workload_parse(row->name, row->text, strlen(row->text), row->name, NULL, 0,
                                 &x->kernel.program, err));
    x->kernel.arg = hone_xstrdup(row->name);
    x->kernel.title = hone_xstrdup(row->name);
    x->kernel.sizes = hone_xstrdup("{}");
    const cli_lookup_options o = {.logs = &b->q->logs, .lowest = HONE_RUNG_default, .code = true};
    hone_status st =
        cli_look_up(&o, &x->kernel, &b->target, (int32_t)b->q->threads, &x->answer, err);
    if (st == HONE_OK)
        x->intrins = hone_builder_intrins(x->answer.of.intrins, &x->n_intrins);
    return st;
}

static hone_codegen_kernel codegen_kernel(const build *b, const built_kernel *x)
{
    return (hone_codegen_kernel){.program = &x->answer.of.sched.prog,
                                 .options = {.threads = (int32_t)b->q->threads,
                                             .plain = x->answer.of.as_written,
                                             .intrins = x->intrins,
                                             .n_intrins = x->n_intrins}};
}

/* ---- weights --------------------------------------------------------------------------------- */

static int64_t weight_at(build *b, const hone_net_arg *a)
{
    const hone_tensor *t = &hone_net_value_at(b->p->graph, a->value)->t;
    for (uint32_t k = 0; k < b->weights.n; k++)
        if (b->weights.v[k].arg.value.i == a->value.i &&
            memcmp(b->weights.v[k].arg.order.axis, a->order.axis, t->n_dims) == 0)
            return b->weights.v[k].at;
    int64_t at = b->n_bytes;
    hone_vec_push(&b->weights, (weight){*a, at});
    b->n_bytes += (hone_tensor_bytes(t) + ALIGN - 1) / ALIGN * ALIGN;
    return at;
}

static void fill_weights(build *b)
{
    b->bytes = hone_xcalloc(1, (size_t)b->n_bytes + 1);
    for (uint32_t k = 0; k < b->weights.n; k++) {
        const weight *w = &b->weights.v[k];
        const hone_tensor *t = &hone_net_value_at(b->p->graph, w->arg.value)->t;
        hone_net_reorder(t, &w->arg.order, t->data, b->bytes + w->at);
    }
}

/* ---- calls ----------------------------------------------------------------------------------- */

/* Where an input, output or constant lies; false: in the workspace. */
static bool outside(build *b, const hone_net_arg *a, hone_codegen_place *ret)
{
    const hone_net *g = b->p->graph;
    if (hone_net_is_constant(g, a->value)) {
        *ret = (hone_codegen_place){HONE_CODEGEN_WEIGHTS, weight_at(b, a)};
        return true;
    }
    for (uint32_t k = 0; k < g->inputs.n; k++)
        if (g->inputs.v[k].i == a->value.i) {
            *ret = (hone_codegen_place){HONE_CODEGEN_IN, k};
            return true;
        }
    uint32_t out = hone_net_plan_output_of(b->p, a->value);
    if (out < g->outputs.n) {
        *ret = (hone_codegen_place){HONE_CODEGEN_OUT, out};
        return true;
    }
    return false;
}

static void place_calls(build *b)
{
    b->calls = hone_xcalloc((size_t)b->p->calls.n + 1, sizeof *b->calls);
    for (uint32_t k = 0; k < b->p->calls.n; k++) {
        const hone_net_call *c = &b->p->calls.v[k];
        hone_codegen_place *args = hone_xcalloc((size_t)c->args.n + 1, sizeof *args);
        for (uint32_t a = 0; a < c->args.n; a++)
            if (!outside(b, &c->args.v[a], &args[a]))
                args[a] =
                    (hone_codegen_place){HONE_CODEGEN_WORKSPACE, b->p->at.v[c->args.v[a].value.i]};
        b->calls[k] = (hone_codegen_call){c->kernel, args};
    }
}

/* Outputs that no call makes. */
static void place_copies(build *b)
{
    const hone_net *g = b->p->graph;
    for (uint32_t k = 0; k < g->outputs.n; k++) {
        hone_codegen_copy c = {.out = k};
        hone_net_arg a = {b->p->of.v[g->outputs.v[k].i], b->p->orders.v[g->outputs.v[k].i]};
        if (!outside(b, &a, &c.from) || (c.from.area == HONE_CODEGEN_OUT && c.from.at == k))
            continue;
        c.bytes = hone_tensor_bytes(&hone_net_value_at(g, g->outputs.v[k])->t);
        hone_vec_push(&b->copies, c);
    }
}

/* ---- files ----------------------------------------------------------------------------------- */

static void put_param(const hone_tensor *t, const char *as, uint32_t k, hone_buf *out)
{
    hone_buf_printf(out, "%s%s *%s%" PRIu32 ", ", *as == 'i' ? "const " : "",
                    hone_codegen_c_type(t->dtype), as, k);
}

static void put_tensor(const hone_net *g, hone_net_value v, const char *as, uint32_t k,
                       hone_buf *out)
{
    char text[200], *name = hone_text_clean(hone_net_value_at(g, v)->name);
    hone_tensor_text(&hone_net_value_at(g, v)->t, text, sizeof text);
    hone_buf_printf(out, " *   %s%" PRIu32 "  %s  ", as, k, text);
    for (const char *c = name; *c; c++) /* nothing that ends a comment */
        hone_buf_add(out, *c == '*' || *c == '/' || *c == '\\' ? "_" : c, 1);
    hone_buf_puts(out, "\n");
    free(name);
}

static void put_header(const build *b, const char *name, hone_buf *out)
{
    const hone_net *g = b->p->graph;
    hone_buf_printf(out,
                    "#ifndef HONE_NETWORK_%s_H\n#define HONE_NETWORK_%s_H\n\n"
                    "#include \"hone_rt.h\"\n\n#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n",
                    name, name);
    hone_buf_puts(out, "/* Dense row-major arrays that do not overlap, aligned to 64 bytes:\n");
    for (uint32_t k = 0; k < g->inputs.n; k++)
        put_tensor(g, g->inputs.v[k], "in", k, out);
    for (uint32_t k = 0; k < g->outputs.n; k++)
        put_tensor(g, g->outputs.v[k], "out", k, out);
    hone_buf_printf(out,
                    " * workspace: %s_WORKSPACE bytes, aligned to 64. Returns 0, or -1 when memory "
                    "could not be had.\n"
                    " * Several threads may run it at once, each with a workspace of its own. Link "
                    "with hone_rt. */\n"
                    "#define %s_WORKSPACE %" PRId64 "\nint %s_run(const hone_rt_net *net, ",
                    name, name, b->p->workspace, name);
    for (uint32_t k = 0; k < g->inputs.n; k++)
        put_param(&hone_net_value_at(g, g->inputs.v[k])->t, "in", k, out);
    for (uint32_t k = 0; k < g->outputs.n; k++)
        put_param(&hone_net_value_at(g, g->outputs.v[k])->t, "out", k, out);
    hone_buf_printf(out,
                    "void *workspace);\n\nextern const hone_rt_network %s_network;\n"
                    "/* Maps the weights, checks and packs them, once: 0, or what hone_rt_net_open "
                    "returns. %s_fini\n * gives it back. */\n"
                    "static inline int %s_init(hone_rt_net *net, const char *weights)\n"
                    "{\n    return hone_rt_net_open(net, weights, &%s_network);\n}\n"
                    "static inline void %s_fini(hone_rt_net *net)\n"
                    "{\n    hone_rt_net_close(net);\n}\n"
                    "\n#ifdef __cplusplus\n}\n#endif\n\n#endif\n",
                    name, name, name, name, name);
}

static char *report(const build *b)
{
    json_t *kernels = json_array();
    for (uint32_t k = 0; k < b->p->kernels.n; k++) {
        const built_kernel *x = &b->kernels[k];
        json_t *row =
            json_pack("{s:s, s:i, s:s, s:o, s:f}", "kernel", b->p->kernels.v[k].name, "calls",
                      (int)b->p->kernels.v[k].n_calls, "rung", x->answer.rung, "reason",
                      hone_json_string(x->answer.of.reason), "expected_share", x->answer.of.share);
        if (x->answer.of.time_ns)
            json_object_set_new(row, "time_ns", json_integer(x->answer.of.time_ns));
        json_array_append_new(kernels, row);
    }
    return cli_about_text(
        json_pack("{s:o, s:i, s:I, s:I, s:I, s:i, s:o}", "network",
                  hone_json_string(b->p->graph->name), "calls", (int)b->p->calls.n, "weights_bytes",
                  (json_int_t)b->n_bytes, "packed_bytes", (json_int_t)b->packed, "workspace_bytes",
                  (json_int_t)b->p->workspace, "threads", (int)b->q->threads, "kernels", kernels));
}

static hone_status write_files(build *b, const char *name, hone_error *err)
{
    const char *folder = b->q->out ? b->q->out : ".";
    unsigned written;
    put_header(b, name, &b->made.header);
    b->made.about = report(b);
    HONE_TRY(cli_library_write(&b->made, folder, name, &written, err));
    char *path = hone_xasprintf("%s/%s.weights", folder, name);
    hone_status st = hone_file_write(path, b->bytes, (size_t)b->n_bytes, err);
    free(path);
    return st;
}

/* ---- all of it ------------------------------------------------------------------------------- */

static hone_status emit(build *b, const char *name, hone_error *err)
{
    hone_codegen_kernel *kernels = hone_xcalloc((size_t)b->p->kernels.n + 1, sizeof *kernels);
    unsigned bad;
    for (uint32_t k = 0; k < b->p->kernels.n; k++)
        kernels[k] = codegen_kernel(b, &b->kernels[k]);
    const hone_codegen_network n = {.name = name,
                                    .n_in = b->p->graph->inputs.n,
                                    .n_out = b->p->graph->outputs.n,
                                    .n_kernels = b->p->kernels.n,
                                    .n_calls = b->p->calls.n,
                                    .n_copies = b->copies.n,
                                    .kernels = kernels,
                                    .calls = b->calls,
                                    .copies = b->copies.v,
                                    .weights_bytes = b->n_bytes,
                                    .weights_hash = hone_rt_net_hash(b->bytes, b->n_bytes)};
    hone_status st =
        hone_codegen_emit_network(&b->target, &n, &bad, &b->packed, &b->made.object, err);
    if (st != HONE_OK && bad < n.n_kernels && err) {
        char text[sizeof err->message];
        snprintf(text, sizeof text, "%s: %.800s", b->p->kernels.v[bad].name, err->message);
        memcpy(err->message, text, sizeof text);
    }
    free(kernels);
    return st;
}

static hone_status make(build *b, const char *name, hone_error *err)
{
    b->kernels = hone_xcalloc((size_t)b->p->kernels.n + 1, sizeof *b->kernels);
    for (uint32_t k = 0; k < b->p->kernels.n; k++)
        HONE_TRY(look_up(b, k, err));
    place_calls(b);
    place_copies(b);
    fill_weights(b);
    HONE_TRY(emit(b, name, err));
    return write_files(b, name, err);
}

static void tell(const build *b, const char *name)
{
    unsigned rungs[HONE_RUNG_COUNT] = {0};
    int64_t ns = 0;
    for (uint32_t k = 0; k < b->p->kernels.n; k++) {
        rungs[b->kernels[k].answer.of.rung]++;
        ns += b->kernels[k].answer.of.time_ns * b->p->kernels.v[k].n_calls;
    }
    printf("%s: %" PRIu32 " calls of %" PRIu32 " kernels (", name, b->p->calls.n, b->p->kernels.n);
    bool some = false;
    for (unsigned r = 0; r < HONE_RUNG_COUNT; r++)
        if (rungs[r]) {
            printf("%s%u %s", some ? ", " : "", rungs[r], hone_rung_name((hone_rung)r));
            some = true;
        }
    char time[32];
    cli_format_ns((double)ns, time);
    printf("), weights %" PRId64 " bytes, packed %" PRId64 ", workspace %" PRId64 "\n", b->n_bytes,
           b->packed, b->p->workspace);
    if (ns)
        printf("kernels that were measured take %s\n", time);
}

static void finish(build *b)
{
    for (uint32_t k = 0; k < b->p->kernels.n && b->kernels; k++) {
        cli_kernel_free(&b->kernels[k].kernel);
        cli_answer_free(&b->kernels[k].answer);
        free(b->kernels[k].intrins);
    }
    for (uint32_t k = 0; k < b->p->calls.n && b->calls; k++)
        free((void *)(uintptr_t)b->calls[k].args);
    free(b->calls);
    free(b->kernels);
    free(b->bytes);
    hone_vec_free(&b->weights);
    hone_vec_free(&b->copies);
    cli_library_free(&b->made);
}

int cli_net_build(const cli_command *self, const net_request *q)
{
    hone_error err = {0};
    hone_net *g = NULL;
    hone_net_plan p = {0};
    build b = {.q = q, .p = &p};
    const char *name = q->name ? q->name : "net";
    if (q->n != 1)
        return cli_usage(self, "build takes one model");
    if (hone_codegen_symbol_check(name, &err) != HONE_OK)
        return cli_usage(self, "--name %s: give another", err.message);
    hone_status st = cli_target_load(q->target ? q->target : "native", &b.target, &err);
    if (st == HONE_OK)
        st = cli_net_plan(q, &g, &p, &err);
    if (st == HONE_OK)
        st = make(&b, name, &err);
    if (st == HONE_OK)
        tell(&b, name);
    finish(&b);
    hone_net_plan_free(&p);
    hone_net_free(g);
    return st == HONE_OK ? 0 : cli_fail(st, &err);
}
