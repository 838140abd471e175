/* What an artifact may contain.
 *
 * Reader's map: reading the file; program headers; the dynamic table; symbols; relocations; the
 * check. Everything is an allow-list: dlopen acts on many things a kernel has no use for, and what
 * is not named here is refused. The bytes come from another machine, so no offset is believed. */
#include "workers/device/internal.h"
#include "targets/preset.h"

#include <elf.h>
#include <link.h>

/* A device loads files of its own class: ElfW(X) is Elf64_X or Elf32_X. */
#if __ELF_NATIVE_CLASS == 64
#define CLASS ELFCLASS64
#define ST_TYPE ELF64_ST_TYPE
#define ST_BIND ELF64_ST_BIND
#define ST_VISIBILITY ELF64_ST_VISIBILITY
#define R_TYPE ELF64_R_TYPE
#define R_SYM ELF64_R_SYM
#else
#define CLASS ELFCLASS32
#define ST_TYPE ELF32_ST_TYPE
#define ST_BIND ELF32_ST_BIND
#define ST_VISIBILITY ELF32_ST_VISIBILITY
#define R_TYPE ELF32_R_TYPE
#define R_SYM ELF32_R_SYM
#endif

/* Relocations have their addends with them, on 32-bit Arm in the place that they are for. */
#ifdef __arm__
typedef ElfW(Rel) reloc;
enum {
    RELOCS = DT_REL,
    RELOCS_BYTES = DT_RELSZ,
    RELOCS_EACH = DT_RELENT,
    RELOCS_OWN = DT_RELCOUNT
};
#else
typedef ElfW(Rela) reloc;
enum {
    RELOCS = DT_RELA,
    RELOCS_BYTES = DT_RELASZ,
    RELOCS_EACH = DT_RELAENT,
    RELOCS_OWN = DT_RELACOUNT
};
#endif

enum { MAX_HEADERS = 32, MAX_DYNAMIC = 128 };
#define MAX_IMAGE ((uint64_t)64 << 20)

static const int64_t allowed_tags[] = {
    DT_PLTRELSZ, DT_PLTGOT,   DT_HASH,   DT_STRTAB,  DT_SYMTAB,   RELOCS,     RELOCS_BYTES,
    RELOCS_EACH, DT_STRSZ,    DT_SYMENT, DT_SONAME,  DT_SYMBOLIC, DT_PLTREL,  DT_JMPREL,
    DT_DEBUG,    DT_BIND_NOW, DT_FLAGS,  DT_FLAGS_1, DT_GNU_HASH, RELOCS_OWN,
};

typedef struct image {
    const uint8_t *bytes;
    size_t n;
    ElfW(Ehdr) header;
    ElfW(Phdr) program[MAX_HEADERS];
    ElfW(Dyn) dynamic[MAX_DYNAMIC];
    uint32_t n_dynamic;
    uint64_t symbols, n_symbols; /* file offset, number */
    uint64_t names, names_bytes; /* file offset, size; ends in NUL */
    hone_error *err;
} image;

#define REFUSE(...) return hone_fail(im->err, HONE_REJECT_ARTIFACT, "artifact " __VA_ARGS__)

static bool inside(uint64_t offset, uint64_t bytes, uint64_t limit)
{
    return offset <= limit && bytes <= limit - offset;
}

static uint32_t word_at(const image *im, uint64_t offset)
{
    uint32_t w;
    memcpy(&w, im->bytes + offset, sizeof w);
    return w;
}

/* The loaded segment with these addresses, all of them; NULL if none has. `in_file`: those that
 * come from the file rather than being zero. */
static const ElfW(Phdr) *
    segment_of(const image *im, uint64_t address, uint64_t bytes, bool in_file)
{
    for (unsigned i = 0; i < im->header.e_phnum; i++) {
        const ElfW(Phdr) *p = &im->program[i];
        if (p->p_type == PT_LOAD && address >= p->p_vaddr &&
            inside(address - p->p_vaddr, bytes, in_file ? p->p_filesz : p->p_memsz))
            return p;
    }
    return NULL;
}

static bool file_offset(const image *im, uint64_t address, uint64_t bytes, uint64_t *ret)
{
    const ElfW(Phdr) *p = segment_of(im, address, bytes, true);
    if (p)
        *ret = p->p_offset + (address - p->p_vaddr);
    return p != NULL;
}

/* ---- headers ------------------------------------------------------------------------------- */

