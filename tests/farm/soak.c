/* A service that runs for long: `hone serve` with its page, a real builder, a real device that is
 * ended and started again, light devices (light.h) of which one dies now and then, people who ask,
 * and jobs without end. Nothing may grow but by what is kept.
 *
 *   farm_soak [--seconds S] [--devices N] [--measure-ms MS] [--minutes-apart M]
 *
 * Prints descriptors, threads, memory and file sizes at the start, each M minutes, and at the end.
 * Exit code 1: something grew that should not, or by more than what is kept takes. */
#include "tests/farm/watch.h"

#include <arpa/inet.h>
#include <sys/stat.h>

static struct {
    long seconds, devices, measure_ms, minutes_apart;
} ask = {.seconds = 3600, .devices = 8, .measure_ms = 20, .minutes_apart = 1};

#define LIGHT_JOBS 3 /* at once; and one for the real device */
#define TRIALS 40

/* What may be kept for each, in bytes, and what a process may take at most beyond that once all
 * its parts have been in use: a part of its memory that libc has not given back. */
#define MEMORY_OF_RESULT 1536 /* in memory until kept_results are; a settled unit and its maps */
#define MEMORY_OF_JOB 65536   /* its row and what it has told, for who watches it later */
#ifdef __SANITIZE_ADDRESS__
#define MEMORY_SLACK (1 << 30) /* it holds back what is freed */
#else
#define MEMORY_SLACK (32 << 20)
#endif
#define FILE_OF_RECORD 40960 /* the row with its trace, its samples, the farm's result; indices */
#define FILE_SLACK (4 << 20)
#define WAL_MOST (96 << 20)
#define PATIENCE_S 240 /* for what is certain to come, on however busy a machine */
#define FDS_SLACK 6    /* those that happen to be open when one looks: who asks, a page, a commit */

static char bin[512];
static int http_port;
static int64_t device_ns; /* when the real device was started */
static uint64_t jobs_begun, asked, pages, restarts, opened;

/* ---- processes ------------------------------------------------------------------------------ */

static pid_t start(const char *const argv[])
{
    pid_t pid = light_fork();
    if (pid)
        return pid;
    char *path = hone_xasprintf("%s/%s.out", folder, argv[0]);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    free(path);
    if (fd < 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0)
        _exit(1);
    path = hone_xasprintf("%s/%s", bin, argv[0]);
    execv(path, (char *const *)argv);
    _exit(127);
}

static pid_t start_service(void)
{
    char *http = hone_xasprintf("127.0.0.1:%d", http_port);
    pid_t pid = start((const char *[]){"hone", "serve", "--listen", endpoint, "--db", db_path,
                                       "--http", http, NULL});
    free(http);
    return pid;
}

static pid_t start_builder(void)
{
    return start(
        (const char *[]){"hone", "worker", "--connect", endpoint, "--role", "build", NULL});
}

static pid_t start_device(void)
{
    return start((const char *[]){"hone-device", "--connect", endpoint, "--label", "real", NULL});
}

/* A port that was free a moment ago. */
static int free_port(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (s < 0 || bind(s, (struct sockaddr *)&a, sizeof a) != 0 ||
        getsockname(s, (struct sockaddr *)&a, &n) != 0)
        light_die("no port");
    close(s);
    return ntohs(a.sin_port);
}

/* ---- what is looked at ---------------------------------------------------------------------- */

typedef struct look {
    double at_s;
    long fds, threads;
    int64_t bytes; /* resident */
} look;

static long entries(pid_t pid, const char *what)
{
    char path[64];
    long n = 0;
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, what);
    DIR *d = opendir(path);
    for (struct dirent *e; d && (e = readdir(d));)
        n += e->d_name[0] != '.';
    if (d)
        closedir(d);
    return n;
}

static look look_at(pid_t pid)
{
    char path[64], line[256];
    long resident = 0;
    look ret = {.fds = entries(pid, "fd"), .threads = entries(pid, "task")};
    snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
    if (hone_file_line(path, NULL, line, sizeof line) && sscanf(line, "%*d %ld", &resident) == 1)
        ret.bytes = resident * sysconf(_SC_PAGESIZE);
    return ret;
}

static int64_t size_of(const char *suffix)
{
    struct stat st;
    char *path = hone_xasprintf("%s%s", db_path, suffix);
    int64_t n = stat(path, &st) == 0 ? st.st_size : 0;
    free(path);
    return n;
}

typedef struct sample {
    double at_s;
    look service, builder, device;
    int64_t db, wal;
    uint64_t records, canaries, jobs;
} sample;

