/* What becomes of kernels that do right and wrong. Each is compiled from the text beside it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/workers/device_kernels.h"

#include <elf.h>

/* out[i] = 2 a[i] + 1, N elements; N is no multiple of 16, so a canary follows the output. */
#define N 1001
#define RIGHT "for (int i = 0; i < 1001; i++) F32(1)[i] = 2 * F32(0)[i] + 1;"

static hone_nursery *nursery;
static hone_manifest manifest;
static hone_artifact reference;

static int set_up(void **state)
{
    (void)state;
    hone_error err;
    add_arg(&manifest, "A", HONE_ELEM_F32, false, N);
    add_arg(&manifest, "C", HONE_ELEM_F32, true, N);
    manifest.flops = 2 * N;
    reference = artifact(&manifest, "KERNEL { " RIGHT " return 0; }");
    assert_status(hone_nursery_start(SANDBOX, NULL, 0, &nursery, &err), HONE_OK, &err);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    hone_nursery_stop(nursery);
    hone_artifact_free(&reference);
    return 0;
}

static hone_status verdict(const char *text, hone_measure_result *ret, hone_error *err)
{
    hone_artifact a = artifact(&manifest, text);
    hone_measure_job job = plain_job(&a, &reference);
    hone_status s = run_job(nursery, &job, ret, err);
    hone_artifact_free(&a);
    return s;
}

static void expect(const char *text, hone_status want, const char *says)
{
    hone_measure_result r;
    hone_error err;
    assert_status(verdict(text, &r, &err), want, &err);
    assert_says(&err, says);
    /* and the nursery goes on as if nothing had happened */
    assert_status(verdict("KERNEL { " RIGHT " return 0; }", &r, &err), HONE_OK, &err);
}

static void right_kernel_is_timed(void **state)
{
    (void)state;
    hone_measure_result r;
    hone_error err;
    assert_status(verdict("KERNEL { " RIGHT " return 0; }", &r, &err), HONE_OK, &err);
    assert_true(r.time_ns > 0);
    assert_int_equal(r.n_samples, 5);
    for (int i = 0; i < r.n_samples; i++) {
        assert_true(r.sample_ns[i] > 0);
        assert_true(r.incumbent_ns[i] == 0);
    }
    assert_true(r.max_error == 0);
    assert_true(r.log_ratio == 0);
    assert_true(r.check_ns > 0 && r.run_ns > 0);
    assert_non_null(strstr(r.env, "cpu="));
    assert_non_null(strstr(r.env, "kernel="));
    assert_non_null(strstr(r.env, "ssb="));
}

static void wrong_result(void **state)
{
    (void)state;
    expect("KERNEL { " RIGHT " F32(1)[17] += 0.5f; return 0; }", HONE_REJECT_WRONG_RESULT,
           "output 'C': element 17 is");
}

static void missing_result(void **state)
{
    (void)state;
    expect("KERNEL { for (int i = 0; i < 1000; i++) F32(1)[i] = 2 * F32(0)[i] + 1; return 0; }",
           HONE_REJECT_WRONG_RESULT, "element 1000 is nan");
}

static void right_only_the_first_time(void **state)
{
    (void)state;
    expect("static int calls; KERNEL { " RIGHT " if (calls++) F32(1)[3] = 9; return 0; }",
           HONE_REJECT_WRONG_RESULT, "element 3 is 9");
    /* the first call of each of the first two data sets is right */
    expect("static int calls; KERNEL { " RIGHT " if (calls++ > 1) F32(1)[3] = 9; return 0; }",
           HONE_REJECT_WRONG_RESULT, "after many calls: element 3 is 9");
    /* does nothing from then on */
    expect("static int calls; KERNEL { if (calls++ > 1) return 0; " RIGHT " return 0; }",
           HONE_REJECT_WRONG_RESULT, "after many calls: element 0 is nan");
}

/* The work of a call, several times as long as a cache miss or an interruption of the clock. */
#define SLOW "for (volatile int k = 0; k < 300000; k++) { } "

