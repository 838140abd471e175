/* What is read from an object that was made: its size, and symbols it lacks. */
#include "codegen/internal.h"

#include <elf.h>

/* A section's header, if it and its contents lie inside the file. */
static const Elf64_Shdr *section(const uint8_t *bytes, size_t n, unsigned k)
{
    const Elf64_Ehdr *h = (const void *)bytes;
    if (k >= h->e_shnum || h->e_shentsize != sizeof(Elf64_Shdr) || h->e_shoff > n ||
        (n - h->e_shoff) / sizeof(Elf64_Shdr) <= k) {
        return NULL;
    }
    const Elf64_Shdr *s = (const void *)(bytes + h->e_shoff + k * sizeof *s);
    if (s->sh_type != SHT_NOBITS && (s->sh_offset > n || s->sh_size > n - s->sh_offset)) {
        return NULL;
    }
    return s;
}

static bool listed(const char *name, const char *const *names)
{
    for (; *names; names++) {
        if (!strcmp(name, *names)) {
            return true;
        }
    }
    return false;
}

void hone_cg__object_scan(const uint8_t *bytes, size_t n, const char *const *allowed,
                          int64_t *ret_code_bytes, const char **ret_undefined)
{
    *ret_code_bytes = 0;
    *ret_undefined = NULL;
    const Elf64_Ehdr *h = (const void *)bytes;
    if (n < sizeof *h || memcmp(h->e_ident, ELFMAG, SELFMAG) ||
        h->e_ident[EI_CLASS] != ELFCLASS64) {
        return;
    }
    for (unsigned k = 0; k < h->e_shnum; k++) {
        const Elf64_Shdr *s = section(bytes, n, k);
        if (!s) {
            return;
        }
        if (s->sh_type == SHT_PROGBITS && (s->sh_flags & SHF_EXECINSTR)) {
            *ret_code_bytes += (int64_t)s->sh_size;
        }
        const Elf64_Shdr *names = s->sh_type == SHT_SYMTAB ? section(bytes, n, s->sh_link) : NULL;
        for (size_t i = 1; names && i < s->sh_size / sizeof(Elf64_Sym); i++) {
            const Elf64_Sym *sym = (const void *)(bytes + s->sh_offset + i * sizeof *sym);
            if (sym->st_shndx == SHN_UNDEF && sym->st_name && sym->st_name < names->sh_size) {
                const char *name = (const char *)bytes + names->sh_offset + sym->st_name;
                if (!listed(name, allowed)) {
                    *ret_undefined = name;
                }
            }
        }
    }
}
