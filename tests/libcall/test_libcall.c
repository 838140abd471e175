/* Texts of libraries, the calls they make at a kernel's sizes, these as JSON, and what a shared
 * object defines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "libcall/libcall.h"

#include <unistd.h>

static const char good[] =
    "# a product\n"
    "hone-library 1\n"
    "file libgood.so.0\n"
    "link good\n"
    "threads good_threads\r\n"
    "\n"
    "kernel matmul\n"
    "  call i32 good_product(i32 101, i64 M * K,f32 0.1, f64 -2, ptr C , ptr A)\n";

static const hone_libcall_size sizes[] = {{"M", 8}, {"K", 5}};
static const char *const tensors[] = {"A", "B", "C"};

static void must_read(const char *text, hone_libcall_library *ret)
{
    hone_error err = {0};
    if (hone_libcall_read("t.lib", text, strlen(text), ret, &err) != HONE_OK)
        fail_msg("%s", err.message);
}

static void reads_and_resolves(void **state)
{
    (void)state;
    hone_libcall_library l;
    hone_libcall c;
    must_read(good, &l);
    assert_string_equal(l.file, "libgood.so.0");
    assert_string_equal(l.link, "good");
    assert_string_equal(l.threads, "good_threads");
    assert_string_equal(l.kernel, "matmul");
    assert_null(l.source);
    snprintf(l.name, sizeof l.name, "good");
    snprintf(l.real, sizeof l.real, "libgood-1.2.so");
    l.hash = 0x123;
    assert_int_equal(hone_libcall_resolve(&l, sizes, 2, tensors, 3, &c, NULL), HONE_OK);
    assert_string_equal(c.function, "good_product");
    assert_true(c.returns);
    assert_int_equal(c.n_args, 6);
    assert_int_equal(c.args[0].i, 101);
    assert_int_equal(c.args[1].i, 40);
    assert_true(c.args[2].x == (double)0.1f);
    assert_true(c.args[3].x == -2.0);
    assert_int_equal(c.args[4].i, 2);
    assert_int_equal(c.args[5].i, 0);
    hone_libcall_library_free(&l);
}

static void a_kernel_of_its_own(void **state)
{
    (void)state;
    hone_libcall_library l;
    must_read(
        "hone-library 1\nfile /opt/x/libx.so\nkernel k\ncall void f()\n---\nkernel k(N) {\n}\n",
        &l);
    assert_string_equal(l.source, "kernel k(N) {\n}\n");
    assert_string_equal(l.file, "/opt/x/libx.so");
    assert_int_equal(l.n_params, 0);
    assert_false(l.returns);
    hone_libcall_library_free(&l);
}

static void refuses_texts(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"", "begins with a line"},
        {"file x.so\n", "t.lib:1: no library's text"},
        {"hone-library 2\n", "no library's text"},
        {"hone-library 1\nfile x.so\nkernel k\n", "no line 'call'"},
        {"hone-library 1\nfile x.so\nfile y.so\n", "t.lib:3: 'file' is there twice"},
        {"hone-library 1\nfile x.so; rm\n", "'file' is a shared object"},
        {"hone-library 1\nfile /x/../-y\n", "'file' is a shared object"},
        {"hone-library 1\nlink -Wl,x\n", "'link' is what -l"},
        {"hone-library 1\nlink ../x\n", "'link' is what -l"},
        {"hone-library 1\nthreads 1f\n", "'threads' is a function"},
        {"hone-library 1\nkernel a b\n", "'kernel' is the name"},
        {"hone-library 1\nwhat x\n", "'what' is not file"},
        {"hone-library 1\ncall int f()\n", "begins with void or i32"},
        {"hone-library 1\ncall void f\n", "call void FUNCTION"},
        {"hone-library 1\ncall void f(\n", "call void FUNCTION"},
        {"hone-library 1\ncall void\n", "call void FUNCTION"},
        {"hone-library 1\ncall void f g()\n", "no function's name"},
        {"hone-library 1\ncall void f(i32 1,)\n", "last comma"},
        {"hone-library 1\ncall void f(u8 1)\n", "an argument is i32"},
        {"hone-library 1\ncall void f(i32)\n", "an argument is i32"},
        {"hone-library 1\ncall void f(f32 one)\n", "no number that an f32 holds"},
        {"hone-library 1\ncall void f(f32 1e300)\n", "no number that an f32 holds"},
        {"hone-library 1\ncall void f(f64 inf)\n", "no number that an f64 holds"},
        {"hone-library 1\ncall void f(ptr A+1)\n", "no tensor's name"},
    };
    for (size_t k = 0; k < HONE_LEN(cases); k++) {
        hone_error err = {0};
        hone_libcall_library l;
        hone_status st = hone_libcall_read("t.lib", cases[k].text, strlen(cases[k].text), &l, &err);
        if (st != HONE_E_INPUT || !strstr(err.message, cases[k].says) || strchr(err.message, '\n'))
            fail_msg("case %zu: %d, '%s' instead of '%s'", k, st, err.message, cases[k].says);
    }
}

static void refuses_what_the_kernel_has_not(void **state)
{
    (void)state;
    static const struct {
        const char *arg, *says;
    } cases[] = {
        {"i32 N", "no product of whole numbers"},   {"i32 M*", "no product of whole numbers"},
        {"i32 M K", "no product of whole numbers"}, {"i32 1000000*M*K*100", "does not fit an i32"},
        {"i64 9223372036854775807*M", "too large"}, {"ptr D", "no tensor of the kernel"},
    };
    for (size_t k = 0; k < HONE_LEN(cases); k++) {
        hone_error err = {0};
        hone_libcall_library l;
        hone_libcall c;
        char *text =
            hone_xasprintf("hone-library 1\nfile x\nkernel k\ncall void f(%s)\n", cases[k].arg);
        must_read(text, &l);
        assert_int_equal(hone_libcall_resolve(&l, sizes, 2, tensors, 3, &c, &err), HONE_E_INPUT);
        if (!strstr(err.message, cases[k].says))
            fail_msg("'%s' instead of '%s'", err.message, cases[k].says);
        hone_libcall_library_free(&l);
        free(text);
    }
}

static const char json[] =
    "{\"library\":{\"args\":[\"i32 -1\",\"f32 0.100000001\",\"ptr 2\"],\"file\":\"libx.so.0\","
    "\"function\":\"f\",\"hash\":\"00000000000000ff\",\"link\":\"\",\"name\":\"x\","
    "\"real\":\"libx-1.so\",\"returns\":\"void\",\"threads\":\"\"}}";

static void json_there_and_back(void **state)
{
    (void)state;
    hone_libcall c;
    assert_int_equal(hone_libcall_parse(json, strlen(json), &c, NULL), HONE_OK);
    char *again = hone_libcall_text(&c);
    assert_string_equal(again, json);
    assert_true(hone_libcall_is(again));
    assert_false(hone_libcall_is("[[],[]]"));
    assert_false(hone_libcall_is(NULL));
    assert_true(hone_libcall_hash(&c) == hone_hash_bytes(0, json, strlen(json)));
    free(again);
}

static void refuses_json(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to;
    } edits[] = {
        {"\"ptr 2\"", "\"ptr 32\""},
        {"\"ptr 2\"", "\"ptr -1\""},
        {"\"ptr 2\"", "2"},
        {"i32 -1", "i32 2147483648"},
        {"i32 -1", "i32 1x"},
        {"i32 -1", "i32  1"},
        {"f32 0.1", "f32 nan"},
        {"libx.so.0", "../libx.so.0"},
        {"\"f\"", "\"f(\""},
        {"\"x\"", "\"\""},
        {"00ff", "0ff"},
        {"void", "int"},
        {"\"link\"", "\"lonk\""},
        {"\"library\"", "\"libraries\""},
        {"\"threads\":\"\"", "\"threads\":\"a b\""},
    };
    hone_libcall c;
    for (size_t k = 0; k < HONE_LEN(edits); k++) {
        hone_error err = {0};
        const char *at = strstr(json, edits[k].from);
        assert_non_null(at);
        char *text = hone_xasprintf("%.*s%s%s", (int)(at - json), json, edits[k].to,
                                    at + strlen(edits[k].from));
        if (hone_libcall_parse(text, strlen(text), &c, &err) != HONE_E_INPUT || !err.message[0])
            fail_msg("taken: %s", text);
        assert_int_equal(c.n_args, 0);
        free(text);
    }
    assert_int_equal(hone_libcall_parse("[[],[]]", 7, &c, NULL), HONE_E_INPUT);
}

/* ---- files ----------------------------------------------------------------------------------- */

