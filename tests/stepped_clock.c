/* Shifts the clocks of one process by what a file says, while it runs: preloaded into a store or a scheduler by a test.
 *
 * STEPPED_CLOCK names a file of two numbers of eight octets, microseconds as the machine writes them, which is mapped and
 * read at each call: the first shifts the wall clock, the second CLOCK_BOOTTIME. CLOCK_MONOTONIC stays as it is. A wall
 * clock that is shifted alone is one that was set; a steady one that falls behind is one of a machine that was paused.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile int64_t *shift;

__attribute__((constructor)) static void map_shift(void) {
    const char *path = getenv("STEPPED_CLOCK");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) _exit(111);
    void *page = mmap(NULL, 2 * sizeof(int64_t), PROT_READ, MAP_SHARED, file, 0);
    if (page == MAP_FAILED) _exit(112);
    close(file);
    shift = page;
}

int clock_gettime(clockid_t clock, struct timespec *at) {
    int answer = (int)syscall(SYS_clock_gettime, clock, at);
    int is_wall = clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE;
    /* libraries that come before us may ask in their constructors */
    if (answer == 0 && shift && (is_wall || clock == CLOCK_BOOTTIME)) {
        int64_t ns = (int64_t)at->tv_sec * 1000000000 + at->tv_nsec + shift[is_wall ? 0 : 1] * 1000;
        at->tv_sec = ns / 1000000000;
        at->tv_nsec = ns % 1000000000;
    }
    return answer;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone) {
    struct timespec now;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &now) != 0) return -1;
    at->tv_sec = now.tv_sec;
    at->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *at) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at) *at = now.tv_sec;
    return now.tv_sec;
}
