/* A request: what it is, who may say it, and what becomes of it. */
#include "farm/desk/internal.h"

hone_desk *hone_desk_new(const hone_farm *f, const hone_desk_port *port, uint64_t life)
{
    hone_desk *d = hone_xcalloc(1, sizeof *d);
    d->farm = f;
    if (port)
        d->port = *port;
    d->life = life & INT64_MAX; /* it is told as a JSON integer */
    return d;
}

static void forget_request(hone_desk *d)
{
    json_decref(d->request);
    free(d->spec);
    free(d->filter);
    d->request = NULL;
    d->spec = d->filter = NULL;
    d->asked = 0;
}

void hone_desk_free(hone_desk *d)
{
    if (!d)
        return;
    forget_request(d);
    hone_desk__notes_free(d);
    hone_vec_free(&d->pending);
    for (uint32_t k = 0; k < d->histories.n; k++)
        hone_vec_free(&d->histories.v[k].v);
    hone_vec_free(&d->histories);
    free(d);
}

/* ---- replies
 * ------------------------------------------------------------------------------------- */

static json_t *begin(const char *verb, const json_int_t *id)
{
    json_t *j = json_pack("{s:i}", "v", HONE_DESK_VERSION);
    if (verb)
        json_object_set_new(j, "verb", hone_json_string(verb));
    if (id)
        json_object_set_new(j, "id", json_integer(*id));
    return j;
}

static void write_reply(json_t *j, char *events, hone_buf *ret)
{
    char *text = hone_json_text(j);
    hone_buf_reset(ret);
    hone_buf_puts(ret, text);
    if (events) { /* made of lines that are JSON already */
        ret->s[--ret->n] = '\0';
        hone_buf_puts(ret, ",\"events\":");
        hone_buf_puts(ret, events);
        hone_buf_puts(ret, "}");
    }
    free(text);
    free(events);
    json_decref(j);
}

static void set_error(json_t *j, hone_status s, const char *why)
{
    json_object_set_new(j, "ok", json_false());
    json_object_set_new(j, "status", json_string(hone_status_name(s)));
    json_object_set_new(j, "error", hone_json_string(why && *why ? why : hone_status_text(s)));
}

/* ---- what changes something
 * ------------------------------------------------------------------------ */

/* Requests of a user are told apart by 128 bits of whatever name the client gave them. */
static hone_farm_request request_of(const char *text)
{
    size_t n = strlen(text);
    return (hone_farm_request){{hone_hash_bytes(1, text, n) | 1, hone_hash_bytes(2, text, n)}};
}

static const char *title_of(const hone_desk_spec *s)
{
    return s->list ? s->list : s->tasks[0].title;
}

/* A name that this user has given before is the same submission again, or a mistake. */
static hone_status not_another(hone_desk *d, const char *request, const hone_desk_spec *s,
                               hone_error *err)
{
    hone_farm_request r = request_of(request);
    hone_farm_job_row row;
    char *stored = NULL, *was = NULL;
    hone_desk_spec before = {0};
    hone_status st = HONE_OK;
    if (d->port.spec && hone_desk__job_of_request(d->farm, d->who, &r, &row))
        stored = d->port.spec(d->port.ctx, &row);
    if (stored && hone_desk_spec_parse(stored, strlen(stored), &before, NULL) == HONE_OK)
        was = hone_desk__spec_text(&before);
    if (was && strcmp(was, d->spec) != 0) {
        char *name = hone_text_clean(request), *title = hone_text_clean(title_of(&before));
        bool same = strcmp(title_of(&before), title_of(s)) == 0;
        st = hone_fail(err, HONE_E_INPUT,
                       "request %.60s was job %" PRIu64 ", %.120s%s: give this one another name",
                       name, row.id, title,
                       same ? " with another text or other options" : ", which is another");
        free(name);
        free(title);
    }
    if (before.json)
        hone_desk_spec_free(&before);
    free(was);
    free(stored);
    return st;
}

static hone_status read_submit(hone_desk *d, hone_desk__fields *f, hone_farm_say *say)
{
    const char *request = hone_desk__text(f, "request", 255, true);
    hone_desk_spec s;
    HONE_TRY(f->st);
    HONE_TRY(hone_desk__spec(f->j, &s, f->err));
    hone_status st = d->port.check ? d->port.check(d->port.ctx, &s, f->err) : HONE_OK;
    if (st == HONE_OK) {
        say->request = request_of(request);
        say->filter = d->filter = hone_desk_filter(&s);
        say->class = s.class;
        say->queue_ms = s.queue_ms;
        d->spec = hone_desk__spec_text(&s);
        st = not_another(d, request, &s, f->err);
    }
    hone_desk_spec_free(&s); /* texts stay in d->request */
    return st;
}

