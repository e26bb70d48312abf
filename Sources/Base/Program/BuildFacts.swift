import CBuildFacts
import Foundation

/// What the program was built for, and whether this processor can run it.
package enum BuildFacts {
    /// The compiler's name of the target processor; `native` is that of the building machine.
    package static let processor = String(cString: crate_build_processor())

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

    /// The relevant vector instruction sets, from narrow to wide.
    package struct InstructionSet: Sendable {
        /// Its name in /proc/cpuinfo.
        package let name: String
        /// Whether the compiler may use it.
        package let isUsed: Bool
        /// Whether this processor has it.
        package let isThere: Bool
    }

    package static let instructionSets = (0..<Int32(crate_instruction_sets)).map { index in
        let set = crate_instruction_set_at(index)
        return InstructionSet(name: String(cString: set.name), isUsed: set.is_used != 0, isThere: set.is_there != 0)
    }

    /// Throws if the program may use instructions that this processor lacks: it would end with SIGILL.
    package static func requireProcessor() throws {
        let missing = instructionSets.filter { $0.isUsed && !$0.isThere }.map(\.name)
        guard !missing.isEmpty else { return }
        throw Failure(
            "the program was built for a processor (\(processor)) with \(missing.joined(separator: ", ")), which this one lacks",
            hint: "build it with Launch/build --processor x86-64-v3, or on this machine")
    }
}

/// Ranks of different versions do not train together.
package let programVersion = "0.1.0"

/// The host name from the kernel; Foundation would query name servers.
package func hostName() -> String {
    var name = [CChar](repeating: 0, count: 256)
    guard gethostname(&name, name.count - 1) == 0 else { return "localhost" }
    return String(decoding: name.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
}
