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

const char *hone_preset_name_of(const hone_target *t)
{
    const hone_preset *p = hone_preset_of(t);
    if (strcmp(t->cpu, "generic") != 0)
        return t->cpu;
    for (const hone_preset_name *n = p->names; n && n->name; n++)
        if (strcmp(n->cpu, t->cpu) == 0 && strcmp(n->features, t->features) == 0)
            return n->name;
    return p->archs ? p->name : t->cpu;
}

bool hone_preset_shares(const hone_target *t)
{
    const char *feature = hone_preset_of(t)->shares;
    return feature && hone_target_has(t, feature);
}

bool hone_preset_is_alone(const hone_target *t)
{
    return hone_preset_of(t)->runtime && !hone_preset_shares(t);
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

static const hone_preset_numbers processors[] = {
#define HONE_PROCESSOR(cpu, line, l1, l2, l3, latency, per_cycle, pipe, loads, vector, source) \
    {cpu,                                                                                      \
     line,                                                                                     \
     (int64_t)(l1) << 10,                                                                      \
     (int64_t)(l2) << 10,                                                                      \
     (int64_t)(l3) << 10,                                                                      \
     latency,                                                                                  \
     per_cycle,                                                                                \
     pipe,                                                                                     \
     loads,                                                                                    \
     vector,                                                                                   \
     source},
#include "targets/processors.def"
#undef HONE_PROCESSOR
};

const hone_preset_numbers *hone_preset_numbers_of(const char *cpu)
{
    for (size_t k = 0; k < HONE_LEN(processors); k++)
        if (strcmp(processors[k].cpu, cpu) == 0)
            return &processors[k];
    return NULL;
}

static const hone_preset_vectors *vectors_of(const hone_target *t)
{
    const hone_preset_vectors *v = hone_preset_of(t)->vectors;
    while (v->feature && !hone_target_has(t, v->feature))
        v++;
    return v;
}

int32_t hone_preset_group(const hone_target *t)
{
    int32_t widest = hone_preset_of(t)->vectors->group; /* what is narrower has no larger ones */
    int32_t group = widest > 1 ? vectors_of(t)->group : 1;
    return group > 1 ? group : 1;
}

void hone_targets__find_vectors(hone_target *t, int32_t found_bytes)
{
    const hone_preset *p = hone_preset_of(t);
    const hone_preset_numbers *m = hone_preset_numbers_of(t->cpu);
    const hone_preset_vectors *v = vectors_of(t);
    t->vector_bytes = v->bytes;
    t->vector_registers = v->registers;
    if (p->scalable && hone_target_has(t, p->scalable)) {
        int32_t longest = found_bytes ? found_bytes : m ? m->vector_bytes : 0;
        t->vector_bytes = longest > v->bytes ? longest : v->bytes;
    }
    t->fma_latency = m ? m->fma_latency : p->fma_latency;
    t->fma_per_cycle = m ? m->fma_per_cycle : p->fma_per_cycle;
    if (m && m->pipe_bytes && m->pipe_bytes < t->vector_bytes) {
        t->fma_per_cycle = t->fma_per_cycle * m->pipe_bytes / t->vector_bytes;
        t->fma_per_cycle += t->fma_per_cycle == 0;
    }
}
