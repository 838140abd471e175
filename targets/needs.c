/* What a target asks of a processor, in numbers that a program can compare when it runs. */
#include "targets/internal.h"

typedef struct needs {
    hone_target_need *v;
    unsigned n;
} needs;

static void add(needs *to, const hone_preset_source *s, uint32_t mask)
{
    unsigned k = 0;
    while (k < to->n && (to->v[k].leaf != s->leaf || to->v[k].subleaf != s->subleaf ||
                         to->v[k].reg != (uint32_t)s->reg))
        k++;
    if (k == to->n) {
        HONE_ASSERT(to->n < HONE_TARGET_MAX_NEEDS);
        to->v[to->n++] = (hone_target_need){s->leaf, s->subleaf, (uint32_t)s->reg, 0};
    }
    to->v[k].mask |= mask;
}

/* The registers come in the order of the preset's sources whatever the order of its features, so
 * equal targets have equal needs. */
static void collect(const hone_preset *p, const hone_target *t, needs *ret)
{
    for (const hone_preset_source *s = p->sources; s->word; s++) {
        uint32_t mask = 0;
        for (const hone_preset_feature *f = p->features; f->name; f++)
            if (f->word == s->word && !f->idle && hone_targets__has(p, t, f->name, strlen(f->name)))
                mask |= !s->bits ? 1u << f->bit : s->bits >> f->bit & 1 ? s->mask : 0;
        if (mask)
            add(ret, s, mask);
    }
    uint32_t length = 0;
    for (int32_t bytes = 16; p->scalable && bytes < t->vector_bytes; bytes *= 2)
        length = length << 1 | 2; /* bit k: 16 << k */
    if (length && hone_targets__has(p, t, p->scalable, strlen(p->scalable)))
        add(ret, &(hone_preset_source){.reg = HONE_TARGET_VECTORS}, length);
}

hone_status hone_target_needs(const hone_target *t, hone_target_need ret[HONE_TARGET_MAX_NEEDS],
                              unsigned *ret_n, hone_error *err)
{
    const hone_preset *p = hone_preset_of(t);
    needs all = {.v = ret};
    *ret_n = 0;
    if (!p->sources)
        return hone_fail(err, HONE_E_INPUT,
                         "hone does not know how a program finds out what a processor like %s has, "
                         "so it cannot choose between variants there",
                         t->triple);
    if (t->cpu[0] && !hone_targets__cpu(p, t->cpu)) {
        char *shown = hone_text_clean(t->cpu);
        hone_status s =
            hone_fail(err, HONE_E_INPUT,
                      "hone does not know what the processor '%s' has, so it cannot say "
                      "where a variant for it runs; give one of docs/TARGETS.md",
                      shown);
        free(shown);
        return s;
    }
    char name[64];
    if (hone_targets__untold(p, t, name))
        return hone_fail(err, HONE_E_INPUT,
                         "%s: a program cannot find out whether its processor has '%s', so no "
                         "variant may use it; take +%s out of the target's \"mattr\"",
                         t->cpu, name, name);
    collect(p, t, &all);
    *ret_n = all.n;
    return HONE_OK;
}
