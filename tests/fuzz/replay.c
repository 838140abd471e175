/* Runs a fuzz target over every file of the folders or files named, without a fuzzer. */
#include "base/base.h"

#include <dirent.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned ran;

static void replay(const char *path)
{
    struct stat sb;
    if (stat(path, &sb) != 0) {
        fprintf(stderr, "no corpus at %s\n", path);
        exit(1);
    }
    if (!S_ISDIR(sb.st_mode)) {
        char *text;
        size_t n;
        if (hone_file_read(path, 1 << 24, &text, &n, NULL) != HONE_OK)
            exit(1);
        /* An exact-size copy, so that reading one byte too many is seen. */
        uint8_t *exact = hone_xmalloc(n);
        memcpy(exact, text, n);
        LLVMFuzzerTestOneInput(exact, n);
        free(exact);
        free(text);
        ran++;
        return;
    }
    DIR *d = opendir(path);
    for (struct dirent *e; d && (e = readdir(d));) {
        if (e->d_name[0] == '.')
            continue;
        char *sub = hone_xasprintf("%s/%s", path, e->d_name);
        replay(sub);
        free(sub);
    }
    if (d)
        closedir(d);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        replay(argv[i]);
    printf("%u inputs replayed\n", ran);
    return ran ? 0 : 1;
}
