/* This host: its processor by the preset's probe, caches by sysfs, cores by affinity. */
#include "targets/internal.h"

#include <sched.h>
#include <unistd.h>

/* One small file of a cache as text, "" when there is none. */
static void read_line(const char *folder, int index, const char *name, char ret[64])
{
    char path[512];
    ret[0] = 0;
    snprintf(path, sizeof path, "%s/index%d/%s", folder, index, name);
    FILE *f = fopen(path, "re");
    if (!f)
        return;
    if (!fgets(ret, 64, f))
        ret[0] = 0;
    fclose(f);
    ret[strcspn(ret, "\n")] = 0;
}

void hone_targets__read_caches(const char *folder, hone_target *t)
{
    for (int i = 0; i < 16; i++) {
        char level[64], type[64], size[64], line[64];
        read_line(folder, i, "level", level);
        read_line(folder, i, "type", type);
        read_line(folder, i, "size", size);
        read_line(folder, i, "coherency_line_size", line);
        if (!level[0])
            break;
        if (!strcmp(type, "Instruction"))
            continue;
        char *unit;
        int64_t bytes = strtoll(size, &unit, 10);
        bytes *= *unit == 'K' ? 1024 : *unit == 'M' ? 1024 * 1024 : 1;
        int64_t *to = level[0] == '1'   ? &t->l1_bytes
                      : level[0] == '2' ? &t->l2_bytes
                      : level[0] == '3' ? &t->l3_bytes
                                        : NULL;
        if (to && bytes > 0)
            *to = bytes;
        long line_bytes = strtol(line, NULL, 10);
        if (line_bytes > 0 && line_bytes <= 4096)
            t->cache_line = (int32_t)line_bytes;
    }
}

static int64_t positive(long x, int64_t otherwise)
{
    return x > 0 ? x : otherwise;
}

void hone_target_fill_host(hone_target *t)
{
    cpu_set_t set;
    int first = 0;
    char folder[128];
    CPU_ZERO(&set);
    t->cores = 1;
    t->cache_line = 64;
    t->l1_bytes = t->l2_bytes = t->l3_bytes = 0;
    if (!sched_getaffinity(0, sizeof set, &set)) {
        t->cores = CPU_COUNT(&set);
        while (first + 1 < CPU_SETSIZE && !CPU_ISSET(first, &set))
            first++;
    }
    snprintf(folder, sizeof folder, "/sys/devices/system/cpu/cpu%d/cache", first);
    hone_targets__read_caches(folder, t);
    const hone_preset_numbers *m = hone_preset_numbers_of(t->cpu);
    if (!t->l1_bytes) { /* as on boards whose device tree says nothing of caches */
        t->l1_bytes = positive(sysconf(_SC_LEVEL1_DCACHE_SIZE), m ? m->l1_bytes : 32 * 1024);
        t->cache_line = m ? m->cache_line : t->cache_line;
    }
    if (!t->l2_bytes)
        t->l2_bytes = positive(sysconf(_SC_LEVEL2_CACHE_SIZE), m ? m->l2_bytes : 512 * 1024);
    if (!t->l3_bytes)
        t->l3_bytes = positive(sysconf(_SC_LEVEL3_CACHE_SIZE), m ? m->l3_bytes : 0);
    hone_preset_found h = {0};
    if (hone_preset_host())
        hone_preset_host()->probe(&h);
    hone_targets__find_vectors(t, h.vector_bytes);
}

hone_status hone_target_host(hone_target *ret, hone_error *err)
{
    const hone_preset *p = hone_preset_host();
    if (!p)
        return hone_fail(err, HONE_E_NOTFOUND,
                         "hone has no description of this machine's architecture "
                         "(docs/TARGETS.md says how to add one)");
    hone_preset_found h = {0};
    hone_target t = {0};
    p->probe(&h);
    snprintf(t.triple, sizeof t.triple, "%s", p->triple);
    snprintf(t.cpu, sizeof t.cpu, "%s", h.cpu);
    hone_targets__host_features(p, &h, t.features);
    hone_target_fill_host(&t);
    *ret = t;
    return HONE_OK;
}