static void work_that_is_done_already(void **state)
{
    (void)state;
    hone_measure_result r;
    hone_error err;
    /* as long as the output is there it looks infinitely fast */
    verdict("KERNEL { if (F32(1)[1000] == F32(1)[1000]) return 0; " SLOW RIGHT " return 0; }", &r,
            &err);
    if (err.status != HONE_REJECT_IMPOSSIBLE && err.status != HONE_REJECT_TOO_SHORT &&
        err.status != HONE_REJECT_WRONG_RESULT) /* the clock was disturbed: other poison tells */
        fail_msg("%s: %s", hone_status_name(err.status), err.message);
    err.status = HONE_OK;
    /* not quite, so that the clock has something to see; if that is disturbed all the time, data
     * sets with other poison are what tells */
    for (int tries = 0; tries < 10 && err.status != HONE_REJECT_IMPOSSIBLE; tries++)
        verdict("KERNEL { if (F32(1)[1000] == F32(1)[1000]) { " /* again when it was disturbed */
                "for (volatile int k = 0; k < 3000; k++) { } return 0; } " SLOW RIGHT
                " return 0; }",
                &r, &err);
    if (err.status != HONE_REJECT_WRONG_RESULT) {
        assert_status(err.status, HONE_REJECT_IMPOSSIBLE, &err);
        assert_says(&err, "not there yet");
    }
    /* an honest one of that length */
    assert_status(verdict("KERNEL { " SLOW RIGHT " return 0; }", &r, &err), HONE_OK, &err);
}

/* What the oracle says of C = 2 A + 1, with some room. */
static void small_error_is_reported(void **state)
{
    (void)state;
    hone_measure_result r;
    hone_error err;
    hone_manifest m = {0};
    add_arg(&m, "A", HONE_ELEM_F32, false, N);
    add_arg(&m, "hone.quantum", HONE_ELEM_F64, false, 1);
    add_arg(&m, "C", HONE_ELEM_F64, true, N);
    add_arg(&m, "C.error", HONE_ELEM_F64, true, N);
    hone_artifact oracle =
        artifact(&m, "KERNEL { double *c = args[2], *e = args[3]; for (int i = 0; i < 1001; i++) { "
                     "c[i] = 2.0 * F32(0)[i] + 1; e[i] = 1e-5; } return 0; }");
    hone_artifact slightly =
        artifact(&reference.manifest, "KERNEL { " RIGHT " F32(1)[5] += 1.5e-5f; return 0; }");
    hone_measure_job job = plain_job(&slightly, &oracle);
    job.tolerance = 2;
    assert_status(run_job(nursery, &job, &r, &err), HONE_OK, &err);
    assert_true(r.max_error > 1 && r.max_error < 2);
    job.tolerance = 1;
    assert_status(run_job(nursery, &job, &r, &err), HONE_REJECT_WRONG_RESULT, &err);
    hone_artifact_free(&oracle);
    hone_artifact_free(&slightly);
}

static void one_element_past_the_end(void **state)
{
    (void)state;
    expect("KERNEL { " RIGHT " F32(1)[1001] = 1; return 0; }", HONE_REJECT_OUT_OF_BOUNDS,
           "byte 4004 of output 'C', which has 4004");
    expect("KERNEL { " RIGHT " F32(1)[-1] = 1; return 0; }", HONE_REJECT_OUT_OF_BOUNDS,
           "output 'C'");
}

static void past_the_guard(void **state)
{
    (void)state;
    expect("KERNEL { " RIGHT " F32(1)[1001 + 16] = 1; return 0; }", HONE_REJECT_OUT_OF_BOUNDS,
           "byte 4068 of output 'C', which has 4004");
    expect("KERNEL { " RIGHT " F32(1)[100000] = 1; return 0; }", HONE_REJECT_OUT_OF_BOUNDS,
           "output 'C'");
    expect("KERNEL { " RIGHT " F32(1)[0] = F32(0)[-5000]; return 0; }", HONE_REJECT_OUT_OF_BOUNDS,
           "before input 'A'");
}

