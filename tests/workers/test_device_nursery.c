/* The nursery as a process: what it survives, what it does not, and who ends with whom. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/workers/device_kernels.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define RIGHT "KERNEL { F32(1)[0] = F32(0)[0]; return 0; }"
#define ENDLESS "KERNEL { for (volatile int i = 1; i;) { } return 0; }"

static hone_artifact right, endless;

static int set_up(void **state)
{
    (void)state;
    hone_manifest m = {0};
    add_arg(&m, "in", HONE_ELEM_F32, false, 1);
    add_arg(&m, "out", HONE_ELEM_F32, true, 1);
    right = artifact(&m, RIGHT);
    endless = artifact(&m, ENDLESS);
    /* orphans of the processes below come here to be reaped */
    return prctl(PR_SET_CHILD_SUBREAPER, 1);
}

static int tear_down(void **state)
{
    (void)state;
    hone_artifact_free(&right);
    hone_artifact_free(&endless);
    return 0;
}

static hone_nursery *started(bool sandbox)
{
    hone_nursery *n;
    hone_error err;
    assert_status(hone_nursery_start(sandbox, NULL, 0, &n, &err), HONE_OK, &err);
    return n;
}

static void works(hone_nursery *n)
{
    hone_measure_result r;
    hone_error err;
    hone_measure_job job = plain_job(&right, &right);
    assert_status(run_job(n, &job, &r, &err), HONE_OK, &err);
}

#define AWAIT_MS 120000 /* for what is certain to come, on however busy a machine */

/* True once the process is gone or a zombie; reaps it when it has become our child. */
static bool ends(pid_t pid)
{
    for (int i = 0; i < AWAIT_MS / 2; i++) {
        waitpid(pid, NULL, WNOHANG);
        if (kill(pid, 0) != 0)
            return true;
        poll(NULL, 0, 2);
    }
    return false;
}

/* The measuring child of a nursery, waited for. */
static pid_t child_of(pid_t nursery)
{
    for (int i = 0; i < AWAIT_MS / 2; i++) {
        DIR *d = opendir("/proc");
        pid_t found = 0;
        for (struct dirent *e; d && !found && (e = readdir(d));) {
            char path[300], state;
            int pid, parent;
            snprintf(path, sizeof path, "/proc/%s/stat", e->d_name);
            FILE *f = fopen(path, "r");
            if (f && fscanf(f, "%d (%*[^)]) %c %d", &pid, &state, &parent) == 3 &&
                parent == nursery && state != 'Z')
                found = pid;
            if (f)
                fclose(f);
        }
        closedir(d);
        if (found)
            return found;
        poll(NULL, 0, 2);
    }
    return 0;
}

static hone_nursery *measuring_for_ever(void)
{
    hone_nursery *n = started(SANDBOX);
    hone_error err;
    works(n); /* so that the reference is there, and the next child is the candidate's */
    hone_measure_job job = plain_job(&endless, &right);
    job.check_ms = 600000;
    assert_status(hone_nursery_send(n, &job, &err), HONE_OK, &err);
    return n;
}

static void result_can_be_waited_for(void **state)
{
    (void)state;
    hone_nursery *n = started(SANDBOX);
    hone_measure_job job = plain_job(&right, &right);
    hone_measure_result r;
    hone_error err;
    struct pollfd p = {.fd = hone_nursery_fd(n), .events = POLLIN};
    assert_int_equal(poll(&p, 1, 0), 0);
    assert_status(hone_nursery_send(n, &job, &err), HONE_OK, &err);
    assert_int_equal(poll(&p, 1, AWAIT_MS), 1);
    assert_true(hone_nursery_timing(n)); /* said once, when the check is over */
    assert_int_equal(poll(&p, 1, AWAIT_MS), 1);
    assert_false(hone_nursery_timing(n));
    assert_status(hone_nursery_receive(n, &r, &err), HONE_OK, &err);
    assert_int_equal(poll(&p, 1, 0), 0);
    assert_status(run_job(n, &job, &r, &err), HONE_OK, &err); /* who does not ask is not told */
    assert_false(hone_nursery_timing(n));
    hone_nursery_stop(n);
}

