/* What the artifact checker lets through and what not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/workers/device_kernels.h"

#include <elf.h>

#define GOOD "KERNEL { F32(1)[0] = F32(0)[0]; return 0; }"

static hone_status check(const char *text, const char *flags, bool pack, hone_error *err)
{
    char *bytes;
    size_t n;
    hone_error_clear(err);
    compile(text, flags, &bytes, &n);
    hone_status s = hone_device__elf_check((uint8_t *)bytes, n, pack, err);
    free(bytes);
    return s;
}

static void expect(const char *text, const char *flags, bool pack, const char *says)
{
    hone_error err;
    assert_status(check(text, flags, pack, &err), HONE_REJECT_ARTIFACT, &err);
    assert_says(&err, says);
}

static void good_ones(void **state)
{
    (void)state;
    hone_error err;
    static const char *const flags[] = {
        "-nostdlib",
        "-nostdlib -s",
        "-nostdlib -Wl,--hash-style=sysv",
        "-nostdlib -Wl,--hash-style=gnu",
        "-nostdlib -Wl,--hash-style=both -Wl,-soname,k.so",
        "-nostdlib -Wl,-z,now -Wl,-z,relro",
        "-nostdlib -Wl,-z,noseparate-code -Wl,-z,norelro",
        "-nostdlib -fvisibility=default -Wl,-Bsymbolic",
        "-nostdlib -fuse-ld=bfd -Wl,-z,noexecstack -Wl,-z,norelro", /* as hone's builder links */
    };
    for (size_t i = 0; i < HONE_LEN(flags); i++)
        assert_status(check(GOOD, flags[i], false, &err), HONE_OK, &err);
    assert_status(check(GOOD "\nPACK { return 0; }", PLAIN, true, &err), HONE_OK, &err);
    /* data with addresses in it, calls to functions of its own through the table */
    assert_status(check("static int32_t one(void) { return 1; }\n"
                        "static int32_t (*const table[])(void) = {one, one};\n"
                        "EXPORT int other(void) { return 2; }\n"
                        "KERNEL { return table[rt->threads & 1]() + other(); }",
                        PLAIN, false, &err),
                  HONE_OK, &err);
}

static void refused(void **state)
{
    (void)state;
    expect(GOOD, "-nostdlib -Wl,--no-as-needed -lc", false, "DT_NEEDED");
    expect("extern float sinf(float); KERNEL { F32(1)[0] = sinf(F32(0)[0]); return 0; }", PLAIN,
           false, "needs the symbol 'sinf'");
    expect("extern int x __attribute__((weak, visibility(\"default\"))); KERNEL { return !&x; }",
           PLAIN, false, "needs the symbol 'x'");
    expect("__attribute__((constructor)) static void early(void) { for (;;) { } }\n" GOOD, PLAIN,
           false, "runs when it is loaded");
    expect("__attribute__((destructor)) static void late(void) { for (;;) { } }\n" GOOD, PLAIN,
           false, "runs when it is loaded");
    expect("EXPORT void go(void) { }\n" GOOD, "-nostdlib -Wl,-init,go", false,
           "runs when it is loaded");
    expect("static void *pick(void) { return 0; }\n"
           "EXPORT void f(void) __attribute__((ifunc(\"pick\")));\n" GOOD,
           PLAIN, false, "resolved by code");
    expect("static __thread int t; KERNEL { return t++; }", PLAIN, false, "thread-local");
    expect(GOOD, "-nostdlib -Wl,-z,execstack", false, "executable stack");
    expect(GOOD, "-nostdlib -Wl,-z,nodlopen", false, "dynamic");
    expect(GOOD, "-nostdlib -Wl,-rpath,/tmp", false, "dynamic entry");
    expect("EXPORT int other(void) { return 1; }", PLAIN, false,
           "does not define the function 'hone_kernel'");
    expect("EXPORT int hone_kernel = 1;", PLAIN, false, "not as a function");
    expect("__attribute__((visibility(\"hidden\"))) int hone_kernel(void) { return 1; }"
           "EXPORT int other(void) { return 1; }",
           PLAIN, false, "does not define");
    expect(GOOD, PLAIN, true, "does not define the function 'hone_pack'");
    expect(GOOD "\nint main(void) { return 0; }", "-nostdlib -no-pie -static -Wl,-e,main", false,
           "");
}

