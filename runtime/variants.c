/* Which variant of a function this processor runs. */
#include "runtime/internal.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>

#ifndef PR_SVE_GET_VL
#define PR_SVE_GET_VL 51
#define PR_SVE_VL_LEN_MASK 0xffff
#endif

#define OSXSAVE (1u << 27)

/* Those that features are told of in. A need of any other is not met. */
static const struct {
    uint32_t leaf, sub;
} leaves[HONE_RT__LEAVES] = {{1, 0},    {7, 0},    {7, 1},          {0xd, 1},       {0x14, 0},
                             {0x19, 0}, {0x24, 0}, {0x80000001, 0}, {0x80000008, 0}};

/* Beyond the last leaf processors say anything, so it is not asked for. */
void hone_rt__cpu_read(hone_rt__cpuid *cpuid, uint32_t (*xcr0)(void), struct hone_rt__cpu *ret)
{
    uint32_t basic[4], extended[4];
    memset(ret, 0, sizeof *ret);
    cpuid(0, 0, basic);
    cpuid(0x80000000, 0, extended);
    for (unsigned k = 0; k < HONE_RT__LEAVES; k++) {
        uint32_t leaf = leaves[k].leaf, r[4];
        if (leaf > (leaf & 0x80000000 ? extended[0] : basic[0]))
            continue;
        if (leaf == 7 && leaves[k].sub > 0) {
            cpuid(7, 0, r);
            if (leaves[k].sub > r[0])
                continue;
        }
        cpuid(leaf, leaves[k].sub, ret->cpuid[k]);
    }
    if (ret->cpuid[0][HONE_RT_ECX] & OSXSAVE)
        ret->other[0] = xcr0();
}

static uint32_t register_of(const struct hone_rt__cpu *cpu, const hone_rt_need *need)
{
    if (need->reg >= HONE_RT_XCR0)
        return need->reg <= HONE_RT_VECTORS ? cpu->other[need->reg - HONE_RT_XCR0] : 0;
    for (unsigned k = 0; k < HONE_RT__LEAVES; k++)
        if (leaves[k].leaf == need->leaf && leaves[k].sub == need->subleaf)
            return cpu->cpuid[k][need->reg];
    return 0;
}

static bool can_run(const struct hone_rt__cpu *cpu, const hone_rt_variant_row *row)
{
    for (int64_t k = 0; k < row->n_needs; k++)
        if ((register_of(cpu, &row->needs[k]) & row->needs[k].mask) != row->needs[k].mask)
            return false;
    return true;
}

const hone_rt_variant_row *hone_rt__variants_pick(const hone_rt_variants *v,
                                                  const struct hone_rt__cpu *cpu,
                                                  const char *wanted)
{
    const hone_rt_variant_row *first = NULL;
    for (uint32_t k = 0; v->abi == HONE_RT_ABI && k < v->n; k++) {
        const hone_rt_variant_row *row = &v->rows[k];
        if ((first && !wanted) || !can_run(cpu, row))
            continue;
        if (wanted && strcmp(row->name, wanted) == 0)
            return row;
        first = first ? first : row;
    }
    return first;
}

/* ---- this processor -------------------------------------------------------------------------- */

static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct hone_rt__cpu this_cpu;

#ifdef __x86_64__
#include <cpuid.h>

static void ask(uint32_t leaf, uint32_t sub, uint32_t ret[4])
{
    __cpuid_count(leaf, sub, ret[0], ret[1], ret[2], ret[3]);
}

static uint32_t xcr0(void)
{
    uint32_t low, high;
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

static void read_this(void)
{
    hone_rt__cpu_read(ask, xcr0, &this_cpu);
}
#else
static void read_this(void)
{
    uint64_t caps = getauxval(AT_HWCAP), caps2 = getauxval(AT_HWCAP2);
    uint32_t *to = &this_cpu.other[HONE_RT_HWCAP - HONE_RT_XCR0];
    to[0] = (uint32_t)caps;
    to[1] = (uint32_t)(caps >> 32);
    to[2] = (uint32_t)caps2;
    to[3] = (uint32_t)(caps2 >> 32);
#ifdef __aarch64__
    int sve = prctl(PR_SVE_GET_VL);
    for (uint32_t k = 0; sve > 0 && (16u << k) <= ((uint32_t)sve & PR_SVE_VL_LEN_MASK); k++)
        this_cpu.other[HONE_RT_VECTORS - HONE_RT_XCR0] |= 1u << k;
#endif
}
#endif

const void *const *hone_rt_variants_choose(hone_rt_variants *v)
{
    const void *const *chosen = __atomic_load_n(&v->chosen, __ATOMIC_ACQUIRE);
    if (chosen)
        return chosen;
    pthread_once(&once, read_this);
    const hone_rt_variant_row *row = hone_rt__variants_pick(v, &this_cpu, getenv("HONE_VARIANT"));
    if (!row)
        return NULL;
    if (__atomic_compare_exchange_n(&v->chosen, &chosen, row->functions, false, __ATOMIC_ACQ_REL,
                                    __ATOMIC_ACQUIRE))
        return row->functions;
    return chosen; /* another thread was first */
}

const char *hone_rt_variant(hone_rt_variants *v)
{
    const void *const *chosen = hone_rt_variants_choose(v);
    for (uint32_t k = 0; chosen && k < v->n; k++)
        if (v->rows[k].functions == chosen)
            return v->rows[k].name;
    return NULL;
}
