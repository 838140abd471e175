#include "codegen/codegen.h"

static const char *c_type(uint8_t dtype)
{
    static const char *const names[HONE_DTYPE_COUNT] = {
        [HONE_F64] = "double",    [HONE_F32] = "float",   [HONE_F16] = "uint16_t",
        [HONE_BF16] = "uint16_t", [HONE_I64] = "int64_t", [HONE_I32] = "int32_t",
        [HONE_I16] = "int16_t",   [HONE_I8] = "int8_t",   [HONE_U8] = "uint8_t",
        [HONE_BOOL] = "uint8_t",
    };
    return names[dtype];
}

static void shape(const hone_buffer_row *b, hone_buf *out)
{
    hone_buf_printf(out, "%s[", hone_dtype_name((hone_dtype)b->dtype));
    for (unsigned d = 0; d < b->n_dims; d++) {
        hone_buf_printf(out, "%s%" PRId64, d ? ", " : "", b->shape[d]);
    }
    hone_buf_puts(out, "]");
}

void hone_codegen_header(const hone_program *p, const char *name, const hone_code *code,
                         hone_buf *out)
{
    unsigned n = hone_program_n_args(p);
    char *guard = hone_xasprintf("%s_H", name);
    for (char *c = guard; *c; c++) {
        *c = *c >= 'a' && *c <= 'z' ? (char)(*c - 'a' + 'A') : *c;
    }
    hone_buf_printf(out, "#ifndef %s\n#define %s\n\n#include <stdint.h>\n\n", guard, guard);
    hone_buf_puts(out, "#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n");
    hone_buf_printf(out, "/* %s: dense row-major arrays that do not overlap.\n",
                    hone_sym_text(p, p->name));
    for (unsigned k = 0; k < n; k++) {
        const hone_buffer_row *b = &p->buffers.v[k + 1];
        hone_buf_printf(out, " *   %-8s %s ", hone_sym_text(p, b->name),
                        b->role == HONE_OUTPUT ? "output" : "input ");
        shape(b, out);
        if (code->pack_bytes[k]) {
            hone_buf_printf(out, ", packed by %s_pack_%s", name, hone_sym_text(p, b->name));
        }
        hone_buf_puts(out, "\n");
    }
    hone_buf_puts(out, " * Returns 0, or -1 when memory could not be had. Link with hone_rt. */\n");
    hone_buf_printf(out, "int %s(", name);
    for (unsigned k = 0; k < n; k++) {
        const hone_buffer_row *b = &p->buffers.v[k + 1];
        const char *arg = hone_sym_text(p, b->name);
        hone_buf_puts(out, k ? ", " : "");
        if (code->pack_bytes[k]) {
            hone_buf_printf(out, "const void *%s_packed", arg);
        } else {
            hone_buf_printf(out, "%s%s *%s", b->role == HONE_INPUT ? "const " : "",
                            c_type(b->dtype), arg);
        }
    }
    hone_buf_puts(out, n ? ");\n" : "void);\n");
    for (unsigned k = 0; k < n; k++) {
        const hone_buffer_row *b = &p->buffers.v[k + 1];
        const char *arg = hone_sym_text(p, b->name);
        if (code->pack_bytes[k]) {
            hone_buf_printf(
                out,
                "\n/* Fills `packed`, %s_pack_%s_bytes() bytes, from %s; once, ahead of "
                "the calls of %s. */\n",
                name, arg, arg, name);
            hone_buf_printf(out, "int %s_pack_%s(const %s *%s, void *packed);\n", name, arg,
                            c_type(b->dtype), arg);
            hone_buf_printf(out, "int64_t %s_pack_%s_bytes(void);\n", name, arg);
            hone_buf_printf(out, "#define %s_PACKS_%s 1\n", name, arg);
        }
    }
    hone_buf_printf(out, "\n#ifdef __cplusplus\n}\n#endif\n\n#endif /* %s */\n", guard);
    free(guard);
}