static void wrong_kind_of_file(void **state)
{
    (void)state;
    hone_error err;
    char *bytes;
    size_t n;
    assert_status(hone_device__elf_check((const uint8_t *)"", 0, false, &err), HONE_REJECT_ARTIFACT,
                  &err);
    assert_status(hone_device__elf_check((const uint8_t *)"\177ELF", 4, false, &err),
                  HONE_REJECT_ARTIFACT, &err);
    compile(GOOD, PLAIN, &bytes, &n);
    Elf64_Ehdr h, good;
    memcpy(&good, bytes, sizeof good);
#define BROKEN(field, value, says)                                                                \
    h = good;                                                                                     \
    h.field = value;                                                                              \
    memcpy(bytes, &h, sizeof h);                                                                  \
    assert_status(hone_device__elf_check((uint8_t *)bytes, n, false, &err), HONE_REJECT_ARTIFACT, \
                  &err);                                                                          \
    assert_says(&err, says)
    BROKEN(e_ident[EI_CLASS], ELFCLASS32, "64-bit");
    BROKEN(e_type, ET_EXEC, "not a shared object");
    BROKEN(e_type, ET_REL, "not a shared object");
    BROKEN(e_phnum, 0, "program header");
    BROKEN(e_phnum, 1000, "program header");
    BROKEN(e_phoff, UINT64_MAX, "program header");
    h = good; /* whoever sent it here is wrong, not it */
    h.e_machine = EM_SPARC;
    memcpy(bytes, &h, sizeof h);
    assert_status(hone_device__elf_check((uint8_t *)bytes, n, false, &err), HONE_E_INPUT, &err);
    assert_says(&err, "built for another machine (2,");
    memcpy(bytes, &good, sizeof good);
    assert_int_equal(hone_device__elf_check((uint8_t *)bytes, n, false, &err), HONE_OK);
    assert_int_equal(
        hone_device__elf_check((uint8_t *)bytes, HONE_MAX_ARTIFACT_BYTES + 1, false, &err),
        HONE_REJECT_ARTIFACT);
    free(bytes);
}

/* Every way of cutting the file, and one changed byte at a time in what the loader reads: nothing
 * may read outside (seen by the sanitizer), and what is cut inside a segment is refused. */
static void damaged_files(void **state)
{
    (void)state;
    char *bytes;
    size_t n;
    compile(GOOD
            "\nstatic int x; static int *const p[] = {&x}; EXPORT int *g(void) { return p[0]; }",
            "-nostdlib -s -Wl,-z,noseparate-code -Wl,--hash-style=both", &bytes, &n);
    for (size_t cut = 0; cut < n; cut += cut < 1200 ? 1 : 97) {
        uint8_t *exact = hone_xmalloc(cut ? cut : 1);
        memcpy(exact, bytes, cut);
        hone_status s = hone_device__elf_check(exact, cut, false, NULL);
        assert_true(s == HONE_REJECT_ARTIFACT || s == HONE_OK);
        if (cut < 1000)
            assert_int_equal(s, HONE_REJECT_ARTIFACT);
        free(exact);
    }
    uint8_t *exact = hone_xmalloc(n);
    for (size_t at = 0; at < n; at++) {
        for (unsigned flip = 1; flip < 256; flip = flip * 3 + 1) {
            memcpy(exact, bytes, n);
            exact[at] ^= (uint8_t)flip;
            hone_status s = hone_device__elf_check(exact, n, at & 1, NULL);
            assert_true(s == HONE_REJECT_ARTIFACT || s == HONE_OK || s == HONE_E_INPUT);
        }
    }
    free(exact);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_ones),
        cmocka_unit_test(refused),
        cmocka_unit_test(wrong_kind_of_file),
        cmocka_unit_test(damaged_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
