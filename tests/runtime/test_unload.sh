#!/bin/bash
# Shared objects with kernels and libhone_rt.a in them: loaded, called and unloaded, over and over,
# beside threads that live on, at exit and after fork.
. "$2/tests/cli/lib.sh"

cc=$(sed -n 's/^CMAKE_C_COMPILER:.*=//p' "$BUILD/CMakeCache.txt")
san=$(sed -n 's/^HONE_SANITIZE:.*=//p' "$BUILD/CMakeCache.txt")
compile() {
    "${cc:-cc}" ${san:+-fsanitize=$san} -g -O1 -Wall -Wextra -Werror -D_GNU_SOURCE -I"$SRC" -I. -o "$@" \
        -lpthread
}

# A kernel for two threads, and a function that uses all of the runtime.
cat >k.hone <<'END'
kernel k(N) { input X: f32[N]; output Y: f32[N]; Y[i] = X[i] + 1 }
END
echo '[[["GetBlock",[],["Y","main"],["b0"]],["GetLoops",["b0"],[],["l1"]],["Parallel",["l1"],[],[]]],[]]' \
    >parallel.trace
run 0 "$HONE" query k.hone -D N=4096 --trace parallel.trace --threads 2 --emit library --name add_one
cat >plugin.c <<'END'
#include "add_one.h"
#include "runtime/hone_rt.h"
#include <stdint.h>
#include <string.h>

static int32_t task(void *closure, int64_t begin, int64_t end)
{
    const hone_rt_api *rt = closure;
    for (int64_t i = begin; i < end; i++) {
        char *p = rt->scratch(rt, 1, 5000 + i);
        if (!p)
            return 1;
        memset(p, 1, (size_t)(5000 + i));
    }
    return 0;
}

int run(void)
{
    static _Thread_local float x[4096], y[4096];
    const hone_rt_api *rt = hone_rt_default(2);
    char *mine = rt->scratch(rt, 0, 1 << 20);
    if (!mine)
        return 1;
    memset(mine, 2, 1 << 20);
    if (rt->parallel(rt, 64, task, (void *)rt) != 0 || add_one(x, y) != 0)
        return 2;
    return y[0] != 1 || y[4095] != 1 || mine[0] != 2 || mine[(1 << 20) - 1] != 2;
}

/* What a library does when it is unloaded may call kernels too. */
__attribute__((destructor)) static void last(void)
{
    if (run() != 0)
        __builtin_trap();
}
END
cat >host.c <<'END'
#include <dirent.h>
#include <dlfcn.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void *lib;

static void die(const char *what)
{
    printf("%s\n", what);
    fflush(stdout);
    _exit(1);
}

static int (*load(void))(void)
{
    lib = dlopen("./plugin.so", RTLD_NOW | RTLD_LOCAL);
    if (!lib)
        die(dlerror());
    int (*run)(void);
    *(void **)&run = dlsym(lib, "run");
    return run;
}

static void unload(void)
{
    dlclose(lib);
    if (dlopen("./plugin.so", RTLD_NOW | RTLD_NOLOAD))
        die("it is still there");
}

static int threads(void)
{
    DIR *d = opendir("/proc/self/task");
    int n = 0;
    while (readdir(d))
        n++;
    closedir(d);
    return n - 2;
}

static void once(void)
{
    if (load()() != 0)
        die("the kernel failed");
    unload();
}

static sem_t go, done;
static int (*volatile call)(void);

static void *companion(void *rounds)
{
    for (long n = (long)rounds; n > 0; n--) {
        sem_wait(&go);
        if (call() != 0)
            die("the kernel failed in the other thread");
        sem_post(&done);
    }
    return NULL;
}

/* A thread calls kernels and outlives their library. */
static void beside(long rounds)
{
    pthread_t t;
    sem_init(&go, 0, 0);
    sem_init(&done, 0, 0);
    pthread_create(&t, NULL, companion, (void *)rounds);
    for (long n = rounds; n > 0; n--) {
        call = load();
        sem_post(&go);
        if (call() != 0)
            die("the kernel failed");
        sem_wait(&done);
        unload();
    }
    pthread_join(t, NULL);
}

static void *forever(void *arg)
{
    while (call() == 0) {
    }
    die("the kernel failed at exit");
    return arg;
}

int main(int argc, char **argv)
{
    const char *what = argv[argc - 1];
    if (strcmp(what, "again") == 0)
        once(); /* a sanitizer's own thread comes with the first of the others */
    int before = threads();
    if (strcmp(what, "again") == 0) {
        for (int n = 1; n < 100; n++)
            once();
    } else if (strcmp(what, "beside") == 0) {
        beside(100);
        return 0;
    } else if (strcmp(what, "late") == 0) { /* by a handler of exit() */
        atexit(unload);
        return load()() != 0;
    } else if (strcmp(what, "exit") == 0) { /* while a kernel runs */
        pthread_t t;
        call = load();
        pthread_create(&t, NULL, forever, NULL);
        pthread_detach(t);
        usleep(20000);
        return 0;
    } else if (strcmp(what, "fork") == 0) {
        call = load();
        if (call() != 0)
            die("the kernel failed");
        for (int n = 0; n < 3; n++) {
            pid_t pid = fork();
            if (pid == 0) {
                if (n > 0 && call() != 0)
                    die("the kernel failed in the child");
                if (n > 1)
                    unload();
                exit(0);
            }
            int status;
            if (waitpid(pid, &status, 0) != pid || status != 0)
                die("the child failed");
        }
        unload();
    }
    for (int n = 0; threads() != before; n++) { /* the kernel takes a moment to forget one */
        if (n == 1000)
            die("threads are left");
        usleep(10000);
    }
    return 0;
}
END
ok "the library" compile plugin.so -shared -fPIC plugin.c add_one.o "$BUILD/libhone_rt.a"
ok "a program" compile host host.c

run 0 ./host again
run 0 ./host beside
# What is unloaded by a handler of exit() leaves memory, for the process ends.
run 0 env ASAN_OPTIONS="detect_leaks=0:$ASAN_OPTIONS" ./host late
for _ in 1 2 3 4 5 6 7 8 9 10; do
    run 0 ./host exit
done
case $san in
*thread*) ;; # starts no threads in the child of a process that had some
*) run 0 ./host fork ;;
esac

# ---- the same in the program itself: nothing is unloaded, and it ends while a kernel runs
cat >whole.c <<'END'
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>
int run(void);
static void *forever(void *arg)
{
    while (run() == 0) {
    }
    return arg;
}
int main(void)
{
    pthread_t t;
    if (run() != 0 || pthread_create(&t, NULL, forever, NULL) != 0)
        return 1;
    usleep(20000);
    return 0;
}
END
ok "a program with it" compile whole whole.c plugin.c add_one.o "$BUILD/libhone_rt.a"
for _ in 1 2 3 4 5; do
    run 0 ./whole
done

all_done
