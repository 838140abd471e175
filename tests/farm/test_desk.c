/* The desk: every request has an answer, who may ask what, and what a farm's rows look like. */
#include "desk_rows.h"

#include "farm/desk/internal.h"
#include "tuner/tuner.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

typedef struct fixture {
    hone_farm *farm;
    hone_desk *desk;
    hone_desk_answer answer;
    json_t *reply; /* of the last answer that was one */
} fixture;

static hone_status no_kernel(void *ctx, const hone_desk_spec *s, hone_error *err)
{
    (void)ctx;
    if (s->tasks[0].name && strcmp(s->tasks[0].name, "tuna") == 0)
        return hone_fail(err, HONE_E_INPUT, "no built-in kernel 'tuna'");
    return HONE_OK;
}

static hone_status some_events(void *ctx, uint64_t from, uint32_t n, hone_desk_event_fn fn,
                               void *fn_ctx, hone_error *err)
{
    (void)ctx;
    (void)err;
    for (uint64_t seq = from ? from : 1; seq <= 3000 && n > 0; seq++, n--) {
        hone_farm_event_row row = {.seq = seq,
                                   .actor = "root",
                                   .verb = "drain",
                                   .object = "worker pi4",
                                   .from = "open",
                                   .to = "draining",
                                   .reason = HONE_FARM_BECAUSE_BY_ADMIN};
        if (!fn(fn_ctx, &row, 1700000000000, "00ff"))
            break;
    }
    return HONE_OK;
}

static const char *a_target(void *ctx, const char *device)
{
    (void)ctx;
    return strcmp(device, "pi4") == 0 ? "{\"cpu\":\"cortex-a72\"}" : NULL;
}

static void numbers(void *ctx, hone_desk_service *ret)
{
    (void)ctx;
    ret->commits = 42;
}

/* The query that waits for its answer. */
static struct {
    uint64_t ticket;
    bool exact;
    int64_t threads;
} taken;

static hone_status take_query(void *ctx, const hone_desk_query *q, uint64_t ticket, hone_error *err)
{
    (void)ctx;
    if (q->threads == 99)
        return hone_fail(err, HONE_E_BUSY, "too many wait");
    taken.ticket = ticket;
    taken.exact = q->require && strcmp(q->require, "exact") == 0;
    taken.threads = q->threads;
    return HONE_OK;
}

static void answer_query(hone_desk *d, hone_buf *ret)
{
    hone_error err = {0};
    hone_desk_peer to;
    json_t *answer =
        taken.exact ? NULL
                    : json_pack("{s:s, s:i}", "rung", "default", "threads", (int)taken.threads);
    hone_status st = taken.exact
                         ? hone_fail(&err, HONE_E_NOTFOUND, "no answer of rung exact or better")
                         : HONE_OK;
    assert_true(hone_desk_answered(d, taken.ticket, st, answer, &err, &to, ret));
    assert_true(to.peer == 5 && to.ask == 6);
    assert_false(hone_desk_answered(d, taken.ticket, HONE_OK, NULL, &err, &to, ret));
}

static char kept_spec[1024]; /* of each job */

static char *a_spec(void *ctx, const hone_farm_job_row *r)
{
    (void)ctx;
    (void)r;
    return hone_xstrdup(kept_spec);
}

static bool one_waits;

static const char *a_waiting(void *ctx, uint32_t k, const char **ret_attrs)
{
    (void)ctx;
    *ret_attrs = "arch=x86_64";
    return one_waits && k == 0 ? "fresh" : NULL;
}

static int setup(void **state)
{
    fixture *f = hone_xcalloc(1, sizeof *f);
    f->farm = desk_farm();
    f->desk = hone_desk_new(f->farm,
                            &(hone_desk_port){.check = no_kernel,
                                              .spec = a_spec,
                                              .query = take_query,
                                              .events = some_events,
                                              .target = a_target,
                                              .service = numbers,
                                              .waiting = a_waiting},
                            77);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    json_decref(f->reply);
    hone_buf_free(&f->answer.text);
    hone_desk_free(f->desk);
    hone_farm_free(f->farm);
    free(f);
    return 0;
}

static void ask_bytes(fixture *f, const char *user, const char *bytes, size_t n)
{
    hone_buf_free(&f->answer.text);
    json_decref(f->reply);
    f->reply = NULL;
    hone_desk_request(f->desk, (hone_desk_peer){5, 6}, user, bytes, n, &f->answer);
    if (f->answer.later)
        answer_query(f->desk, &f->answer.text);
    if (!f->answer.say)
        assert_int_equal(hone_json_parse(f->answer.text.s, f->answer.text.n, &f->reply, NULL),
                         HONE_OK);
}

static void ask(fixture *f, const char *user, const char *text)
{
    ask_bytes(f, user, text, strlen(text));
}

static const char *word(const json_t *j, const char *key)
{
    const char *s = json_string_value(json_object_get(j, key));
    return s ? s : "";
}

static bool is_ok(const fixture *f)
{
    return json_is_true(json_object_get(f->reply, "ok"));
}

static void refused(fixture *f, const char *user, const char *text, const char *status)
{
    ask(f, user, text);
    assert_false(f->answer.say);
    assert_false(is_ok(f));
    assert_string_equal(word(f->reply, "status"), status);
    assert_true(strlen(word(f->reply, "error")) > 5);
}

/* ---- requests
 * -------------------------------------------------------------------------------------- */

