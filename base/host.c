/* What the operating system says of this machine, in lines of small files. */
#include "base/base.h"

#include <sys/utsname.h>

bool hone_file_line(const char *path, const char *key, char *ret, size_t n)
{
    FILE *f = fopen(path, "re");
    char line[512];
    bool found = false;
    *ret = '\0';
    while (f && !found && fgets(line, sizeof line, f)) {
        const char *value = line;
        line[strcspn(line, "\n")] = '\0';
        if (key) {
            if (strncmp(line, key, strlen(key)) != 0 || !(value = strchr(line, ':')))
                continue;
            value += 1 + strspn(value + 1, " \t");
        }
        found = true;
        snprintf(ret, n, "%s", value);
    }
    if (f)
        fclose(f);
    return found;
}

void hone_host_processor(char *ret, size_t n)
{
    static const char info[] = "/proc/cpuinfo";
    char part[64];
    struct utsname u;
    if (hone_file_line(info, "model name", ret, n))
        return;
    if (uname(&u) != 0)
        snprintf(u.machine, sizeof u.machine, "unknown");
    /* Arm and RISC-V name no model. */
    bool has_part = hone_file_line(info, "CPU part", part, sizeof part) ||
                    hone_file_line(info, "uarch", part, sizeof part);
    snprintf(ret, n, has_part ? "%s %s" : "%s", u.machine, part);
}
