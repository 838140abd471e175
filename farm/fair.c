/* Whose turn it is. Start-time fair queueing over users (Goyal, Vin and Chen, 1996): each has a
 * virtual time for each class of device, device time divided by weight; the one furthest behind is
 * next. Who comes back from having nothing to do starts at the class's time, so that idling banks
 * nothing. A unit's time is not known before, so an estimate is charged and put right when the
 * attempt ends. Inside of a user: interactive before batch, and jobs in turn; a device stays with a
 * job for a quantum, as long as nothing more urgent of the same user waits. Background, and users
 * over their day's quota, get what nobody else wants. */
#include "farm/internal.h"

/* ---- lists of what waits
 * --------------------------------------------------------------------------- */

static group *group_of(hone_farm *f, user *u, filter *x, unsigned list, hone_farm_class c)
{
    for (uint32_t i = 0; i < u->groups.n; i++) {
        group *g = u->groups.v[i];
        if (g->filter == x && g->list == list && g->class == c)
            return g;
    }
    for (uint32_t i = 0; u->groups.n > 16 && i < u->groups.n; i++) { /* those not in use */
        group *g = u->groups.v[i];
        if (!ring_empty(&g->jobs))
            continue;
        hone_farm__filter_put(f, g->filter);
        free(g);
        u->groups.v[i--] = u->groups.v[--u->groups.n];
    }
    group *g = hone_xcalloc(1, sizeof *g);
    *g = (group){.filter = x, .list = list, .class = c};
    hone_farm__ring_init(&g->jobs);
    if (x)
        x->refs++;
    hone_vec_push(&u->groups, g);
    return g;
}

static double *vtime(hone_farm *f, user *u, unsigned class)
{
    while (u->vtime.n <= class) {
        double now = f->classes.v[u->vtime.n].vtime;
        hone_vec_push(&u->vtime, now);
    }
    return &u->vtime.v[class];
}

static bool is_idle(const user *u)
{
    return !u->waiting[BUILD] && !u->waiting[MEASURE] && !u->in_flight;
}

void hone_farm__wait_add(hone_farm *f, job *j, unsigned list)
{
    user *u = j->user;
    if (j->group[list])
        return;
    if (list != START && is_idle(u))
        for (unsigned c = 0; c < f->classes.n; c++)
            if (*vtime(f, u, c) < f->classes.v[c].vtime)
                u->vtime.v[c] = f->classes.v[c].vtime;
    j->group[list] = group_of(f, u, list == BUILD ? NULL : j->filter, list, j->row.class);
    hone_farm__ring_add(&j->group[list]->jobs, &j->in_group[list]);
    if (u->waiting[list]++ == 0)
        hone_farm__ring_add(&f->active[list], &u->active[list]);
}

void hone_farm__wait_remove(hone_farm *f, job *j, unsigned list)
{
    (void)f;
    if (!j->group[list])
        return;
    j->group[list] = NULL;
    hone_farm__ring_remove(&j->in_group[list]);
    if (--j->user->waiting[list] == 0)
        hone_farm__ring_remove(&j->user->active[list]);
}

/* ---- picking
 * ---------------------------------------------------------------------------------------- */

static bool is_background(const hone_farm *f, const user *u, const group *g)
{
    return g->class == HONE_FARM_BACKGROUND || hone_farm__over_quota(f, u);
}

/* The user's most urgent group with something for w. */
static group *best_group(const hone_farm *f, const user *u, const worker *w, unsigned list,
                         bool background)
{
    group *best = NULL;
    for (uint32_t i = 0; i < u->groups.n; i++) {
        group *g = u->groups.v[i];
        if (g->list != list || ring_empty(&g->jobs) || is_background(f, u, g) != background ||
            (best && best->class <= g->class))
            continue;
        if (!g->filter || hone_farm__filter_fits(g->filter, w))
            best = g;
    }
    return best;
}

/* Somebody else who could try it has not failed at it. */
static bool others_may(const hone_farm *f, const unit *u, const worker *w)
{
    if (f->now_ns >= u->avoid_until)
        return false;
    for (uint32_t i = 0; i < f->workers.n; i++) {
        const worker *x = f->workers.v[i];
        bool tried = x == w;
        for (uint32_t k = 0; k < u->n_tried; k++)
            tried |= u->tried[k] == x;
        if (tried || x->link != HONE_FARM_LINK_ONLINE || x->row.admin != HONE_FARM_ADMIN_OPEN ||
            !hone_farm__takes(x->row.health))
            continue;
        for (ring *r = u->wants.next; r != &u->wants; r = r->next)
            if (u->list == BUILD ? (x->row.roles & HONE_FARM_BUILDER) != 0
                                 : hone_farm__filter_fits(OF(r, want, in_unit)->job->filter, x))
                return true;
    }
    return false;
}