static void test_no_silence(void **state)
{
    fixture *f = *state;
    refused(f, "root", "", "E_INPUT");
    refused(f, "root", "[]", "E_INPUT");
    refused(f, "root", "{\"verb\":\"jobs\"}", "E_VERSION");
    refused(f, "root", "{\"v\":2,\"verb\":\"jobs\"}", "E_VERSION");
    refused(f, "root", "{\"v\":1}", "E_INPUT");
    refused(f, "root", "{\"v\":1,\"verb\":7}", "E_INPUT");
    refused(f, "root", "{\"v\":1,\"verb\":\"dance\",\"id\":9}", "E_INPUT");
    assert_int_equal(json_integer_value(json_object_get(f->reply, "id")), 9);
    assert_string_equal(word(f->reply, "verb"), "dance");
    char *big = hone_xcalloc(1, HONE_DESK_MAX_REQUEST + 2);
    memset(big, ' ', HONE_DESK_MAX_REQUEST + 1);
    ask_bytes(f, "root", big, HONE_DESK_MAX_REQUEST + 1);
    assert_string_equal(word(f->reply, "status"), "E_LIMIT");
    free(big);
    ask(f, "root", "{\"v\":1,\"verb\":\"jobs\",\"id\":3,\"of a later version\":[1]}");
    assert_true(is_ok(f));
    assert_int_equal(json_integer_value(json_object_get(f->reply, "id")), 3);
}

/* Every verb of the tables, by keys of each role and by none. */
static void test_who_may(void **state)
{
    fixture *f = *state;
    static const struct {
        const char *word;
        unsigned roles;
    } asks[] = {
#define HONE_DESK_ASK(name, word, roles) {word, roles},
#include "farm/asks.def"
#undef HONE_DESK_ASK
    };
    static const struct {
        const char *name;
        unsigned roles;
    } who[] = {{"root", HONE_FARM_ADMIN}, {"ann", HONE_FARM_USER},
               {"pi4", HONE_FARM_DEVICE}, {"eve", 0},
               {"stranger", 0},           {"", 0}};
    for (unsigned a = 0; a < HONE_LEN(asks); a++) {
        assert_int_not_equal(asks[a].roles, 0);
        assert_int_equal(asks[a].roles & (HONE_FARM_DEVICE | HONE_FARM_BUILDER), 0);
        for (unsigned w = 0; w < HONE_LEN(who); w++) {
            char *text = hone_xasprintf("{\"v\":1,\"verb\":\"%s\",\"job\":2,\"name\":\"pi4\"}",
                                        asks[a].word);
            ask(f, who[w].name, text);
            bool denied = strcmp(word(f->reply, "status"), "E_DENIED") == 0;
            if (denied == ((asks[a].roles & who[w].roles) != 0))
                fail_msg("%s by '%s'", asks[a].word, who[w].name);
            free(text);
        }
    }
}

static void test_changes_are_said(void **state)
{
    fixture *f = *state;
    static const struct {
        const char *text;
        hone_farm_verb verb;
    } good[] = {
        {"{\"v\":1,\"verb\":\"cancel\",\"job\":2}", HONE_FARM_VERB_CANCEL},
        {"{\"v\":1,\"verb\":\"pause\",\"job\":2}", HONE_FARM_VERB_PAUSE},
        {"{\"v\":1,\"verb\":\"resume\",\"job\":2}", HONE_FARM_VERB_RESUME},
        {"{\"v\":1,\"verb\":\"reserve\",\"name\":\"pi4\",\"for_s\":60}", HONE_FARM_VERB_RESERVE},
        {"{\"v\":1,\"verb\":\"release\",\"name\":\"pi4\"}", HONE_FARM_VERB_RELEASE},
        {"{\"v\":1,\"verb\":\"drain\",\"name\":\"pi4\"}", HONE_FARM_VERB_DRAIN},
        {"{\"v\":1,\"verb\":\"open\",\"name\":\"pi4\"}", HONE_FARM_VERB_OPEN},
        {"{\"v\":1,\"verb\":\"retire\",\"name\":\"pi4\"}", HONE_FARM_VERB_RETIRE},
        {"{\"v\":1,\"verb\":\"key_add\",\"name\":\"cy\",\"key\":\"K\",\"roles\":[\"user\"],"
         "\"share\":3}",
         HONE_FARM_VERB_KEY_ADD},
        {"{\"v\":1,\"verb\":\"key_revoke\",\"name\":\"cy\"}", HONE_FARM_VERB_KEY_REVOKE},
    };
    for (unsigned k = 0; k < HONE_LEN(good); k++) {
        ask(f, "bob", good[k].text);
        assert_true(f->answer.say);
        assert_int_equal(f->answer.event.kind, HONE_FARM_SAY);
        assert_int_equal(f->answer.event.say.verb, good[k].verb);
        assert_string_equal(f->answer.event.who, "bob");
        /* What the farm says to it goes to who asked, once. */
        hone_desk_peer peer = {0};
        hone_buf text = {0};
        hone_farm_effect e = {.kind = HONE_FARM_REPLY,
                              .reply = {.client = f->answer.event.say.client,
                                        .status = HONE_E_DENIED,
                                        .reason = HONE_FARM_BECAUSE_ROLE}};
        assert_true(hone_desk_reply(f->desk, &e, &peer, &text));
        assert_int_equal(peer.peer, 5);
        assert_int_equal(peer.ask, 6);
        assert_non_null(strstr(text.s, "\"reason\":\"role\""));
        assert_non_null(strstr(text.s, hone_farm_verb_name(good[k].verb)));
        assert_false(hone_desk_reply(f->desk, &e, &peer, &text));
        hone_buf_free(&text);
    }
    ask(f, "bob", good[3].text);
    assert_int_equal(f->answer.event.say.for_ms, 60000);
    ask(f, "bob", good[8].text);
    assert_int_equal(f->answer.event.say.weight, 3);
    assert_int_equal(f->answer.event.say.roles, HONE_FARM_USER);
    refused(f, "bob", "{\"v\":1,\"verb\":\"cancel\"}", "E_INPUT");
    refused(f, "bob", "{\"v\":1,\"verb\":\"cancel\",\"job\":\"2\"}", "E_INPUT");
    refused(f, "bob", "{\"v\":1,\"verb\":\"cancel\",\"job\":-2}", "E_INPUT");
    refused(f, "bob", "{\"v\":1,\"verb\":\"drain\"}", "E_INPUT");
    refused(f, "bob", "{\"v\":1,\"verb\":\"drain\",\"name\":\"a b\"}", "E_INPUT");
    refused(f, "bob",
            "{\"v\":1,\"verb\":\"drain\",\"name\":"
            "\"0123456789012345678901234567890123456789012345678901234567890123\"}",
            "E_INPUT");
    refused(f, "bob", "{\"v\":1,\"verb\":\"key_add\",\"name\":\"cy\",\"key\":\"K\"}", "E_INPUT");
    refused(f, "bob",
            "{\"v\":1,\"verb\":\"key_add\",\"name\":\"cy\",\"key\":\"K\",\"roles\":[\"king\"]}",
            "E_INPUT");
}

