/* Runs a function in a process of its own, for what ends one or is read once in its life. */
#ifndef HONE_TESTS_BASE_CHILD_H
#define HONE_TESTS_BASE_CHILD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/base.h"

#include <sys/wait.h>
#include <unistd.h>

/* Its exit code, or minus the signal that ended it; ret gets what it wrote to stderr. */
static inline int in_child(void (*fn)(void), char *ret, size_t size)
{
    int fd[2];
    assert_int_equal(pipe(fd), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        dup2(fd[1], STDERR_FILENO);
        close(fd[0]);
        close(fd[1]);
        fn();
        fflush(stderr);
        _exit(0);
    }
    close(fd[1]);
    size_t n = 0;
    for (ssize_t got; n + 1 < size && (got = read(fd[0], ret + n, size - 1 - n)) > 0;)
        n += (size_t)got;
    ret[n] = '\0';
    close(fd[0]);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

#endif
