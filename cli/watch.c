/* hone watch: what a job of a service says, until it ends. */
#include "cli/service.h"
#include "cli/tune_text.h"
#include "tuner/tuner.h"

#include <time.h>

#define POLL_MS 200
#define GIVE_UP_NS (INT64_C(600) * 1000000000) /* a service that is away for longer is gone */

/* ---- progress -----------------------------------------------------------------------------------
 */

static double number(const json_t *j, const char *key)
{
    return json_number_value(json_object_get(j, key));
}

static uint64_t count(const json_t *j, const char *key)
{
    json_int_t n = json_integer_value(json_object_get(j, key));
    return n > 0 ? (uint64_t)n : 0;
}

static void draw_list(const json_t *p)
{
    char total[32];
    cli_format_ns(number(p, "total_ns"), total);
    cli_progress_say("%s, trial %" PRIu64 ": %s", total, count(p, "trials"), cli_word(p, "phase"));
}

static void draw(const json_t *answer)
{
    const json_t *job = json_object_get(answer, "row"), *p = json_object_get(answer, "progress");
    const json_t *wait = json_object_get(job, "wait");
    const char *state = cli_word(job, "state");
    if (strcmp(state, "running") != 0 || !p) {
        cli_progress_say("%s: %s", state, cli_word(wait, "text"));
        return;
    }
    if (json_object_get(p, "total_ns")) {
        draw_list(p);
        return;
    }
    double left = json_object_get(p, "left_s") ? number(p, "left_s") * 1e9 : -1;
    hone_progress v = {.trials = count(p, "trials"),
                       .budget = count(p, "budget"),
                       .ok = count(p, "ok"),
                       .failed = count(p, "failed"),
                       .best_ns = (int64_t)count(p, "best_ns"),
                       .gflops = number(p, "gflops"),
                       .left_ns = left < 9e18 ? (int64_t)left : -1,
                       .phase = cli_word(p, "phase")};
    const json_t *by = json_object_get(p, "rejected_by");
    for (int s = 0; s < HONE_STATUS_COUNT; s++)
        v.rejected[s] = count(by, hone_status_name((hone_status)s));
    cli_progress_draw(&v);
}

/* ---- following ----------------------------------------------------------------------------------
 */

typedef struct follow {
    cli_service *s;
    const cli_follow *o;
    json_int_t next, life;
    json_t *summary;
    int64_t silent_since; /* 0: it answers */
} follow;

static void show_events(follow *f, const json_t *answer)
{
    const json_t *events = json_object_get(answer, "events");
    for (size_t k = 0; k < json_array_size(events); k++) {
        json_t *e = json_array_get(events, k), *line = json_object_get(e, "line");
        if (json_object_get(line, "summary")) {
            json_decref(f->summary);
            f->summary = json_incref(line);
        }
        if (f->s->json && f->o->numbered)
            cli_print_json(json_incref(e));
        else if (f->s->json && !json_object_get(line, "notice"))
            cli_print_json(json_incref(line));
        else if (json_object_get(line, "notice"))
            hone_log(HONE_LOG_INFO, "%s", cli_word(line, "notice"));
    }
}

static bool is_away(hone_status st)
{
    return st == HONE_E_TIMEOUT || st == HONE_E_PEER;
}

/* One question. *ret stays NULL when the service is away for now. */
static hone_status ask(follow *f, json_t **ret, hone_error *err)
{
    hone_status st = cli_service_ask(f->s, "watch",
                                     json_pack("{s:I, s:I, s:I}", "job", (json_int_t)f->o->job,
                                               "from", f->next, "life", f->life),
                                     ret, err);
    int64_t now = hone_clock_ns();
    if (!is_away(st)) {
        f->silent_since = 0;
        return st;
    }
    if (!f->silent_since) {
        f->silent_since = now;
        hone_log(HONE_LOG_WARN, "the service does not answer; waiting for it");
    }
    return now - f->silent_since < GIVE_UP_NS ? HONE_OK : st;
}

static hone_status cancel(follow *f, hone_error *err)
{
    json_t *answer = NULL;
    f->s->deaf = true;
    hone_status st = cli_service_ask(
        f->s, "cancel", json_pack("{s:I}", "job", (json_int_t)f->o->job), &answer, err);
    json_decref(answer);
    return is_away(st) || st == HONE_E_NOTFOUND || st == HONE_E_INPUT ? HONE_OK : st;
}

