/* Whole files read, and folders made. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/base.h"

#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/hone-test-read-XXXXXX";

static int setup(void **state)
{
    (void)state;
    return mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    char *command = hone_xasprintf("rm -r %s", folder);
    int status = chdir("/") || system(command);
    free(command);
    return status;
}

static void put(const char *path, const void *bytes, size_t n)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    fclose(f);
}

static void reads(void **state)
{
    (void)state;
    char *text = NULL;
    size_t n = 99;
    hone_error err;
    put("bytes", "a\0b", 3);
    assert_int_equal(hone_file_read("bytes", 3, &text, &n, &err), HONE_OK);
    assert_int_equal(n, 3);
    assert_memory_equal(text, "a\0b", 4); /* and a NUL */
    free(text);
    put("empty", "", 0);
    assert_int_equal(hone_file_read("empty", 0, &text, &n, &err), HONE_OK);
    assert_int_equal(n, 0);
    assert_string_equal(text, "");
    free(text);
    /* one that says it has no bytes */
    assert_int_equal(hone_file_read("/proc/self/status", 1 << 20, &text, &n, &err), HONE_OK);
    assert_true(n > 10 && strlen(text) == n);
    free(text);
}

static void refuses(void **state)
{
    (void)state;
    char *text = NULL;
    size_t n = 99;
    hone_error err;
    put("four", "four", 4);
    assert_int_equal(hone_file_read("four", 3, &text, &n, &err), HONE_E_LIMIT);
    assert_int_equal(hone_file_read("/dev/zero", 1000, &text, &n, &err), HONE_E_LIMIT);
    assert_int_equal(hone_file_read("none", 10, &text, &n, &err), HONE_E_NOTFOUND);
    assert_non_null(strstr(err.message, "none"));
    assert_int_equal(hone_file_read(".", 10, &text, &n, &err), HONE_E_INPUT);
    assert_int_equal(hone_file_read("four/x", 10, &text, &n, NULL), HONE_E_IO);
    assert_null(text); /* nothing is handed out on failure */
    assert_int_equal(n, 99);
}

static void folders(void **state)
{
    (void)state;
    hone_error err;
    struct stat s;
    assert_int_equal(hone_dir_make("a/b//c/", &err), HONE_OK);
    assert_true(stat("a/b/c", &s) == 0 && S_ISDIR(s.st_mode));
    assert_int_equal(hone_dir_make("a/b/c", &err), HONE_OK);
    char *whole = hone_xasprintf("%s/x/y", folder);
    assert_int_equal(hone_dir_make(whole, &err), HONE_OK);
    assert_int_equal(access(whole, F_OK), 0);
    free(whole);
    put("file", "", 0);
    assert_int_equal(hone_dir_make("file/d", &err), HONE_E_INPUT);
    assert_int_equal(hone_dir_make("file", &err), HONE_E_INPUT);
    assert_non_null(strstr(err.message, "file"));
    assert_int_equal(hone_dir_make("", &err), HONE_E_INPUT);
    assert_int_equal(hone_dir_make("/", &err), HONE_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads),
        cmocka_unit_test(refuses),
        cmocka_unit_test(folders),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
