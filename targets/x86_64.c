/* x86-64. Features and processors are those of LLVM 19 (tests/codegen/test_target.c compares them
 * with it); where CPUID says so: Intel's manual, volume 2, and AMD's, volume 3. */
#include "targets/internal.h"

#include <elf.h>

/* Words of what probe finds, by CPUID's leaf, subleaf and register. */
enum {
    L1_ECX = 1,
    L1_EDX,
    L7_EBX,
    L7_ECX,
    L7_EDX,
    L7_1_EAX,
    L7_1_EDX,
    LD_1_EAX,
    L14_EBX,
    L19_EBX,
    EXT1_ECX,
    EXT1_EDX,
    EXT8_EBX,
    SAVED, /* registers that the operating system saves, as below */
};
enum { HAS_AVX, HAS_AVX512, HAS_AMX, HAS_APX, HAS_XSAVE, HAS_AVX10, HAS_AVX10_512 };

static const hone_preset_feature features[] = {
    {"cx8", NULL, L1_EDX, 8, false},
    {"cmov", NULL, L1_EDX, 15, false},
    {"mmx", NULL, L1_EDX, 23, false},
    {"fxsr", NULL, L1_EDX, 24, true},
    {"sse", NULL, L1_EDX, 25, false},
    {"sse2", "sse", L1_EDX, 26, false},
    {"sse3", "sse2", L1_ECX, 0, false},
    {"pclmul", "sse2", L1_ECX, 1, false},
    {"ssse3", "sse3", L1_ECX, 9, false},
    {"cx16", "cx8", L1_ECX, 13, true},
    {"sse4.1", "ssse3", L1_ECX, 19, false},
    {"sse4.2", "sse4.1", L1_ECX, 20, false},
    {"crc32", NULL, L1_ECX, 20, false},
    {"movbe", NULL, L1_ECX, 22, false},
    {"popcnt", NULL, L1_ECX, 23, false},
    {"aes", "sse2", L1_ECX, 25, false},
    {"rdrnd", NULL, L1_ECX, 30, true},
    {"avx", "sse4.2", SAVED, HAS_AVX, false},
    {"fma", "avx", L1_ECX, 12, false},
    {"xsave", NULL, SAVED, HAS_XSAVE, true},
    {"f16c", "avx", L1_ECX, 29, false},
    {"sahf", NULL, EXT1_ECX, 0, true},
    {"lzcnt", NULL, EXT1_ECX, 5, false},
    {"sse4a", "sse3", EXT1_ECX, 6, false},
    {"prfchw", NULL, EXT1_ECX, 8, false},
    {"xop", "fma4", EXT1_ECX, 11, false},
    {"lwp", NULL, EXT1_ECX, 15, true},
    {"fma4", "avx,sse4a", EXT1_ECX, 16, false},
    {"tbm", NULL, EXT1_ECX, 21, false},
    {"mwaitx", NULL, EXT1_ECX, 29, true},
    {"64bit", NULL, EXT1_EDX, 29, false},
    {"clzero", NULL, EXT8_EBX, 0, true},
    {"rdpru", NULL, EXT8_EBX, 4, true},
    {"wbnoinvd", NULL, EXT8_EBX, 9, true},
    {"fsgsbase", NULL, L7_EBX, 0, true},
    {"sgx", NULL, L7_EBX, 2, true},
    {"bmi", NULL, L7_EBX, 3, false},
    {"avx2", "avx", L7_EBX, 5, false},
    {"bmi2", NULL, L7_EBX, 8, false},
    {"invpcid", NULL, L7_EBX, 10, true},
    {"rtm", NULL, L7_EBX, 11, true},
    {"avx512f", "fma,f16c,avx2,evex512", L7_EBX, 16, false},
    {"avx512dq", "avx512f", L7_EBX, 17, false},
    {"rdseed", NULL, L7_EBX, 18, true},
    {"adx", NULL, L7_EBX, 19, false},
    {"avx512ifma", "avx512f", L7_EBX, 21, false},
    {"clflushopt", NULL, L7_EBX, 23, true},
    {"clwb", NULL, L7_EBX, 24, true},
    {"avx512cd", "avx512f", L7_EBX, 28, false},
    {"sha", "sse2", L7_EBX, 29, false},
    {"avx512bw", "avx512f", L7_EBX, 30, false},
    {"avx512vl", "avx512f", L7_EBX, 31, false},
    {"avx512vbmi", "avx512bw", L7_ECX, 1, false},
    {"pku", NULL, L7_ECX, 4, true},
    {"waitpkg", NULL, L7_ECX, 5, true},
    {"avx512vbmi2", "avx512bw", L7_ECX, 6, false},
    {"shstk", NULL, L7_ECX, 7, true},
    {"gfni", "sse2", L7_ECX, 8, false},
    {"vaes", "aes,avx2", L7_ECX, 9, false},
    {"vpclmulqdq", "pclmul,avx", L7_ECX, 10, false},
    {"avx512vnni", "avx512f", L7_ECX, 11, false},
    {"avx512bitalg", "avx512bw", L7_ECX, 12, false},
    {"avx512vpopcntdq", "avx512f", L7_ECX, 14, false},
    {"rdpid", NULL, L7_ECX, 22, true},
    {"kl", NULL, L7_ECX, 23, true},
    {"cldemote", NULL, L7_ECX, 25, true},
    {"movdiri", NULL, L7_ECX, 27, true},
    {"movdir64b", NULL, L7_ECX, 28, true},
    {"enqcmd", NULL, L7_ECX, 29, true},
    {"uintr", NULL, L7_EDX, 5, true},
    {"avx512vp2intersect", "avx512f", L7_EDX, 8, false},
    {"serialize", NULL, L7_EDX, 14, true},
    {"tsxldtrk", NULL, L7_EDX, 16, true},
    {"pconfig", NULL, L7_EDX, 18, true},
    {"amx-bf16", "amx-tile", L7_EDX, 22, false},
    {"avx512fp16", "avx512dq,avx512bw,avx512vl", L7_EDX, 23, false},
    {"amx-tile", NULL, SAVED, HAS_AMX, false},
    {"amx-int8", "amx-tile", L7_EDX, 25, false},
    {"sha512", "avx2", L7_1_EAX, 0, false},
    {"sm3", "avx", L7_1_EAX, 1, false},
    {"sm4", "avx2", L7_1_EAX, 2, false},
    {"raoint", NULL, L7_1_EAX, 3, true},
    {"avxvnni", "avx2", L7_1_EAX, 4, false},
    {"avx512bf16", "avx512bw", L7_1_EAX, 5, false},
    {"amx-fp16", "amx-tile", L7_1_EAX, 21, false},
    {"cmpccxadd", NULL, L7_1_EAX, 7, false},
    {"hreset", NULL, L7_1_EAX, 22, true},
    {"avxifma", "avx2", L7_1_EAX, 23, false},
    {"avxvnniint8", "avx2", L7_1_EDX, 4, false},
    {"avxneconvert", "avx2", L7_1_EDX, 5, false},
    {"amx-complex", "amx-tile", L7_1_EDX, 8, false},
    {"avxvnniint16", "avx2", L7_1_EDX, 10, false},
    {"prefetchi", NULL, L7_1_EDX, 14, true},
    {"usermsr", NULL, L7_1_EDX, 15, true},
    {"avx10.1-256", "fma,f16c,vaes,vpclmulqdq", SAVED, HAS_AVX10, false},
    {"avx10.1-512",
     "avx512ifma,avx512cd,avx512vbmi,avx512vbmi2,avx512vnni,avx512bitalg,avx512vpopcntdq,"
     "avx512fp16,avx512bf16,avx10.1-256",
     SAVED, HAS_AVX10_512, false},
    {"evex512", NULL, SAVED, HAS_AVX512, false},
    {"egpr", NULL, SAVED, HAS_APX, false},
    {"push2pop2", NULL, SAVED, HAS_APX, false},
    {"ppx", NULL, SAVED, HAS_APX, false},
    {"ndd", NULL, SAVED, HAS_APX, false},
    {"ccmp", NULL, SAVED, HAS_APX, false},
    {"cf", NULL, SAVED, HAS_APX, false},
    {"xsaveopt", "xsave", LD_1_EAX, 0, true},
    {"xsavec", "xsave", LD_1_EAX, 1, true},
    {"xsaves", "xsave", LD_1_EAX, 3, true},
    {"ptwrite", NULL, L14_EBX, 4, true},
    {"widekl", "kl", L19_EBX, 2, true},
    {"prefer-128-bit", NULL, 0, 0, true},
    {"prefer-256-bit", NULL, 0, 0, true},
    {"vzeroupper", NULL, 0, 0, true},
    {0},
};

