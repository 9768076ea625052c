// The shared page and the last words; see vitals.h. The handler calls only what signal-safety(7) lists.
#define _GNU_SOURCE
#include "vitals.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

struct vitals {
    int64_t beat;
    int64_t limit;
    uint64_t work;
};

enum { SIZE = 4096 };

static struct vitals *at(uintptr_t page) { return (struct vitals *)page; }

int vipd_vitals_make(void) {
    int descriptor = memfd_create("vipd-vitals", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (descriptor < 0) return -1;
    // Without the seals one side could shrink it, and reading it would be the end of the other.
    if (ftruncate(descriptor, SIZE) < 0
        || fcntl(descriptor, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
        int error = errno;
        close(descriptor);
        errno = error;
        return -1;
    }
    return descriptor;
}

uintptr_t vipd_vitals_map(int descriptor) {
    struct stat information;
    int seals = fcntl(descriptor, F_GET_SEALS);
    if (seals < 0 || !(seals & F_SEAL_SHRINK) || fstat(descriptor, &information) < 0 || information.st_size < SIZE) {
        errno = EINVAL;
        return 0;
    }
    void *page = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    return page == MAP_FAILED ? 0 : (uintptr_t)page;
}

void vipd_vitals_unmap(uintptr_t page) {
    if (page) munmap((void *)page, SIZE);
}

int64_t vipd_vitals_beat(uintptr_t page) { return __atomic_load_n(&at(page)->beat, __ATOMIC_ACQUIRE); }
int64_t vipd_vitals_limit(uintptr_t page) { return __atomic_load_n(&at(page)->limit, __ATOMIC_ACQUIRE); }
uint64_t vipd_vitals_work(uintptr_t page) { return __atomic_load_n(&at(page)->work, __ATOMIC_ACQUIRE); }

void vipd_vitals_note(uintptr_t page, uint64_t work) { __atomic_store_n(&at(page)->work, work, __ATOMIC_RELAXED); }

void vipd_vitals_mark(uintptr_t page, int64_t now, uint64_t work) {
    __atomic_store_n(&at(page)->work, work, __ATOMIC_RELAXED);
    __atomic_store_n(&at(page)->beat, now, __ATOMIC_RELEASE);
}

void vipd_vitals_promise(uintptr_t page, int64_t limit) { __atomic_store_n(&at(page)->limit, limit, __ATOMIC_RELEASE); }

const char *vipd_work_word(uint32_t kind) {
    static const char *const words[] = {
        "starting", "waiting", "reading adverts", "reading kernel events", "a command", "timers", "reporting",
        "an advert", "a claim", "a release", "an announcement", "a gate", "a transition", "leaving",
    };
    return kind < sizeof words / sizeof *words ? words[kind] : "unknown";
}

// MARK: Last words

static uintptr_t fatal_page;
// Outside the stack that may be what is broken; room for the registers of every present processor.
static char fatal_stack[64 * 1024] __attribute__((aligned(64)));

struct line {
    char text[256];
    size_t length;
};

static void add(struct line *line, const char *text) {
    while (*text && line->length < sizeof line->text) line->text[line->length++] = *text++;
}

static void add_number(struct line *line, uint64_t number, unsigned base) {
    char digits[32];
    size_t at = sizeof digits;
    digits[--at] = 0;
    do digits[--at] = "0123456789abcdef"[number % base];
    while ((number /= base) > 0);
    add(line, digits + at);
}

static const char *signal_word(int number) {
    switch (number) {
    case SIGSEGV: return "SIGSEGV";
    case SIGBUS: return "SIGBUS";
    case SIGILL: return "SIGILL";
    case SIGFPE: return "SIGFPE";
    case SIGTRAP: return "SIGTRAP";
    case SIGABRT: return "SIGABRT";
    case SIGXCPU: return "SIGXCPU";
    default: return "signal";
    }
}

static void last_words(int number, siginfo_t *information, void *context) {
    (void)context;
    int error = errno;
    struct line line = {.length = 0};
    add(&line, "vipd-engine: fatal signal ");
    add_number(&line, (uint64_t)number, 10);
    add(&line, " (");
    add(&line, signal_word(number));
    add(&line, ")");
    if (information->si_code > 0 && (number == SIGSEGV || number == SIGBUS || number == SIGILL || number == SIGFPE)) {
        add(&line, " at 0x");
        add_number(&line, (uint64_t)(uintptr_t)information->si_addr, 16);
    }
    if (fatal_page) {
        uint64_t work = vipd_vitals_work(fatal_page);
        add(&line, " in ");
        add(&line, vipd_work_word((uint32_t)(work >> 32)));
        if ((uint32_t)work) {
            add(&line, " of router ");
            add_number(&line, (uint32_t)work, 10);
        }
    }
    add(&line, "\n");
    ssize_t written = write(2, line.text, line.length);
    (void)written;
    errno = error;
    // The default is back (SA_RESETHAND) and this one is blocked until the return: it dies by it then.
    syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), number);
}

void vipd_tell_fatal_signals(uintptr_t page) {
    static const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT, SIGXCPU};
    static int is_installed;
    fatal_page = page;
    if (is_installed) return;
    is_installed = 1;
    stack_t stack = {.ss_sp = fatal_stack, .ss_size = sizeof fatal_stack};
    (void)sigaltstack(&stack, NULL);
    struct sigaction action = {.sa_sigaction = last_words, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESETHAND};
    sigemptyset(&action.sa_mask);
    for (size_t index = 0; index < sizeof signals / sizeof *signals; index++) (void)sigaction(signals[index], &action, NULL);
    // Giving privileges up may have made the process undumpable, prctl(2).
    (void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}
