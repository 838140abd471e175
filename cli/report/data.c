/* What a report says, as JSON: a function of the log's rows and of the time it is made.
 *
 *   shares     how much of the page each kernel gets
 *   numbers    as many digits as can be seen
 *   a kernel   curve, points, rejections
 *   the log    versions, targets, devices
 *   schedules  in what is left of the page */
#include "cli/report/task.h"
#include "tuner/lookup/lookup.h"

#include <math.h>

/* So much of the page are the data at most, where a log has less than sixty kernels or so: the
 * whole page then is below 150 KB. What other data leave is for the schedules. */
#define DATA_BYTES (58 << 10)
#define SCHEDULES_AT_LEAST (8 << 10)
#define KERNEL_BYTES 700 /* of one, without what is limited here */
#define POINT_BYTES 14
#define STEP_BYTES 16
#define POINTS 1600
#define STEPS 1000
#define FEW 12 /* kernels: then there is room for several reasons of each kind */
#define REASON_BYTES 160
#define NAME_BYTES 240
#define ENV_BYTES 300

typedef struct limits {
    uint32_t points;           /* of all kernels */
    uint32_t steps, n_reasons; /* of each; the latter of each status */
} limits;

static limits limits_of(uint32_t n_tasks)
{
    int64_t room = DATA_BYTES - SCHEDULES_AT_LEAST - (int64_t)n_tasks * KERNEL_BYTES;
    uint32_t points = room > 0 ? (uint32_t)(room * 2 / 3 / POINT_BYTES) : 0;
    uint32_t steps = room > 0 ? (uint32_t)(room / 3 / STEP_BYTES) : 0;
    limits l = {.points = points < POINTS ? points : POINTS,
                .steps = (steps < STEPS ? steps : STEPS) / (n_tasks ? n_tasks : 1),
                .n_reasons = n_tasks > FEW ? 1 : 3};
    l.steps = l.steps > 4 ? l.steps : 4;
    return l;
}

/* ---- shares ---------------------------------------------------------------------------------- */

uint64_t report_share(const uint64_t *want, uint32_t n, uint64_t total)
{
    uint64_t low = 0, high = total;
    while (low < high) {
        uint64_t most = low + (high - low + 1) / 2, sum = 0;
        for (uint32_t k = 0; k < n && sum <= total; k++)
            sum += want[k] < most ? want[k] : most;
        if (sum <= total)
            low = most;
        else
            high = most - 1;
    }
    return low;
}

void report_choose_points(report_log *l, uint32_t most)
{
    uint64_t *want = hone_xcalloc(l->tasks.n + 1, sizeof *want);
    for (uint32_t k = 0; k < l->tasks.n; k++)
        want[k] = l->tasks.v[k].ok;
    uint64_t share = report_share(want, l->tasks.n, most);
    free(want);
    for (uint32_t k = 0; k < l->tasks.n; k++) {
        report_task *t = &l->tasks.v[k];
        uint64_t n = t->ok < share ? t->ok : share, seen = 0;
        for (uint32_t i = 0; i < t->trials.n; i++) {
            if (t->trials.v[i].ns <= 0)
                continue;
            if (n && seen * n / t->ok != (seen + 1) * n / t->ok) { /* n of them, evenly */
                report_point p = {.id = t->trials.v[i].id, .trial = i + 1, .ns = t->trials.v[i].ns};
                hone_vec_push(&t->points, p);
            }
            seen++;
        }
    }
}

/* ---- numbers --------------------------------------------------------------------------------- */

/* Rounded to so many significant digits, at least to a whole one. */
static json_t *whole(double x, int digits)
{
    double unit = x > 0 && x < 9e18 ? pow(10, floor(log10(x)) + 1 - digits) : 1;
    unit = unit > 1 ? unit : 1;
    return json_integer(x > 0 && x < 9e18 ? (json_int_t)(round(x / unit) * unit) : 0);
}

static json_t *real(double x, int digits)
{
    char text[64];
    snprintf(text, sizeof text, "%.*g", digits, isfinite(x) ? x : 0);
    return json_real(strtod(text, NULL));
}

/* At most n bytes of it, at the end of a character. */
static json_t *short_text(const char *text, size_t n)
{
    if (strlen(text) <= n)
        return hone_json_string(text);
    while (n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80)
        n--;
    char *part = hone_xasprintf("%.*s ...", (int)n, text);
    json_t *j = hone_json_string(part);
    free(part);
    return j;
}

