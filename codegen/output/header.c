/* The C header of a kernel. */
#include "codegen/internal.h"

const char *hone_codegen_c_type(uint8_t dtype)
{
    static const char *const names[HONE_DTYPE_COUNT] = {
        [HONE_F64] = "double",    [HONE_F32] = "float",   [HONE_F16] = "uint16_t",
        [HONE_BF16] = "uint16_t", [HONE_I64] = "int64_t", [HONE_I32] = "int32_t",
        [HONE_I16] = "int16_t",   [HONE_I8] = "int8_t",   [HONE_U8] = "uint8_t",
        [HONE_BOOL] = "uint8_t",
    };
    return names[dtype];
}

/* size: of the first dimension; NULL: the program's. */
static void shape(const hone_buffer_row *b, const char *size, hone_buf *out)
{
    hone_buf_printf(out, "%s[", hone_dtype_name((hone_dtype)b->dtype));
    for (unsigned d = 0; d < b->n_dims; d++) {
        if (d == 0 && size)
            hone_buf_puts(out, size);
        else
            hone_buf_printf(out, "%s%" PRId64, d ? ", " : "", b->shape[d]);
    }
    hone_buf_puts(out, "]");
}

/* The name as it is in the kernel. Nothing that ends a comment, or that a compiler warns of in one.
 */
static void as_written(const char *name, hone_buf *out)
{
    for (; *name; name++) {
        char c = *name;
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     c == '_' || c == ' ' || c == '.' || c == '-';
        if (plain)
            hone_buf_add(out, &c, 1);
        else
            hone_buf_printf(out, "\\x%02x", (unsigned char)c);
    }
}

static bool is_sized(const hone_code *code, unsigned arg)
{
    return code->size.name && arg < 64 && (code->size.args >> arg & 1);
}

/* One line of the comment for each argument. */
static void describe(const hone_program *p, const char *name, const hone_code *code, unsigned n,
                     char *const *params, char *const *stems, hone_buf *out)
{
    hone_buf written = {0};
    if (code->size.name)
        hone_buf_printf(out, " *   %-8s size   %" PRId64 " to %" PRId64 "\n", params[n],
                        code->size.least, code->size.most);
    for (unsigned k = 0; k < n; k++) {
        const hone_buffer_row *b = &p->buffers.v[k + 1];
        hone_buf_reset(&written);
        as_written(hone_sym_text(p, b->name), &written);
        hone_buf_printf(out, " *   %-8s %s ", written.s,
                        b->role == HONE_OUTPUT ? "output" : "input ");
        shape(b, is_sized(code, k) ? params[n] : NULL, out);
        if (code->pack_bytes[k])
            hone_buf_printf(out, ", packed by %s_pack_%s", name, stems[k]);
        size_t same = strlen(written.s);
        if (strncmp(params[k], written.s, same) != 0 ||
            strcmp(params[k] + same, code->pack_bytes[k] ? "_packed" : "") != 0)
            hone_buf_printf(out, ", here %s", params[k]);
        hone_buf_puts(out, "\n");
    }
    hone_buf_free(&written);
}

static void pack_functions(const hone_program *p, const char *name, unsigned arg, const char *stem,
                           hone_buf *out)
{
    char *from = hone_cg__arg_unpacked(p, arg);
    hone_buf_printf(out,
                    "\n/* Fills `packed`, %s_pack_%s_bytes() bytes, from %s; once, ahead of "
                    "the calls of %s. */\n",
                    name, stem, from, name);
    hone_buf_printf(out, "int %s_pack_%s(const %s *%s, void *packed);\n", name, stem,
                    hone_codegen_c_type(p->buffers.v[arg + 1].dtype), from);
    hone_buf_printf(out, "int64_t %s_pack_%s_bytes(void);\n", name, stem);
    hone_buf_printf(out, "#define %s_PACKS_%s 1\n", name, stem);
    free(from);
}

/* The end of the comment, where a library does the work. */
static void describe_call(const hone_libcall *c, hone_buf *out)
{
    hone_buf_printf(out, " * Calls %s of %s (measured with %s)", c->function, c->file, c->real);
    if (*c->link)
        hone_buf_printf(out, ": link with -l%s", c->link);
    hone_buf_puts(out, ".\n");
    if (*c->threads)
        hone_buf_printf(out, " * How many threads that uses is the program's to say, by %s(int).\n",
                        c->threads);
    hone_buf_printf(out, " * Returns 0%s. */\n", c->returns ? ", or what it returned" : "");
}

static void variants(const char *name, const hone_code *code, hone_buf *out)
{
    hone_buf_printf(out,
                    "\n/* There is code for %u processors, of which the first call chooses one for "
                    "good; where none runs,\n"
                    " * functions return -2. hone_rt_variant(&%s_variants) of hone_rt.h names it. "
                    "*/\n",
                    code->n_variants, name);
    hone_buf_printf(out, "extern struct hone_rt_variants %s_variants;\n", name);
}

void hone_codegen_header(const hone_program *p, const char *name, const hone_code *code,
                         hone_buf *out)
{
    unsigned n = hone_program_n_args(p);
    char **params = hone_xcalloc(2 * (size_t)n + 2, sizeof *params), **stems = params + n + 1;
    hone_cg__arg_params(p, name, code, n, params);
    hone_cg__arg_stems(p, n, stems);
    /* Written as it is: functions f and F are two. */
    hone_buf_printf(out, "#ifndef HONE_KERNEL_%s_H\n#define HONE_KERNEL_%s_H\n\n", name, name);
    hone_buf_puts(out, "#include <stdint.h>\n\n#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n/* ");
    as_written(hone_sym_text(p, p->name), out);
    hone_buf_puts(out, ": dense row-major arrays that do not overlap.\n");
    describe(p, name, code, n, params, stems, out);
    if (code->size.name)
        hone_buf_puts(out, " * Returns 0, -1 when memory could not be had, or -3, having done "
                           "nothing, for another size.\n"
                           " * Several threads may call it at once. Link with hone_rt. */\n");
    else if (code->call)
        describe_call(code->call, out);
    else
        hone_buf_puts(out,
                      " * Returns 0, or -1 when memory could not be had. Link with hone_rt. */\n");
    hone_buf_printf(out, "int %s(", name);
    if (code->size.name)
        hone_buf_printf(out, "int64_t %s%s", params[n], n ? ", " : "");
    for (unsigned k = 0; k < n; k++) {
        const hone_buffer_row *b = &p->buffers.v[k + 1];
        hone_buf_printf(out, "%s%s%s *%s", k ? ", " : "", b->role == HONE_INPUT ? "const " : "",
                        code->pack_bytes[k] ? "void" : hone_codegen_c_type(b->dtype), params[k]);
    }
    hone_buf_puts(out, n ? ");\n" : "void);\n");
    for (unsigned k = 0; k < n; k++)
        if (code->pack_bytes[k])
            pack_functions(p, name, k, stems[k], out);
    if (code->n_variants)
        variants(name, code, out);
    hone_buf_printf(out, "\n#ifdef __cplusplus\n}\n#endif\n\n#endif /* HONE_KERNEL_%s_H */\n",
                    name);
    for (unsigned k = 0; k < 2 * n + 1; k++)
        free(params[k]);
    free(params);
}
