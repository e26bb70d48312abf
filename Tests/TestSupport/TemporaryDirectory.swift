import Foundation

/// Calls `body` with a new empty directory, and removes it with its contents afterwards.
public func withTemporaryDirectory<Result>(_ body: (String) throws -> Result) throws -> Result {
    let path = NSTemporaryDirectory() + "crate-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
    defer { try? FileManager.default.removeItem(atPath: path) }
    return try body(path)
}

/// The sorted names of the entries of `directory`.
public func names(in directory: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: directory).sorted()
}

/// Whether two directories contain the same files with the same bytes, recursively.
public func haveSameFiles(_ one: String, _ two: String) throws -> Bool {
    let files = try FileManager.default.subpathsOfDirectory(atPath: one).sorted()
    return try files == FileManager.default.subpathsOfDirectory(atPath: two).sorted()
        && files.allSatisfy { FileManager.default.contentsEqual(atPath: "\(one)/\($0)", andPath: "\(two)/\($0)") }
}