static char folder[] = "/tmp/hone-libcall-XXXXXX";

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    char *command = hone_xasprintf("rm -rf %s", folder);
    int rc = system(command);
    free(command);
    return rc;
}

static void write_text(const char *name, const char *text)
{
    char *path = hone_xasprintf("%s/%s", folder, name);
    assert_int_equal(hone_file_write(path, text, strlen(text), NULL), HONE_OK);
    free(path);
}

static bool missing; /* of the last load */

static hone_status load(const char *library, hone_libcall_library *ret, hone_error *err)
{
    char *given = hone_xasprintf("x=%s/%s", folder, library);
    hone_error_clear(err);
    hone_status st = hone_libcall_load(given, ret, &missing, err);
    free(given);
    return st;
}

static void loads(void **state)
{
    (void)state;
    hone_libcall_library l;
    hone_error err;
    char *command = hone_xasprintf("cd %s && echo 'int f(int x) { return x; } static int g; "
                                   "int h(void) { return g++; }' >x.c && "
                                   "cc -shared -fPIC -o libx-1.2.so x.c && "
                                   "ln -s libx-1.2.so libx.so.1",
                                   folder);
    assert_int_equal(system(command), 0);
    free(command);
    write_text("x.lib", "hone-library 1\nfile libx.so.1\nthreads h\nkernel k\ncall i32 f(i32 1)\n");
    if (load("x.lib", &l, &err) != HONE_OK)
        fail_msg("%s", err.message);
    assert_string_equal(l.name, "x");
    assert_string_equal(l.real, "libx-1.2.so");
    assert_true(l.path[0] == '/' && strstr(l.path, "/libx-1.2.so"));
    assert_true(hone_libcall_is_same(&l));
    uint64_t hash = l.hash;
    command = hone_xasprintf("cd %s && echo more >>libx-1.2.so", folder);
    assert_int_equal(system(command), 0);
    free(command);
    assert_false(hone_libcall_is_same(&l));
    hone_libcall_library_free(&l);
    assert_int_equal(load("x.lib", &l, &err), HONE_OK);
    assert_true(l.hash != hash);
    hone_libcall_library_free(&l);

    write_text("g.lib", "hone-library 1\nfile libx.so.1\nkernel k\ncall void g()\n");
    assert_int_equal(load("g.lib", &l, &err), HONE_E_INPUT);
    assert_non_null(strstr(err.message, "has no function 'g'"));
    write_text("h.lib", "hone-library 1\nfile libx.so.1\nthreads i\nkernel k\ncall void h()\n");
    assert_int_equal(load("h.lib", &l, &err), HONE_E_INPUT);
    assert_non_null(strstr(err.message, "has no function 'i'"));
    write_text("no.lib", "hone-library 1\nfile libnowhere.so.7\nkernel k\ncall void f()\n");
    assert_int_equal(load("no.lib", &l, &err), HONE_E_NOTFOUND);
    assert_non_null(strstr(err.message, "there is no 'libnowhere.so.7'"));
    assert_true(missing);
    write_text("c.lib", "hone-library 1\nfile x.c\nkernel k\ncall void f()\n");
    assert_int_equal(load("c.lib", &l, &err), HONE_E_INPUT);
    assert_non_null(strstr(err.message, "no shared object"));
    assert_int_equal(load("nothing.lib", &l, &err), HONE_E_NOTFOUND);
    assert_false(missing);
    assert_int_equal(hone_libcall_load("x", &l, NULL, &err), HONE_E_INPUT);
    assert_int_equal(hone_libcall_load("x=", &l, NULL, &err), HONE_E_INPUT);
    assert_int_equal(hone_libcall_load("a b=x.lib", &l, NULL, &err), HONE_E_INPUT);
    assert_non_null(strstr(err.message, "NAME=TEXT"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_and_resolves),
        cmocka_unit_test(a_kernel_of_its_own),
        cmocka_unit_test(refuses_texts),
        cmocka_unit_test(refuses_what_the_kernel_has_not),
        cmocka_unit_test(json_there_and_back),
        cmocka_unit_test(refuses_json),
        cmocka_unit_test(loads),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