/* ---- a kernel -------------------------------------------------------------------------------- */

typedef HONE_VEC(uint32_t) indices;

/* Trials that are better than all before by more than eps, and the best. */
static void find_steps(const report_task *t, double eps, indices *ret)
{
    double best = HUGE_VAL, shown = HUGE_VAL;
    uint32_t at = 0;
    ret->n = 0;
    for (uint32_t k = 0; k < t->trials.n; k++) {
        double ns = t->trials.v[k].ns;
        if (ns <= 0 || ns >= best)
            continue;
        best = ns;
        at = k;
        if (ns < shown * (1 - eps)) {
            shown = ns;
            hone_vec_push(ret, k);
        }
    }
    if (ret->n && ret->v[ret->n - 1] != at)
        hone_vec_push(ret, at);
}

static json_t *step(uint32_t trial, double seconds, double ns)
{
    json_t *j = json_array();
    json_array_append_new(j, json_integer(trial));
    json_array_append_new(j, real(seconds, 4));
    json_array_append_new(j, whole(ns, 4));
    return j;
}

static json_t *steps_of(const report_task *t, uint32_t most)
{
    json_t *j = json_array();
    indices at = {0};
    for (double eps = 0; find_steps(t, eps, &at), at.n > most && eps < 1;)
        eps = eps > 0 ? eps * 2 : 0.0005;
    double seconds = 0;
    for (uint32_t k = 0, next = 0; k < t->trials.n; k++) {
        seconds += t->trials.v[k].spent_s;
        if (next < at.n && at.v[next] == k) {
            json_array_append_new(j, step(k + 1, seconds, t->trials.v[k].ns));
            next++;
        }
    }
    if (at.n)
        json_array_append_new(j, step(t->trials.n, seconds, t->trials.v[at.v[at.n - 1]].ns));
    hone_vec_free(&at);
    return j;
}

/* Pairs whose times differ by less are as fast. */
#define NOISE 0.02
static json_t *pairs_of(const report_task *t)
{
    uint64_t right = 0, all = 0;
    for (uint32_t a = 0; a < t->points.n; a++)
        for (uint32_t b = 0; b < a; b++) {
            const report_point *x = &t->points.v[a], *y = &t->points.v[b];
            if (x->draft_ns <= 0 || y->draft_ns <= 0 || fabs(log(x->ns / y->ns)) < NOISE)
                continue;
            all++;
            right += (x->ns < y->ns) == (x->draft_ns < y->draft_ns);
        }
    return all >= 10 ? real((double)right / (double)all, 3) : json_null();
}

/* Three digits of the least are enough: in that unit all are short. */
static double unit_of(const report_task *t)
{
    double least = HUGE_VAL;
    for (uint32_t k = 0; k < t->points.n; k++) {
        const report_point *p = &t->points.v[k];
        least = fmin(least, p->draft_ns > 0 ? fmin(p->ns, p->draft_ns) : p->ns);
    }
    return least >= 1000 && least < 9e18 ? pow(10, floor(log10(least)) - 2) : 1;
}

static json_t *points_of(const report_task *t)
{
    json_t *trial = json_array(), *measured = json_array(), *draft = json_array();
    double unit = unit_of(t);
    uint32_t before = 0;
    for (uint32_t k = 0; k < t->points.n; k++) {
        const report_point *p = &t->points.v[k];
        json_array_append_new(trial, json_integer(p->trial - before));
        json_array_append_new(measured, whole(p->ns / unit, 3));
        json_array_append_new(draft, p->draft_ns > 0 ? whole(fmax(p->draft_ns / unit, 1), 3)
                                                     : json_integer(0));
        before = p->trial;
    }
    return json_pack("{s:o, s:o, s:o, s:o}", "unit", whole(unit, 1), "trial", trial, "measured",
                     measured, "draft", draft);
}

static int by_reason(const void *a, const void *b)
{
    const report_reason *x = a, *y = b;
    return x->n != y->n ? (x->n < y->n) - (x->n > y->n) : strcmp(x->text, y->text);
}

static int by_rejection(const void *a, const void *b)
{
    const report_rejection *x = a, *y = b;
    return x->n != y->n ? (x->n < y->n) - (x->n > y->n)
                        : (x->status > y->status) - (x->status < y->status);
}

