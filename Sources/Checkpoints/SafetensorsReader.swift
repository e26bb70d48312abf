import Base
import Foundation
import Kernels

/// An open safetensors file. Tensors are read one by one, never the file as a whole. Format:
/// https://github.com/huggingface/safetensors
package struct SafetensorsReader: ~Copyable {
    package let path: String
    package let metadata: [String: String]
    package let tensors: [String: TensorEntry]
    private let descriptor: Int32
    private let dataStart: Int

    /// Throws `Failure` if the file is not a valid safetensors file.
    package init(path: String) throws {
        let (descriptor, dataStart, header) = try openFile(path)
        self.path = path
        self.descriptor = descriptor
        self.dataStart = dataStart
        metadata = header.metadata
        tensors = header.tensors
    }

    deinit { close(descriptor) }

    /// Reads tensor `name`, which must be F32, BF16 or F16 of shape `shape`, to `destination`.
    package borrowing func read(
        _ name: String, shape: [Int], into destination: UnsafeMutablePointer<Float>
    ) throws {
        guard let entry = tensors[name] else {
            throw metadata["part"] == "encoder"
                ? Failure(
                    "\(path) holds an encoder alone", hint: "use it with crate finetune, or export without --encoder")
                : Failure("\(path) has no tensor \(name)", hint: "check that it belongs to this model")
        }
        guard ["F32", "BF16", "F16"].contains(entry.type), entry.shape == shape else {
            throw Failure(
                "tensor \(name) of \(path) is \(entry.type) \(entry.shape), not a float of \(shape)",
                hint: "check that it belongs to this model")
        }
        let bytes = UnsafeMutableRawBufferPointer(start: destination, count: entry.range.count)
        try readAll(bytes, from: descriptor, at: dataStart + entry.range.lowerBound, path: path)
        guard entry.type != "F32" else { return }
        // In place, backwards: each float is written behind the halves that are still to be read.
        for index in (0..<entry.count).reversed() {
            let half = bytes.loadUnaligned(fromByteOffset: 2 * index, as: UInt16.self)
            destination[index] =
                entry.type == "BF16" ? Float(bitPattern: UInt32(half) << 16) : Float(Float16(bitPattern: half))
        }
    }

    /// All values of tensor `name`, F32 or F64; nil if there is no such tensor.
    package borrowing func values(_ name: String) throws -> [Double]? {
        guard let entry = tensors[name] else { return nil }
        var bytes = [UInt8](repeating: 0, count: entry.range.count)
        try bytes.withUnsafeMutableBytes {
            try readAll($0, from: descriptor, at: dataStart + entry.range.lowerBound, path: path)
        }
        return try bytes.withUnsafeBytes { raw in
            switch entry.type {
            case "F32": (0..<entry.count).map { Double(raw.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self)) }
            case "F64": (0..<entry.count).map { raw.loadUnaligned(fromByteOffset: 8 * $0, as: Double.self) }
            default:
                throw Failure(
                    "tensor \(name) of \(path) is \(entry.type), not F32 or F64", hint: "convert it to F32")
            }
        }
    }
}

private func openFile(_ path: String) throws -> (descriptor: Int32, dataStart: Int, header: SafetensorsHeader) {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw systemFailure("cannot open \(path)") }
    do {
        var information = stat()
        guard fstat(descriptor, &information) == 0, information.st_mode & S_IFMT == S_IFREG else {
            throw Failure("\(path) is not a file", hint: "give a .safetensors file")
        }
        let fileBytes = Int(information.st_size)
        var length: UInt64 = 0
        try withUnsafeMutableBytes(of: &length) { try readAll($0, from: descriptor, at: 0, path: path) }
        length = UInt64(littleEndian: length)
        guard fileBytes >= 8, length <= min(SafetensorsHeader.largestHeader, fileBytes - 8) else {
            throw Failure(
                "\(path) is not a valid safetensors file: its header's length is \(length) in \(fileBytes) bytes",
                hint: "check that it is a complete .safetensors file")
        }
        let dataStart = 8 + Int(length)
        var json = Data(count: Int(length))
        try json.withUnsafeMutableBytes { try readAll($0, from: descriptor, at: 8, path: path) }
        return (
            descriptor, dataStart, try SafetensorsHeader(json: json, dataBytes: fileBytes - dataStart, path: path)
        )
    } catch {
        close(descriptor)
        throw error
    }
}

private func readAll(
    _ destination: UnsafeMutableRawBufferPointer, from descriptor: Int32, at start: Int, path: String
) throws {
    guard try readBytes(into: destination, from: descriptor, at: start, path: path) == destination.count else {
        throw Failure("\(path) ends in the middle of its data", hint: "write it again or restore it")
    }
}
