import COneDNN
import COpenBLAS

/// The libraries that compute products, as they are found at run time.
package struct ProductLibraries: Codable, Equatable, Sendable {
    /// OpenBLAS's version, and the processor that it has chosen its kernels for.
    package var openBLAS, kernel: String
    /// oneDNN's version, and the widest instructions that it uses.
    package var oneDNN, instructions: String
    /// Whether oneDNN multiplies bf16 on this processor.
    package var hasBFloat16: Bool

    /// Those of this process.
    package static var current: ProductLibraries {
        let configuration = String(cString: openblas_get_config()).split(separator: " ")
        let version = dnnl_version()?.pointee
        return ProductLibraries(
            openBLAS: configuration.dropFirst().first.map(String.init) ?? "unknown",
            kernel: String(cString: openblas_get_corename()),
            oneDNN: version.map { "\($0.major).\($0.minor).\($0.patch)" } ?? "unknown",
            instructions: String(cString: crate_dnnl_widest_isa()), hasBFloat16: crate_dnnl_has_bf16())
    }
}
