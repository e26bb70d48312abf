import Base
import Foundation
import Kernels

/// An open safetensors file. Tensors are read one by one, never the file as a whole. Format:
/// https://github.com/huggingface/safetensors
package struct SafetensorsReader: ~Copyable {
    package let path: String
    package let metadata: [String: String]
    package let tensors: [String: TensorEntry]
    private let file: RegularFile
    private let dataStart: Int

    /// Throws `Failure` if the file is not a valid safetensors file.
    package init(path: String) throws {
        let file = try RegularFile(path)
        let (dataStart, header) = try readHeader(file)
        self.path = path
        self.file = file
        self.dataStart = dataStart
        metadata = header.metadata
        tensors = header.tensors
    }

    /// Reads tensor `name`, which must be F32, F64, BF16 or F16 of shape `shape`, to `destination`; F64 is rounded.
    package borrowing func read(
        _ name: String, shape: [Int], into destination: UnsafeMutablePointer<Float>
    ) throws {
        guard let entry = tensors[name] else {
            throw metadata["part"] == "encoder"
                ? Failure(
                    "\(path) holds an encoder alone", hint: "use it with crate finetune, or export without --encoder")
                : Failure("\(path) has no tensor \(name)", hint: "check that it belongs to this model")
        }
        guard TensorEntry.readableTypes.contains(entry.type), entry.shape == shape else {
            throw Failure(
                "tensor \(name) of \(path) is \(entry.type) \(entry.shape), not a float of \(shape)",
                hint: entry.shape == shape ? "convert it to F32" : "check that it belongs to this model")
        }
        guard entry.type != "F64" else { return try readRounded(entry, into: destination) }
        let bytes = UnsafeMutableRawBufferPointer(start: destination, count: entry.range.count)
        try readAll(bytes, from: file, at: dataStart + entry.range.lowerBound)
        guard entry.type != "F32" else { return }
        // In place, backwards: each float is written behind the halves that are still to be read.
        for index in (0..<entry.count).reversed() {
            let half = bytes.loadUnaligned(fromByteOffset: 2 * index, as: UInt16.self)
            destination[index] =
                entry.type == "BF16" ? Float(bitPattern: UInt32(half) << 16) : Float(Float16(bitPattern: half))
        }
    }

    private borrowing func readRounded(_ entry: TensorEntry, into destination: UnsafeMutablePointer<Float>) throws {
        let room = try OwnedBuffer<Double>(count: min(entry.count, 1 << 16))
        for first in stride(from: 0, to: entry.count, by: 1 << 16) {
            let count = min(1 << 16, entry.count - first)
            try readAll(
                UnsafeMutableRawBufferPointer(start: room.pointer, count: 8 * count), from: file,
                at: dataStart + entry.range.lowerBound + 8 * first)
            for index in 0..<count { destination[first + index] = Float(room.pointer[index]) }
        }
    }

    /// All values of tensor `name`, F32 or F64; nil if there is no such tensor.
    package borrowing func values(_ name: String) throws -> [Double]? {
        guard let entry = tensors[name] else { return nil }
        var bytes = [UInt8](repeating: 0, count: entry.range.count)
        try bytes.withUnsafeMutableBytes {
            try readAll($0, from: file, at: dataStart + entry.range.lowerBound)
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

private func readHeader(_ file: borrowing RegularFile) throws -> (dataStart: Int, header: SafetensorsHeader) {
    let (path, fileBytes) = (file.path, file.byteCount)
    var start = [UInt8](repeating: 0, count: 64)
    let read = try start.withUnsafeMutableBytes { try file.read(into: $0, at: 0) }
    let length = UInt64(littleEndian: start.withUnsafeBytes { $0.loadUnaligned(as: UInt64.self) })
    guard read >= 8, length <= min(SafetensorsHeader.largestHeader, fileBytes - 8) else {
        throw unknownFile(path, start: start.prefix(read))
    }
    let dataStart = 8 + Int(length)
    var json = Data(count: Int(length))
    try json.withUnsafeMutableBytes { try readAll($0, from: file, at: 8) }
    return (dataStart, try SafetensorsHeader(json: json, dataBytes: fileBytes - dataStart, path: path))
}

/// What a file that is no safetensors file seems to be, by its first bytes.
private func unknownFile(_ path: String, start: ArraySlice<UInt8>) -> Failure {
    func begins(_ text: String) -> Bool { start.starts(with: text.utf8) }
    let (problem, hint): (String, String) =
        if start.isEmpty {
            ("it is empty", "fetch it again")
        } else if begins("version https://git-lfs") {
            ("it is a pointer of Git LFS", "fetch the file itself with git lfs pull")
        } else if begins("PK") || start.first == 0x80 {
            ("it seems to be a file of torch.save", "convert it: pip install ./Checkpoints; crate-checkpoint convert")
        } else if start.allSatisfy({ $0 >= 0x20 && $0 < 0x7F || (9...13).contains($0) }) {
            ("it is a text or a web page", "fetch the file itself")
        } else {
            ("it does not begin with the length of a header", "check that it is a complete .safetensors file")
        }
    return Failure("\(path) is not a valid safetensors file: \(problem)", hint: hint)
}

private func readAll(
    _ destination: UnsafeMutableRawBufferPointer, from file: borrowing RegularFile, at start: Int
) throws {
    guard try file.read(into: destination, at: start) == destination.count else {
        throw Failure("\(file.path) ends in the middle of its data", hint: "write it again or restore it")
    }
}