static void writes_to_an_input(void **state)
{
    (void)state;
    expect("KERNEL { " RIGHT " F32(0)[2] = 5; return 0; }", HONE_REJECT_OUT_OF_BOUNDS,
           "wrote to input 'A' at byte 8");
}

static void crashes(void **state)
{
    (void)state;
    expect("KERNEL { " RIGHT " *(volatile int *)8 = 1; return 0; }", HONE_REJECT_CRASH,
           "SIGSEGV at 0x8");
    expect("KERNEL { __builtin_trap(); }", HONE_REJECT_CRASH, "SIGILL");
    expect("static int deep(volatile int n) { volatile char big[4096]; big[0] = 1; "
           "return n ? deep(n - 1) + big[0] : 0; }\n"
           "KERNEL { return deep(1 << 20); }",
           HONE_REJECT_CRASH, "SIGSEGV");
}

static void returns_nonzero(void **state)
{
    (void)state;
    expect("KERNEL { return 42; }", HONE_REJECT_NONZERO, "returned 42");
    expect("KERNEL { return HONE_RT_NOMEM; }", HONE_REJECT_NONZERO, "no scratch memory");
    expect("static int calls; KERNEL { " RIGHT " return calls++ > 2; }", HONE_REJECT_NONZERO,
           "the kernel returned 1");
}

static void never_ends(void **state)
{
    (void)state;
    hone_measure_result r;
    hone_error err;
    hone_artifact a = artifact(&manifest, "KERNEL { for (volatile int i = 1; i;) { } return 0; }");
    hone_measure_job job = plain_job(&a, &reference);
    job.check_ms = 1500;
    assert_status(run_job(nursery, &job, &r, &err), HONE_REJECT_RUN_TIMEOUT, &err);
    assert_says(&err, "the kernel did not end in time");
    hone_artifact_free(&a);
    a = artifact(&manifest, "static int calls; KERNEL { " RIGHT
                            " for (volatile int i = calls++ > 1; i;) { } return 0; }");
    job = plain_job(&a, &reference);
    job.run_ms = 300;
    assert_status(run_job(nursery, &job, &r, &err), HONE_REJECT_RUN_TIMEOUT, &err);
    assert_says(&err, "while it was timed");
    hone_artifact_free(&a);
    assert_status(verdict("KERNEL { " RIGHT " return 0; }", &r, &err), HONE_OK, &err);
}

#if defined(__x86_64__)
#define CALL                                                                                \
    "static long call(long nr, long a, long b, long c) { long r; "                          \
    "__asm__ volatile(\"syscall\" : \"=a\"(r) : \"a\"(nr), \"D\"(a), \"S\"(b), \"d\"(c) : " \
    "\"rcx\", \"r11\", \"memory\"); return r; }\n"
#elif defined(__aarch64__)
#define CALL                                                                                      \
    "static long call(long nr, long a, long b, long c) { register long x8 __asm__(\"x8\") = nr; " \
    "register long x0 __asm__(\"x0\") = a; register long x1 __asm__(\"x1\") = b; "                \
    "register long x2 __asm__(\"x2\") = c; __asm__ volatile(\"svc 0\" : \"+r\"(x0) : "            \
    "\"r\"(x8), \"r\"(x1), \"r\"(x2) : \"memory\"); return x0; }\n"
#endif
/* mmap of 16 MiB */
#if defined(__x86_64__)
#define MAP                                                                                        \
    "static long map(long flags, long protection) { long r; register long r10 __asm__(\"r10\") = " \
    "flags; register long r8 __asm__(\"r8\") = -1; register long r9 __asm__(\"r9\") = 0; "         \
    "__asm__ volatile(\"syscall\" : \"=a\"(r) : \"a\"(SYS_mmap), \"D\"(0), \"S\"(1 << 24), "       \
    "\"d\"(protection), \"r\"(r10), \"r\"(r8), \"r\"(r9) : \"rcx\", \"r11\", \"memory\"); "        \
    "return r; }\n"
