// See scheduling.h. Nothing here decides anything, and nothing waits.
#define _GNU_SOURCE
#include "scheduling.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <malloc.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#ifndef MADV_POPULATE_READ
// linux/mman.h of Linux 5.14; older kernels refuse them, and then what is needed comes with its first use.
#define MADV_POPULATE_READ 22
#endif

enum { PROCESSORS = 1024, HEAP = 256 << 10, STACK = 64 << 10 };

int vipd_threads(pid_t process, pid_t *threads, int capacity) {
    char path[32];
    snprintf(path, sizeof path, "/proc/%d/task", (int)process);
    DIR *directory = opendir(path);
    if (!directory) return -1;
    int count = 0;
    for (struct dirent *entry; count < capacity && (entry = readdir(directory));) {
        int thread = atoi(entry->d_name);
        if (thread > 0) threads[count++] = thread;
    }
    closedir(directory);
    return count;
}

int vipd_set_real_time(pid_t thread, int priority) {
    const struct sched_param parameters = {.sched_priority = priority};
    return sched_setscheduler(thread, (priority > 0 ? SCHED_FIFO : SCHED_OTHER) | SCHED_RESET_ON_FORK, &parameters);
}

int vipd_get_real_time(pid_t thread, int *policy, int *priority) {
    struct sched_param parameters;
    int found = sched_getscheduler(thread);
    if (found < 0 || sched_getparam(thread, &parameters) < 0) return -1;
    *policy = found & ~SCHED_RESET_ON_FORK;
    *priority = parameters.sched_priority;
    return 0;
}

int vipd_set_processors(pid_t thread, const uint32_t *processors, int count) {
    cpu_set_t set;
    CPU_ZERO(&set);
    for (int index = 0; index < count; index++) {
        if (processors[index] < PROCESSORS) CPU_SET(processors[index], &set);
    }
    return sched_setaffinity(thread, sizeof set, &set);
}

int vipd_get_processors(pid_t thread, uint32_t *processors, int capacity) {
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(thread, sizeof set, &set) < 0) return -1;
    int count = 0;
    for (uint32_t processor = 0; processor < PROCESSORS && count < capacity; processor++) {
        if (CPU_ISSET(processor, &set)) processors[count++] = processor;
    }
    return count;
}

static int open_oom_score(pid_t process, int flags) {
    char path[40];
    snprintf(path, sizeof path, "/proc/%d/oom_score_adj", (int)process);
    return open(path, flags | O_CLOEXEC);
}

int vipd_set_oom_score(pid_t process, int score) {
    int file = open_oom_score(process, O_WRONLY);
    if (file < 0) return -1;
    char text[16];
    int length = snprintf(text, sizeof text, "%d", score);
    ssize_t written = write(file, text, (size_t)length);
    int error = errno;
    close(file);
    errno = error;
    return written == length ? 0 : -1;
}

int vipd_get_oom_score(pid_t process, int *score) {
    int file = open_oom_score(process, O_RDONLY);
    if (file < 0) return -1;
    char text[16] = {0};
    ssize_t length = read(file, text, sizeof text - 1);
    int error = errno;
    close(file);
    errno = error;
    if (length <= 0) return -1;
    *score = atoi(text);
    return 0;
}

long vipd_locked_memory(pid_t process) {
    char path[32], line[256];
    snprintf(path, sizeof path, "/proc/%d/status", (int)process);
    FILE *file = fopen(path, "re");
    if (!file) return -1;
    long locked = -1;
    while (locked < 0 && fgets(line, sizeof line, file)) {
        if (sscanf(line, "VmLck: %ld", &locked) == 1) break;
    }
    fclose(file);
    return locked;
}

int vipd_limit_real_time(uint64_t soft, uint64_t hard) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_RTTIME, &limit) != 0) return -1;
    // Never above what is allowed already.
    if (limit.rlim_max == RLIM_INFINITY || limit.rlim_max > hard) limit.rlim_max = hard;
    limit.rlim_cur = soft < limit.rlim_max ? soft : limit.rlim_max;
    return setrlimit(RLIMIT_RTTIME, &limit);
}

void vipd_reserve_heap(void) {
    mallopt(M_TRIM_THRESHOLD, 64 << 20);
    mallopt(M_TOP_PAD, HEAP);
    // Larger pieces than this are mapped by themselves and given back at once; the engine has none that comes and goes.
    mallopt(M_MMAP_THRESHOLD, 4 << 20);
    volatile char *heap = malloc(HEAP);
    if (!heap) return;
    for (size_t at = 0; at < HEAP; at += 4096) heap[at] = 1;
    free((void *)heap);
}

// The linker puts our modules first, this one at the beginning; they are not longer than this together. Behind them is all of Swift's
// library, of which what is used at all is used from the start.
enum { OWN_CODE = 1 << 20 };

static int is_used(const char *name) {
    // The program itself has no name here. What is used of the C library is used by everybody, all the time.
    static const char *const names[] = {"/libnl-3.so", "/libpcap.so"};
    if (!name || !*name) return 1;
    for (size_t index = 0; index < sizeof names / sizeof *names; index++) {
        if (strstr(name, names[index])) return 1;
    }
    return 0;
}

static int touch_object(struct dl_phdr_info *object, size_t size, void *unused) {
    (void)size, (void)unused;
    if (!is_used(object->dlpi_name)) return 0;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    for (int index = 0; index < object->dlpi_phnum; index++) {
        const ElfW(Phdr) *part = &object->dlpi_phdr[index];
        // Code, and what is written; constants that are needed come with their first use.
        if (part->p_type != PT_LOAD || !(part->p_flags & (PF_X | PF_W))) continue;
        uintptr_t begin = (object->dlpi_addr + part->p_vaddr) & ~(uintptr_t)(page - 1);
        uintptr_t end = (object->dlpi_addr + part->p_vaddr + part->p_memsz + page - 1) & ~(uintptr_t)(page - 1);
        uintptr_t own_end = ((uintptr_t)touch_object + OWN_CODE) & ~(uintptr_t)(page - 1);
        if (begin < (uintptr_t)touch_object && own_end < end) end = own_end;
        madvise((void *)begin, end - begin, MADV_POPULATE_READ);
    }
    return 0;
}

static __attribute__((noinline)) void touch_stack(void) {
    volatile char stack[STACK];
    for (size_t at = 0; at < sizeof stack; at += 4096) stack[at] = 1;
}

void vipd_touch_working_set(void) {
    dl_iterate_phdr(touch_object, NULL);
    touch_stack();
}

void vipd_name_thread(const char *name) { prctl(PR_SET_NAME, name, 0, 0, 0); }
