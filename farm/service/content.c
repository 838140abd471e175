/* What units are named by: all that their result may depend on. */
#include "farm/service/crew.h"

#include <sodium.h>

static void add(crypto_generichash_state *h, const void *p, size_t n)
{
    uint64_t size = n; /* so that two texts are not one */
    crypto_generichash_update(h, (const uint8_t *)&size, sizeof size);
    crypto_generichash_update(h, p, n);
}

static void add_text(crypto_generichash_state *h, const char *s)
{
    add(h, s ? s : "\1", s ? strlen(s) : 1);
}

static hone_farm_key end(crypto_generichash_state *h)
{
    hone_farm_key k;
    crypto_generichash_final(h, (uint8_t *)k.v, sizeof k.v);
    k.v[0] |= 1; /* zero is the canary's */
    return k;
}

hone_farm_key hone_service__key_of_artifact(const hone_artifact *a)
{
    crypto_generichash_state state, *h = &state;
    crypto_generichash_init(h, NULL, 0, sizeof(hone_farm_key));
    add(h, a->bytes ? a->bytes : (const uint8_t *)"", a->n);
    for (uint32_t i = 0; i < a->manifest.n_args; i++) {
        const hone_arg *x = &a->manifest.args[i];
        const int64_t n[] = {x->elem, x->is_output, x->count, x->pack_bytes};
        const double d[] = {x->lo, x->hi};
        add_text(h, x->name);
        add(h, n, sizeof n);
        add(h, d, sizeof d);
    }
    add(h, &a->manifest.flops, sizeof a->manifest.flops);
    return end(h);
}

/* ---- units ---------------------------------------------------------------------------------- */

hone_farm_key hone_service__key_of_build(const hone_build_job *b)
{
    crypto_generichash_state h;
    const int64_t n[] = {b->threads, b->reference};
    crypto_generichash_init(&h, NULL, 0, sizeof(hone_farm_key));
    add_text(&h, "build " HONE_VERSION);
    add_text(&h, b->workload);
    add_text(&h, b->trace);
    add_text(&h, b->target);
    add_text(&h, b->intrins);
    add(&h, n, sizeof n);
    return end(&h);
}

hone_farm_key hone_service__key_of_measure(const hone_measure_job *m,
                                           const hone_farm_key contents[3])
{
    crypto_generichash_state h;
    const int64_t n[] = {m->threads,     (int64_t)m->data_seed, m->check_ms,  m->run_ms,
                         m->min_samples, m->max_samples,        m->sample_ns, m->reference_ms};
    const double d[] = {m->tolerance, m->peak_gflops};
    crypto_generichash_init(&h, NULL, 0, sizeof(hone_farm_key));
    add_text(&h, "measure " HONE_VERSION);
    add_text(&h, m->target);
    for (int i = 0; i < 3; i++)
        add(&h, contents[i].v, sizeof contents[i].v);
    add(&h, n, sizeof n);
    add(&h, d, sizeof d);
    return end(&h);
}

hone_farm_key hone_service__key_of_repetition(hone_farm_key content, uint32_t n)
{
    crypto_generichash_state h;
    if (n == 0)
        return content;
    crypto_generichash_init(&h, NULL, 0, sizeof content);
    add_text(&h, "again");
    add(&h, content.v, sizeof content.v);
    add(&h, &n, sizeof n);
    return end(&h);
}
