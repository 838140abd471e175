/* hone db: what a log holds, whether it is sound, and taking out of it what should not be there. */
#include "cli/db.h"
#include "tuner/interchange/interchange.h"

#include <time.h>

#define MAX_FILES 256
#define KEEP 10 /* good records of a workload and target, unless --keep says otherwise */

/* ---- what is asked for --------------------------------------------------------------------- */

static hone_status stats(const cli_db_request *q, json_t **ret, hone_error *err)
{
    hone_db *db;
    HONE_TRY(hone_db_open(q->files[0], HONE_DB_READ, &db, err));
    hone_status st = hone_db_stats(db, ret, err);
    hone_db_close(db);
    return st;
}

static hone_status check(const cli_db_request *q, json_t **ret, hone_error *err)
{
    hone_db *db;
    HONE_TRY(hone_db_open(q->files[0], q->repair ? HONE_DB_WRITE : HONE_DB_READ, &db, err));
    char *bad = hone_xasprintf("%s.bad.csv", q->files[0]);
    hone_status st = q->repair ? hone_db_repair(db, bad, ret, err) : hone_db_check(db, ret, err);
    free(bad);
    hone_db_close(db);
    return st;
}

static hone_status forget(const cli_db_request *q, json_t **ret, hone_error *err)
{
    hone_db *db;
    HONE_TRY(hone_db_open(q->files[0], q->dry_run ? HONE_DB_READ : HONE_DB_WRITE, &db, err));
    hone_status st = hone_db_forget(db, &q->choice, q->dry_run, ret, err);
    if (st == HONE_OK)
        json_object_set_new(*ret, "forgotten", json_boolean(!q->dry_run));
    hone_db_close(db);
    return st;
}

static hone_status prune(const cli_db_request *q, json_t **ret, hone_error *err)
{
    hone_db *db;
    HONE_TRY(hone_db_open(q->files[0], q->dry_run ? HONE_DB_READ : HONE_DB_WRITE, &db, err));
    hone_status st = hone_db_prune(db, q->keep ? (uint32_t)q->keep : KEEP, q->dry_run, ret, err);
    if (st == HONE_OK)
        json_object_set_new(*ret, "pruned", json_boolean(!q->dry_run));
    hone_db_close(db);
    return st;
}

