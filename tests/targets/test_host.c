/* What probes make of what a machine says; caches from sysfs; this machine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "targets/internal.h"

#include <sys/stat.h>
#include <unistd.h>

/* ---- x86-64 ---------------------------------------------------------------------------------- */

typedef struct leaf {
    uint32_t leaf, sub, r[4];
} leaf;

static const leaf *leaves;

static void cpuid(uint32_t at, uint32_t sub, uint32_t ret[4])
{
    memset(ret, 0, 4 * sizeof *ret);
    for (const leaf *l = leaves; l->leaf != UINT32_MAX; l++)
        if (l->leaf == at && l->sub == sub)
            memcpy(ret, l->r, sizeof l->r);
}

#define INTEL 0x756e6547, 0x6c65746e, 0x49656e69
#define AMD 0x68747541, 0x444d4163, 0x69746e65
#define AVX_STATE 0x7
#define AVX512_STATE 0xe7
#define AMX_STATE 0x600e7

/* What the features and the name of a machine with these leaves are. */
static hone_target read_x86(const leaf *of, uint64_t xcr0)
{
    hone_preset_found h;
    hone_target t = {.triple = "x86_64-pc-linux-gnu"};
    leaves = of;
    hone_targets__x86_64_read(cpuid, xcr0, &h);
    snprintf(t.cpu, sizeof t.cpu, "%s", h.cpu);
    hone_targets__host_features(&hone_targets__x86_64, &h, t.features);
    hone_targets__find_vectors(&t, h.vector_bytes);
    return t;
}

static void lists(const hone_target *t, const char *on, const char *off)
{
    const hone_preset *p = hone_preset_of(t);
    for (const hone_preset_feature *f = p->features; f->name; f++) {
        char plus[64], minus[64];
        size_t n = strlen(f->name);
        snprintf(plus, sizeof plus, "+%s", f->name);
        snprintf(minus, sizeof minus, "-%s", f->name);
        if (hone_targets__in_list(on, f->name, n) &&
            !hone_targets__in_list(t->features, plus, n + 1))
            fail_msg("%s is not in %s", plus, t->features);
        if (hone_targets__in_list(off, f->name, n) &&
            !hone_targets__in_list(t->features, minus, n + 1))
            fail_msg("%s is not in %s", minus, t->features);
    }
}

/* Family 6, model 0x8f, with the features of a Xeon Max. */
#define SAPPHIRE_RAPIDS                                                             \
    {0, 0, {0x20, INTEL}}, {1, 0, {0x000806f8, 0, 0x7ffefbff, 0xbfebfbff}},         \
        {7, 0, {2, 0xf3bfb7eb, 0x1b417f5e, 0xffd94432}}, {7, 1, {0x1c30, 0, 0, 0}}, \
        {0xd, 1, {0xf, 0, 0, 0}}, {0x80000000, 0, {0x80000008, 0, 0, 0}},           \
    {                                                                               \
        0x80000001, 0,                                                              \
        {                                                                           \
            0, 0, 0x121, 0x2c100800                                                 \
        }                                                                           \
    }

static void intel_server(void **state)
{
    (void)state;
    static const leaf of[] = {SAPPHIRE_RAPIDS, {.leaf = UINT32_MAX}};
    hone_target t = read_x86(of, AMX_STATE);
    assert_string_equal(t.cpu, "sapphirerapids");
    lists(&t,
          "avx2,fma,f16c,avx512f,avx512vl,avx512bw,avx512vnni,avx512bf16,avx512fp16,amx-tile,"
          "amx-int8,amx-bf16,avxvnni,64bit,sse2,xsave,evex512",
          "sse4a,xop,avx512vp2intersect,amx-fp16,sha512,egpr,avx10.1-256");
    assert_non_null(strstr(t.features, ",-avx10.1-256,+evex512,+avxvnni,"));
    assert_non_null(strstr(t.features, ",+serialize,-sha512,+vpclmulqdq,"));
    assert_int_equal(t.vector_bytes, 64);
    assert_int_equal(t.vector_registers, 32);
    /* what the operating system does not save cannot be used */
    t = read_x86(of, AVX512_STATE);
    lists(&t, "avx512f,avx512bf16", "amx-tile,amx-int8,amx-bf16");
    t = read_x86(of, AVX_STATE);
    lists(&t, "avx2,fma,f16c,avxvnni,vaes", "avx512f,avx512vl,avx512vnni,amx-int8");
    assert_int_equal(t.vector_bytes, 32);
    assert_false(hone_target_has(&t, "evex512")); /* though the list says nothing of it, */
    assert_null(strstr(t.features, "evex512"));   /* as LLVM 19 does not on such a host: */
    assert_non_null(strstr(t.features, ",-avx10.1-256,-sha512,+avxvnni,")); /* another order */
    assert_non_null(strstr(t.features, ",+serialize,+vpclmulqdq,"));
    t = read_x86(of, 1);
    lists(&t, "sse4.2,popcnt,bmi2", "avx,avx2,fma,f16c,vaes,avxvnni,avx512f,xsave,xsaveopt");
    assert_int_equal(t.vector_bytes, 16);
}

