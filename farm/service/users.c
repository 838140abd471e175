/* Users: those of the allow file, those that people add, and whoever owns this process at ipc. The
 * farm's rows are the truth; who may connect is made of them. */
#include "farm/service/internal.h"
#include "workers/wire/keys.h"

_Static_assert((int)HONE_KEY_USER == HONE_FARM_USER && (int)HONE_KEY_DEVICE == HONE_FARM_DEVICE &&
                   (int)HONE_KEY_BUILDER == HONE_FARM_BUILDER &&
                   (int)HONE_KEY_ADMIN == HONE_FARM_ADMIN,
               "roles are the same bits everywhere");

#define FROM_FILE "allow" /* note of job 0: "NAME KEY" of the allow file, a line each */

typedef struct lookup {
    const char *name;
    hone_farm_user_row row;
    bool found;
} lookup;

static bool take(void *ctx, const hone_farm_row *r)
{
    lookup *l = ctx;
    if (strcmp(r->user.name, l->name) != 0)
        return true;
    l->row = r->user;
    l->found = true;
    return false;
}

void hone_service__user_needs(service *s, const char *name, const char *key, unsigned roles,
                              int64_t weight)
{
    lookup l = {.name = name};
    hone_farm_each_row(s->farm, 1u << HONE_FARM_ROW_USER, take, &l);
    bool same = l.found && !l.row.revoked && (l.row.roles & roles) == roles &&
                (!key[0] ||
                 (strcmp(l.row.key, key) == 0 && l.row.roles == roles && l.row.weight == weight));
    if (same)
        return;
    event *e = hone_service__post(s, HONE_FARM_SAY, HONE_SERVICE__SELF);
    snprintf(e->name, sizeof e->name, "%s", name);
    bool keeps = l.found && !key[0]; /* what it has, but for a key that was revoked */
    snprintf(e->key, sizeof e->key, "%s", keeps && !l.row.revoked ? l.row.key : key);
    e->e.say =
        (hone_farm_say){.verb = HONE_FARM_VERB_KEY_ADD,
                        .name = e->name,
                        .key = e->key,
                        .because = key[0] ? HONE_FARM_BECAUSE_BY_FILE : HONE_FARM_BECAUSE_BY_OWNER,
                        .roles = roles | (keeps ? l.row.roles : 0),
                        .weight = keeps ? l.row.weight : weight,
                        .day_ms = l.row.day_ms,
                        .max_jobs = l.row.max_jobs};
    s->keys_changed = true;
}

bool hone_service__is_key(const service *s, const char *name)
{
    lookup l = {.name = name};
    hone_farm_each_row(s->farm, 1u << HONE_FARM_ROW_USER, take, &l);
    return l.found && l.row.key[0] && !l.row.revoked;
}

/* ---- the allow file ------------------------------------------------------------------------- */

static bool in_list(const hone_allow *a, const char *name)
{
    for (uint32_t i = 0; i < a->peers.n; i++)
        if (strcmp(a->peers.v[i].name, name) == 0)
            return true;
    return false;
}

/* Those that an earlier file had and this one has not are revoked, also when the service was not
 * running when they were taken out. */
