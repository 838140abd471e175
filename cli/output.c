/* Where -o leads: a file, whole or not at all, or standard output. */
#include "cli/cli.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

hone_status cli_write_out(const char *path, const void *bytes, size_t n, hone_error *err)
{
    if (path)
        return hone_file_write(path, bytes, n, err);
    fwrite(bytes, 1, n, stdout);
    return HONE_OK;
}

char *cli_shell_word(const char *text)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "-_./:,+=@%^";
    hone_buf b = {0};
    if (*text && strspn(text, plain) == strlen(text))
        return hone_xstrdup(text);
    hone_buf_puts(&b, "'");
    for (const char *s = text; *s; s++)
        hone_buf_printf(&b, *s == '\'' ? "'\\''" : "%c", *s);
    hone_buf_puts(&b, "'");
    return hone_buf_take(&b);
}

hone_status cli_check_folder(const char *path, hone_error *err)
{
    struct stat sb;
    bool there = stat(path, &sb) == 0;
    if (there ? !S_ISDIR(sb.st_mode) : errno == ENOTDIR)
        return hone_fail(err, HONE_E_INPUT, "'%.300s' is not a folder: give -o DIR", path);
    return HONE_OK;
}

bool cli_is_same_file(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

bool cli_is_stdout(const char *path)
{
    struct stat a, b;
    return stat(path, &a) == 0 && fstat(STDOUT_FILENO, &b) == 0 && a.st_dev == b.st_dev &&
           a.st_ino == b.st_ino;
}