static hone_status check_header(image *im)
{
    const unsigned order = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB;
    if (im->n > HONE_MAX_ARTIFACT_BYTES)
        REFUSE("is larger than %d bytes", HONE_MAX_ARTIFACT_BYTES);
    if (im->n < sizeof im->header || memcmp(im->bytes, ELFMAG, SELFMAG) != 0)
        REFUSE("is not an ELF file");
    memcpy(&im->header, im->bytes, sizeof im->header);
    const ElfW(Ehdr) *h = &im->header;
    /* the same place in files of 32 and of 64 bits */
    const hone_preset *preset = hone_preset_host();
    if (!preset || h->e_machine != preset->elf_machine)
        return hone_fail(im->err, HONE_E_INPUT,
                         "artifact is built for another machine (%u, and this device is %u); build "
                         "it for this device's target",
                         h->e_machine, preset ? preset->elf_machine : 0u);
    if (h->e_ident[EI_CLASS] != CLASS || h->e_ident[EI_DATA] != order ||
        h->e_ident[EI_VERSION] != EV_CURRENT || h->e_version != EV_CURRENT ||
        (h->e_ident[EI_OSABI] != ELFOSABI_NONE && h->e_ident[EI_OSABI] != ELFOSABI_GNU))
        REFUSE("is not a %d-bit ELF file of this system", __ELF_NATIVE_CLASS);
    if (h->e_type != ET_DYN)
        REFUSE("is not a shared object (type %u)", h->e_type);
    if (h->e_phentsize != sizeof(ElfW(Phdr)) || h->e_phnum == 0 || h->e_phnum > MAX_HEADERS ||
        !inside(h->e_phoff, (uint64_t)h->e_phnum * sizeof(ElfW(Phdr)), im->n))
        REFUSE("has a bad program header table");
    memcpy(im->program, im->bytes + h->e_phoff, h->e_phnum * sizeof(ElfW(Phdr)));
    return HONE_OK;
}

static hone_status check_load(image *im, const ElfW(Phdr) * p, uint64_t *end)
{
    if (p->p_filesz > p->p_memsz || !inside(p->p_offset, p->p_filesz, im->n) ||
        !inside(p->p_vaddr, p->p_memsz, MAX_IMAGE))
        REFUSE("has a segment outside the file or too large");
    uint64_t align = p->p_align;
    if (align == 0 || (align & (align - 1)) != 0 || align > MAX_IMAGE ||
        (p->p_vaddr - p->p_offset) % align != 0)
        REFUSE("has a misaligned segment");
    /* No page may belong to two segments, or loading one would change the other. */
    if (*end && p->p_vaddr / 4096 < (*end + 4095) / 4096)
        REFUSE("has overlapping segments");
    if ((p->p_flags & PF_W) && (p->p_flags & PF_X))
        REFUSE("has a segment that is writable and executable");
    *end = p->p_vaddr + p->p_memsz;
    return HONE_OK;
}

/* Linkers round its end up to a page. */
static bool relro_inside(const image *im, const ElfW(Phdr) * relro)
{
    const ElfW(Phdr) *p = segment_of(im, relro->p_vaddr, 1, false);
    if (!p)
        return relro->p_memsz == 0;
    uint64_t end = (p->p_vaddr + p->p_memsz + 4095) / 4096 * 4096;
    return (p->p_flags & PF_W) && relro->p_memsz <= end - relro->p_vaddr;
}

static hone_status check_segments(image *im, const ElfW(Phdr) * *ret_dynamic)
{
    uint64_t end = 0;
    bool stack = false;
    *ret_dynamic = NULL;
    for (unsigned i = 0; i < im->header.e_phnum; i++) {
        const ElfW(Phdr) *p = &im->program[i];
        hone_status s;
        switch (p->p_type) {
        case PT_LOAD:
            if ((s = check_load(im, p, &end)) != HONE_OK)
                return s;
            break;
        case PT_DYNAMIC:
            if (*ret_dynamic)
                REFUSE("has two dynamic sections");
            *ret_dynamic = p;
            break;
        case PT_INTERP:
            REFUSE("names a program interpreter");
        case PT_TLS:
            REFUSE("has thread-local variables");
        case PT_GNU_STACK:
            stack = true;
            if (p->p_flags & PF_X)
                REFUSE("wants an executable stack");
            break;
        case PT_GNU_RELRO:
            if (!relro_inside(im, p))
                REFUSE("protects memory outside its segments (PT_GNU_RELRO)");
            break;
        case PT_NOTE:
        case PT_PHDR:
        case PT_GNU_EH_FRAME:
        case PT_GNU_PROPERTY:
            if (p->p_memsz && !segment_of(im, p->p_vaddr, p->p_memsz, false))
                REFUSE("has a header (type %#x) outside its segments", p->p_type);
            break;
        default: /* the loader ignores it */
            break;
        }
    }
    /* Without the header the loader assumes that the stack must be executable. */
    if (!stack)
        REFUSE("does not say that its stack is not executable (PT_GNU_STACK)");
    if (!*ret_dynamic)
        REFUSE("has no dynamic section");
    return HONE_OK;
}

