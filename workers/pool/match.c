/* Which machine a job needs, and which peers are such machines. */
#include "workers/pool/internal.h"

#include "targets/target.h"

#define MATCHES_MAX 256

static void set(hone_workers__machine *ret, const hone_target *t)
{
    ret->text = hone_target_text(t);
    ret->hash = hone_hash_bytes(0, ret->text, strlen(ret->text));
}

hone_status hone_workers__machine_read(const char *text, hone_workers__machine *ret,
                                       hone_error *err)
{
    hone_target t;
    *ret = (hone_workers__machine){0};
    hone_status s = hone_target_parse(text, &t, err);
    if (s == HONE_OK)
        set(ret, &t);
    return s;
}

hone_status hone_workers__machine_here(hone_workers__machine *ret, hone_error *err)
{
    hone_target t;
    *ret = (hone_workers__machine){0};
    hone_status s = hone_target_host(&t, err);
    if (s == HONE_OK)
        set(ret, &t);
    return s;
}

void hone_workers__machine_free(hone_workers__machine *m)
{
    free(m->text);
    m->text = NULL;
}

static bool can_run(const char *device, const char *needed)
{
    hone_target has, needs;
    return hone_target_parse(device, &has, NULL) == HONE_OK &&
           hone_target_parse(needed, &needs, NULL) == HONE_OK && hone_target_can_run(&has, &needs);
}

static bool fits(hone_workers__matches *m, const hone_workers__machine *device,
                 const hone_workers__machine *needed)
{
    for (uint32_t i = 0; i < m->v.n; i++)
        if (m->v.v[i].device == device->hash && m->v.v[i].needed == needed->hash)
            return m->v.v[i].fits;
    hone_workers__match x = {device->hash, needed->hash, can_run(device->text, needed->text)};
    if (m->v.n == MATCHES_MAX)
        m->v.n = 0;
    hone_vec_push(&m->v, x);
    return x.fits;
}

static bool able(const hone_pool *p, const hone_workers__peer *peer, unsigned role,
                 const hone_workers__machine *needed)
{
    if (!(peer->roles & role))
        return false;
    return role == HONE_ROLE_BUILD || !needed->text ||
           (peer->machine.text && fits(p->matches, &peer->machine, needed));
}

bool hone_workers__job_suits(const hone_pool *p, const hone_workers__job *j,
                             const hone_workers__peer *peer)
{
    return able(p, peer, hone_workers__role_bit[j->role], &j->needs);
}

uint32_t hone_pool_able(const hone_pool *p, unsigned role, const char *target)
{
    uint32_t n = 0;
    hone_workers__machine needed = {0};
    if (target && hone_workers__machine_read(target, &needed, NULL) != HONE_OK)
        return 0;
    for (uint32_t i = 0; i < p->peers.n; i++)
        n += able(p, p->peers.v[i], role, &needed);
    hone_workers__machine_free(&needed);
    return n;
}

const char *hone_pool_machine(const hone_pool *p, uint32_t i, const char **ret_name)
{
    for (uint32_t k = 0; k < p->peers.n; k++) {
        const hone_workers__peer *peer = p->peers.v[k];
        if (!(peer->roles & HONE_ROLE_RUN) || i-- > 0)
            continue;
        *ret_name = peer->name;
        return peer->machine.text ? peer->machine.text : "";
    }
    return NULL;
}

/* Some give fewer processors to their worker than they have; code for few runs on many. */
static bool same_but_for_cores(hone_target *all, const hone_target *one)
{
    hone_target x = *one;
    all->cores = x.cores < all->cores ? x.cores : all->cores;
    x.cores = all->cores;
    char *a = hone_target_text(all), *b = hone_target_text(&x);
    bool same = strcmp(a, b) == 0;
    free(a);
    free(b);
    return same;
}

hone_status hone_pool_common_machine(const hone_pool *p, hone_target *ret, hone_error *err)
{
    hone_buf all = {0};
    const char *name, *text;
    hone_target t;
    bool same = true;
    hone_status s = HONE_OK;
    uint32_t n = 0;
    for (; s == HONE_OK && (text = hone_pool_machine(p, n, &name)); n++) {
        if (!*text)
            s = hone_fail(err, HONE_E_VERSION,
                          "worker %s, of an older hone, does not describe its machine", name);
        else
            s = hone_target_parse(text, &t, err);
        if (s != HONE_OK)
            break;
        if (n == 0)
            *ret = t;
        same = same_but_for_cores(ret, &t) && same;
        hone_buf_printf(&all, "%s%s is a %s (%s)", n ? ", " : "", name, t.cpu, t.triple);
    }
    if (s == HONE_OK && n == 0)
        s = hone_fail(err, HONE_E_NOTFOUND, "there is no device");
    else if (s == HONE_OK && !same)
        s = hone_fail(err, HONE_E_INPUT, "the devices differ: %s", all.s);
    hone_buf_free(&all);
    return s;
}
