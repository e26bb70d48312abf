import Foundation

/// Runs `body` with a new empty directory, removed with all in it when `body` is done.
public func withTemporaryDirectory<Result>(_ body: (String) throws -> Result) throws -> Result {
    let path = NSTemporaryDirectory() + "crate-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
    defer { try? FileManager.default.removeItem(atPath: path) }
    return try body(path)
}

/// The names of what is in `directory`, sorted.
public func names(in directory: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: directory).sorted()
}

/// Whether two directories hold the same files with the same bytes, in all directories below.
public func haveSameFiles(_ one: String, _ two: String) throws -> Bool {
    let files = try FileManager.default.subpathsOfDirectory(atPath: one).sorted()
    return try files == FileManager.default.subpathsOfDirectory(atPath: two).sorted()
        && files.allSatisfy { FileManager.default.contentsEqual(atPath: "\(one)/\($0)", andPath: "\(two)/\($0)") }
}
