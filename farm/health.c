/* Health of devices, from canaries: three small kernels whose times are known of this device and
 * epoch (baseline.c), and one whose result is known. A score sums up what happened. Two devices of
 * a class that change at the same time are not believed to be the fault of both. */
#include "farm/baseline.h"
#include "farm/internal.h"

#define SCORE_GOOD 60
#define SCORE_BAD 30
#define HOT_COSTS 10 /* given back when cooling has helped: then it was heat, and no fault */

void hone_farm__health(hone_farm *f, worker *w, hone_farm_health h, hone_farm_reason why,
                       int64_t until)
{
    w->row.health_until = until;
    hone_farm__dirty_worker(f, w);
    if (w->row.health != h) {
        const char *from = hone_farm_health_name(w->row.health);
        w->row.health = h;
        w->row.why = why;
        w->row.clean = 0;
        hone_farm__audit_worker(f, NULL, w, "health", from, hone_farm_health_name(h), why);
    }
    hone_farm__worker_arm(f, w);
    hone_farm__wake_worker(f, w);
}

void hone_farm__new_baseline(hone_farm *f, worker *w, bool anew, hone_farm_reason why)
{
    hone_farm__baseline_new(&w->row.baseline, anew);
    if (w->row.roles & HONE_FARM_DEVICE && w->row.health != HONE_FARM_HEALTH_RETIRED &&
        w->row.health != HONE_FARM_HEALTH_QUARANTINED)
        hone_farm__health(f, w, HONE_FARM_HEALTH_PROBING, why, 0);
    hone_farm__dirty_worker(f, w);
}

/* Times of before and after are compared through incumbents only. Never without a word. */
static void new_epoch(hone_farm *f, worker *w, const char *verb, hone_farm_reason why)
{
    w->row.epoch++;
    hone_farm__dirty_worker(f, w);
    hone_farm__notice(f, "%s: %s (%+.1f %% against its first baseline)", w->row.name,
                      hone_farm_reason_text(why), 100 * hone_farm_baseline_drift(&w->row.baseline));
    hone_farm__audit_worker(f, NULL, w, verb, "", "", why);
}

/* ---- out of service
 * ---------------------------------------------------------------------------------------- */

/* More than half of a class of several within a short time: whatever it is, it is not the devices.
 */
static bool guarded(hone_farm *f, const worker *w)
{
    uint32_t members = 0, out = 0;
    for (uint32_t i = 0; i < f->workers.n; i++) {
        const worker *x = f->workers.v[i];
        members += x->class == w->class && x->row.roles & HONE_FARM_DEVICE &&
                   x->link != HONE_FARM_LINK_OFFLINE && x->row.health != HONE_FARM_HEALTH_RETIRED;
        out += x != w && x->class == w->class && x->out_at &&
               f->now_ns - x->out_at < f->l.guard_ms * MS;
    }
    return members > 1 && 2 * (out + 1) > members;
}

/* Nobody else of its class takes units: without it nothing is done. */
static bool alone(hone_farm *f, const worker *w)
{
    for (uint32_t i = 0; i < f->workers.n; i++) {
        const worker *x = f->workers.v[i];
        if (x != w && x->class == w->class && x->row.roles & HONE_FARM_DEVICE &&
            x->link == HONE_FARM_LINK_ONLINE && hone_farm__takes(x->row.health))
            return false;
    }
    return true;
}

/* As it is now is how it is. */
static void taken_as_it_is(hone_farm *f, worker *w, hone_farm_reason why)
{
    w->row.score = SCORE_GOOD;
    new_epoch(f, w, "guard", why);
    hone_farm__new_baseline(f, w, false, why);
}

static void quarantine(hone_farm *f, worker *w, hone_farm_reason why)
{
    static const int64_t times[] = {1, 3, 12};
    uint32_t lately = 0;
    if (w->row.health == HONE_FARM_HEALTH_RETIRED)
        return;
    w->out_at = f->now_ns;
    memmove(&w->row.quarantined_at[1], &w->row.quarantined_at[0], 2 * sizeof(int64_t));
    w->row.quarantined_at[0] = f->now_ns;
    for (int k = 0; k < 3; k++)
        lately +=
            w->row.quarantined_at[k] > 0 && f->now_ns - w->row.quarantined_at[k] < f->l.day_ms * MS;
    w->row.quarantines++;
    w->row.baseline.again = w->row.baseline.n_burst = 0;
    if (lately >= 3) {
        hone_farm__notice(f, "%s is retired: %s", w->row.name,
                          hone_farm_reason_text(HONE_FARM_BECAUSE_TOO_OFTEN));
        hone_farm__health(f, w, HONE_FARM_HEALTH_RETIRED, HONE_FARM_BECAUSE_TOO_OFTEN, 0);
        return;
    }
    hone_farm__health(f, w, HONE_FARM_HEALTH_QUARANTINED, why,
                      f->now_ns + f->l.quarantine_ms * MS * times[lately ? lately - 1 : 0]);
}

