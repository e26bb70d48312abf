import Kernels

/// The output of one layer in the last forward pass.
package struct PassTensor {
    /// The layer's name, as in the names of its parameters.
    package let name: String
    package let shape: [Int]
    package let values: Operand

    package var count: Int { shape.reduce(1, *) }

    package func copy() -> [Float] {
        guard values.format == .bfloat16 else {
            return [Float](
                UnsafeBufferPointer(start: values.memory.assumingMemoryBound(to: Float.self), count: count))
        }
        let halves = values.memory.assumingMemoryBound(to: UInt16.self)
        return (0..<count).map { Float(bitPattern: UInt32(halves[$0]) << 16) }
    }
}
