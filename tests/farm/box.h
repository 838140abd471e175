/* A farm in a box for tests of one thing at a time: workers that answer at once as the test says,
 * storage that is always there, a clock that the test moves. */
#ifndef HONE_TESTS_FARM_BOX_H
#define HONE_TESTS_FARM_BOX_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/farm/store.h"

#define SEC (1000 * MS)

typedef struct box {
    hone_farm_limits l;
    hone_farm *f;
    store store;
    int64_t now;
    HONE_VEC(hone_farm_effect) offers, gives, replies; /* `who` is copied into names */
    HONE_VEC(char *) names;
    uint64_t commits, halts, acks, notices, builders, requests;
    const char *target; /* that devices say they are from now on; NULL: they do not say */
    bool commits_hold;  /* COMMIT is not answered */
    uint64_t batch;     /* the one that is not */
    hone_farm_effect last[HONE_FARM_BUILDERS + 1]; /* of each kind */
} box;

static inline void box_step(box *b, const hone_farm_event *e);

static inline void box_committed(box *b, uint64_t batch)
{
    hone_farm_event e = {.kind = HONE_FARM_COMMITTED};
    e.commit.batch = batch;
    box_step(b, &e);
}

static inline hone_farm_effect box_keep(box *b, const hone_farm_effect *e)
{
    hone_farm_effect copy = *e;
    hone_vec_push(&b->names, hone_xstrdup(e->who));
    copy.who = b->names.v[b->names.n - 1];
    if (e->kind == HONE_FARM_REPLY) {
        hone_vec_push(&b->names, hone_xstrdup(e->reply.text));
        copy.reply.text = b->names.v[b->names.n - 1];
    }
    return copy;
}

static inline void box_step(box *b, const hone_farm_event *e)
{
    hone_farm_effect x;
    uint64_t batch = 0;
    hone_farm_step(b->f, e, b->now);
    while (hone_farm_next_effect(b->f, &x)) {
        b->last[x.kind] = x;
        if (x.kind == HONE_FARM_COMMIT) {
            b->batch = x.commit.batch;
            if (!b->commits_hold) {
                store_apply(&b->store, x.commit.rows, x.commit.n);
                batch = x.commit.batch;
            }
        } else if (x.kind == HONE_FARM_OFFER) {
            hone_vec_push(&b->offers, box_keep(b, &x));
        } else if (x.kind == HONE_FARM_GIVE) {
            hone_vec_push(&b->gives, box_keep(b, &x));
        } else if (x.kind == HONE_FARM_REPLY) {
            hone_vec_push(&b->replies, box_keep(b, &x));
        }
        b->acks += x.kind == HONE_FARM_ACK;
        b->halts += x.kind == HONE_FARM_HALT;
        b->notices += x.kind == HONE_FARM_NOTICE;
        b->commits += x.kind == HONE_FARM_COMMIT;
    }
    if (batch)
        box_committed(b, batch);
}

static inline void box_tick(box *b, int64_t ns)
{
    for (int64_t end = b->now + ns; b->now < end;) {
        int64_t wait = hone_farm_wait_ns(b->f);
        wait = wait < MS ? MS : wait;
        b->now += wait < end - b->now ? wait : end - b->now;
        box_step(b, &(hone_farm_event){.kind = HONE_FARM_TICK});
    }
}

static inline void box_user(box *b, const char *name, unsigned roles, int64_t weight)
{
    hone_farm_row r = {.kind = HONE_FARM_ROW_USER, .user = {.roles = roles, .weight = weight}};
    snprintf(r.user.name, sizeof r.user.name, "%s", name);
    store_apply(&b->store, &r, 1);
}

static inline void box_init(box *b)
{
    *b = (box){.now = SEC};
    hone_farm_limits_init(&b->l);
    box_user(b, "root", HONE_FARM_ADMIN, 1);
    box_user(b, "ann", HONE_FARM_USER, 1);
    box_user(b, "bob", HONE_FARM_USER, 1);
}

static inline void box_start(box *b)
{
    b->f = store_restore(&b->store, &b->l);
    box_step(b, &(hone_farm_event){.kind = HONE_FARM_TICK});
}

static inline void box_free(box *b)
{
    assert_int_equal(b->store.wrong, 0);
    hone_farm_free(b->f);
    store_fini(&b->store);
    for (uint32_t i = 0; i < b->names.n; i++)
        free(b->names.v[i]);
    hone_vec_free(&b->names);
    hone_vec_free(&b->offers);
    hone_vec_free(&b->gives);
    hone_vec_free(&b->replies);
}

/* ---- workers
 * --------------------------------------------------------------------------------------- */

static inline uint64_t box_session(const box *b, const char *who)
{
    const worker *w = hone_farm__worker(b->f, who);
    return w ? w->session : 0;
}

