#include "CSignals.h"
#include <errno.h>
#include <fcntl.h>
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

// The number of a closed stream is that of the next file that is opened: lines for people would be written into a shard. So the streams
// that are closed lead to where reading or writing fails.
static void hold_streams(void) {
    for (int stream = 0; stream < 3; stream++)
        if (fcntl(stream, F_GETFD) < 0 && errno == EBADF) open("/dev/null", stream == 0 ? O_WRONLY : O_RDONLY);
}

static void prepare_process(void) {
    block_signals();
    hold_streams();
}

#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
// The sanitiser's runtime is not ready before constructors run; Launch/sanitize keeps OpenBLAS from starting threads.
__attribute__((constructor(101))) static void prepare_early(void) { prepare_process(); }
#else
__attribute__((section(".preinit_array"), used)) static void (*const prepare_first)(void) = prepare_process;
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
