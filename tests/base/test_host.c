/* Lines of small files, and the name of the processor. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/base.h"

#include <unistd.h>

static void lines(void **state)
{
    (void)state;
    static const char text[] = "first line\nkeys\nkey\t:  \t a value: with more\nkey: another\nend";
    char path[] = "/tmp/hone-host-XXXXXX", line[64], little[8];
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, sizeof text - 1), sizeof text - 1);
    close(fd);
    assert_true(hone_file_line(path, NULL, line, sizeof line));
    assert_string_equal(line, "first line");
    assert_true(hone_file_line(path, "key", line, sizeof line));
    assert_string_equal(line, "a value: with more");
    assert_true(hone_file_line(path, "key", little, sizeof little));
    assert_string_equal(little, "a value");
    assert_false(hone_file_line(path, "end", line, sizeof line)); /* no colon */
    assert_string_equal(line, "");
    unlink(path);
    assert_false(hone_file_line(path, NULL, line, sizeof line));
}

static void processor(void **state)
{
    (void)state;
    char name[128] = "";
    hone_host_processor(name, sizeof name);
    assert_true(*name && !strchr(name, '\n'));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(lines), cmocka_unit_test(processor)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
