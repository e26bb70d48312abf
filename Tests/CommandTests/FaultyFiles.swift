import Foundation
import Testing

/// The library of Tests/FaultyFiles, compiled for this test process: calls on files fail or wait.
enum FaultyFiles {
    /// Nil if there is no C compiler.
    static let library: String? = {
        let source =
            URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/../FaultyFiles/faulty_files.c"
        let library = NSTemporaryDirectory() + "faulty-files-\(UUID().uuidString).so"
        for compiler in ["clang", "cc"] {
            let compiled = try? run([compiler, "-shared", "-fPIC", "-O1", "-o", library, source])
            if compiled?.status == 0 { return library }
        }
        return nil
    }()

    /// The environment in which the affected calls of `settings` fail, such as `["PATH": "/run/", "FIRST": "3"]`.
    static func environment(_ settings: [String: String]) throws -> [String: String] {
        var environment = Dictionary(uniqueKeysWithValues: settings.map { ("FAULTY_\($0)", $1) })
        environment["LD_PRELOAD"] = try #require(library, "there is no C compiler")
        return environment
    }
}
