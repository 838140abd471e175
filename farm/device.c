/* Workers, devices among them: connectivity, what people said of them, and their timers. A worker
 * takes units when it is heard, healthy, and open or reserved. */
#include "farm/internal.h"

worker *hone_farm__worker(const hone_farm *f, const char *name)
{
    uint32_t at = 0;
    worker *w;
    uint64_t hash = hone_hash_bytes(2, name, strlen(name));
    while ((w = hone_map_next(&f->workers_by_name, hash, &at)))
        if (strcmp(w->row.name, name) == 0)
            return w;
    return NULL;
}

worker *hone_farm__worker_new(hone_farm *f, const hone_farm_worker_row *row)
{
    worker *w = hone_xcalloc(1, sizeof *w);
    w->row = *row;
    w->row.attrs = NULL;
    w->fence = w->safe_end = row->fence_end;
    if (w->fence == 0)
        w->fence = 1;
    w->timer.kind = TIMER_WORKER;
    hone_farm__ring_init(&w->leases);
    hone_map_add(&f->workers_by_name, hone_hash_bytes(2, row->name, strlen(row->name)), w);
    hone_vec_push(&f->workers, w);
    hone_farm__worker_is(f, w, row->attrs ? row->attrs : "", "");
    return w;
}

hone_farm_worker_row hone_farm__worker_row(const hone_farm *f, const worker *w)
{
    hone_farm_worker_row row = w->row;
    if (w->heard_at)
        row.heard_at = w->heard_at + f->away_ns;
    return row;
}

void hone_farm__worker_is(hone_farm *f, worker *w, const char *attrs, const char *target)
{
    if (w->attrs && strcmp(w->attrs, attrs) == 0 && strcmp(w->kind->machine->text, target) == 0)
        return;
    char *copy = hone_xstrdup(attrs);
    free(w->attrs);
    w->attrs = copy;
    w->row.attrs = copy;
    hone_farm__ring_remove(&w->in_free[MEASURE]);
    if (w->kind)
        w->kind->n_workers--;
    w->kind = hone_farm__kind_get(f, copy, target);
    w->kind->n_workers++;
    w->class = hone_farm__class_get(f, copy);
}

bool hone_farm__worker_can(const hone_farm *f, const worker *w, unsigned list)
{
    bool both = (w->row.roles & HONE_FARM_DEVICE) && (w->row.roles & HONE_FARM_BUILDER);
    if (!w->session || w->link != HONE_FARM_LINK_ONLINE ||
        w->row.admin == HONE_FARM_ADMIN_DRAINING || !hone_farm__takes(w->row.health))
        return false;
    if (list == MEASURE) /* a build beside it would disturb it */
        return w->row.roles & HONE_FARM_DEVICE && !w->n_live[MEASURE] &&
               !(both && w->n_live[BUILD]) && !hone_farm__canary_due(f, w);
    return w->row.roles & HONE_FARM_BUILDER && w->n_live[BUILD] < w->slots &&
           !(both && w->n_live[MEASURE]);
}

/* ---- connectivity
 * ------------------------------------------------------------------------------------------ */

static void count_online(hone_farm *f, dev_kind *k, int by)
{
    uint32_t word = k->index / 64;
    k->n_online += (uint32_t)by;
    while (f->online.n <= word)
        hone_vec_push(&f->online, 0);
    f->online.v[word] &= ~(UINT64_C(1) << k->index % 64);
    if (k->n_online)
        f->online.v[word] |= UINT64_C(1) << k->index % 64;
}

void hone_farm__worker_link(hone_farm *f, worker *w, hone_farm_link l, hone_farm_reason why)
{
    hone_farm_link from = w->link;
    if (from == l)
        return;
    w->link = l;
    if (l == HONE_FARM_LINK_OFFLINE) /* with when it was heard last */
        hone_farm__dirty_worker(f, w);
    if ((from == HONE_FARM_LINK_OFFLINE || l == HONE_FARM_LINK_OFFLINE)) {
        hone_farm__audit_worker(f, NULL, w, "link", hone_farm_link_name(from),
                                hone_farm_link_name(l), why);
        if (w->row.roles & HONE_FARM_DEVICE)
            count_online(f, w->kind, l == HONE_FARM_LINK_OFFLINE ? -1 : 1);
    }
    hone_farm__wake_worker(f, w);
}