/* A processor of a family that was not there when this was written, in a guest without AVX-512. */
static void unknown(void **state)
{
    (void)state;
    static const leaf of[] = {{0, 0, {0x10, AMD}},
                              {1, 0, {0x00d00f20, 0, 0x7ef8320b, 0x178bfbff}},
                              {7, 0, {0, 0x219c97a9, 0, 0}},
                              {0x80000000, 0, {0x80000008, 0, 0, 0}},
                              {0x80000001, 0, {0, 0, 0x75c237ff & ~0x10000u, 0x2fd3fbff}},
                              {.leaf = UINT32_MAX}};
    hone_target t = read_x86(of, AVX_STATE);
    assert_string_equal(t.cpu, "x86-64-v3");
    lists(&t, "avx2,fma,bmi2,lzcnt,sse4a", "avx512f,fma4");
    static const leaf old[] = {{0, 0, {1, 0, 0, 0}}, {.leaf = UINT32_MAX}};
    assert_string_equal(read_x86(old, 0).cpu, "x86-64");
}

static void names(void **state)
{
    (void)state;
    static const struct {
        uint32_t eax, leaf7_ecx;
        bool amd;
        const char *name;
    } all[] = {{0x00b00f20, 0, true, "znver5"},
               {0x00a10f11, 0, true, "znver4"},
               {0x00a20f10, 0, true, "znver3"},
               {0x00830f10, 0, true, "znver2"},
               {0x00800f12, 0, true, "znver1"},
               {0x000306c3, 0, false, "haswell"},
               {0x00050657, 1 << 11, false, "cascadelake"},
               {0x00050654, 0, false, "skylake-avx512"},
               {0x000606a6, 0, false, "icelake-server"},
               {0x000a06d1, 0, false, "graniterapids"},
               {0x000b06f2, 0, false, "raptorlake"}};
    for (size_t k = 0; k < HONE_LEN(all); k++) {
        const leaf of[] = {{0, 0, {7, INTEL}},
                           {1, 0, {all[k].eax, 0, 0, 0}},
                           {7, 0, {0, 0, all[k].leaf7_ecx, 0}},
                           {.leaf = UINT32_MAX}};
        leaf amd[HONE_LEN(of)];
        memcpy(amd, of, sizeof of);
        amd[0] = (leaf){0, 0, {7, AMD}};
        assert_string_equal(read_x86(all[k].amd ? amd : of, 0).cpu, all[k].name);
    }
    /* every name is a row of the table */
    hone_target t = read_x86((leaf[]){SAPPHIRE_RAPIDS, {.leaf = UINT32_MAX}}, AMX_STATE);
    assert_non_null(hone_targets__cpu(&hone_targets__x86_64, t.cpu));
}

/* ---- others ---------------------------------------------------------------------------------- */

static void aarch64(void **state)
{
    (void)state;
    hone_preset_found h;
    hone_target t = {.triple = "aarch64-unknown-linux-gnu"};
    /* a Neoverse N1 as Linux describes it */
    hone_targets__aarch64_read(0x119fff, 0, 0x413fd0c1, 0, &h);
    snprintf(t.cpu, sizeof t.cpu, "%s", h.cpu);
    hone_targets__host_features(&hone_targets__aarch64, &h, t.features);
    hone_targets__find_vectors(&t, h.vector_bytes);
    assert_string_equal(t.cpu, "neoverse-n1");
    lists(&t, "neon,fp-armv8,crc,lse,rdm,aes,sha2,fullfp16,dotprod,rcpc", "sve,bf16,i8mm,sme,sha3");
    assert_int_equal(t.vector_bytes, 16);
    assert_int_equal(t.vector_registers, 32);
    hone_target n1 = {.triple = "arm64-linux", .cpu = "neoverse-n1"};
    hone_target v1 = {.triple = "arm64-linux", .cpu = "neoverse-v1"};
    assert_true(hone_target_can_run(&t, &n1));
    assert_false(hone_target_can_run(&t, &v1));
    /* without PMULL LLVM's "aes" is not there */
    hone_targets__aarch64_read(0xb, 0, 0, 0, &h);
    hone_targets__host_features(&hone_targets__aarch64, &h, t.features);
    assert_string_equal(h.cpu, "generic");
    lists(&t, "neon", "aes,sve");
    hone_targets__aarch64_read(UINT64_MAX, UINT64_MAX, 0, 0, &h);
    hone_targets__host_features(&hone_targets__aarch64, &h, t.features);
    lists(&t, "sve2,sme,sme2,bf16,i8mm,f64mm", "");
}