/* ---- submit
 * ------------------------------------------------------------------------------------------ */

#define SUBMIT                                                                               \
    "{\"v\":1,\"verb\":\"submit\",\"request\":\"ci 4711\",\"filter\":\"label=kitchen\","     \
    "\"class\":\"interactive\",\"trials\":64,\"queue_s\":5,\"tasks\":[{\"name\":\"matmul\"," \
    "\"sizes\":{\"M\":64,\"N\":32},\"title\":\"matmul M=64 N=32\"}]}"

static void test_submit(void **state)
{
    fixture *f = *state;
    ask(f, "ann", SUBMIT);
    assert_true(f->answer.say);
    const hone_farm_say *say = &f->answer.event.say;
    assert_string_equal(say->filter, "label=kitchen");
    assert_int_equal(say->class, HONE_FARM_INTERACTIVE);
    assert_int_equal(say->queue_ms, 5000);
    hone_farm_request first = say->request;
    uint64_t client = say->client;

    hone_desk_spec s;
    char *stored = hone_xstrdup(f->answer.spec);
    assert_int_equal(hone_desk_spec_parse(stored, strlen(stored), &s, NULL), HONE_OK);
    free(stored);
    assert_int_equal(s.n, 1);
    assert_string_equal(s.tasks[0].name, "matmul");
    assert_int_equal(s.tasks[0].n_sizes, 2);
    assert_int_equal(s.trials, 64);
    assert_string_equal(s.target, "device");
    assert_string_equal(s.filter, "label=kitchen");
    assert_int_equal(s.class, HONE_FARM_INTERACTIVE);
    hone_desk_spec_free(&s);

    hone_buf text = {0};
    hone_desk_peer peer;
    hone_farm_effect e = {.kind = HONE_FARM_REPLY,
                          .reply = {.client = client, .job = 9, .matching = 2}};
    assert_true(hone_desk_reply(f->desk, &e, &peer, &text));
    assert_string_equal(text.s,
                        "{\"job\":9,\"matching\":2,\"ok\":true,\"v\":1,\"verb\":\"submit\"}");
    hone_buf_free(&text);

    /* of a job without a device it says which there are */
    ask(f, "ann", SUBMIT);
    e.reply.client = f->answer.event.say.client;
    e.reply.job = 2;
    e.reply.matching = 0;
    one_waits = true;
    assert_true(hone_desk_reply(f->desk, &e, &peer, &text));
    assert_string_equal(text.s, "{\"job\":2,\"joining\":0,\"known\":2,\"matching\":0,"
                                "\"ok\":true,\"v\":1,\"verb\":\"submit\"}");
    one_waits = false;
    hone_buf_free(&text);

    ask(f, "ann", SUBMIT); /* the same name, the same request */
    assert_memory_equal(&f->answer.event.say.request, &first, sizeof first);
    ask(f, "ann",
        "{\"v\":1,\"verb\":\"submit\",\"request\":\"ci 4712\",\"tasks\":[{\"name\":\"a\"}]}");
    assert_true(memcmp(&f->answer.event.say.request, &first, sizeof first) != 0);
    refused(f, "ann", "{\"v\":1,\"verb\":\"submit\",\"tasks\":[{\"name\":\"a\"}]}", "E_INPUT");
    refused(f, "ann", "{\"v\":1,\"verb\":\"submit\",\"request\":\"r\",\"tasks\":[]}", "E_INPUT");
    refused(f, "ann",
            "{\"v\":1,\"verb\":\"submit\",\"request\":\"r\",\"tasks\":[{\"name\":\"tuna\"}]}",
            "E_INPUT");
    refused(f, "ann",
            "{\"v\":1,\"verb\":\"submit\",\"request\":\"r\",\"tasks\":[{\"name\":\"a\"},"
            "{\"name\":\"b\"}]}",
            "E_INPUT");
    refused(f, "ann",
            "{\"v\":1,\"verb\":\"submit\",\"request\":\"r\",\"tasks\":[{\"name\":\"a\",\"sizes\":"
            "{\"M\":-1}}]}",
            "E_INPUT");
    refused(f, "ann",
            "{\"v\":1,\"verb\":\"submit\",\"request\":\"r\",\"class\":\"first\",\"tasks\":"
            "[{\"name\":\"a\"}]}",
            "E_INPUT");
}

