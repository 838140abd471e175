/* Priors that come with hone: for a log that has taught nothing yet. Each is a file of `hone model
 * export`, whose second line is its data card (docs/MODEL.md). */
#include "tuner/tuner.h"

#define HONE_PRETRAINED(name, class)                         \
    __asm__(".pushsection .rodata\n"                         \
            "hone_prior_" #name ":\n"                        \
            ".incbin \"workloads/models/" #name ".model\"\n" \
            "hone_prior_" #name "_end:\n"                    \
            ".byte 0\n"                                      \
            ".popsection\n");                                \
    extern const char hone_prior_##name[], hone_prior_##name##_end[];
#include "tuner/pretrained.def"
#undef HONE_PRETRAINED

static const struct {
    const char *name, *class, *bytes, *end;
} shipped[] = {
#define HONE_PRETRAINED(name, class) {#name, class, hone_prior_##name, hone_prior_##name##_end},
#include "tuner/pretrained.def"
#undef HONE_PRETRAINED
};

hone_status hone_prior_pretrained(const hone_target *t, hone_model **ret, hone_error *err)
{
    char *class = hone_target_class(t);
    hone_status st = HONE_E_NOTFOUND;
    for (unsigned k = 0; k < HONE_LEN(shipped) && st == HONE_E_NOTFOUND; k++) {
        hone_db_model row;
        if (strcmp(shipped[k].class, class) != 0)
            continue;
        size_t n = (size_t)(shipped[k].end - shipped[k].bytes);
        st = hone_prior_unpack(shipped[k].bytes, n, shipped[k].name, &row, err);
        if (st != HONE_OK)
            continue;
        st = hone_prior_parse(&row, shipped[k].name, ret, err);
        if (st == HONE_E_VERSION) /* as good as none */
            st = HONE_E_NOTFOUND;
        hone_db_model_free(&row);
    }
    if (st == HONE_E_NOTFOUND)
        hone_fail(err, st, "no model of %s comes with this hone", class);
    free(class);
    return st;
}
