/* Inside of the desk: what is remembered of jobs and devices, and how rows become JSON. */
#ifndef HONE_FARM_DESK_INTERNAL_H
#define HONE_FARM_DESK_INTERNAL_H

#include "farm/desk.h"

#define HONE_DESK_CURVE 256         /* points of a job's best so far */
#define HONE_DESK_NOTES 1024        /* jobs of which something is remembered */
#define HONE_DESK_LINES_MAX 2048    /* lines kept of a job */
#define HONE_DESK_BYTES (8 << 20)   /* of memory for lines, of all jobs */
#define HONE_DESK_LINE 40           /* bytes of a line beside its text */
#define HONE_DESK_RECENT 128        /* events kept */
#define HONE_DESK_SAMPLES 96        /* of each device: when something was otherwise than before, */
#define HONE_DESK_SAMPLE_MS 10000   /* as it is looked at so often */
#define HONE_DESK_REPLY (160 << 10) /* bytes of a list in one reply; the rest is asked for next */

typedef struct hone_desk__line {
    uint64_t n; /* from 1, in order, within a job */
    char *text; /* an object */
} hone_desk__line;

typedef struct hone_desk__point {
    int64_t wall_ms, ns;
    uint64_t trial;
} hone_desk__point;

typedef struct hone_desk__note {
    uint64_t job;
    char *title;
    int64_t budget; /* trials; 0: no limit */
    uint64_t trials, tasks;
    int64_t best_ns;
    json_t *progress, *summary; /* the last ones, or NULL */
    uint64_t summary_n;         /* number of that line */
    HONE_VEC(hone_desk__line) lines;
    uint64_t next; /* number of the next line */
    uint64_t told; /* turn of the last line */
    uint64_t kept; /* numbers below are kept (hone_desk_each_kept); what comes next is not */
    bool changed;  /* since it was kept */
    HONE_VEC(hone_desk__point) curve;
} hone_desk__note;

typedef struct hone_desk__sample {
    int64_t wall_ms;
    int16_t score;
    uint8_t link, health, admin;
} hone_desk__sample;

typedef struct hone_desk__history {
    char device[HONE_FARM_NAME];
    HONE_VEC(hone_desk__sample) v; /* each holds until the next, the last until now */
} hone_desk__history;

typedef struct hone_desk__recent {
    hone_farm_event_row row;
    int64_t wall_ms;
} hone_desk__recent;

/* Of a HONE_FARM_SAY whose REPLY is awaited, or of a query. */
typedef struct hone_desk__pending {
    uint64_t ticket;
    hone_desk_peer from;
    json_int_t id;
    bool has_id;
    const char *word; /* the verb's, static */
    bool submit;
} hone_desk__pending;

struct hone_desk {
    const hone_farm *farm;
    hone_desk_port port;
    uint64_t life, ticket, turn;
    HONE_VEC(hone_desk__pending) pending;
    HONE_VEC(hone_desk__note) notes; /* ascending by job */
    size_t bytes;                    /* of lines */
    HONE_VEC(hone_desk__history) histories;
    uint32_t history_at; /* where the next one is looked for first */
    int64_t sampled_ms;
    hone_desk__recent recent[HONE_DESK_RECENT];
    uint32_t n_recent, recent_at;
    /* What the event of the last answer points into. */
    json_t *request;
    char *filter; /* of the SUBMIT that was read last, as spec */
    char *spec;
    uint64_t asked; /* ticket of the query that was taken; 0: none was */
    char who[HONE_FARM_NAME];
};

/* ---- fields.c: reading fields of a request. *bad is set, once, to what is wrong.
 * ----------------- */

typedef struct hone_desk__fields {
    const json_t *j;
    hone_error *err;
    hone_status st;
} hone_desk__fields;
/* A text of at most max bytes; NULL when there is none (HONE_E_INPUT when it is needed). */
const char *hone_desk__text(hone_desk__fields *f, const char *key, size_t max, bool needed);
/* A name: not empty, printable, without blanks. */
const char *hone_desk__name(hone_desk__fields *f, const char *key, size_t max, bool needed);
int64_t hone_desk__int(hone_desk__fields *f, const char *key, int64_t min, int64_t max,
                       int64_t otherwise);
bool hone_desk__flag(hone_desk__fields *f, const char *key);
/* One of n words, or `otherwise` when there is none. */
unsigned hone_desk__word(hone_desk__fields *f, const char *key, const char *const *words,
                         unsigned n, unsigned otherwise);
/* Roles as an array of words, or one word. */
unsigned hone_desk__roles(hone_desk__fields *f, const char *key);
extern const char *const hone_desk__classes[HONE_FARM_CLASS_COUNT];

/* ---- spec.c: what is to be tuned or asked -------------------------------------------------------
 */

hone_status hone_desk__spec(const json_t *j, hone_desk_spec *ret, hone_error *err);
hone_status hone_desk__task(const json_t *j, hone_desk_task *ret, hone_error *err);
/* As it is stored: what is understood of the request, compact. The caller frees. */
char *hone_desk__spec_text(const hone_desk_spec *s);

/* ---- notes.c ------------------------------------------------------------------------------------
 */

const hone_desk__note *hone_desk__note_of(const hone_desk *d, uint64_t job);
const hone_desk__history *hone_desk__history_of(hone_desk *d, const char *device);
void hone_desk__notes_free(hone_desk *d);

/* ---- rows.c: rows as JSON
 * ------------------------------------------------------------------------ */

/* Rows of one kind, copied and in order; the caller frees. */
typedef HONE_VEC(hone_farm_job_row) hone_desk__jobs;
typedef HONE_VEC(hone_farm_worker_row) hone_desk__workers;
typedef HONE_VEC(hone_farm_user_row) hone_desk__users;
hone_desk__jobs hone_desk__all_jobs(const hone_farm *f);
/* With those that wait for their canaries. */
hone_desk__workers hone_desk__all_workers(const hone_desk *d);
hone_desk__users hone_desk__all_users(const hone_farm *f);
/* false: there is none. */
bool hone_desk__job(const hone_farm *f, uint64_t id, hone_farm_job_row *ret);
bool hone_desk__job_of_request(const hone_farm *f, const char *user, const hone_farm_request *r,
                               hone_farm_job_row *ret);
bool hone_desk__user(const hone_farm *f, const char *name, hone_farm_user_row *ret);
/* Devices that are here and will do for a job once their canaries are built. */
uint32_t hone_desk__joining(const hone_desk *d, uint64_t job);

/* whole: false for who may know no more than that it is there. */
json_t *hone_desk__job_json(const hone_desk *d, const hone_farm_job_row *r, bool whole);
json_t *hone_desk__worker_json(const hone_desk *d, const hone_farm_worker_row *r);
json_t *hone_desk__user_json(const hone_farm_user_row *r);
json_t *hone_desk__event_json(const hone_farm_event_row *r, int64_t wall_ms);
json_t *hone_desk__stats_json(const hone_desk *d);
json_t *hone_desk__roles_json(unsigned roles);

/* ---- asks.c: what only reads
 * --------------------------------------------------------------------- */

/* Adds the answer's fields to `reply`; *ret_raw: an array's text for "events", or NULL. */
hone_status hone_desk__ask(hone_desk *d, hone_desk_ask a, const hone_farm_user_row *user,
                           const json_t *request, json_t *reply, char **ret_raw, hone_error *err);

#endif