/* Choices among the tasks are stored with them. */
static void test_submit_choices(void **state)
{
    fixture *f = *state;
    ask(f, "ann",
        "{\"v\":1,\"verb\":\"submit\",\"request\":\"choosy\",\"list\":\"net\",\"tasks\":"
        "[{\"name\":\"a\",\"weight\":0},{\"name\":\"b\",\"weight\":0},{\"name\":\"c\"}],"
        "\"choices\":[{\"weight\":4,\"covers\":[[0],[1,2]]}]}");
    assert_true(f->answer.say);
    hone_desk_spec s;
    char *stored = hone_xstrdup(f->answer.spec);
    assert_int_equal(hone_desk_spec_parse(stored, strlen(stored), &s, NULL), HONE_OK);
    free(stored);
    assert_int_equal(s.n_choices, 1);
    assert_true(s.choices[0].weight == 4 && s.choices[0].n == 2 && s.choices[0].covers[1].n == 2);
    hone_desk_spec_free(&s);
    refused(f, "ann",
            "{\"v\":1,\"verb\":\"submit\",\"request\":\"r\",\"list\":\"net\",\"tasks\":"
            "[{\"name\":\"a\",\"weight\":0},{\"name\":\"b\"}]}",
            "E_INPUT");
    refused(f, "ann",
            "{\"v\":1,\"verb\":\"submit\",\"request\":\"r\",\"list\":\"net\",\"tasks\":"
            "[{\"name\":\"a\"},{\"name\":\"b\"}],\"choices\":[{\"covers\":[[0],[2]]}]}",
            "E_INPUT");
}

/* A request that was said before is the same again, or refused. */
static void test_request_again(void **state)
{
    fixture *f = *state;
    static const char again[] = "{\"v\":1,\"verb\":\"submit\",\"request\":\"r1\",\"trials\":%d,"
                                "\"tasks\":[{\"name\":\"%s\",\"title\":\"%s M=64\"}]}";
    char text[512];
    snprintf(text, sizeof text, again, 8, "matmul", "matmul");
    ask(f, "ann", text);
    assert_true(f->answer.say);
    snprintf(kept_spec, sizeof kept_spec, "%s", f->answer.spec);
    hone_farm_row r = {.kind = HONE_FARM_ROW_JOB,
                       .job = {.id = 40,
                               .user = "ann",
                               .request = f->answer.event.say.request,
                               .state = HONE_FARM_JOB_DONE}};
    desk_put(f->farm, &r);
    ask(f, "ann", text);
    assert_true(f->answer.say);
    snprintf(text, sizeof text, again, 8, "softmax", "softmax");
    refused(f, "ann", text, "E_INPUT");
    assert_string_equal(word(f->reply, "error"), "request r1 was job 40, matmul M=64, which is "
                                                 "another: give this one another name");
    ask(f, "bob", text); /* his own name */
    assert_true(f->answer.say);
    snprintf(text, sizeof text, again, 9, "matmul", "matmul");
    refused(f, "ann", text, "E_INPUT");
    assert_non_null(strstr(word(f->reply, "error"), "other options"));
}

static void test_threads_are_processors(void **state)
{
    fixture *f = *state;
    ask(f, "ann",
        "{\"v\":1,\"verb\":\"submit\",\"request\":\"t\",\"threads\":64,\"filter\":\"arch=a\","
        "\"tasks\":[{\"name\":\"a\"}]}");
    assert_true(f->answer.say);
    assert_string_equal(f->answer.event.say.filter, "arch=a,cores>=64");
    assert_null(strstr(f->answer.spec, "cores"));
}

/* What became of a job is told with its number and state. */
static void test_verbs_tell_the_job(void **state)
{
    fixture *f = *state;
    hone_desk_peer peer;
    hone_buf text = {0};
    ask(f, "ann", "{\"v\":1,\"verb\":\"pause\",\"job\":2}");
    hone_farm_effect e = {.kind = HONE_FARM_REPLY,
                          .reply = {.client = f->answer.event.say.client, .job = 2}};
    assert_true(hone_desk_reply(f->desk, &e, &peer, &text));
    assert_non_null(strstr(text.s, "\"job\":2"));
    assert_non_null(strstr(text.s, "\"state\":\"queued\""));
    hone_buf_free(&text);
}

/* ---- what is shown
 * ------------------------------------------------------------------------------------ */

static const json_t *row_of(const fixture *f, const char *list, size_t k)
{
    return json_array_get(json_object_get(f->reply, list), k);
}

static void note(fixture *f, uint64_t job)
{
    static const char spec[] = "{\"tasks\":[{\"name\":\"matmul\",\"title\":\"matmul M=64\"}],"
                               "\"trials\":64}";
    hone_desk_spec s;
    assert_int_equal(hone_desk_spec_parse(spec, strlen(spec), &s, NULL), HONE_OK);
    hone_desk_job(f->desk, job, &s);
    hone_desk_spec_free(&s);
}

static void tell(fixture *f, uint64_t job, const char *line)
{
    json_t *j = json_loads(line, 0, NULL);
    assert_non_null(j);
    hone_desk_tell(f->desk, job, j, 1700000000000);
    json_decref(j);
}