static void without_sandbox(void **state)
{
    (void)state;
    hone_nursery *n = started(false);
    hone_measure_job job = plain_job(&right, &right);
    hone_measure_result r;
    hone_error err;
    assert_status(run_job(n, &job, &r, &err), HONE_OK, &err);
    assert_non_null(strstr(r.env, "sandbox=off"));
    job.candidate = &endless;
    job.check_ms = 1500;
    assert_status(run_job(n, &job, &r, &err), HONE_REJECT_RUN_TIMEOUT, &err);
    works(n);
    hone_nursery_stop(n);
}

static void killed_nursery_is_reported_and_replaced(void **state)
{
    (void)state;
    hone_nursery *n = started(SANDBOX);
    hone_measure_result r;
    hone_error err;
    hone_measure_job job = plain_job(&right, &right);
    works(n);
    kill(hone_device__nursery_pid(n), SIGKILL);
    struct pollfd p = {.fd = hone_nursery_fd(n), .events = POLLIN};
    assert_int_equal(poll(&p, 1, AWAIT_MS), 1);
    assert_status(run_job(n, &job, &r, &err), HONE_E_PEER, &err);
    assert_status(hone_nursery_receive(n, &r, &err), HONE_E_PEER, &err);
    hone_nursery_stop(n);
    n = started(SANDBOX);
    works(n);
    hone_nursery_stop(n);
}

static void killed_while_it_measures(void **state)
{
    (void)state;
    hone_nursery *n = measuring_for_ever();
    hone_measure_result r;
    hone_error err;
    pid_t child = child_of(hone_device__nursery_pid(n));
    assert_true(child > 0);
    kill(hone_device__nursery_pid(n), SIGKILL);
    assert_status(hone_nursery_receive(n, &r, &err), HONE_E_PEER, &err);
    assert_true(ends(child));
    hone_nursery_stop(n);
}

static void stop_ends_nursery_and_child(void **state)
{
    (void)state;
    hone_nursery *n = measuring_for_ever();
    pid_t nursery = hone_device__nursery_pid(n), child = child_of(nursery);
    assert_true(child > 0);
    hone_nursery_stop(n);
    assert_int_not_equal(kill(nursery, 0), 0);
    assert_true(ends(child));
    hone_nursery_stop(NULL);
}

static void killed_child_is_nobodys_fault(void **state)
{
    (void)state;
    hone_nursery *n = measuring_for_ever();
    hone_measure_result r;
    hone_error err;
    pid_t child = child_of(hone_device__nursery_pid(n));
    poll(NULL, 0, 50); /* past its setting up, into the kernel; either way the answer is the same */
    kill(child, SIGKILL);
    assert_status(hone_nursery_receive(n, &r, &err), HONE_E_KILLED, &err);
    works(n);
    hone_nursery_stop(n);
}

/* An endless kernel that is stopped from outside, and perhaps goes on after that. It may have been
 * too late for that on a busy machine: then its time is up by its own fault. */
static hone_status stopped(hone_nursery *n, bool goes_on, hone_error *err)
{
    hone_measure_result r;
    hone_measure_job job = plain_job(&endless, &right);
    job.check_ms = 2500;
    assert_status(hone_nursery_send(n, &job, err), HONE_OK, err);
    pid_t child = child_of(hone_device__nursery_pid(n));
    assert_true(child > 0);
    kill(child, SIGSTOP);
    if (goes_on) {
        poll(NULL, 0, 50);
        kill(child, SIGCONT);
    }
    return hone_nursery_receive(n, &r, err);
}

static void stopped_child_is_not_late_by_its_own_fault(void **state)
{
    (void)state;
    hone_nursery *n = started(SANDBOX);
    works(n);
    for (int goes_on = 0; goes_on < 2; goes_on++) {
        hone_error err = {0};
        hone_status s = HONE_REJECT_RUN_TIMEOUT;
        for (int tries = 0; tries < 10 && s == HONE_REJECT_RUN_TIMEOUT; tries++)
            s = stopped(n, goes_on, &err);
        assert_status(s, HONE_E_TIMEOUT, &err);
        assert_says(&err, "stopped from outside");
    }
    works(n);
    hone_nursery_stop(n);
}

