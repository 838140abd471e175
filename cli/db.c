/* hone db: what a log holds, whether it is sound, and taking out of it what should not be there. */
#include "cli/cli.h"
#include "db/db.h"

#include <time.h>

typedef struct request {
    const char *from, *to; /* files */
    bool json, repair, dry_run, yes;
    hone_db_choice choice;
} request;

typedef hone_status (*job)(const request *q, json_t **ret, hone_error *err);

/* ---- what is asked for --------------------------------------------------------------------- */

static hone_status stats(const request *q, json_t **ret, hone_error *err)
{
    hone_db *db;
    HONE_TRY(hone_db_open(q->from, HONE_DB_READ, &db, err));
    hone_status st = hone_db_stats(db, ret, err);
    hone_db_close(db);
    return st;
}

static hone_status check(const request *q, json_t **ret, hone_error *err)
{
    hone_db *db;
    HONE_TRY(hone_db_open(q->from, q->repair ? HONE_DB_WRITE : HONE_DB_READ, &db, err));
    hone_status st = q->repair ? hone_db_repair(db, ret, err) : hone_db_check(db, ret, err);
    hone_db_close(db);
    return st;
}

static hone_status forget(const request *q, json_t **ret, hone_error *err)
{
    hone_db *db;
    HONE_TRY(hone_db_open(q->from, q->dry_run ? HONE_DB_READ : HONE_DB_WRITE, &db, err));
    hone_status st = hone_db_forget(db, &q->choice, q->dry_run, ret, err);
    if (st == HONE_OK)
        json_object_set_new(*ret, "forgotten", json_boolean(!q->dry_run));
    hone_db_close(db);
    return st;
}

static hone_status salvage(const request *q, json_t **ret, hone_error *err)
{
    return hone_db_salvage(q->from, q->to, ret, err);
}

/* ---- options ------------------------------------------------------------------------------- */

/* "2026-05-31" or "2026-05-31T12:30" (":SS" and "Z" may follow), UTC. */
static bool parse_date(const char *text, int64_t *ret_ms)
{
    struct tm tm = {0};
    const char *rest = strptime(text, "%Y-%m-%d", &tm);
    if (rest && *rest == 'T') {
        const char *minutes = strptime(rest, "T%H:%M", &tm);
        const char *seconds = minutes ? strptime(minutes, ":%S", &tm) : NULL;
        rest = seconds ? seconds : minutes;
    }
    if (rest && *rest == 'Z')
        rest++;
    int day = tm.tm_mday;
    if (!rest || *rest)
        return false;
    *ret_ms = (int64_t)timegm(&tm) * 1000;
    return tm.tm_mday == day && *ret_ms > 0; /* not the 30th of February */
}

static bool is_status(const char *text)
{
    hone_status s = hone_status_parse(text);
    return s == HONE_OK || (s != HONE_STATUS_COUNT && hone_status_is_reject(s));
}

/* Says what is wrong and returns 2, or 0. */
static int check_choice(const cli_command *self, request *q, const char *before)
{
    hone_db_choice *c = &q->choice;
    uint64_t hash;
    bool any = c->workload || c->trace_hash || c->status || c->reason || c->device || before;
    if (!any)
        return cli_usage(self, "forget what? Give --workload, --trace, --status, --reason, "
                               "--device or --before");
    if (q->yes == q->dry_run)
        return cli_usage(self, "give --dry-run to see what forget would remove, or --yes to "
                               "remove it");
    if (c->trace_hash && !hone_hash_parse(c->trace_hash, &hash))
        return cli_usage(self, "--trace takes the 16 hex digits of a trace's hash, not '%s'",
                         c->trace_hash);
    if (c->status && !is_status(c->status))
        return cli_usage(self, "--status is OK or a rejection such as REJECT_CRASH, not '%s'",
                         c->status);
    if (before && !parse_date(before, &c->before_ms))
        return cli_usage(self,
                         "--before takes a date such as 2026-05-31 or 2026-05-31T12:30 "
                         "(UTC), not '%s'",
                         before);
    return 0;
}

