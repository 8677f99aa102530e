/* Kafka's client waits as long as it means to, whatever happens to the wall clock.
 *
 * librdkafka's threads wait until a time of the wall clock (cnd_timedwait of C11, which knows no other). Where
 * that clock jumps back while they wait, they sleep until it is there again: after a jump of two days a worker
 * gets no message for two days. This takes the C library's place, and waits the same time by the clock that
 * only passes.
 *
 * Of glibc alone (2.30 and later): its C11 conditions and mutexes are those of POSIX, which have such a wait.
 */
#define _GNU_SOURCE
#include <errno.h>

#ifdef __GLIBC__

#include <pthread.h>
#include <threads.h>
#include <time.h>

#define SECOND 1000000000LL

static long long nanoseconds(struct timespec at) { return at.tv_sec * SECOND + at.tv_nsec; }

static long long now(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return nanoseconds(now);
}

int cnd_timedwait(cnd_t *restrict condition, mtx_t *restrict mutex, const struct timespec *restrict until) {
    long long left = nanoseconds(*until) - now(CLOCK_REALTIME);
    long long end = now(CLOCK_MONOTONIC) + (left > 0 ? left : 0);
    struct timespec at = {.tv_sec = end / SECOND, .tv_nsec = end % SECOND};
    switch (pthread_cond_clockwait((pthread_cond_t *)condition, (pthread_mutex_t *)mutex, CLOCK_MONOTONIC, &at)) {
    case 0:
        return thrd_success;
    case ETIMEDOUT:
        return thrd_timedout;
    default:
        return thrd_error;
    }
}

#endif
