import CSignals
import Foundation
import Training

/// Starts the one thread that takes the signals sent to this process; every other thread has them blocked from its start.
///
/// Requests to stop (see `StopSignal`) go to the run, if there is one that listens; without one they end the process, as a second
/// SIGINT does. Others, of timers, terminals and children that nobody here set up, are dropped.
func startSignalThread() {
    let thread = Thread {
        var isInterrupted = false
        while true {
            let number = crate_next_signal()
            guard StopSignal.requests.contains(number) else { continue }
            // Who asks twice at the keyboard does not want to wait.
            if !StopSignal.isListening || (number == SIGINT && isInterrupted) { crate_yield_to_signal(number) }
            isInterrupted = isInterrupted || number == SIGINT
            StopSignal.request()
        }
    }
    thread.stackSize = 256 << 10
    thread.start()
}
