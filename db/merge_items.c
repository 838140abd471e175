/* Merging what kernels of networks took in turns: of each key the item with more runs stands, and
 * of as many the one whose text comes first. */
#include "db/merge.h"

typedef struct cover {
    char *key, *body; /* owned */
    int64_t runs;
} cover;

typedef struct covers {
    HONE_VEC(cover) v;
} covers;

static int by_key_and_worth(const void *x, const void *y)
{
    const cover *a = x, *b = y;
    int order = strcmp(a->key, b->key);
    if (order == 0)
        order = hone_db__order(b->runs, a->runs);
    return order ? order : strcmp(a->body, b->body);
}

static void read_cover(hone_db__source *s, const hone_db_item *i, bool sound, covers *to)
{
    json_t *j = NULL;
    if (!sound) {
        hone_db__merge_leave_out(s, "cover: its checksum does not match");
    } else if (hone_json_parse(i->body, strlen(i->body), &j, NULL) != HONE_OK ||
               !json_is_object(j)) {
        hone_db__merge_leave_out(s, "cover: what it says is no JSON object");
    } else {
        int64_t runs = json_integer_value(json_object_get(j, "runs"));
        hone_vec_push(&to->v, (cover){hone_xstrdup(i->key), hone_xstrdup(i->body), runs});
    }
    json_decref(j);
}

static hone_status read_covers(hone_db__source *s, covers *to, hone_error *err)
{
    sqlite3_stmt *stmt;
    bool got;
    hone_status st;
    HONE_TRY(hone_db__prepare(
        s->db, "SELECT kind, key, alt, body, sum FROM item WHERE kind = '" HONE_DB_COVER "'", &stmt,
        err));
    while ((st = hone_db__step(s->db, stmt, "reading", &got, err)) == HONE_OK && got) {
        hone_db_item i;
        bool sound = hone_db__item_read(stmt, &i);
        read_cover(s, &i, sound, to);
    }
    sqlite3_finalize(stmt);
    return st;
}

hone_status hone_db__merge_items(hone_db__merge *m, hone_error *err)
{
    covers all = {0};
    hone_status st =
        hone_db__exec(m->to, "DELETE FROM item WHERE kind = '" HONE_DB_COVER "'", "merging", err);
    for (unsigned k = 0; k < m->n && st == HONE_OK; k++)
        st = read_covers(&m->sources[k], &all, err);
    if (all.v.n)
        qsort(all.v.v, all.v.n, sizeof *all.v.v, by_key_and_worth);
    for (uint32_t k = 0; k < all.v.n && st == HONE_OK; k++) {
        const cover *c = &all.v.v[k];
        if (k && strcmp(all.v.v[k - 1].key, c->key) == 0)
            continue;
        st = hone_db_item_put(m->to, &(hone_db_item){HONE_DB_COVER, c->key, NULL, c->body}, err);
    }
    for (uint32_t k = 0; k < all.v.n; k++) {
        free(all.v.v[k].key);
        free(all.v.v[k].body);
    }
    hone_vec_free(&all.v);
    return st;
}
