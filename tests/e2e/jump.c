/* Clocks that jump, for one host of many: preloaded into a process, it adds to what the wall clock
 * says as many seconds as the file HONE_TEST_CLOCK has in its first line, as it is now. The
 * monotonic clocks jump as well, but never back: that no kernel lets them do. The program itself is
 * what is installed; it and its children see the same clocks. */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define BYTES 4096

static int (*real)(clockid_t, struct timespec *);
static const volatile char *text; /* NULL: no clock is told of */

static void __attribute__((constructor)) begin(void)
{
    const char *path = getenv("HONE_TEST_CLOCK");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    if (fd < 0)
        return;
    void *p = mmap(NULL, BYTES, PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    text = p == MAP_FAILED ? NULL : p;
}

static long seconds(void)
{
    long n = 0;
    int minus = text && text[0] == '-';
    for (int i = minus; text && text[i] >= '0' && text[i] <= '9' && i < 10; i++)
        n = 10 * n + (text[i] - '0');
    return minus ? -n : n;
}

/* The most that it ever was. */
static long forward(long now)
{
    static long most;
    most = now > most ? now : most;
    return most;
}

int clock_gettime(clockid_t id, struct timespec *ret)
{
    int rc = real ? real(id, ret) : (int)syscall(SYS_clock_gettime, id, ret); /* before begin() */
    if (rc != 0 || id == CLOCK_PROCESS_CPUTIME_ID || id == CLOCK_THREAD_CPUTIME_ID)
        return rc;
    long now = seconds(), ahead = forward(now);
    ret->tv_sec += id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE ? now : ahead;
    return 0;
}
