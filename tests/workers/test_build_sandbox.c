/* What the processes that build can reach: the compiler nothing, the linker what is the system's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/workers/pool_tools.h"
#include "workers/builder.h"
#include "workers/sandbox/sandbox.h"

#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* ---- the compiler -------------------------------------------------------------------------- */

static bool refused(long result)
{
    return result < 0 && errno == EPERM;
}

/* A builder that tries to leave. The artifact is what it got away with. */
static hone_status escape(void *ctx, const hone_build_job *job, hone_artifact *ret, hone_error *err)
{
    (void)job, (void)err;
    hone_buf b = {0};
    const char *secret = ctx;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9)};
    struct iovec piece = {&to, sizeof to};
#define TRY(what, call)                  \
    do {                                 \
        if (!refused(call))              \
            hone_buf_puts(&b, what " "); \
    } while (0)
    TRY("open", open(secret, O_RDONLY));
    TRY("open-system", open("/etc/passwd", O_RDONLY));
    TRY("open-proc", open("/proc/self/maps", O_RDONLY));
    TRY("create", open("/tmp/hone-escaped", O_WRONLY | O_CREAT, 0600));
    TRY("stat", stat(secret, &(struct stat){0}));
    TRY("unlink", unlink(secret));
    TRY("socket", socket(AF_INET, SOCK_STREAM, 0));
    TRY("socketpair", socketpair(AF_UNIX, SOCK_STREAM, 0, (int[2]){0}));
    TRY("connect", connect(3, (struct sockaddr *)&to, sizeof to));
    TRY("fork", syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
    TRY("execve", execve("/bin/true", (char *[]){"true", NULL}, NULL));
    TRY("kill", kill(getppid(), 0));
    TRY("ptrace", syscall(SYS_ptrace, 0, getppid(), 0, 0));
    TRY("peek", syscall(SYS_process_vm_readv, getppid(), &piece, 1, &piece, 1, 0));
    TRY("memfd", memfd_create("x", 0));
    TRY("read", read(STDERR_FILENO, &to, 1));
    TRY("io_uring", syscall(SYS_io_uring_setup, 1, NULL));
    TRY("execute",
        mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED
            ? -1
            : 0);
    void *p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        hone_buf_puts(&b, "no memory ");
    hone_buf_puts(&b, ".");
    ret->manifest.n_args = 1;
    ret->manifest.args = hone_xcalloc(1, sizeof *ret->manifest.args);
    snprintf(ret->manifest.args[0].name, sizeof ret->manifest.args[0].name, "C");
    ret->manifest.args[0].count = 1;
    ret->n = b.n;
    ret->bytes = (uint8_t *)hone_buf_take(&b);
    return HONE_OK;
}

static char secret[80];

static hone_status open_first(void *ctx, hone_error *err)
{
    int fd = open(ctx, O_RDONLY); /* before it is closed in, all is as usual */
    if (fd < 0)
        return hone_fail_errno(err, HONE_E_IO, "cannot prepare");
    close(fd);
    return HONE_OK;
}

static void compiler_reaches_nothing(void **state)
{
    (void)state;
    hone_worker_options o = {.connect = endpoint,
                             .roles = HONE_ROLE_BUILD,
                             .build = escape,
                             .build_prepare = open_first,
                             .build_ctx = secret};
#ifdef __SANITIZE_THREAD__
    skip();
#endif
    child w = start_worker(&o, false);
    hone_pool *p = listening_pool(0);
    await(p, HONE_POOL_PEER_JOINED);
    submit(p, 1, "x", NULL);
    hone_pool_event e = await(p, HONE_POOL_BUILT);
    assert_int_equal(e.status, HONE_OK);
    if (e.artifact.n != 1)
        fail_msg("allowed: %.*s", (int)e.artifact.n, (char *)e.artifact.bytes);
    hone_artifact_free(&e.artifact);
    hone_pool_free(p);
    assert_int_equal(join(&w), HONE_OK);
}

static hone_status cannot(void *ctx, hone_error *err)
{
    (void)ctx;
    return hone_fail(err, HONE_E_LIMIT, "not today");
}

static void what_prepares_may_fail(void **state)
{
    (void)state;
    hone_worker_options o = {
        .connect = endpoint, .roles = HONE_ROLE_BUILD, .build = build, .build_prepare = cannot};
    child w = start_worker(&o, false);
    hone_pool *p = listening_pool(0);
    await(p, HONE_POOL_PEER_JOINED);
    for (uint64_t i = 1; i < 4; i++) {
        submit(p, i, "ok", NULL);
        hone_pool_event e = await(p, HONE_POOL_BUILT);
        assert_int_equal(e.status, HONE_E_LIMIT);
        assert_string_equal(e.error.message, "not today");
    }
    hone_pool_free(p);
    assert_int_equal(join(&w), HONE_OK);
}

/* ---- the real one -------------------------------------------------------------------------- */

static const char program[] = "program copy {\n buffer A: f32[8] input\n buffer B: f32[8] output\n"
                              " for i in 8 { block b(vi: 8 = i) { B[vi] = A[vi] } }\n}\n";

