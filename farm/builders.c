/* Builders that the farm starts: how many there should be. Builds that have waited too long ask for
 * more; when for some time fewer were at work at once than there are builders for, some may go. */
#include "farm/internal.h"

static uint32_t builds_open(const hone_farm *f)
{
    uint32_t n = f->builds_outside;
    for (ring *r = f->active[BUILD].next; r != &f->active[BUILD]; r = r->next) {
        const user *u = OF(r, user, active[BUILD]);
        for (uint32_t i = 0; i < u->groups.n; i++)
            if (u->groups.v[i]->list == BUILD)
                for (ring *q = u->groups.v[i]->jobs.next; q != &u->groups.v[i]->jobs; q = q->next)
                    n += OF(q, job, in_group[BUILD])->n_open[BUILD];
    }
    return n;
}

/* After a restart those that were started before are among them. */
static uint32_t builders_online(const hone_farm *f)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < f->workers.n; i++)
        n += f->workers.v[i]->link == HONE_FARM_LINK_ONLINE &&
             (f->workers.v[i]->row.roles & HONE_FARM_BUILDER);
    return n;
}

static void begin_window(hone_farm *f, uint32_t builds)
{
    f->build_most = builds;
    f->build_most_since = f->now_ns;
}

void hone_farm__want_builders(hone_farm *f)
{
    uint32_t open = builds_open(f), all = open, most = (uint32_t)f->l.builders_max,
             wanted = f->builders;
    if (f->l.builders_max == 0)
        return;
    for (uint32_t i = 0; i < f->workers.n; i++)
        all += f->workers.v[i]->n_live[BUILD];
    if (!open)
        f->build_wait_since = f->now_ns;
    if (all > f->build_most)
        f->build_most = all;
    if (f->now_ns - f->build_wait_since >= f->l.builder_queue_ms * MS) {
        wanted = f->builders_said ? wanted : builders_online(f);
        wanted += 1 + open / (uint32_t)f->l.builder_units;
        f->build_wait_since = f->now_ns;
        begin_window(f, all); /* those who come have their time */
    } else if (f->now_ns - f->build_most_since >= f->l.builder_idle_ms * MS) {
        uint32_t busy = (uint32_t)((f->build_most + f->l.builder_slots - 1) / f->l.builder_slots);
        wanted = busy < wanted ? busy : wanted;
        begin_window(f, all);
        if (!f->builders_said && busy > 0)
            return; /* there may be some, and they are of use */
    } else {
        return;
    }
    wanted = wanted < most ? wanted : most;
    if (wanted != f->builders || !f->builders_said)
        hone_farm__effect(f, HONE_FARM_BUILDERS, NULL, 0)->builders = wanted;
    f->builders = wanted;
    f->builders_said = true;
}