/* As LLVM 19 lists a host, so that this one has one text with and without LLVM. It goes by a hash
 * table, into which it puts evex512 only where there is AVX-512: sha512 is in its place else. */
static const char host_order[] =
    "prfchw,cldemote,avx,aes,sahf,pclmul,xop,crc32,xsaves,avx512fp16,usermsr,sm4,egpr,sse4.1,"
    "avx512ifma,xsave,sse4.2,tsxldtrk,sm3,ptwrite,widekl,invpcid,64bit,xsavec,avx10.1-512,"
    "avx512vpopcntdq,cmov,avx512vp2intersect,avx512cd,movbe,avxvnniint8,ccmp,amx-int8,kl,"
    "avx10.1-256,evex512|sha512,avxvnni,rtm,adx,avx2,hreset,movdiri,serialize,sha512,"
    "vpclmulqdq,avx512vl,uintr,cf,clflushopt,raoint,cmpccxadd,bmi,amx-tile,sse,gfni,avxvnniint16,"
    "amx-fp16,ndd,xsaveopt,rdrnd,avx512f,amx-bf16,avx512bf16,avx512vnni,push2pop2,cx8,"
    "avx512bw,sse3,pku,fsgsbase,clzero,mwaitx,lwp,lzcnt,sha,movdir64b,ppx,wbnoinvd,enqcmd,"
    "avxneconvert,tbm,pconfig,amx-complex,ssse3,cx16,bmi2,fma,popcnt,avxifma,f16c,"
    "avx512bitalg,rdpru,clwb,mmx,sse2,rdseed,avx512vbmi2,prefetchi,rdpid,fma4,avx512vbmi,"
    "shstk,vaes,waitpkg,sgx,fxsr,avx512dq,sse4a";

