#include "tests/property/harness.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

bool pair_case_parse(const char *text, size_t n, pair_case *ret)
{
    hone_buf part[3] = {{0}, {0}, {0}};
    unsigned at = 0;
    for (size_t k = 0; k < n;) {
        const char *nl = memchr(text + k, '\n', n - k);
        size_t len = nl ? (size_t)(nl - text) - k + 1 : n - k;
        if (at == 0 && text[k] != '#')
            at = 1;
        if (at == 1 && len >= 3 && !memcmp(text + k, "---", 3) && (len == 3 || text[k + 3] == '\n'))
            at = 2;
        else
            hone_buf_add(&part[at], text + k, len);
        k += len;
    }
    ret->comment = hone_buf_take(&part[0]);
    ret->workload = hone_buf_take(&part[1]);
    ret->trace = hone_buf_take(&part[2]);
    if (at < 2)
        pair_case_free(ret);
    return at == 2;
}

char *pair_case_text(const pair_case *c)
{
    hone_buf b = {0};
    hone_buf_printf(&b, "%s%s---\n%s", c->comment, c->workload, c->trace);
    if (b.s[b.n - 1] != '\n')
        hone_buf_puts(&b, "\n");
    return hone_buf_take(&b);
}

void pair_case_free(pair_case *c)
{
    free(c->comment);
    free(c->workload);
    free(c->trace);
    *c = (pair_case){0};
}

pair_env pair_case_env(const pair_env *env, const pair_case *c)
{
    pair_env ret = *env;
    char on[24] = "";
    const char *says = strstr(c->comment, "# on ");
    if (says && sscanf(says, "# on %23s", on) == 1)
        pair_env_use(&ret, on);
    return ret;
}

bool pair_case_run(const pair_env *env, const pair_case *c, pair_report *r)
{
    pair p;
    pair_env all = pair_case_env(env, c);
    hone_trace t = {0};
    all.plain = true;
    hone_error err = {0};
    r->kind[0] = '\0';
    if (hone_trace_parse(c->trace, strlen(c->trace), &t, &err) != HONE_OK) {
        snprintf(r->kind, sizeof r->kind, "case");
        snprintf(r->detail, sizeof r->detail, "%s", err.message);
        hone_trace_free(&t);
        return false;
    }
    bool good = pair_open(&p, &all, c->workload, 1, r);
    if (!good && !r->kind[0])
        snprintf(r->kind, sizeof r->kind, "case");
    good = good && pair_replay(&p, &t, NULL) && pair_finish(&p);
    pair_close(&p);
    hone_trace_free(&t);
    return good;
}

pair_report *pair_report_new(void)
{
    pair_report *r =
        mmap(NULL, sizeof *r, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    HONE_ASSERT(r != MAP_FAILED);
    return r;
}

void pair_report_free(pair_report *r)
{
    munmap(r, sizeof *r);
}

/* Ends this process when it has computed for so long, which a busy machine does not make more; or
 * when it waits for ever. */
static void limit_time(unsigned seconds)
{
    setitimer(ITIMER_PROF, &(struct itimerval){.it_value.tv_sec = seconds}, NULL);
    alarm(10 * seconds);
}

bool pair_isolated(bool (*fn)(void *ctx, pair_report *r), void *ctx, pair_report *r,
                   unsigned seconds, bool quiet)
{
    fflush(NULL);
    r->kind[0] = '\0';
    pid_t child = fork();
    HONE_ASSERT(child >= 0);
    if (child == 0) {
        limit_time(seconds);
        if (quiet && !freopen("/dev/null", "w", stderr))
            _exit(3);
        bool good = fn(ctx, r);
        fflush(NULL);
        _exit(good ? 0 : 2);
    }
    int how;
    while (waitpid(child, &how, 0) < 0)
        ;
    if (WIFSIGNALED(how)) {
        bool hangs = WTERMSIG(how) == SIGPROF || WTERMSIG(how) == SIGALRM;
        snprintf(r->kind, sizeof r->kind, hangs ? "hang" : "signal %d", WTERMSIG(how));
        snprintf(r->detail, sizeof r->detail, "%s", strsignal(WTERMSIG(how)));
    } else if (!r->kind[0] && WEXITSTATUS(how) != 0 && WEXITSTATUS(how) != 2) {
        snprintf(r->kind, sizeof r->kind, "exit %d", WEXITSTATUS(how)); /* a sanitizer's */
    }
    return !WIFSIGNALED(how) && WEXITSTATUS(how) == 0;
}

static bool add_lesser(const hone_target *host, const char *name, bool compile, pair_lesser *ret)
{
    hone_error err = {0};
    if (hone_target_named(name, &ret->target, &err) != HONE_OK ||
        !hone_target_can_run(host, &ret->target))
        return true;
    ret->name = name;
    if (!compile || hone_codegen_new(&ret->target, &ret->codegen, &err) == HONE_OK)
        return true;
    fprintf(stderr, "%s\n", err.message);
    return false;
}

bool pair_env_init(pair_env *env, bool compile)
{
    static const char *const lesser[PAIR_LESSER] = {"haswell", "x86-64-v2"};
    hone_error err = {0};
    *env = (pair_env){.each = true};
    if (hone_target_native(&env->target, &err) != HONE_OK ||
        (compile && hone_codegen_new(&env->target, &env->codegen, &err) != HONE_OK)) {
        fprintf(stderr, "%s\n", err.message);
        return false;
    }
    for (unsigned k = 0; k < PAIR_LESSER; k++)
        if (!add_lesser(&env->target, lesser[k], compile, &env->lesser[k]))
            return false;
    return true;
}

void pair_env_use(pair_env *env, const char *name)
{
    for (unsigned k = 0; k < PAIR_LESSER; k++) {
        const pair_lesser *x = &env->lesser[k];
        if (!x->name || strcmp(x->name, name) != 0)
            continue;
        env->on = x->name;
        env->target = x->target;
        env->codegen = x->codegen;
    }
}

void pair_env_fini(pair_env *env)
{
    hone_codegen_free(env->codegen);
    for (unsigned k = 0; k < PAIR_LESSER; k++)
        hone_codegen_free(env->lesser[k].codegen);
    *env = (pair_env){0};
}