/* A user knows all of their own jobs, and of others' no more than that they are there. */
static void test_jobs(void **state)
{
    fixture *f = *state;
    note(f, 2);
    note(f, 3);
    ask(f, "ann", "{\"v\":1,\"verb\":\"jobs\"}");
    assert_true(is_ok(f));
    assert_int_equal(json_array_size(json_object_get(f->reply, "jobs")), 3);
    assert_string_equal(word(row_of(f, "jobs", 0), "state"), "done");
    assert_string_equal(word(row_of(f, "jobs", 1), "title"), "matmul M=64");
    const json_t *wait = json_object_get(row_of(f, "jobs", 1), "wait");
    assert_true(strlen(word(wait, "reason")) > 0 && strlen(word(wait, "text")) > 5);
    assert_string_equal(word(row_of(f, "jobs", 2), "user"), "bob");
    assert_null(json_object_get(row_of(f, "jobs", 2), "title"));
    assert_null(json_object_get(row_of(f, "jobs", 2), "filter"));
    ask(f, "root", "{\"v\":1,\"verb\":\"jobs\"}");
    assert_string_equal(word(row_of(f, "jobs", 2), "title"), "matmul M=64");
    ask(f, "ann", "{\"v\":1,\"verb\":\"jobs\",\"job\":3}");
    assert_int_equal(json_array_size(json_object_get(f->reply, "jobs")), 1);
    assert_null(json_object_get(row_of(f, "jobs", 0), "title"));
    refused(f, "ann", "{\"v\":1,\"verb\":\"jobs\",\"job\":99}", "E_NOTFOUND");
}

static double seconds_of(const fixture *f, const char *list, size_t k, const char *key)
{
    return json_number_value(json_object_get(row_of(f, list, k), key));
}

/* Ages count the time in which there was no coordinator, if its clock tells it; deadlines do not.
 */
static void test_ages_go_on(void **state)
{
    fixture *f = *state;
    const hone_farm_row clock = {.kind = HONE_FARM_ROW_CLOCK,
                                 .clock = INT64_C(10000000000),
                                 .away_ns = INT64_C(5000000000),
                                 .wall_ms = 1700000000000};
    desk_put(f->farm, &(hone_farm_row){.kind = HONE_FARM_ROW_WORKER,
                                       .worker = {.name = "gone",
                                                  .roles = HONE_FARM_DEVICE,
                                                  .attrs = "",
                                                  .epoch = 1,
                                                  .heard_at = INT64_C(12000000000)}});
    static const struct {
        int64_t wall_ms;
        double away_s;
    } returns[] = {{1700000060000, 65}, {1700000000000, 5}, {1600000000000, 5}, {0, 5}};
    for (unsigned k = 0; k < HONE_LEN(returns); k++) {
        double now = 10 + returns[k].away_s;
        desk_put(f->farm, &clock);
        hone_farm_returns(f->farm, returns[k].wall_ms);
        ask(f, "ann", "{\"v\":1,\"verb\":\"jobs\"}");
        assert_true(fabs(seconds_of(f, "jobs", 1, "age_s") - (now - 1)) < 0.001);
        assert_true(fabs(seconds_of(f, "jobs", 1, "since_s") - (now - 2)) < 0.001);
        ask(f, "ann", "{\"v\":1,\"verb\":\"devices\"}");
        assert_true(fabs(seconds_of(f, "devices", 0, "heard_s") - (now - 12)) < 0.001);
        assert_true(fabs(seconds_of(f, "devices", 2, "health_left_s") - 90) < 0.001);
    }
}

static void test_watch(void **state)
{
    fixture *f = *state;
    refused(f, "bob", "{\"v\":1,\"verb\":\"watch\",\"job\":2}", "E_DENIED");
    refused(f, "ann", "{\"v\":1,\"verb\":\"watch\",\"job\":99}", "E_NOTFOUND");
    refused(f, "ann", "{\"v\":1,\"verb\":\"watch\"}", "E_INPUT");
    note(f, 2);
    tell(f, 2, "{\"trial\":1,\"status\":\"OK\",\"best\":true,\"compare_ns\":900}");
    tell(f, 2, "{\"progress\":{\"phase\":\"tuning\",\"trials\":1}}");
    tell(f, 2, "{\"trial\":2,\"status\":\"OK\",\"best\":false,\"compare_ns\":950}");
    tell(f, 2, "{\"trial\":3,\"status\":\"OK\",\"best\":true,\"compare_ns\":700}");
    ask(f, "ann", "{\"v\":1,\"verb\":\"watch\",\"job\":2}");
    assert_true(is_ok(f));
    assert_int_equal(json_array_size(json_object_get(f->reply, "events")), 3);
    assert_int_equal(json_integer_value(json_object_get(f->reply, "next")), 4);
    assert_true(json_is_false(json_object_get(f->reply, "ended")));
    assert_string_equal(word(json_object_get(f->reply, "progress"), "phase"), "tuning");
    const json_t *job = json_object_get(f->reply, "row");
    assert_int_equal(json_integer_value(json_object_get(job, "best_ns")), 700);
    assert_int_equal(json_integer_value(json_object_get(job, "trials")), 3);
    tell(f, 2, "{\"progress\":{\"phase\":\"tuning\",\"trials\":3,\"best_ns\":720}}"); /* settled */
    ask(f, "ann", "{\"v\":1,\"verb\":\"watch\",\"job\":2,\"from\":3,\"life\":77}");
    assert_int_equal(
        json_integer_value(json_object_get(json_object_get(f->reply, "row"), "best_ns")), 720);
    assert_int_equal(json_array_size(json_object_get(f->reply, "events")), 1);
    assert_int_equal(json_integer_value(json_object_get(row_of(f, "events", 0), "seq")), 3);
    ask(f, "ann", "{\"v\":1,\"verb\":\"watch\",\"job\":2,\"from\":3,\"life\":76}"); /* restarted */
    assert_int_equal(json_array_size(json_object_get(f->reply, "events")), 1);
    ask(f, "ann", "{\"v\":1,\"verb\":\"watch\",\"job\":1}");
    assert_true(json_is_true(json_object_get(f->reply, "ended")));
}

