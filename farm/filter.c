/* Which devices a job may run on: "arch=aarch64,label=kitchen" holds of a device when each of its
 * terms is among those the device says of itself; cores>=N asks for a number, name=NAME is the
 * device's own. And the device must be able to run the job's code, as far as both are known: by
 * what it says it is, as a target. Devices that say the same are of one kind, so that a filter is
 * decided once for each kind and then is a bit. */
#include "farm/internal.h"
#include "targets/preset.h"

/* The next term of a list, [*s, *s + *n); false at the end. */
static bool term(const char **s, size_t *n)
{
    *s += *n;
    if (**s == ',')
        (*s)++;
    *n = strcspn(*s, ",");
    return **s != 0;
}

bool hone_farm__filter_valid(const char *text)
{
    const char *s = text;
    size_t n = 0;
    size_t length = strlen(text);
    if (length >= HONE_FARM_FILTER || text[0] == ',' || (length && text[length - 1] == ','))
        return false;
    for (const char *c = text; *c; c++)
        if (*c < ' ' || *c == 127)
            return false;
    while (term(&s, &n)) {
        const char *is = memchr(s, '=', n);
        if (!is || is == s || is == s + n - 1)
            return false;
    }
    return true;
}

static bool is_name(const char *s, size_t n)
{
    return n > 5 && memcmp(s, "name=", 5) == 0;
}

static bool has(const char *attrs, const char *that, size_t n_that)
{
    size_t n = 0;
    while (term(&attrs, &n))
        if (n == n_that && memcmp(attrs, that, n) == 0)
            return true;
    return false;
}

/* "cores>=8" of a device that says cores=16. */
static bool has_least(const char *attrs, const char *that, size_t n_that)
{
    const char *gt = memchr(that, '>', n_that);
    size_t key = gt ? (size_t)(gt - that) : 0, n = 0;
    if (key == 0 || key + 2 >= n_that || gt[1] != '=')
        return false;
    while (term(&attrs, &n))
        if (n > key + 1 && memcmp(attrs, that, key) == 0 && attrs[key] == '=' &&
            strtoll(attrs + key + 1, NULL, 10) >= strtoll(gt + 2, NULL, 10))
            return true;
    return false;
}

bool hone_farm_filter_holds(const char *text, const char *attrs)
{
    size_t n = 0;
    while (term(&text, &n))
        if (n > 0 && !is_name(text, n) && !has(attrs, text, n) && !has_least(attrs, text, n))
            return false;
    return true;
}

/* A text that is no target says nothing. */
static void compare(const char *is, const char *needs, char ret[64])
{
    hone_target device, code;
    ret[0] = 0;
    if (hone_target_parse(is, &device, NULL) != HONE_OK ||
        hone_target_parse(needs, &code, NULL) != HONE_OK ||
        !hone_target_lacks(&device, &code, ret) || hone_preset_of(&device) != hone_preset_of(&code))
        return;
    for (const hone_preset_class *c = hone_preset_of(&code)->classes; c->feature; c++)
        if (hone_target_has(&code, c->feature) && !hone_target_has(&device, c->feature)) {
            snprintf(ret, 64, "%s", c->feature); /* which tells the most */
            return;
        }
}

/* Asked once of each machine. */
static const char *lack(filter *x, const machine *m)
{
    char what[64];
    if (!x->needs || !*m->text)
        return "";
    while (x->lacks.n <= m->index)
        hone_vec_push(&x->lacks, NULL);
    if (!x->lacks.v[m->index]) {
        compare(m->text, x->needs, what);
        x->lacks.v[m->index] = hone_xstrdup(what);
    }
    return x->lacks.v[m->index];
}

#define SET_BIT(bits, k, on)                                    \
    do {                                                        \
        while ((bits).n <= (k) / 64)                            \
            hone_vec_push(&(bits), 0);                          \
        (bits).v[(k) / 64] &= ~(UINT64_C(1) << (k) % 64);       \
        (bits).v[(k) / 64] |= (uint64_t)(bool)(on) << (k) % 64; \
    } while (0)

static void decide(filter *x, const dev_kind *k)
{
    bool holds = hone_farm_filter_holds(x->text, k->attrs);
    SET_BIT(x->holds, k->index, holds);
    SET_BIT(x->kinds, k->index, holds && !*lack(x, k->machine));
}

static bool is_meant(const filter *x, const worker *w)
{
    return !x->name[0] || strcmp(x->name, w->row.name) == 0;
}

bool hone_farm__filter_fits(const filter *x, const worker *w)
{
    uint32_t word = w->kind->index / 64;
    return word < x->kinds.n && x->kinds.v[word] >> w->kind->index % 64 & 1 && is_meant(x, w);
}

const char *hone_farm__filter_lacks(const filter *x, const worker *w)
{
    uint32_t word = w->kind->index / 64, m = w->kind->machine->index;
    if (word >= x->holds.n || !(x->holds.v[word] >> w->kind->index % 64 & 1) || !is_meant(x, w))
        return NULL;
    return m < x->lacks.n && x->lacks.v[m] && *w->kind->machine->text ? x->lacks.v[m] : "";
}

bool hone_farm__filter_suits(const filter *x, const char *name, const char *attrs,
                             const char *target)
{
    char what[64] = "";
    if (x->needs && target)
        compare(target, x->needs, what);
    return !what[0] && hone_farm_filter_holds(x->text, attrs) &&
           (!x->name[0] || strcmp(x->name, name) == 0);
}

static uint64_t filter_hash(const char *text, const char *needs)
{
    uint64_t h = hone_hash_bytes(1, text, strlen(text));
    return needs ? hone_hash_bytes(h, needs, strlen(needs)) : h;
}