static sample take_sample(double at_s, pid_t service, pid_t builder, pid_t device)
{
    sample s = {.at_s = at_s,
                .service = look_at(service),
                .builder = look_at(builder),
                .device = look_at(device),
                .db = size_of(""),
                .wal = size_of("-wal"),
                .records = records(),
                .canaries = shared->canaries,
                .jobs = jobs_begun};
    printf("%7.0f  %4ld %4ld %7.1f   %4ld %7.1f   %4ld %7.1f   %8.2f %7.2f %9" PRIu64 " %6" PRIu64
           "\n",
           s.at_s, s.service.fds, s.service.threads, (double)s.service.bytes / 1e6, s.builder.fds,
           (double)s.builder.bytes / 1e6, s.device.fds, (double)s.device.bytes / 1e6,
           (double)s.db / 1e6, (double)s.wal / 1e6, s.records, s.jobs);
    return s;
}

/* ---- what goes on --------------------------------------------------------------------------- */

static void submit(bool real)
{
    char *text = hone_xasprintf(
        "{\"v\":1,\"verb\":\"submit\",\"request\":\"r%" PRIu64 "\",\"threads\":1,\"trials\":%d,"
        "\"seed\":%" PRIu64 ",\"strategy\":\"random\",\"alone\":true,\"filter\":\"label=%s\","
        "\"tasks\":[{\"name\":\"matmul\",\"sizes\":{\"M\":%d,\"N\":%d,\"K\":32}}]}",
        jobs_begun, TRIALS, jobs_begun, real ? "real" : "light", 8 + 8 * (int)(jobs_begun % 29),
        8 + 8 * (int)(jobs_begun / 29 % 31));
    json_t *j = light_ask(endpoint, jobs_begun % 2 ? "ann" : "bob", text);
    bool taken = json_is_true(json_object_get(j, "ok"));
    check(taken, "a job is not taken");
    jobs_begun += taken;
    json_decref(j);
    free(text);
}

static void keep_jobs_live(void)
{
    json_t *j = light_ask(endpoint, "boss", "{\"v\":1,\"verb\":\"jobs\"}"), *one;
    unsigned n[2] = {0};
    size_t k;
    asked++;
    json_array_foreach(json_object_get(j, "jobs"), k, one)
    {
        const char *is = json_string_value(json_object_get(one, "state")),
                   *on = json_string_value(json_object_get(one, "filter"));
        check(is && on && strcmp(is, "failed") != 0, "a job has failed");
        n[on && strcmp(on, "label=real") == 0] +=
            is && (strcmp(is, "queued") == 0 || strcmp(is, "running") == 0);
    }
    json_decref(j);
    for (; n[0] < LIGHT_JOBS; n[0]++)
        submit(false);
    if (n[1] == 0)
        submit(true);
}

/* All devices take units; a person opens those that were shut out, since what disturbs them is all
 * that goes on beside them on this machine. */
static bool devices_are_good(bool open)
{
    json_t *j = light_ask(endpoint, "boss", "{\"v\":1,\"verb\":\"devices\"}"), *one;
    long n = 0;
    size_t k;
    json_array_foreach(json_object_get(j, "devices"), k, one)
    {
        const char *is = json_string_value(json_object_get(one, "health")),
                   *attrs = json_string_value(json_object_get(one, "attrs")),
                   *name = json_string_value(json_object_get(one, "name"));
        bool device = is && attrs && name && strstr(attrs, "label=");
        n += device && strcmp(is, "good") == 0;
        if (!device || !open || (strcmp(is, "quarantined") != 0 && strcmp(is, "retired") != 0))
            continue;
        char *text = hone_xasprintf("{\"v\":1,\"verb\":\"open\",\"name\":\"%s\"}", name);
        json_decref(light_ask(endpoint, "boss", text));
        free(text);
        opened++;
    }
    json_decref(j);
    return n >= ask.devices + 1;
}

static bool get_page(const char *path)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)http_port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char text[4096];
    bool good = false;
    ssize_t n = snprintf(text, sizeof text,
                         "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nConnection: close\r\n\r\n", path,
                         http_port);
    if (s >= 0 && connect(s, (struct sockaddr *)&a, sizeof a) == 0 &&
        write(s, text, (size_t)n) == n) {
        n = read(s, text, sizeof text);
        good = n > 12 && memcmp(text + 9, "200", 3) == 0;
        while (read(s, text, sizeof text) > 0) {
        }
    }
    if (s >= 0)
        close(s);
    return good;
}

/* Each second of the clock, or as often as this machine has time for it. */
static void each_second(uint64_t second, pid_t *device)
{
    static const char *const paths[] = {"/metrics", "/status.json", "/", "/healthz"};
    keep_jobs_live();
    if (second % 15 == 14)
        devices_are_good(true);
    pages += get_page(paths[second % HONE_LEN(paths)]);
    if (second % 5 == 2) /* a light one dies as it measures, and comes again */
        shared->die_at = (int64_t)shared->measured + 3;
    if (second % 60 == 30 || (ask.seconds < 60 && second == 4)) {
        check(light_end(*device, SIGTERM) == 0, "the device does not end in good order");
        *device = start_device();
        device_ns = hone_clock_ns();
        restarts++;
    }
}

/* ---- what it says --------------------------------------------------------------------------- */

