/* Artifacts that call a library: one that computes the right thing, and all the ways not to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/workers/device_kernels.h"

/* Each function's name is also the library's name for it. */
static const char library[] =
    "#include <fcntl.h>\n#include <pthread.h>\n#include <stdlib.h>\n#include <string.h>\n"
    "#include <unistd.h>\n"
    "static int opened, threads;\n"
    "__attribute__((constructor)) static void begin(void) { "
    "int fd = open(\"/etc/passwd\", O_RDONLY); opened = fd >= 0; if (fd >= 0) close(fd); }\n"
    "void use(int n) { threads = n; }\n"
    "static int times(int n, const float *a, float *c, int by) { "
    "for (int i = 0; i < n; i++) c[i] = (float)by * a[i]; return 0; }\n"
    "int right(int n, const float *a, float *c) { if (!opened || threads != 1) return 77; "
    "return times(n, a, c, 3); }\n"
    "int liar(int n, const float *a, float *c) { return times(n, a, c, 2); }\n"
    "int crash(int n, const float *a, float *c) { *(volatile int *)16 = n; "
    "return times(n, a, c, 3); }\n"
    "int hang(int n, const float *a, float *c) { volatile int on = 1; while (on) { } "
    "return times(n, a, c, 3); }\n"
    "int fails(int n, const float *a, float *c) { times(n, a, c, 3); return 5; }\n"
    "int input(int n, const float *a, float *c) { ((float *)a)[1] = 0; return times(n, a, c, 3); "
    "}\n"
    "int files(int n, const float *a, float *c) { close(open(\"/etc/passwd\", O_RDONLY)); "
    "return times(n, a, c, 3); }\n"
    "static void *nothing(void *x) { return x; }\n"
    "int starts(int n, const float *a, float *c) { pthread_t t; "
    "if (pthread_create(&t, 0, nothing, 0) == 0) pthread_join(t, 0); return times(n, a, c, 3); }\n"
    "int memory(int n, const float *a, float *c) { char *p = malloc(300 << 20); if (!p) return 12; "
    "memset(p, 1, 1 << 20); int rc = times(n, a, c, p[9] + 2); free(p); return rc; }\n";

enum { N = 1000, LIBRARIES = HONE_LIBCALL_MAX };

static char folder[] = "/tmp/hone-device-library-XXXXXX";
static hone_libcall_library known[LIBRARIES];
static unsigned n_known;
static hone_nursery *nursery;
static hone_manifest manifest;

static void shell(const char *command)
{
    char *whole = hone_xasprintf("cd %s && %s", folder, command);
    assert_int_equal(system(whole), 0);
    free(whole);
}

static void know(const char *function)
{
    hone_error err = {0};
    char *path = hone_xasprintf("%s/%s.lib", folder, function);
    char *text = hone_xasprintf("hone-library 1\nfile libtest.so\nthreads use\nkernel k\n"
                                "call i32 %s(i32 1)\n",
                                function);
    char *given = hone_xasprintf("%s=%s", function, path);
    assert_int_equal(hone_file_write(path, text, strlen(text), NULL), HONE_OK);
    assert_status(hone_libcall_load(given, &known[n_known], NULL, &err), HONE_OK, &err);
    n_known++;
    free(given);
    free(text);
    free(path);
}

static int set_up(void **state)
{
    (void)state;
    hone_error err = {0};
    assert_non_null(mkdtemp(folder));
    char *c = hone_xasprintf("%s/t.c", folder);
    assert_int_equal(hone_file_write(c, library, sizeof library - 1, NULL), HONE_OK);
    free(c);
    shell("cc -shared -fPIC -O1 -o libtest.so t.c -lpthread");
    static const char *const functions[] = {"right", "liar",  "crash", "hang",
                                            "fails", "input", "files"};
    for (size_t k = 0; k < HONE_LEN(functions); k++)
        know(functions[k]);
    add_arg(&manifest, "A", HONE_ELEM_F32, false, N);
    add_arg(&manifest, "C", HONE_ELEM_F32, true, N);
    assert_status(hone_nursery_start(SANDBOX, known, n_known, &nursery, &err), HONE_OK, &err);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    hone_nursery_stop(nursery);
    for (unsigned k = 0; k < n_known; k++)
        hone_libcall_library_free(&known[k]);
    shell("rm -f *");
    return rmdir(folder);
}

static hone_artifact calls(const char *name, const char *function, uint64_t hash)
{
    char *text = hone_xasprintf(
        "EXPORT struct { uint64_t address, hash; char name[%d], function[%d]; "
        "} " HONE_LIBCALL_SYMBOL " = {0, %" PRIu64 "u, \"%s\", \"%s\"};\n"
        "KERNEL { int (*f)(int, const float *, float *) = (void *)" HONE_LIBCALL_SYMBOL
        ".address; return f(%d, F32(0), F32(1)); }",
        HONE_LIBCALL_MAX_NAME, HONE_LIBCALL_MAX_SYMBOL, hash, name, function, N);
    hone_artifact a = artifact(&manifest, text);
    free(text);
    return a;
}

static const char reference[] =
    "KERNEL { for (int i = 0; i < 1000; i++) F32(1)[i] = F32(0)[i] * 3; "
    "return 0; }";

static hone_status measure_on(hone_nursery *n, hone_artifact c, int64_t check_ms, hone_error *err)
{
    hone_measure_result r;
    hone_artifact ref = artifact(&manifest, reference);
    hone_measure_job job = plain_job(&c, &ref);
    job.check_ms = check_ms;
    hone_status s = run_job(n, &job, &r, err);
    if (s == HONE_OK)
        assert_true(r.time_ns > 0 && r.max_error == 0);
    hone_artifact_free(&c);
    hone_artifact_free(&ref);
    return s;
}