filter *hone_farm__filter_get(hone_farm *f, const char *text, const char *needs)
{
    uint64_t hash = filter_hash(text, needs);
    const char *held = needs ? hone_text_hold(needs) : NULL;
    uint32_t at = 0;
    filter *x;
    while ((x = hone_map_next(&f->filters, hash, &at)))
        if (x->needs == held && strcmp(x->text, text) == 0) {
            hone_text_drop(held);
            x->refs++;
            return x;
        }
    x = hone_xcalloc(1, sizeof *x);
    x->text = hone_xstrdup(text);
    x->needs = held;
    x->refs = 1;
    const char *s = x->text;
    for (size_t n = 0; term(&s, &n);)
        if (is_name(s, n) && n - 5 < sizeof x->name)
            snprintf(x->name, sizeof x->name, "%.*s", (int)(n - 5), s + 5);
    for (uint32_t i = 0; i < f->kinds.n; i++)
        decide(x, f->kinds.v[i]);
    hone_map_add(&f->filters, hash, x);
    hone_vec_push(&f->all_filters, x);
    return x;
}

static void filter_free(filter *x)
{
    for (uint32_t i = 0; i < x->lacks.n; i++)
        free(x->lacks.v[i]);
    hone_vec_free(&x->lacks);
    hone_vec_free(&x->holds);
    hone_vec_free(&x->kinds);
    free(x->text);
    hone_text_drop(x->needs);
    free(x);
}

void hone_farm__filter_put(hone_farm *f, filter *x)
{
    if (!x || --x->refs > 0)
        return;
    for (uint32_t i = 0; i < f->all_filters.n; i++)
        if (f->all_filters.v[i] == x)
            f->all_filters.v[i--] = f->all_filters.v[--f->all_filters.n];
    hone_map_remove(&f->filters, filter_hash(x->text, x->needs), x);
    filter_free(x);
}

/* Takes the text, which is held. */
static machine *machine_get(hone_farm *f, const char *text)
{
    machine *m = NULL;
    for (uint32_t i = 0; i < f->machines.n; i++) {
        machine *x = f->machines.v[i];
        if (x->text == text) {
            hone_text_drop(text);
            return x;
        }
        if (x->n_kinds == 0)
            m = x;
    }
    if (!m) {
        m = hone_xcalloc(1, sizeof *m);
        m->index = f->machines.n;
        hone_vec_push(&f->machines, m);
    }
    for (uint32_t i = 0; i < f->all_filters.n; i++) { /* what was said of the one before */
        filter *x = f->all_filters.v[i];
        if (m->index < x->lacks.n) {
            free(x->lacks.v[m->index]);
            x->lacks.v[m->index] = NULL;
        }
    }
    hone_text_drop(m->text);
    m->text = text;
    return m;
}

dev_kind *hone_farm__kind_get(hone_farm *f, const char *attrs, const char *target)
{
    dev_kind *unused = NULL;
    machine *m = machine_get(f, hone_text_hold(target));
    for (uint32_t i = 0; i < f->kinds.n; i++) {
        dev_kind *k = f->kinds.v[i];
        if (k->machine == m && strcmp(k->attrs, attrs) == 0)
            return k;
        if (k->n_workers == 0)
            unused = k;
    }
    dev_kind *k = unused;
    if (!k) {
        k = hone_xcalloc(1, sizeof *k);
        k->index = f->kinds.n;
        hone_farm__ring_init(&k->free);
        hone_vec_push(&f->kinds, k);
    }
    if (k->machine)
        k->machine->n_kinds--;
    k->machine = m;
    m->n_kinds++;
    free(k->attrs);
    k->attrs = hone_xstrdup(attrs);
    for (uint32_t i = 0; i < f->all_filters.n; i++)
        decide(f->all_filters.v[i], k);
    return k;
}

void hone_farm__attr(const char *attrs, const char *key, char *ret, size_t n_ret)
{
    size_t n = 0, n_key = strlen(key);
    ret[0] = 0;
    while (term(&attrs, &n))
        if (n > n_key && memcmp(attrs, key, n_key) == 0 && attrs[n_key] == '=') {
            snprintf(ret, n_ret, "%.*s", (int)(n - n_key - 1), attrs + n_key + 1);
            return;
        }
}

unsigned hone_farm__class_get(hone_farm *f, const char *attrs)
{
    char name[HONE_FARM_NAME];
    hone_farm__attr(attrs, "class", name, sizeof name);
    if (!name[0])
        hone_farm__attr(attrs, "arch", name, sizeof name);
    for (uint32_t i = 1; i < f->classes.n; i++)
        if (strcmp(f->classes.v[i].name, name) == 0)
            return i;
    if (f->classes.n == CLASSES)
        return CLASSES - 1;
    hone_vec_push(&f->classes, (dev_class){0});
    snprintf(f->classes.v[f->classes.n - 1].name, HONE_FARM_NAME, "%s", name);
    return f->classes.n - 1;
}

void hone_farm__filters_free(hone_farm *f)
{
    for (uint32_t i = 0; i < f->kinds.n; i++) {
        free(f->kinds.v[i]->attrs);
        free(f->kinds.v[i]);
    }
    for (uint32_t i = 0; i < f->machines.n; i++) {
        hone_text_drop(f->machines.v[i]->text);
        free(f->machines.v[i]);
    }
    for (uint32_t i = 0; i < f->all_filters.n; i++)
        filter_free(f->all_filters.v[i]);
    hone_vec_free(&f->kinds);
    hone_vec_free(&f->machines);
    hone_vec_free(&f->all_filters);
    hone_map_free(&f->filters);
}
