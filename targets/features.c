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
        if (!marked[g - p->features] && g->implies &&
            strstr(g->implies, f->name) && /* which is quick, and mostly the answer */
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

/* The feature of a word, or -1. */
static int number_of(const hone_preset *p, const char *name, size_t n)
{
    for (int k = 0; p->features[k].name; k++)
        if (p->features[k].name[0] == name[0] && strncmp(p->features[k].name, name, n) == 0 &&
            p->features[k].name[n] == 0)
            return k;
    return -1;
}

/* Marks it, and what it implies, but for what is switched off. */
static void mark_below(const hone_preset *p, const char *said, int f, bool *marked)
{
    const char *list = p->features[f].implies, *word;
    size_t n;
    if (marked[f] || said[f] == '-')
        return;
    marked[f] = true;
    while (list && next_word(&list, &word, &n)) {
        int g = number_of(p, word, n);
        if (g >= 0)
            mark_below(p, said, g, marked);
    }
}

void hone_targets__all(const hone_preset *p, const hone_target *t, bool *ret)
{
    char said[MAX_FEATURES] = {0};
    bool told[MAX_FEATURES] = {false}, by_cpu[MAX_FEATURES] = {false};
    const hone_preset_cpu *cpu = hone_targets__cpu(p, t->cpu);
    const char *list = t->features, *word;
    size_t n;
    int f;
    while (next_word(&list, &word, &n))
        if ((f = number_of(p, word + 1, n - 1)) >= 0)
            said[f] = *word;
    for (f = 0; p->features[f].name; f++)
        if (said[f] == '+')
            mark_below(p, said, f, told);
    for (cpu = cpu ? cpu : p->cpus; cpu; cpu = cpu->like ? hone_targets__cpu(p, cpu->like) : NULL)
        for (list = cpu->features; list && next_word(&list, &word, &n);)
            if ((f = number_of(p, word, n)) >= 0)
                mark_below(p, said, f, by_cpu);
    for (f = 0; p->features[f].name; f++)
        ret[f] =
            said[f] ? said[f] == '+' : told[f] || (by_cpu[f] && !is_denied(p, t, &p->features[f]));
}

unsigned hone_target_beyond(const hone_target *a, const hone_target *b)
{
    const hone_preset *p = hone_preset_of(a);
    bool of_a[MAX_FEATURES], of_b[MAX_FEATURES] = {false};
    unsigned ret = 0;
    hone_targets__all(p, a, of_a);
    if (hone_preset_of(b) == p)
        hone_targets__all(p, b, of_b);
    for (unsigned k = 0; p->features[k].name; k++)
        ret += !p->features[k].idle && of_a[k] && !of_b[k];
    return ret;
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

/* Adds a feature at n of a list; returns where the next goes. */
static size_t say(char *list, size_t size, size_t n, const hone_preset_feature *f, bool on)
{
    int len = snprintf(list + n, size - n, "%s%c%s", n ? "," : "", on ? '+' : '-', f->name);
    HONE_ASSERT(len > 0 && n + (size_t)len < size);
    return n + (size_t)len;
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
    const char *order = p->host_order, *word;
    size_t len;
    bool said[MAX_FEATURES] = {false};
    while (order && next_word(&order, &word, &len)) {
        const char *bar = memchr(word, '|', len);
        size_t first = bar ? (size_t)(bar - word) : len;
        int k = number_of(p, word, first);
        HONE_ASSERT(k >= 0 && p->features[k].word);
        if (first < len && !on[k]) {
            said[k] = true; /* by saying nothing */
            k = number_of(p, word + first + 1, len - first - 1);
            HONE_ASSERT(k >= 0 && p->features[k].word);
        }
        if (!said[k])
            n = say(ret, size, n, &p->features[k], on[k]);
        said[k] = true;
    }
    for (unsigned k = 0; k < count; k++)
        if (p->features[k].word && !said[k])
            n = say(ret, size, n, &p->features[k], on[k]);
}

/* ---- which code runs where ------------------------------------------------------------------- */

/* The first feature that code for `needed` may use and the device has not; NULL: none. A name that
 * no table has is its own. */
static const char *missing(const hone_preset *p, const hone_target *device,
                           const hone_target *needed, size_t *ret_n)
{
    bool wants[MAX_FEATURES], has[MAX_FEATURES];
    hone_targets__all(p, needed, wants);
    hone_targets__all(p, device, has);
    for (unsigned k = 0; p->features[k].name; k++)
        if (!p->features[k].idle && wants[k] && !has[k]) {
            *ret_n = strlen(p->features[k].name);
            return p->features[k].name;
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

/* Code for scalable vectors is for those of a length, or longer ones. */
static bool has_shorter_vectors(const hone_preset *p, const hone_target *device,
                                const hone_target *needed)
{
    return p->scalable && device->vector_bytes < needed->vector_bytes &&
           hone_targets__has(p, needed, p->scalable, strlen(p->scalable));
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
    else if (!(name = missing(p, device, needed, &n))) {
        if (!has_shorter_vectors(p, device, needed))
            return false;
        snprintf(ret, 64, "%s of %d bits", p->scalable, 8 * needed->vector_bytes);
        return true;
    }
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

char *hone_target_class_arch(const char *class)
{
    return hone_xasprintf("%.*s", (int)strcspn(class, "/"), class);
}

bool hone_target_class_within(const char *class, const char *of)
{
    size_t n = strlen(of);
    return strncmp(class, of, n) == 0 && (class[n] == 0 || class[n] == '/');
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
