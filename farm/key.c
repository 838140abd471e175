/* Users: keys with a name, roles and a share, and what they have spent. */
#include "farm/internal.h"

static uint64_t name_hash(const char *name)
{
    return hone_hash_bytes(3, name, strlen(name));
}

user *hone_farm__user(const hone_farm *f, const char *name)
{
    uint32_t at = 0;
    user *u;
    while ((u = hone_map_next(&f->users_by_name, name_hash(name), &at)))
        if (strcmp(u->row.name, name) == 0)
            return u;
    return NULL;
}

user *hone_farm__user_new(hone_farm *f, const hone_farm_user_row *row)
{
    user *u = hone_xcalloc(1, sizeof *u);
    u->row = *row;
    hone_map_add(&f->users_by_name, name_hash(row->name), u);
    hone_vec_push(&f->users, u);
    return u;
}

void hone_farm__spend(hone_farm *f, user *u, int64_t ns)
{
    if (f->now_ns - u->row.day_from >= f->l.day_ms * MS) {
        u->row.day_from = f->now_ns;
        u->row.day_spent_ns = 0;
    }
    u->row.spent_ns += ns;
    u->row.day_spent_ns += ns;
    hone_farm__count_user(f, u);
}

bool hone_farm__over_quota(const hone_farm *f, const user *u)
{
    return u->row.day_ms > 0 && u->row.day_spent_ns >= u->row.day_ms * MS &&
           f->now_ns - u->row.day_from < f->l.day_ms * MS;
}