#elif defined(__aarch64__)
#define MAP                                                                                        \
    "static long map(long flags, long protection) { register long x8 __asm__(\"x8\") = SYS_mmap; " \
    "register long x0 __asm__(\"x0\") = 0; register long x1 __asm__(\"x1\") = 1 << 24; "           \
    "register long x2 __asm__(\"x2\") = protection; register long x3 __asm__(\"x3\") = flags; "    \
    "register long x4 __asm__(\"x4\") = -1; register long x5 __asm__(\"x5\") = 0; "                \
    "__asm__ volatile(\"svc 0\" : \"+r\"(x0) : \"r\"(x8), \"r\"(x1), \"r\"(x2), \"r\"(x3), "       \
    "\"r\"(x4), \"r\"(x5) : \"memory\"); return x0; }\n"
#endif
#define SYSCALLS "#include <sys/syscall.h>\n#include <sys/mman.h>\n" CALL MAP

static void forbidden_calls(void **state)
{
    (void)state;
    if (!SANDBOX)
        skip();
    static const char *const calls[] = {
        "call(SYS_openat, -100, (long)\"/etc/passwd\", 0)",
        "call(SYS_write, 1, (long)\"x\", 1)",
        "call(SYS_write, 2, (long)\"x\", 1)",
        "call(SYS_read, 5, (long)args[1], 1)",
        "call(SYS_socket, 1, 1, 0)",
        "call(SYS_clone, 17, 0, 0)",
        "call(SYS_execve, (long)\"/bin/true\", 0, 0)",
        "call(SYS_kill, 1, 9, 0)",
        "call(SYS_prctl, 38, 0, 0)",
        "call(SYS_seccomp, 1, 0, 0)",
        "call(SYS_mprotect, (long)args[1] & -4096, 4096, PROT_READ | PROT_EXEC)",
        "call(0x40000000 | 1, 4, (long)\"x\", 1)", /* x32 */
        "map(MAP_SHARED | MAP_ANONYMOUS, PROT_READ | PROT_WRITE)",
        "map(MAP_SHARED_VALIDATE | MAP_ANONYMOUS, PROT_READ | PROT_WRITE)",
        "map(MAP_PRIVATE | MAP_ANONYMOUS, PROT_READ | PROT_EXEC)",
    };
    for (size_t i = 0; i < HONE_LEN(calls); i++) {
        hone_measure_result r;
        hone_error err;
        char *text = hone_xasprintf(SYSCALLS "KERNEL { " RIGHT " %s; return 0; }", calls[i]);
        hone_status s = verdict(text, &r, &err);
        if (s != HONE_REJECT_SYSCALL)
            fail_msg("%s gave %s: %s", calls[i], hone_status_name(s), err.message);
        free(text);
    }
}

static void allowed_calls(void **state)
{
    (void)state;
    hone_measure_result r;
    hone_error err;
    assert_status(verdict(SYSCALLS "KERNEL { " RIGHT " call(SYS_sched_yield, 0, 0, 0); return 0; }",
                          &r, &err),
                  HONE_OK, &err);
    assert_status(verdict("KERNEL { float *s = rt->scratch(rt, 2, 64 << 20); if (!s) return 1; "
                          "for (int i = 0; i < 1001; i++) s[i] = 2 * F32(0)[i]; "
                          "for (int i = 0; i < 1001; i++) F32(1)[i] = s[i] + 1; return 0; }",
                          &r, &err),
                  HONE_OK, &err);
}

static void leaves_its_process(void **state)
{
    (void)state;
    expect(SYSCALLS "KERNEL { call(SYS_exit_group, 0, 0, 0); return 0; }", HONE_REJECT_CRASH,
           "ended its process with exit code 0");
    /* a lie about its state: the nursery takes no result from an event it did not ask for */
    if (SANDBOX)
        expect(SYSCALLS "KERNEL { call(SYS_write, 4, (long)\"T\", 1); return 0; }",
               HONE_REJECT_CRASH, "confused");
}