static void real_builder_builds(void **state)
{
    (void)state;
    hone_target t;
    hone_error err = {0};
    assert_int_equal(hone_target_native(&t, &err), HONE_OK);
    char *target = hone_target_text(&t);
    hone_worker_options o = {.connect = endpoint,
                             .roles = HONE_ROLE_BUILD,
                             .build = hone_builder_build,
                             .build_prepare = hone_builder_prepare,
                             .build_ctx = hone_builder_new()};
    child w = start_worker(&o, false);
    hone_builder_free(o.build_ctx);
    hone_pool *p = listening_pool(0);
    await(p, HONE_POOL_PEER_JOINED);
    for (int i = 0; i < 3; i++) {
        hone_pool_build(p, &(hone_build_job){.id = hone_pool_new_id(p),
                                             .workload = program,
                                             .target = target,
                                             .threads = 1,
                                             .deadline_ms = 60000});
        hone_pool_event e = await(p, HONE_POOL_BUILT);
        if (e.status != HONE_OK)
            fail_msg("%s: %s", hone_status_name(e.status), e.error.message);
        assert_memory_equal(e.artifact.bytes, "\177ELF", 4);
        hone_artifact_free(&e.artifact);
    }
    free(target);
    hone_pool_free(p);
    assert_int_equal(join(&w), HONE_OK);
}

/* ---- the linker ---------------------------------------------------------------------------- */

/* Links with this script as the linker. */
static hone_status link_with(const char *script, hone_error *err)
{
    char *bin = hone_xasprintf("%s/bin", folder), *path = hone_xasprintf("%s/ld.bfd", bin);
    char *before = hone_xstrdup(getenv("PATH")), *text = hone_xasprintf("#!/bin/sh\n%s\n", script);
    hone_codegen_linker *l;
    uint8_t *so = NULL;
    size_t n;
    mkdir(bin, 0755);
    unlink(path);
    assert_int_equal(hone_file_write(path, text, strlen(text), NULL), HONE_OK);
    assert_int_equal(chmod(path, 0755), 0);
    setenv("PATH", bin, 1);
    assert_int_equal(hone_codegen_linker_start(hone_sandbox__enter_linker, &l, err), HONE_OK);
    setenv("PATH", before, 1);
    hone_status s = hone_codegen_linker_link(l, (const uint8_t *)"object", 6, &so, &n, err);
    hone_codegen_linker_stop(l);
    free(so);
    free(text);
    free(before);
    free(path);
    free(bin);
    return s;
}

static bool have_landlock(void)
{
    return syscall(SYS_landlock_create_ruleset, NULL, 0, 1) > 0;
}

static void linker_reaches_the_system_only(void **state)
{
    (void)state;
    hone_error err = {0};
    if (!have_landlock())
        skip();
    assert_int_equal(link_with("/bin/cat /usr/share/common-licenses/BSD | /usr/bin/head -c 20; "
                               "exit 3",
                               &err),
                     HONE_E_TOOL);
    char *tries[] = {
        hone_xasprintf("/bin/cat %s; exit 3", secret),
        hone_xasprintf("echo more > %s; exit 3", secret),
        hone_xasprintf("/bin/rm %s; exit 3", secret),
        hone_xasprintf("/bin/ls %s; exit 3", folder),
        hone_xasprintf("/bin/cat /etc/passwd; exit 3"),
        hone_xasprintf("/bin/cat /proc/%d/environ; exit 3", (int)getpid()),
        hone_xasprintf("echo x > %s/bin/new; exit 3", folder),
    };
    for (size_t i = 0; i < HONE_LEN(tries); i++) {
        assert_int_equal(link_with(tries[i], &err), HONE_E_TOOL);
        if (!strstr(err.message, "ermission denied"))
            fail_msg("%s: %s", tries[i], err.message);
        free(tries[i]);
    }
    assert_int_equal(access(secret, F_OK), 0);
}

static void linker_has_no_network(void **state)
{
    (void)state;
    hone_error err = {0};
    if (access("/bin/bash", X_OK) != 0)
        skip();
    assert_int_equal(link_with("/bin/bash -c 'echo > /dev/tcp/127.0.0.1/9'; exit 3", &err),
                     HONE_E_TOOL);
    assert_non_null(strstr(err.message, "not permitted"));
}

static void killed_linker_process_is_nobodys_fault(void **state)
{
    (void)state;
    hone_error err = {0};
    uint8_t *so = NULL;
    size_t n;
    hone_codegen_linker *l;
    assert_int_equal(hone_codegen_linker_start(hone_sandbox__enter_linker, &l, &err), HONE_OK);
    char *path = hone_xasprintf("/proc/self/task/%d/children", (int)getpid());
    FILE *f = fopen(path, "r");
    int pid = 0;
    if (!f || fscanf(f, "%d", &pid) != 1)
        fail_msg("%s does not say what children there are", path);
    fclose(f);
    free(path);
    kill(pid, SIGKILL);
    assert_int_equal(hone_codegen_linker_link(l, (const uint8_t *)"x", 1, &so, &n, &err),
                     HONE_E_KILLED);
    hone_codegen_linker_stop(l);
}

static int make_secret(void **state)
{
    if (group_setup(state) != 0)
        return -1;
    snprintf(secret, sizeof secret, "%s/secret", folder);
    return hone_file_write(secret, "secret", 6, NULL) == HONE_OK ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(compiler_reaches_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(what_prepares_may_fail, setup, teardown),
        cmocka_unit_test_setup_teardown(real_builder_builds, setup, teardown),
        cmocka_unit_test(linker_reaches_the_system_only),
        cmocka_unit_test(linker_has_no_network),
        cmocka_unit_test(killed_linker_process_is_nobodys_fault),
    };
    return cmocka_run_group_tests(tests, make_secret, group_teardown);
}
