import Foundation

/// Limits this process from now on: to `memory` more bytes, and to `seconds` until a signal ends it.
public func limitProcess(memory: Int, seconds: UInt32) throws {
    let status = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8)
    let pages = Int(status.split(separator: " ")[0]) ?? 0
    let bytes = rlim_t(pages * sysconf(Int32(_SC_PAGESIZE)) + memory)
    var limit = rlimit(rlim_cur: bytes, rlim_max: bytes)
    guard setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit) == 0 else { exit(1) }
    alarm(seconds)
}
