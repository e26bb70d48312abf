import Foundation

/// Bytes that this process can still take: what the machine has free, within the limit of the process's control group, be it of
/// version 2 or 1 of these. Nil where the system does not say.
public func availableMemory() -> Int? {
    guard let kilobytes = field("MemAvailable", in: "/proc/meminfo") else { return nil }
    let version2 = room(group: "/sys/fs/cgroup", limit: "memory.max", used: "memory.current")
    let version1 = room(
        group: "/sys/fs/cgroup/memory", limit: "memory.limit_in_bytes", used: "memory.usage_in_bytes")
    return [kilobytes * 1024, version2, version1].compactMap { $0 }.min()
}

/// Bytes below the limit of the control group at `group`; nil where it has none.
private func room(group: String, limit: String, used: String) -> Int? {
    // Version 1 writes a number that no machine reaches where there is no limit.
    guard let limit = number(in: "\(group)/\(limit)"), limit < 1 << 60, let used = number(in: "\(group)/\(used)") else {
        return nil
    }
    // Cached files count as used, though the kernel gives them up when the memory is wanted.
    let cached = ["inactive_file", "active_file"].reduce(0) { $0 + (field($1, in: "\(group)/memory.stat") ?? 0) }
    return max(0, limit - used + cached)
}

private func text(_ path: String) -> String? { try? String(contentsOfFile: path, encoding: .utf8) }

private func number(in path: String) -> Int? {
    text(path).flatMap { Int($0.trimmingCharacters(in: .whitespacesAndNewlines)) }
}

/// The number behind `name` in a file of names and numbers.
private func field(_ name: String, in path: String) -> Int? {
    let line = text(path)?.split(separator: "\n").first { $0.hasPrefix(name + " ") || $0.hasPrefix(name + ":") }
    return line.flatMap { Int($0.split(separator: " ")[1]) }
}
