/* The incumbent and the fastest few behind it; heats and the final race among them; and the look at
 * what the log has that claims to be faster still. */
#include "tuner/internal.h"

#include <math.h>

variant *hone_tuner__incumbent(const session *s)
{
    return s->best.n > 0 ? s->best.v[0] : NULL;
}

void hone_tuner__leave_finals(session *s, variant *v)
{
    for (uint32_t k = 0; k < s->best.n; k++) {
        if (s->best.v[k] != v)
            continue;
        memmove(&s->best.v[k], &s->best.v[k + 1], (s->best.n - k - 1) * sizeof v);
        s->best.n--;
        hone_tuner__drop(v);
        return;
    }
}

void hone_tuner__enter_finals(session *s, variant *v, bool leads)
{
    hone_tuner__hold(v);
    hone_tuner__leave_finals(s, v); /* its place may be another one now */
    uint32_t at = leads || s->best.n == 0 ? 0 : 1;
    while (!leads && at < s->best.n && s->best.v[at]->clock_ns <= v->clock_ns)
        at++;
    if (at == FINALISTS) {
        hone_tuner__drop(v);
        return;
    }
    if (s->best.n == FINALISTS)
        hone_tuner__drop(s->best.v[--s->best.n]);
    hone_vec_reserve(&s->best, 1);
    memmove(&s->best.v[at + 1], &s->best.v[at], (s->best.n - at) * sizeof v);
    s->best.v[at] = v;
    s->best.n++;
}

/* ---- the final race -------------------------------------------------------------------------- */

/* A trial is one process, and what that is off by has let the fastest of a session look 8 % slower
 * than another (depthwise convolution, whose pages fit the cache or not). So a quarter of the
 * trials is timed again, in few processes, and of these the fastest in several. Neither round is
 * judged by what got a candidate into it. */
#define HEAT_SPAN 1.15 /* further behind the first than this is not timed again */
#define RACE_SPAN 1.1
#define LAST 5 /* with the first */

/* The fastest `most` that are near enough to the first; the first with itself where it is one. */
static void begin_round(session *s, purpose p, uint32_t most, double span)
{
    const variant *first = hone_tuner__incumbent(s);
    for (uint32_t k = 0; k < s->best.n; k++)
        s->best.v[k]->raced = false;
    for (uint32_t k = p == FOR_HEAT ? 1 : 0; k < s->best.n && k < most; k++)
        if (s->best.v[k]->clock_ns <= span * first->clock_ns)
            hone_tuner__errand(s, p, s->best.v[k]);
}

/* So many are timed again before the last race; 0: there are few anyway. */
static uint32_t in_heats(const session *s)
{
    uint64_t n = s->r.trials / 4;
    return n <= LAST ? 0 : n < FINALISTS ? (uint32_t)n : FINALISTS;
}

int64_t hone_tuner__race_trials(const session *s)
{
    return 3 * LAST + (3 * (int64_t)in_heats(s)) / 2;
}

void hone_tuner__race_begin(session *s)
{
    uint32_t n = in_heats(s);
    s->in_heats = n > 0;
    if (n > 0)
        begin_round(s, FOR_HEAT, n, HEAT_SPAN);
    else
        begin_round(s, FOR_RACE, LAST, RACE_SPAN);
}

static int by_clock(const void *a, const void *b)
{
    const variant *v = *(variant *const *)a, *w = *(variant *const *)b;
    return (v->clock_ns > w->clock_ns) - (v->clock_ns < w->clock_ns);
}

/* Those behind the first, by what the heats said of them. */
static void heats_end(session *s)
{
    s->in_heats = false;
    if (s->best.n < 1)
        return;
    qsort(s->best.v + 1, s->best.n - 1, sizeof *s->best.v, by_clock);
    begin_round(s, FOR_RACE, LAST, RACE_SPAN);
}

/* All that is still right has a place by this race. */
static void race_end(session *s)
{
    variant *winner = NULL;
    for (uint32_t k = 0; k < s->best.n; k++) {
        variant *v = s->best.v[k];
        if (v->raced && (!winner || v->clock_ns < winner->clock_ns))
            winner = v;
    }
    if (winner)
        hone_tuner__enter_finals(s, winner, true);
}

void hone_tuner__race_step(session *s)
{
    if (s->errands.n > 0)
        return;
    if (s->in_heats) {
        heats_end(s);
        return;
    }
    race_end(s);
    s->phase = CONFIRMING;
}

/* ---- confirmation ---------------------------------------------------------------------------- */

/* The log may have what claims to be faster than the winner, from an earlier session or by luck.
 * It runs against the winner too, or the log and this session would say different things. */
bool hone_tuner__confirm_step(session *s)
{
    const variant *first = hone_tuner__incumbent(s);
    if (s->errands.n > 0)
        return true;
    variant *v =
        first && s->confirmed++ < CONFIRMATIONS ? hone_tuner__log_next(s, first->clock_ns) : NULL;
    if (v)
        hone_tuner__errand(s, FOR_CONFIRM, v);
    hone_tuner__drop(v);
    return v != NULL || hone_tuner__libraries_race(s);
}
