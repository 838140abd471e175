/* hone net build: a network as an object, a header, a file of weights and a report. */
#include "cli/net.h"
#include "cli/net_made.h"

#include <math.h>

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

static void put_header(const net_made *b, const char *name, hone_buf *out)
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
                    " * workspace: %s_WORKSPACE bytes, aligned to 64; hone_rt_net_workspace() "
                    "has them "
                    "in huge pages.\n * Returns 0, or -1 when memory could not be had.\n"
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

/* What was chosen between, and the times by which. */
static json_t *choices_json(const hone_net_plan *p)
{
    json_t *all = json_array();
    for (uint32_t k = 0; k < p->choices.n; k++) {
        const hone_net_choice *c = &p->choices.v[k];
        json_t *covers = json_array();
        for (uint32_t j = 0; j < c->n; j++) {
            char *name = hone_net_cover_name(&c->covers[j]);
            json_t *one = json_pack("{s:s, s:i}", "cover", name, "kernels", (int)c->covers[j].n);
            if (c->covers[j].ns > 0)
                json_object_set_new(one, "time_ns", json_integer(llround(c->covers[j].ns)));
            json_array_append_new(covers, one);
            free(name);
        }
        json_array_append_new(
            all, json_pack("{s:o, s:i, s:o}", "value",
                           hone_json_string(hone_net_value_at(p->graph, c->value)->name), "taken",
                           (int)c->taken, "covers", covers));
    }
    return all;
}

static char *report(const net_made *b)
{
    json_t *kernels = json_array();
    for (uint32_t k = 0; k < b->p->kernels.n; k++) {
        const net_made_kernel *x = &b->kernels[k];
        json_t *row =
            json_pack("{s:s, s:i, s:s, s:o, s:f}", "kernel", b->p->kernels.v[k].name, "calls",
                      (int)b->p->kernels.v[k].n_calls, "rung", x->answer.rung, "reason",
                      hone_json_string(x->answer.of.reason), "expected_share", x->answer.of.share);
        if (x->answer.of.time_ns)
            json_object_set_new(row, "time_ns", json_integer(x->answer.of.time_ns));
        json_array_append_new(kernels, row);
    }
    return cli_about_text(
        json_pack("{s:o, s:i, s:I, s:I, s:I, s:I, s:i, s:o, s:o}", "network",
                  hone_json_string(b->p->graph->name), "calls", (int)b->p->calls.n, "weights_bytes",
                  (json_int_t)b->n_bytes, "packed_bytes", (json_int_t)b->packed, "workspace_bytes",
                  (json_int_t)b->p->workspace, "live_bytes", (json_int_t)b->p->live, "threads",
                  (int)b->threads, "kernels", kernels, "choices", choices_json(b->p)));
}

static hone_status write_files(net_made *b, const net_request *q, const char *name, hone_error *err)
{
    const char *folder = q->out ? q->out : ".";
    cli_library l = {.object = b->object,
                     .weights = b->bytes ? b->bytes : (void *)"",
                     .n_weights = (size_t)b->n_bytes};
    b->object = (hone_code){0};
    put_header(b, name, &l.header);
    l.about = report(b);
    hone_status st = cli_library_write(&l, folder, name, NULL, err);
    cli_library_free(&l);
    return st;
}

/* ---- all of it ------------------------------------------------------------------------------- */

static void tell(const net_made *b, const char *name)
{
    unsigned rungs[HONE_RUNG_COUNT + 1] = {0}; /* the last: as written */
    int64_t ns = 0;
    for (uint32_t k = 0; k < b->p->kernels.n; k++) {
        const hone_lookup_answer *a = &b->kernels[k].answer.of;
        rungs[a->rung == HONE_RUNG_default && a->as_written ? HONE_RUNG_COUNT : a->rung]++;
        ns += b->kernels[k].answer.of.time_ns * b->p->kernels.v[k].n_calls;
    }
    printf("%s: %" PRIu32 " calls of %" PRIu32 " kernels (", name, b->p->calls.n, b->p->kernels.n);
    bool some = false;
    for (unsigned r = 0; r < HONE_LEN(rungs); r++)
        if (rungs[r]) {
            printf("%s%u %s", some ? ", " : "", rungs[r],
                   r < HONE_RUNG_COUNT ? hone_rung_name((hone_rung)r) : "as written");
            some = true;
        }
    char time[32];
    cli_format_ns((double)ns, time);
    printf("), weights %" PRId64 " bytes, packed %" PRId64 ", workspace %" PRId64 " (%" PRId64
           " needed at one time)\n",
           b->n_bytes, b->packed, b->p->workspace, b->p->live);
    if (ns)
        printf("kernels that were measured take %s\n", time);
    uint32_t tuned = rungs[HONE_RUNG_exact];
    if (tuned < b->p->kernels.n)
        printf("%" PRIu32 " of %" PRIu32 " were not tuned for this processor and %d thread%s; "
               "`hone net tune` does it, with the same --db and --threads\n",
               b->p->kernels.n - tuned, b->p->kernels.n, b->threads, b->threads == 1 ? "" : "s");
}

int cli_net_build(const cli_command *self, const net_request *q)
{
    hone_error err = {0};
    hone_net *g = NULL;
    hone_net_plan p = {0};
    net_made made = {0};
    hone_target target;
    const char *name = q->name ? q->name : "net";
    if (q->n != 1)
        return cli_usage(self, "build takes one model");
    if (hone_codegen_symbol_check(name, &err) != HONE_OK)
        return cli_usage(self, "--name %s: give another", err.message);
    net_make_options o = {.target = &target, .logs = &q->logs, .name = name};
    cli_progress_start("build");
    hone_status st = cli_check_folder(q->out ? q->out : ".", &err);
    if (st == HONE_OK)
        st = cli_net_target(q, &target, &o.threads, &err);
    if (st == HONE_OK)
        st = cli_net_plan(q, &g, &p, &err);
    if (st == HONE_OK)
        st = net_choose(&p, &o, &err);
    if (st == HONE_OK)
        st = net_make(&p, &o, &made, &err);
    cli_progress_end();
    if (st == HONE_OK)
        st = write_files(&made, q, name, &err);
    if (st == HONE_OK)
        tell(&made, name);
    net_made_free(&made);
    hone_net_plan_free(&p);
    hone_net_free(g);
    return st == HONE_OK ? 0 : cli_fail(st, &err);
}
