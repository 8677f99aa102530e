/* Loaded into a program before its C library: its wall clock is off by what a file says, which may change at any time.
 *
 * Waits until a time of that clock behave as the kernel's do: a jump forward ends them, a jump back makes them longer.
 * Time that only passes (CLOCK_MONOTONIC) passes as ever.
 *
 * JUMPING_CLOCK_OFFSET  a file with the offset: nanoseconds, eight bytes
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000LL
/* So often a wait looks at the clock. */
#define LOOK (20 * SECOND / 1000)

static volatile int64_t none, *offset = &none;

__attribute__((constructor)) static void open_offset(void) {
    const char *name = getenv("JUMPING_CLOCK_OFFSET");
    int file = name ? open(name, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) return;
    void *mapped = mmap(NULL, sizeof none, PROT_READ, MAP_SHARED, file, 0);
    if (mapped != MAP_FAILED) offset = mapped;
    close(file);
}

static int real_clock(clockid_t clock, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    return real(clock, now);
}

static int64_t nanoseconds(const struct timespec *at) { return at->tv_sec * SECOND + at->tv_nsec; }

static struct timespec at(int64_t nanoseconds) {
    return (struct timespec){.tv_sec = nanoseconds / SECOND, .tv_nsec = nanoseconds % SECOND};
}

static int64_t real_now(void) {
    struct timespec now;
    real_clock(CLOCK_REALTIME, &now);
    return nanoseconds(&now);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int answer = real_clock(clock, now);
    if (answer == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        *now = at(nanoseconds(now) + *offset);
    }
    return answer;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    (void)zone;
    int64_t shown = real_now() + *offset;
    *now = (struct timeval){.tv_sec = shown / SECOND, .tv_usec = shown % SECOND / 1000};
    return 0;
}

time_t time(time_t *now) {
    time_t shown = (real_now() + *offset) / SECOND;
    if (now) *now = shown;
    return shown;
}

/* Waits in short pieces, until the jumping clock shows the time. */
#define WAIT_UNTIL(until, timed_out, piece)                                          \
    do {                                                                             \
        for (;;) {                                                                   \
            int64_t now = real_now(), left = nanoseconds(until) - (now + *offset);   \
            struct timespec next = at(now + (left < LOOK ? (left < 0 ? 0 : left) : LOOK)); \
            int answer = piece;                                                      \
            if (answer != (timed_out) || left <= LOOK) return answer;                \
        }                                                                            \
    } while (0)

int cnd_timedwait(cnd_t *restrict condition, mtx_t *restrict mutex, const struct timespec *restrict until) {
    static int (*real)(cnd_t *, mtx_t *, const struct timespec *);
    if (!real) real = (int (*)(cnd_t *, mtx_t *, const struct timespec *))dlsym(RTLD_NEXT, "cnd_timedwait");
    WAIT_UNTIL(until, thrd_timedout, real(condition, mutex, &next));
}

int pthread_cond_timedwait(pthread_cond_t *restrict condition, pthread_mutex_t *restrict mutex,
                           const struct timespec *restrict until) {
    static int (*real)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
    if (!real) {
        real = (int (*)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *))dlvsym(
            RTLD_NEXT, "pthread_cond_timedwait", "GLIBC_2.3.2");
        if (!real) real = dlsym(RTLD_NEXT, "pthread_cond_timedwait");
    }
    WAIT_UNTIL(until, ETIMEDOUT, real(condition, mutex, &next));
}
