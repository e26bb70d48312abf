import Foundation

/// Bytes that this process can still allocate: free memory within the limits of its control group and the enclosing ones (version 1
/// or 2). Nil if unknown. `root` replaces the file system's root in tests.
package func availableMemory(root: String = "") -> Int? {
    guard let kilobytes = field("MemAvailable", in: "\(root)/proc/meminfo") else { return nil }
    let groups = controlGroups(in: "\(root)/proc/self/cgroup").flatMap { version, path in
        enclosing(path).map { version == 2 ? "\(root)/sys/fs/cgroup\($0)" : "\(root)/sys/fs/cgroup/memory\($0)" }
            .compactMap { version == 2 ? roomOfVersion2($0) : roomOfVersion1($0) }
    }
    return (groups + [kilobytes * 1024]).min()
}

/// The control groups that limit memory: lines of `number:controllers:path`; version 2 has no controllers.
private func controlGroups(in file: String) -> [(version: Int, path: String)] {
    (text(file) ?? "").split(separator: "\n").compactMap { line in
        let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 3 else { return nil }
        if parts[1].isEmpty { return (2, String(parts[2])) }
        return parts[1].split(separator: ",").contains("memory") ? (1, String(parts[2])) : nil
    }
}

/// `/a/b`, `/a` and the root as an empty string. A container may see its own group as the root.
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

/// Bytes below the limit of a control group; nil without a limit.
private func room(limit: Int?, used: Int?, cached names: [String], in statistics: String) -> Int? {
    // Version 1 has a huge number if there is no limit.
    guard let limit, limit < 1 << 60, let used else { return nil }
    // Cached files count as used, but the kernel frees them on demand.
    let cached = names.reduce(0) { $0 + (field($1, in: statistics) ?? 0) }
    return max(0, limit - used + cached)
}

private func text(_ path: String) -> String? { try? String(contentsOfFile: path, encoding: .utf8) }

private func number(in path: String) -> Int? {
    text(path).flatMap { Int($0.trimmingCharacters(in: .whitespacesAndNewlines)) }
}

private func field(_ name: String, in path: String) -> Int? {
    let line = text(path)?.split(separator: "\n").first { $0.hasPrefix(name + " ") || $0.hasPrefix(name + ":") }
    return line.flatMap { Int($0.split(separator: " ")[1]) }
}
