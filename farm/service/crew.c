/* The crew's threads. Each has sittings of its own, gives them what has come for them, and lets
 * time pass in all of them twenty times a second. */
#include "farm/service/crew.h"

#include <malloc.h>
#include <stdatomic.h>

#define TEND_NS INT64_C(50000000)
#define TRIM_NS INT64_C(10000000000)
#define ARENAS 2 /* of the allocator: each keeps to itself what was freed in it */

enum { ORDER_OPEN, ORDER_GIVEN, ORDER_END };

typedef struct order {
    letter letter;
    sitting *to;
} order;

typedef struct hand {
    pthread_t thread;
    mailbox box;
    seat seat;
    HONE_VEC(sitting *) sittings;
    bool trims;               /* it is the one that gives memory back */
    int64_t tend_ns, trim_ns; /* when next */
    _Atomic uint32_t load;    /* of sittings, as the loop has dealt them */
} hand;

struct crew {
    crew_options o;
    _Atomic bool quitting;
    _Atomic uint64_t tags;
    hand *hands;
    unsigned n;
};

/* ---- in a thread ----------------------------------------------------------------------------- */

static void end(hand *h, sitting *j)
{
    for (uint32_t k = 0; k < h->sittings.n; k++)
        if (h->sittings.v[k] == j)
            h->sittings.v[k] = h->sittings.v[--h->sittings.n];
    hone_service__sitting_close(j);
    atomic_fetch_sub(&h->load, 1);
}

static void follow(hand *h, letter *l)
{
    if (l->kind == ORDER_GIVEN) {
        given *g = (given *)l;
        hone_service__sitting_take(g->to, g);
        return;
    }
    order *o = (order *)l;
    if (o->letter.kind == ORDER_OPEN) {
        hone_vec_push(&h->sittings, o->to);
        if (!atomic_load(h->seat.quitting))
            hone_service__sitting_open(o->to, &h->seat);
    } else {
        end(h, o->to);
    }
    free(o);
}

/* What one thread allocates another one frees, and letters come in bursts: without this the
 * allocator would hold on to twice what is in use. */
static void trim(hand *h)
{
    if (!h->trims || hone_clock_ns() < h->trim_ns)
        return;
    hone_mem_give_back();
    h->trim_ns = hone_clock_ns() + TRIM_NS;
}

static void tend(hand *h)
{
    if (hone_clock_ns() < h->tend_ns)
        return;
    trim(h);
    for (uint32_t k = 0; k < h->sittings.n && !atomic_load(h->seat.quitting); k++)
        hone_service__sitting_tend(h->sittings.v[k]);
    h->tend_ns = hone_clock_ns() + TEND_NS;
}

static void *run(void *arg)
{
    hand *h = arg;
    while (!atomic_load(h->seat.quitting)) {
        letter *l = hone_service__mail_await(&h->box, h->tend_ns), *after;
        for (; l; l = after) {
            after = l->next;
            follow(h, l);
            tend(h);
        }
        tend(h);
    }
    return NULL;
}

/* After the thread: what had come for it is let go. */
static void clear(hand *h)
{
    letter *l = hone_service__mail_take(&h->box), *after;
    for (; l; l = after) {
        after = l->next;
        follow(h, l);
    }
    while (h->sittings.n > 0)
        end(h, h->sittings.v[0]);
    hone_vec_free(&h->sittings);
    hone_service__mail_fini(&h->box);
    hone_db_close(h->seat.reader);
}

/* ---- from the loop --------------------------------------------------------------------------- */

hone_status hone_service__crew_start(const crew_options *o, crew **ret, hone_error *err)
{
    crew *c = hone_xcalloc(1, sizeof *c);
    hone_status st = HONE_OK;
#ifdef __GLIBC__
    mallopt(M_ARENA_MAX, ARENAS);
#endif
    c->o = *o;
    c->hands = hone_xcalloc(o->threads, sizeof *c->hands);
    for (; c->n < o->threads; c->n++) {
        hand *h = &c->hands[c->n];
        h->seat = (seat){.o = &c->o, .quitting = &c->quitting, .tags = &c->tags};
        h->trims = c->n == 0;
        st = hone_db_open(o->db_path, HONE_DB_READ, &h->seat.reader, err);
        if (st != HONE_OK)
            break;
        hone_service__mail_init(&h->box);
        h->thread = hone_service__thread("crew", run, h);
    }
    if (st != HONE_OK) {
        hone_service__crew_stop(c);
        c = NULL;
    }
    *ret = c;
    return st;
}

void hone_service__crew_stop(crew *c)
{
    if (!c)
        return;
    atomic_store(&c->quitting, true);
    for (unsigned k = 0; k < c->n; k++)
        hone_service__mail_close(&c->hands[k].box);
    for (unsigned k = 0; k < c->n; k++) {
        pthread_join(c->hands[k].thread, NULL);
        clear(&c->hands[k]);
    }
    free(c->hands);
    free(c);
}

static void send(sitting *j, int kind)
{
    order *o = hone_xcalloc(1, sizeof *o);
    o->letter.kind = kind;
    o->to = j;
    hone_service__mail_put(hone_service__sitting_box(j), &o->letter);
}

sitting *hone_service__sit(crew *c, const sitting_setup *s)
{
    hand *least = &c->hands[0];
    for (unsigned k = 1; k < c->n; k++)
        if (atomic_load(&c->hands[k].load) < atomic_load(&least->load))
            least = &c->hands[k];
    sitting *j = hone_service__sitting_new(s, &least->box);
    atomic_fetch_add(&least->load, 1);
    send(j, ORDER_OPEN);
    return j;
}

void hone_service__sitting_give(sitting *j, given *g)
{
    g->letter.kind = ORDER_GIVEN;
    g->to = j;
    hone_service__mail_put(hone_service__sitting_box(j), &g->letter);
}

void hone_service__sitting_end(sitting *j)
{
    hone_service__sitting_leave(j); /* whatever it computes is not waited for */
    send(j, ORDER_END);
}
