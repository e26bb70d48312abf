import Base
import CKernels
import Kernels
import Testing

/// What has the same bits whatever the processor, the threads and the rows computed together.
@Suite struct InstructionSetTests {
    /// All that this processor has.
    static let sets: [String] = ["portable", "avx2", "avx512", "avx512_bf16", "amx"].filter { KernelSet($0) != nil }

    private struct Results: Equatable {
        var product, gradient: [UInt32]
        /// Of all that is computed between products.
        var outputs: [[UInt32]]
    }

    private func bits(_ buffer: borrowing OwnedBuffer<Float>) -> [UInt32] { buffer.elements.map(\.bitPattern) }

    /// Products and a head by the set `name`, with the rows of the product divided at `split`.
    private func compute(_ name: String, _ elements: crate_elements, split: Int32) throws -> Results {
        let kernels = try #require(crate_kernels_for(name)).pointee
        let (rows, depth, columns): (Int32, Int32, Int32) = (61, 80, 100)
        let a = try buffer(Values(Int(rows * depth), key: 1).floats)
        let weight = try buffer(Values(Int(depth * columns), key: 2).floats)
        let panels = try OwnedBuffer<Float>(count: crate_packed_count(Int(depth), Int(columns)))
        let product = try OwnedBuffer<Float>(count: Int(rows * columns))
        let gradient = try OwnedBuffer<Float>(count: Int(depth * columns))
        let scratch = try OwnedBuffer<Float>(count: productScratchCount)
        kernels.pack(elements, weight.pointer, Int(columns), 1, depth, columns, panels.pointer)
        for part in [0..<split, split..<rows] {
            let first = Int(part.lowerBound)
            kernels.multiply(
                elements, a.pointer + first * Int(depth), Int(depth), panels.pointer, Int32(part.count), depth, columns,
                product.pointer + first * Int(columns), Int(columns), crate_float32,
                crate_addends(), crate_memory())
        }
        for part in [0..<split, split..<depth] {
            let first = Int(part.lowerBound)
            kernels.add_product(
                elements, a.pointer + first, Int(depth), true, product.pointer, Int(columns), 20, rows,
                Int32(part.count),
                columns, gradient.pointer + first * Int(columns), Int(columns), scratch.pointer)
        }
        return Results(
            product: bits(product), gradient: bits(gradient),
            outputs: try attend(kernels, elements) + gelu(kernels, elements)
                + statistics(kernels, elements) + codes(kernels, elements))
    }

    private func attend(_ kernels: crate_kernels, _ elements: crate_elements) throws -> [[UInt32]] {
        let shape = AttentionShape(images: 2, tokens: 53, heads: 2, headDim: 20)
        let extents = crate_attention_shape(images: 2, tokens: 53, heads: 2, head_dim: 20)
        let count = shape.images * shape.tokens * shape.dim
        let qkv = try buffer(Values(3 * count, key: 3).floats)
        let upstream = try buffer(Values(count, key: 4).floats)
        let output = try OwnedBuffer<Float>(count: count)
        let inputGradient = try OwnedBuffer<Float>(count: 3 * count)
        let probabilities = try OwnedBuffer<Float>(count: shape.scoreCountOfAll)
        let scratch = try OwnedBuffer<Float>(count: shape.scratchCount)
        kernels.attend(elements, qkv.pointer, probabilities.pointer, output.pointer, -1, scratch.pointer, extents)
        kernels.attend_backward(
            elements, upstream.pointer, qkv.pointer, probabilities.pointer, inputGradient.pointer, -1, scratch.pointer,
            extents)
        let results = [bits(output), bits(inputGradient)]
        kernels.attend_separately(
            elements, qkv.pointer, probabilities.pointer, output.pointer, 1.25, scratch.pointer, extents)
        kernels.attend_separately_backward(
            elements, upstream.pointer, qkv.pointer, probabilities.pointer, inputGradient.pointer, 1.25,
            scratch.pointer, extents)
        return results + [bits(output), bits(inputGradient)]
    }

