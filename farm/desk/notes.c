/* What a desk remembers: lines of jobs, their best so far, recent events, health over time. All of
 * it is bounded; what is older is dropped. */
#include "farm/desk/internal.h"

#include <math.h>

#define AHEAD 1024  /* numbers that are kept in advance: more lines than a job says in a second */
#define SILENT 8192 /* lines of others since its last, after which a job is silent */

/* ---- jobs
 * ---------------------------------------------------------------------------------------- */

static uint32_t place_of(const hone_desk *d, uint64_t job)
{
    uint32_t lo = 0, hi = d->notes.n;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (d->notes.v[mid].job < job)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

const hone_desk__note *hone_desk__note_of(const hone_desk *d, uint64_t job)
{
    uint32_t k = place_of(d, job);
    return k < d->notes.n && d->notes.v[k].job == job ? &d->notes.v[k] : NULL;
}

static void drop_lines(hone_desk *d, hone_desk__note *n, uint32_t count)
{
    for (uint32_t k = 0; k < count; k++) {
        d->bytes -= strlen(n->lines.v[k].text) + HONE_DESK_LINE;
        free(n->lines.v[k].text);
    }
    if (count < n->lines.n)
        memmove(n->lines.v, n->lines.v + count, (n->lines.n - count) * sizeof *n->lines.v);
    n->lines.n -= count;
}

static void note_free(hone_desk *d, hone_desk__note *n)
{
    drop_lines(d, n, n->lines.n);
    hone_vec_free(&n->lines);
    hone_vec_free(&n->curve);
    json_decref(n->progress);
    json_decref(n->summary);
    free(n->title);
}

void hone_desk__notes_free(hone_desk *d)
{
    for (uint32_t k = 0; k < d->notes.n; k++)
        note_free(d, &d->notes.v[k]);
    hone_vec_free(&d->notes);
}

void hone_desk_job(hone_desk *d, uint64_t job, const hone_desk_spec *s)
{
    uint32_t k = place_of(d, job);
    if (k < d->notes.n && d->notes.v[k].job == job)
        return;
    /* The oldest that has nothing to say any more goes; all may be live: then the list grows. */
    if (d->notes.n >= HONE_DESK_NOTES)
        for (uint32_t i = 0; i < d->notes.n; i++)
            if (hone_farm_job_wait(d->farm, d->notes.v[i].job) == HONE_FARM_BECAUSE_ENDED) {
                note_free(d, &d->notes.v[i]);
                memmove(d->notes.v + i, d->notes.v + i + 1,
                        (d->notes.n - i - 1) * sizeof *d->notes.v);
                d->notes.n--;
                k -= k > i;
                break;
            }
    hone_vec_push(&d->notes, (hone_desk__note){0});
    memmove(d->notes.v + k + 1, d->notes.v + k, (d->notes.n - 1 - k) * sizeof *d->notes.v);
    d->notes.v[k] =
        (hone_desk__note){.job = job,
                          .title = hone_text_clean(s->list ? s->list : s->tasks[0].title),
                          .budget = s->trials,
                          .tasks = s->n,
                          .next = 1};
}

/* Of the job that has been silent for the longest time, all lines; where that is no longer than the
 * others, as many jobs may talk at once, the older half of those of which there are the most. */
static void make_room(hone_desk *d)
{
    hone_desk__note *oldest = NULL, *longest = NULL;
    for (uint32_t k = 0; k < d->notes.n; k++) {
        hone_desk__note *n = &d->notes.v[k];
        if (n->lines.n && (!oldest || n->told < oldest->told))
            oldest = n;
        if (!longest || n->lines.n > longest->lines.n)
            longest = n;
    }
    if (oldest && d->turn - oldest->told > SILENT)
        drop_lines(d, oldest, oldest->lines.n);
    else if (longest)
        drop_lines(d, longest, (longest->lines.n + 1) / 2);
}

/* When it is full every second point goes, but the first: the shape stays. */
static void add_point(hone_desk__note *n, hone_desk__point p)
{
    if (n->curve.n == HONE_DESK_CURVE) {
        uint32_t kept = 1;
        for (uint32_t k = 2; k < n->curve.n; k += 2)
            n->curve.v[kept++] = n->curve.v[k];
        n->curve.n = kept;
    }
    hone_vec_push(&n->curve, p);
}

static void note_trial(hone_desk__note *n, bool best, int64_t compare_ns, int64_t wall_ms)
{
    n->trials++;
    if (n->tasks > 1 || compare_ns <= 0 || !(best || n->best_ns == 0))
        return;
    n->best_ns = compare_ns;
    add_point(n, (hone_desk__point){wall_ms, n->best_ns, n->trials});
}

static void read_trial(hone_desk__note *n, const json_t *line, int64_t wall_ms)
{
    note_trial(n, json_is_true(json_object_get(line, "best")),
               json_integer_value(json_object_get(line, "compare_ns")), wall_ms);
}

/* As the session sees it now: who took the lead by luck has another time once it is settled. */
static void read_best(hone_desk__note *n, const json_t *progress)
{
    json_int_t best = json_integer_value(json_object_get(progress, "best_ns"));
    if (n->tasks > 1 || best <= 0 || best == n->best_ns)
        return;
    n->best_ns = best;
    n->changed = true;
}

/* Of a list the network's time, as its progress and its summary have it. */
static void read_total(hone_desk__note *n, const json_t *j, int64_t wall_ms)
{
    double total = json_number_value(json_object_get(j, "total_ns"));
    bool less = n->best_ns == 0 || total < (double)n->best_ns;
    if (n->tasks > 1 && total >= 1 && total < 9e18 && less &&
        json_integer_value(json_object_get(j, "without")) == 0) {
        n->best_ns = (int64_t)llround(total);
        add_point(n, (hone_desk__point){wall_ms, n->best_ns, n->trials});
    }
}

static void keep_line(hone_desk *d, hone_desk__note *n, char *text)
{
    if (n->lines.n == HONE_DESK_LINES_MAX)
        drop_lines(d, n, HONE_DESK_LINES_MAX / 4);
    n->told = ++d->turn;
    n->changed = true;
    d->bytes += strlen(text) + HONE_DESK_LINE;
    hone_vec_push(&n->lines, (hone_desk__line){n->next++, text});
    while (d->bytes > HONE_DESK_BYTES)
        make_room(d);
}

void hone_desk_tell_trial(hone_desk *d, uint64_t job, char *line, bool best, int64_t compare_ns,
                          int64_t wall_ms)
{
    hone_desk__note *n = (hone_desk__note *)(uintptr_t)hone_desk__note_of(d, job);
    if (!n) {
        free(line);
        return;
    }
    note_trial(n, best, compare_ns, wall_ms);
    keep_line(d, n, line);
}

void hone_desk_tell(hone_desk *d, uint64_t job, const json_t *line, int64_t wall_ms)
{
    hone_desk__note *n = (hone_desk__note *)(uintptr_t)hone_desk__note_of(d, job);
    if (!n)
        return;
    json_t *progress = json_object_get(line, "progress");
    if (progress) { /* the last one counts only */
        json_decref(n->progress);
        n->progress = json_incref(progress);
        read_total(n, progress, wall_ms);
        read_best(n, progress);
        return;
    }
    if (json_object_get(line, "trial"))
        read_trial(n, line, wall_ms);
    if (json_object_get(line, "summary")) {
        json_decref(n->summary);
        n->summary = json_incref((json_t *)(uintptr_t)line);
        n->summary_n = n->next;
        read_total(n, line, wall_ms);
        read_best(n, line); /* by the last race, not by the luckiest trial */
    }
    keep_line(d, n, hone_json_text(line));
}

/* ---- beyond the life of a service -----------------------------------------------------------
 */

static char *kept_text(const hone_desk__note *n)
{
    json_t *j = json_pack("{s:I, s:I, s:I}", "next", (json_int_t)n->kept, "trials",
                          (json_int_t)n->trials, "best_ns", (json_int_t)n->best_ns);
    if (n->summary) {
        json_object_set(j, "summary", n->summary);
        json_object_set_new(j, "n", json_integer((json_int_t)n->summary_n));
    }
    char *text = hone_json_text(j);
    json_decref(j);
    return text;
}

void hone_desk_each_kept(hone_desk *d, uint64_t job, bool exact,
                         void (*fn)(void *ctx, uint64_t job, const char *text), void *ctx)
{
    for (uint32_t k = 0; k < d->notes.n; k++) {
        hone_desk__note *n = &d->notes.v[k];
        if (!n->changed && (!exact || n->kept == n->next))
            continue;
        if (job && n->job != job)
            continue;
        n->changed = false;
        n->kept = exact ? n->next : n->next + AHEAD;
        char *text = kept_text(n);
        fn(ctx, n->job, text);
        free(text);
    }
}

void hone_desk_restore(hone_desk *d, uint64_t job, const char *text)
{
    hone_desk__note *n = (hone_desk__note *)(uintptr_t)hone_desk__note_of(d, job);
    json_t *j = NULL;
    if (!n || hone_json_parse(text, strlen(text), &j, NULL) != HONE_OK)
        return;
    json_int_t next = json_integer_value(json_object_get(j, "next")),
               trials = json_integer_value(json_object_get(j, "trials")),
               best = json_integer_value(json_object_get(j, "best_ns")),
               at = json_integer_value(json_object_get(j, "n"));
    json_t *summary = json_object_get(j, "summary");
    n->trials = trials > 0 ? (uint64_t)trials : 0;
    n->best_ns = best > 0 ? best : 0;
    if (json_is_object(summary) && at > 0 && at < next) {
        n->next = (uint64_t)at;
        n->summary_n = n->next;
        n->summary = json_incref(summary);
        keep_line(d, n, hone_json_text(summary));
    }
    n->next = n->kept = next > 0 ? (uint64_t)next : 1;
    n->changed = false;
    json_decref(j);
}

/* ---- events
 * --------------------------------------------------------------------------------------- */

void hone_desk_event(hone_desk *d, const hone_farm_event_row *row, int64_t wall_ms)
{
    d->recent[d->recent_at] = (hone_desk__recent){*row, wall_ms};
    d->recent_at = (d->recent_at + 1) % HONE_DESK_RECENT;
    d->n_recent += d->n_recent < HONE_DESK_RECENT;
}

/* ---- health over time
 * ------------------------------------------------------------------------------ */

/* Devices are looked at in the same order each time. */
static hone_desk__history *history_of(hone_desk *d, const char *device)
{
    for (uint32_t k = 0; k < d->histories.n; k++) {
        uint32_t at = (d->history_at + k) % d->histories.n;
        if (strcmp(d->histories.v[at].device, device) == 0) {
            d->history_at = at + 1;
            return &d->histories.v[at];
        }
    }
    return NULL;
}

const hone_desk__history *hone_desk__history_of(hone_desk *d, const char *device)
{
    return history_of(d, device);
}

#define MAX_HISTORIES 1024 /* devices with a history: at most 1.5 KiB each */

static bool same(const hone_desk__sample *a, const hone_desk__sample *b)
{
    return a->score == b->score && a->link == b->link && a->health == b->health &&
           a->admin == b->admin;
}

static bool sample(void *ctx, const hone_farm_row *row)
{
    hone_desk *d = ctx;
    const hone_farm_worker_row *w = &row->worker;
    if (!(w->roles & HONE_FARM_DEVICE))
        return true;
    hone_desk__history *h = history_of(d, w->name);
    if (!h && d->histories.n == MAX_HISTORIES)
        return true;
    if (!h) {
        hone_vec_reserve(&d->histories, 1);
        h = &d->histories.v[d->histories.n++];
        *h = (hone_desk__history){0};
        snprintf(h->device, sizeof h->device, "%s", w->name);
    }
    const hone_desk__sample now = {.wall_ms = d->sampled_ms,
                                   .score = (int16_t)w->score,
                                   .link = (uint8_t)w->link,
                                   .health = (uint8_t)w->health,
                                   .admin = (uint8_t)w->admin};
    if (h->v.n > 0 && same(&h->v.v[h->v.n - 1], &now))
        return true;
    if (h->v.n == HONE_DESK_SAMPLES)
        memmove(h->v.v, h->v.v + 1, --h->v.n * sizeof now);
    hone_vec_push(&h->v, now);
    return true;
}

void hone_desk_sample(hone_desk *d, int64_t wall_ms)
{
    bool back = wall_ms < d->sampled_ms; /* the wall clock was set */
    if (!back && wall_ms - d->sampled_ms < HONE_DESK_SAMPLE_MS)
        return;
    d->sampled_ms = wall_ms;
    hone_farm_each_row(d->farm, 1U << HONE_FARM_ROW_WORKER, sample, d);
}
