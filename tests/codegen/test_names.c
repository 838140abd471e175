/* Names that C cannot have, or has already: refused for a function, made distinct for arguments.
 * The headers are compiled as C and as C++ after all headers of the C library, and their functions
 * are those of the object. */
#include "codegen_test.h"

#include "codegen/internal.h"

static void names_of_functions(void **state)
{
    (void)state;
    static const char *const good[] = {"f",     "F",      "matmul",  "my_matmul2", "kernel_body",
                                       "task0", "honest", "mains",   "exp_",       "printfs",
                                       "sinf3", "For",    "intx",    "f64",        "pack0_body",
                                       "read_", "x_r",    "softmax", "conv2d_nhwc"};
    static const struct {
        const char *name, *why;
    } bad[] = {
        {"", "not a C identifier"},
        {"a b", "not a C identifier"},
        {"2f", "not a C identifier"},
        {"f\n", "'f\\x0a' is not a C identifier"},
        {"\xc3\xa9", "not a C identifier"},
        {"f.g", "not a C identifier"},
        {"for", "keyword"},
        {"restrict", "keyword"},
        {"class", "keyword"},
        {"xor_eq", "keyword"},
        {"requires", "keyword"},
        {"wchar_t", "keyword"},
        {"main", "program starts"},
        {"printf", "C library"},
        {"malloc", "C library"},
        {"read", "C library"},
        {"index", "C library"},
        {"environ", "C library"},
        {"sin", "C library"},
        {"sinf", "C library"},
        {"expl", "C library"},
        {"fmaxf64x", "C library"},
        {"lgamma_r", "C library"},
        {"lseek64", "C library"},
        {"getpwnam_r", "C library"},
        {"pthread_create", "C library"},
        {"errno", "headers"},
        {"EOF", "headers"},
        {"NULL", "headers"},
        {"I", "headers"},
        {"size_t", "headers"},
        {"uint16_t", "headers"},
        {"hone_rt_default", "hone's own"},
        {"hone_kernel", "hone's own"},
        {"_f", "compiler's"},
        {"__builtin_expect", "compiler's"},
    };
    hone_error err;
    for (unsigned k = 0; k < HONE_LEN(good); k++)
        if (hone_codegen_symbol_check(good[k], &err) != HONE_OK)
            fail_msg("%s", err.message);
    for (unsigned k = 0; k < HONE_LEN(bad); k++)
        if (hone_codegen_symbol_check(bad[k].name, &err) != HONE_E_INPUT ||
            !strstr(err.message, bad[k].why))
            fail_msg("%s: %s", bad[k].name, err.message);
    char name[HONE_CODEGEN_MAX_SYMBOL + 2];
    memset(name, 'f', sizeof name);
    name[HONE_CODEGEN_MAX_SYMBOL] = '\0';
    assert_int_equal(hone_codegen_symbol_check(name, &err), HONE_OK);
    name[HONE_CODEGEN_MAX_SYMBOL] = 'f';
    name[HONE_CODEGEN_MAX_SYMBOL + 1] = '\0';
    assert_int_equal(hone_codegen_symbol_check(name, &err), HONE_E_INPUT);
}

/* ---- headers --------------------------------------------------------------------------------- */

static void put_name(hone_buf *b, const char *name)
{
    hone_buf_puts(b, "`");
    for (; *name; name++)
        hone_buf_printf(b, "\\x%02x", (unsigned char)*name);
    hone_buf_puts(b, "`");
}

