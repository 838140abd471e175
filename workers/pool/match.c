/* Which machine a job needs, and which peers are such machines. */
#include "workers/pool/internal.h"

#include "targets/target.h"

#define MATCHES_MAX 256

static void set(hone_workers__machine *ret, const hone_target *t)
{
    char *text = hone_target_text(t);
    ret->text = hone_text_hold(text);
    ret->hash = hone_hash_bytes(0, text, strlen(text));
    free(text);
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

/* Seldom is another one asked for than the last time. */
hone_status hone_workers__machine_again(hone_pool *p, const char *text, hone_workers__machine *ret,
                                        hone_error *err)
{
    if (!p->read_text || strcmp(p->read_text, text) != 0) {
        hone_workers__machine m;
        *ret = (hone_workers__machine){0};
        HONE_TRY(hone_workers__machine_read(text, &m, err));
        free(p->read_text);
        hone_workers__machine_free(&p->read);
        p->read_text = hone_xstrdup(text);
        p->read = m;
    }
    *ret = (hone_workers__machine){hone_text_hold(p->read.text), p->read.hash};
    return HONE_OK;
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
    hone_text_drop(m->text);
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

/* Is "lib=MARK" among what it says of itself? */
static bool has_library(const hone_workers__peer *peer, const char *mark)
{
    size_t n = strlen(mark);
    for (const char *s = peer->attrs; *s;) {
        size_t k = strcspn(s, ",");
        if (k == n + 4 && memcmp(s, "lib=", 4) == 0 && memcmp(s + 4, mark, n) == 0)
            return true;
        s += k + (s[k] == ',');
    }
    return false;
}

/* Where nobody has the library, whoever gets the job says why it cannot. */
static bool suits_library(const hone_pool *p, const hone_workers__job *j,
                          const hone_workers__peer *peer)
{
    if (!j->library[0] || has_library(peer, j->library))
        return true;
    for (uint32_t i = 0; i < p->peers.n; i++)
        if (able(p, p->peers.v[i], HONE_ROLE_RUN, &j->needs) &&
            has_library(p->peers.v[i], j->library))
            return false;
    return true;
}

bool hone_workers__job_suits(const hone_pool *p, const hone_workers__job *j,
                             const hone_workers__peer *peer)
{
    return (!j->only || j->only == peer->number) &&
           able(p, peer, hone_workers__role_bit[j->role], &j->needs) && suits_library(p, j, peer);
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
