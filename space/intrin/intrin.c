/* Sets of intrinsics, and those that come with hone. */
#include "space/intrin/internal.h"
#include "targets/preset.h"

#include <pthread.h>

struct hone_intrin_set {
    hone_intrin__vec v;
    hone_buf text; /* of those added */
};

static hone_intrin_set *shipped;
static pthread_once_t shipped_once = PTHREAD_ONCE_INIT;

static void read_shipped(void)
{
    hone_error err;
    const hone_preset *p;
    shipped = hone_xcalloc(1, sizeof *shipped);
    for (unsigned k = 0; (p = hone_preset_at(k)); k++) {
        size_t n = (size_t)(p->intrins_end - p->intrins);
        if (p->intrins && hone_intrin__read(p->name, p->intrins, n, &shipped->v, &err) != HONE_OK) {
            hone_log(HONE_LOG_ERROR, "%s", err.message);
            hone_bug(__FILE__, __LINE__, "the intrinsics that come with hone do not read");
        }
    }
}

const hone_intrin_set *hone_intrin_shipped(void)
{
    pthread_once(&shipped_once, read_shipped);
    return shipped;
}

hone_intrin_set *hone_intrin_set_new(void)
{
    (void)hone_intrin_shipped();
    return hone_xcalloc(1, sizeof(hone_intrin_set));
}

void hone_intrin_set_free(hone_intrin_set *s)
{
    if (!s)
        return;
    for (uint32_t k = 0; k < s->v.n; k++)
        hone_intrin__free(&s->v.v[k]);
    hone_vec_free(&s->v);
    hone_buf_free(&s->text);
    free(s);
}

unsigned hone_intrin_count(const hone_intrin_set *s)
{
    return s->v.n + (s == shipped ? 0 : shipped->v.n);
}

/* Those added first: somebody wanted them. */
const hone_intrin *hone_intrin_at(const hone_intrin_set *s, unsigned k)
{
    return k < s->v.n ? &s->v.v[k] : &shipped->v.v[k - s->v.n];
}

const hone_intrin *hone_intrin_find(const hone_intrin_set *s, const char *name)
{
    for (unsigned k = 0; k < hone_intrin_count(s); k++)
        if (strcmp(hone_intrin_at(s, k)->name, name) == 0)
            return hone_intrin_at(s, k);
    return NULL;
}

const char *hone_intrin_set_text(const hone_intrin_set *s)
{
    return s->text.s ? s->text.s : "";
}

hone_status hone_intrin_set_add(hone_intrin_set *s, const char *file, const char *text, size_t n,
                                hone_error *err)
{
    uint32_t before = s->v.n;
    hone_error_clear(err);
    hone_status st = HONE_OK;
    if (n > HONE_INTRIN_MAX_BYTES || s->text.n + n > HONE_INTRIN_MAX_BYTES)
        st = hone_fail(err, HONE_E_LIMIT, "%.120s: more than %u bytes of intrinsics", file,
                       HONE_INTRIN_MAX_BYTES);
    if (st == HONE_OK)
        st = hone_intrin__read(file, text, n, &s->v, err);
    for (uint32_t k = before; st == HONE_OK && k < s->v.n; k++)
        if (hone_intrin_find(s, s->v.v[k].name) != &s->v.v[k] ||
            hone_intrin_find(shipped, s->v.v[k].name))
            st = hone_fail(err, HONE_E_INPUT, "%.120s: there is an intrinsic '%s' already", file,
                           s->v.v[k].name);
    if (st == HONE_OK && s->v.n > HONE_INTRIN_MAX_COUNT)
        st = hone_fail(err, HONE_E_LIMIT, "%.120s: more than %d intrinsics", file,
                       HONE_INTRIN_MAX_COUNT);
    if (st != HONE_OK) {
        while (s->v.n > before)
            hone_intrin__free(&s->v.v[--s->v.n]);
        return st;
    }
    hone_buf_add(&s->text, text, n);
    if (n && text[n - 1] != '\n')
        hone_buf_puts(&s->text, "\n");
    return HONE_OK;
}
