/* Depfiles: rules of make, with names as make and ninja want them. */
#include "cli/depfile.h"

void cli_depfile_made(cli_depfile *d, const char *path)
{
    hone_vec_push(&d->made, hone_xstrdup(path));
}

void cli_depfile_read(cli_depfile *d, const char *path)
{
    for (uint32_t k = 0; k < d->read.n; k++)
        if (strcmp(d->read.v[k], path) == 0)
            return;
    hone_vec_push(&d->read, hone_xstrdup(path));
}

static hone_status put_name(hone_buf *out, const char *name, hone_error *err)
{
    for (const char *c = name; *c; c++) {
        if (*c == '\n')
            return hone_fail(err, HONE_E_INPUT, "a depfile cannot have a name with a line's end");
        if (*c == '$')
            hone_buf_puts(out, "$");
        if (*c == ' ' || *c == '#' || *c == ':')
            hone_buf_puts(out, "\\");
        hone_buf_add(out, c, 1);
    }
    return HONE_OK;
}

hone_status cli_depfile_write(const cli_depfile *d, const char *path, hone_error *err)
{
    hone_buf out = {0};
    hone_status st = HONE_OK;
    for (uint32_t k = 0; k < d->made.n && st == HONE_OK; k++) {
        hone_buf_puts(&out, k ? " " : "");
        st = put_name(&out, d->made.v[k], err);
    }
    hone_buf_puts(&out, ":");
    for (uint32_t k = 0; k < d->read.n && st == HONE_OK; k++) {
        hone_buf_puts(&out, " ");
        st = put_name(&out, d->read.v[k], err);
    }
    hone_buf_puts(&out, "\n");
    for (uint32_t k = 1; k < d->read.n && st == HONE_OK; k++) {
        st = put_name(&out, d->read.v[k], err);
        hone_buf_puts(&out, ":\n");
    }
    if (st == HONE_OK)
        st = hone_file_write(path, out.s, out.n, err);
    hone_buf_free(&out);
    return st;
}

void cli_depfile_free(cli_depfile *d)
{
    for (uint32_t k = 0; k < d->made.n; k++)
        free(d->made.v[k]);
    for (uint32_t k = 0; k < d->read.n; k++)
        free(d->read.v[k]);
    hone_vec_free(&d->made);
    hone_vec_free(&d->read);
}
