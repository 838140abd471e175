/* Targets by a processor's name, without the processor. */
#include "targets/internal.h"

#define MOST_NAMED 4

/* Letters to insert, remove or change to make one name of the other. */
static unsigned difference(const char *a, const char *b)
{
    unsigned row[64];
    size_t n = strlen(b);
    HONE_ASSERT(n < HONE_LEN(row));
    for (unsigned k = 0; k <= n; k++)
        row[k] = k;
    for (unsigned i = 1; *a; a++, i++) {
        unsigned diagonal = row[0];
        row[0] = i;
        for (unsigned k = 1; k <= n; k++) {
            unsigned changed = diagonal + (*a != b[k - 1]);
            diagonal = row[k];
            unsigned shifted = (row[k] < row[k - 1] ? row[k] : row[k - 1]) + 1;
            row[k] = changed < shifted ? changed : shifted;
        }
    }
    return row[n];
}

/* Every architecture has a "generic" one, which therefore names none; a name that two have is the
 * first one's. */
static bool names_one(const hone_preset *p, const hone_preset_cpu *c)
{
    if (strcmp(c->name, "generic") == 0)
        return false;
    for (unsigned k = 0; hone_preset_at(k) != p; k++)
        if (hone_targets__cpu(hone_preset_at(k), c->name))
            return false;
    return true;
}

/* The k-th of a preset: its processors that name one, then its other names; false: it has fewer. */
static bool name_of(const hone_preset *p, unsigned k, hone_preset_name *ret)
{
    for (const hone_preset_cpu *c = p->cpus; c->name; c++)
        if (names_one(p, c) && k-- == 0) {
            *ret = (hone_preset_name){c->name, c->name, p->assumed ? p->assumed : "", 0};
            return true;
        }
    for (const hone_preset_name *n = p->names; n && n->name; n++)
        if (k-- == 0) {
            *ret = *n;
            return true;
        }
    return false;
}

/* The same of all presets, with whose it is. */
static bool any_name(unsigned k, const hone_preset **ret_whose, hone_preset_name *ret)
{
    for (unsigned a = 0; (*ret_whose = hone_preset_at(a)); a++)
        for (unsigned q = 0; name_of(*ret_whose, q, ret); q++)
            if (k-- == 0)
                return true;
    return false;
}

const char *hone_target_name_at(unsigned k)
{
    const hone_preset *p;
    hone_preset_name n;
    return any_name(k, &p, &n) ? n.name : NULL;
}

static bool find(const char *name, const hone_preset **ret_whose, hone_preset_name *ret)
{
    for (unsigned a = 0; (*ret_whose = hone_preset_at(a)); a++)
        for (unsigned q = 0; name_of(*ret_whose, q, ret); q++)
            if (strcmp(ret->name, name) == 0)
                return true;
    return false;
}

static hone_status unknown(const char *name, hone_error *err)
{
    const char *near[MOST_NAMED] = {NULL};
    unsigned distance[MOST_NAMED];
    for (unsigned k = 0; k < MOST_NAMED; k++)
        distance[k] = UINT32_MAX;
    const hone_preset *p;
    for (unsigned a = 0; (p = hone_preset_at(a)); a++) {
        hone_preset_name c;
        for (unsigned k = 0; name_of(p, k, &c); k++) {
            unsigned d = difference(name, c.name), at = MOST_NAMED;
            while (at > 0 && d < distance[at - 1])
                at--;
            for (unsigned q = MOST_NAMED - 1; q > at && at < MOST_NAMED; q--) {
                near[q] = near[q - 1];
                distance[q] = distance[q - 1];
            }
            if (at < MOST_NAMED) {
                near[at] = c.name;
                distance[at] = d;
            }
        }
    }
    hone_buf list = {0};
    for (unsigned k = 0; k < MOST_NAMED && near[k]; k++)
        hone_buf_printf(&list, "%s%s", k ? ", " : "", near[k]);
    char *shown = hone_text_clean(name);
    hone_status s = hone_fail(err, HONE_E_INPUT,
                              "no processor is called '%.80s'; names like it: %s (`hone targets` "
                              "lists all)",
                              shown, list.s);
    free(shown);
    hone_buf_free(&list);
    return s;
}

hone_status hone_target_named(const char *name, hone_target *ret, hone_error *err)
{
    const hone_preset *p;
    hone_preset_name what;
    if (strlen(name) >= sizeof ret->cpu || !find(name, &p, &what))
        return unknown(name, err);
    const hone_preset_numbers *m = hone_preset_numbers_of(what.cpu);
    hone_target t = {.cores = what.cores ? what.cores : p->usual.cores,
                     .cache_line = m ? m->cache_line : p->usual.cache_line,
                     .l1_bytes = m ? m->l1_bytes : p->usual.l1_bytes,
                     .l2_bytes = m ? m->l2_bytes : p->usual.l2_bytes,
                     .l3_bytes = m ? m->l3_bytes : p->usual.l3_bytes};
    snprintf(t.triple, sizeof t.triple, "%s", p->triple);
    snprintf(t.cpu, sizeof t.cpu, "%s", what.cpu);
    snprintf(t.features, sizeof t.features, "%s", what.features);
    hone_targets__find_vectors(&t, 0);
    *ret = t;
    return HONE_OK;
}
