/* An attempt that failed through no fault of the candidate: what the table says is done. */
#include "tuner/internal.h"

/* A further attempt is made after so long, and after four times that: what is short of memory or
 * descriptors now need not be in a second. */
#define AGAIN_AFTER_NS (100 * MS)

failure_policy hone_tuner__policy(hone_status status)
{
    static const failure_policy table[HONE_STATUS_COUNT] = {
#define HONE_FAILURE(status, policy, why) [HONE_##status] = FAILURE_##policy,
#include "tuner/failures.def"
#undef HONE_FAILURE
    };
    return (unsigned)status < HONE_STATUS_COUNT ? table[status] : FAILURE_UNLISTED;
}

static void again(session *s, errand *j, int64_t after_ns)
{
    j->stage = j->stage == BUILDING ? TO_BUILD : TO_MEASURE;
    j->not_before_ns = s->now_ns + after_ns;
}

/* Is the incumbent at fault, or does the candidate pretend so? The incumbent is run alone. */
static void look_at_incumbent(session *s, variant *blamed)
{
    if (blamed->condemned || blamed->suspect)
        return;
    blamed->suspect = true;
    hone_tuner__notice(s, "the kernel that others are compared with is run alone: it was blamed");
    hone_tuner__errand(s, FOR_RECHECK, blamed);
}

void hone_tuner__failed(session *s, errand *j, const hone_pool_event *e)
{
    const char *what = j->stage == BUILDING ? "build" : "measuring";
    const char *message = e->error.message[0] ? e->error.message : hone_status_text(e->status);
    failure_policy policy = hone_tuner__policy(e->status);
    if (j->purpose == FOR_LIBRARY) {
        hone_tuner__library_failed(s, j->v, message);
        if (policy != FAILURE_DEMOTE) /* who wants its function may lack it: the search goes on */
            policy = FAILURE_SUSPECT;
    }
    variant *blamed = policy == FAILURE_DEMOTE ? j->against : NULL;
    s->r.failed++;
    hone_tuner__notice(s, "%s attempt failed: %.300s", what, message);
    if (policy == FAILURE_END) {
        hone_tuner__end(s, e->status, "%s", message);
        return;
    }
    if (blamed && blamed->condemned) { /* found out meanwhile */
        again(s, j, 0);
        return;
    }
    unsigned kind = j->stage == BUILDING ? 0 : 1;
    int *row = &s->failed_in_a_row[kind];
    if (!(blamed && blamed->suspect) && j->purpose != FOR_LIBRARY && ++*row >= FAILED_IN_A_ROW) {
        hone_tuner__end(s, e->status, "%d attempts in a row failed, the last one: %s",
                        FAILED_IN_A_ROW, message);
        return;
    }
    if (blamed)
        look_at_incumbent(s, blamed);
    if (j->failures == 0)
        j->went_well = s->went_well[kind];
    if (++j->failures < ATTEMPTS) {
        bool at_once = e->status == HONE_E_PEER || policy == FAILURE_DEMOTE;
        again(s, j, at_once ? 0 : j->failures == 1 ? AGAIN_AFTER_NS : 4 * AGAIN_AFTER_NS);
    } else if ((policy == FAILURE_END_AFTER && j->went_well == s->went_well[kind]) ||
               j->purpose == FOR_REFERENCE) {
        hone_tuner__end(s, e->status, "%s", message);
    } else {
        hone_tuner__notice(s, "after %d attempts it is set aside: %.300s", ATTEMPTS, message);
        hone_tuner__set_aside(s, j, e->status);
    }
}
