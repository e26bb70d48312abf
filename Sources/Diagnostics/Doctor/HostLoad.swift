import Foundation

/// How many of the host's processors are busy, whoever with, in the `seconds` seconds that this waits. 0 where the system does not say.
func busyProcessors(over seconds: Double) -> Double {
    guard let before = processorTimes() else { return 0 }
    Thread.sleep(forTimeInterval: seconds)
    guard let after = processorTimes(), after.total > before.total else { return 0 }
    let idle = Double(after.idle - before.idle) / Double(after.total - before.total)
    return max(0, 1 - idle) * Double(sysconf(Int32(_SC_NPROCESSORS_ONLN)))
}

/// Ticks of all processors since the system was started: the first line of /proc/stat, whose fourth and fifth numbers are those
/// without work.
private func processorTimes() -> (idle: Int, total: Int)? {
    let text = (try? String(contentsOfFile: "/proc/stat", encoding: .utf8)) ?? ""
    let numbers = text.prefix { $0 != "\n" }.split(separator: " ").dropFirst().compactMap { Int($0) }
    guard numbers.count >= 5 else { return nil }
    // Those of guests, behind the eighth, are counted in the first two already.
    return (numbers[3] + numbers[4], numbers.prefix(8).reduce(0, &+))
}
