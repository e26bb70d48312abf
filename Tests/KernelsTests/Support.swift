import Base
import Foundation
import Kernels

func exponential(_ x: Double) -> Double { exp(x) }

struct Values {
    let floats: [Float]
    var doubles: [Double] { floats.map(Double.init) }

    /// Normally distributed values, different for each `key`.
    init(_ count: Int, key: Int, scale: Double = 1, mean: Double = 0) {
        var generator = KeyedGenerator(seed: 99, .initialisation, key)
        floats = (0..<count).map { _ in Float(mean + scale * generator.normal()) }
    }
}

/// A copy of `values`, padded and aligned like the buffers of the model.
func buffer(_ values: [Float]) throws -> OwnedBuffer<Float> {
    let buffer = try OwnedBuffer<Float>(count: values.count)
    buffer.pointer.update(from: values, count: values.count)
    return buffer
}

func copy(_ buffer: borrowing OwnedBuffer<Float>) -> [Double] { buffer.elements.map(Double.init) }

/// ||a - b|| / ||b||, or infinity if a value is not finite or the lengths differ.
func relativeError(_ a: [Double], _ b: [Double]) -> Double {
    guard a.count == b.count, a.allSatisfy(\.isFinite) else { return .infinity }
    let difference = zip(a, b).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
    let reference = b.reduce(0) { $0 + $1 * $1 }
    return (reference > 0 ? difference / reference : difference).squareRoot()
}

/// sum of a * b, a scalar whose gradient with respect to a is b.
func dot(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }

/// The formats that this processor has products for.
let productFormats: [OperandFormat] =
    [.float32, .roundedFloat32] + (Precision.hasBFloat16Products ? [.bfloat16] : [])

/// The relative error allowed for values in `format`: that of fp32 arithmetic, or that of rounding each value once.
func tolerance(_ format: OperandFormat, fp32: Double) -> Double { format == .float32 ? fp32 : 4e-3 }

/// x rounded to 8 bits of precision, with ties to even.
func nearestBFloat16(_ x: Double) -> Double {
    guard x.isFinite, x != 0 else { return x }
    let unit = scalbn(1.0, max(x.exponent, -126).advanced(by: -7))
    return (x / unit).rounded(.toNearestOrEven) * unit
}

/// Elements of a format, padded with zeros like the operands of the model.
struct OperandBuffer: ~Copyable {
    private let memory: OwnedBuffer<Float>
    private let count: Int
    let operand: Operand

    init(_ values: [Float], _ format: OperandFormat) throws {
        try self.init(count: values.count, format)
        convert(values, count: count, into: operand)
    }

    init(count: Int, _ format: OperandFormat) throws {
        memory = try OwnedBuffer<Float>(count: count)
        self.count = count
        operand = Operand(memory.pointer, format)
    }

    var doubles: [Double] {
        let floats = memory.pointer
        guard operand.format == .bfloat16 else { return (0..<count).map { Double(floats[$0]) } }
        return floats.withMemoryRebound(to: UInt16.self, capacity: 2 * count) { halves in
            (0..<count).map { Double(Float(bitPattern: UInt32(halves[$0]) << 16)) }
        }
    }
}