/* A device that is here is shown before the farm has it. */
static void test_waiting_for_canaries(void **state)
{
    fixture *f = *state;
    one_waits = true;
    ask(f, "ann", "{\"v\":1,\"verb\":\"devices\"}");
    one_waits = false;
    const json_t *row = row_of(f, "devices", 0);
    assert_string_equal(word(row, "name"), "fresh");
    assert_string_equal(word(row, "link"), "joining");
    assert_string_equal(word(row, "health"), "probing");
    assert_string_equal(word(json_object_get(row, "because"), "reason"), "canaries");
    assert_string_equal(word(row, "attrs"), "arch=x86_64");
    ask(f, "ann", "{\"v\":1,\"verb\":\"devices\"}");
    assert_string_not_equal(word(row_of(f, "devices", 0), "name"), "fresh");
}

typedef struct kept {
    unsigned n;
    char *text;
} kept;

static void keep(void *ctx, uint64_t job, const char *text)
{
    kept *k = ctx;
    assert_int_equal(job, 2);
    free(k->text);
    k->text = hone_xstrdup(text);
    k->n++;
}

/* Another desk, of a later life, knows what there was to know of a job, and its numbers go on. */
static void test_a_later_life(void **state)
{
    fixture *f = *state;
    for (int exact = 0; exact < 2; exact++) {
        kept k = {0};
        hone_desk_free(f->desk);
        hone_desk *first = f->desk =
            hone_desk_new(f->farm, &(hone_desk_port){.check = no_kernel}, 77);
        note(f, 2);
        tell(f, 2, "{\"trial\":1,\"status\":\"OK\",\"best\":true,\"compare_ns\":900}");
        tell(f, 2, "{\"trial\":2,\"status\":\"OK\",\"best\":true,\"compare_ns\":800}");
        if (exact)
            tell(f, 2, "{\"summary\":true,\"best_ns\":820}"); /* a trial was luckier */
        hone_desk_each_kept(f->desk, 2, exact, keep, &k);
        hone_desk_each_kept(f->desk, 0, exact, keep, &k);
        assert_int_equal(k.n, 1); /* nothing has changed since */
        f->desk = hone_desk_new(f->farm, &(hone_desk_port){.check = no_kernel}, 78);
        note(f, 2);
        hone_desk_restore(f->desk, 2, "not JSON");
        hone_desk_restore(f->desk, 2, k.text);
        ask(f, "ann", "{\"v\":1,\"verb\":\"watch\",\"job\":2,\"from\":3,\"life\":77}");
        const json_t *job = json_object_get(f->reply, "row");
        assert_int_equal(json_integer_value(json_object_get(job, "best_ns")), exact ? 820 : 800);
        assert_int_equal(json_integer_value(json_object_get(job, "trials")), 2);
        assert_null(json_object_get(f->reply, "missed"));
        if (exact) {
            assert_int_equal(json_integer_value(json_object_get(row_of(f, "events", 0), "seq")), 3);
            assert_int_equal(json_integer_value(json_object_get(f->reply, "next")), 4);
        } else {
            assert_int_equal(json_array_size(json_object_get(f->reply, "events")), 0);
        }
        tell(f, 2, "{\"trial\":1,\"status\":\"OK\",\"best\":false,\"compare_ns\":820}");
        ask(f, "ann", "{\"v\":1,\"verb\":\"watch\",\"job\":2,\"from\":4,\"life\":77}");
        assert_int_equal(json_array_size(json_object_get(f->reply, "events")), 1);
        json_int_t n = json_integer_value(json_object_get(row_of(f, "events", 0), "seq"));
        assert_true(exact ? n == 4 : n > 4);
        assert_int_equal(
            json_integer_value(json_object_get(json_object_get(f->reply, "row"), "trials")), 3);
        hone_desk_free(first);
        free(k.text);
    }
}

/* More than is kept, and more than fits into a reply: what is missed is said, and nothing comes
 * twice. */
static void test_watch_long(void **state)
{
    fixture *f = *state;
    char line[1200], text[96];
    note(f, 2);
    for (int k = 1; k <= 3000; k++) {
        snprintf(line, sizeof line, "{\"notice\":\"%d %0*d\"}", k, 1000, 0);
        tell(f, 2, line);
    }
    json_int_t next = 1, seen = 0, missed = 0, rounds = 0;
    do {
        snprintf(text, sizeof text,
                 "{\"v\":1,\"verb\":\"watch\",\"job\":2,\"from\":%lld,\"life\":77}",
                 (long long)next);
        ask(f, "ann", text);
        assert_true(f->answer.text.n < HONE_DESK_MAX_REQUEST);
        seen += (json_int_t)json_array_size(json_object_get(f->reply, "events"));
        missed += json_integer_value(json_object_get(f->reply, "missed"));
        next = json_integer_value(json_object_get(f->reply, "next"));
        rounds++;
    } while (json_array_size(json_object_get(f->reply, "events")) > 0);
    assert_int_equal(next, 3001);
    assert_int_equal(seen + missed, 3000);
    assert_true(missed > 0 && seen >= 1500 && rounds > 5);
}