/* What the score says. */
static void by_score(hone_farm *f, worker *w, hone_farm_reason why)
{
    hone_farm_health h = w->row.health;
    if (h == HONE_FARM_HEALTH_QUARANTINED || h == HONE_FARM_HEALTH_RETIRED)
        return;
    bool device = (w->row.roles & HONE_FARM_DEVICE) != 0;
    bool changed = device && why == HONE_FARM_BECAUSE_CANARY_OFF;
    if (w->row.score >= SCORE_GOOD)
        return;
    if (changed && alone(f, w)) {
        taken_as_it_is(f, w, HONE_FARM_BECAUSE_ALONE);
    } else if (h != HONE_FARM_HEALTH_PROBATION && guarded(f, w)) {
        if (changed) {
            taken_as_it_is(f, w, HONE_FARM_BECAUSE_CLASS_DRIFT);
            return;
        }
        w->row.score = SCORE_GOOD;
        hone_farm__notice(f, "%s: %s", w->row.name,
                          hone_farm_reason_text(HONE_FARM_BECAUSE_CLASS_DRIFT));
        hone_farm__audit_worker(f, NULL, w, "guard", "", "", HONE_FARM_BECAUSE_CLASS_DRIFT);
    } else if (w->row.score < SCORE_BAD) {
        quarantine(f, w, why);
    } else if (h == HONE_FARM_HEALTH_GOOD && device) {
        w->out_at = f->now_ns;
        hone_farm__health(f, w, HONE_FARM_HEALTH_PROBATION, why, 0);
    }
}

void hone_farm__score(hone_farm *f, worker *w, int64_t by, hone_farm_reason why)
{
    int64_t s = w->row.score + by;
    s = s < 0 ? 0 : s > 100 ? 100 : s;
    if (s == w->row.score)
        return;
    w->row.score = s;
    hone_farm__dirty_worker(f, w);
    if (by < 0)
        by_score(f, w, why);
}

void hone_farm__health_timer(hone_farm *f, worker *w)
{
    w->row.health_until = 0;
    hone_farm__dirty_worker(f, w);
    w->canary_at = INT64_MIN / 2; /* one at once */
    if (w->row.health == HONE_FARM_HEALTH_COOLING)
        hone_farm__health(f, w, HONE_FARM_HEALTH_PROBING, HONE_FARM_BECAUSE_TIME_UP, 0);
    else if (w->row.health == HONE_FARM_HEALTH_QUARANTINED && !(w->row.roles & HONE_FARM_DEVICE)) {
        w->row.score = SCORE_GOOD;
        hone_farm__health(f, w, HONE_FARM_HEALTH_GOOD, HONE_FARM_BECAUSE_TIME_UP, 0);
    }
}

/* ---- when a canary is due
 * ------------------------------------------------------------------------------------ */

int64_t hone_farm__canary_when(const hone_farm *f, const worker *w)
{
    const hone_farm_baseline *b = &w->row.baseline;
    bool at_once = hone_farm__baseline_asks(b, f->now_ns, &f->l);
    if (!(w->row.roles & HONE_FARM_DEVICE) || w->row.health_until > f->now_ns)
        return NEVER;
    if (w->failed_canaries) /* not in a tight loop */
        return w->canary_at +
               f->l.resend_ms * MS * (w->failed_canaries < 60 ? w->failed_canaries : 60);
    switch (w->row.health) {
    case HONE_FARM_HEALTH_PROBING:
        return INT64_MIN;
    case HONE_FARM_HEALTH_QUARANTINED:
    case HONE_FARM_HEALTH_PROBATION:
        return at_once || !hone_farm__baseline_known(b) ? INT64_MIN
                                                        : w->canary_at + f->l.probation_ms * MS;
    case HONE_FARM_HEALTH_GOOD:
        return at_once || w->measured >= f->l.canary_units || w->busy_ns >= f->l.canary_busy_ms * MS
                   ? INT64_MIN
                   : w->canary_at + f->l.canary_idle_ms * MS;
    default:
        return NEVER;
    }
}

bool hone_farm__canary_due(const hone_farm *f, const worker *w)
{
    return w->session && w->link == HONE_FARM_LINK_ONLINE &&
           w->row.admin != HONE_FARM_ADMIN_DRAINING && hone_farm__canary_when(f, w) <= f->now_ns;
}

/* ---- what it says
 * --------------------------------------------------------------------------------------------- */

static void clean(hone_farm *f, worker *w, uint64_t fence)
{
    int64_t helped = HOT_COSTS * (int64_t)w->row.cooled;
    w->row.clean_fence = fence;
    w->row.clean++;
    w->row.cooled = 0;
    hone_farm__dirty_worker(f, w);
    hone_farm__score(f, w, 2 + helped, HONE_FARM_BECAUSE_CANARY_CLEAN);
    hone_farm_health h = w->row.health;
    if (h == HONE_FARM_HEALTH_QUARANTINED && w->row.clean >= 3 && w->row.score < SCORE_GOOD)
        w->row.score = SCORE_GOOD;
    bool enough = h == HONE_FARM_HEALTH_PROBING || w->row.clean >= 3;
    if (h == HONE_FARM_HEALTH_GOOD || !enough)
        return;
    if (w->row.score >= SCORE_GOOD)
        hone_farm__health(f, w, HONE_FARM_HEALTH_GOOD, HONE_FARM_BECAUSE_CANARY_CLEAN, 0);
    else if (h == HONE_FARM_HEALTH_PROBING)
        hone_farm__health(f, w, HONE_FARM_HEALTH_PROBATION, HONE_FARM_BECAUSE_SCORE, 0);
}

