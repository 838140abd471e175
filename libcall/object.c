/* The shared object on this machine: where it is, its bytes, and what it defines. It is read, never
 * loaded. */
#include "libcall/internal.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- what it defines ------------------------------------------------------------------------- */

static bool inside(uint64_t offset, uint64_t bytes, size_t n)
{
    return offset <= n && bytes <= n - offset;
}

/* The k-th section, if header and contents lie in the file. */
static bool section_at(const uint8_t *bytes, size_t n, const Elf64_Ehdr *h, unsigned k,
                       Elf64_Shdr *ret)
{
    if (k >= h->e_shnum || h->e_shentsize != sizeof *ret ||
        !inside(h->e_shoff, ((uint64_t)k + 1) * sizeof *ret, n))
        return false;
    memcpy(ret, bytes + h->e_shoff + (size_t)k * sizeof *ret, sizeof *ret);
    return ret->sh_type == SHT_NOBITS || inside(ret->sh_offset, ret->sh_size, n);
}

static bool table_has(const uint8_t *bytes, const Elf64_Shdr *symbols, const Elf64_Shdr *names,
                      const char *function)
{
    size_t len = strlen(function) + 1;
    for (uint64_t i = 1; i < symbols->sh_size / sizeof(Elf64_Sym); i++) {
        Elf64_Sym sym;
        memcpy(&sym, bytes + symbols->sh_offset + i * sizeof sym, sizeof sym);
        unsigned type = ELF64_ST_TYPE(sym.st_info), bind = ELF64_ST_BIND(sym.st_info);
        if ((type != STT_FUNC && type != STT_GNU_IFUNC) || bind == STB_LOCAL ||
            sym.st_shndx == SHN_UNDEF || !inside(sym.st_name, len, names->sh_size))
            continue;
        if (memcmp(bytes + names->sh_offset + sym.st_name, function, len) == 0)
            return true;
    }
    return false;
}

hone_status hone_libcall_object_has(const uint8_t *bytes, size_t n, const char *function,
                                    hone_error *err)
{
    Elf64_Ehdr h;
    if (n < sizeof h || memcmp(bytes, ELFMAG, SELFMAG) != 0 || bytes[EI_CLASS] != ELFCLASS64)
        return hone_fail(err, HONE_E_INPUT, "is no shared object of this system");
    memcpy(&h, bytes, sizeof h);
    if (h.e_type != ET_DYN)
        return hone_fail(err, HONE_E_INPUT, "is no shared object");
    for (unsigned k = 0; k < h.e_shnum; k++) {
        Elf64_Shdr s, names;
        if (section_at(bytes, n, &h, k, &s) && s.sh_type == SHT_DYNSYM &&
            section_at(bytes, n, &h, s.sh_link, &names) && names.sh_type == SHT_STRTAB &&
            table_has(bytes, &s, &names, function))
            return HONE_OK;
    }
    return hone_fail(err, HONE_E_INPUT, "has no function '%s'", function);
}

/* ---- where it is ----------------------------------------------------------------------------- */

static bool is_there(const char *folder, size_t n, const char *file, char ret[PATH_MAX])
{
    struct stat sb;
    int len = snprintf(ret, PATH_MAX, "%.*s%s", (int)n, folder, file);
    return len < PATH_MAX && stat(ret, &sb) == 0 && S_ISREG(sb.st_mode);
}

/* Beside the text, then where this system has its libraries. */
static bool find(const char *text_path, const char *file, char ret[PATH_MAX])
{
    static const char *const folders[] = {
        "/usr/local/lib/",
#if defined(__x86_64__)
        "/usr/lib/x86_64-linux-gnu/",
#elif defined(__aarch64__)
        "/usr/lib/aarch64-linux-gnu/",
#elif defined(__riscv)
        "/usr/lib/riscv64-linux-gnu/",
#endif
        "/usr/lib64/",
        "/usr/lib/",
    };
    const char *slash = strrchr(text_path, '/');
    if (*file == '/')
        return is_there("", 0, file, ret);
    if (is_there(text_path, slash ? (size_t)(slash + 1 - text_path) : 0, file, ret))
        return true;
    for (size_t k = 0; k < HONE_LEN(folders) && !strchr(file, '/'); k++)
        if (is_there(folders[k], strlen(folders[k]), file, ret))
            return true;
    return false;
}

/* ---- loading --------------------------------------------------------------------------------- */

