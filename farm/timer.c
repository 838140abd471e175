/* The farm's timers: a heap of those that are set, the earliest first. */
#include "farm/internal.h"

static void place(hone_farm *f, uint32_t i, timer *t)
{
    f->timers.v[i] = t;
    t->pos = i + 1;
}

static void up(hone_farm *f, uint32_t i, timer *t)
{
    for (; i > 0 && f->timers.v[(i - 1) / 2]->at > t->at; i = (i - 1) / 2)
        place(f, i, f->timers.v[(i - 1) / 2]);
    place(f, i, t);
}

static void down(hone_farm *f, uint32_t i, timer *t)
{
    for (;;) {
        uint32_t c = 2 * i + 1;
        if (c + 1 < f->timers.n && f->timers.v[c + 1]->at < f->timers.v[c]->at)
            c++;
        if (c >= f->timers.n || f->timers.v[c]->at >= t->at)
            break;
        place(f, i, f->timers.v[c]);
        i = c;
    }
    place(f, i, t);
}

static void out_of_heap(hone_farm *f, timer *t)
{
    uint32_t i = t->pos - 1;
    timer *last = f->timers.v[--f->timers.n];
    t->pos = 0;
    if (last == t)
        return;
    if (i > 0 && f->timers.v[(i - 1) / 2]->at > last->at)
        up(f, i, last);
    else
        down(f, i, last);
}

void hone_farm__timer_set(hone_farm *f, timer *t, int64_t at)
{
    if (t->pos && t->at == at)
        return;
    if (t->pos)
        out_of_heap(f, t);
    t->at = at;
    if (at == NEVER)
        return;
    hone_vec_push(&f->timers, t);
    up(f, f->timers.n - 1, t);
}