static want *first_open(const hone_farm *f, const job *j, const worker *w, unsigned list)
{
    int looked = 0;
    for (ring *r = j->open[list].next; r != &j->open[list] && looked < 8; r = r->next, looked++) {
        want *x = OF(r, want, in_open);
        bool tried = false;
        for (uint32_t k = 0; k < x->unit->n_tried; k++)
            tried |= x->unit->tried[k] == w;
        if (!tried || !others_may(f, x->unit, w))
            return x;
    }
    return NULL;
}

static want *first_of_group(const hone_farm *f, group *g, const worker *w, unsigned list)
{
    int looked = 0;
    for (ring *r = g->jobs.next; r != &g->jobs && looked < 8; r = r->next, looked++) {
        want *x = first_open(f, OF(r, job, in_group[list]), w, list);
        if (x)
            return x;
    }
    return NULL;
}

static bool may_have(const hone_farm *f, const user *u, const worker *w)
{
    return u->in_flight < f->l.user_units &&
           (w->row.admin != HONE_FARM_ADMIN_RESERVED || strcmp(w->row.by, u->row.name) == 0);
}

/* The job whose turn it is on w goes on. */
static want *same_turn(const hone_farm *f, worker *w, unsigned list)
{
    job *j = w->turn;
    if (list != MEASURE || !j || f->now_ns >= w->turn_ends || w->turn_units >= f->l.quantum_units ||
        ring_empty(&j->open[list]) || !j->group[list] || !may_have(f, j->user, w) ||
        is_background(f, j->user, j->group[list]) || !hone_farm__filter_fits(j->filter, w))
        return NULL;
    const group *urgent = best_group(f, j->user, w, list, false);
    return urgent && urgent->class < j->row.class ? NULL : first_open(f, j, w, list);
}

want *hone_farm__pick(hone_farm *f, worker *w, unsigned list)
{
    unsigned class = list == BUILD ? 0 : w->class;
    want *found = same_turn(f, w, list);
    for (int background = 0; background < 2 && !found; background++) {
        double least = INFINITY;
        group *from = NULL;
        for (ring *r = f->active[list].next; r != &f->active[list]; r = r->next) {
            user *u = OF(r, user, active[list]);
            double v = *vtime(f, u, class);
            if (v >= least || !may_have(f, u, w))
                continue;
            group *g = best_group(f, u, w, list, background);
            want *x = g ? first_of_group(f, g, w, list) : NULL;
            if (!x)
                continue;
            found = x;
            from = g;
            least = v;
        }
        if (found && least > f->classes.v[class].vtime)
            f->classes.v[class].vtime = least;
        if (found && list == MEASURE) { /* a new turn, and the job goes to the end of the line */
            job *j = found->job;
            w->turn = j;
            w->turn_ends = f->now_ns + f->l.quantum_ms * MS;
            w->turn_units = 0;
            hone_farm__ring_remove(&j->in_group[list]);
            hone_farm__ring_add(&from->jobs, &j->in_group[list]);
        }
    }
    if (found)
        w->turn_units++;
    return found;
}

void hone_farm__charge(hone_farm *f, user *u, unsigned class, double ns)
{
    *vtime(f, u, class) += ns / (double)(u->row.weight > 0 ? u->row.weight : 1);
}

/* ---- sessions
 * ---------------------------------------------------------------------------------------- */

bool hone_farm__any_online(const hone_farm *f, const filter *x)
{
    if (x->name[0]) {
        const worker *w = hone_farm__worker(f, x->name);
        return w && w->link == HONE_FARM_LINK_ONLINE && w->row.roles & HONE_FARM_DEVICE &&
               hone_farm__filter_fits(x, w);
    }
    for (uint32_t i = 0; i < x->kinds.n && i < f->online.n; i++)
        if (x->kinds.v[i] & f->online.v[i])
            return true;
    return false;
}

/* The user with the fewest sessions for the weight, of those who wait. */
job *hone_farm__pick_start(hone_farm *f)
{
    double least = INFINITY;
    job *best = NULL;
    for (ring *r = f->active[START].next; r != &f->active[START]; r = r->next) {
        user *u = OF(r, user, active[START]);
        double v = (u->sessions + 1) / (double)(u->row.weight > 0 ? u->row.weight : 1);
        const group *from = NULL;
        if (v >= least || u->sessions >= f->l.user_sessions)
            continue;
        for (uint32_t i = 0; i < u->groups.n; i++) {
            const group *g = u->groups.v[i];
            if (g->list == START && !ring_empty(&g->jobs) && (!from || g->class < from->class) &&
                hone_farm__any_online(f, g->filter))
                from = g;
        }
        if (!from)
            continue;
        least = v;
        best = OF(from->jobs.next, job, in_group[START]);
    }
    return best;
}