static json_t *rejected_of(report_task *t, uint32_t n_reasons)
{
    json_t *all = json_array();
    if (t->rejections.n)
        qsort(t->rejections.v, t->rejections.n, sizeof *t->rejections.v, by_rejection);
    for (uint32_t k = 0; k < t->rejections.n; k++) {
        report_rejection *x = &t->rejections.v[k];
        json_t *reasons = json_array();
        qsort(x->reasons.v, x->reasons.n, sizeof *x->reasons.v, by_reason);
        for (uint32_t i = 0; i < x->reasons.n && i < n_reasons; i++)
            json_array_append_new(reasons, json_pack("{s:o, s:I}", "text",
                                                     short_text(x->reasons.v[i].text, REASON_BYTES),
                                                     "n", (json_int_t)x->reasons.v[i].n));
        bool known = x->status < HONE_STATUS_COUNT;
        json_array_append_new(
            all, json_pack("{s:s, s:s, s:I, s:i, s:o}", "status",
                           known ? hone_status_name(x->status) : "REJECT_?", "means",
                           known ? hone_status_text(x->status) : "known to a newer hone", "n",
                           (json_int_t)x->n, "kinds", (int)x->reasons.n, "reasons", reasons));
    }
    return all;
}

static json_t *names_of(char *const *v, uint32_t n)
{
    json_t *j = json_array();
    for (uint32_t k = 0; k < n; k++)
        json_array_append_new(j, short_text(v[k], NAME_BYTES));
    return j;
}

static json_t *kernel_of(report_task *t, int target, const limits *most)
{
    char hash[17] = "";
    hone_buf sizes = {0};
    if (t->best_hash)
        hone_hash_format(t->best_hash, hash);
    hone_lookup_put_sizes(t->sizes, &sizes);
    json_t *j = json_pack(
        "{s:o, s:o, s:i, s:i, s:I, s:I, s:o, s:o, s:I, s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:o, "
        "s:o, s:o}",
        "name", short_text(t->name, NAME_BYTES), "sizes",
        short_text(sizes.s ? sizes.s : "", NAME_BYTES), "target", target, "threads",
        (int)t->threads, "trials", (json_int_t)t->trials.n, "ok", (json_int_t)t->ok, "build_s",
        real(t->build_s, 4), "run_s", real(t->run_s, 4), "ops", (json_int_t)t->ops, "bytes",
        whole(t->bytes, 9), "best_ns", whole(t->best_ns, 5), "trace_hash", hash, "written_ns",
        whole(t->written_ns, 5), "strategies", names_of(t->strategies.v, t->strategies.n), "steps",
        steps_of(t, most->steps), "points", points_of(t), "pairs", pairs_of(t), "rejected",
        rejected_of(t, most->n_reasons), "no_schedule",
        short_text(t->no_schedule ? t->no_schedule : "", NAME_BYTES));
    hone_buf_free(&sizes);
    return j;
}

/* ---- the log --------------------------------------------------------------------------------- */

static json_t *target_of(const char *text)
{
    hone_target t;
    if (hone_target_parse(text, &t, NULL) != HONE_OK)
        return json_pack("{s:s}", "cpu", "unknown");
    return json_pack("{s:o, s:o, s:i, s:i, s:I, s:I, s:I}", "cpu", hone_json_string(t.cpu),
                     "triple", hone_json_string(t.triple), "cores", (int)t.cores, "vector_bytes",
                     (int)t.vector_bytes, "l1", (json_int_t)t.l1_bytes, "l2",
                     (json_int_t)t.l2_bytes, "l3", (json_int_t)t.l3_bytes);
}

/* Its place among those of tasks up to k, each text once. */
static int target_index(const report_log *l, uint32_t k, json_t *targets)
{
    int n = 0;
    for (uint32_t i = 0; i <= k; i++) {
        bool first = true;
        for (uint32_t q = 0; q < i && first; q++)
            first = strcmp(l->tasks.v[q].target_text, l->tasks.v[i].target_text) != 0;
        if (strcmp(l->tasks.v[i].target_text, l->tasks.v[k].target_text) == 0) {
            if (i == k)
                json_array_append_new(targets, target_of(l->tasks.v[k].target_text));
            return n;
        }
        n += first;
    }
    return n;
}