/* A kernel with these inputs, of which the first n_packed are packed ahead of time. */
static char *kernel(const char *function, const char *const *names, unsigned n_packed)
{
    hone_buf b = {0};
    hone_buf_puts(&b, "program ");
    put_name(&b, function);
    hone_buf_puts(&b, " {\n");
    unsigned n = 0;
    for (; names[n]; n++) {
        hone_buf_puts(&b, " buffer ");
        put_name(&b, names[n]);
        hone_buf_printf(&b, ": f32[4] input%s\n", n < n_packed ? " const" : "");
    }
    hone_buf_puts(&b, " buffer out.C: f32[4] output\n");
    for (unsigned k = 0; k < n_packed; k++)
        hone_buf_printf(&b, " buffer temp.%u: f32[4]\n", k);
    for (unsigned k = 0; k < n_packed; k++) {
        hone_buf_printf(&b,
                        " for i in 4 { block pack.%u(vi: 4 = i) @hone.prepack=1 {\n"
                        "  temp.%u[vi] = ",
                        k, k);
        put_name(&b, names[k]);
        hone_buf_puts(&b, "[3 - vi] } }\n");
    }
    hone_buf_puts(&b, " for i in 4 { block c(vi: 4 = i) { out.C[vi] = 0.0");
    for (unsigned k = 0; k < n; k++) {
        hone_buf_puts(&b, " + ");
        if (k < n_packed)
            hone_buf_printf(&b, "temp.%u", k);
        else
            put_name(&b, names[k]);
        hone_buf_puts(&b, "[vi]");
    }
    hone_buf_puts(&b, " } }\n}\n");
    return hone_buf_take(&b);
}

static void write_file(const char *dir, const char *name, const void *bytes, size_t n)
{
    char *path = hone_xasprintf("%s/%s", dir, name);
    hone_error err;
    if (hone_file_write(path, bytes, n, &err) != HONE_OK)
        fail_msg("%s", err.message);
    free(path);
}

/* Adds the functions that the header declares to a table in C. */
static unsigned add_declared(const char *header, hone_buf *out)
{
    unsigned n = 0;
    for (const char *line = header; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        size_t type = strncmp(line, "int ", 4) == 0 ? 4 : strncmp(line, "int64_t ", 8) == 0 ? 8 : 0;
        if (type && ++n)
            hone_buf_printf(out, "  (fn)%.*s,\n", (int)strcspn(line + type, "("), line + type);
    }
    return n;
}

static const char before[] =
    "#ifndef __cplusplus\n#include <complex.h>\n#include <stdatomic.h>\n#include <stdnoreturn.h>\n"
    "#include <threads.h>\n#endif\n"
    "#include <assert.h>\n#include <ctype.h>\n#include <errno.h>\n#include <fenv.h>\n"
    "#include <float.h>\n#include <inttypes.h>\n#include <limits.h>\n#include <locale.h>\n"
    "#include <math.h>\n#include <setjmp.h>\n#include <signal.h>\n#include <stdarg.h>\n"
    "#include <stddef.h>\n#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n"
    "#include <time.h>\n#include <unistd.h>\n#include <wchar.h>\n#include <wctype.h>\n";

/* Writes NAME.o and NAME.h, and adds the header to `source` and its functions to `table`. */
static void add_kernel(const char *dir, const char *function, const char *const *names,
                       unsigned n_packed, hone_buf *source, hone_buf *table)
{
    char *text = kernel(function, names, n_packed);
    hone_program p = parse_text(text);
    hone_code code;
    hone_error err;
    hone_codegen_options o = {.emit = HONE_EMIT_OBJECT, .name = function, .threads = 1};
    if (hone_codegen_emit(test_codegen, &p, &o, &code, &err) != HONE_OK)
        fail_msg("%s\n%s", err.message, text);
    hone_buf header = {0};
    hone_codegen_header(&p, function, &code, &header);
    if (add_declared(header.s, table) != 1 + 2 * n_packed)
        fail_msg("%s", header.s);
    char *h = hone_xasprintf("%s.h", function), *object = hone_xasprintf("%s.o", function);
    write_file(dir, h, header.s, header.n);
    write_file(dir, object, code.bytes, code.n);
    hone_buf_printf(source, "#include \"%s\"\n#include \"%s\"\n", h, h);
    free(h);
    free(object);
    hone_buf_free(&header);
    hone_code_free(&code);
    hone_program_fini(&p);
    free(text);
}

