import Base

/// The precision of matrix products. All other operations use fp32.
package enum Precision: String, CaseIterable, Codable, Sendable {
    case fp32
    /// Factors rounded to bf16 (8 exponent bits, 8 bits of precision), sums in fp32.
    case bf16

    /// The format of factors for this precision on this processor; OpenBLAS multiplies floats only.
    package func format(_ products: ProductBackend) -> OperandFormat {
        switch self {
        case .fp32: .float32
        case .bf16: Self.hasBFloat16Products && products == .packed ? .bfloat16 : .roundedFloat32
        }
    }

    /// Whether the processor has bf16 instructions. If not, factors are still rounded, and products run at fp32 speed.
    package static let hasBFloat16Products = KernelSet.current.hasBFloat16Products
}

package enum OperandFormat: Sendable {
    case float32
    case bfloat16
    /// Single precision, rounded to values that bf16 can represent.
    case roundedFloat32

    /// The format of a product that is not itself used as a factor, so it needs no rounding.
    package var result: OperandFormat { self == .bfloat16 ? .bfloat16 : .float32 }

    /// Bytes per element.
    package var stride: Int { self == .bfloat16 ? 2 : 4 }
}

/// A pointer to elements in one of the formats of factors. It does not own the memory.
package struct Operand {
    package let memory: UnsafeMutableRawPointer
    package let format: OperandFormat

    @inline(__always)
    package init(_ memory: UnsafeMutableRawPointer, _ format: OperandFormat) {
        self.memory = memory
        self.format = format
    }

    @inline(__always)
    package init(_ floats: UnsafePointer<Float>) {
        self.init(UnsafeMutableRawPointer(mutating: floats), .float32)
    }

    @inline(__always)
    package static func + (operand: Operand, count: Int) -> Operand {
        Operand(operand.memory + count * operand.format.stride, operand.format)
    }

    @inline(__always)
    func elements<Element: OperandElement>(_: Element.Type = Element.self) -> UnsafeMutablePointer<Element> {
        memory.assumingMemoryBound(to: Element.self)
    }

    /// Not valid for `bfloat16`.
    @inline(__always)
    package var floats: UnsafeMutablePointer<Float> { memory.assumingMemoryBound(to: Float.self) }
}

/// Loads vectors as the function `load` does for floats.
protocol OperandElement: BitwiseCopyable {
    static func load(_ source: UnsafePointer<Self>, _ lanes: Int) -> Vector
}

extension Float: OperandElement {
    @inline(__always)
    static func load(_ source: UnsafePointer<Float>, _ lanes: Int) -> Vector { Kernels.load(source, lanes) }
}

struct BFloat16: OperandElement {
    let bits: UInt16

    @inline(__always)
    static func load(_ source: UnsafePointer<BFloat16>, _ lanes: Int) -> Vector {
        // The upper halves of floats: shuffles, since the conversion of integers is not inlined.
        var halves = SIMD32<UInt16>.zero
        if lanes >= 16 {
            halves.oddHalf = UnsafeRawPointer(source).loadUnaligned(as: SIMD16<UInt16>.self)
        } else {
            for lane in 0..<lanes { halves[2 &* lane &+ 1] = source[lane].bits }
        }
        return unsafeBitCast(halves, to: Vector.self)
    }
}

/// Converts to the format of `result`, front to back, so that `result` may start at the same address as x.
package func convert(_ x: UnsafePointer<Float>, count: Int, into result: Operand) {
    kernels.convert(result.format.elements, x, count, result.memory)
}

extension Arena {
    /// Allocates `count` zeroed elements.
    package mutating func operands(_ count: Int, _ format: OperandFormat) throws -> Operand {
        Operand(try floats(format.stride == 4 ? count : (count + 1) / 2), format)
    }
}