/* ---- the dynamic table --------------------------------------------------------------------- */

static const ElfW(Dyn) * find_tag(const image *im, int64_t tag)
{
    for (uint32_t i = 0; i < im->n_dynamic; i++)
        if (im->dynamic[i].d_tag == tag)
            return &im->dynamic[i];
    return NULL;
}

static uint64_t tag_value(const image *im, int64_t tag)
{
    const ElfW(Dyn) *d = find_tag(im, tag);
    return d ? d->d_un.d_val : 0;
}

static hone_status check_tag(image *im, const ElfW(Dyn) * d)
{
    if (d->d_tag == DT_NEEDED)
        REFUSE("depends on other libraries (DT_NEEDED)");
    if (d->d_tag == DT_INIT || d->d_tag == DT_FINI || d->d_tag == DT_INIT_ARRAY ||
        d->d_tag == DT_FINI_ARRAY || d->d_tag == DT_PREINIT_ARRAY)
        REFUSE("has code that runs when it is loaded or unloaded");
    if (d->d_tag == DT_TEXTREL)
        REFUSE("has relocations in its code (DT_TEXTREL)");
    bool known = false;
    for (size_t i = 0; i < HONE_LEN(allowed_tags); i++)
        known = known || d->d_tag == allowed_tags[i];
    if (!known)
        REFUSE("has a dynamic entry that kernels have no use for (tag %#" PRIx64 ")",
               (uint64_t)d->d_tag);
    if (find_tag(im, d->d_tag))
        REFUSE("has dynamic entry %" PRId64 " twice", (int64_t)d->d_tag);
    if (d->d_tag == DT_FLAGS && (d->d_un.d_val & ~(uint64_t)(DF_BIND_NOW | DF_SYMBOLIC)))
        REFUSE("has dynamic flags %#" PRIx64, (uint64_t)d->d_un.d_val);
    if (d->d_tag == DT_FLAGS_1 && (d->d_un.d_val & ~(uint64_t)DF_1_NOW))
        REFUSE("has dynamic flags %#" PRIx64, (uint64_t)d->d_un.d_val);
    return HONE_OK;
}

static hone_status check_dynamic(image *im, const ElfW(Phdr) * p)
{
    uint64_t at;
    if (!file_offset(im, p->p_vaddr, p->p_filesz, &at) || at != p->p_offset)
        REFUSE("has its dynamic section outside its segments");
    /* The loader writes into it. */
    if (!(segment_of(im, p->p_vaddr, p->p_filesz, true)->p_flags & PF_W))
        REFUSE("has a read-only dynamic section");
    for (uint64_t i = 0; (i + 1) * sizeof(ElfW(Dyn)) <= p->p_filesz; i++) {
        ElfW(Dyn) d;
        memcpy(&d, im->bytes + at + i * sizeof d, sizeof d);
        if (d.d_tag == DT_NULL)
            return HONE_OK;
        hone_status s = check_tag(im, &d);
        if (s != HONE_OK)
            return s;
        if (im->n_dynamic == MAX_DYNAMIC)
            break;
        im->dynamic[im->n_dynamic++] = d;
    }
    REFUSE("has a dynamic section without end");
}

/* ---- symbols ------------------------------------------------------------------------------- */

static hone_status count_sysv(image *im, uint64_t address)
{
    uint64_t at;
    if (!file_offset(im, address, 8, &at))
        REFUSE("has a bad symbol hash table");
    uint64_t n_buckets = word_at(im, at), n_chain = word_at(im, at + 4);
    if (n_buckets == 0 || !file_offset(im, address, 8 + 4 * (n_buckets + n_chain), &at))
        REFUSE("has a bad symbol hash table");
    im->n_symbols = n_chain;
    for (uint64_t i = 0; i < n_buckets + n_chain; i++)
        if (word_at(im, at + 8 + 4 * i) >= n_chain)
            REFUSE("has a bad symbol hash table");
    return HONE_OK;
}

