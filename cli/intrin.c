/* Intrinsics from files, and those that a tuning run has left in the log. */
#include "cli/cli.h"
#include "codegen/codegen.h"
#include "db/db.h"
#include "space/intrin/intrin.h"
#include "workers/builder.h"

#define MAX_FILE ((size_t)1 << 20)

hone_status cli_intrins_load(const cli_list *files, hone_intrin_set *set, hone_error *err)
{
    for (unsigned k = 0; k < files->n; k++) {
        char *text = NULL;
        size_t n = 0;
        hone_status st = hone_file_read(files->v[k], MAX_FILE, &text, &n, err);
        if (st == HONE_OK)
            st = hone_intrin_set_add(set, files->v[k], text, n, err);
        free(text);
        if (st != HONE_OK)
            return st;
    }
    return HONE_OK;
}

hone_status cli_intrins_check(const hone_intrin_set *set, const hone_target *t, hone_error *err)
{
    unsigned n, own = hone_intrin_count(set) - hone_intrin_count(hone_intrin_shipped());
    hone_codegen *g = NULL;
    hone_codegen_intrin *v = hone_builder_intrins(set, &n);
    hone_status st = own ? hone_codegen_new(t, &g, err) : HONE_OK;
    for (unsigned k = 0; k < own && st == HONE_OK; k++) { /* those added come first */
        st = hone_codegen_check_intrin(g, &v[k], err);
        if (st == HONE_REJECT_BUILD) {
            hone_log(HONE_LOG_WARN, "intrinsic %s is not used: the target lacks features of \"%s\"",
                     v[k].name, v[k].features);
            st = HONE_OK;
        }
    }
    hone_codegen_free(g);
    free(v);
    return st;
}

hone_status cli_intrins_recall(hone_db *db, int64_t session_id, hone_intrin_set *set,
                               hone_error *err)
{
    hone_db_session s;
    json_t *state;
    if (session_id == 0 || hone_intrin_set_text(set)[0])
        return HONE_OK; /* those given on the command line stand for the log's */
    hone_status st = hone_db_session_load(db, session_id, &s, err);
    if (st == HONE_E_NOTFOUND)
        return HONE_OK;
    if (st != HONE_OK)
        return st;
    st = hone_json_parse(s.state, strlen(s.state), &state, err);
    if (st == HONE_OK) {
        const char *text = json_string_value(json_object_get(state, "intrins"));
        if (text)
            st = hone_intrin_set_add(set, "the log's intrinsics", text, strlen(text), err);
        json_decref(state);
    }
    hone_db_session_free(&s);
    return st;
}