static void test_devices(void **state)
{
    fixture *f = *state;
    ask(f, "ann", "{\"v\":1,\"verb\":\"devices\"}");
    assert_int_equal(json_array_size(json_object_get(f->reply, "devices")), 2);
    assert_string_equal(word(row_of(f, "devices", 0), "name"), "pi4");
    assert_string_equal(word(row_of(f, "devices", 0), "health"), "good");
    assert_string_equal(word(row_of(f, "devices", 1), "health"), "quarantined");
    assert_string_equal(word(row_of(f, "devices", 1), "admin"), "draining");
    assert_string_equal(word(row_of(f, "devices", 1), "by"), "root");
    assert_string_equal(word(row_of(f, "devices", 0), "link"), "offline");
    ask(f, "ann", "{\"v\":1,\"verb\":\"devices\",\"from\":\"pi5\"}");
    assert_int_equal(json_array_size(json_object_get(f->reply, "devices")), 1);
    ask(f, "ann", "{\"v\":1,\"verb\":\"target\",\"name\":\"pi4\"}");
    assert_string_equal(word(f->reply, "target"), "{\"cpu\":\"cortex-a72\"}");
    refused(f, "ann", "{\"v\":1,\"verb\":\"target\",\"name\":\"pi9\"}", "E_NOTFOUND");
}

static void test_audit(void **state)
{
    fixture *f = *state;
    json_int_t next = 0, seen = 0, last = 0;
    do {
        char text[64];
        snprintf(text, sizeof text, "{\"v\":1,\"verb\":\"audit\",\"from\":%lld}", (long long)next);
        ask(f, "root", text);
        assert_true(f->answer.text.n < HONE_DESK_MAX_REQUEST);
        const json_t *events = json_object_get(f->reply, "events");
        for (size_t k = 0; k < json_array_size(events); k++, seen++) {
            json_int_t seq = json_integer_value(json_object_get(json_array_get(events, k), "seq"));
            assert_int_equal(seq, last + 1);
            last = seq;
        }
        next = json_integer_value(json_object_get(f->reply, "next"));
    } while (next);
    assert_int_equal(seen, 3000);
}

static void test_query(void **state)
{
    fixture *f = *state;
    ask(f, "ann",
        "{\"v\":1,\"verb\":\"query\",\"kernel\":{\"name\":\"matmul\",\"sizes\":{\"M\":4}},"
        "\"target\":\"haswell\",\"threads\":2}");
    assert_true(is_ok(f));
    assert_string_equal(word(f->reply, "verb"), "query");
    assert_string_equal(word(json_object_get(f->reply, "answer"), "rung"), "default");
    refused(f, "ann",
            "{\"v\":1,\"verb\":\"query\",\"kernel\":{\"name\":\"matmul\"},\"target\":\"haswell\","
            "\"require\":\"exact\"}",
            "E_NOTFOUND");
    refused(f, "ann",
            "{\"v\":1,\"verb\":\"query\",\"kernel\":{\"name\":\"matmul\"},\"target\":\"haswell\","
            "\"threads\":99}",
            "E_BUSY");
    refused(f, "ann", "{\"v\":1,\"verb\":\"query\",\"target\":\"haswell\"}", "E_INPUT");
    refused(f, "ann", "{\"v\":1,\"verb\":\"query\",\"kernel\":{\"name\":\"matmul\"}}", "E_INPUT");
}

static size_t history_of(fixture *f, const char *device, int64_t now)
{
    json_t *s = hone_desk_status(f->desk, now);
    size_t n = 0, k;
    json_t *one;
    json_array_foreach(json_object_get(s, "devices"), k, one)
    {
        if (strcmp(word(one, "name"), device) == 0)
            n = json_array_size(json_object_get(one, "history"));
    }
    json_decref(s);
    return n;
}

/* Of a device it is kept when something has changed, the latest of it. */
static void test_health_over_time(void **state)
{
    fixture *f = *state;
    int64_t now = 1700000000000;
    hone_farm_effect x;
    for (int k = 0; k < 300; k++, now += 10000) {
        hone_farm_event e = {.kind = HONE_FARM_SAY, .who = "root"};
        e.say.verb = k % 2 ? HONE_FARM_VERB_OPEN : HONE_FARM_VERB_DRAIN;
        e.say.name = "pi4";
        hone_farm_step(f->farm, &e, now);
        while (hone_farm_next_effect(f->farm, &x))
            ;
        hone_desk_sample(f->desk, now);
        if (k == 9)
            assert_int_equal(history_of(f, "pi4", now), 10);
    }
    assert_int_equal(history_of(f, "pi4", now), HONE_DESK_SAMPLES);
    assert_int_equal(history_of(f, "pi5", now), 1);
}

