/* The command that starts and ends builders. One runs at a time, and is told the latest number; one
 * that fails is run again. */
#include "farm/service/internal.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#define AGAIN_MS 10000
#define NAME "HONE_BUILDERS="

extern char **environ;

/* Of this process, with `mine` added. The texts are not copied. */
static char **environment(char *mine)
{
    size_t n = 0, kept = 0;
    while (environ[n])
        n++;
    char **ret = hone_xcalloc(n + 2, sizeof *ret);
    for (size_t i = 0; i < n; i++)
        if (strncmp(environ[i], NAME, strlen(NAME)) != 0)
            ret[kept++] = environ[i];
    ret[kept] = mine;
    return ret;
}

/* Reads nothing, and what it says goes where the service's own complaints go. */
static int spawn(const char *command, char **env, pid_t *ret)
{
    posix_spawnattr_t attr;
    posix_spawn_file_actions_t files;
    sigset_t none, usual;
    char *const argv[] = {"sh", "-c", (char *)(uintptr_t)command, NULL};
    sigemptyset(&none);
    sigemptyset(&usual);
    sigaddset(&usual, SIGPIPE); /* which the service ignores */
    posix_spawnattr_init(&attr);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &usual);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&files, STDERR_FILENO, STDOUT_FILENO);
    int rc = posix_spawn(ret, "/bin/sh", &files, &attr, argv, env);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attr);
    return rc;
}

static void start(service *s)
{
    char text[32];
    snprintf(text, sizeof text, NAME "%" PRIu32, s->launch.wanted);
    char **env = environment(text);
    int rc = spawn(s->o->launch, env, &s->launch.pid);
    free(env);
    s->launch.due = rc != 0;
    if (rc == 0) {
        hone_log(HONE_LOG_INFO, "%" PRIu32 " builders wanted: the --launch command runs",
                 s->launch.wanted);
        return;
    }
    s->launch.pid = 0;
    s->launch.again_ns = hone_clock_ns() + AGAIN_MS * HONE_SERVICE__MS;
    hone_log(HONE_LOG_WARN, "cannot run the --launch command: %s", strerror(rc));
}

static void ended(service *s, int status)
{
    char how[40];
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return;
    if (WIFEXITED(status))
        snprintf(how, sizeof how, "exit code %d", WEXITSTATUS(status));
    else
        snprintf(how, sizeof how, "signal %d", WTERMSIG(status));
    s->launch.due = true;
    s->launch.again_ns = hone_clock_ns() + AGAIN_MS * HONE_SERVICE__MS;
    hone_log(HONE_LOG_WARN, "the --launch command failed, %s; it is run again in %d s", how,
             AGAIN_MS / 1000);
}

void hone_service__launch(service *s, uint32_t builders)
{
    if (!s->o->launch)
        return;
    s->launch.wanted = builders;
    s->launch.due = true;
    hone_service__tend_launch(s, hone_clock_ns());
}

void hone_service__tend_launch(service *s, int64_t now)
{
    int status = 0;
    if (s->launch.pid) {
        pid_t pid = waitpid(s->launch.pid, &status, WNOHANG);
        if (pid == 0)
            return;
        s->launch.pid = 0;
        if (pid > 0)
            ended(s, status);
    }
    if (s->launch.due && now >= s->launch.again_ns)
        start(s);
}
