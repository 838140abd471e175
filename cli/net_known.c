/* Times and races in the logs. A race is an item of the log (docs/DATABASE.md): its key is made of
 * the kernels, target and threads, and it says which schedules ran. */
#include "cli/net_known.h"

#define KIND HONE_DB_COVER

/* ---- times ----------------------------------------------------------------------------------- */

static hone_status look(const net_make_options *o, const hone_net_kernel_row *row, net_known *ret,
                        hone_error *err)
{
    cli_kernel kernel = {0};
    cli_answer answer = {0};
    const cli_lookup_options how = {.logs = o->logs, .lowest = HONE_RUNG_exact};
    hone_status st = net_made_read_kernel(row, &kernel, err);
    if (st == HONE_OK) {
        ret->program = hone_program_hash(&kernel.program);
        st = cli_look_up(&how, &kernel, o->target, o->threads, &answer, err);
    }
    if (st == HONE_OK) {
        ret->ns = (double)answer.of.time_ns;
        ret->trace = answer.of.record.trace_hash;
    }
    cli_answer_free(&answer);
    cli_kernel_free(&kernel);
    return st == HONE_E_NOTFOUND ? HONE_OK : st;
}

hone_status net_known_look(const hone_net_plan *p, const net_make_options *o, net_known **ret,
                           hone_error *err)
{
    *ret = hone_xcalloc((size_t)p->kernels.n + 1, sizeof **ret);
    for (uint32_t k = 0; k < p->kernels.n; k++) {
        if (!hone_net_plan_may_choose(p, k))
            continue;
        cli_progress_step("looking at kernel %" PRIu32 " of %" PRIu32, k + 1, p->kernels.n);
        HONE_TRY(look(o, &p->kernels.v[k], &(*ret)[k], err));
    }
    return HONE_OK;
}

double *net_known_times(const hone_net_plan *p, const net_known *k)
{
    double *ns = hone_xcalloc((size_t)p->kernels.n + 1, sizeof *ns);
    for (uint32_t i = 0; i < p->kernels.n; i++)
        ns[i] = k[i].ns;
    return ns;
}

/* ---- races ----------------------------------------------------------------------------------- */

static void key_of(const hone_net_choice *c, const net_make_options *o, const net_known *k,
                   char ret[17])
{
    char *target = hone_target_text(o->target);
    uint64_t h = hone_hash_bytes((uint64_t)o->threads, target, strlen(target));
    for (uint32_t i = 0; i < c->n; i++) {
        h = hone_hash_bytes(h, &c->covers[i].n, sizeof c->covers[i].n);
        for (uint32_t j = 0; j < c->covers[i].n; j++) {
            uint64_t program = k[c->covers[i].kernel[j]].program;
            h = hone_hash_bytes(h, &program, sizeof program);
        }
    }
    free(target);
    hone_hash_format(h, ret);
}

static json_t *traces_of(const hone_net_cover *x, const net_known *k)
{
    json_t *all = json_array();
    for (uint32_t j = 0; j < x->n; j++) {
        char hash[17];
        hone_hash_format(k[x->kernel[j]].trace, hash);
        json_array_append_new(all, json_string(hash));
    }
    return all;
}

hone_status net_known_put(hone_db *db, const hone_net_choice *c, const net_make_options *o,
                          const net_known *k, uint32_t runs, hone_error *err)
{
    char key[17];
    json_t *covers = json_array();
    for (uint32_t i = 0; i < c->n; i++)
        json_array_append_new(covers, json_pack("{s:f, s:o}", "raced", c->raced[i], "traces",
                                                traces_of(&c->covers[i], k)));
    json_t *j = json_pack("{s:o, s:i, s:i}", "covers", covers, "runs", (int)runs, "threads",
                          (int)o->threads);
    char *body = json_dumps(j, JSON_COMPACT | JSON_SORT_KEYS);
    key_of(c, o, k, key);
    hone_status st = hone_db_item_put(db, &(hone_db_item){KIND, key, NULL, body}, err);
    free(body);
    json_decref(j);
    return st;
}

/* How many covers of c ran in turns, by this text, with the schedules that there are now. */
static uint32_t read_race(const char *body, hone_net_choice *c, const net_known *k)
{
    json_t *j = NULL;
    uint32_t n = 0;
    if (hone_json_parse(body, strlen(body), &j, NULL) != HONE_OK)
        return 0;
    const json_t *covers = json_object_get(j, "covers");
    for (uint32_t i = 0; i < c->n; i++) {
        const json_t *one = json_array_get(covers, i);
        json_t *now = traces_of(&c->covers[i], k);
        double raced = json_number_value(json_object_get(one, "raced"));
        bool same = json_equal(now, json_object_get(one, "traces"));
        c->raced[i] = same && raced > 0 && raced < 1e3 ? raced : 0;
        n += c->raced[i] > 0;
        json_decref(now);
    }
    json_decref(j);
    return n;
}

static hone_status ask(hone_db *db, hone_net_plan *p, const net_make_options *o, const net_known *k,
                       hone_error *err)
{
    for (uint32_t i = 0; i < p->choices.n; i++) {
        hone_net_choice *c = &p->choices.v[i], found = *c;
        char key[17], *body = NULL;
        bool known = false;
        for (uint32_t j = 0; j < c->n; j++)
            known |= c->raced[j] > 0; /* an earlier log has it */
        key_of(c, o, k, key);
        hone_status st = known ? HONE_OK : hone_db_item_get(db, KIND, key, &body, err);
        if (body && read_race(body, &found, k) >= 2)
            *c = found;
        free(body);
        if (st != HONE_OK && st != HONE_E_NOTFOUND)
            return st;
    }
    return HONE_OK;
}

hone_status net_known_races(hone_net_plan *p, const net_make_options *o, const net_known *k,
                            hone_error *err)
{
    static const char *const usual[] = {"hone.db"};
    const char *const *logs = o->logs->n ? o->logs->v : usual;
    unsigned n = o->logs->n ? o->logs->n : (unsigned)HONE_LEN(usual);
    hone_status st = HONE_OK;
    for (unsigned i = 0; i < n && st == HONE_OK && p->choices.n; i++) {
        char path[PATH_MAX];
        hone_db *db;
        if (cli_log_path(logs[i], path, NULL) != HONE_OK ||
            hone_db_open(path, HONE_DB_READ, &db, NULL) != HONE_OK)
            continue; /* whoever asked for times has said so */
        st = ask(db, p, o, k, err);
        hone_db_close(db);
    }
    return st;
}
