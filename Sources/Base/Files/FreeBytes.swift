import Foundation

/// The bytes that can still be written to the file system of the directory `path`; 0 where that is not to be found out.
package func freeBytes(in path: String) -> Int {
    let attributes = try? FileManager.default.attributesOfFileSystem(forPath: path)
    return (attributes?[.systemFreeSize] as? NSNumber)?.intValue ?? 0
}