static void test_top_and_status(void **state)
{
    fixture *f = *state;
    note(f, 2);
    tell(f, 2, "{\"trial\":1,\"status\":\"OK\",\"best\":true,\"compare_ns\":900}");
    hone_desk_sample(f->desk, 1700000000000);
    hone_desk_sample(f->desk, 1700000001000); /* too early */
    hone_desk_sample(f->desk, 1700000020000);
    hone_desk_event(f->desk, &(hone_farm_event_row){.seq = 1, .actor = "farm", .verb = "health"},
                    1700000000000);
    ask(f, "ann", "{\"v\":1,\"verb\":\"top\"}");
    assert_true(is_ok(f));
    assert_int_equal(json_array_size(json_object_get(f->reply, "devices")), 2);
    assert_true(json_is_null(json_object_get(f->reply, "trouble")));
    json_t *s = hone_desk_status(f->desk, 1700000020000);
    const json_t *job = json_array_get(json_object_get(s, "jobs"), 1);
    assert_int_equal(json_array_size(json_object_get(job, "curve")), 1);
    const json_t *device = json_array_get(json_object_get(s, "devices"), 0);
    assert_int_equal(json_array_size(json_object_get(device, "history")), 1);
    assert_int_equal(json_array_size(json_object_get(s, "events")), 1);
    json_decref(s);
}

/* The shape is kept, and the end is there, however many times it got better. */
/* A list that is done before it has told how it stands. */
static void test_a_list_ends_with_its_time(void **state)
{
    fixture *f = *state;
    static const char spec[] = "{\"list\":\"net\",\"tasks\":[{\"name\":\"a\"},{\"name\":\"b\"}]}";
    hone_desk_spec s;
    assert_int_equal(hone_desk_spec_parse(spec, strlen(spec), &s, NULL), HONE_OK);
    hone_desk_job(f->desk, 2, &s);
    hone_desk_spec_free(&s);
    tell(f, 2, "{\"progress\":{\"phase\":\"a\",\"total_ns\":80,\"without\":1}}");
    tell(f, 2, "{\"trial\":1,\"best\":true,\"compare_ns\":40,\"time_ns\":40}");
    ask(f, "ann", "{\"v\":1,\"verb\":\"jobs\",\"job\":2}");
    assert_null(json_object_get(row_of(f, "jobs", 0), "best_ns"));
    tell(f, 2, "{\"summary\":true,\"total_ns\":100,\"without\":0}");
    ask(f, "ann", "{\"v\":1,\"verb\":\"jobs\",\"job\":2}");
    assert_int_equal(json_integer_value(json_object_get(row_of(f, "jobs", 0), "best_ns")), 100);
}

static void test_curve_is_bounded(void **state)
{
    fixture *f = *state;
    char line[96];
    note(f, 2);
    for (int k = 1; k <= 5000; k++) {
        snprintf(line, sizeof line, "{\"trial\":%d,\"best\":true,\"compare_ns\":%d}", k, 10000 - k);
        tell(f, 2, line);
    }
    json_t *s = hone_desk_status(f->desk, 1);
    const json_t *curve = json_object_get(json_array_get(json_object_get(s, "jobs"), 1), "curve");
    size_t n = json_array_size(curve);
    assert_in_range(n, 100, 256);
    json_int_t last = 0;
    for (size_t k = 0; k < n; k++) {
        json_int_t trial = json_integer_value(json_array_get(json_array_get(curve, k), 2));
        assert_true(trial > last);
        last = trial;
    }
    assert_int_equal(last, 5000);
    assert_int_equal(json_integer_value(json_array_get(json_array_get(curve, 0), 2)), 1);
    json_decref(s);
}

/* Each name is described once, before its series, and each line is one of three kinds. */
/* Jobs without end say lines without end: their memory is bounded, and each has its latest. */
static void what_jobs_say_is_bounded(void **state)
{
    fixture *f = *state;
    enum { JOBS = 40, ROUNDS = 2000 };
    char why[200] = "";
    hone_desk_spec spec = {.n = 1};
    spec.tasks = &(hone_desk_task){.name = "matmul", .title = "matmul"};
    memset(why, 'x', sizeof why - 1);
    for (uint64_t job = 1; job <= JOBS; job++)
        hone_desk_job(f->desk, 1000 + job, &spec);
    for (int round = 0; round < ROUNDS; round++)
        for (uint64_t job = 1; job <= JOBS; job++) {
            json_t *line = json_pack("{s:i, s:s}", "trial", round, "why", why);
            hone_desk_tell(f->desk, 1000 + job, line, 1700000000000);
            json_decref(line);
            assert_true(f->desk->bytes <= HONE_DESK_BYTES);
        }
    for (uint64_t job = 1; job <= JOBS; job++) {
        const hone_desk__note *n = hone_desk__note_of(f->desk, 1000 + job);
        assert_int_equal(n->next, ROUNDS + 1);
        assert_true(n->lines.n > 100 && n->lines.n <= HONE_DESK_LINES_MAX);
        assert_int_equal(n->lines.v[n->lines.n - 1].n, ROUNDS);
    }
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {T(test_no_silence),
                                       T(test_who_may),
                                       T(test_changes_are_said),
                                       T(test_submit),
                                       T(test_submit_choices),
                                       T(test_request_again),
                                       T(test_threads_are_processors),
                                       T(test_verbs_tell_the_job),
                                       T(test_jobs),
                                       T(test_ages_go_on),
                                       T(test_watch),
                                       T(test_a_later_life),
                                       T(test_waiting_for_canaries),
                                       T(test_watch_long),
                                       T(test_devices),
                                       T(test_audit),
                                       T(test_query),
                                       T(test_health_over_time),
                                       T(test_top_and_status),
                                       T(test_curve_is_bounded),
                                       T(what_jobs_say_is_bounded),
                                       T(test_a_list_ends_with_its_time)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
