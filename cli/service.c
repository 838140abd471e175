/* Asking a service, and what comes back. */
#include "cli/service.h"

#define VERSION 1
#define PATIENCE_MS 30000

static bool is_over(void *ctx)
{
    return !((const cli_service *)ctx)->deaf && cli_stopped(NULL);
}

hone_status cli_service_open(cli_service *s, hone_error *err)
{
    return hone_client_open(&(hone_client_options){.service = s->endpoint,
                                                   .key_file = s->key,
                                                   .allow_file = s->allow,
                                                   .insecure_loopback = s->insecure,
                                                   .stop = is_over,
                                                   .stop_ctx = s},
                            &s->client, err);
}

void cli_service_close(cli_service *s)
{
    hone_client_close(s->client);
    s->client = NULL;
}

/* *ret is set only when the service says yes. */
static hone_status read_answer(const hone_buf *text, json_t **ret, hone_error *err)
{
    json_t *j = NULL;
    if (hone_json_parse(text->s, text->n, &j, NULL) != HONE_OK || !json_is_object(j)) {
        json_decref(j);
        return hone_fail(err, HONE_E_PROTOCOL, "the service's answer is not one");
    }
    if (json_is_true(json_object_get(j, "ok"))) {
        *ret = j;
        return HONE_OK;
    }
    hone_status st = hone_status_parse(cli_word(j, "status"));
    if (st == HONE_STATUS_COUNT || st == HONE_OK)
        st = HONE_E_PROTOCOL; /* a later service's */
    const char *why = cli_word(j, "error");
    hone_fail(err, st, "%s", *why ? why : "the service refuses without saying why");
    json_decref(j);
    return st;
}

hone_status cli_service_ask(cli_service *s, const char *verb, json_t *request, json_t **ret,
                            hone_error *err)
{
    json_t *j = request ? request : json_object();
    *ret = NULL;
    json_object_set_new(j, "v", json_integer(VERSION));
    json_object_set_new(j, "verb", json_string(verb));
    char *text = hone_json_text(j);
    hone_buf answer = {0};
    hone_status st =
        strlen(text) > HONE_MAX_SAY_BYTES
            ? hone_fail(err, HONE_E_LIMIT, "this is too much for one request: %zu bytes of %d",
                        strlen(text), HONE_MAX_SAY_BYTES)
            : hone_client_ask(s->client, text, strlen(text), PATIENCE_MS, &answer, NULL, err);
    if (st == HONE_OK)
        st = read_answer(&answer, ret, err);
    hone_buf_free(&answer);
    free(text);
    json_decref(j);
    return st;
}

hone_status cli_service_list(cli_service *s, const char *verb, json_t *request, const char *list,
                             json_t **ret, hone_error *err)
{
    json_t *all = json_array(), *fields = request ? request : json_object(), *next = NULL;
    hone_status st = HONE_OK;
    do {
        json_t *answer, *part = json_copy(fields);
        if (next)
            json_object_set_new(part, "from", next);
        next = NULL;
        st = cli_service_ask(s, verb, part, &answer, err);
        if (st == HONE_OK) {
            json_array_extend(all, json_object_get(answer, list));
            next = json_incref(json_object_get(answer, "next"));
        }
        json_decref(answer);
    } while (next);
    json_decref(fields);
    if (st == HONE_OK)
        *ret = all;
    else
        json_decref(all);
    return st;
}

int cli_service_once(cli_service *s, const char *verb, json_t *request,
                     void (*print)(const json_t *answer, void *ctx), void *ctx)
{
    hone_error err = {0};
    json_t *answer = NULL;
    cli_catch_signals();
    hone_status st = cli_service_open(s, &err);
    if (st == HONE_OK)
        st = cli_service_ask(s, verb, request, &answer, &err);
    else
        json_decref(request);
    if (st == HONE_OK && s->json)
        cli_print_json(json_incref(answer));
    else if (st == HONE_OK)
        print(answer, ctx);
    json_decref(answer);
    cli_service_close(s);
    return st == HONE_OK ? 0 : cli_fail(st, &err);
}

int64_t cli_job_number(const char *text)
{
    char *end;
    long long job = strtoll(text, &end, 10);
    return job >= 1 && !*end ? job : 0;
}

const char *cli_word(const json_t *j, const char *key)
{
    const char *s = json_string_value(json_object_get(j, key));
    return s ? s : "";
}

void cli_format_seconds(double s, char ret[32])
{
    long long n = s > 0 && s < 1e15 ? (long long)s : 0;
    if (n < 60)
        snprintf(ret, 32, "%llds", n);
    else if (n < 3600)
        snprintf(ret, 32, "%lldm%02llds", n / 60, n % 60);
    else if (n < 86400)
        snprintf(ret, 32, "%lldh%02lldm", n / 3600, n / 60 % 60);
    else
        snprintf(ret, 32, "%lldd%02lldh", n / 86400 % 100000, n / 3600 % 24);
}