static void cool(hone_farm *f, worker *w, hone_farm_reason why)
{
    uint32_t times = w->row.cooled < 2 ? w->row.cooled : 2;
    w->row.cooled++;
    w->row.baseline.again = w->row.baseline.n_burst = 0;
    if (w->row.health != HONE_FARM_HEALTH_QUARANTINED && w->row.health != HONE_FARM_HEALTH_RETIRED)
        hone_farm__health(f, w, HONE_FARM_HEALTH_COOLING, why,
                          f->now_ns + (f->l.cool_ms << times) * MS);
}

/* It has been otherwise for long: that is what it is, and no reason to be out of service. */
static void shifted(hone_farm *f, worker *w, uint64_t fence)
{
    w->row.clean_fence = fence;
    w->row.cooled = 0;
    if (w->row.score < SCORE_GOOD)
        w->row.score = SCORE_GOOD;
    new_epoch(f, w, "level", HONE_FARM_BECAUSE_LEVEL);
    if (w->row.health != HONE_FARM_HEALTH_RETIRED)
        hone_farm__health(f, w, HONE_FARM_HEALTH_GOOD, HONE_FARM_BECAUSE_LEVEL, 0);
}

static void judge(hone_farm *f, worker *w, const double x[HONE_FARM_CANARIES], uint64_t fence)
{
    switch (hone_farm__baseline_take(&w->row.baseline, x, f->now_ns, &f->l)) {
    case CANARY_LEARNING:
        return;
    case CANARY_LEARNED:
    case CANARY_CLEAN:
        clean(f, w, fence);
        return;
    case CANARY_CREPT:
        new_epoch(f, w, "level", HONE_FARM_BECAUSE_CREPT);
        clean(f, w, fence);
        return;
    case CANARY_SHIFTED:
        shifted(f, w, fence);
        return;
    case CANARY_HOT:
        w->row.clean = 0;
        hone_farm__score(f, w, -HOT_COSTS, HONE_FARM_BECAUSE_CANARY_HOT);
        cool(f, w, HONE_FARM_BECAUSE_CANARY_HOT);
        return;
    case CANARY_CHANGED:
        w->row.clean = 0;
        if (w->row.health == HONE_FARM_HEALTH_QUARANTINED)
            quarantine(f, w, HONE_FARM_BECAUSE_CANARY_OFF);
        else
            hone_farm__score(f, w, SCORE_BAD - 1 - w->row.score, HONE_FARM_BECAUSE_CANARY_OFF);
        return;
    case CANARY_OFF:
        w->row.clean = 0;
        return;
    }
}

void hone_farm__canary(hone_farm *f, worker *w, const hone_farm_event *e)
{
    lease *l = hone_farm__lease(w, e->canary.fence);
    double x[HONE_FARM_CANARIES];
    bool valid = e->canary.status == HONE_OK, wrong = valid && !e->canary.golden;
    hone_farm_effect *ack = hone_farm__effect(f, HONE_FARM_ACK, w->row.name, 0);
    ack->session = w->session;
    ack->ack.fence = e->canary.fence;
    ack->ack.verdict = HONE_FARM_COUNTED;
    if (!l || !l->canary || l->state == LEASE_GHOST)
        return;
    for (int k = 0; k < HONE_FARM_CANARIES && valid; k++) {
        valid = isfinite(e->canary.ns[k]) && e->canary.ns[k] > 0;
        x[k] = valid ? log(e->canary.ns[k]) : 0;
    }
    w->canary_at = f->now_ns;
    w->measured = 0;
    hone_farm__lease_free(f, l);
    w->busy_ns = 0;
    hone_farm__dirty_worker(f, w);
    if (!valid && !wrong) { /* after a wrong one none is timed */
        w->failed_canaries++;
        hone_farm__score(f, w, -5, HONE_FARM_BECAUSE_FAILED_THERE);
        return;
    }
    w->failed_canaries = 0;
    if (wrong) {
        hone_farm__suspect(f, w, w->row.clean_fence + 1, e->canary.fence);
        hone_farm__notice(f, "%s computed the golden kernel wrong", w->row.name);
        w->row.score = 0;
        quarantine(f, w, HONE_FARM_BECAUSE_GOLDEN);
    } else if (e->canary.throttled) {
        hone_farm__score(f, w, -5, HONE_FARM_BECAUSE_CANARY_HOT);
        cool(f, w, HONE_FARM_BECAUSE_CANARY_HOT);
    } else {
        judge(f, w, x, e->canary.fence);
    }
}
