/* Runs kernels that were made for the processor this is compiled for: the other half of
 * tests/property/test_boards.c, under an emulator. Its argument is a file of lines,
 *
 *   kernel FILE THREADS PACK END OUT   a shared object, whether it has hone_pack, at which end of
 * their pages its arguments lie (1: the end), where outputs go in BYTES FILE PACKED its arguments,
 * in their order; bytes of the packed form, or 0 out BYTES FILE                     what is in it
 * before
 *
 * Each argument lies in pages of its own, against one that must not be touched, and what is left of
 * its own pages must stay as it is; inputs cannot be written. Prints "begin N", then "done N" or
 * what is wrong. */
#include "runtime/hone_rt.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MOST 32
#define PATTERN 0x5c

_Static_assert(offsetof(hone_rt_api, parallel) == 8 && offsetof(hone_rt_api, scratch) == 16,
               "generated code relies on it");

typedef struct area {
    unsigned char *map, *body, *data;
    size_t mapped, body_bytes, bytes;
} area;

typedef struct job {
    char so[512], out[512];
    int threads, pack, end;
    unsigned n;
    struct {
        area data, packed;
        bool is_output;
    } args[MOST];
} job;

static void fail(const char *what)
{
    printf("failed: %s\n", what);
    fflush(stdout);
    exit(1);
}

static size_t round_up(size_t n, size_t to)
{
    return (n + to - 1) / to * to;
}

static area area_new(size_t bytes, bool at_end)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    area a = {.bytes = bytes, .body_bytes = round_up(bytes ? bytes : 1, page)};
    a.mapped = a.body_bytes + 2 * page;
    a.map = mmap(NULL, a.mapped, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (a.map == MAP_FAILED || mprotect(a.map + page, a.body_bytes, PROT_READ | PROT_WRITE) != 0)
        fail("no memory");
    a.body = a.map + page;
    memset(a.body, PATTERN, a.body_bytes);
    a.data = a.body + (at_end ? a.body_bytes - round_up(bytes ? bytes : 1, 64) : 0);
    return a;
}

static void area_read(area *a, const char *path)
{
    FILE *f = fopen(path, "rb");
    if (!f || fread(a->data, 1, a->bytes, f) != a->bytes)
        fail("an argument's file");
    fclose(f);
}

static bool is_whole(const area *a)
{
    for (size_t k = 0; k < a->body_bytes; k++)
        if ((a->body + k < a->data || a->body + k >= a->data + a->bytes) && a->body[k] != PATTERN)
            return false;
    return true;
}

static void area_free(area *a)
{
    if (a->map)
        munmap(a->map, a->mapped);
    *a = (area){0};
}

/* "PACKED" may be missing. */
static void add_arg(job *j, const char *kind, size_t bytes, const char *path, size_t packed)
{
    if (j->n == MOST)
        fail("too many arguments");
    j->args[j->n].is_output = strcmp(kind, "out") == 0;
    j->args[j->n].data = area_new(bytes, j->end);
    area_read(&j->args[j->n].data, path);
    if (!j->args[j->n].is_output &&
        mprotect(j->args[j->n].data.body, j->args[j->n].data.body_bytes, PROT_READ) != 0)
        fail("inputs cannot be protected");
    if (packed)
        j->args[j->n].packed = area_new(packed, j->end);
    j->n++;
}

static void write_outputs(const job *j)
{
    FILE *f = fopen(j->out, "wb");
    for (unsigned k = 0; f && k < j->n; k++)
        if (j->args[k].is_output)
            fwrite(j->args[k].data.data, 1, j->args[k].data.bytes, f);
    if (!f || fclose(f) != 0)
        fail("outputs cannot be written");
}

typedef int32_t (*pack_function)(void *const *from, void *const *to, const hone_rt_api *rt);

static void run(job *j)
{
    void *args[MOST], *from[MOST] = {0}, *to[MOST] = {0};
    void *so = dlopen(j->so, RTLD_NOW | RTLD_LOCAL);
    if (!so)
        fail(dlerror());
    hone_rt_kernel kernel;
    pack_function pack;
    *(void **)&kernel = dlsym(so, "hone_kernel");
    *(void **)&pack = dlsym(so, "hone_pack");
    hone_rt_pool *pool = hone_rt_pool_new(j->threads, 0);
    if (!kernel || !pool || (j->pack && !pack))
        fail("a function is missing");
    const hone_rt_api *rt = hone_rt_pool_api(pool);
    for (unsigned k = 0; k < j->n; k++) {
        args[k] = j->args[k].data.data;
        if (j->args[k].packed.map) {
            from[k] = args[k];
            args[k] = to[k] = j->args[k].packed.data;
        }
    }
    if (j->pack && pack(from, to, rt) != 0)
        fail("hone_pack returned an error");
    for (int times = 0; times < 2; times++)
        if (kernel(args, rt) != 0)
            fail("the kernel returned an error");
    for (unsigned k = 0; k < j->n; k++)
        if (!is_whole(&j->args[k].data) || (j->args[k].packed.map && !is_whole(&j->args[k].packed)))
            fail("a byte outside of an argument was written");
    write_outputs(j);
    hone_rt_pool_free(pool);
    dlclose(so);
    for (unsigned k = 0; k < j->n; k++) {
        area_free(&j->args[k].data);
        area_free(&j->args[k].packed);
    }
}

int main(int argc, char **argv)
{
    static job j;
    char line[2048], kind[8], path[512];
    unsigned number = 0;
    FILE *plan = argc == 2 ? fopen(argv[1], "r") : NULL;
    if (!plan)
        fail("usage: runner PLAN");
    while (fgets(line, sizeof line, plan)) {
        size_t bytes, packed = 0;
        if (strncmp(line, "kernel ", 7) == 0) {
            j = (job){0};
            if (sscanf(line, "kernel %511s %d %d %d %511s", j.so, &j.threads, &j.pack, &j.end,
                       j.out) != 5)
                fail("a line of the plan");
            printf("begin %u\n", number);
            fflush(stdout);
        } else if (strncmp(line, "run", 3) == 0) {
            run(&j);
            printf("done %u\n", number++);
            fflush(stdout);
        } else if (sscanf(line, "%7s %zu %511s %zu", kind, &bytes, path, &packed) >= 3) {
            add_arg(&j, kind, bytes, path, packed);
        } else {
            fail("a line of the plan");
        }
    }
    fclose(plan);
    return 0;
}
