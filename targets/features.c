/* Features: the one reader of LLVM's lists ("+avx2,-sse4a,..."), and what follows from them: what a
 * target has, which code it can run, its class, how fast it can be at most. */
#include "targets/internal.h"

#define GHZ_AT_MOST 7.0
/* Operations for each lane and multiply-add that could start: two of the multiply-add, or three of
 * AVX-512's vpternlog on twice as many pipes; other processors have nothing beyond that. */
#define OPS_PER_LANE 6

/* ---- lists ----------------------------------------------------------------------------------- */

/* The word of a list at *at, which moves on; false: there is none left. */
static bool next_word(const char **at, const char **ret, size_t *ret_n)
{
    while (**at == ',')
        ++*at;
    *ret = *at;
    *ret_n = strcspn(*at, ",");
    *at += *ret_n;
    return *ret_n > 0;
}

bool hone_targets__in_list(const char *list, const char *name, size_t n)
{
    const char *word;
    size_t len;
    while (list && next_word(&list, &word, &len))
        if (len == n && memcmp(word, name, n) == 0)
            return true;
    return false;
}

/* What the target's list says of a feature: '+', '-', or 0 for nothing. The last mention counts. */
static char said_of(const hone_target *t, const char *name, size_t n)
{
    const char *list = t->features, *word;
    size_t len;
    char said = 0;
    while (next_word(&list, &word, &len))
        if (len == n + 1 && memcmp(word + 1, name, n) == 0)
            said = *word;
    return said;
}

/* ---- what follows from a list ---------------------------------------------------------------- */

#define MAX_FEATURES 256

static const hone_preset_feature *find(const hone_preset *p, const char *name, size_t n)
{
    for (const hone_preset_feature *f = p->features; f->name; f++)
        if (strlen(f->name) == n && memcmp(f->name, name, n) == 0)
            return f;
    return NULL;
}

/* The features that imply this one, itself among them, but through none that is switched off. */
static void mark_above(const hone_preset *p, const hone_target *t, const hone_preset_feature *f,
                       bool *marked)
{
    marked[f - p->features] = true;
    for (const hone_preset_feature *g = p->features; g->name; g++)
        if (!marked[g - p->features] &&
            hone_targets__in_list(g->implies, f->name, strlen(f->name)) &&
            said_of(t, g->name, strlen(g->name)) != '-')
            mark_above(p, t, g, marked);
}

static bool cpu_names(const hone_preset *p, const hone_preset_cpu *cpu, const char *name)
{
    for (const hone_preset_cpu *c = cpu; c; c = c->like ? hone_targets__cpu(p, c->like) : NULL)
        if (hone_targets__in_list(c->features, name, strlen(name)))
            return true;
    return false;
}

/* Is something switched off that the feature needs? */
static bool is_denied(const hone_preset *p, const hone_target *t, const hone_preset_feature *f)
{
    const char *list = f->implies, *word;
    size_t n;
    while (list && next_word(&list, &word, &n)) {
        const hone_preset_feature *g = find(p, word, n);
        if (said_of(t, word, n) == '-' || (g && is_denied(p, t, g)))
            return true;
    }
    return false;
}

bool hone_targets__has(const hone_preset *p, const hone_target *t, const char *name, size_t n)
{
    char said = said_of(t, name, n);
    const hone_preset_feature *f = find(p, name, n);
    if (said || !f)
        return said == '+';
    const hone_preset_cpu *cpu = hone_targets__cpu(p, t->cpu);
    bool marked[MAX_FEATURES] = {false}, by_cpu = false;
    mark_above(p, t, f, marked);
    for (unsigned k = 0; p->features[k].name; k++) {
        const char *above = p->features[k].name;
        if (marked[k] && said_of(t, above, strlen(above)) == '+')
            return true;
        by_cpu = by_cpu || (marked[k] && cpu_names(p, cpu ? cpu : p->cpus, above));
    }
    return by_cpu && !is_denied(p, t, f);
}

bool hone_target_has(const hone_target *t, const char *features)
{
    const hone_preset *p = hone_preset_of(t);
    const char *word;
    size_t n;
    while (next_word(&features, &word, &n)) {
        size_t sign = *word == '+';
        if (n > sign && !hone_targets__has(p, t, word + sign, n - sign))
            return false;
    }
    return true;
}