/* The GNU table does not say how many symbols there are: the last chain's end does. */
static hone_status count_gnu(image *im, uint64_t address)
{
    uint64_t at;
    if (!file_offset(im, address, 16, &at))
        REFUSE("has a bad symbol hash table");
    uint64_t n_buckets = word_at(im, at), first = word_at(im, at + 4), bloom = word_at(im, at + 8);
    uint64_t buckets = 16 + sizeof(ElfW(Addr)) * bloom, chains = buckets + 4 * n_buckets;
    if (n_buckets == 0 || bloom == 0 || (bloom & (bloom - 1)) != 0 || word_at(im, at + 12) >= 32 ||
        !file_offset(im, address, chains, &at))
        REFUSE("has a bad symbol hash table");
    uint64_t last = 0;
    for (uint64_t i = 0; i < n_buckets; i++) {
        uint64_t b = word_at(im, at + buckets + 4 * i);
        if (b != 0 && b < first)
            REFUSE("has a bad symbol hash table");
        last = b > last ? b : last;
    }
    im->n_symbols = first;
    if (last == 0)
        return HONE_OK;
    for (uint64_t i = last;; i++) {
        uint64_t link;
        if (!file_offset(im, address + chains + 4 * (i - first), 4, &link))
            REFUSE("has a bad symbol hash table");
        if (word_at(im, link) & 1) {
            im->n_symbols = i + 1;
            return HONE_OK;
        }
    }
}

static ElfW(Sym) symbol_at(const image *im, uint64_t i)
{
    ElfW(Sym) s;
    memcpy(&s, im->bytes + im->symbols + i * sizeof s, sizeof s);
    return s;
}

static hone_status check_symbols(image *im)
{
    const ElfW(Dyn) *sysv = find_tag(im, DT_HASH), *gnu = find_tag(im, DT_GNU_HASH);
    if (!sysv && !gnu)
        REFUSE("has no symbol hash table");
    hone_status s = HONE_OK;
    if (sysv)
        s = count_sysv(im, sysv->d_un.d_ptr);
    uint64_t n_sysv = im->n_symbols;
    if (s == HONE_OK && gnu)
        s = count_gnu(im, gnu->d_un.d_ptr);
    if (s != HONE_OK)
        return s;
    if (sysv && gnu && im->n_symbols != n_sysv)
        REFUSE("has symbol hash tables that disagree");
    im->names_bytes = tag_value(im, DT_STRSZ);
    if (tag_value(im, DT_SYMENT) != sizeof(ElfW(Sym)) || im->n_symbols > im->n ||
        !file_offset(im, tag_value(im, DT_SYMTAB), im->n_symbols * sizeof(ElfW(Sym)),
                     &im->symbols) ||
        im->names_bytes == 0 ||
        !file_offset(im, tag_value(im, DT_STRTAB), im->names_bytes, &im->names) ||
        im->bytes[im->names + im->names_bytes - 1] != '\0')
        REFUSE("has a bad symbol table");
    if (tag_value(im, DT_SONAME) >= im->names_bytes)
        REFUSE("has a bad name");
    for (uint64_t i = 1; i < im->n_symbols; i++) {
        ElfW(Sym) sym = symbol_at(im, i);
        if (sym.st_name >= im->names_bytes)
            REFUSE("has a symbol without a name");
        const char *name = (const char *)im->bytes + im->names + sym.st_name;
        if (sym.st_shndx == SHN_UNDEF)
            REFUSE("needs the symbol '%.100s'; a kernel may refer to nothing outside itself", name);
        unsigned type = ST_TYPE(sym.st_info);
        if (type == STT_GNU_IFUNC || type == STT_TLS)
            REFUSE("has '%.100s', a symbol resolved by code or thread-local", name);
    }
    return HONE_OK;
}

static hone_status check_function(image *im, const char *wanted)
{
    for (uint64_t i = 1; i < im->n_symbols; i++) {
        ElfW(Sym) sym = symbol_at(im, i);
        if (strcmp((const char *)im->bytes + im->names + sym.st_name, wanted) != 0)
            continue;
        const ElfW(Phdr) *p = segment_of(im, sym.st_value, 1, true);
        unsigned see = ST_VISIBILITY(sym.st_other);
        if (ST_TYPE(sym.st_info) == STT_FUNC && ST_BIND(sym.st_info) != STB_LOCAL &&
            sym.st_shndx != SHN_ABS && (see == STV_DEFAULT || see == STV_PROTECTED) && p &&
            (p->p_flags & PF_X))
            return HONE_OK;
        REFUSE("has '%s', but not as a function that can be called", wanted);
    }
    REFUSE("does not define the function '%s'", wanted);
}

/* ---- relocations --------------------------------------------------------------------------- */

