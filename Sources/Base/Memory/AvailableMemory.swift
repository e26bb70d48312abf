import Foundation

/// Bytes that this process can still take: what the machine has free, within the limits of the process's control group and of
/// those around it, be they of version 2 or 1. Nil where the system does not say. `root` is the file system's, but for tests.
package func availableMemory(root: String = "") -> Int? {
    guard let kilobytes = field("MemAvailable", in: "\(root)/proc/meminfo") else { return nil }
    let groups = controlGroups(in: "\(root)/proc/self/cgroup").flatMap { version, path in
        enclosing(path).map { version == 2 ? "\(root)/sys/fs/cgroup\($0)" : "\(root)/sys/fs/cgroup/memory\($0)" }
            .compactMap { version == 2 ? roomOfVersion2($0) : roomOfVersion1($0) }
    }
    return (groups + [kilobytes * 1024]).min()
}

/// The groups that limit this process's memory, by version: lines of `number:controllers:path`, without controllers in version 2.
private func controlGroups(in file: String) -> [(version: Int, path: String)] {
    (text(file) ?? "").split(separator: "\n").compactMap { line in
        let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 3 else { return nil }
        if parts[1].isEmpty { return (2, String(parts[2])) }
        return parts[1].split(separator: ",").contains("memory") ? (1, String(parts[2])) : nil
    }
}

/// `/a/b`, `/a` and the root, as an empty text. A container may see its own group as the root, whatever its path.
private func enclosing(_ path: String) -> [String] {
    let names = path.split(separator: "/")
    return (0...names.count).map { names.prefix($0).map { "/" + $0 }.joined() }
}

private func roomOfVersion2(_ group: String) -> Int? {
    room(
        limit: number(in: "\(group)/memory.max"), used: number(in: "\(group)/memory.current"),
        cached: ["inactive_file", "active_file"], in: "\(group)/memory.stat")
}

private func roomOfVersion1(_ group: String) -> Int? {
    room(
        limit: number(in: "\(group)/memory.limit_in_bytes"), used: number(in: "\(group)/memory.usage_in_bytes"),
        cached: ["total_inactive_file", "total_active_file"], in: "\(group)/memory.stat")
}

/// Bytes below the limit of a control group; nil where it has none.
private func room(limit: Int?, used: Int?, cached names: [String], in statistics: String) -> Int? {
    // Version 1 writes a number that no machine reaches where there is no limit.
    guard let limit, limit < 1 << 60, let used else { return nil }
    // Cached files count as used, though the kernel gives them up when the memory is wanted.
    let cached = names.reduce(0) { $0 + (field($1, in: statistics) ?? 0) }
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
