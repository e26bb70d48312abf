import Base
import CKernels
import Foundation

/// The functions of CKernels for one instruction set.
package struct KernelSet: @unchecked Sendable {
    let functions: crate_kernels

    package var name: String { String(cString: functions.name) }
    package var isPortable: Bool { name == Self.portableName }
    package static let portableName = "portable"
    package var hasBFloat16Products: Bool { functions.has_bfloat16 }

    /// The fastest set that this processor has, or the one called `name`: amx, avx512_bf16, avx512, avx2 or portable. Nil if
    /// the processor does not have it.
    package init?(_ name: String?) {
        guard let functions = crate_kernels_for(name) else { return nil }
        self.functions = functions.pointee
    }

    private static let choice = ProcessInfo.processInfo.environment["CRATE_KERNELS"]

    /// The set in use: CRATE_KERNELS in the environment, or else the fastest.
    package static let current = choice.flatMap { KernelSet($0) } ?? KernelSet(nil)!

    /// Throws `Failure` if the environment chooses a set that this processor does not have.
    package static func requireChoice() throws {
        guard let choice, KernelSet(choice) == nil else { return }
        throw Failure(
            "CRATE_KERNELS is \(choice), and this processor has no such kernels",
            hint: "unset it, or choose amx, avx512_bf16, avx512, avx2 or portable")
    }
}

@inline(__always)
var kernels: crate_kernels { KernelSet.current.functions }

extension OperandFormat {
    var elements: crate_elements {
        switch self {
        case .float32: crate_float32
        case .roundedFloat32: crate_rounded_float32
        case .bfloat16: crate_bfloat16
        }
    }
}