/* What a child does to the inputs is not seen by the next one. */
static void inputs_cannot_be_spoiled(void **state)
{
    (void)state;
    hone_measure_result r;
    hone_error err;
    verdict(SYSCALLS
            "KERNEL { if (call(SYS_mprotect, (long)args[0] & -4096, 4096, PROT_READ | "
            "PROT_WRITE) != 0) return 5; for (int i = 0; i < 1001; i++) F32(0)[i] = 77; " RIGHT
            " return 0; }",
            &r, &err);
    assert_int_equal(err.status, HONE_REJECT_WRONG_RESULT);
    assert_status(verdict("KERNEL { " RIGHT " return 0; }", &r, &err), HONE_OK, &err);
}

static void memory_is_limited(void **state)
{
    (void)state;
    hone_measure_result r;
    hone_error err;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    skip();
#endif
    assert_status(
        verdict("KERNEL { return rt->scratch(rt, 0, 8ll << 30) ? 0 : HONE_RT_NOMEM; }", &r, &err),
        HONE_REJECT_NONZERO, &err);
}

static void impossible_speed(void **state)
{
    (void)state;
    hone_measure_result r;
    hone_error err;
    hone_measure_job job = plain_job(&reference, &reference);
    job.peak_gflops = 1e-6;
    assert_status(run_job(nursery, &job, &r, &err), HONE_REJECT_IMPOSSIBLE, &err);
    assert_says(&err, "GFLOP/s");
}

static void bad_artifacts(void **state)
{
    (void)state;
    hone_measure_result r;
    hone_error err;
    uint8_t garbage[300];
    memset(garbage, 0x5a, sizeof garbage);
    hone_artifact a = {.manifest = manifest, .bytes = garbage, .n = sizeof garbage};
    hone_measure_job job = plain_job(&a, &reference);
    assert_status(run_job(nursery, &job, &r, &err), HONE_REJECT_ARTIFACT, &err);
    assert_says(&err, "not an ELF file");
    a.n = 0;
    assert_status(run_job(nursery, &job, &r, &err), HONE_REJECT_ARTIFACT, &err);
    /* a bad reference is a fault of the job */
    a.n = sizeof garbage;
    job = plain_job(&reference, &a);
    assert_status(run_job(nursery, &job, &r, &err), HONE_E_INPUT, &err);
    assert_says(&err, "reference");
    hone_artifact broken = artifact(&manifest, "KERNEL { return 3; }");
    job = plain_job(&reference, &broken);
    assert_status(run_job(nursery, &job, &r, &err), HONE_E_REFERENCE, &err);
    assert_says(&err, "the kernel as written fails: the kernel returned 3");
    hone_artifact_free(&broken);
}

/* What the program as written does wrong is said of it, not of the candidates. */
static void reference_that_faults(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } cases[] = {
#if defined(__x86_64__)
        {"KERNEL { volatile int zero = 0; return 5 / zero; }", "division by zero"},
#endif
        {"KERNEL { F32(1)[0] = F32(0)[5000]; return 0; }",
         "the kernel as written fails: the kernel reached byte 20000 of input 'A'"},
        {"KERNEL { F32(1)[0] = F32(0)[1 << 30]; return 0; }", "outside of its arguments"},
        {"KERNEL { " RIGHT " F32(1)[1001] = 1; return 0; }", "byte 4004 of output 'C'"},
    };
    for (size_t i = 0; i < HONE_LEN(cases); i++) {
        hone_measure_result r;
        hone_error err;
        hone_artifact a = artifact(&manifest, cases[i].text);
        hone_measure_job job = plain_job(&reference, &a);
        assert_status(run_job(nursery, &job, &r, &err), HONE_E_REFERENCE, &err);
        assert_says(&err, cases[i].says);
        hone_artifact_free(&a);
    }
}

static void reference_that_takes_too_long(void **state)
{
    (void)state;
    hone_measure_result r;
    hone_error err;
    hone_artifact a = artifact(&manifest, "KERNEL { for (volatile int i = 1; i;) { } return 0; }");
    hone_measure_job job = plain_job(&reference, &a);
    job.reference_ms = 4000; /* for two sets of data */
    assert_status(run_job(nursery, &job, &r, &err), HONE_E_REFERENCE, &err);
    assert_says(&err, "the kernel as written fails: it did not end within 2 s");
    hone_artifact_free(&a);
}

