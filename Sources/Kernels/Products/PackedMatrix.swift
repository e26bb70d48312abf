import CKernels
import COpenBLAS

/// Which code multiplies tokens with weights.
package enum ProductBackend: String, CaseIterable, Codable, Sendable {
    /// CKernels, with the same fp32 bits on any number of threads and any processor.
    case packed
    /// OpenBLAS.
    case blas

    /// CKernels' products where they have been written for the processor.
    package static var fastest: ProductBackend { KernelSet.current.isPortable ? .blas : .packed }
}

/// A right factor of many products, (depth, columns), in the order in which they read it. It does not own the memory.
package struct PackedMatrix {
    let elements: Operand
    package let depth, columns: Int
    let backend: ProductBackend

    /// Elements of memory.
    package static func count(depth: Int, columns: Int) -> Int { crate_packed_count(depth, columns) }

    package init(_ elements: Operand, depth: Int, columns: Int, _ backend: ProductBackend) {
        (self.elements, self.depth, self.columns, self.backend) = (elements, depth, columns, backend)
    }

    /// Packs `matrix`, (depth, columns) in row-major order, or with `isTransposed` its transpose in that order.
    package func pack(_ matrix: UnsafePointer<Float>, isTransposed: Bool) {
        let (rowStep, columnStep) = isTransposed ? (1, depth) : (columns, 1)
        switch backend {
        case .packed:
            kernels.pack(
                elements.format.elements, matrix, rowStep, columnStep, Int32(depth), Int32(columns), elements.memory)
        case .blas:
            for row in 0..<depth {
                let line = elements.floats + row * columns
                for column in 0..<columns { line[column] = matrix[row &* rowStep &+ column &* columnStep] }
                convert(line, count: columns, into: elements + row * columns)
            }
        }
    }
}

/// C = A B + addend + sign bias on the calling thread, where the bias (n) is added to every row.
///
/// A (m, k) has the format of B (k, n). C (m, n) has that format or `float32`, and must be `float32` if anything is added.
/// `addend` is laid out as C, and may be C. `next` is memory that is read next, and fetched into the cache meanwhile.
package func multiply(
    _ a: Matrix, _ b: PackedMatrix, into c: Matrix, adding addend: UnsafePointer<Float>? = nil,
    bias: UnsafePointer<Float>? = nil, sign: Float = 1, next: UnsafeRawBufferPointer? = nil
) {
    let isAdding = addend != nil || bias != nil
    precondition(a.columns == b.depth && a.rows == c.rows && b.columns == c.columns)
    precondition(a.elements.format == b.elements.format && !a.isTransposed && !c.isTransposed)
    precondition(c.elements.format == .float32 || c.elements.format == a.elements.format && !isAdding)
    switch b.backend {
    case .packed:
        kernels.multiply(
            a.elements.format.elements, a.elements.memory, a.stride, b.elements.memory, Int32(a.rows), Int32(a.columns),
            Int32(b.columns), c.elements.memory, c.stride, c.elements.format.elements,
            crate_addends(matrix: addend, row: bias, sign: sign),
            crate_memory(start: next?.baseAddress, bytes: next?.count ?? 0))
    case .blas:
        let result = Matrix(c.elements.floats, c.rows, c.columns, stride: c.stride)
        for row in 0..<(isAdding ? c.rows : 0) {
            let line = c.elements.floats + row * c.stride
            if let addend { line.update(from: addend + row * c.stride, count: c.columns) }
            if let bias {
                if addend == nil { line.update(repeating: 0, count: c.columns) }
                add(line, bias, sign: sign, count: c.columns, into: line)
            }
        }
        multiply(
            Matrix(a.elements.floats, a.rows, a.columns, stride: a.stride),
            Matrix(b.elements.floats, b.depth, b.columns), into: result, isAdding: isAdding)
        guard c.elements.format == .roundedFloat32 else { return }
        for row in 0..<c.rows {
            let line = c.elements + row * c.stride
            convert(line.floats, count: c.columns, into: line)
        }
    }
}

/// Floats of scratch memory for `addProduct`.
package let productScratchCount = Int(crate_product_scratch_count)

/// C += A B on the calling thread, where neither is packed: a gradient, A^T B over all rows, or a product once a step.
///
/// A (m, k) and B (k, n) have the same format; A must be a transpose if that is `bfloat16`. C (m, n) is `float32`. With `part`
/// the sums of so many rows of B are added at a time.
package func addProduct(
    _ a: Matrix, _ b: Matrix, part: Int? = nil, to c: Matrix, scratch: UnsafeMutablePointer<Float>,
    _ backend: ProductBackend
) {
    precondition(a.columns == b.rows && a.rows == c.rows && b.columns == c.columns)
    precondition(a.elements.format == b.elements.format && c.elements.format == .float32)
    precondition(!b.isTransposed && !c.isTransposed && (a.isTransposed || a.elements.format != .bfloat16))
    switch backend {
    case .packed:
        kernels.add_product(
            a.elements.format.elements, a.elements.memory, a.stride, a.isTransposed, b.elements.memory, b.stride,
            Int32(part ?? max(1, b.rows)), Int32(a.columns), Int32(a.rows), Int32(b.columns), c.elements.floats,
            c.stride, scratch)
    case .blas:
        for first in stride(from: 0, to: b.rows, by: part ?? max(1, b.rows)) {
            let rows = min(first + (part ?? b.rows), b.rows) - first
            multiply(a.ofFloats.columns(first, rows), b.ofFloats.rows(first, rows), into: c, isAdding: true)
        }
    }
}