#define OSXSAVE (1u << 27)
#define AVX (1u << 28)

static const hone_preset_source sources[] = {
    {L1_ECX, 0, 1, 0, HONE_TARGET_ECX, 0},
    {L1_EDX, 0, 1, 0, HONE_TARGET_EDX, 0},
    {L7_EBX, 0, 7, 0, HONE_TARGET_EBX, 0},
    {L7_ECX, 0, 7, 0, HONE_TARGET_ECX, 0},
    {L7_EDX, 0, 7, 0, HONE_TARGET_EDX, 0},
    {L7_1_EAX, 0, 7, 1, HONE_TARGET_EAX, 0},
    {L7_1_EDX, 0, 7, 1, HONE_TARGET_EDX, 0},
    {LD_1_EAX, 0, 0xd, 1, HONE_TARGET_EAX, 0},
    {L14_EBX, 0, 0x14, 0, HONE_TARGET_EBX, 0},
    {L19_EBX, 0, 0x19, 0, HONE_TARGET_EBX, 0},
    {EXT1_ECX, 0, 0x80000001, 0, HONE_TARGET_ECX, 0},
    {EXT1_EDX, 0, 0x80000001, 0, HONE_TARGET_EDX, 0},
    {EXT8_EBX, 0, 0x80000008, 0, HONE_TARGET_EBX, 0},
    {SAVED, ~0u, 1, 0, HONE_TARGET_ECX, OSXSAVE},
    {SAVED, ~0u & ~(1u << HAS_AMX | 1u << HAS_APX), 1, 0, HONE_TARGET_ECX, AVX},
    {SAVED, ~0u & ~(1u << HAS_AMX | 1u << HAS_APX), 0, 0, HONE_TARGET_XCR0, 0x6},
    {SAVED, 1u << HAS_XSAVE, 1, 0, HONE_TARGET_ECX, 1u << 26},
    {SAVED, 1u << HAS_AVX512 | 1u << HAS_AVX10 | 1u << HAS_AVX10_512, 7, 0, HONE_TARGET_EBX,
     1u << 16},
    {SAVED, 1u << HAS_AVX512 | 1u << HAS_AVX10 | 1u << HAS_AVX10_512, 0, 0, HONE_TARGET_XCR0, 0xe6},
    {SAVED, 1u << HAS_AVX10 | 1u << HAS_AVX10_512, 7, 1, HONE_TARGET_EDX, 1u << 19},
    {SAVED, 1u << HAS_AVX10_512, 0x24, 0, HONE_TARGET_EBX, 1u << 18},
    {SAVED, 1u << HAS_AMX, 7, 0, HONE_TARGET_EDX, 1u << 24},
    {SAVED, 1u << HAS_AMX, 0, 0, HONE_TARGET_XCR0, 0x60000},
    {SAVED, 1u << HAS_APX, 7, 1, HONE_TARGET_EDX, 1u << 21},
    {SAVED, 1u << HAS_APX, 0, 0, HONE_TARGET_XCR0, 0x80000},
    {0},
};