static hone_status follow_file(service *s, const hone_allow *a, hone_error *err)
{
    char *before = NULL, *save = NULL;
    hone_buf names = {0};
    if (s->allowed) /* what was noted last may be on its way still */
        before = hone_xstrdup(s->allowed);
    hone_status st =
        before ? HONE_OK : hone_store_noted(hone_service__log(s), 0, FROM_FILE, &before, err);
    if (st != HONE_OK && st != HONE_E_NOTFOUND)
        return st;
    for (char *n = before ? strtok_r(before, "\n", &save) : NULL; n;
         n = strtok_r(NULL, "\n", &save)) {
        char *key = strchr(n, ' '); /* NULL: a log of before has names only */
        if (key)
            *key++ = '\0';
        if (in_list(a, n))
            continue;
        event *e = hone_service__post(s, HONE_FARM_SAY, HONE_SERVICE__SELF);
        snprintf(e->name, sizeof e->name, "%s", n);
        snprintf(e->key, sizeof e->key, "%s", key ? key : "");
        e->e.say = (hone_farm_say){.verb = HONE_FARM_VERB_KEY_REVOKE,
                                   .name = e->name,
                                   .key = key ? e->key : NULL,
                                   .because = HONE_FARM_BECAUSE_BY_FILE};
        s->keys_changed = true;
    }
    for (uint32_t i = 0; i < a->peers.n; i++) {
        const hone_allowed *p = &a->peers.v[i];
        hone_buf_printf(&names, "%s %s\n", p->name, p->key);
        hone_service__user_needs(s, p->name, p->key, p->may, p->share);
    }
    free(before);
    free(s->allowed);
    s->allowed = hone_buf_take(&names);
    hone_service__note(s, 0, FROM_FILE, s->allowed);
    return HONE_OK;
}

static hone_status read_file(service *s, hone_error *err)
{
    hone_allow a;
    hone_status st = hone_allow_read(s->o->allow_file, &a, err);
    for (uint32_t i = 0; st == HONE_OK && i < a.peers.n; i++)
        for (uint32_t k = 0; k < i && st == HONE_OK; k++)
            if (strcmp(a.peers.v[i].name, a.peers.v[k].name) == 0)
                st = hone_fail(err, HONE_E_INPUT, "%s: two keys are named %s; a name is one key",
                               s->o->allow_file, a.peers.v[i].name);
    if (st == HONE_OK)
        st = follow_file(s, &a, err);
    hone_allow_free(&a);
    return st;
}

hone_status hone_service__users_init(service *s, hone_error *err)
{
    lookup l = {.name = HONE_SERVICE__SELF};
    hone_farm_each_row(s->farm, 1u << HONE_FARM_ROW_USER, take, &l);
    if (!l.found) { /* the first of all, or nobody could say anything */
        hone_farm_row row = {.kind = HONE_FARM_ROW_USER};
        snprintf(row.user.name, sizeof row.user.name, "%s", HONE_SERVICE__SELF);
        row.user.roles = HONE_FARM_ADMIN;
        row.user.weight = 1;
        HONE_TRY(hone_store_commit(s->db, &row, 1, NULL, err));
        HONE_TRY(hone_farm_restore(s->farm, &row, err));
    }
    return s->o->allow_file ? read_file(s, err) : HONE_OK;
}

void hone_service__users_reload(service *s)
{
    hone_error err = {0};
    if (!s->o->allow_file)
        return;
    if (read_file(s, &err) != HONE_OK)
        hone_log(HONE_LOG_WARN, "%s; what was allowed before goes on", err.message);
    else
        hone_log(HONE_LOG_INFO, "read %s again", s->o->allow_file);
}

/* ---- who may connect ------------------------------------------------------------------------ */

typedef struct keys {
    HONE_VEC(hone_pool_key) v;
    HONE_VEC(char *) texts;
} keys;

static bool collect(void *ctx, const hone_farm_row *r)
{
    keys *k = ctx;
    if (!r->user.key[0] || r->user.revoked)
        return true;
    char *key = hone_xstrdup(r->user.key), *name = hone_xstrdup(r->user.name);
    hone_vec_push(&k->texts, key);
    hone_vec_push(&k->texts, name);
    hone_pool_key x = {key, name, r->user.roles};
    hone_vec_push(&k->v, x);
    return true;
}

void hone_service__keys_to_pool(service *s)
{
    keys k = {0};
    s->keys_changed = false;
    hone_farm_each_row(s->farm, 1u << HONE_FARM_ROW_USER, collect, &k);
    hone_pool_set_keys(s->pool, k.v.v, k.v.n);
    for (uint32_t i = 0; i < k.texts.n; i++)
        free(k.texts.v[i]);
    hone_vec_free(&k.texts);
    hone_vec_free(&k.v);
}
