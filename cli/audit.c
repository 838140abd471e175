/* hone audit: who did what to a service, and what it did of itself. */
#include "cli/service.h"

#include <time.h>

static void print_event(const json_t *j)
{
    char when[32] = "-";
    json_int_t wall_ms = json_integer_value(json_object_get(j, "wall_ms"));
    time_t t = (time_t)(wall_ms / 1000);
    struct tm tm;
    if (wall_ms && gmtime_r(&t, &tm))
        strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &tm);
    const char *from = cli_word(j, "from"), *to = cli_word(j, "to");
    printf("%8lld  %-20s  %-12s %-12s %-24s %s%s%s%s%s\n",
           (long long)json_integer_value(json_object_get(j, "seq")), when, cli_word(j, "actor"),
           cli_word(j, "verb"), cli_word(j, "object"), from, *from || *to ? " -> " : "", to,
           *from || *to ? ": " : "", cli_word(json_object_get(j, "because"), "text"));
}

static int run(int argc, char **argv, const cli_command *self)
{
    cli_service s = {0};
    int64_t from = 0;
    const cli_option options[] = {
        {"--from", CLI_INT, "N", &from, "from this event on (default: all)", 0},
        CLI_SERVICE_OPTIONS(&s),
    };
    const char *none[1];
    unsigned n;
    int code;
    if (!cli_parse(self, argc, argv, options, HONE_LEN(options), none, 0, &n, &code))
        return code;
    hone_error err = {0};
    json_int_t next = from;
    cli_catch_signals();
    hone_status st = cli_service_open(&s, &err);
    do {
        json_t *answer = NULL;
        if (st == HONE_OK)
            st = cli_service_ask(&s, "audit", json_pack("{s:I}", "from", next), &answer, &err);
        const json_t *events = json_object_get(answer, "events");
        for (size_t k = 0; k < json_array_size(events); k++) {
            json_t *one = json_array_get(events, k);
            if (s.json)
                cli_print_json(json_incref(one));
            else
                print_event(one);
        }
        next = json_integer_value(json_object_get(answer, "next"));
        json_decref(answer);
    } while (st == HONE_OK && next && !cli_stopped(NULL));
    cli_service_close(&s);
    return st == HONE_OK ? 0 : cli_fail(st, &err);
}

const cli_command cli_audit = {
    .name = "audit",
    .synopsis = "[--from N] [options]",
    .summary = "print a service's log of who did what, and of what it did of itself",
    .text =
        "For an administrator's key. Events are numbered without gaps, and each is stored with a\n"
        "hash over those before it; `hone db check` verifies them.\n\n"
        "  hone audit --from 100 --json\n\n" CLI_SERVICE_EXIT_CODES,
    .run = run,
};
