/* The list of presets, and which one is a target's. */
#include "targets/internal.h"

static const hone_preset *const all[] = {
#define HONE_PRESET(name) &hone_targets__##name,
#include "targets/presets.def"
#undef HONE_PRESET
};

const hone_preset *hone_preset_at(unsigned k)
{
    return k < HONE_LEN(all) ? all[k] : NULL;
}

static bool is_for(const hone_preset *p, const char *triple)
{
    size_t n = strcspn(triple, "-");
    for (const char *const *a = p->archs; a && *a; a++)
        if (strlen(*a) == n && memcmp(*a, triple, n) == 0)
            return true;
    return !p->archs;
}

const hone_preset *hone_preset_of(const hone_target *t)
{
    unsigned k = 0;
    while (!is_for(all[k], t->triple))
        k++;
    return all[k];
}

const hone_preset *hone_preset_host(void)
{
    for (unsigned k = 0; k < HONE_LEN(all); k++)
        if (all[k]->probe)
            return all[k];
    return NULL;
}

const hone_preset_cpu *hone_targets__cpu(const hone_preset *p, const char *name)
{
    for (const hone_preset_cpu *c = p->cpus; c->name; c++)
        if (strcmp(c->name, name) == 0)
            return c;
    return NULL;
}

void hone_targets__find_vectors(hone_target *t)
{
    const hone_preset *p = hone_preset_of(t);
    const hone_preset_cpu *cpu = hone_targets__cpu(p, t->cpu);
    const hone_preset_vectors *v = p->vectors;
    while (v->feature && !hone_target_has(t, v->feature))
        v++;
    t->vector_bytes = v->bytes;
    t->vector_registers = v->registers;
    t->fma_latency = cpu && cpu->fma_latency ? cpu->fma_latency : p->fma_latency;
    t->fma_per_cycle = cpu && cpu->fma_per_cycle ? cpu->fma_per_cycle : p->fma_per_cycle;
    if (cpu && cpu->pipe_bytes && cpu->pipe_bytes < v->bytes) {
        t->fma_per_cycle = t->fma_per_cycle * cpu->pipe_bytes / v->bytes;
        t->fma_per_cycle += t->fma_per_cycle == 0;
    }
}
