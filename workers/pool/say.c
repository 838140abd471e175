/* Clients: peers that ask, and are answered by whoever has the pool; and who may be what. */
#include "workers/pool/internal.h"

const char *hone_workers__pool_barred(const hone_pool *p, unsigned roles, const hone_allowed *known)
{
    if (roles == 0 || (roles > 3 && roles != HONE_ROLE_CLIENT))
        return "it offers neither to build nor to run";
    if (roles == HONE_ROLE_CLIENT && !p->clients)
        return "this is one person's hone tune, which takes no requests; a service is `hone serve`";
    if (!known)
        return NULL;
    if (roles == HONE_ROLE_CLIENT)
        return known->may & (HONE_KEY_USER | HONE_KEY_ADMIN)
                   ? NULL
                   : "its key is not a user's (role=user in the allow file)";
    if ((roles & HONE_ROLE_RUN) && !(known->may & HONE_KEY_DEVICE))
        return "its key is not a device's (role=device in the allow file)";
    if ((roles & HONE_ROLE_BUILD) && !(known->may & HONE_KEY_BUILDER))
        return "its key is not a builder's (role=builder in the allow file)";
    return NULL;
}

void hone_workers__pool_said(hone_pool *p, hone_workers__peer *peer, const hone_wire_say *m)
{
    hone_pool_event *e = hone_workers__pool_event(p, HONE_POOL_SAID);
    e->peer = peer->number;
    e->roles = peer->roles;
    e->may = peer->may;
    e->ask = m->ask;
    snprintf(e->device, sizeof e->device, "%s", peer->name);
    hone_buf_add(&e->said, m->said.p, m->said.n);
}

bool hone_pool_tell(hone_pool *p, uint64_t number, uint64_t ask, const void *bytes, size_t n,
                    bool more)
{
    hone_workers__peer *peer = hone_workers__pool_peer(p, number);
    if (!peer || peer->roles != HONE_ROLE_CLIENT)
        return false;
    hone_wire m = {.type = HONE_WIRE_TELL};
    m.tell.ask = ask;
    m.tell.more = more;
    m.tell.told = (hone_wire_bytes){bytes, (uint32_t)n};
    return hone_workers__pool_tell(p, peer, &m);
}

/* ---- who is there, and who may be ----------------------------------------------------------- */

bool hone_pool_peer_get(const hone_pool *p, uint64_t number, hone_pool_peer *ret)
{
    const hone_workers__peer *peer = hone_workers__pool_peer(p, number);
    if (!peer)
        return false;
    *ret = (hone_pool_peer){.name = peer->name,
                            .key = peer->key,
                            .target = peer->machine.text ? peer->machine.text : "",
                            .attrs = peer->attrs,
                            .fingerprint = peer->fingerprint,
                            .roles = peer->roles,
                            .keeps = peer->revision >= HONE_WIRE_REVISION_KEEP,
                            .held = peer->held,
                            .n_held = peer->n_held,
                            .heard_ns = peer->seen_ns,
                            .machine = peer->machine_hash,
                            .process = hone_hash_bytes(0, peer->instance, 16)};
    return true;
}

/* A peer whose key does not let it stay, or NULL. */
static hone_workers__peer *outcast(const hone_pool *p)
{
    for (uint32_t i = 0; i < p->peers.n; i++) {
        hone_workers__peer *peer = p->peers.v[i];
        const hone_allowed *known =
            *peer->key ? hone_allow_find_text(&p->identity.allow, peer->key) : NULL;
        if (*peer->key && (!known || hone_workers__pool_barred(p, peer->roles, known)))
            return peer;
    }
    return NULL;
}

void hone_pool_turn_away(hone_pool *p, uint64_t number, const char *why)
{
    hone_workers__peer *peer = hone_workers__pool_peer(p, number);
    hone_wire no = {.type = HONE_WIRE_REFUSE, .refuse = {HONE_REFUSE_HELLO, 0, why}};
    if (peer && hone_workers__pool_tell(p, peer, &no))
        hone_workers__pool_lose(p, peer, why);
}

void hone_pool_set_keys(hone_pool *p, const hone_pool_key *keys, uint32_t n)
{
    hone_workers__peer *peer;
    if (!p->identity.have)
        return;
    p->identity.allow.peers.n = 0; /* in place: the key check has its address */
    for (uint32_t i = 0; i < n; i++) {
        hone_allowed a = {.may = keys[i].may, .share = 1};
        if (strlen(keys[i].key) != HONE_KEY_TEXT - 1 || !zmq_z85_decode(a.raw, keys[i].key))
            continue;
        snprintf(a.key, sizeof a.key, "%s", keys[i].key);
        snprintf(a.name, sizeof a.name, "%s", keys[i].name);
        hone_vec_push(&p->identity.allow.peers, a);
    }
    for (uint32_t i = 0; i < p->peers.n; i++) {
        const hone_allowed *known = hone_allow_find_text(&p->identity.allow, p->peers.v[i]->key);
        if (known)
            p->peers.v[i]->may = known->may;
    }
    while ((peer = outcast(p))) {
        hone_wire bye = {.type = HONE_WIRE_GOODBYE, .goodbye = {"its key is not allowed any more"}};
        if (hone_workers__pool_tell(p, peer, &bye))
            hone_workers__pool_lose(p, peer, "its key is not allowed any more");
    }
}
