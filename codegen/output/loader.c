/* The JavaScript that loads a module: what it says of the kernel, codegen/output/loader.mjs and,
 * where threads share the memory, crew.mjs. */
#include "codegen/internal.h"

__asm__(".pushsection .rodata\n"
        ".global hone_cg__loader\n"
        ".global hone_cg__loader_end\n"
        "hone_cg__loader:\n"
        ".incbin \"codegen/output/loader.mjs\"\n"
        "hone_cg__loader_end:\n"
        ".byte 0\n"
        ".popsection\n");
extern const char hone_cg__loader[], hone_cg__loader_end[];
__asm__(".pushsection .rodata\n"
        ".global hone_cg__crew\n"
        ".global hone_cg__crew_end\n"
        "hone_cg__crew:\n"
        ".incbin \"codegen/output/crew.mjs\"\n"
        "hone_cg__crew_end:\n"
        ".byte 0\n"
        ".popsection\n");
extern const char hone_cg__crew[], hone_cg__crew_end[];

static json_t *arg_json(const hone_program *p, const hone_code *code, unsigned k)
{
    const hone_buffer_row *b = hone_buffer_at(p, (hone_buffer){k + 1});
    json_t *shape = json_array();
    HONE_ASSERT(shape);
    for (unsigned d = 0; d < b->n_dims; d++)
        json_array_append_new(shape, json_integer(b->shape[d]));
    return json_pack("{s:o, s:s, s:o, s:b, s:I}", "name",
                     hone_json_string(hone_sym_text(p, b->name)), "type",
                     hone_dtype_name((hone_dtype)b->dtype), "shape", shape, "output",
                     b->role == HONE_OUTPUT, "packed", (json_int_t)code->pack_bytes[k]);
}

void hone_codegen_loader(const hone_program *p, const char *name, const hone_code *code,
                         hone_buf *out)
{
    hone_buf_printf(out,
                    "// %s.wasm, made by hone %s; its arguments are dense and row-major.\n"
                    "export const kernel = {\n  name: \"%s\",\n"
                    "  module: \"%s.wasm\",\n%s  args: [\n",
                    name, HONE_VERSION, name, name, code->shares ? "  shared: true,\n" : "");
    for (unsigned k = 0; k < code->n_args; k++) {
        json_t *j = arg_json(p, code, k);
        HONE_ASSERT(j);
        char *text = json_dumps(j, JSON_PRESERVE_ORDER);
        HONE_ASSERT(text);
        hone_buf_printf(out, "    %s,\n", text);
        free(text);
        json_decref(j);
    }
    hone_buf_puts(out, "  ],\n};\n\n");
    hone_buf_add(out, hone_cg__loader, (size_t)(hone_cg__loader_end - hone_cg__loader));
    if (code->shares)
        hone_buf_add(out, hone_cg__crew, (size_t)(hone_cg__crew_end - hone_cg__crew));
}