static hone_status check_functions(const hone_libcall_library *l, const uint8_t *bytes, size_t n,
                                   hone_error *err)
{
    hone_error why = {0};
    hone_status st = hone_libcall_object_has(bytes, n, l->function, &why);
    if (st == HONE_OK && *l->threads)
        st = hone_libcall_object_has(bytes, n, l->threads, &why);
    return st == HONE_OK ? HONE_OK
                         : hone_fail(err, st, "library %s: '%s' %s", l->name, l->path, why.message);
}

static void stamp(hone_libcall_library *l, const struct stat *sb)
{
    l->inode = (uint64_t)sb->st_ino;
    l->bytes = sb->st_size;
    l->changed_ns = (int64_t)sb->st_mtim.tv_sec * 1000000000 + sb->st_mtim.tv_nsec;
}

bool hone_libcall_is_same(const hone_libcall_library *l)
{
    struct stat sb;
    hone_libcall_library now;
    if (stat(l->path, &sb) != 0)
        return false;
    stamp(&now, &sb);
    return now.inode == l->inode && now.bytes == l->bytes && now.changed_ns == l->changed_ns;
}

static hone_status look_into(hone_libcall_library *l, hone_error *err)
{
    struct stat sb = {0};
    int fd = open(l->path, O_RDONLY | O_CLOEXEC);
    hone_status st = HONE_OK;
    void *p = MAP_FAILED;
    if (fd < 0 || fstat(fd, &sb) != 0)
        st = hone_fail_errno(err, HONE_E_IO, "library %s: cannot read '%s'", l->name, l->path);
    else if (sb.st_size <= 0 || (uint64_t)sb.st_size > HONE_LIBCALL_MAX_OBJECT)
        st = hone_fail(err, HONE_E_INPUT, "library %s: '%s' is no shared object", l->name, l->path);
    else if ((p = mmap(NULL, (size_t)sb.st_size, PROT_READ, MAP_PRIVATE, fd, 0)) == MAP_FAILED)
        st = hone_fail_errno(err, HONE_E_IO, "library %s: cannot read '%s'", l->name, l->path);
    if (fd >= 0)
        close(fd);
    if (p == MAP_FAILED)
        return st;
    st = check_functions(l, p, (size_t)sb.st_size, err);
    stamp(l, &sb);
    l->hash = hone_hash_bytes(0, p, (size_t)sb.st_size);
    munmap(p, (size_t)sb.st_size);
    return st;
}

/* Its path becomes one without links, from the root: others, elsewhere, are to open the same file.
 * Its last part mostly says the version. */
static void name_real(hone_libcall_library *l)
{
    char *real = realpath(l->path, NULL);
    if (real && strlen(real) < sizeof l->path)
        memcpy(l->path, real, strlen(real) + 1);
    free(real);
    const char *base = strrchr(l->path, '/') ? strrchr(l->path, '/') + 1 : l->path;
    if (hone_libcall__is_file(base, strlen(base), sizeof l->real))
        memcpy(l->real, base, strlen(base) + 1);
    else
        snprintf(l->real, sizeof l->real, "unnamed");
}

hone_status hone_libcall_load(const char *given, hone_libcall_library *ret, bool *ret_missing,
                              hone_error *err)
{
    if (ret_missing)
        *ret_missing = false;
    const char *eq = strchr(given, '=');
    size_t len = eq ? (size_t)(eq - given) : 0;
    char *text = NULL;
    size_t n = 0;
    *ret = (hone_libcall_library){0};
    if (!eq || !hone_libcall__is_name(given, len, sizeof ret->name) || !eq[1])
        return hone_fail(
            err, HONE_E_INPUT,
            "--candidate-lib takes NAME=TEXT, a word of at most %zu letters and a file, "
            "not '%.200s'",
            sizeof ret->name - 1, given);
    HONE_TRY(hone_file_read(eq + 1, HONE_LIBCALL_MAX_TEXT, &text, &n, err));
    hone_status st = hone_libcall_read(eq + 1, text, n, ret, err);
    free(text);
    if (st != HONE_OK)
        return st;
    memcpy(ret->name, given, len);
    if (find(eq + 1, ret->file, ret->path)) {
        name_real(ret);
        st = look_into(ret, err);
    } else {
        if (ret_missing)
            *ret_missing = true;
        st = hone_fail(err, HONE_E_NOTFOUND, "library %s: there is no '%s' on this machine",
                       ret->name, ret->file);
    }
    if (st != HONE_OK)
        hone_libcall_library_free(ret);
    return st;
}