hone_status cli_follow_job(cli_service *s, const cli_follow *o, json_t **ret, json_t **ret_summary,
                           hone_error *err)
{
    follow f = {.s = s, .o = o, .next = o->from ? (json_int_t)o->from : 1};
    hone_status st = HONE_OK;
    bool ended = false;
    *ret = NULL;
    cli_progress_start(o->title);
    while (st == HONE_OK && !ended) {
        json_t *answer = NULL;
        if (cli_stopped(NULL) && !s->deaf)
            st = o->cancel ? cancel(&f, err) : hone_fail(err, HONE_E_INTERRUPTED, "interrupted");
        if (st == HONE_OK)
            st = ask(&f, &answer, err);
        if (st == HONE_E_INTERRUPTED && o->cancel && !s->deaf) {
            st = HONE_OK; /* within the question: the next turn cancels */
            continue;
        }
        if (answer) {
            show_events(&f, answer);
            draw(answer);
            f.next = json_integer_value(json_object_get(answer, "next"));
            f.life = json_integer_value(json_object_get(answer, "life"));
            ended = json_is_true(json_object_get(answer, "ended"));
            if (ended)
                *ret = json_incref(json_object_get(answer, "row"));
        }
        bool more = json_array_size(json_object_get(answer, "events")) > 0;
        json_decref(answer);
        if (st == HONE_OK && !ended && !more)
            nanosleep(&(struct timespec){.tv_nsec = POLL_MS * 1000000L}, NULL);
    }
    cli_progress_end();
    *ret_summary = f.summary;
    return st;
}

hone_status cli_job_status(const json_t *job, const json_t *summary, hone_error *err)
{
    const char *state = cli_word(job, "state");
    if (strcmp(state, "done") == 0 || strcmp(state, "cancelled") == 0)
        return HONE_OK;
    hone_status st = hone_status_parse(cli_word(json_object_get(job, "error"), "status"));
    if (st == HONE_STATUS_COUNT || st == HONE_OK)
        st = strcmp(state, "expired") == 0 ? HONE_E_TIMEOUT : HONE_E_PEER;
    const char *why = cli_word(summary, "error");
    const json_t *because = json_object_get(job, "because");
    return hone_fail(err, st, "job %lld %s: %s",
                     (long long)json_integer_value(json_object_get(job, "job")), state,
                     *why ? why : cli_word(because, "text"));
}

/* ---- the command --------------------------------------------------------------------------------
 */

static void print_end(const json_t *job, const json_t *summary, const char *service)
{
    char best[32];
    if (summary && json_object_get(summary, "by_task")) {
        cli_list_summary_text(service, summary);
    } else if (summary) {
        cli_summary_text(cli_word(job, "title"), service, summary);
    } else {
        double best_ns = json_number_value(json_object_get(job, "best_ns"));
        cli_format_ns(best_ns, best);
        printf("job %lld: %s%s%s\n", (long long)json_integer_value(json_object_get(job, "job")),
               cli_word(job, "state"), best_ns > 0 ? ", best " : "", best_ns > 0 ? best : "");
    }
}

static int run(int argc, char **argv, const cli_command *self)
{
    cli_service s = {0};
    int64_t from = 0;
    const cli_option options[] = {
        {"--from", CLI_INT, "N", &from, "from this event on (default: all that are kept)", 1},
        CLI_SERVICE_OPTIONS(&s),
    };
    const char *pos[1];
    unsigned n;
    int code;
    if (!CLI_PARSE(self, argc, argv, options, pos, &n, &code))
        return code;
    long long job = n == 1 ? cli_job_number(pos[0]) : 0;
    if (!job)
        return cli_usage(self, "which job? Its number, as `hone jobs` shows it");
    char title[40];
    snprintf(title, sizeof title, "job %lld", job);
    hone_error err = {0};
    json_t *row = NULL, *summary = NULL;
    cli_catch_signals();
    hone_status st = cli_service_open(&s, &err);
    if (st == HONE_OK)
        st = cli_follow_job(
            &s,
            &(cli_follow){
                .job = (uint64_t)job, .from = (uint64_t)from, .numbered = true, .title = title},
            &row, &summary, &err);
    if (st == HONE_OK && !s.json)
        print_end(row, summary, s.endpoint ? s.endpoint : getenv("HONE_SERVICE"));
    if (st == HONE_OK)
        st = cli_job_status(row, summary, &err);
    json_decref(row);
    json_decref(summary);
    cli_service_close(&s);
    return st == HONE_OK ? 0 : cli_fail(st, &err);
}

const cli_command cli_watch = {
    .name = "watch",
    .synopsis = "JOB [--from N] [options]",
    .summary = "follow a job of a service until it ends",
    .text =
        "Ctrl-C ends the watching, not the job. When the service goes away for a while, watching\n"
        "goes on where it was. With --json every event is a line {\"seq\": N, \"line\": {...}}, of "
        "which\n"
        "\"line\" is what `hone tune --json` prints.\n\n"
        "  hone watch 12\n"
        "  hone watch 12 --from 200 --json\n\n"
        "exit codes: 0 it has ended well, or was cancelled; 1 it failed or expired, or no service\n"
        "there; 2 bad input; 3 there is no such job\n",
    .run = run,
};
