import Buffers
import Foundation
import Kernels

func exponential(_ x: Double) -> Double { exp(x) }

/// Floats that a kernel reads or writes, filled from a keyed stream.
struct Values {
    let floats: [Float]
    var doubles: [Double] { floats.map(Double.init) }

    /// `count` normal values; every `key` has its own.
    init(_ count: Int, key: Int, scale: Double = 1, mean: Double = 0) {
        var generator = KeyedGenerator(seed: 99, .initialisation, key)
        floats = (0..<count).map { _ in Float(mean + scale * generator.normal()) }
    }
}

/// A buffer with a copy of `values`, padded and aligned as the model's are.
func buffer(_ values: [Float]) throws -> OwnedBuffer<Float> {
    let buffer = try OwnedBuffer<Float>(count: values.count)
    buffer.pointer.update(from: values, count: values.count)
    return buffer
}

func copy(_ buffer: borrowing OwnedBuffer<Float>) -> [Double] { buffer.elements.map(Double.init) }

/// ||a - b|| / ||b||; infinite when a value is not finite or the lengths differ.
func relativeError(_ a: [Double], _ b: [Double]) -> Double {
    guard a.count == b.count, a.allSatisfy(\.isFinite) else { return .infinity }
    let difference = zip(a, b).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
    let reference = b.reduce(0) { $0 + $1 * $1 }
    return (reference > 0 ? difference / reference : difference).squareRoot()
}

/// sum of a * b: a scalar whose gradient by a is b.
func dot(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }
