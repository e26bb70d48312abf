import Foundation
import Kernels
import Testing

@Suite struct OperandTests {
    static let formats: [OperandFormat] = [.bfloat16, .roundedFloat32]

    @Test(arguments: formats)
    func valuesAreRoundedToTheNearestBFloat16(_ format: OperandFormat) throws {
        // Ties in both directions, their neighbours, the smallest and largest numbers, and a few thousand random ones.
        let ties: [UInt32] = [
            0x3F80_8000, 0x3F81_8000, 0x3F80_7FFF, 0x3F80_8001, 0xBF80_8000, 1, 0x0000_8000, 0x0080_0001,
        ]
        let values = ties.map { Float(bitPattern: $0) } + Values(5000, key: 1, scale: 30).floats + [0, -0.0, 3.38e38]
        let rounded = try OperandBuffer(values, format).doubles
        #expect(rounded == values.map { nearestBFloat16(Double($0)) })
    }

    @Test(arguments: formats)
    func nanStaysNaN(_ format: OperandFormat) throws {
        let values = [
            Float.nan, -.nan, Float(bitPattern: 0x7F80_0001), Float(bitPattern: 0xFFFF_FFFF), .infinity, -.infinity,
        ]
        let rounded = try OperandBuffer(values, format).doubles
        #expect(rounded.prefix(4).allSatisfy { $0.isNaN })
        #expect(Array(rounded.suffix(2)) == [.infinity, -.infinity])
        let largest = try OperandBuffer([.greatestFiniteMagnitude], format).doubles
        #expect(largest == [.infinity])
    }

    @Test(arguments: [OperandFormat.float32] + formats, [1, 15, 16, 17, 40])
    func memoryPastTheLastElementIsUnchanged(_ format: OperandFormat, count: Int) throws {
        let result = try OperandBuffer([Float](repeating: 7, count: 64), format)
        convert(Values(count, key: 2).floats, count: count, into: result.operand)
        let values = result.doubles
        #expect(values[count...].allSatisfy { $0 == 7 })
        #expect(!values[..<count].contains(7))
    }

    @Test func formatsMatchThePrecision() {
        #expect(Precision.fp32.format(.blas) == .float32)
        #expect(Precision.bf16.format(.packed) == (Precision.hasBFloat16Products ? .bfloat16 : .roundedFloat32))
        #expect(Precision.bf16.format(.blas) == .roundedFloat32)
    }
}
