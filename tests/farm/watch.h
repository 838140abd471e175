/* What the programs that put a service under load look at: its memory, the processor time of its
 * threads, its log. */
#ifndef HONE_TESTS_FARM_WATCH_H
#define HONE_TESTS_FARM_WATCH_H

#include "db/db.h"
#include "tests/farm/program.h"

#include <dirent.h>

static inline double resident_mb(pid_t pid)
{
    char path[64], line[256];
    long pages = 0;
    snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
    if (!hone_file_line(path, NULL, line, sizeof line) || sscanf(line, "%*d %ld", &pages) != 1)
        return 0;
    return (double)pages * (double)sysconf(_SC_PAGESIZE) / 1e6;
}

/* Processor time of the threads of a process, added up by name. */
typedef struct times {
    struct {
        char name[32];
        double s;
    } by[32];
    unsigned n;
} times;

static inline double *time_of(times *t, const char *name)
{
    unsigned k = 0;
    while (k < t->n && strcmp(t->by[k].name, name) != 0)
        k++;
    if (k == HONE_LEN(t->by))
        return NULL;
    if (k == t->n) {
        snprintf(t->by[k].name, sizeof t->by[k].name, "%s", name);
        t->by[t->n++].s = 0;
    }
    return &t->by[k].s;
}

static inline times times_of(pid_t pid)
{
    char path[64], line[1024];
    times t = {0};
    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *d = opendir(path);
    for (struct dirent *e; d && (e = readdir(d));) {
        char stat[sizeof path + 32], name[32] = "";
        unsigned long user = 0, system = 0;
        snprintf(stat, sizeof stat, "%s/%.20s/stat", path, e->d_name);
        if (e->d_name[0] == '.' || !hone_file_line(stat, NULL, line, sizeof line))
            continue;
        char *open = strchr(line, '('), *close = strrchr(line, ')');
        if (!open || !close ||
            sscanf(close + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
                   &system) != 2)
            continue;
        snprintf(name, sizeof name, "%.*s", (int)(close - open - 1), open + 1);
        double *s = time_of(&t, name);
        if (s)
            *s += (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
    }
    if (d)
        closedir(d);
    return t;
}

/* What its threads took since then, for so many results. */
static inline void print_threads(const char *whose, pid_t pid, const times *since, uint64_t results)
{
    times now = times_of(pid), before = *since;
    double all = 0;
    printf("processor seconds of %s since the first job:", whose);
    for (unsigned k = 0; k < now.n; k++) {
        const double *s = time_of(&before, now.by[k].name);
        double passed = now.by[k].s - (s ? *s : 0);
        all += passed;
        printf(" %s %.2f", now.by[k].name, passed);
    }
    printf(", %.0f us a result\n", results ? 1e6 * all / (double)results : 0);
}

/* Those in the log, of this machine's class. */
static inline uint64_t records(void)
{
    hone_db *db;
    hone_target host;
    hone_error err = {0};
    uint64_t n = 0;
    if (hone_target_host(&host, &err) != HONE_OK ||
        hone_db_open(db_path, HONE_DB_READ, &db, &err) != HONE_OK)
        return 0;
    char *class = hone_target_class(&host);
    if (hone_db_record_count(db, class, &n, &err) != HONE_OK)
        n = 0;
    free(class);
    hone_db_close(db);
    return n;
}

static inline void check_log(void)
{
    hone_db *db;
    hone_error err = {0};
    json_t *j = NULL;
    hone_status st = hone_db_open(db_path, HONE_DB_READ, &db, &err);
    if (st == HONE_OK)
        st = hone_db_check(db, &j, &err);
    check(st == HONE_OK, "the log is not sound: %s", err.message);
    json_decref(j);
    hone_db_close(db);
}

#endif