static json_t *kernels_of(report_log *l, json_t *targets, const limits *most)
{
    json_t *all = json_array();
    for (uint32_t k = 0; k < l->tasks.n; k++)
        json_array_append_new(all, kernel_of(&l->tasks.v[k], target_index(l, k, targets), most));
    return all;
}

/* ---- schedules ------------------------------------------------------------------------------- */

/* Lines without their indentation, which braces tell. What is beyond `most` bytes, as JSON, is left
 * out by whole lines; *ret_cut says how many, *ret_bytes what all would take. */
static json_t *schedule_of(const report_task *t, uint64_t most, int *ret_cut, uint64_t *ret_bytes)
{
    hone_buf b = {0};
    *ret_cut = 0;
    *ret_bytes = 0;
    for (const char *s = t->schedule ? t->schedule : ""; *s;) {
        s += strspn(s, " ");
        size_t n = strcspn(s, "\n"), escaped = 2; /* the line's end */
        for (size_t k = 0; k < n; k++) {
            unsigned char c = (unsigned char)s[k];
            escaped += c < 0x20 || c >= 0x7f || strchr("<>&", c) ? 6 : 1 + (c == '"' || c == '\\');
        }
        *ret_bytes += escaped;
        if (*ret_bytes <= most)
            hone_buf_printf(&b, "%.*s\n", (int)n, s);
        else
            ++*ret_cut;
        s += n + (s[n] == '\n');
    }
    json_t *j = hone_json_string(b.s ? b.s : "");
    hone_buf_free(&b);
    return j;
}

/* Each the same, but for those that need less. */
static void add_schedules(const report_log *l, json_t *kernels, uint64_t total)
{
    uint64_t *want = hone_xcalloc(l->tasks.n + 1, sizeof *want), bytes;
    int cut;
    for (uint32_t k = 0; k < l->tasks.n; k++)
        json_decref(schedule_of(&l->tasks.v[k], 0, &cut, &want[k]));
    uint64_t share = report_share(want, l->tasks.n, total);
    free(want);
    for (uint32_t k = 0; k < l->tasks.n; k++) {
        json_t *j = json_array_get(kernels, k);
        json_object_set_new(j, "schedule", schedule_of(&l->tasks.v[k], share, &cut, &bytes));
        json_object_set_new(j, "cut", json_integer(cut));
    }
}

static json_t *devices_of(const report_log *l)
{
    json_t *all = json_array();
    for (uint32_t k = 0; k + 1 < l->devices.n; k += 2)
        json_array_append_new(all, json_pack("{s:o, s:o}", "name",
                                             short_text(l->devices.v[k], NAME_BYTES), "env",
                                             short_text(l->devices.v[k + 1], ENV_BYTES)));
    return all;
}

hone_status cli_report_data(hone_db *db, int64_t now_ms, json_t **ret, hone_error *err)
{
    report_log l = {0};
    *ret = NULL;
    hone_status st = report_read(db, &l, err);
    if (st == HONE_OK && l.tasks.n == 0)
        st = hone_fail(err, HONE_E_NOTFOUND, "'%s' has no result to report", hone_db_path(db));
    uint64_t calls = 0;
    if (st == HONE_OK)
        st = hone_db_record_count(db, HONE_DB_LIBRARY, &calls, err);
    const limits most = limits_of(l.tasks.n);
    if (st == HONE_OK) {
        report_choose_points(&l, most.points);
        st = report_replay(db, &l, err);
    }
    if (st == HONE_OK) {
        const char *path = hone_db_path(db), *slash = strrchr(path, '/');
        json_t *targets = json_array(), *kernels = kernels_of(&l, targets, &most);
        *ret = json_pack("{s:o, s:I, s:s, s:o, s:o, s:o, s:I, s:o}", "file",
                         short_text(slash ? slash + 1 : path, NAME_BYTES), "made_ms",
                         (json_int_t)now_ms, "hone", HONE_VERSION, "versions",
                         names_of(l.versions.v, l.versions.n), "targets", targets, "devices",
                         devices_of(&l), "library_results", (json_int_t)calls, "kernels", kernels);
        size_t n = json_dumpb(*ret, NULL, 0, JSON_COMPACT | JSON_ENSURE_ASCII);
        add_schedules(&l, kernels,
                      n + SCHEDULES_AT_LEAST < DATA_BYTES ? DATA_BYTES - n : SCHEDULES_AT_LEAST);
    }
    report_free(&l);
    return st;
}
