/* The machine of the draft: its numbers as a preset has them, and as text. */
#include "costmodel/internal.h"
#include "targets/preset.h"

#include <math.h>

static const struct {
    const char *name;
    size_t offset;
    double least, most;
} numbers[] = {
#define HONE_MACHINE(name, least, most, text) {#name, offsetof(hone_machine, name), least, most},
#include "costmodel/machine.def"
#undef HONE_MACHINE
};

static double *number(hone_machine *m, size_t k)
{
    return (double *)((char *)m + numbers[k].offset);
}

/* A target's number is whole: where a pipe needs several turns for a vector it may be less than
 * one. */
static double fma_per_cycle(const hone_target *t, const hone_preset_numbers *known)
{
    double ret = t->fma_per_cycle;
    if (known && known->pipe_bytes && known->pipe_bytes < t->vector_bytes)
        ret = fmin(ret, (double)known->fma_per_cycle * known->pipe_bytes / t->vector_bytes);
    return ret;
}

void hone_machine_preset(const hone_target *t, hone_machine *ret)
{
    const hone_preset_draft *d = &hone_preset_of(t)->draft;
    const hone_preset_numbers *known = hone_preset_numbers_of(t->cpu);
    *ret = (hone_machine){.clock_ghz = d->ghz,
                          .fma_per_cycle = fma_per_cycle(t, known),
                          .loads_per_cycle = known ? known->loads_per_cycle : d->loads_per_cycle,
                          .loop_cycles = d->loop_cycles,
                          .l2_bytes_per_ns = d->bytes_per_cycle[0] * d->ghz,
                          .l3_bytes_per_ns = d->bytes_per_cycle[1] * d->ghz,
                          .memory_bytes_per_ns = d->bytes_per_cycle[2] * d->ghz,
                          .fixed_ns = HONE_COSTMODEL__FIXED_NS,
                          .compute_factor = 1,
                          .l2_factor = 1,
                          .l3_factor = 1,
                          .memory_factor = 1};
}

void hone_machine_bound(hone_machine *m, const hone_machine *otherwise)
{
    hone_machine other = *otherwise;
    for (size_t k = 0; k < HONE_LEN(numbers); k++) {
        double *x = number(m, k);
        if (!isfinite(*x))
            *x = *number(&other, k);
        *x = fmin(fmax(*x, numbers[k].least), numbers[k].most);
    }
}

char *hone_machine_text(const hone_machine *m)
{
    hone_machine copy = *m;
    json_t *j = json_object();
    for (size_t k = 0; k < HONE_LEN(numbers); k++)
        json_object_set_new(j, numbers[k].name, json_real(*number(&copy, k)));
    char *text = hone_json_text(j);
    json_decref(j);
    return text;
}

uint64_t hone_machine_hash(const hone_machine *m)
{
    char *text = hone_machine_text(m);
    uint64_t h = hone_hash_bytes(0, text, strlen(text));
    free(text);
    return h;
}

static hone_status read_number(const json_t *j, size_t k, hone_machine *m, hone_error *err)
{
    const json_t *v = json_object_get(j, numbers[k].name);
    if (!v)
        return HONE_OK;
    double x = json_number_value(v);
    if (!json_is_number(v) || !(x >= numbers[k].least && x <= numbers[k].most))
        return hone_fail(err, HONE_E_INPUT,
                         "the machine's \"%s\" is not a number from %g to %g: measure it again "
                         "(hone calibrate)",
                         numbers[k].name, numbers[k].least, numbers[k].most);
    *number(m, k) = x;
    return HONE_OK;
}

hone_status hone_machine_parse(const char *text, size_t n, const hone_target *t, hone_machine *ret,
                               hone_error *err)
{
    json_t *j;
    hone_machine m;
    hone_status st = HONE_OK;
    if (n > HONE_MACHINE_MAX_TEXT)
        return hone_fail(err, HONE_E_LIMIT, "a machine's text has at most %d bytes, not %zu",
                         HONE_MACHINE_MAX_TEXT, n);
    HONE_TRY(hone_json_parse(text, n, &j, err));
    if (!json_is_object(j))
        st = hone_fail(err, HONE_E_INPUT, "a machine's text is not a JSON object");
    hone_machine_preset(t, &m);
    for (size_t k = 0; k < HONE_LEN(numbers) && st == HONE_OK; k++)
        st = read_number(j, k, &m, err);
    json_decref(j);
    if (st == HONE_OK)
        *ret = m;
    return st;
}
