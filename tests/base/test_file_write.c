/* Files are written whole or not at all, sets of them too, whatever step fails; what is no regular
 * file is written to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/base.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#define WRITES_A_SET "--set" /* what this program does in every_step_fails */

static char folder[] = "/tmp/hone-file-XXXXXX";

static int group_setup(void **state)
{
    (void)state;
    unsetenv("HONE_FAULT");
    signal(SIGPIPE, SIG_IGN);
    return mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

static int group_teardown(void **state)
{
    (void)state;
    char *command = hone_xasprintf("rm -rf %s", folder);
    int rc = system(command);
    free(command);
    return rc;
}

static void empty_folder(void)
{
    assert_int_equal(system("rm -rf ./* ./.hone-*"), 0);
}

static unsigned entries(const char *path)
{
    DIR *d = opendir(path);
    assert_non_null(d);
    unsigned n = 0;
    for (struct dirent *e; (e = readdir(d));)
        n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    closedir(d);
    return n;
}

static void put(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

static bool holds(const char *path, const char *text)
{
    char *s = NULL;
    bool same = hone_file_read(path, 1 << 20, &s, NULL, NULL) == HONE_OK && strcmp(s, text) == 0;
    free(s);
    return same;
}

static hone_status write_text(const char *path, const char *text)
{
    hone_error err;
    hone_status s = hone_file_write(path, text, strlen(text), &err);
    if (s != HONE_OK)
        print_message("%s\n", err.message);
    return s;
}

static mode_t mode_of(const char *path)
{
    struct stat sb;
    assert_int_equal(lstat(path, &sb), 0);
    return sb.st_mode;
}

/* ---- one file -------------------------------------------------------------------------------- */

static void regular_files(void **state)
{
    (void)state;
    mode_t old = umask(027);
    assert_int_equal(write_text("new", "one"), HONE_OK);
    assert_true(holds("new", "one"));
    assert_int_equal(mode_of("new"), S_IFREG | 0640);
    umask(old);
    assert_int_equal(write_text("new", ""), HONE_OK);
    assert_true(holds("new", ""));
    assert_int_equal(chmod("new", 0400), 0);
    assert_int_equal(write_text("new", "two"), HONE_OK);
    assert_true(holds("new", "two"));
    assert_int_equal(mode_of("new"), S_IFREG | 0400);
    assert_int_equal(chmod("new", 0755), 0);
    assert_int_equal(write_text("./new", "three"), HONE_OK);
    assert_int_equal(mode_of("new"), S_IFREG | 0755);
    /* the longest name a file can have */
    char name[256];
    memset(name, 'n', 255);
    name[255] = '\0';
    assert_int_equal(write_text(name, "long"), HONE_OK);
    assert_int_equal(write_text(name, "longer"), HONE_OK);
    assert_true(holds(name, "longer"));
    assert_int_equal(write_text("\xff\n\x1b", "bytes"), HONE_OK);
    assert_true(holds("\xff\n\x1b", "bytes"));
    assert_int_equal(entries("."), 3);
    empty_folder();
}

/* A reader that has the old file open goes on reading the old one. */
static void replaced_whole(void **state)
{
    (void)state;
    put("a", "old");
    FILE *f = fopen("a", "r");
    assert_non_null(f);
    assert_int_equal(write_text("a", "new and longer"), HONE_OK);
    char text[32] = "";
    assert_non_null(fgets(text, sizeof text, f));
    assert_string_equal(text, "old");
    fclose(f);
    empty_folder();
}

static void links(void **state)
{
    (void)state;
    assert_int_equal(mkdir("d", 0700), 0);
    put("d/target", "old");
    assert_int_equal(symlink("d/target", "link"), 0);
    assert_int_equal(symlink("../chain", "d/chain"), 0);
    assert_int_equal(symlink("link", "chain"), 0);
    assert_int_equal(symlink("d/not yet", "dangling"), 0);
    assert_int_equal(symlink("round", "round"), 0);
    assert_int_equal(write_text("link", "new"), HONE_OK);
    assert_true(S_ISLNK(mode_of("link")) && S_ISREG(mode_of("d/target")));
    assert_true(holds("d/target", "new"));
    assert_int_equal(write_text("d/chain", "newer"), HONE_OK);
    assert_true(holds("d/target", "newer"));
    assert_int_equal(write_text("dangling", "here"), HONE_OK);
    assert_true(S_ISLNK(mode_of("dangling")));
    assert_true(holds("d/not yet", "here"));
    assert_int_equal(write_text("round", "x"), HONE_E_IO);
    assert_int_equal(entries("."), 5);
    assert_int_equal(entries("d"), 3);
    empty_folder();
}

static void *read_fifo(void *path)
{
    char *s = NULL;
    if (hone_file_read(path, 1 << 24, &s, NULL, NULL) != HONE_OK)
        return NULL;
    return s;
}

/* A device to write to. Root, who could replace those of the system, makes one of its own. */
static const char *device(const char *system, const char *own, unsigned minor)
{
    if (geteuid() != 0)
        return system;
    return mknod(own, S_IFCHR | 0600, makedev(1, minor)) == 0 ? own : NULL;
}

static void devices(void **state)
{
    (void)state;
    const char *null = device("/dev/null", "null", 3), *full = device("/dev/full", "full", 7);
    if (!null || !full)
        skip();
    assert_int_equal(write_text(null, "x"), HONE_OK);
    assert_true(S_ISCHR(mode_of(null)));
    assert_int_equal(symlink(null, "link"), 0);
    assert_int_equal(write_text("link", "x"), HONE_OK);
    assert_true(S_ISCHR(mode_of(null)) && S_ISLNK(mode_of("link")));
    hone_error err;
    assert_int_equal(hone_file_write(full, "x", 1, &err), HONE_E_FULL);
    assert_non_null(strstr(err.message, full));
    empty_folder();
}

static void fifos(void **state)
{
    (void)state;
    assert_int_equal(mkfifo("fifo", 0600), 0);
    assert_int_equal(symlink("fifo", "to fifo"), 0);
    static char large[300001]; /* more than a pipe holds */
    memset(large, 'x', sizeof large - 1);
    pthread_t reader;
    assert_int_equal(pthread_create(&reader, NULL, read_fifo, "fifo"), 0);
    assert_int_equal(write_text("to fifo", large), HONE_OK);
    void *got;
    pthread_join(reader, &got);
    assert_non_null(got);
    assert_string_equal(got, large);
    free(got);
    assert_true(S_ISFIFO(mode_of("fifo")));
    assert_int_equal(entries("."), 2);
    empty_folder();
}

/* An open descriptor is written to where it stands, whatever it is. */
static void descriptors(void **state)
{
    (void)state;
    int fd = open("out", O_RDWR | O_CREAT | O_EXCL, 0600);
    assert_true(fd >= 0 && write(fd, "first ", 6) == 6);
    char path[64];
    const char *const forms[] = {"/dev/fd/%d", "/proc/self/fd/%d"};
    for (unsigned k = 0; k < HONE_LEN(forms); k++) {
        snprintf(path, sizeof path, forms[k], fd);
        assert_int_equal(write_text(path, k ? "third" : "second "), HONE_OK);
    }
    assert_int_equal(symlink(path, "stdout"), 0);
    assert_int_equal(write_text("stdout", " fourth"), HONE_OK);
    close(fd);
    assert_true(holds("out", "first second third fourth"));
    assert_int_equal(hone_file_write(path, "x", 1, NULL), HONE_E_IO);
    empty_folder();
}

static void refused(void **state)
{
    (void)state;
    hone_error err;
    assert_int_equal(mkdir("d", 0700), 0);
    assert_int_equal(hone_file_write("d", "x", 1, &err), HONE_E_IO);
    assert_non_null(strstr(err.message, "'d': it is a folder"));
    assert_int_equal(hone_file_write("d/", "x", 1, &err), HONE_E_IO);
    assert_int_equal(hone_file_write("none/x", "x", 1, &err), HONE_E_IO);
    assert_int_equal(hone_file_write("none/", "x", 1, &err), HONE_E_IO);
    assert_int_equal(hone_file_write("", "x", 1, &err), HONE_E_IO);
    assert_int_equal(entries("."), 1);
    assert_int_equal(entries("d"), 0);
    empty_folder();
}

static void secrets(void **state)
{
    (void)state;
    assert_int_equal(hone_file_write_secret("key", "s", 1, NULL), HONE_OK);
    assert_int_equal(mode_of("key"), S_IFREG | 0600);
    assert_int_equal(hone_file_write_secret("key", "t", 1, NULL), HONE_E_INPUT);
    assert_int_equal(symlink("elsewhere", "link"), 0);
    assert_int_equal(hone_file_write_secret("link", "t", 1, NULL), HONE_E_INPUT);
    assert_true(holds("key", "s"));
    assert_int_equal(entries("."), 2);
    empty_folder();
}

/* ---- sets ------------------------------------------------------------------------------------ */

static const char *const names[] = {"f.o", "f.h", "f.json"};

static hone_status write_set(const char *text, hone_error *err)
{
    hone_file files[HONE_LEN(names)];
    for (unsigned k = 0; k < HONE_LEN(names); k++)
        files[k] = (hone_file){names[k], text, strlen(text)};
    return hone_file_write_set(files, HONE_LEN(names), err);
}

static bool set_is(const char *text)
{
    bool is = true;
    for (unsigned k = 0; k < HONE_LEN(names); k++)
        is = is && (text ? holds(names[k], text) : access(names[k], F_OK) != 0);
    return is;
}

static void a_set(void **state)
{
    (void)state;
    assert_int_equal(write_set("first", NULL), HONE_OK);
    assert_true(set_is("first"));
    assert_int_equal(chmod("f.h", 0444), 0);
    assert_int_equal(write_set("second", NULL), HONE_OK);
    assert_true(set_is("second"));
    assert_int_equal(mode_of("f.h"), S_IFREG | 0444);
    assert_int_equal(entries("."), 3);
    empty_folder();
}

static void folder_in_the_way(void **state)
{
    (void)state;
    for (unsigned k = 0; k < HONE_LEN(names); k++) {
        hone_error err;
        assert_int_equal(write_set("old", NULL), HONE_OK);
        assert_int_equal(unlink(names[k]), 0);
        assert_int_equal(mkdir(names[k], 0700), 0);
        assert_int_equal(write_set("new", &err), HONE_E_IO);
        assert_non_null(strstr(err.message, names[k]));
        assert_non_null(strstr(err.message, "folder"));
        for (unsigned i = 0; i < HONE_LEN(names); i++)
            assert_true(i == k || holds(names[i], "old"));
        assert_int_equal(entries("."), 3);
        empty_folder();
    }
    assert_int_equal(symlink("f.json", "f.h"), 0);
    hone_error err;
    assert_int_equal(write_set("new", &err), HONE_E_IO);
    assert_non_null(strstr(err.message, "one file"));
    assert_int_equal(entries("."), 1);
    empty_folder();
}

/* Writes the set in a process of its own, where `fault` is armed from the start; its status. */
static hone_status with_fault(const char *fault)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        setenv("HONE_FAULT", fault, 1);
        execl("/proc/self/exe", "test", WRITES_A_SET, (char *)NULL);
        _exit(100);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return (hone_status)WEXITSTATUS(status);
}

/* Every step fails once, with an old set there and without. */
static void every_step_fails(void **state)
{
    (void)state;
    static const struct {
        const char *site;
        int times;
    } sites[] = {{"file.create", 3},
                 {"file.write", 3},
                 {"file.sync", 3},
                 {"file.close", 3},
                 {"file.rename", 6}};
    for (unsigned k = 0; k < HONE_LEN(sites); k++)
        for (int had = 0; had < 2; had++)
            for (int n = 1; n <= sites[k].times + 1; n++) {
                char fault[32];
                snprintf(fault, sizeof fault, "%s:%d", sites[k].site, n);
                for (unsigned i = 0; had && i < HONE_LEN(names); i++)
                    put(names[i], "old");
                /* without an old set there is nothing to move aside */
                bool comes =
                    n <= (strcmp(sites[k].site, "file.rename") == 0 && !had ? 3 : sites[k].times);
                hone_status s = with_fault(fault);
                if ((s != HONE_OK) != comes || !set_is(comes ? had ? "old" : NULL : "new"))
                    fail_msg("%s, %s set before", fault, had ? "a" : "no");
                assert_int_equal(entries("."), comes && !had ? 0 : 3);
                empty_folder();
            }
}

/* A real limit instead of an injected fault. */
static void files_may_not_be_so_large(void **state)
{
    (void)state;
    assert_int_equal(write_set("old", NULL), HONE_OK);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        static char large[1 << 16];
        memset(large, 'x', sizeof large - 1);
        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &(struct rlimit){4096, 4096});
        _exit((int)write_set(large, NULL));
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), HONE_E_IO);
    assert_true(set_is("old"));
    assert_int_equal(entries("."), 3);
    empty_folder();
}

