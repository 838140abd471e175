/* What is read from an object that was made: its size, and symbols it lacks. */
#include "codegen/internal.h"

#include <elf.h>

/* What is used of headers and symbols, of files of 32 and of 64 bits alike. */
typedef struct file {
    const uint8_t *bytes;
    size_t n;
    bool wide; /* 64 bits */
    uint64_t sections, entry;
    unsigned n_sections;
} file;
typedef struct section {
    uint32_t type, link;
    uint64_t flags, offset, size;
} section;

static bool open_file(const uint8_t *bytes, size_t n, file *ret)
{
    if (n < sizeof(Elf64_Ehdr) || memcmp(bytes, ELFMAG, SELFMAG) ||
        bytes[EI_DATA] != (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB)) {
        return false;
    }
    *ret = (file){.bytes = bytes, .n = n, .wide = bytes[EI_CLASS] == ELFCLASS64};
    if (ret->wide) {
        Elf64_Ehdr h;
        memcpy(&h, bytes, sizeof h);
        ret->sections = h.e_shoff;
        ret->entry = h.e_shentsize;
        ret->n_sections = h.e_shnum;
        return h.e_shentsize == sizeof(Elf64_Shdr);
    }
    Elf32_Ehdr h;
    memcpy(&h, bytes, sizeof h);
    ret->sections = h.e_shoff;
    ret->entry = h.e_shentsize;
    ret->n_sections = h.e_shnum;
    return bytes[EI_CLASS] == ELFCLASS32 && h.e_shentsize == sizeof(Elf32_Shdr);
}

/* False: there is no such section, or its contents lie outside the file. */
static bool read_section(const file *f, unsigned k, section *ret)
{
    if (k >= f->n_sections || f->sections > f->n || (f->n - f->sections) / f->entry <= k) {
        return false;
    }
    const uint8_t *at = f->bytes + f->sections + k * f->entry;
    if (f->wide) {
        Elf64_Shdr s;
        memcpy(&s, at, sizeof s);
        *ret = (section){s.sh_type, s.sh_link, s.sh_flags, s.sh_offset, s.sh_size};
    } else {
        Elf32_Shdr s;
        memcpy(&s, at, sizeof s);
        *ret = (section){s.sh_type, s.sh_link, s.sh_flags, s.sh_offset, s.sh_size};
    }
    return ret->type == SHT_NOBITS || (ret->offset <= f->n && ret->size <= f->n - ret->offset);
}

/* The name of a symbol that is not defined here, NULL: it is, or has none. */
static const char *undefined_name(const file *f, const section *symbols, const section *names,
                                  uint64_t k)
{
    const uint8_t *at = f->bytes + symbols->offset;
    uint32_t name;
    uint16_t where;
    if (f->wide) {
        Elf64_Sym s;
        memcpy(&s, at + k * sizeof s, sizeof s);
        name = s.st_name;
        where = s.st_shndx;
    } else {
        Elf32_Sym s;
        memcpy(&s, at + k * sizeof s, sizeof s);
        name = s.st_name;
        where = s.st_shndx;
    }
    return where == SHN_UNDEF && name && name < names->size
               ? (const char *)f->bytes + names->offset + name
               : NULL;
}

bool hone_cg__listed(const char *name, const char *const *names)
{
    for (; *names; names++) {
        if (!strcmp(name, *names)) {
            return true;
        }
    }
    return false;
}

void hone_cg__object_scan(const uint8_t *bytes, size_t n, const char *const *allowed,
                          int64_t *ret_code_bytes, char ret_undefined[CG_MAX_SYMBOL])
{
    file f;
    section s, names;
    *ret_code_bytes = 0;
    ret_undefined[0] = 0;
    if (hone_cg__is_module(bytes, n)) {
        hone_cg__module_scan(bytes, n, allowed, ret_code_bytes, ret_undefined);
    }
    if (!open_file(bytes, n, &f)) {
        return;
    }
    for (unsigned k = 0; k < f.n_sections; k++) {
        if (!read_section(&f, k, &s)) {
            return;
        }
        if (s.type == SHT_PROGBITS && (s.flags & SHF_EXECINSTR)) {
            *ret_code_bytes += (int64_t)s.size;
        }
        if (s.type != SHT_SYMTAB || !read_section(&f, s.link, &names)) {
            continue;
        }
        uint64_t each = f.wide ? sizeof(Elf64_Sym) : sizeof(Elf32_Sym);
        for (uint64_t i = 1; i < s.size / each; i++) {
            const char *name = undefined_name(&f, &s, &names, i);
            if (name && !hone_cg__listed(name, allowed)) {
                snprintf(ret_undefined, CG_MAX_SYMBOL, "%s", name);
            }
        }
    }
}