void hone_farm__worker_heard(hone_farm *f, worker *w)
{
    w->heard_at = f->now_ns;
    if (w->link == HONE_FARM_LINK_ONLINE)
        return;
    hone_farm__worker_link(f, w, HONE_FARM_LINK_ONLINE, HONE_FARM_BECAUSE_HEARD);
    hone_farm__worker_arm(f, w);
}

static lease *one_with_device(const worker *w)
{
    for (ring *r = w->leases.next; r != &w->leases; r = r->next)
        if (OF(r, lease, in_worker)->state != LEASE_GHOST)
            return OF(r, lease, in_worker);
    return NULL;
}

/* It is gone, as far as one can tell: its units are others' now. */
void hone_farm__worker_expire(hone_farm *f, worker *w, hone_farm_reason why)
{
    bool blame = why == HONE_FARM_BECAUSE_LEASE_EXPIRED, lost = false;
    w->session = 0;
    hone_farm__worker_link(f, w, HONE_FARM_LINK_OFFLINE, why);
    for (lease *l; (l = one_with_device(w));) {
        if (l->state == LEASE_LIVE) {
            f->stats.expired += blame;
            lost |= blame && l->started;
            hone_farm__attempt_failed(f, l, HONE_E_PEER, blame && l->started);
        }
        hone_farm__lease_ghost(f, l);
    }
    if (lost)
        hone_farm__score(f, w, -10, why);
    hone_farm__worker_arm(f, w);
}

/* ---- what people say
 * ---------------------------------------------------------------------------------------- */

void hone_farm__worker_admin(hone_farm *f, worker *w, hone_farm_admin_state a, const char *by,
                             int64_t until, hone_farm_reason why, const char *verb)
{
    const char *from = hone_farm_admin_name(w->row.admin);
    w->row.admin = a;
    w->row.admin_until = until;
    snprintf(w->row.by, sizeof w->row.by, "%s", a == HONE_FARM_ADMIN_OPEN ? "" : by);
    hone_farm__audit_worker(f, by, w, verb, from, hone_farm_admin_name(a), why);
    hone_farm__dirty_worker(f, w);
    hone_farm__worker_arm(f, w);
    hone_farm__wake_worker(f, w);
}

/* ---- timers
 * --------------------------------------------------------------------------------------------------
 */

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t link_at(const hone_farm *f, const worker *w)
{
    switch (w->link) {
    case HONE_FARM_LINK_ONLINE:
        return w->heard_at + f->l.torpid_ms * MS;
    case HONE_FARM_LINK_TORPID:
        return w->heard_at + f->l.lost_ms * MS;
    default:
        return w->session ? w->heard_at + f->l.lease_ms * MS : NEVER;
    }
}

void hone_farm__worker_arm(hone_farm *f, worker *w)
{
    int64_t at = link_at(f, w);
    if (w->row.admin != HONE_FARM_ADMIN_OPEN)
        at = earlier(at, w->row.admin_until);
    if (w->row.health_until)
        at = earlier(at, w->row.health_until);
    if (w->session && w->link == HONE_FARM_LINK_ONLINE && w->row.roles & HONE_FARM_DEVICE &&
        w->n_live[MEASURE] + w->n_live[BUILD] == 0) {
        int64_t due = hone_farm__canary_when(f, w);
        if (due > f->now_ns) /* one that is due is given when a step ends */
            at = earlier(at, due);
    }
    hone_farm__timer_set(f, &w->timer, at);
}

void hone_farm__worker_timer(hone_farm *f, worker *w)
{
    if (link_at(f, w) <= f->now_ns) {
        if (w->link == HONE_FARM_LINK_ONLINE)
            hone_farm__worker_link(f, w, HONE_FARM_LINK_TORPID, HONE_FARM_BECAUSE_SILENT);
        else if (w->link == HONE_FARM_LINK_TORPID)
            hone_farm__worker_link(f, w, HONE_FARM_LINK_OFFLINE, HONE_FARM_BECAUSE_SILENT);
        else
            hone_farm__worker_expire(f, w, HONE_FARM_BECAUSE_LEASE_EXPIRED);
    }
    if (w->row.admin != HONE_FARM_ADMIN_OPEN && w->row.admin_until <= f->now_ns)
        hone_farm__worker_admin(f, w, HONE_FARM_ADMIN_OPEN, "farm", 0, HONE_FARM_BECAUSE_TIME_UP,
                                "open");
    if (w->row.health_until && w->row.health_until <= f->now_ns)
        hone_farm__health_timer(f, w);
    hone_farm__wake_worker(f, w);
    hone_farm__worker_arm(f, w);
}