static hone_status read_say(hone_desk *d, hone_desk__fields *f, hone_farm_say *say)
{
    switch (say->verb) {
    case HONE_FARM_VERB_SUBMIT:
        return read_submit(d, f, say);
    case HONE_FARM_VERB_CANCEL:
    case HONE_FARM_VERB_PAUSE:
    case HONE_FARM_VERB_RESUME:
        say->job = (uint64_t)hone_desk__int(f, "job", 1, INT64_MAX, 0);
        if (f->st == HONE_OK && !say->job)
            return hone_fail(f->err, HONE_E_INPUT, "\"job\" is missing");
        return f->st;
    case HONE_FARM_VERB_KEY_ADD:
        say->key = hone_desk__name(f, "key", HONE_FARM_KEY_TEXT - 1, true);
        say->roles = hone_desk__roles(f, "roles");
        say->weight = hone_desk__int(f, "share", 1, 1000000, 1);
        say->day_ms = hone_desk__int(f, "day_s", 0, 86400, 0) * 1000;
        say->max_jobs = hone_desk__int(f, "max_jobs", 0, 1000000, 0);
        break;
    case HONE_FARM_VERB_RESERVE:
    case HONE_FARM_VERB_DRAIN:
        say->for_ms = hone_desk__int(f, "for_s", 0, 1000000000, 0) * 1000;
        break;
    case HONE_FARM_VERB_RELEASE:
    case HONE_FARM_VERB_OPEN:
    case HONE_FARM_VERB_RETIRE:
    case HONE_FARM_VERB_KEY_REVOKE:
    case HONE_FARM_VERB_COUNT:
        break;
    }
    say->name = hone_desk__name(f, "name", HONE_FARM_NAME - 1, true);
    return f->st;
}

static hone_farm_verb verb_named(const char *word)
{
    unsigned v = 0;
    while (v < HONE_FARM_VERB_COUNT && strcmp(word, hone_farm_verb_name((hone_farm_verb)v)) != 0)
        v++;
    return (hone_farm_verb)v;
}

/* ---- what only reads
 * -------------------------------------------------------------------------------- */

static const struct {
    const char *word;
    unsigned roles;
} asks[] = {
#define HONE_DESK_ASK(name, word, roles) {word, roles},
#include "farm/asks.def"
#undef HONE_DESK_ASK
};

static hone_desk_ask ask_named(const char *word)
{
    unsigned a = 0;
    while (a < HONE_DESK_ASK_COUNT && strcmp(word, asks[a].word) != 0)
        a++;
    return (hone_desk_ask)a;
}

static hone_status ask(hone_desk *d, hone_desk_ask a, const char *user, const json_t *request,
                       json_t *reply, char **ret_raw, hone_error *err)
{
    hone_farm_user_row u;
    if (!hone_desk__user(d->farm, user, &u) || u.revoked)
        return hone_fail(err, HONE_E_DENIED, "no user has this key");
    if (!(u.roles & asks[a].roles))
        return hone_fail(err, HONE_E_DENIED, "this key may not ask for %s", asks[a].word);
    return hone_desk__ask(d, a, &u, request, reply, ret_raw, err);
}

/* ---- a request
 * -------------------------------------------------------------------------------------- */

/* *ret_verb stays NULL when there is none. */
static hone_status read_head(hone_desk *d, const void *bytes, size_t n, const char **ret_verb,
                             json_int_t *ret_id, bool *ret_has_id, hone_error *err)
{
    if (n > HONE_DESK_MAX_REQUEST)
        return hone_fail(err, HONE_E_LIMIT, "a request is at most %d bytes", HONE_DESK_MAX_REQUEST);
    hone_error why = {0};
    if (hone_json_parse(bytes, n, &d->request, &why) != HONE_OK)
        return hone_fail(err, HONE_E_INPUT, "a request is JSON: %.200s", why.message);
    hone_desk__fields f = {.j = d->request, .err = err};
    if (!json_is_object(d->request))
        return hone_fail(err, HONE_E_INPUT, "a request is an object");
    const json_t *id = json_object_get(d->request, "id");
    if ((*ret_has_id = json_is_integer(id)))
        *ret_id = json_integer_value(id);
    int64_t v = hone_desk__int(&f, "v", 0, INT64_MAX, 0);
    if (f.st == HONE_OK && v != HONE_DESK_VERSION)
        return hone_fail(err, HONE_E_VERSION, "this service speaks version %d, not %" PRId64,
                         HONE_DESK_VERSION, v);
    const char *verb = hone_desk__name(&f, "verb", 31, true);
    *ret_verb = f.st == HONE_OK ? verb : NULL;
    return f.st;
}

static void await(hone_desk *d, uint64_t ticket, hone_desk_peer from, const json_int_t *id,
                  const char *word, bool submit)
{
    hone_vec_push(&d->pending,
                  (hone_desk__pending){ticket, from, id ? *id : 0, id != NULL, word, submit});
}