static hone_status measure(const char *function, hone_error *err)
{
    return measure_on(nursery, calls(function, function, known[0].hash), 20000, err);
}

static void the_right_one(void **state)
{
    (void)state;
    hone_error err;
    assert_status(measure("right", &err), HONE_OK, &err);
}

static void wrong_ones(void **state)
{
    (void)state;
    hone_error err;
    assert_status(measure("liar", &err), HONE_REJECT_WRONG_RESULT, &err);
    assert_status(measure("crash", &err), HONE_REJECT_CRASH, &err);
    assert_status(measure("fails", &err), HONE_REJECT_NONZERO, &err);
    assert_says(&err, "returned 5");
    assert_status(measure("input", &err), HONE_REJECT_OUT_OF_BOUNDS, &err);
    assert_says(&err, "wrote to input 'A'");
    hone_artifact hang = calls("hang", "hang", known[0].hash);
    assert_status(measure_on(nursery, hang, 3000, &err), HONE_REJECT_RUN_TIMEOUT, &err);
    if (SANDBOX)
        assert_status(measure("files", &err), HONE_REJECT_SYSCALL, &err);
    assert_status(measure("right", &err), HONE_OK, &err); /* the nursery is none the worse */
}

/* In turns with a kernel, as either. */
static void beside_a_kernel(void **state)
{
    (void)state;
    hone_error err;
    hone_measure_result r;
    hone_artifact c = calls("right", "right", known[0].hash), k = artifact(&manifest, reference),
                  bad = calls("crash", "crash", known[0].hash);
    hone_measure_job job = plain_job(&c, &k);
    job.incumbent = &k;
    assert_status(run_job(nursery, &job, &r, &err), HONE_OK, &err);
    assert_true(r.incumbent_ns[0] > 0);
    job.candidate = &k;
    job.incumbent = &c;
    assert_status(run_job(nursery, &job, &r, &err), HONE_OK, &err);
    assert_true(r.incumbent_ns[0] > 0);
    job.incumbent = &bad;
    assert_status(run_job(nursery, &job, &r, &err), HONE_E_INCUMBENT, &err);
    hone_artifact_free(&bad);
    hone_artifact_free(&c);
    hone_artifact_free(&k);
}

/* Only what this worker's operator named can be had. */
static void unknown_ones(void **state)
{
    (void)state;
    hone_error err;
    assert_status(measure("memory", &err), HONE_E_INPUT, &err);
    assert_says(&err, "was not started with (--candidate-lib)");
    assert_status(measure_on(nursery, calls("right", "liar", known[0].hash), 20000, &err),
                  HONE_E_INPUT, &err);
    assert_status(measure_on(nursery, calls("right", "right", 1), 20000, &err), HONE_E_INPUT, &err);
    assert_says(&err, "another version");
    hone_nursery *none;
    assert_status(hone_nursery_start(SANDBOX, NULL, 0, &none, &err), HONE_OK, &err);
    assert_status(measure_on(none, calls("right", "right", known[0].hash), 20000, &err),
                  HONE_E_INPUT, &err);
    hone_nursery_stop(none);
}

/* What is called hone_library and is not what it should be. */
static void no_place_for_an_address(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "EXPORT uint64_t " HONE_LIBCALL_SYMBOL " = 1;\n",
        "EXPORT int " HONE_LIBCALL_SYMBOL "(void) { return 0; }\n",
        "EXPORT const struct { uint64_t a, b; char c[96]; } " HONE_LIBCALL_SYMBOL
        " = {1, 1, {1}};\n",
        "EXPORT struct { uint64_t a, b; char c[96]; } " HONE_LIBCALL_SYMBOL ";\n",
        "EXPORT struct { uint64_t a, b; char c[32], d[64]; } " HONE_LIBCALL_SYMBOL
        " = {1, 1, \"0123456789012345678901234567890\" \"1\", \"f\"};\n",
    };
    hone_error err;
    for (size_t k = 0; k < HONE_LEN(texts); k++) {
        char *text = hone_xasprintf("%s%s", texts[k], reference);
        assert_status(measure_on(nursery, artifact(&manifest, text), 20000, &err),
                      HONE_REJECT_ARTIFACT, &err);
        free(text);
    }
}

static void memory_and_threads(void **state)
{
    (void)state;
    hone_error err;
    hone_nursery *n;
    unsigned first = n_known;
    for (unsigned k = 0; k < first; k++)
        hone_libcall_library_free(&known[k]);
    n_known = 0;
    know("right");
    know("memory");
    know("starts");
    assert_status(hone_nursery_start(SANDBOX, known, n_known, &n, &err), HONE_OK, &err);
    uint64_t hash = known[0].hash;
    assert_status(measure_on(n, calls("memory", "memory", hash), 20000, &err), HONE_OK, &err);
    /* pthread_create asks for clone3, which ends the process before it could fail */
    if (SANDBOX)
        assert_status(measure_on(n, calls("starts", "starts", hash), 20000, &err),
                      HONE_REJECT_SYSCALL, &err);
    shell("echo more >>libtest.so");
    assert_status(measure_on(n, calls("right", "right", hash), 20000, &err), HONE_E_SANDBOX, &err);
    assert_says(&err, "has changed since this worker began");
    hone_nursery_stop(n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_right_one),           cmocka_unit_test(wrong_ones),
        cmocka_unit_test(beside_a_kernel),         cmocka_unit_test(unknown_ones),
        cmocka_unit_test(no_place_for_an_address), cmocka_unit_test(memory_and_threads),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
