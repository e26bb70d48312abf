import CSignals
import Foundation
import Training

/// Starts the one thread that receives the signals of this process; every other thread has them blocked from its start.
///
/// Requests to stop (see `StopSignal`) go to the run if one listens; otherwise they end the process, as a second SIGINT does. Other
/// signals, of timers, terminals and children, are dropped.
func startSignalThread() {
    let thread = Thread {
        var isInterrupted = false
        while true {
            let number = crate_next_signal()
            guard StopSignal.requests.contains(number) else { continue }
            // A second SIGINT ends the process at once.
            if !StopSignal.isListening || (number == SIGINT && isInterrupted) { crate_yield_to_signal(number) }
            isInterrupted = isInterrupted || number == SIGINT
            StopSignal.request()
        }
    }
    thread.stackSize = 256 << 10
    thread.start()
}