/* What a job of 64 threads gets where a user may have 40 processes. */
static void too_many_threads(hone_error *ret)
{
    int report[2];
    assert_int_equal(pipe(report), 0);
    pid_t worker = fork();
    if (worker == 0) {
        hone_nursery *n;
        hone_error err = {0};
        hone_measure_result r;
        hone_measure_job job = plain_job(&right, &right);
        struct rlimit few = {40, 40};
        job.threads = 64;
        /* root may have as many as it wants */
        if (setrlimit(RLIMIT_NPROC, &few) != 0 || (geteuid() == 0 && setuid(54321) != 0))
            _exit(1);
        err.status = hone_nursery_start(true, NULL, 0, &n, &err);
        if (err.status == HONE_OK) {
            err.status = run_job(n, &job, &r, &err);
            hone_nursery_stop(n);
        }
        ssize_t sent = write(report[1], &err, sizeof err);
        _exit(sent != sizeof err);
    }
    close(report[1]);
    assert_int_equal(read(report[0], ret, sizeof *ret), sizeof *ret);
    close(report[0]);
    waitpid(worker, NULL, 0);
}

static void limit_of_processes_is_named(void **state)
{
    (void)state;
    hone_error err;
    if (!SANDBOX)
        skip();
    too_many_threads(&err);
    assert_status(err.status, HONE_E_LIMIT, &err);
    assert_says(&err, "at most 40 processes are allowed (ulimit -u)");
}

static void cancelled_job_ends_and_the_nursery_goes_on(void **state)
{
    (void)state;
    hone_nursery *n = measuring_for_ever();
    hone_measure_result r;
    hone_error err;
    pid_t child = child_of(hone_device__nursery_pid(n));
    hone_nursery_cancel(n);
    assert_status(hone_nursery_receive(n, &r, &err), HONE_E_INTERRUPTED, &err);
    assert_true(ends(child));
    hone_nursery_cancel(n); /* there is no job */
    works(n);
    /* too late: the result is there already, and the word is not taken for one about the next job
     */
    hone_measure_job job = plain_job(&right, &right);
    struct pollfd p = {.fd = hone_nursery_fd(n), .events = POLLIN};
    assert_status(hone_nursery_send(n, &job, &err), HONE_OK, &err);
    assert_int_equal(poll(&p, 1, AWAIT_MS), 1);
    assert_true(hone_nursery_timing(n));
    assert_int_equal(poll(&p, 1, AWAIT_MS), 1);
    hone_nursery_cancel(n);
    assert_status(hone_nursery_receive(n, &r, &err), HONE_OK, &err);
    works(n);
    hone_nursery_stop(n);
}

static int oom_score(pid_t pid)
{
    char path[64];
    int score = -1;
    snprintf(path, sizeof path, "/proc/%d/oom_score_adj", (int)pid);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%d", &score), 1);
    fclose(f);
    return score;
}

/* When memory runs out: first the child, then the nursery, then others. */
static void they_go_first_for_want_of_memory(void **state)
{
    (void)state;
    hone_nursery *n = measuring_for_ever();
    pid_t nursery = hone_device__nursery_pid(n), child = child_of(nursery);
    for (int i = 0; i < AWAIT_MS / 2 && oom_score(child) != 1000; i++)
        poll(NULL, 0, 2); /* it is on its way */
    assert_int_equal(oom_score(child), 1000);
    assert_int_equal(oom_score(nursery), 900);
    hone_nursery_stop(n);
}

static void signals_of_the_terminal_do_not_end_it(void **state)
{
    (void)state;
    hone_nursery *n = started(SANDBOX);
    kill(hone_device__nursery_pid(n), SIGINT);
    kill(hone_device__nursery_pid(n), SIGTERM);
    works(n);
    hone_nursery_stop(n);
}

