/* What commands that talk to `hone serve` share: where it is, asking it, being told no. */
#ifndef HONE_CLI_SERVICE_H
#define HONE_CLI_SERVICE_H

#include "cli/cli.h"
#include "workers/client.h"

typedef struct cli_service {
    const char *endpoint; /* NULL: HONE_SERVICE of the environment */
    const char *key, *allow;
    bool insecure, json;
    bool deaf; /* a signal does not end what is asked */
    hone_client *client;
} cli_service;

/* The options of s, for a command's table. */
#define CLI_SERVICE_OPTIONS(s)                                                                     \
    {"--service", CLI_TEXT, "ENDPOINT", &(s)->endpoint, "the service (default: HONE_SERVICE)", 0}, \
        {"--key", CLI_TEXT, "FILE", &(s)->key, "secret key, for a service over tcp (hone keygen)", \
         0},                                                                                       \
        {"--allow", CLI_TEXT, "FILE", &(s)->allow, "public key of the service", 0},                \
        {"--insecure-loopback",                                                                    \
         CLI_FLAG,                                                                                 \
         NULL,                                                                                     \
         &(s)->insecure,                                                                           \
         "tcp on this machine without keys",                                                       \
         0},                                                                                       \
    {                                                                                              \
        "--json", CLI_FLAG, NULL, &(s)->json, "print JSON", 0                                      \
    }

#define CLI_SERVICE_EXIT_CODES                                                                  \
    "exit codes: 0 good; 1 refused, failed, or no service there; 2 bad input; 3 there is none " \
    "such\n"

/* Goes there; s stays where it is until closed. As hone_client_open. */
hone_status cli_service_open(cli_service *s, hone_error *err) HONE_NODISCARD;
void cli_service_close(cli_service *s);
/* Asks for `verb` with the fields of `request` (released; NULL: none) and waits for the answer, at
 * most 30 s. *ret is the caller's to decref. When the service says no: its status and its sentence.
 * As hone_client_ask; HONE_E_PROTOCOL: that was no answer. */
hone_status cli_service_ask(cli_service *s, const char *verb, json_t *request, json_t **ret,
                            hone_error *err) HONE_NODISCARD;
/* All parts of a list: the field `list` of the answers, one array. As cli_service_ask. */
hone_status cli_service_list(cli_service *s, const char *verb, json_t *request, const char *list,
                             json_t **ret, hone_error *err) HONE_NODISCARD;
/* Opens, asks, prints the answer as JSON if that is wanted, else hands it to `print`; closes.
 * Returns the exit code. */
int cli_service_once(cli_service *s, const char *verb, json_t *request,
                     void (*print)(const json_t *answer, void *ctx), void *ctx);

/* The number of a job as people give it, or 0. */
int64_t cli_job_number(const char *text);
/* A field, or "". */
const char *cli_word(const json_t *j, const char *key);
/* "3m12s": a duration of so many seconds. */
void cli_format_seconds(double s, char ret[32]);

/* ---- what is to be tuned (submit.c)
 * --------------------------------------------------------------
 */

typedef struct cli_submission {
    const char *kernel; /* or NULL */
    cli_sizes sizes;
    const char *tasks; /* a task list's file, or NULL */
    const char *filter, *target, *strategy, *request;
    int64_t threads, trials, seconds, seed, priority, queue_seconds; /* trials < 0: the usual */
    bool alone;
} cli_submission;
/* The fields of `submit`; reads files, and refuses what is no kernel before anything is sent. The
 * caller's. *ret_title: what it is, to be freed. */
hone_status cli_submission_json(const cli_submission *o, json_t **ret, char **ret_title,
                                hone_error *err) HONE_NODISCARD;
/* Of the answer to `submit`: why no device does it now, a clause to be freed; NULL: one may. */
char *cli_no_device(const json_t *answer, int64_t threads);
/* Submits it, follows it, and says what a tune says; Ctrl-C cancels the job and has its summary.
 * The exit code. (tune_service.c) */
int cli_tune_service(cli_service *s, const cli_submission *o);
/* {"name", "text", "title", "sizes"} of a kernel as it was named on a command line. */
hone_status cli_kernel_json(const char *arg, const cli_kernel *k, json_t **ret,
                            hone_error *err) HONE_NODISCARD;

/* ---- following a job (watch.c)
 * -------------------------------------------------------------------
 */

typedef struct cli_follow {
    uint64_t job, from;
    bool numbered; /* JSON lines as {"seq", "line"} rather than as a tune prints them */
    bool cancel;   /* Ctrl-C cancels the job, and waits for its end */
    const char *title;
} cli_follow;
/* Until it has ended, or Ctrl-C (HONE_E_INTERRUPTED unless o->cancel). Goes on when the service was
 * away for a while. *ret: its row at the end; *ret_summary: what its session said at its end, or
 * NULL. Both the caller's. */
hone_status cli_follow_job(cli_service *s, const cli_follow *o, json_t **ret, json_t **ret_summary,
                           hone_error *err) HONE_NODISCARD;
/* The failure of a job that has ended badly; HONE_OK else. */
hone_status cli_job_status(const json_t *job, const json_t *summary, hone_error *err);

#endif