/* A signal ends the process between two files, never in one. */
static void signals(void **state)
{
    (void)state;
    for (int round = 0; round < 20; round++) {
        int ready[2];
        assert_int_equal(pipe(ready), 0);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            signal(SIGINT, SIG_DFL);
            for (;;)
                if (write_set("new", NULL) != HONE_OK || write(ready[1], "", 1) != 1)
                    _exit(1);
        }
        char c;
        for (int k = 0; k <= round; k++)
            assert_int_equal(read(ready[0], &c, 1), 1);
        kill(pid, round % 2 ? SIGINT : SIGTERM);
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        close(ready[0]);
        close(ready[1]);
        assert_int_equal(entries("."), 3);
        assert_true(set_is("new"));
    }
    empty_folder();
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], WRITES_A_SET) == 0)
        return (int)write_set("new", NULL);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(regular_files),
        cmocka_unit_test(replaced_whole),
        cmocka_unit_test(links),
        cmocka_unit_test(devices),
        cmocka_unit_test(fifos),
        cmocka_unit_test(descriptors),
        cmocka_unit_test(refused),
        cmocka_unit_test(secrets),
        cmocka_unit_test(a_set),
        cmocka_unit_test(folder_in_the_way),
        cmocka_unit_test(every_step_fails),
        cmocka_unit_test(files_may_not_be_so_large),
        cmocka_unit_test(signals),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
