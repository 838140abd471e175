/* hone tune --service: the same from outside, the work done elsewhere. */
#include "cli/service.h"
#include "cli/tune_text.h"

static hone_status submit(cli_service *s, json_t *request, int64_t threads, uint64_t *ret_job,
                          hone_error *err)
{
    json_t *answer = NULL;
    s->deaf = true; /* a signal is heeded after it, when there is a job to cancel */
    hone_status st = cli_service_ask(s, "submit", request, &answer, err);
    s->deaf = false;
    *ret_job = (uint64_t)json_integer_value(json_object_get(answer, "job"));
    char *why = st == HONE_OK ? cli_no_device(answer, threads) : NULL;
    if (why)
        hone_log(HONE_LOG_WARN, "%s: waiting for one", why);
    free(why);
    json_decref(answer);
    return st;
}

int cli_tune_service(cli_service *s, const cli_submission *o)
{
    hone_error err = {0};
    json_t *request = NULL, *job = NULL, *summary = NULL;
    char *title = NULL;
    uint64_t id = 0;
    cli_catch_signals();
    hone_status st = cli_submission_json(o, &request, &title, &err);
    if (st == HONE_OK)
        st = cli_service_open(s, &err);
    if (st == HONE_OK)
        st = submit(s, request, o->threads, &id, &err);
    else
        json_decref(request);
    if (st == HONE_OK)
        st = cli_follow_job(s, &(cli_follow){.job = id, .cancel = true, .title = title}, &job,
                            &summary, &err);
    const char *where = s->endpoint ? s->endpoint : getenv("HONE_SERVICE");
    if (summary && !s->json && o->tasks)
        cli_list_summary_text(where, summary);
    else if (summary && !s->json)
        cli_summary_text(title, where, summary);
    if (st == HONE_OK)
        st = cli_job_status(job, summary, &err);
    bool found = json_number_value(json_object_get(summary, "best_ns")) > 0 ||
                 json_number_value(json_object_get(summary, "total_ns")) > 0;
    json_decref(job);
    json_decref(summary);
    free(title);
    cli_service_close(s);
    return st != HONE_OK ? cli_fail(st, &err) : found ? 0 : 1;
}
