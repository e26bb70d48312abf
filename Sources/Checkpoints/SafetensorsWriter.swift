import Files
import Foundation

/// A tensor of floats to be written; the memory belongs to somebody else.
public struct NamedTensor {
    /// The name in the file.
    public let name: String
    /// Row-major extents.
    public let shape: [Int]
    /// The elements.
    public let values: UnsafePointer<Float>

    /// The tensor `name` of extents `shape` at `values`.
    public init(_ name: String, _ shape: [Int], _ values: UnsafePointer<Float>) {
        self.name = name
        self.shape = shape
        self.values = values
    }

    var bytes: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: values, count: shape.reduce(1, *) * MemoryLayout<Float>.stride)
    }
}

/// Writes `tensors` as F32 in their order to the safetensors file `path`, whole or not at all.
///
/// Returns the file's size and checksum. The bytes depend on nothing but the arguments.
@discardableResult
public func writeSafetensors(
    _ tensors: [NamedTensor], metadata: [String: String], to path: String
) throws -> ManifestFile {
    var header: [String: Any] = ["__metadata__": metadata]
    var offset = 0
    for tensor in tensors {
        let end = offset + tensor.bytes.count
        header[tensor.name] = ["dtype": "F32", "shape": tensor.shape, "data_offsets": [offset, end]]
        offset = end
    }
    var json = [UInt8](
        try JSONSerialization.data(withJSONObject: header, options: [.sortedKeys, .withoutEscapingSlashes]))
    // The data start at a multiple of 8 so that readers can map them.
    json += [UInt8](repeating: UInt8(ascii: " "), count: (8 - json.count % 8) % 8)
    let length = withUnsafeBytes(of: UInt64(json.count).littleEndian) { [UInt8]($0) }
    return try (length + json).withUnsafeBytes { start in
        let pieces = [start] + tensors.map(\.bytes)
        try DurableFile.write(pieces, to: path)
        var checksum = Checksum()
        for piece in pieces { checksum.update(piece) }
        return ManifestFile(bytes: start.count + offset, checksum: checksum.value)
    }
}
