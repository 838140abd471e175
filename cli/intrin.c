/* Intrinsics from files. */
#include "cli/cli.h"
#include "codegen/codegen.h"
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
