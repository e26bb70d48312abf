import Base
import Foundation
import Kernels

package enum StoredType: String, CaseIterable, Sendable {
    case f32
    case bf16

    var name: String { self == .f32 ? "F32" : "BF16" }
    var byteCount: Int { self == .f32 ? 4 : 2 }
}

package struct NamedTensor {
    package let name: String
    package let shape: [Int]

    package init(_ name: String, _ shape: [Int]) {
        self.name = name
        self.shape = shape
    }

    var count: Int { shape.reduce(1, *) }
}

/// Writes `tensors` as `type` in their order to the safetensors file `path`, completely or not at all.
///
/// `values` returns the elements of the tensor with that index; they are used until the next call. Returns the file's
/// size and checksum. The bytes depend only on the arguments.
@discardableResult
package func writeSafetensors(
    _ tensors: [NamedTensor], type: StoredType = .f32, metadata: [String: String], to path: String,
    values: (Int) throws -> UnsafePointer<Float>
) throws -> ManifestFile {
    var header: [String: Any] = ["__metadata__": metadata]
    var offset = 0
    for tensor in tensors {
        let end = offset + tensor.count * type.byteCount
        header[tensor.name] = ["dtype": type.name, "shape": tensor.shape, "data_offsets": [offset, end]]
        offset = end
    }
    var json = [UInt8](
        try JSONSerialization.data(withJSONObject: header, options: [.sortedKeys, .withoutEscapingSlashes]))
    // The data start at a multiple of 8 so that readers can map them.
    json += [UInt8](repeating: UInt8(ascii: " "), count: (8 - json.count % 8) % 8)
    let start = withUnsafeBytes(of: UInt64(json.count).littleEndian) { [UInt8]($0) } + json
    let rounded = try OwnedBuffer<UInt16>(count: type == .bf16 ? tensors.map(\.count).max() ?? 0 : 0)
    var checksum = Checksum()
    try DurableFile.write(to: path) { append in
        func add(_ bytes: UnsafeRawBufferPointer) throws {
            checksum.update(bytes)
            try append(bytes)
        }
        try start.withUnsafeBytes { try add($0) }
        for (index, tensor) in tensors.enumerated() {
            var bytes = UnsafeRawPointer(try values(index))
            if type == .bf16 {
                convert(
                    bytes.assumingMemoryBound(to: Float.self), count: tensor.count,
                    into: Operand(rounded.pointer, .bfloat16))
                bytes = UnsafeRawPointer(rounded.pointer)
            }
            try add(UnsafeRawBufferPointer(start: bytes, count: tensor.count * type.byteCount))
        }
    }
    return ManifestFile(bytes: start.count + offset, checksum: checksum.value)
}
