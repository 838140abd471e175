/* The log's answer crosses to a client: the trace is replayed there, so that files are made there.
 */
#include "cli/query_service.h"

#include <math.h>

/* ---- at the service
 * ------------------------------------------------------------------------------ */

/* Never a file of this machine's, whatever the name. */
static hone_status read_kernel(const hone_desk_task *t, cli_kernel *ret, hone_error *err)
{
    cli_sizes sizes = {0};
    const char *name;
    for (unsigned k = 0; k < t->n_sizes && k < CLI_MAX; k++)
        sizes.v[sizes.n++] = (hone_size){t->sizes[k].name, t->sizes[k].value};
    if (!t->text && cli_kernel_file(t->name, &name))
        return hone_fail(err, HONE_E_INPUT, "'%.100s' is no built-in kernel, and has no text",
                         t->name);
    if (!t->text)
        return cli_kernel_load(t->name, &sizes, ret, err);
    *ret = (cli_kernel){0};
    HONE_TRY(hone_workload_parse("kernel", t->text, strlen(t->text), t->name, sizes.v, sizes.n,
                                 &ret->program, err));
    json_t *j = json_object();
    for (unsigned k = 0; k < sizes.n; k++)
        json_object_set_new(j, sizes.v[k].name, json_integer(sizes.v[k].value));
    ret->sizes = hone_json_text(j);
    ret->title = hone_text_clean(t->title);
    json_decref(j);
    return HONE_OK;
}

static hone_status read_target(const char *text, hone_target *ret, hone_error *err)
{
    return *text == '{' ? hone_target_parse(text, ret, err) : hone_target_named(text, ret, err);
}

hone_status cli_query_answer(const hone_desk_query *asked, const char *db, json_t **ret,
                             hone_error *err)
{
    query q = {.n = 1, .threads = (int32_t)asked->threads, .explain = asked->explain};
    query_target *t = &q.targets[0];
    hone_rung lowest = HONE_RUNG_default;
    const cli_list logs = {.v = {db}, .n = 1};
    hone_status st = asked->require && !hone_rung_parse(asked->require, &lowest)
                         ? hone_fail(err, HONE_E_INPUT, "there is no rung '%s'", asked->require)
                         : HONE_OK;
    if (st == HONE_OK)
        st = read_kernel(&asked->task, &q.kernel, err);
    if (st == HONE_OK)
        st = read_target(asked->target, &t->target, err);
    if (st == HONE_OK)
        st = cli_look_up(
            &(cli_lookup_options){.logs = &logs, .lowest = lowest, .explain = q.explain}, &q.kernel,
            &t->target, q.threads, &t->answer, err);
    if (st == HONE_OK) {
        t->text = hone_target_text(&t->target);
        cli_query_count(&q, &t->answer);
        *ret = cli_query_describe(&q);
        json_object_set_new(*ret, "trace_text", json_string(t->answer.trace));
        json_object_set_new(*ret, "intrins",
                            json_string(hone_intrin_set_text(t->answer.of.intrins)));
        json_object_set_new(*ret, "as_written", json_boolean(t->answer.of.as_written));
        if (t->answer.of.miss)
            json_object_set_new(*ret, "miss", hone_json_string(t->answer.of.miss));
    }
    cli_answer_free(&t->answer);
    free(t->text);
    cli_kernel_free(&q.kernel);
    return st;
}

/* ---- at the client
 * -------------------------------------------------------------------------------- */

static char *copy(const json_t *j, const char *key)
{
    const char *s = json_string_value(json_object_get(j, key));
    return s ? hone_xstrdup(s) : NULL;
}

static void read_record(const json_t *j, hone_db_record *r)
{
    const json_t *c = json_object_get(j, "checked"), *with = json_object_get(j, "measured_with");
    r->id = 1; /* it has one, there */
    hone_hash_parse(cli_word(j, "trace_hash"), &r->trace_hash);
    r->time_ns = json_integer_value(json_object_get(j, "time_ns"));
    r->n_samples = (uint32_t)json_integer_value(json_object_get(j, "samples"));
    r->max_error = json_number_value(json_object_get(c, "max_error"));
    r->tolerance = json_number_value(json_object_get(c, "tolerance"));
    r->data_seed = (uint64_t)json_integer_value(json_object_get(c, "data_seed"));
    r->space_version = (int32_t)json_integer_value(json_object_get(with, "space_version"));
    r->checked = copy(c, "against");
    r->hone_version = copy(with, "hone");
    r->llvm_version = copy(with, "llvm");
}