/* How long SVE's vectors are: what the machine says, not what its kind has; code for 256 bits runs
 * where they are at least so long. */
static void sve_lengths(void **state)
{
    (void)state;
    static const struct {
        uint32_t says;
        int32_t bytes;
    } all[] = {{0, 16}, {16, 16}, {32, 32}, {48, 32}, {64, 64}, {256, 256}};
    const uint64_t caps = 0x119fff | 1u << 22;
    hone_target v1;
    char what[64];
    assert_int_equal(hone_target_named("neoverse-v1", &v1, NULL), HONE_OK);
    assert_int_equal(v1.vector_bytes, 32);
    snprintf(v1.features, sizeof v1.features, "-sha3,-sm4,-fp16fml,-complxnum,-jsconv,-bf16,-i8mm");
    for (size_t k = 0; k < HONE_LEN(all); k++) {
        hone_preset_found h;
        hone_target t = {.triple = "aarch64-unknown-linux-gnu"};
        hone_targets__aarch64_read(caps, 0, 0x411fd400, all[k].says, &h);
        snprintf(t.cpu, sizeof t.cpu, "%s", h.cpu);
        hone_targets__host_features(&hone_targets__aarch64, &h, t.features);
        hone_targets__find_vectors(&t, h.vector_bytes);
        assert_string_equal(t.cpu, "neoverse-v1");
        assert_int_equal(t.vector_bytes, all[k].bytes);
        hone_target needed = t;
        needed.vector_bytes = 32;
        assert_int_equal(hone_target_can_run(&t, &needed), all[k].bytes >= 32);
        if (all[k].bytes < 32) {
            assert_true(hone_target_lacks(&t, &needed, what));
            assert_string_equal(what, "sve of 256 bits");
        }
    }
    hone_target_need needs[HONE_TARGET_MAX_NEEDS];
    unsigned n, found = 0;
    snprintf(v1.features, sizeof v1.features, "-rand");
    assert_int_equal(hone_target_needs(&v1, needs, &n, NULL), HONE_OK);
    for (unsigned k = 0; k < n; k++)
        if (needs[k].reg == HONE_TARGET_VECTORS) {
            assert_int_equal(needs[k].mask, 2);
            found++;
        }
    assert_int_equal(found, 1);
}

static void arm(void **state)
{
    (void)state;
    hone_preset_found h;
    hone_target t = {.triple = "armv7-unknown-linux-gnueabihf"};
    /* a Cortex-A7 as Linux describes it: half thumb fastmult vfp edsp neon vfpv3 tls vfpv4 idiva
     * idivt vfpd32 */
    hone_targets__arm_read(0xfb0d6, 0x41, 0xc07, &h);
    snprintf(t.cpu, sizeof t.cpu, "%s", h.cpu);
    hone_targets__host_features(&hone_targets__arm, &h, t.features);
    hone_targets__find_vectors(&t, h.vector_bytes);
    assert_string_equal(t.cpu, "cortex-a7");
    lists(&t, "vfp2,vfp3,vfp4,fp16,neon,hwdiv,hwdiv-arm", "");
    assert_int_equal(t.vector_bytes, 16);
    assert_int_equal(t.vector_registers, 16);
    /* half of the registers, and no multiply-add */
    hone_targets__arm_read(0x60d6, 0x56, 0x581, &h);
    hone_targets__host_features(&hone_targets__arm, &h, t.features);
    assert_string_equal(h.cpu, "generic");
    lists(&t, "vfp2", "vfp3,vfp4,fp16,neon,hwdiv");
}

