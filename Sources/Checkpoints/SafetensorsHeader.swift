import Base
import Foundation

package struct TensorEntry: Equatable, Sendable {
    /// The element type in the format's notation, such as F32.
    package let type: String
    package let shape: [Int]
    /// Position of its bytes, counted from the end of the header.
    package let range: Range<Int>

    package var count: Int { shape.reduce(1, *) }

    /// Bytes per element of the format's types.
    static let elementBytes = [
        "F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1, "I64": 8, "U64": 8, "I32": 4, "U32": 4,
        "I16": 2, "U16": 2, "I8": 1, "U8": 1, "BOOL": 1,
    ]

    /// The types that are read as fp32.
    static let readableTypes = ["F32", "F64", "BF16", "F16"]

    /// The largest error of a value from 0.5 to 1 that was rounded to this type; 0 for those that hold every fp32.
    var rounding: Float {
        switch type {
        case "BF16": 0x1p-9
        case "F16": 0x1p-12
        default: 0
        }
    }
}

/// The header of a safetensors file: eight bytes of length, then JSON.
struct SafetensorsHeader {
    let metadata: [String: String]
    let tensors: [String: TensorEntry]

    /// The format's own limit on the header.
    static let largestHeader = 100_000_000

    /// Parses the JSON and checks every entry against the rules of the format: known types, sizes that match the
    /// shapes, no overlap, no gap, nothing after the last tensor.
    init(json: Data, dataBytes: Int, path: String) throws {
        func damaged(_ what: String) -> Failure {
            Failure("\(path) is not a valid safetensors file: \(what)", hint: "write it again or restore it")
        }
        guard let object = try? JSONSerialization.jsonObject(with: json) as? [String: Any] else {
            throw damaged("its header is not a JSON object")
        }
        var metadata: [String: String] = [:]
        var tensors: [String: TensorEntry] = [:]
        for (name, value) in object {
            if name == "__metadata__" {
                guard let texts = value as? [String: String] else { throw damaged("its metadata are not strings") }
                metadata = texts
                continue
            }
            guard let fields = value as? [String: Any], let type = fields["dtype"] as? String,
                let shape = fields["shape"] as? [Int], let offsets = fields["data_offsets"] as? [Int],
                offsets.count == 2
            else { throw damaged("the entry of tensor \(name) is not dtype, shape and data_offsets") }
            guard let elementBytes = TensorEntry.elementBytes[type] else {
                throw damaged("tensor \(name) has type \(type), which is not supported")
            }
            var bytes = elementBytes
            for extent in shape {
                let (product, overflow) = bytes.multipliedReportingOverflow(by: extent)
                guard extent >= 0, !overflow else { throw damaged("tensor \(name) has shape \(shape)") }
                bytes = product
            }
            guard offsets[0] >= 0, offsets[0] <= offsets[1], offsets[1] <= dataBytes,
                offsets[1] - offsets[0] == bytes
            else { throw damaged("tensor \(name) of shape \(shape) does not fit its bytes \(offsets)") }
            tensors[name] = TensorEntry(type: type, shape: shape, range: offsets[0]..<offsets[1])
        }
        var end = 0
        for entry in tensors.values.sorted(by: {
            ($0.range.lowerBound, $0.range.upperBound) < ($1.range.lowerBound, $1.range.upperBound)
        }) {
            guard entry.range.lowerBound == end else { throw damaged("its tensors overlap or leave a hole") }
            end = entry.range.upperBound
        }
        guard end == dataBytes else { throw damaged("it has \(dataBytes) bytes of data, its tensors take \(end)") }
        self.metadata = metadata
        self.tensors = tensors
    }
}
