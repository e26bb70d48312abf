#include "CSignals.h"
#include <pthread.h>
#include <signal.h>
#include <stddef.h>

// All that come from outside at any moment. Not among them: faults of the thread that runs (SIGSEGV, ...), SIGPIPE and SIGXFSZ, which
// `main` ignores, and SIGQUIT and job control, whose default actions run no code of the process.
static const int asynchronous[] = {SIGHUP,  SIGINT,  SIGTERM, SIGUSR1,  SIGUSR2,  SIGXCPU, SIGALRM, SIGVTALRM,
                                   SIGPROF, SIGCHLD, SIGURG,  SIGWINCH, SIGIO,    SIGPWR};

static sigset_t watched, inherited;

// A handler is given its frame wherever the stack pointer of the interrupted thread is, which some libraries point into a buffer on
// the heap. So no thread may take a signal, except one that waits for it.
static void block_signals(void) {
    sigemptyset(&watched);
    for (size_t i = 0; i < sizeof asynchronous / sizeof *asynchronous; i++) {
        struct sigaction action;
        // What is ignored from the start, as SIGHUP under nohup, stays so; a blocked signal would be kept.
        if (sigaction(asynchronous[i], NULL, &action) == 0 && action.sa_handler != SIG_IGN) {
            sigaddset(&watched, asynchronous[i]);
        }
    }
    sigprocmask(SIG_BLOCK, &watched, &inherited);
}

// A child is another program, such as Open MPI's daemon, which wants to hear of signals.
static void restore_signals(void) { sigprocmask(SIG_SETMASK, &inherited, NULL); }

__attribute__((constructor)) static void watch_children(void) { pthread_atfork(NULL, NULL, restore_signals); }

#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
// The sanitiser's runtime is not ready before constructors run; Launch/sanitize keeps OpenBLAS from starting threads.
__attribute__((constructor(101))) static void block_early(void) { block_signals(); }
#else
__attribute__((section(".preinit_array"), used)) static void (*const block_first)(void) = block_signals;
#endif

int crate_next_signal(void) {
    int number = 0;
    while (sigwait(&watched, &number) != 0) {}
    return number;
}

void crate_yield_to_signal(int number) {
    // A library may have taken it: Open MPI 5 takes SIGHUP.
    signal(number, SIG_DFL);
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, number);
    pthread_sigmask(SIG_UNBLOCK, &one, NULL);
    raise(number);
    pthread_sigmask(SIG_BLOCK, &one, NULL);
}
