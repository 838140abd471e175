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

/* Did results of this class teach the model of which this is told? */
static bool is_taught_by(const char *about, const char *class)
{
    size_t k;
    json_t *j, *x;
    bool ret = false;
    if (hone_json_parse(about, strlen(about), &j, NULL) != HONE_OK)
        return false;
    json_array_foreach(json_object_get(j, "classes"), k, x)
    {
        ret |= json_is_string(x) && strcmp(json_string_value(x), class) == 0;
    }
    json_decref(j);
    return ret;
}

/* taught_by: a class, without whose results it is none; NULL: it is one in any case. */
static hone_status unpack(unsigned k, const char *taught_by, hone_model **ret, hone_error *err)
{
    hone_db_model row;
    size_t n = (size_t)(shipped[k].end - shipped[k].bytes);
    HONE_TRY(hone_prior_unpack(shipped[k].bytes, n, shipped[k].name, &row, err));
    hone_status st = HONE_E_NOTFOUND;
    if (!taught_by || is_taught_by(row.about, taught_by))
        st = hone_prior_parse(&row, shipped[k].name, ret, err);
    hone_db_model_free(&row);
    return st == HONE_E_VERSION ? HONE_E_NOTFOUND : st; /* as good as none */
}

/* How well a model suits a target of this class: one of its own class, of its architecture, any. */
enum { OWN, KIN, ANY };

static int suits(unsigned k, const char *class)
{
    if (hone_target_class_within(class, shipped[k].class))
        return OWN;
    char *arch = hone_target_class_arch(class);
    bool kin = hone_target_class_within(shipped[k].class, arch);
    free(arch);
    return kin ? KIN : ANY;
}

hone_status hone_prior_pretrained(const hone_target *t, bool near, hone_model **ret,
                                  hone_error *err)
{
    char *class = hone_target_class(t);
    hone_status st = HONE_E_NOTFOUND;
    for (int how = OWN; how <= (near ? ANY : OWN); how++)
        for (unsigned k = 0; k < HONE_LEN(shipped) && st == HONE_E_NOTFOUND; k++)
            if (suits(k, class) == how)
                st = unpack(k, near ? NULL : class, ret, err);
    if (st == HONE_E_NOTFOUND)
        hone_fail(err, st, "no model of %s comes with this hone", class);
    free(class);
    return st;
}