static void compiles(const char *dir, const hone_buf *source, const hone_buf *table)
{
    static const char *const compilers[] = {
        "gcc -std=c99 -Wpedantic", "gcc -std=gnu17", "gcc -std=c2x -Wpedantic",
        "g++ -x c++ -std=c++11 -Wpedantic", "g++ -x c++ -std=gnu++20"};
    hone_buf b = {0};
    for (int with = 0; with < 2; with++) {
        hone_buf_reset(&b);
        hone_buf_printf(&b,
                        "%s%stypedef void (*fn)(void);\nextern fn volatile const all[];\n"
                        "fn volatile const all[] = {\n%s};\n#ifdef __cplusplus\nextern \"C\" {\n"
                        "#endif\nvoid *hone_rt_default(int);\n#ifdef __cplusplus\n}\n#endif\n"
                        "void *hone_rt_default(int n) { (void)n; return NULL; }\n"
                        "int main(void) { return all[0] == NULL; }\n",
                        with ? before : "#include <stddef.h>\n", source->s, table->s);
        write_file(dir, "user.c", b.s, b.n);
        for (unsigned k = 0; k < HONE_LEN(compilers); k++) {
            if (with && k == 0) /* threads.h is younger */
                continue;
            char *command = hone_xasprintf(
                "cd %s && %s -Wall -Wextra -Wshadow -Wcast-function-type -Werror user.c -x none "
                "*.o -o user >log 2>&1 && ./user",
                dir, compilers[k]);
            if (system(command) != 0) {
                char *log = NULL, *path = hone_xasprintf("%s/log", dir);
                hone_status s = hone_file_read(path, 1 << 20, &log, NULL, NULL);
                fail_msg("%s\n%s", command, s == HONE_OK ? log : "");
            }
            free(command);
        }
    }
    hone_buf_free(&b);
}

static void headers_compile(void **state)
{
    (void)state;
    static const struct {
        const char *function;
        unsigned n_packed;
        const char *names[10];
    } cases[] = {
        {"kw", 2, {"for", "class", "int", "new", "this", "and", "bool", "requires", "_Bool"}},
        {"headers", 1, {"errno", "I", "NULL", "int8_t", "size_t", "stdin", "linux", "uint16_t"}},
        {"packed", 1, {"packed", "A"}},
        {"two", 1, {"W", "W_packed", "W_packed_"}},
        {"bytes", 4, {"A_bytes", "A", "A_bytes_bytes", "A_bytes_"}},
        {"quoted", 5, {"a b", "a_b", "a.b", "a-b", "a_b_", "3", "_", "__x", "3x"}},
        {"own", 1, {"own", "own_", "own_pack_own"}},
        {"comment",
         2,
         {"*/", "/*", "//", "?\?/", "\\", "\n#error x", "\xc2\x9b", "\xe2\x80\xae", "\""}},
        {"f", 1, {"x", "f"}},
        {"F", 1, {"x", "F"}},
        {"task0", 1, {"hone_rt_default", "main"}},
        {"pack0_body", 1, {"x"}},
        {"kernel_body", 1, {"x"}},
    };
    char dir[] = "/tmp/hone-names-XXXXXX";
    assert_non_null(mkdtemp(dir));
    hone_buf source = {0}, table = {0};
    for (unsigned k = 0; k < HONE_LEN(cases); k++)
        add_kernel(dir, cases[k].function, cases[k].names, cases[k].n_packed, &source, &table);
    compiles(dir, &source, &table);
    hone_buf_free(&source);
    hone_buf_free(&table);
    char *command = hone_xasprintf("rm -r %s", dir);
    assert_int_equal(system(command), 0);
    free(command);
}

/* The name of a pack function does not depend on what the schedule packs beside. */
static void stems_are_the_kernels(void **state)
{
    (void)state;
    static const char *const names[] = {"a b", "A", "A_bytes", "a_b", "for", NULL};
    static const char *const want[] = {"a_b", "A", "A_bytes_", "a_b_", "for"};
    for (unsigned packed = 0; packed < 3; packed++) {
        char *text = kernel("k", names, packed);
        hone_program p = parse_text(text);
        char *stems[HONE_LEN(want)];
        hone_cg__arg_stems(&p, HONE_LEN(want), stems);
        for (unsigned k = 0; k < HONE_LEN(want); k++) {
            assert_string_equal(stems[k], want[k]);
            free(stems[k]);
        }
        hone_program_fini(&p);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_of_functions),
        cmocka_unit_test(headers_compile),
        cmocka_unit_test(stems_are_the_kernels),
    };
    return cmocka_run_group_tests(tests, setup_codegen, teardown_codegen);
}