/* A worker of its own, which dies without a word while its nursery measures. */
static void dead_worker_takes_its_nursery_along(void **state)
{
    (void)state;
    int report[2];
    assert_int_equal(pipe(report), 0);
    pid_t worker = fork();
    if (worker == 0) {
        hone_nursery *n;
        hone_measure_result r;
        hone_error err;
        hone_measure_job job = plain_job(&right, &right);
        if (hone_nursery_start(SANDBOX, NULL, 0, &n, NULL) != HONE_OK ||
            run_job(n, &job, &r, &err) != HONE_OK)
            _exit(1);
        job.candidate = &endless;
        job.check_ms = 600000;
        if (hone_nursery_send(n, &job, NULL) != HONE_OK)
            _exit(1);
        pid_t pids[2] = {hone_device__nursery_pid(n), 0};
        pids[1] = child_of(pids[0]);
        if (write(report[1], pids, sizeof pids) != sizeof pids)
            _exit(1);
        kill(getpid(), SIGKILL);
    }
    pid_t pids[2] = {0, 0};
    close(report[1]);
    assert_int_equal(read(report[0], pids, sizeof pids), sizeof pids);
    close(report[0]);
    waitpid(worker, NULL, 0);
    assert_true(pids[0] > 0 && pids[1] > 0);
    assert_true(ends(pids[0]));
    assert_true(ends(pids[1]));
}

/* A worker in a container that answers `call` with EPERM; the status its nursery starts with, and
 * the text about it. Measures one kernel if it does start. */
static hone_status in_container_without(int call, char message[1024])
{
    int report[2];
    assert_int_equal(pipe(report), 0);
    pid_t worker = fork();
    if (worker == 0) {
        hone_nursery *n;
        hone_error err = {0};
        hone_measure_result r;
        hone_measure_job job = plain_job(&right, &right);
        scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);
        if (!f || seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), call, 0) != 0 || seccomp_load(f) != 0)
            _exit(1);
        err.status = hone_nursery_start(true, NULL, 0, &n, &err);
        if (err.status == HONE_OK) {
            err.status = run_job(n, &job, &r, &err);
            hone_nursery_stop(n);
        }
        ssize_t sent = write(report[1], &err, sizeof err);
        _exit(sent != sizeof err);
    }
    hone_error err = {0};
    close(report[1]);
    assert_int_equal(read(report[0], &err, sizeof err), sizeof err);
    close(report[0]);
    waitpid(worker, NULL, 0);
    memcpy(message, err.message, sizeof err.message);
    return err.status;
}

static void containers_that_forbid_things(void **state)
{
    (void)state;
    char message[1024];
    if (!SANDBOX)
        skip();
    /* namespaces are a second line and may be missing */
    assert_int_equal(in_container_without(SCMP_SYS(unshare), message), HONE_OK);
    /* the filters are not */
    assert_int_equal(in_container_without(SCMP_SYS(seccomp), message), HONE_E_SANDBOX);
    assert_non_null(strstr(message, "refuses seccomp"));
}

static void nothing_is_left_open(void **state)
{
    (void)state;
    int before = dup(0);
    close(before);
    hone_nursery *n = started(SANDBOX);
    works(n);
    works(n);
    hone_nursery_stop(n);
    int after = dup(0);
    close(after);
    assert_int_equal(before, after);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no zombie either */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(result_can_be_waited_for),
        cmocka_unit_test(without_sandbox),
        cmocka_unit_test(killed_nursery_is_reported_and_replaced),
        cmocka_unit_test(killed_while_it_measures),
        cmocka_unit_test(stop_ends_nursery_and_child),
        cmocka_unit_test(killed_child_is_nobodys_fault),
        cmocka_unit_test(stopped_child_is_not_late_by_its_own_fault),
        cmocka_unit_test(limit_of_processes_is_named),
        cmocka_unit_test(cancelled_job_ends_and_the_nursery_goes_on),
        cmocka_unit_test(they_go_first_for_want_of_memory),
        cmocka_unit_test(signals_of_the_terminal_do_not_end_it),
        cmocka_unit_test(dead_worker_takes_its_nursery_along),
        cmocka_unit_test(containers_that_forbid_things),
        cmocka_unit_test(nothing_is_left_open),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