static inline void box_hello_with(box *b, const char *who, unsigned roles, const char *attrs,
                                  uint64_t process, uint64_t count, const hone_farm_held *held,
                                  uint32_t n_held)
{
    hone_farm_event e = {.kind = HONE_FARM_HELLO, .who = who};
    e.hello = (hone_farm_hello){.machine = store_text(0, who),
                                .process = process,
                                .count = count,
                                .roles = roles,
                                .slots = 4,
                                .fingerprint = 1,
                                .attrs = attrs,
                                .target = b->target,
                                .held = held,
                                .n_held = n_held};
    box_step(b, &e);
    box_tick(b, 10 * MS);
}

static inline void box_say_of(box *b, const char *who, hone_farm_event_kind kind, uint64_t fence,
                              hone_farm_phase phase)
{
    hone_farm_event e = {.kind = kind, .who = who, .session = box_session(b, who)};
    e.lease.fence = fence;
    e.lease.phase = phase;
    box_step(b, &e);
}

static inline void box_canary(box *b, const char *who, uint64_t fence, const double ns[3],
                              bool golden)
{
    hone_farm_event e = {.kind = HONE_FARM_CANARY_RESULT, .who = who};
    e.session = box_session(b, who);
    e.canary.fence = fence;
    memcpy(e.canary.ns, ns, sizeof e.canary.ns);
    e.canary.golden = golden;
    box_step(b, &e);
}

static inline bool box_is_canary(const hone_farm_effect *e)
{
    return !e->lease.unit.v[0] && !e->lease.unit.v[1];
}

/* The offer that waits for who, taken out; false: none. */
static inline bool box_offer(box *b, const char *who, hone_farm_effect *ret)
{
    *ret = (hone_farm_effect){0};
    for (uint32_t i = 0; i < b->offers.n; i++)
        if (strcmp(b->offers.v[i].who, who) == 0) {
            *ret = b->offers.v[i];
            memmove(&b->offers.v[i], &b->offers.v[i + 1],
                    (b->offers.n - i - 1) * sizeof *b->offers.v);
            b->offers.n--;
            return true;
        }
    return false;
}

/* A device joins, and its canaries are as they should be. */
static inline void box_device(box *b, const char *who, const char *attrs)
{
    static const double clean[] = {1e6, 2e6, 3e6};
    hone_farm_effect e;
    if (!hone_farm__user(b->f, who)) {
        hone_farm_event k = {.kind = HONE_FARM_SAY, .who = "root"};
        k.say.verb = HONE_FARM_VERB_KEY_ADD;
        k.say.name = who;
        k.say.key = who;
        k.say.roles = HONE_FARM_DEVICE | HONE_FARM_BUILDER;
        box_step(b, &k);
    }
    box_hello_with(b, who, HONE_FARM_DEVICE, attrs, 1, 1, NULL, 0);
    for (int i = 0; i < 100 && hone_farm__worker(b->f, who)->row.health != HONE_FARM_HEALTH_GOOD;
         i++) {
        assert_true(box_offer(b, who, &e) && box_is_canary(&e));
        box_canary(b, who, e.lease.fence, clean, true);
    }
    assert_int_equal(hone_farm__worker(b->f, who)->row.health, HONE_FARM_HEALTH_GOOD);
}

static inline void box_result(box *b, const char *who, const hone_farm_effect *offer,
                              hone_status status)
{
    hone_farm_event e = {.kind = HONE_FARM_RESULT, .who = who, .session = box_session(b, who)};
    e.result.fence = offer->lease.fence;
    e.result.unit = offer->lease.unit;
    e.result.epoch = offer->lease.epoch;
    e.result.status = status;
    e.result.handle = 1;
    box_step(b, &e);
}

/* ---- people and sessions
 * ------------------------------------------------------------------------------ */

static inline const hone_farm_effect *box_say(box *b, const char *who, const hone_farm_say *s)
{
    hone_farm_event e = {.kind = HONE_FARM_SAY, .who = who, .say = *s};
    box_step(b, &e);
    box_tick(b, 10 * MS);
    assert_true(b->replies.n > 0);
    return &b->replies.v[b->replies.n - 1];
}

static inline uint64_t box_submit(box *b, const char *who, const char *on, hone_farm_class class)
{
    const hone_farm_effect *r = box_say(b, who,
                                        &(hone_farm_say){.verb = HONE_FARM_VERB_SUBMIT,
                                                         .request = {{7, ++b->requests}},
                                                         .filter = on,
                                                         .class = class});
    assert_int_equal(r->reply.status, HONE_OK);
    return r->reply.job;
}

static inline void box_want(box *b, uint64_t id, uint64_t tag, hone_farm_key key)
{
    hone_farm_event e = {.kind = HONE_FARM_WANT};
    e.want = (hone_farm_want){.job = id, .tag = tag, .unit = key, .role = HONE_FARM_DEVICE};
    box_step(b, &e);
    box_tick(b, 10 * MS); /* its lease is durable before it is offered */
}

static inline hone_farm_key box_key(uint64_t a, uint64_t c)
{
    return (hone_farm_key){{a, c}};
}

static inline hone_farm_job_state box_state(const box *b, uint64_t id)
{
    return hone_farm__job(b->f, id)->row.state;
}

#endif