static void judge_process(const char *name, const look *from, const look *to, int64_t explained)
{
    int64_t most = from->bytes + explained + MEMORY_SLACK;
    check(to->fds <= from->fds + FDS_SLACK, "descriptors of the %s: %ld, then %ld", name, from->fds,
          to->fds);
    check(to->threads <= from->threads + 2, "threads of the %s: %ld, then %ld", name, from->threads,
          to->threads);
    check(to->bytes <= most, "memory of the %s: %.1f MB, then %.1f, of which %.1f are explained",
          name, (double)from->bytes / 1e6, (double)to->bytes / 1e6, (double)explained / 1e6);
}

/* From when everything has been in use to the end. */
static void judge(const sample *from, const sample *to)
{
    int64_t results = (int64_t)(to->records - from->records),
            jobs = (int64_t)(to->jobs - from->jobs);
    int64_t file = from->db + from->wal + results * FILE_OF_RECORD + FILE_SLACK;
    judge_process("service", &from->service, &to->service,
                  results * MEMORY_OF_RESULT + jobs * MEMORY_OF_JOB);
    judge_process("builder", &from->builder, &to->builder, 0);
    judge_process("device", &from->device, &to->device, 0);
    check(to->db <= file, "the file: %.1f MB, then %.1f, for %" PRId64 " results",
          (double)from->db / 1e6, (double)to->db / 1e6, results);
    check(to->wal <= WAL_MOST, "the write-ahead log has %.1f MB", (double)to->wal / 1e6);
    check(results > 0, "there were no results");
    check(shared->died > 0 && restarts > 0 && pages > 0, "nobody came and went");
    printf("for each of %" PRId64 " results: %.0f bytes of memory, %.0f of the file\n", results,
           (double)(to->service.bytes - from->service.bytes) / (double)(results ? results : 1),
           (double)(to->db - from->db) / (double)(results ? results : 1));
}

/* ---------------------------------------------------------------------------------------------- */

static void soak(void)
{
    pid_t lights =
        light_start(shared, endpoint, (unsigned)ask.devices, 0, ask.measure_ms * LIGHT_MS);
    pid_t service = start_service(), builder = start_builder(), device = start_device();
    int64_t start_ns = hone_clock_ns();
    /* what disturbs the real one's first minutes is not its fault: then a person opens it */
    while (!devices_are_good(seconds_since(start_ns) > 60) && seconds_since(start_ns) < PATIENCE_S)
        pause_ms(200);
    check(devices_are_good(false), "not all devices are good after four minutes");
    printf("      s   service: fds, threads, MB  builder: fds, MB  device: fds, MB   db MB  wal MB"
           "   records   jobs\n");
    start_ns = hone_clock_ns();
    double apart = fmin((double)ask.minutes_apart * 60, (double)ask.seconds / 4), next = 0;
    sample first = {0}, last = {0};
    bool more = true; /* on a busy machine for longer, until all that is judged has happened */
    for (uint64_t second = 0; more && !bad; second++) {
        double t = seconds_since(start_ns);
        each_second(second, &device);
        bool is_new = seconds_since(device_ns) < 5; /* it has not all that it needs */
        if (!is_new && (t >= next || t >= (double)ask.seconds)) {
            last = take_sample(t, service, builder, device);
            next += apart;
            if (first.at_s < 0.2 * (double)ask.seconds) /* what it needs at work has been made */
                first = last;
        }
        bool happened =
            last.records > first.records && shared->died > 0 && restarts > 0 && pages > 0;
        more = last.at_s < (double)ask.seconds ||
               (!happened && last.at_s < (double)ask.seconds + PATIENCE_S);
        pause_ms(1000);
    }
    if (!bad)
        judge(&first, &last);
    printf("%" PRIu64 " light devices died, the real one was started again %" PRIu64
           " times; %" PRIu64 " times one was opened; asked %" PRIu64 " times, %" PRIu64 " pages\n",
           (uint64_t)shared->died, restarts, opened, asked, pages);
    check(light_end(service, SIGTERM) == 0, "the service does not end in good order");
    light_end(device, SIGTERM);
    light_end(builder, SIGTERM);
    light_end(lights, SIGKILL);
    check_log();
}

/* hone and hone-device are beside this program. */
static bool find_bin(void)
{
    ssize_t n = readlink("/proc/self/exe", bin, sizeof bin - 1);
    bin[n > 0 ? n : 0] = '\0';
    char *slash = strrchr(bin, '/');
    if (slash)
        *slash = '\0';
    return slash != NULL;
}

int main(int argc, char **argv)
{
    const program_option options[] = {{"--seconds", &ask.seconds, NULL},
                                      {"--devices", &ask.devices, NULL},
                                      {"--measure-ms", &ask.measure_ms, NULL},
                                      {"--minutes-apart", &ask.minutes_apart, NULL}};
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (!program_options(argc, argv, options, HONE_LEN(options)) || !find_bin()) {
        fprintf(stderr, "farm_soak [--seconds S] [--devices N] [--measure-ms MS] "
                        "[--minutes-apart M]\n");
        return 2;
    }
    program_begin("soak");
    http_port = free_port();
    soak();
    return program_end();
}