static const hone_preset_cpu cpus[] = {
    {"generic", NULL, "64bit,cx16,sahf,sse2"},
    {"x86-64", "generic", "cmov,mmx"},
    {"x86-64-v2", "x86-64", "sse4.2,crc32,popcnt"},
    {"x86-64-v3", "x86-64-v2", "movbe,fma,f16c,lzcnt,bmi,avx2,bmi2"},
    {"x86-64-v4", "x86-64-v3", "avx512dq,avx512cd,avx512bw,avx512vl"},
    {"core2", "x86-64", "ssse3"},
    {"penryn", "core2", "sse4.1"},
    {"nehalem", "x86-64-v2", NULL},
    {"westmere", "x86-64-v2", "pclmul"},
    {"sandybridge", "westmere", "avx"},
    {"ivybridge", "sandybridge", "f16c"},
    {"haswell", "x86-64-v3", "pclmul"},
    {"broadwell", "haswell", "prfchw,adx"},
    {"skylake", "broadwell", "aes"},
    {"skylake-avx512", "x86-64-v4", "pclmul,aes,prfchw,adx"},
    {"cascadelake", "skylake-avx512", "avx512vnni"},
    {"cooperlake", "cascadelake", "avx512bf16"},
    {"cannonlake", "skylake-avx512", "avx512ifma,sha,avx512vbmi"},
    {"icelake-client", "cannonlake",
     "avx512vbmi2,gfni,vaes,vpclmulqdq,avx512vnni,avx512bitalg,avx512vpopcntdq"},
    {"icelake-server", "icelake-client", NULL},
    {"tigerlake", "icelake-client", "avx512vp2intersect"},
    {"rocketlake", "icelake-client", NULL},
    {"alderlake", "skylake", "sha,gfni,vaes,vpclmulqdq,avxvnni"},
    {"raptorlake", "alderlake", NULL},
    {"meteorlake", "alderlake", NULL},
    {"gracemont", "alderlake", NULL},
    {"arrowlake", "alderlake", "cmpccxadd,avxifma,avxvnniint8,avxneconvert"},
    {"arrowlake-s", "arrowlake", "sha512,sm3,sm4,avxvnniint16"},
    {"lunarlake", "arrowlake-s", NULL},
    {"pantherlake", "arrowlake-s", NULL},
    {"sapphirerapids", "icelake-client", "amx-bf16,avx512fp16,amx-int8,avxvnni,avx512bf16"},
    {"emeraldrapids", "sapphirerapids", NULL},
    {"graniterapids", "sapphirerapids", "amx-fp16"},
    {"graniterapids-d", "graniterapids", "amx-complex"},
    {"bonnell", "core2", "movbe"},
    {"silvermont", "westmere", "movbe,prfchw"},
    {"goldmont", "silvermont", "aes,sha"},
    {"goldmont-plus", "goldmont", NULL},
    {"tremont", "goldmont", "gfni"},
    {"sierraforest", "arrowlake", NULL},
    {"grandridge", "arrowlake", NULL},
    {"clearwaterforest", "arrowlake-s", NULL},
    {"knl", "skylake", "avx512cd"},
    {"knm", "knl", "avx512vpopcntdq"},
    {"k8", "x86-64", "prfchw"},
    {"k8-sse3", "k8", "sse3"},
    {"amdfam10", "generic", "cmov,popcnt,lzcnt,sse4a,prfchw"},
    {"btver1", "amdfam10", "mmx,ssse3"},
    {"btver2", "ivybridge", "movbe,aes,lzcnt,sse4a,prfchw,bmi"},
    {"bdver1", "sandybridge", "aes,lzcnt,prfchw,xop"},
    {"bdver2", "bdver1", "fma,f16c,tbm,bmi"},
    {"bdver3", "bdver2", NULL},
    {"bdver4", "bdver2", "movbe,avx2,bmi2"},
    {"znver1", "skylake", "sse4a,sha"},
    {"znver2", "znver1", NULL},
    {"znver3", "znver1", "vaes,vpclmulqdq"},
    {"znver4", "icelake-client", "sse4a,avx512bf16"},
    {"znver5", "znver4", "avx512vp2intersect,avxvnni"},
    {0},
};