    private func gelu(_ kernels: crate_kernels, _ elements: crate_elements) throws -> [[UInt32]] {
        let count = 1001
        let x = try buffer(Values(count, key: 5, scale: 4).floats)
        let dy = try buffer(Values(count, key: 6).floats)
        let y = try OwnedBuffer<Float>(count: count)
        let dx = try OwnedBuffer<Float>(count: count)
        kernels.gelu(elements, x.pointer, 1.25, count, y.pointer)
        let forward = bits(y)
        kernels.gelu_backward(elements, false, dy.pointer, x.pointer, 1.25, count, dx.pointer, y.pointer)
        return [forward, bits(y), bits(dx)]
    }

    private func statistics(_ kernels: crate_kernels, _ elements: crate_elements) throws -> [[UInt32]] {
        let shape = AttentionShape(images: 2, tokens: 53, heads: 3, headDim: 20)
        let extents = crate_attention_shape(images: 2, tokens: 53, heads: 3, head_dim: 20)
        let count = shape.images * shape.tokens * shape.dim
        let u = try buffer(Values(count, key: 3).floats)
        let upstream = try buffer(Values(count, key: 4).floats)
        let temperature = try buffer([1, 0.5, 2])
        let memberships = try OwnedBuffer<Float>(count: shape.images * shape.tokens * shape.heads)
        let output = try OwnedBuffer<Float>(count: count)
        let du = try OwnedBuffer<Float>(count: count)
        let temperatureGradient = try OwnedBuffer<Float>(count: shape.heads)
        let scratch = try OwnedBuffer<Float>(count: tokenStatisticsScratchCount(shape))
        kernels.token_statistics(
            elements, u.pointer, temperature.pointer, memberships.pointer, output.pointer, 1.25, scratch.pointer,
            extents)
        kernels.token_statistics_backward(
            elements, false, upstream.pointer, u.pointer, temperature.pointer, memberships.pointer, du.pointer,
            temperatureGradient.pointer, 1.25, scratch.pointer, extents)
        return [bits(output), bits(memberships), bits(du), bits(temperatureGradient)]
    }

    private func codes(_ kernels: crate_kernels, _ elements: crate_elements) throws -> [[UInt32]] {
        let count = 1001
        let a = try buffer(Values(count, key: 7).floats)
        let b = try buffer(Values(count, key: 8).floats)
        let n = try OwnedBuffer<Float>(count: count)
        let r = try OwnedBuffer<Float>(count: count)
        let z = try OwnedBuffer<Float>(count: count)
        let second = try OwnedBuffer<Float>(count: count)
        let first = try OwnedBuffer<Float>(count: count)
        kernels.first_code(elements, a.pointer, 0.3, 0.06, count, n.pointer)
        kernels.code_residual(elements, a.pointer, b.pointer, count, r.pointer)
        kernels.second_code(elements, n.pointer, b.pointer, 0.3, 0.06, 1.25, count, z.pointer)
        kernels.second_code_backward(elements, false, b.pointer, z.pointer, 0.375, count, second.pointer)
        kernels.first_code_backward(
            elements, false, second.pointer, a.pointer, n.pointer, 0.3, count, first.pointer)
        return [bits(n), bits(r), bits(z), bits(second), bits(first)]
    }

    @Test(arguments: [crate_float32, crate_rounded_float32])
    func bitsDependOnNeitherInstructionSetNorDivision(_ elements: crate_elements) throws {
        let expected = try compute("portable", elements, split: 0)
        #expect(expected.outputs.allSatisfy { $0.contains { $0 != 0 } } && expected.gradient.contains { $0 != 0 })
        for set in Self.sets {
            for split: Int32 in [0, 1, 23, 48] {
                let results = try compute(set, elements, split: split)
                #expect(results == expected, "\(set), divided at \(split)")
            }
        }
    }

    @Test func aSetThatTheProcessorDoesNotHaveIsRefused() {
        #expect(KernelSet("sse9") == nil)
        #expect(KernelSet("portable") != nil)
    }
}
