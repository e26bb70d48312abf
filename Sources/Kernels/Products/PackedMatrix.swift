import CKernels
import COpenBLAS

/// Which code multiplies tokens with weights.
package enum ProductBackend: CaseIterable, Sendable {
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

/// C = A B, or C += A B with `isAdding`, on the calling thread.
///
/// A (m, k) has the format of B (k, n). C (m, n) has that format or `float32`, and must be `float32` with `isAdding`.
package func multiply(_ a: Matrix, _ b: PackedMatrix, into c: Matrix, isAdding: Bool = false) {
    precondition(a.columns == b.depth && a.rows == c.rows && b.columns == c.columns)
    precondition(a.elements.format == b.elements.format && !a.isTransposed && !c.isTransposed)
    precondition(c.elements.format == .float32 || c.elements.format == a.elements.format && !isAdding)
    switch b.backend {
    case .packed:
        kernels.multiply(
            a.elements.format.elements, a.elements.memory, a.stride, b.elements.memory, Int32(a.rows), Int32(a.columns),
            Int32(b.columns), c.elements.memory, c.stride,
            isAdding ? crate_add : c.elements.format == .float32 ? crate_store : crate_store_factor)
    case .blas:
        let result = Matrix(c.elements.floats, c.rows, c.columns, stride: c.stride)
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
/// A (m, k) and B (k, n) have the same format; A must be a transpose if that is `bfloat16`. C (m, n) is `float32`.
package func addProduct(
    _ a: Matrix, _ b: Matrix, to c: Matrix, scratch: UnsafeMutablePointer<Float>, _ backend: ProductBackend
) {
    precondition(a.columns == b.rows && a.rows == c.rows && b.columns == c.columns)
    precondition(a.elements.format == b.elements.format && c.elements.format == .float32)
    precondition(!b.isTransposed && !c.isTransposed && (a.isTransposed || a.elements.format != .bfloat16))
    switch backend {
    case .packed:
        kernels.add_product(
            a.elements.format.elements, a.elements.memory, a.stride, a.isTransposed, b.elements.memory, b.stride,
            Int32(a.columns), Int32(a.rows), Int32(b.columns), c.elements.floats, c.stride, scratch)
    case .blas:
        multiply(a.ofFloats, b.ofFloats, into: c, isAdding: true)
    }
}
