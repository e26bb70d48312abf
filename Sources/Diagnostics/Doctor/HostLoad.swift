import Foundation

/// How many of the host's processors are busy, with any program, over `seconds` seconds of waiting. 0 if unknown.
func busyProcessors(over seconds: Double) -> Double {
    guard let before = processorTimes() else { return 0 }
    Thread.sleep(forTimeInterval: seconds)
    guard let after = processorTimes(), after.total > before.total else { return 0 }
    let idle = Double(after.idle - before.idle) / Double(after.total - before.total)
    return max(0, 1 - idle) * Double(sysconf(Int32(_SC_NPROCESSORS_ONLN)))
}

/// Ticks of all processors since boot, from the first line of /proc/stat; its fourth and fifth numbers are idle time.
private func processorTimes() -> (idle: Int, total: Int)? {
    let text = (try? String(contentsOfFile: "/proc/stat", encoding: .utf8)) ?? ""
    let numbers = text.prefix { $0 != "\n" }.split(separator: " ").dropFirst().compactMap { Int($0) }
    guard numbers.count >= 5 else { return nil }
    // Guest ticks, after the eighth number, are already included in the first two.
    return (numbers[3] + numbers[4], numbers.prefix(8).reduce(0, &+))
}
