/* Loaded into a program before its C library: calls that make files durable or give them their names fail with EIO,
 * before they have worked or after, or wait, by the chances in a file. Only files below one folder are concerned.
 *
 * FAULTY_DISK_BELOW    the folder
 * FAULTY_DISK_CHANCES  a file with three numbers: fails before, fails after, slow
 * FAULTY_DISK_FIRED    a file that gets a digit for each fault, its place among the three
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

enum fault { FAILS_BEFORE, FAILS_AFTER, SLOW, NONE };

static double dice(void) {
    unsigned number = 0;
    return getrandom(&number, sizeof number, 0) < 0 ? 1.0 : number / 4294967296.0;
}

static int is_below(const char *path) {
    const char *folder = getenv("FAULTY_DISK_BELOW");
    return folder && path && strncmp(path, folder, strlen(folder)) == 0;
}

static void record(enum fault fault) {
    int file = open(getenv("FAULTY_DISK_FIRED"), O_WRONLY | O_APPEND | O_CLOEXEC);
    char digit = (char)('0' + fault);
    if (file >= 0) {
        ssize_t ignored = write(file, &digit, 1);
        (void)ignored;
        close(file);
    }
}

static enum fault draw(const char *path) {
    double chances[3] = {0, 0, 0};
    if (!is_below(path)) return NONE;
    FILE *file = fopen(getenv("FAULTY_DISK_CHANCES"), "re");
    if (!file) return NONE;
    int read = fscanf(file, "%lf %lf %lf", &chances[0], &chances[1], &chances[2]);
    fclose(file);
    double drawn = dice();
    for (int fault = 0; fault < read; fault++) {
        if (drawn < chances[fault]) {
            record(fault);
            if (fault == SLOW) usleep(50000 + (useconds_t)(dice() * 450000));
            return fault;
        }
        drawn -= chances[fault];
    }
    return NONE;
}

static int fail(void) {
    errno = EIO;
    return -1;
}

#define PASS_ON(path, name, type, ...)                                    \
    do {                                                                  \
        int (*real) type = (int (*) type)dlsym(RTLD_NEXT, name);          \
        enum fault fault = draw(path);                                    \
        if (fault == FAILS_BEFORE) return fail();                         \
        int answer = real(__VA_ARGS__);                                   \
        return fault == FAILS_AFTER && answer == 0 ? fail() : answer;     \
    } while (0)

int fsync(int descriptor) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    path[length < 0 ? 0 : length] = 0;
    PASS_ON(path, "fsync", (int), descriptor);
}

int linkat(int from_folder, const char *from, int to_folder, const char *to, int flags) {
    PASS_ON(to, "linkat", (int, const char *, int, const char *, int), from_folder, from, to_folder, to, flags);
}

int rename(const char *from, const char *to) {
    PASS_ON(to, "rename", (const char *, const char *), from, to);
}