static void print_json(json_t *j, bool compact)
{
    if (!j)
        return;
    char *text = compact ? hone_json_text(j) : json_dumps(j, JSON_INDENT(2) | JSON_SORT_KEYS);
    puts(text);
    free(text);
    json_decref(j);
}

static int run(int argc, char **argv, const cli_command *self)
{
    static const struct {
        const char *name;
        job job;
        unsigned n_files;
        const char *files;
    } jobs[] = {
        {"stats", stats, 1, "one file"},
        {"check", check, 1, "one file"},
        {"forget", forget, 1, "one file"},
        {"salvage", salvage, 2, "the damaged file and the name of a new one"},
    };
    request q = {0};
    const char *before = NULL;
    const cli_option options[] = {
        {"--repair", CLI_FLAG, NULL, &q.repair, "check: forget what no worker pronounced", 0},
        {"--workload", CLI_TEXT, "NAME|HASH", &q.choice.workload, "forget: of this kernel", 0},
        {"--trace", CLI_TEXT, "HASH", &q.choice.trace_hash, "forget: of this trace", 0},
        {"--status", CLI_TEXT, "STATUS", &q.choice.status, "forget: OK or a REJECT_...", 0},
        {"--reason", CLI_TEXT, "GLOB", &q.choice.reason, "forget: with such a reason", 0},
        {"--device", CLI_TEXT, "NAME", &q.choice.device, "forget: measured by this device", 0},
        {"--before", CLI_TEXT, "DATE", &before, "forget: stored before YYYY-MM-DD[THH:MM], UTC", 0},
        {"--dry-run", CLI_FLAG, NULL, &q.dry_run, "forget: only say what would go", 0},
        {"--yes", CLI_FLAG, NULL, &q.yes, "forget: do it", 0},
        {"--json", CLI_FLAG, NULL, &q.json, "print compact JSON", 0},
    };
    const char *pos[3];
    unsigned n, k = 0;
    int code;
    if (!CLI_PARSE(self, argc, argv, options, pos, &n, &code))
        return code;
    if (n == 0)
        return cli_usage(self, "give stats, check, forget or salvage, and a file");
    while (k < HONE_LEN(jobs) && strcmp(pos[0], jobs[k].name) != 0)
        k++;
    if (k == HONE_LEN(jobs))
        return cli_usage(self, "unknown question '%s': stats, check, forget or salvage", pos[0]);
    if (n != 1 + jobs[k].n_files)
        return cli_usage(self, "%s takes %s", jobs[k].name, jobs[k].files);
    if (q.repair && jobs[k].job != check)
        return cli_usage(self, "--repair belongs to check");
    const hone_db_choice *c = &q.choice;
    if (jobs[k].job == forget) {
        code = check_choice(self, &q, before);
        if (code)
            return code;
    } else if (c->workload || c->trace_hash || c->status || c->reason || c->device || before ||
               q.dry_run || q.yes) {
        return cli_usage(self, "%s takes no option of forget", jobs[k].name);
    }
    q.from = pos[1];
    q.to = pos[2];
    json_t *j = NULL;
    hone_error err = {0};
    hone_status st = jobs[k].job(&q, &j, &err);
    print_json(j, q.json);
    return st == HONE_OK ? 0 : cli_fail(st, &err);
}

const cli_command cli_db = {
    .name = "db",
    .synopsis = "stats|check|forget FILE [options] | salvage FROM TO",
    .summary = "what a log holds, whether it is sound, and taking out what should not be there",
    .text =
        "stats counts workloads, targets, records and rejections by reason. check looks at every\n"
        "page, reference, trace and checksum, and for rejections that no worker pronounced:\n"
        "earlier releases stored some when something failed. --repair has those tried again.\n"
        "forget removes the records that pass every option given, with their samples; the file\n"
        "says afterwards what was removed. salvage copies every row of a damaged file that can\n"
        "still be trusted into a new one.\n\n"
        "  hone db stats hone.db\n"
        "  hone db check hone.db --repair\n"
        "  hone db forget hone.db --workload matmul --status REJECT_CRASH --dry-run\n"
        "  hone db salvage damaged.db saved.db\n\n"
        "exit codes: 0 good, 1 damaged, to be repaired, or failed, 2 bad input, 3 no such file\n",
    .run = run,
};