static hone_status check_relocs(image *im, int64_t table, int64_t size)
{
    uint64_t at, bytes = tag_value(im, size);
    if (!find_tag(im, table) || bytes == 0)
        return HONE_OK;
    if (bytes % sizeof(reloc) != 0 || !file_offset(im, tag_value(im, table), bytes, &at))
        REFUSE("has a bad relocation table");
    const hone_preset *preset = hone_preset_host();
    for (uint64_t i = 0; i < bytes / sizeof(reloc); i++) {
        reloc r;
        memcpy(&r, im->bytes + at + i * sizeof r, sizeof r);
        uint32_t type = R_TYPE(r.r_info);
        bool known = false;
        for (unsigned k = 0; k < preset->n_relocs; k++)
            known = known || type == preset->relocs[k];
        if (!known)
            REFUSE("has a relocation of type %u", type);
        const ElfW(Phdr) *p = segment_of(im, r.r_offset, sizeof(ElfW(Addr)), false);
        if (!p || !(p->p_flags & PF_W) || (p->p_flags & PF_X))
            REFUSE("has a relocation outside its writable data");
        if (R_SYM(r.r_info) >= im->n_symbols && R_SYM(r.r_info) != 0)
            REFUSE("has a relocation against no symbol");
    }
    return HONE_OK;
}

static hone_status check_reloc_tables(image *im)
{
    if ((find_tag(im, RELOCS) && tag_value(im, RELOCS_EACH) != sizeof(reloc)) ||
        (find_tag(im, DT_JMPREL) && tag_value(im, DT_PLTREL) != RELOCS) ||
        tag_value(im, RELOCS_OWN) > tag_value(im, RELOCS_BYTES) / sizeof(reloc))
        REFUSE("has relocation tables of another kind");
    hone_status s = check_relocs(im, RELOCS, RELOCS_BYTES);
    return s == HONE_OK ? check_relocs(im, DT_JMPREL, DT_PLTRELSZ) : s;
}

/* ---- the library it calls -------------------------------------------------------------------- */

static hone_status read_slot(image *im, const ElfW(Sym) * sym, hone_libcall_slot *ret)
{
    uint64_t at;
    const ElfW(Phdr) *p = segment_of(im, sym->st_value, sizeof *ret, true);
    if (ST_TYPE(sym->st_info) != STT_OBJECT || ST_BIND(sym->st_info) == STB_LOCAL ||
        sym->st_shndx == SHN_ABS || sym->st_size != sizeof *ret || !p || !(p->p_flags & PF_W) ||
        sym->st_value % _Alignof(hone_libcall_slot) != 0 ||
        !file_offset(im, sym->st_value, sizeof *ret, &at))
        REFUSE("has '" HONE_LIBCALL_SYMBOL "', but not as what says which library it calls");
    memcpy(ret, im->bytes + at, sizeof *ret);
    if (!memchr(ret->name, '\0', sizeof ret->name) ||
        !memchr(ret->function, '\0', sizeof ret->function))
        REFUSE("calls a library without a name");
    return HONE_OK;
}

hone_status hone_device__elf_library(const uint8_t *bytes, size_t n, hone_libcall_slot *ret,
                                     bool *ret_wants, hone_error *err)
{
    image im = {.bytes = bytes, .n = n, .err = err};
    const ElfW(Phdr) *dynamic = NULL;
    *ret_wants = false;
    HONE_TRY(check_header(&im));
    HONE_TRY(check_segments(&im, &dynamic));
    HONE_TRY(check_dynamic(&im, dynamic));
    HONE_TRY(check_symbols(&im));
    for (uint64_t i = 1; i < im.n_symbols; i++) {
        ElfW(Sym) sym = symbol_at(&im, i);
        if (strcmp((const char *)im.bytes + im.names + sym.st_name, HONE_LIBCALL_SYMBOL) != 0)
            continue;
        *ret_wants = true;
        return read_slot(&im, &sym, ret);
    }
    return HONE_OK;
}

hone_status hone_device__elf_check(const uint8_t *bytes, size_t n, bool has_pack, hone_error *err)
{
    image im = {.bytes = bytes, .n = n, .err = err};
    const ElfW(Phdr) *dynamic = NULL;
    hone_status s = check_header(&im);
    if (s == HONE_OK)
        s = check_segments(&im, &dynamic);
    if (s == HONE_OK)
        s = check_dynamic(&im, dynamic);
    if (s == HONE_OK)
        s = check_symbols(&im);
    if (s == HONE_OK)
        s = check_reloc_tables(&im);
    if (s == HONE_OK)
        s = check_function(&im, "hone_kernel");
    if (s == HONE_OK && has_pack)
        s = check_function(&im, "hone_pack");
    return s;
}