/* Families and models that have a name. */
static const struct {
    char vendor; /* A: AMD, I: Intel */
    uint8_t family, first, last;
    const char *name;
} models[] = {
    {'I', 6, 0x0f, 0x0f, "core2"},
    {'I', 6, 0x16, 0x16, "core2"},
    {'I', 6, 0x17, 0x17, "penryn"},
    {'I', 6, 0x1d, 0x1d, "penryn"},
    {'I', 6, 0x1a, 0x1a, "nehalem"},
    {'I', 6, 0x1e, 0x1f, "nehalem"},
    {'I', 6, 0x2e, 0x2e, "nehalem"},
    {'I', 6, 0x25, 0x25, "westmere"},
    {'I', 6, 0x2c, 0x2c, "westmere"},
    {'I', 6, 0x2f, 0x2f, "westmere"},
    {'I', 6, 0x2a, 0x2a, "sandybridge"},
    {'I', 6, 0x2d, 0x2d, "sandybridge"},
    {'I', 6, 0x3a, 0x3a, "ivybridge"},
    {'I', 6, 0x3e, 0x3e, "ivybridge"},
    {'I', 6, 0x3c, 0x3c, "haswell"},
    {'I', 6, 0x3f, 0x3f, "haswell"},
    {'I', 6, 0x45, 0x46, "haswell"},
    {'I', 6, 0x3d, 0x3d, "broadwell"},
    {'I', 6, 0x47, 0x47, "broadwell"},
    {'I', 6, 0x4f, 0x4f, "broadwell"},
    {'I', 6, 0x56, 0x56, "broadwell"},
    {'I', 6, 0x4e, 0x4e, "skylake"},
    {'I', 6, 0x5e, 0x5e, "skylake"},
    {'I', 6, 0x8e, 0x8e, "skylake"},
    {'I', 6, 0x9e, 0x9e, "skylake"},
    {'I', 6, 0xa5, 0xa6, "skylake"},
    {'I', 6, 0xa7, 0xa7, "rocketlake"},
    {'I', 6, 0x55, 0x55, "skylake-avx512"}, /* or one that knows more: below */
    {'I', 6, 0x66, 0x66, "cannonlake"},
    {'I', 6, 0x7d, 0x7e, "icelake-client"},
    {'I', 6, 0x8c, 0x8d, "tigerlake"},
    {'I', 6, 0x97, 0x97, "alderlake"},
    {'I', 6, 0x9a, 0x9a, "alderlake"},
    {'I', 6, 0xbe, 0xbe, "gracemont"},
    {'I', 6, 0xb7, 0xb7, "raptorlake"},
    {'I', 6, 0xba, 0xba, "raptorlake"},
    {'I', 6, 0xbf, 0xbf, "raptorlake"},
    {'I', 6, 0xaa, 0xaa, "meteorlake"},
    {'I', 6, 0xac, 0xac, "meteorlake"},
    {'I', 6, 0xb5, 0xb5, "arrowlake"},
    {'I', 6, 0xc5, 0xc5, "arrowlake"},
    {'I', 6, 0xc6, 0xc6, "arrowlake-s"},
    {'I', 6, 0xbd, 0xbd, "lunarlake"},
    {'I', 6, 0xcc, 0xcc, "pantherlake"},
    {'I', 6, 0x6a, 0x6a, "icelake-server"},
    {'I', 6, 0x6c, 0x6c, "icelake-server"},
    {'I', 6, 0x8f, 0x8f, "sapphirerapids"},
    {'I', 6, 0xcf, 0xcf, "emeraldrapids"},
    {'I', 6, 0xad, 0xad, "graniterapids"},
    {'I', 6, 0xae, 0xae, "graniterapids-d"},
    {'I', 6, 0x5c, 0x5c, "goldmont"},
    {'I', 6, 0x5f, 0x5f, "goldmont"},
    {'I', 6, 0x7a, 0x7a, "goldmont-plus"},
    {'I', 6, 0x86, 0x86, "tremont"},
    {'I', 6, 0x8a, 0x8a, "tremont"},
    {'I', 6, 0x96, 0x96, "tremont"},
    {'I', 6, 0x9c, 0x9c, "tremont"},
    {'I', 6, 0xaf, 0xaf, "sierraforest"},
    {'I', 6, 0xb6, 0xb6, "grandridge"},
    {'I', 6, 0xdd, 0xdd, "clearwaterforest"},
    {'I', 6, 0x57, 0x57, "knl"},
    {'I', 6, 0x85, 0x85, "knm"},
    {'A', 16, 0x00, 0xff, "amdfam10"},
    {'A', 20, 0x00, 0xff, "btver1"},
    {'A', 21, 0x02, 0x02, "bdver2"},
    {'A', 21, 0x10, 0x1f, "bdver2"},
    {'A', 21, 0x30, 0x3f, "bdver3"},
    {'A', 21, 0x60, 0x7f, "bdver4"},
    {'A', 21, 0x00, 0xff, "bdver1"},
    {'A', 22, 0x00, 0xff, "btver2"},
    {'A', 23, 0x30, 0x3f, "znver2"},
    {'A', 23, 0x47, 0x47, "znver2"},
    {'A', 23, 0x60, 0x6f, "znver2"},
    {'A', 23, 0x70, 0x7f, "znver2"},
    {'A', 23, 0x84, 0x87, "znver2"},
    {'A', 23, 0x90, 0xaf, "znver2"},
    {'A', 23, 0x00, 0xff, "znver1"},
    {'A', 25, 0x10, 0x1f, "znver4"},
    {'A', 25, 0x60, 0x7f, "znver4"},
    {'A', 25, 0xa0, 0xaf, "znver4"},
    {'A', 25, 0x00, 0xff, "znver3"},
    {'A', 26, 0x00, 0xff, "znver5"},
};