static hone_status salvage(const cli_db_request *q, json_t **ret, hone_error *err)
{
    return hone_db_salvage(q->files[0], q->files[1], ret, err);
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
static int check_choice(const cli_command *self, cli_db_request *q)
{
    hone_db_choice *c = &q->choice;
    uint64_t hash;
    bool any = c->workload || c->trace_hash || c->status || c->reason || c->device || q->before;
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
    if (q->before && !parse_date(q->before, &c->before_ms))
        return cli_usage(self,
                         "--before takes a date such as 2026-05-31 or 2026-05-31T12:30 "
                         "(UTC), not '%s'",
                         q->before);
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

/* ---- what there is ----------------------------------------------------------------------------
 */

static const struct job {
    const char *name;
    cli_db_job job;
    unsigned min, max; /* files */
    const char *files;
} jobs[] = {
    {"stats", stats, 1, 1, "one file"},
    {"check", check, 1, 1, "one file"},
    {"forget", forget, 1, 1, "one file"},
    {"prune", prune, 1, 1, "one file"},
    {"salvage", salvage, 2, 2, "the damaged file and the name of a new one"},
    {"merge", cli_db_merge, 2, MAX_FILES, "the log to merge into and those to be merged"},
    {"export", cli_db_export, 1, 1, "one file"},
    {"import", cli_db_import, 2, MAX_FILES, "the log and what is to be imported"},
};

/* An option that only some jobs take: the first that was given to another one. Says so and returns
 * 2, or 0. */
static int check_options(const cli_command *self, const struct job *j, const cli_db_request *q)
{
    const hone_db_choice *c = &q->choice;
    const struct {
        bool given;
        const char *option, *jobs;
    } all[] = {
        {q->repair, "--repair", "check"},
        {c->workload, "--workload", "forget or import"},
        {c->trace_hash, "--trace", "forget"},
        {c->status, "--status", "forget"},
        {c->reason, "--reason", "forget"},
        {c->device, "--device", "forget"},
        {q->before, "--before", "forget"},
        {q->dry_run, "--dry-run", "forget or prune"},
        {q->yes, "--yes", "forget"},
        {q->strict, "--strict", "merge or import"},
        {q->keep, "--keep", "prune"},
        {q->format, "--format", "export or import"},
        {q->out, "-o", "export"},
        {q->tvm, "--tvm", "export"},
        {q->sizes.n, "-D", "import"},
    };
    for (unsigned k = 0; k < HONE_LEN(all); k++)
        if (all[k].given && !strstr(all[k].jobs, j->name))
            return cli_usage(self, "%s belongs to %s", all[k].option, all[k].jobs);
    return 0;
}

/* Says what is wrong and returns 2, or 0. */
static int check_format(const cli_command *self, const cli_db_request *q, bool to_read)
{
    if (!q->format)
        return cli_usage(self, "in which format? Give --format, one of %s", hone_formats());
    if (!hone_format_is(q->format, false))
        return cli_usage(self, "unknown format '%s': there are %s", q->format, hone_formats());
    if (!hone_format_is(q->format, to_read))
        return cli_usage(self, "%s is written only", q->format);
    if (!to_read && !q->out)
        return cli_usage(self, "where to? Give -o");
    if (q->tvm && (strcmp(q->format, "tvm") != 0 || !hone_format_tvm_is(q->tvm)))
        return cli_usage(self, "--tvm takes 0.16, 0.20 or 0.25, with --format tvm");
    if (q->sizes.n && !q->choice.workload)
        return cli_usage(self, "-D belongs to a kernel: give --workload");
    return 0;
}

static const struct job *job_named(const char *name)
{
    for (unsigned k = 0; k < HONE_LEN(jobs); k++)
        if (strcmp(name, jobs[k].name) == 0)
            return &jobs[k];
    return NULL;
}

static int run(int argc, char **argv, const cli_command *self)
{
    cli_db_request q = {0};
    const cli_option options[] = {
        {"--repair", CLI_FLAG, NULL, &q.repair, "check: put right what can be", 0},
        {"--workload", CLI_TEXT, "NAME|HASH", &q.choice.workload,
         "forget: of this kernel; import: it may be this one", 0},
        {"--trace", CLI_TEXT, "HASH", &q.choice.trace_hash, "forget: of this trace", 0},
        {"--status", CLI_TEXT, "STATUS", &q.choice.status, "forget: OK or a REJECT_...", 0},
        {"--reason", CLI_TEXT, "GLOB", &q.choice.reason, "forget: with such a reason", 0},
        {"--device", CLI_TEXT, "NAME", &q.choice.device, "forget: measured by this device", 0},
        {"--before", CLI_TEXT, "DATE", &q.before, "forget: stored before YYYY-MM-DD[THH:MM], UTC",
         0},
        {"--dry-run", CLI_FLAG, NULL, &q.dry_run, "forget, prune: only say what would go", 0},
        {"--yes", CLI_FLAG, NULL, &q.yes, "forget: do it", 0},
        {"--keep", CLI_INT, "N", &q.keep, "prune: good records of each kernel and target (10)", 1},
        {"--strict", CLI_FLAG, NULL, &q.strict,
         "merge, import: exit code 2 when something was left out", 0},
        {"--format", CLI_TEXT, "csv|t4|tvm", &q.format, "export, import: of what is outside", 0},
        {"-o", CLI_TEXT, "PATH", &q.out, "export: the file, of tvm a folder", 0},
        {"--tvm", CLI_TEXT, "RELEASE", &q.tvm, "export: for 0.16, 0.20 or 0.25 (0.20)", 0},
        {"-D", CLI_SIZE, "NAME=INT", &q.sizes, "import: size of --workload", 0},
        {"--json", CLI_FLAG, NULL, &q.json, "print compact JSON", 0},
    };
    static const char list[] = "stats, check, forget, prune, salvage, merge, export or import";
    const char *pos[1 + MAX_FILES];
    unsigned n;
    int code;
    if (!CLI_PARSE(self, argc, argv, options, pos, &n, &code))
        return code;
    if (n == 0)
        return cli_usage(self, "give %s, and a file", list);
    const struct job *j = job_named(pos[0]);
    if (!j)
        return cli_usage(self, "unknown question '%s': %s", pos[0], list);
    if (n < 1 + j->min || n > 1 + j->max)
        return cli_usage(self, "%s takes %s", j->name, j->files);
    code = check_options(self, j, &q);
    if (code == 0 && j->job == forget)
        code = check_choice(self, &q);
    if (code == 0 && q.keep > UINT32_MAX)
        code = cli_usage(self, "--keep at most %" PRIu32, UINT32_MAX);
    if (code == 0 && (j->job == cli_db_export || j->job == cli_db_import))
        code = check_format(self, &q, j->job == cli_db_import);
    if (code)
        return code;
    q.files = pos + 1;
    q.n_files = n - 1;
    json_t *told = NULL;
    hone_error err = {0};
    hone_status st = j->job(&q, &told, &err);
    print_json(told, q.json);
    return st == HONE_OK ? 0 : cli_fail(st, &err);
}

const cli_command cli_db = {
    .name = "db",
    .synopsis = "stats|check|forget|prune|salvage|merge|export|import FILE... [options]",
    .summary = "what a log holds, whether it is sound, and taking out what should not be there",
    .text =
        "stats counts workloads, targets, records and rejections by reason. check looks at\n"
        "every page, reference, trace and checksum, and for rejections that no worker\n"
        "pronounced: earlier releases stored some when something failed. --repair has those\n"
        "tried again, makes indices anew, and takes out rows that cannot be trusted, into\n"
        "FILE.bad.csv; where pages are damaged it changes nothing: salvage. forget removes the\n"
        "records that pass every option given, with their samples; the file says afterwards\n"
        "what was removed. prune removes all but the best of each kernel and target, and gives\n"
        "the space back; what a query answers stays the same. salvage FROM TO copies every row\n"
        "of a damaged file that can still be trusted into a new one.\n\n"
        "merge OUT IN... puts what the files IN hold into OUT, which is made when it is not\n"
        "there. The order of the files does not count, nor how often each is merged. It says\n"
        "how many records each had that OUT and those before it had not, had better founded,\n"
        "and had too, and why rows were left out.\n\n"
        "export writes the records of FILE: csv, a table in an order by content; t4, Kernel\n"
        "Tuner's results; tvm, a MetaSchedule database. TVM's own module of a kernel is TVM's\n"
        "to make: put its line of database_workload.json in the place of hone's. import FILE\n"
        "PATH... takes what fits of t4 files that hone wrote and of tvm's folders, and says\n"
        "what it leaves out. What tvm measured is tried by the next search for that kernel, and\n"
        "answers no query.\n\n"
        "  hone db stats hone.db\n"
        "  hone db check hone.db --repair\n"
        "  hone db forget hone.db --workload matmul --status REJECT_CRASH --dry-run\n"
        "  hone db salvage damaged.db saved.db\n"
        "  hone db merge all.db mine.db theirs.db\n"
        "  hone db export hone.db --format tvm -o folder\n"
        "  hone db import hone.db --format tvm folder --workload matmul -D M=64 -D N=64 -D K=64\n\n"
        "exit codes: 0 good, 1 damaged, to be repaired, or failed, 2 bad input, 3 no such file\n",
    .run = run,
};
