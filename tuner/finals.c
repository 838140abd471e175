/* The incumbent and the fastest few behind it; the final race among them; and the look at what the
 * log has that claims to be faster still. */
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

/* One noisy lucky ratio must not win: the fastest few run once more, in turns with the first, and
 * the first with itself. All that is still right then has a place by this race. */
void hone_tuner__race_begin(session *s)
{
    const variant *first = hone_tuner__incumbent(s);
    for (uint32_t k = 0; k < s->best.n; k++) {
        variant *v = s->best.v[k];
        v->raced = false;
        if (v->clock_ns <= FINAL_SPAN * first->clock_ns)
            hone_tuner__errand(s, FOR_RACE, v);
    }
}

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
