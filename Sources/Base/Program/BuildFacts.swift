import CBuildFacts
import CProcessor
import Foundation

/// What the program was built for, and whether this processor can run it.
package enum BuildFacts {
    /// The compiler's name of the target processor; `native` is that of the building machine.
    package static let processor = String(cString: crate_build_processor)

    /// The Swift compiler's version, as far as `#if swift` tells.
    package static let swift: String = {
        #if compiler(>=6.5)
            "6.5 or later"
        #elseif compiler(>=6.4)
            "6.4"
        #elseif compiler(>=6.3)
            "6.3"
        #else
            "6.2"
        #endif
    }()

    /// An instruction set of the processor.
    package struct InstructionSet: Sendable {
        /// Its name in /proc/cpuinfo.
        package let name: String
        /// Whether the compiler may use it.
        package let isUsed: Bool
        /// Whether this processor has it.
        package let isThere: Bool
    }

    /// Those of the compiler's instruction sets that decide the width and speed of vectors, from narrow to wide. `CProcessor` compares
    /// all with the processor, before `main`.
    package static let instructionSets = {
        let shown = ["AVX2", "FMA", "AVX512F", "AVX512VL", "AVX512BF16"]
        let all = UnsafeBufferPointer(start: crate_features, count: Int(crate_feature_count))
        var processor = crate_this_processor()
        return shown.compactMap { name in
            all.firstIndex { String(cString: $0.name) == name }.map { index in
                InstructionSet(
                    name: name.lowercased(), isUsed: all[index].is_used != 0,
                    isThere: crate_has(&processor, crate_features + index) != 0)
            }
        }
    }()
}

/// Ranks of different versions do not train together.
package let programVersion = "0.1.0"

/// The host name from the kernel; Foundation would query name servers.
package func hostName() -> String {
    var name = [CChar](repeating: 0, count: 256)
    guard gethostname(&name, name.count - 1) == 0 else { return "localhost" }
    return String(decoding: name.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
}