static const hone_preset_vectors vectors[] = {
    {"avx512f", 64, 32, 1}, {"avx", 32, 16, 1}, {NULL, 16, 16, 1}, {0}};

/* LLVM makes two instructions of one where it fears for the clock. */
static const hone_preset_attribute attributes[] = {{"prefer-vector-width", "512", "avx512f", 64},
                                                   {0}};

static const hone_preset_class classes[] = {
    {"avx512f", "avx512"}, {"avx2", "avx2"}, {"avx", "avx"}, {"sse4.2", "sse4"}, {0}};

/* A tile product of 16 by 16 by 64 bytes takes 16 cycles (Intel, Optimization Reference Manual,
 * 20.3): 1024 products of bytes in one. */
static const hone_preset_peak peaks[] = {{"amx-int8", 2048, 0},
                                         {"amx-bf16", 1024, 0},
                                         {"amx-fp16", 1024, 0},
                                         {"amx-complex", 1024, 0},
                                         {0}};

static const hone_preset_tile tiles[] = {
    {32, 14, 2, 1, 512}, {32, 12, 2, 2, 256},
    {32, 8, 3, 1, 384},  {32, 6, 4, 1, 256},
    {32, 8, 2, 4, 512},  {32, 10, 2, 2, 320},
    {32, 4, 4, 2, 512},  {32, 14, 2, 2, 192},
    {0, 6, 2, 1, 512},   {0, 4, 3, 1, 256},
    {0, 4, 2, 4, 384},   {0, 5, 2, 2, 256},
    {0, 12, 1, 1, 512},  {0},
};

