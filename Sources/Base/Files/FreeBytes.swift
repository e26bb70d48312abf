import Foundation

/// Free bytes on the file system of the directory `path`; 0 if unknown.
package func freeBytes(in path: String) -> Int {
    let attributes = try? FileManager.default.attributesOfFileSystem(forPath: path)
    return (attributes?[.systemFreeSize] as? NSNumber)?.intValue ?? 0
}