void hone_targets__host_features(const hone_preset *p, const hone_preset_found *h, char *ret)
{
    size_t n = 0, size = sizeof((hone_target *)0)->features;
    bool on[MAX_FEATURES] = {false};
    unsigned count = 0, changed = 1;
    while (p->features[count].name)
        count++;
    for (unsigned k = 0; k < count; k++)
        on[k] = p->features[k].word && h->words[p->features[k].word] >> p->features[k].bit & 1;
    while (changed) { /* what needs something that is not there is not there either */
        changed = 0;
        for (unsigned k = 0; k < count; k++)
            for (unsigned q = 0; on[k] && q < count; q++)
                if (!on[q] && hone_targets__in_list(p->features[k].implies, p->features[q].name,
                                                    strlen(p->features[q].name))) {
                    on[k] = false;
                    changed = 1;
                }
    }
    ret[0] = 0;
    for (unsigned k = 0; k < count; k++)
        if (p->features[k].word) {
            int len = snprintf(ret + n, size - n, "%s%c%s", n ? "," : "", on[k] ? '+' : '-',
                               p->features[k].name);
            HONE_ASSERT(len > 0 && n + (size_t)len < size);
            n += (size_t)len;
        }
}

/* ---- which code runs where ------------------------------------------------------------------- */

/* The first feature that code for `needed` may use and the device has not; NULL: none. A name that
 * no table has is its own. */
static const char *missing(const hone_preset *p, const hone_target *device,
                           const hone_target *needed, size_t *ret_n)
{
    for (const hone_preset_feature *f = p->features; f->name; f++) {
        *ret_n = strlen(f->name);
        if (!f->idle && hone_targets__has(p, needed, f->name, *ret_n) &&
            !hone_targets__has(p, device, f->name, *ret_n))
            return f->name;
    }
    const char *list = needed->features, *word;
    while (next_word(&list, &word, ret_n)) {
        const char *name = word + 1;
        --*ret_n;
        if (*word == '+' && !find(p, name, *ret_n) && said_of(needed, name, *ret_n) == '+' &&
            said_of(device, name, *ret_n) != '+')
            return name;
    }
    return NULL;
}

bool hone_targets__untold(const hone_preset *p, const hone_target *t, char ret[64])
{
    const char *list = t->features, *word;
    size_t n;
    for (const hone_preset_feature *f = p->features; f->name; f++)
        if (!f->idle && !f->word && hone_targets__has(p, t, f->name, strlen(f->name))) {
            snprintf(ret, 64, "%s", f->name);
            return true;
        }
    while (next_word(&list, &word, &n))
        if (*word == '+' && !find(p, word + 1, n - 1) && said_of(t, word + 1, n - 1) == '+') {
            snprintf(ret, 64, "%.*s", (int)(n - 1 < 63 ? n - 1 : 63), word + 1);
            return true;
        }
    return false;
}

bool hone_target_lacks(const hone_target *device, const hone_target *needed, char ret[64])
{
    const hone_preset *p = hone_preset_of(needed);
    size_t n, arch = strcspn(needed->triple, "-");
    bool same = p->archs || (strcspn(device->triple, "-") == arch &&
                             memcmp(device->triple, needed->triple, arch) == 0);
    const char *name = needed->triple;
    if (hone_preset_of(device) != p || !same)
        n = arch;
    else if (!(name = missing(p, device, needed, &n)))
        return false;
    snprintf(ret, 64, "%.*s", (int)(n < 63 ? n : 63), name);
    return true;
}

bool hone_target_can_run(const hone_target *device, const hone_target *needed)
{
    char what[64];
    return !hone_target_lacks(device, needed, what);
}

char *hone_target_class(const hone_target *t)
{
    const hone_preset *p = hone_preset_of(t);
    const hone_preset_class *c = p->classes;
    while (c->feature && !hone_target_has(t, c->feature))
        c++;
    char name[64];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(t->triple, "-"), t->triple);
    return hone_xasprintf("%s/%s",
                          p->archs ? p->name
                          : *name  ? name
                                   : "unknown",
                          c->feature ? c->name : "base");
}

double hone_target_peak_gops(const hone_target *t, int32_t threads, int element_bytes,
                             const char *features)
{
    double slots = (double)t->vector_bytes * t->fma_per_cycle;
    double ops = slots * OPS_PER_LANE / element_bytes;
    for (const hone_preset_peak *k = hone_preset_of(t)->peaks; k->feature; k++) {
        char plus[64];
        snprintf(plus, sizeof plus, "+%s", k->feature);
        if (!hone_targets__in_list(features, k->feature, strlen(k->feature)) &&
            !hone_targets__in_list(features, plus, strlen(plus)))
            continue;
        double most = k->ops > slots * k->ops_per_byte ? k->ops : slots * k->ops_per_byte;
        ops = most > ops ? most : ops;
    }
    return ops * GHZ_AT_MOST * threads;
}
