/* Whole files: read with a limit; folders made. */
#include "base/base.h"

#include <errno.h>
#include <sys/stat.h>

hone_status hone_file_read(const char *path, size_t max, char **ret, size_t *ret_n, hone_error *err)
{
    FILE *f = fopen(path, "rb");
    if (!f)
        return hone_fail_errno(err, errno == ENOENT ? HONE_E_NOTFOUND : HONE_E_IO,
                               "cannot open '%s'", path);
    hone_buf b = {0};
    char chunk[65536];
    size_t n;
    hone_status s = HONE_OK;
    while ((n = fread(chunk, 1, sizeof chunk, f)) > 0) {
        if (b.n + n > max) {
            s = hone_fail(err, HONE_E_LIMIT, "'%s' is larger than %zu bytes", path, max);
            break;
        }
        hone_buf_add(&b, chunk, n);
    }
    if (s == HONE_OK && ferror(f))
        s = errno == EISDIR ? hone_fail(err, HONE_E_INPUT, "'%s' is a folder, not a file", path)
                            : hone_fail_errno(err, HONE_E_IO, "cannot read '%s'", path);
    fclose(f);
    if (s != HONE_OK) {
        hone_buf_free(&b);
        return s;
    }
    if (ret_n)
        *ret_n = b.n;
    *ret = hone_buf_take(&b);
    return HONE_OK;
}

hone_status hone_dir_make(const char *path, hone_error *err)
{
    if (!*path)
        return hone_fail(err, HONE_E_INPUT, "a folder needs a name");
    char *p = hone_xstrdup(path);
    for (char *s = p + 1;; s++) {
        if (*s != '/' && *s != '\0')
            continue;
        char c = *s;
        *s = '\0';
        if (mkdir(p, 0777) != 0 && errno != EEXIST) {
            hone_status st = hone_fail_errno(err, errno == ENOTDIR ? HONE_E_INPUT : HONE_E_IO,
                                             "cannot make folder '%s'", p);
            free(p);
            return st;
        }
        *s = c;
        if (c == '\0')
            break;
    }
    struct stat sb;
    bool folder = stat(p, &sb) == 0 && S_ISDIR(sb.st_mode);
    free(p);
    return folder ? HONE_OK : hone_fail(err, HONE_E_INPUT, "'%s' is not a folder", path);
}
