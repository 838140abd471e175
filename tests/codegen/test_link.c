/* What becomes of a linker that fails, for each way to fail: found by name in a folder of ours. */
#include "codegen_test.h"

#include "targets/preset.h"

#include <elf.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[] = "/tmp/hone-link-XXXXXX";
static char *path_before;

static int make_folder(void **state)
{
    (void)state;
    path_before = hone_xstrdup(getenv("PATH"));
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    setenv("PATH", path_before, 1);
    free(path_before);
    char *command = hone_xasprintf("rm -rf %s", folder);
    int rc = system(command);
    free(command);
    return rc;
}

static void write_script(const char *path, const char *script)
{
    unlink(path);
    if (!script)
        return;
    char *text = hone_xasprintf("#!/bin/sh\n%s\n", script);
    assert_int_equal(hone_file_write(path, text, strlen(text), NULL), HONE_OK);
    assert_int_equal(chmod(path, 0755), 0);
    free(text);
}

/* Links with `ld.bfd` being a script of this text; NULL: with no linker at all. */
static hone_status link_with(const char *script, hone_error *err)
{
    char *path = hone_xasprintf("%s/ld.bfd", folder);
    uint8_t *so = NULL;
    size_t n;
    write_script(path, script);
    setenv("PATH", folder, 1);
    hone_status s = hone_codegen_link((const uint8_t *)"object", 6, &so, &n, err);
    setenv("PATH", path_before, 1);
    free(so);
    free(path);
    return s;
}

static void failing_linkers(void **state)
{
    (void)state;
    static const struct {
        const char *script;
        hone_status want;
        const char *says;
    } cases[] = {
        {NULL, HONE_E_TOOL, "install binutils"},
        {"echo no luck >&2; exit 3", HONE_E_TOOL, "status 3: no luck"},
        {"kill -KILL $$", HONE_E_KILLED, "killed from outside"},
        {"kill -TERM $$", HONE_E_KILLED, "killed from outside"},
        {"kill -SEGV $$", HONE_E_TOOL, "crashed"},
        {"kill -XFSZ $$", HONE_E_LIMIT, "ulimit -f"},
        {"kill -XCPU $$", HONE_E_LIMIT, "ulimit -t"},
    };
    signal(SIGXFSZ, SIG_IGN); /* as in a worker */
    for (size_t i = 0; i < HONE_LEN(cases); i++) {
        hone_error err = {0};
        hone_status s = link_with(cases[i].script, &err);
        if (s != cases[i].want || !strstr(err.message, cases[i].says))
            fail_msg("case %zu: %s: %s", i, hone_status_name(s), err.message);
    }
}

/* An object for another processor never comes to this one's linker. */
static void foreign_objects(void **state)
{
    (void)state;
    const struct {
        const char *ours, *lld;
        hone_status want;
        const char *says;
    } cases[] = {
        {"exit 0", NULL, HONE_E_TOOL, "install lld-19"},
        {"exit 0", "echo odd >&2; exit 1", HONE_E_TOOL, "status 1: odd"},
        {"exit 1", "printf linked", HONE_OK, "linked"},
    };
    Elf64_Ehdr object = {.e_machine =
                             hone_preset_host()->elf_machine == EM_SPARCV9 ? EM_S390 : EM_SPARCV9};
    memcpy(object.e_ident, ELFMAG, SELFMAG);
    char *ld = hone_xasprintf("%s/ld.bfd", folder), *lld = hone_xasprintf("%s/ld.lld-19", folder);
    for (size_t i = 0; i < HONE_LEN(cases); i++) {
        hone_error err = {0};
        uint8_t *so = NULL;
        size_t n = 0;
        write_script(ld, cases[i].ours);
        write_script(lld, cases[i].lld);
        setenv("PATH", folder, 1);
        hone_status s = hone_codegen_link((const uint8_t *)&object, sizeof object, &so, &n, &err);
        setenv("PATH", path_before, 1);
        if (s != cases[i].want || !strstr(s == HONE_OK ? (char *)so : err.message, cases[i].says))
            fail_msg("case %zu: %s: %s", i, hone_status_name(s), err.message);
        free(so);
    }
    unlink(lld);
    free(lld);
    free(ld);
}

/* A real object of each architecture becomes a shared object of it, or a module. */
static void every_architecture(void **state)
{
    (void)state;
    char *lld = hone_codegen_linker_path(HONE_LINKED_FOREIGN);
    if (!lld)
        skip();
    free(lld);
    for (unsigned k = 0; hone_preset_at(k) && hone_preset_at(k)->archs; k++) {
        hone_program p =
            parse_text("program copy {\n buffer A: i32[8] input\n buffer B: i32[8] output\n"
                       " for i in 8 vectorized { block b(vi: 8 = i) { B[vi] = A[vi] + 1 } }\n}\n");
        hone_target t;
        hone_codegen *g;
        hone_code code;
        hone_error err;
        uint8_t *so;
        size_t n;
        const hone_preset *preset = hone_preset_at(k);
        const char *name = preset->names ? preset->names->name : preset->cpus[2].name;
        if (hone_target_named(name, &t, &err) != HONE_OK ||
            hone_codegen_new(&t, &g, &err) != HONE_OK ||
            hone_codegen_emit(g, &p, &(hone_codegen_options){0}, &code, &err) != HONE_OK ||
            hone_codegen_link(code.bytes, code.n, &so, &n, &err) != HONE_OK)
            fail_msg("%s: %s", name, err.message);
        /* the same places in 32-bit files */
        const Elf64_Ehdr *in = (const void *)code.bytes, *out = (const void *)so;
        assert_true(n > sizeof *out && code.code_bytes > 0);
        assert_memory_equal(so, preset->runtime ? "\0asm" : ELFMAG, SELFMAG);
        if (!preset->runtime) {
            assert_int_equal(out->e_type, ET_DYN);
            assert_int_equal(out->e_machine, in->e_machine);
        }
        free(so);
        hone_code_free(&code);
        hone_codegen_free(g);
        hone_program_fini(&p);
    }
}

/* The real one, under a limit that its output or even its input is over. */
static void limit_of_file_sizes(void **state)
{
    (void)state;
    hone_program p =
        parse_text("program copy {\n buffer A: f32[8] input\n buffer B: f32[8] output\n"
                   " for i in 8 { block b(vi: 8 = i) { B[vi] = A[vi] } }\n}\n");
    hone_code code;
    hone_error err;
    assert_int_equal(hone_codegen_emit(test_codegen, &p, &(hone_codegen_options){0}, &code, &err),
                     HONE_OK);
    for (rlim_t bytes = 100; bytes <= code.n + 100; bytes += code.n) {
        pid_t pid = fork();
        if (pid == 0) {
            struct rlimit few = {bytes, bytes};
            uint8_t *so = NULL;
            size_t n;
            signal(SIGXFSZ, SIG_IGN);
            setrlimit(RLIMIT_FSIZE, &few);
            hone_status s = hone_codegen_link(code.bytes, code.n, &so, &n, &err);
            _exit(s == HONE_E_LIMIT && strstr(err.message, "ulimit -f") ? 0 : 1);
        }
        int status;
        waitpid(pid, &status, 0);
        assert_int_equal(status, 0);
    }
    hone_code_free(&code);
    hone_program_fini(&p);
}

static int setup(void **state)
{
    return make_folder(state) || setup_codegen(state);
}

static int teardown(void **state)
{
    return remove_folder(state) || teardown_codegen(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(failing_linkers),
        cmocka_unit_test(foreign_objects),
        cmocka_unit_test(every_architecture),
        cmocka_unit_test(limit_of_file_sizes),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
