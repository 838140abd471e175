/* One writer per database file, by a POSIX record lock on FILE.lock. Such a lock belongs to the
 * process: it ends with it however it ends, is not inherited by forked children (who may outlive
 * the writer), and the system tells who holds it. Two peculiarities are dealt with here: it does
 * not exclude the same process, and closing any descriptor of the file drops it. So the locks of
 * this process are listed, and a file that is listed is never opened again. The lock file stays. */
#include "db/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

struct hone_db__lock {
    int fd;
    dev_t device;
    ino_t inode;
    hone_db__lock *next;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static hone_db__lock *held;

static hone_status busy(const char *path, pid_t pid, hone_error *err)
{
    char who[64] = "another process";
    if (pid > 0)
        snprintf(who, sizeof who, pid == getpid() ? "this very process (%ld)" : "process %ld",
                 (long)pid);
    return hone_fail(err, HONE_E_BUSY,
                     "'%s' is being written by %s: wait until it has ended, or use another file "
                     "(reading is possible meanwhile)",
                     path, who);
}

static hone_status take(const char *path, const char *lock_path, hone_db__lock **ret,
                        hone_error *err)
{
    struct stat sb;
    if (stat(lock_path, &sb) == 0)
        for (hone_db__lock *l = held; l; l = l->next)
            if (l->device == sb.st_dev && l->inode == sb.st_ino)
                return busy(path, getpid(), err);
    int fd = open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0)
        return hone_fail_errno(err, errno == EACCES || errno == EROFS ? HONE_E_DENIED : HONE_E_IO,
                               "cannot make the lock file '%s'", lock_path);
    struct flock f = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(fd, F_SETLK, &f) != 0 || fstat(fd, &sb) != 0) {
        hone_status s;
        if (errno == EACCES || errno == EAGAIN) {
            pid_t pid = fcntl(fd, F_GETLK, &f) == 0 && f.l_type != F_UNLCK ? f.l_pid : 0;
            s = busy(path, pid, err);
        } else {
            s = hone_fail_errno(err, HONE_E_IO, "cannot lock '%s'", lock_path);
        }
        close(fd);
        return s;
    }
    hone_db__lock *l = hone_xmalloc(sizeof *l);
    *l = (hone_db__lock){fd, sb.st_dev, sb.st_ino, held};
    held = l;
    *ret = l;
    return HONE_OK;
}

hone_status hone_db__lock_take(const char *path, hone_db__lock **ret, hone_error *err)
{
    char *lock_path = hone_xasprintf("%s.lock", path);
    pthread_mutex_lock(&mutex);
    hone_status s = take(path, lock_path, ret, err);
    pthread_mutex_unlock(&mutex);
    free(lock_path);
    return s;
}

void hone_db__lock_drop(hone_db__lock *l)
{
    if (!l)
        return;
    pthread_mutex_lock(&mutex);
    hone_db__lock **at = &held;
    while (*at != l)
        at = &(*at)->next;
    *at = l->next;
    close(l->fd);
    pthread_mutex_unlock(&mutex);
    free(l);
}