static void built_for_another_machine(void **state)
{
    (void)state;
    hone_measure_result r;
    hone_error err;
    hone_artifact a;
    hone_artifact_copy(&a, &reference);
    Elf64_Half machine = EM_SPARC;
    memcpy(a.bytes + offsetof(Elf64_Ehdr, e_machine), &machine, sizeof machine);
    for (int which = 0; which < 3; which++) {
        hone_measure_job job = plain_job(&reference, &reference);
        if (which == 0)
            job.candidate = &a;
        else if (which == 1)
            job.reference = &a;
        else
            job.incumbent = &a;
        assert_status(run_job(nursery, &job, &r, &err), HONE_E_INPUT, &err);
        assert_says(&err, "built for another machine");
    }
    hone_artifact_free(&a);
}

/* The reference, with arguments that may be changed. */
static hone_artifact another(void)
{
    hone_artifact ret = reference;
    own_args(&ret.manifest);
    return ret;
}

static void bad_jobs(void **state)
{
    (void)state;
    hone_measure_result r;
    hone_error err;
    hone_artifact other = another();
    other.manifest.args[1].count--;
    hone_measure_job job = plain_job(&reference, &other);
    assert_status(run_job(nursery, &job, &r, &err), HONE_E_INPUT, &err);
    assert_says(&err, "different arguments");
    job = plain_job(&reference, &reference);
    job.threads = 0;
    assert_status(run_job(nursery, &job, &r, &err), HONE_E_INPUT, &err);
    job = plain_job(&reference, &reference);
    job.run_ms = 0;
    assert_status(run_job(nursery, &job, &r, &err), HONE_E_INPUT, &err);
    job = plain_job(&reference, &reference);
    job.tolerance = NAN;
    assert_status(run_job(nursery, &job, &r, &err), HONE_E_INPUT, &err);
    other = another();
    other.manifest.args[0].elem = HONE_ELEM_COUNT;
    job = plain_job(&other, &reference);
    assert_status(run_job(nursery, &job, &r, &err), HONE_E_INPUT, &err);
    other = another();
    other.manifest.args[0].pack_bytes = 64; /* but there is no pack function */
    job = plain_job(&other, &reference);
    assert_status(run_job(nursery, &job, &r, &err), HONE_E_INPUT, &err);
    other = another();
    other.manifest.args[0].count = other.manifest.args[1].count = INT64_MAX / 8;
    job = plain_job(&other, &other);
    assert_status(run_job(nursery, &job, &r, &err), HONE_E_LIMIT, &err);
    job = plain_job(&reference, &reference);
    assert_status(run_job(nursery, &job, &r, &err), HONE_OK, &err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(right_kernel_is_timed),
        cmocka_unit_test(wrong_result),
        cmocka_unit_test(missing_result),
        cmocka_unit_test(right_only_the_first_time),
        cmocka_unit_test(work_that_is_done_already),
        cmocka_unit_test(small_error_is_reported),
        cmocka_unit_test(one_element_past_the_end),
        cmocka_unit_test(past_the_guard),
        cmocka_unit_test(writes_to_an_input),
        cmocka_unit_test(crashes),
        cmocka_unit_test(returns_nonzero),
        cmocka_unit_test(never_ends),
        cmocka_unit_test(forbidden_calls),
        cmocka_unit_test(allowed_calls),
        cmocka_unit_test(leaves_its_process),
        cmocka_unit_test(inputs_cannot_be_spoiled),
        cmocka_unit_test(memory_is_limited),
        cmocka_unit_test(impossible_speed),
        cmocka_unit_test(bad_artifacts),
        cmocka_unit_test(reference_that_faults),
        cmocka_unit_test(reference_that_takes_too_long),
        cmocka_unit_test(built_for_another_machine),
        cmocka_unit_test(bad_jobs),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
