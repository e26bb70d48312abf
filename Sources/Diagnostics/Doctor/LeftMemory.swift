import Foundation

/// The bytes of Open MPI's shared memory that killed jobs of this user left on this host: no process has it mapped, and it is older than
/// a minute. `Launch/remove-leftovers` removes it.
func leftMemoryBytes() -> Int {
    let files = FileManager.default
    let segments = ((try? files.contentsOfDirectory(atPath: "/dev/shm")) ?? []).compactMap { name -> (String, Int)? in
        var facts = stat()
        let path = "/dev/shm/\(name)"
        let isSegment = name.hasPrefix("vader_segment.") || name.hasPrefix("sm_segment.")
        guard isSegment, stat(path, &facts) == 0, facts.st_uid == getuid(), facts.st_mtim.tv_sec < time(nil) - 60 else {
            return nil
        }
        return (path, Int(facts.st_size))
    }
    guard !segments.isEmpty else { return 0 }
    let processes = ((try? files.contentsOfDirectory(atPath: "/proc")) ?? []).filter { Int($0) != nil }
    var used: Set<Substring> = []
    for process in processes {
        guard let maps = try? String(contentsOfFile: "/proc/\(process)/maps", encoding: .utf8) else { continue }
        for line in maps.split(separator: "\n") {
            if let path = line.range(of: "/dev/shm/").map({ line[$0.lowerBound...] }) { used.insert(path) }
        }
    }
    return segments.filter { !used.contains($0.0[...]) }.reduce(0) { $0 + $1.1 }
}