void hone_desk_request(hone_desk *d, hone_desk_peer from, const char *user, const void *bytes,
                       size_t n, hone_desk_answer *ret)
{
    hone_error err = {0};
    const char *verb = NULL;
    json_int_t id = 0;
    bool has_id = false;
    char *raw = NULL;
    forget_request(d);
    *ret = (hone_desk_answer){0};
    hone_status st = read_head(d, bytes, n, &verb, &id, &has_id, &err);
    hone_farm_verb say = verb ? verb_named(verb) : HONE_FARM_VERB_COUNT;
    hone_desk_ask a = verb ? ask_named(verb) : HONE_DESK_ASK_COUNT;
    json_t *reply = begin(verb, has_id ? &id : NULL);
    if (st == HONE_OK && say != HONE_FARM_VERB_COUNT) {
        hone_desk__fields f = {.j = d->request, .err = &err};
        snprintf(d->who, sizeof d->who, "%s", user);
        ret->event = (hone_farm_event){
            .kind = HONE_FARM_SAY, .who = d->who, .say = {.verb = say, .client = ++d->ticket}};
        st = read_say(d, &f, &ret->event.say);
        if (st == HONE_OK) {
            await(d, d->ticket, from, has_id ? &id : NULL, hone_farm_verb_name(say),
                  say == HONE_FARM_VERB_SUBMIT);
            ret->say = true;
            ret->spec = d->spec;
            json_decref(reply);
            return;
        }
    } else if (st == HONE_OK && a != HONE_DESK_ASK_COUNT) {
        st = ask(d, a, user, d->request, reply, &raw, &err);
        if (st == HONE_OK && d->asked) {
            await(d, d->asked, from, has_id ? &id : NULL, asks[a].word, false);
            ret->later = true;
            json_decref(reply);
            return;
        }
    } else if (st == HONE_OK) {
        st = hone_fail(&err, HONE_E_INPUT, "there is no verb '%s'", verb);
    }
    if (st == HONE_OK) {
        json_object_set_new(reply, "ok", json_true());
    } else {
        json_decref(reply); /* with what was added on the way */
        reply = begin(verb, has_id ? &id : NULL);
        set_error(reply, st, err.message);
    }
    write_reply(reply, raw, &ret->text);
}

static bool take_pending(hone_desk *d, uint64_t ticket, hone_desk__pending *ret)
{
    uint32_t k = 0;
    while (k < d->pending.n && d->pending.v[k].ticket != ticket)
        k++;
    if (k == d->pending.n)
        return false;
    *ret = d->pending.v[k];
    memmove(d->pending.v + k, d->pending.v + k + 1, (d->pending.n - k - 1) * sizeof *d->pending.v);
    d->pending.n--;
    return true;
}

/* How many devices there are for it, and when there are none, why. */
static void tell_matching(const hone_desk *d, const hone_farm_effect *e, json_t *j)
{
    hone_farm_fit fit;
    json_object_set_new(j, "matching", json_integer(e->reply.matching));
    if (e->reply.matching)
        return;
    hone_farm_job_fit(d->farm, e->reply.job, &fit);
    json_object_set_new(j, "known", json_integer(fit.known));
    json_object_set_new(j, "joining", json_integer(hone_desk__joining(d, e->reply.job)));
    if (!fit.lacks[0])
        return;
    json_object_set_new(j, "lacking", json_integer(fit.matching));
    json_object_set_new(j, "device", hone_json_string(fit.device));
    json_object_set_new(j, "lacks", hone_json_string(fit.lacks));
}

bool hone_desk_reply(hone_desk *d, const hone_farm_effect *e, hone_desk_peer *ret_to, hone_buf *ret)
{
    hone_desk__pending p;
    if (!take_pending(d, e->reply.client, &p))
        return false;
    *ret_to = p.from;
    json_t *j = begin(p.word, p.has_id ? &p.id : NULL);
    if (e->reply.status == HONE_OK) {
        json_object_set_new(j, "ok", json_true());
        hone_farm_job_row row;
        if (e->reply.job)
            json_object_set_new(j, "job", json_integer((json_int_t)e->reply.job));
        if (p.submit)
            tell_matching(d, e, j);
        else if (e->reply.job && hone_desk__job(d->farm, e->reply.job, &row))
            json_object_set_new(j, "state", json_string(hone_farm_job_state_name(row.state)));
    } else {
        const char *text = e->reply.text;
        set_error(j, e->reply.status, text ? text : hone_farm_reason_text(e->reply.reason));
        json_object_set_new(j, "reason", json_string(hone_farm_reason_name(e->reply.reason)));
    }
    write_reply(j, NULL, ret);
    return true;
}

bool hone_desk_answered(hone_desk *d, uint64_t ticket, hone_status st, json_t *answer,
                        const hone_error *err, hone_desk_peer *ret_to, hone_buf *ret)
{
    hone_desk__pending p;
    if (!take_pending(d, ticket, &p)) {
        json_decref(answer);
        return false;
    }
    *ret_to = p.from;
    json_t *j = begin(p.word, p.has_id ? &p.id : NULL);
    json_object_set_new(j, "ok", json_boolean(st == HONE_OK));
    if (st == HONE_OK)
        json_object_set_new(j, "answer", answer);
    else
        set_error(j, st, err->message);
    write_reply(j, NULL, ret);
    return true;
}
