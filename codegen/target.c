#include "codegen/internal.h"

#include <llvm-c/Target.h>
#include <sched.h>
#include <unistd.h>

/* One small sysfs file of a cache as text, "" when there is none. */
static void cache_file(int index, const char *name, char ret[64])
{
    char path[128];
    ret[0] = 0;
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%d/%s", index, name);
    FILE *f = fopen(path, "re");
    if (!f) {
        return;
    }
    if (!fgets(ret, 64, f)) {
        ret[0] = 0;
    }
    fclose(f);
    ret[strcspn(ret, "\n")] = 0;
}

static int64_t positive(long x, int64_t otherwise)
{
    return x > 0 ? x : otherwise;
}

static void find_caches(hone_target *t)
{
    for (int i = 0; i < 16; i++) {
        char level[64], type[64], size[64], line[64];
        cache_file(i, "level", level);
        cache_file(i, "type", type);
        cache_file(i, "size", size);
        cache_file(i, "coherency_line_size", line);
        if (!level[0]) {
            break;
        }
        if (!strcmp(type, "Instruction")) {
            continue;
        }
        char *unit;
        int64_t bytes = strtoll(size, &unit, 10);
        bytes *= *unit == 'K' ? 1024 : *unit == 'M' ? 1024 * 1024 : 1;
        int64_t *to = level[0] == '1'   ? &t->l1_bytes
                      : level[0] == '2' ? &t->l2_bytes
                      : level[0] == '3' ? &t->l3_bytes
                                        : NULL;
        if (to && bytes > 0) {
            *to = bytes;
        }
        long line_bytes = strtol(line, NULL, 10);
        if (line_bytes > 0 && line_bytes <= 4096) {
            t->cache_line = (int32_t)line_bytes;
        }
    }
    if (!t->l1_bytes) {
        t->l1_bytes = positive(sysconf(_SC_LEVEL1_DCACHE_SIZE), 32 * 1024);
    }
    if (!t->l2_bytes) {
        t->l2_bytes = positive(sysconf(_SC_LEVEL2_CACHE_SIZE), 512 * 1024);
    }
    if (!t->l3_bytes) {
        t->l3_bytes = positive(sysconf(_SC_LEVEL3_CACHE_SIZE), 0);
    }
    if (!t->cache_line) {
        t->cache_line = 64;
    }
}

/* What the widest vectors can do. FMA latency is 4 cycles on every x86 core since Skylake and Zen
 * and on Arm's large cores; cores that split a 512-bit operation in two start one per cycle. */
static void find_vectors(hone_target *t)
{
    t->fma_latency = 4;
    t->fma_per_cycle = 2;
    if (!strncmp(t->triple, "x86_64", 6)) {
        bool wide = hone_target_has(t, "avx512f");
        t->vector_bytes = wide ? 64 : hone_target_has(t, "avx") ? 32 : 16;
        t->vector_registers = wide ? 32 : 16;
        if (wide && !strcmp(t->cpu, "znver4")) {
            t->fma_per_cycle = 1;
        }
        if (!strcmp(t->cpu, "znver1") || !strcmp(t->cpu, "znver2")) {
            t->fma_latency = 5;
        }
    } else {
        t->vector_bytes = 16;
        t->vector_registers = 32;
    }
}

hone_status hone_target_native(hone_target *ret, hone_error *err)
{
    memset(ret, 0, sizeof *ret);
    char *triple = LLVMGetDefaultTargetTriple();
    char *cpu = LLVMGetHostCPUName();
    char *features = LLVMGetHostCPUFeatures();
    int a = snprintf(ret->triple, sizeof ret->triple, "%s", triple);
    int b = snprintf(ret->cpu, sizeof ret->cpu, "%s", cpu);
    int c = snprintf(ret->features, sizeof ret->features, "%s", features);
    LLVMDisposeMessage(triple);
    LLVMDisposeMessage(cpu);
    LLVMDisposeMessage(features);
    if (a >= (int)sizeof ret->triple || b >= (int)sizeof ret->cpu ||
        c >= (int)sizeof ret->features || !a || !b) {
        return hone_fail(err, HONE_E_LLVM,
                         "LLVM describes this processor in a form hone does not hold; "
                         "write the target by hand instead of \"native\".");
    }
    cpu_set_t set;
    CPU_ZERO(&set);
    ret->cores = 1;
    if (!sched_getaffinity(0, sizeof set, &set)) {
        ret->cores = CPU_COUNT(&set);
    }
    find_caches(ret);
    find_vectors(ret);
    return HONE_OK;
}
