/* ZMTP 3.0 without keys over a socket of this machine, as much of it as a DEALER needs that speaks
 * to a ROUTER (rfc.zeromq.org/spec/23). A thousand light workers so cost a read and a write a turn,
 * and no thread: sockets of libzmq took more of the machine than the service that is measured. */
#ifndef HONE_TESTS_ZMTP_H
#define HONE_TESTS_ZMTP_H

#include "base/base.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define ZMTP_GREETING 64

typedef struct zmtp {
    int fd;           /* -1: none */
    bool greeted;     /* the other side's greeting is read, */
    bool ready;       /* and that it is ready; before that it takes no message */
    hone_buf in, out; /* bytes that are no whole frame yet; that are not sent yet */
    size_t taken;     /* of in */
} zmtp;

static inline void zmtp_close(zmtp *z)
{
    if (z->fd >= 0)
        close(z->fd);
    z->fd = -1;
    z->greeted = z->ready = false;
    z->taken = 0;
    hone_buf_reset(&z->in);
    hone_buf_reset(&z->out);
}

static inline void zmtp_frame(zmtp *z, uint8_t flags, const void *bytes, size_t n)
{
    uint8_t head[9] = {flags};
    size_t len = 2;
    head[1] = (uint8_t)n;
    if (n > 255) {
        head[0] |= 2;
        for (unsigned k = 0; k < 8; k++)
            head[1 + k] = (uint8_t)((uint64_t)n >> (8 * (7 - k)));
        len = 9;
    }
    hone_buf_add(&z->out, head, len);
    hone_buf_add(&z->out, bytes, n);
}

/* A message; sent with zmtp_flush. */
static inline void zmtp_send(zmtp *z, const void *bytes, size_t n)
{
    zmtp_frame(z, 0, bytes, n);
}

/* False: the connection is gone. */
static inline bool zmtp_flush(zmtp *z)
{
    if (!z->ready)
        return z->fd >= 0;
    bool sent = z->out.n == 0 || (z->fd >= 0 && hone_send_all(z->fd, z->out.s, z->out.n));
    hone_buf_reset(&z->out);
    return sent;
}

/* Greets; messages go when the other side has answered. */
static inline bool zmtp_connect(zmtp *z, const char *path)
{
    static const char ready[] = "\5READY\13Socket-Type\0\0\0\6DEALER\10Identity\0\0\0";
    uint8_t greeting[ZMTP_GREETING] = {0xff, 0,    0, 0, 0,   0,   0,   0,
                                       0,    0x7f, 3, 0, 'N', 'U', 'L', 'L'};
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    zmtp_close(z);
    snprintf(at.sun_path, sizeof at.sun_path, "%s", path);
    z->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (z->fd < 0 || connect(z->fd, (struct sockaddr *)&at, sizeof at) != 0) {
        zmtp_close(z);
        return false;
    }
    hone_buf_add(&z->out, greeting, sizeof greeting);
    zmtp_frame(z, 4, ready, sizeof ready); /* the text's own NUL is the last of Identity's length */
    bool sent = hone_send_all(z->fd, z->out.s, z->out.n);
    hone_buf_reset(&z->out);
    return sent;
}

/* Reads what is there; false: the connection is gone. */
static inline bool zmtp_read(zmtp *z)
{
    static char part[1 << 16];
    ssize_t n;
    do {
        n = recv(z->fd, part, sizeof part, MSG_DONTWAIT);
        if (n > 0)
            hone_buf_add(&z->in, part, (size_t)n);
    } while (n == (ssize_t)sizeof part || (n < 0 && errno == EINTR));
    return n > 0 || (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK));
}

/* The next message that is there, good until the next zmtp_read; false: none is whole. */
static inline bool zmtp_next(zmtp *z, const uint8_t **ret, size_t *ret_n)
{
    const uint8_t *p = (const uint8_t *)z->in.s + z->taken;
    size_t left = z->in.n - z->taken;
    if (!z->greeted && left >= ZMTP_GREETING) {
        z->greeted = true;
        z->taken += ZMTP_GREETING;
        p += ZMTP_GREETING;
        left -= ZMTP_GREETING;
    }
    while (z->greeted && left >= 2) {
        size_t head = p[0] & 2 ? 9 : 2, n = p[1];
        if (left < head)
            break;
        for (unsigned k = 2; k < head; k++)
            n = n << 8 | p[k];
        if (left < head + n)
            break;
        bool command = p[0] & 4;
        z->ready = z->ready || command;
        *ret = p + head;
        *ret_n = n;
        z->taken += head + n;
        if (!command)
            return true;
        p += head + n;
        left -= head + n;
    }
    if (z->taken > 0) { /* what is left is the beginning of a frame */
        memmove(z->in.s, z->in.s + z->taken, left);
        z->in.n = left;
        z->taken = 0;
    }
    return false;
}

#endif