static void riscv64(void **state)
{
    (void)state;
    hone_preset_found h;
    hone_target t = {.triple = "riscv64-unknown-linux-gnu"};
    const uint64_t imafdc = 0x112d, v = 1u << 21;
    hone_targets__riscv64_read(imafdc | v, 0x3f, 0x710, 0x8000000058000001, 32, &h);
    snprintf(t.cpu, sizeof t.cpu, "%s", h.cpu);
    hone_targets__host_features(&hone_targets__riscv64, &h, t.features);
    hone_targets__find_vectors(&t, h.vector_bytes);
    assert_string_equal(t.cpu, "spacemit-x60");
    lists(&t, "m,a,f,d,c,v,zve64d,zvl128b,zvl256b,zba,zbb,zbs", "zvl512b,zfh");
    assert_int_equal(t.vector_bytes, 32);
    assert_int_equal(t.vector_registers, 32);
    char *class = hone_target_class(&t);
    assert_string_equal(class, "riscv64/rvv");
    free(class);
    hone_targets__riscv64_read(imafdc, 0, 0, 0, 0, &h);
    hone_targets__host_features(&hone_targets__riscv64, &h, t.features);
    snprintf(t.cpu, sizeof t.cpu, "%s", h.cpu);
    hone_targets__find_vectors(&t, h.vector_bytes);
    lists(&t, "m,d", "v,zve32x,zvl128b");
    assert_int_equal(t.vector_registers, 8);
    /* a kernel before 6.4, which tells in /proc/cpuinfo only */
    hone_targets__riscv64_isa("rv64imafdcv_zicbom_zba_zbb_zfh_zve32f_new", &h);
    hone_targets__host_features(&hone_targets__riscv64, &h, t.features);
    lists(&t, "m,d,zba,zbb", "v,zve32x,zbs,zfh"); /* zfh has zfhmin in it, which is not told */
    hone_targets__riscv64_read(imafdc | v, 0, 0, 0, 16, &h);
    hone_targets__riscv64_isa("rv64imafdcv_zvfhmin_zbs", &h);
    hone_targets__host_features(&hone_targets__riscv64, &h, t.features);
    lists(&t, "v,zvl128b,zvfhmin,zbs", "zvl256b,zba");
}

/* ---- caches ---------------------------------------------------------------------------------- */

static void put(const char *folder, int index, const char *name, const char *value)
{
    char path[512];
    snprintf(path, sizeof path, "%s/index%d", folder, index);
    mkdir(path, 0700);
    snprintf(path, sizeof path, "%s/index%d/%s", folder, index, name);
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    fprintf(f, "%s\n", value);
    fclose(f);
}

static void caches(void **state)
{
    (void)state;
    char folder[] = "cachesXXXXXX";
    assert_non_null(mkdtemp(folder));
    static const char *const rows[][4] = {{"1", "Data", "48K", "64"},
                                          {"1", "Instruction", "32K", "64"},
                                          {"2", "Unified", "2048K", "128"},
                                          {"3", "Unified", "105M", "128"}};
    for (int k = 0; k < 4; k++) {
        put(folder, k, "level", rows[k][0]);
        put(folder, k, "type", rows[k][1]);
        put(folder, k, "size", rows[k][2]);
        put(folder, k, "coherency_line_size", rows[k][3]);
    }
    hone_target t = {0};
    hone_targets__read_caches(folder, &t);
    assert_int_equal(t.l1_bytes, 48 << 10);
    assert_int_equal(t.l2_bytes, 2 << 20);
    assert_int_equal(t.l3_bytes, 105 << 20);
    assert_int_equal(t.cache_line, 128);
    put(folder, 2, "size", "what?");
    t = (hone_target){.l2_bytes = 77, .cache_line = 64};
    hone_targets__read_caches(folder, &t);
    assert_int_equal(t.l2_bytes, 77); /* as it was */
    hone_targets__read_caches("no/such/folder", &t);
    assert_int_equal(t.l2_bytes, 77);
    char *clear = hone_xasprintf("rm -r '%s'", folder);
    assert_int_equal(system(clear), 0);
    free(clear);
}

static void this_machine(void **state)
{
    (void)state;
    hone_target t, again;
    hone_error err;
    if (hone_target_host(&t, &err) != HONE_OK)
        fail_msg("%s", err.message);
    char *text = hone_target_text(&t), *same;
    assert_int_equal(hone_target_parse(text, &again, &err), HONE_OK); /* every count is there */
    same = hone_target_text(&again);
    assert_string_equal(text, same);
    assert_true(hone_target_can_run(&t, &again));
    assert_ptr_equal(hone_preset_of(&t), hone_preset_host());
    free(text);
    free(same);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(intel_server), cmocka_unit_test(unknown),
        cmocka_unit_test(names),        cmocka_unit_test(aarch64),
        cmocka_unit_test(sve_lengths),  cmocka_unit_test(arm),
        cmocka_unit_test(riscv64),      cmocka_unit_test(caches),
        cmocka_unit_test(this_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