static const char *const archs[] = {"x86_64", "amd64", NULL};
static const char *const rules[] = {HONE_TARGETS__CPU_RULES};
HONE_TARGETS__INTRINS(x86_64);

/* ---- this host ------------------------------------------------------------------------------- */

static bool bit(const hone_preset_found *h, unsigned word, unsigned k)
{
    return h->words[word] >> k & 1;
}

/* The newest of the levels that compilers agree on, for a processor without a name here. */
static const char *level_of(const hone_preset_found *h)
{
    bool v2 = bit(h, L1_ECX, 20) && bit(h, L1_ECX, 23) && bit(h, EXT1_ECX, 0);
    bool v3 = v2 && bit(h, SAVED, HAS_AVX) && bit(h, L7_EBX, 5) && bit(h, L7_EBX, 3) &&
              bit(h, L7_EBX, 8) && bit(h, L1_ECX, 12) && bit(h, L1_ECX, 22) && bit(h, L1_ECX, 29) &&
              bit(h, EXT1_ECX, 5);
    bool v4 = v3 && bit(h, SAVED, HAS_AVX512) && bit(h, L7_EBX, 17) && bit(h, L7_EBX, 28) &&
              bit(h, L7_EBX, 30) && bit(h, L7_EBX, 31);
    return v4 ? "x86-64-v4" : v3 ? "x86-64-v3" : v2 ? "x86-64-v2" : "x86-64";
}

static const char *cpu_of(const hone_preset_found *h, char vendor, unsigned family, unsigned model)
{
    if (vendor == 'I' && family == 6 && model == 0x55 && bit(h, L7_ECX, 11))
        return bit(h, L7_1_EAX, 5) ? "cooperlake" : "cascadelake";
    for (size_t k = 0; k < HONE_LEN(models); k++)
        if (models[k].vendor == vendor && models[k].family == family && models[k].first <= model &&
            model <= models[k].last)
            return models[k].name;
    return level_of(h);
}

/* A register of CPUID, 0 where the processor has no such leaf; or of XCR0, where that can be read.
 */