static void read_ladder(const json_t *ladder, hone_lookup_answer *a)
{
    for (size_t k = 0; k < json_array_size(ladder); k++) {
        const json_t *j = json_array_get(ladder, k), *v;
        hone_rung r;
        if (!hone_rung_parse(cli_word(j, "rung"), &r))
            continue;
        hone_lookup_step *s = &a->steps[r];
        s->looked = true;
        s->found = json_is_true(json_object_get(j, "found"));
        s->taken = json_is_true(json_object_get(j, "taken"));
        free(s->what);
        s->what = copy(j, "what");
        v = json_object_get(j, "predicted_vs_default");
        s->relative = v ? json_number_value(v) : NAN;
        v = json_object_get(j, "trace");
        free(s->trace);
        s->trace = v ? json_dumps(v, JSON_COMPACT) : NULL;
    }
}

static void read_near(const json_t *near, hone_lookup_answer *a)
{
    for (size_t k = 0; k < json_array_size(near) && a->n_near < HONE_LOOKUP_NEAR; k++) {
        const json_t *j = json_array_get(near, k), *favour = json_object_get(j, "favour"),
                     *sizes = json_object_get(j, "sizes");
        a->near[a->n_near++] = (hone_lookup_near){
            .sizes = json_is_object(sizes) ? json_dumps(sizes, JSON_COMPACT) : hone_xstrdup("{}"),
            .far = json_number_value(json_object_get(j, "far")),
            .best_ns = json_integer_value(json_object_get(j, "compare_ns")),
            .default_ns = json_integer_value(json_object_get(j, "default_compare_ns")),
            .favour = favour ? json_number_value(favour) : NAN};
    }
}

/* The schedule, from its trace. */
static hone_status replay(const cli_kernel *k, cli_answer *a, const char *intrins, hone_error *err)
{
    hone_trace t = {0};
    hone_error why = {0};
    a->of.intrins = hone_intrin_set_new();
    hone_status st = HONE_OK;
    if (intrins && *intrins)
        st = hone_intrin_set_add(a->of.intrins, "the service", intrins, strlen(intrins), &why);
    a->of.sched.intrins = a->of.intrins;
    if (st == HONE_OK)
        st = hone_trace_parse(a->trace, strlen(a->trace), &t, &why);
    if (st == HONE_OK)
        st = hone_trace_replay(&t, &k->program, &a->of.sched, NULL, false, &why);
    hone_trace_free(&t);
    return st == HONE_OK
               ? st
               : hone_fail(err, HONE_E_PROTOCOL,
                           "the service's schedule does not fit this kernel: %.700s", why.message);
}

static hone_status read_answer(const json_t *j, const cli_kernel *k, cli_answer *a, hone_error *err)
{
    const json_t *from = json_object_get(j, "from");
    if (!hone_rung_parse(cli_word(j, "rung"), &a->of.rung) || !json_object_get(j, "trace_text"))
        return hone_fail(err, HONE_E_PROTOCOL, "the service's answer to a query is not one");
    a->rung = hone_rung_name(a->of.rung);
    a->trace = copy(j, "trace_text");
    a->gflops = json_number_value(json_object_get(j, "gflops"));
    a->of.reason = copy(j, "reason");
    a->of.share = json_number_value(json_object_get(j, "expected_share"));
    a->of.share_from = copy(j, "expected_share_from");
    a->of.as_written = json_is_true(json_object_get(j, "as_written"));
    a->of.miss = copy(j, "miss");
    if (json_object_get(j, "trace_hash"))
        read_record(j, &a->of.record);
    if (from) {
        a->of.from_target = json_dumps(json_object_get(from, "target"), JSON_COMPACT);
        a->of.from_sizes = json_dumps(json_object_get(from, "sizes"), JSON_COMPACT);
        a->of.from_threads = (int32_t)json_integer_value(json_object_get(from, "threads"));
    }
    read_ladder(json_object_get(j, "ladder"), &a->of);
    read_near(json_object_get(j, "near"), &a->of);
    return replay(k, a, cli_word(j, "intrins"), err);
}

hone_status cli_query_ask(cli_service *s, const cli_kernel *k, int32_t threads, const char *require,
                          bool explain, query_target *t, hone_error *err)
{
    json_t *kernel, *answer = NULL;
    HONE_TRY(cli_kernel_json(k->arg, k, &kernel, err));
    json_t *request = json_pack("{s:o, s:s, s:i, s:b}", "kernel", kernel, "target", t->text,
                                "threads", (int)threads, "explain", explain);
    if (require)
        json_object_set_new(request, "require", json_string(require));
    hone_status st = cli_service_ask(s, "query", request, &answer, err);
    if (st == HONE_OK)
        st = read_answer(json_object_get(answer, "answer"), k, &t->answer, err);
    json_decref(answer);
    return st;
}