static uint32_t register_of(const hone_preset_source *s, hone_targets__cpuid *cpuid, uint64_t xcr0)
{
    uint32_t r[4];
    if (s->reg == HONE_TARGET_XCR0) {
        cpuid(1, 0, r);
        return r[HONE_TARGET_ECX] & OSXSAVE ? (uint32_t)xcr0 : 0;
    }
    cpuid(s->leaf & 0x80000000, 0, r);
    if (s->leaf > r[0])
        return 0;
    cpuid(s->leaf, 0, r);
    if (s->leaf == 7 && s->subleaf > r[0])
        return 0;
    cpuid(s->leaf, s->subleaf, r);
    return r[s->reg];
}

void hone_targets__x86_64_read(hone_targets__cpuid *cpuid, uint64_t xcr0, hone_preset_found *ret)
{
    uint32_t r[4], top[4];
    memset(ret, 0, sizeof *ret);
    cpuid(0, 0, top);
    char vendor = memcmp(&top[1], "Genu", 4) == 0 ? 'I' : memcmp(&top[1], "Auth", 4) == 0 ? 'A' : 0;
    cpuid(1, 0, r);
    unsigned family = r[0] >> 8 & 15, model = r[0] >> 4 & 15;
    if (family == 6 || family == 15)
        model += (r[0] >> 16 & 15) << 4;
    if (family == 15)
        family += r[0] >> 20 & 255;
    ret->words[SAVED] = ~0u;
    for (const hone_preset_source *s = sources; s->word; s++) {
        uint32_t got = register_of(s, cpuid, xcr0);
        if (!s->bits)
            ret->words[s->word] = got;
        else if ((got & s->mask) != s->mask)
            ret->words[s->word] &= ~s->bits;
    }
    snprintf(ret->cpu, sizeof ret->cpu, "%s", cpu_of(ret, vendor, family, model));
}

#ifdef __x86_64__
#include <cpuid.h>

static void ask(uint32_t leaf, uint32_t sub, uint32_t ret[4])
{
    __cpuid_count(leaf, sub, ret[0], ret[1], ret[2], ret[3]);
}

static void probe(hone_preset_found *ret)
{
    uint32_t r[4], low = 0, high = 0;
    ask(1, 0, r);
    if (r[2] >> 27 & 1) /* xgetbv may be used */
        __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    hone_targets__x86_64_read(ask, (uint64_t)high << 32 | low, ret);
}
#define PROBE probe
#else
#define PROBE NULL
#endif

const hone_preset hone_targets__x86_64 = {
    .name = "x86_64",
    .archs = archs,
    .triple = "x86_64-pc-linux-gnu",
    .features = features,
    .host_order = host_order,
    .sources = sources,
    .cpus = cpus,
    .usual = {.cores = 8,
              .cache_line = 64,
              .l1_bytes = 32 << 10,
              .l2_bytes = 1 << 20,
              .l3_bytes = 32 << 20},
    .fma = "fma",
    .half = "f16c",
    .rounding = "sse4.1",
    .stream_fence = "llvm.x86.sse.sfence",
    .vectors = vectors,
    .attributes = attributes,
    .fma_latency = 4, /* every core since Skylake and Zen 3 */
    .fma_per_cycle = 2,
    .classes = classes,
    .peaks = peaks,
    .tiles = tiles,
    .draft = {.ghz = 3.5, .loads_per_cycle = 2, .loop_cycles = 2, .bytes_per_cycle = {32, 12, 4}},
    .rules = rules,
    .intrins = hone_targets__x86_64_intrins,
    .intrins_end = hone_targets__x86_64_intrins_end,
    .elf_machine = EM_X86_64,
    .relocs = {R_X86_64_NONE, R_X86_64_64, R_X86_64_RELATIVE, R_X86_64_GLOB_DAT,
               R_X86_64_JUMP_SLOT},
    .n_relocs = 5,
    .probe = PROBE,
};
