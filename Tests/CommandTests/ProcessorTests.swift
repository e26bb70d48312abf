import CBuildFacts
import CProcessor
import Foundation
import TestSupport
import Testing

private let sources = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/../../Sources"

/// The clang beside `swift`, which compiles the program's C; nil if there is none.
private let clang: String? = {
    guard let swift = try? run(["sh", "-c", "realpath \"$(command -v swift)\""]), swift.status == 0 else { return nil }
    let path =
        URL(fileURLWithPath: swift.output.trimmingCharacters(in: .newlines)).deletingLastPathComponent().path + "/clang"
    return FileManager.default.isExecutableFile(atPath: path) ? path : nil
}()

/// The program starts only where every instruction is there that the compiler was told to use.
@Suite struct ProcessorTests {
    private static let processors = [
        "native", "x86-64-v2", "x86-64-v3", "x86-64-v4", "haswell", "skylake-avx512", "icelake-server",
        "sapphirerapids",
        "graniterapids", "diamondrapids", "clearwaterforest", "znver3", "znver4", "znver5",
    ]

    /// Not in the table of instruction sets, for the reason given there.
    private static let neverChosen: Set = [
        "CLDEMOTE", "CLFLUSHOPT", "CLWB", "CLZERO", "ENQCMD", "FSGSBASE", "HRESET", "INVPCID", "KL", "MOVDIR64B",
        "MOVDIRI",
        "MOVRS", "MWAITX", "PCONFIG", "PKU", "PREFETCHI", "PRFCHW", "PTWRITE", "RDPID", "RDPRU", "RDRND", "RDSEED",
        "RTM",
        "SERIALIZE", "SGX", "SHSTK", "TSXLDTRK", "UINTR", "USERMSR", "WAITPKG", "WBNOINVD", "WIDEKL", "XSAVE", "XSAVEC",
        "XSAVEOPT", "XSAVES",
    ]

    /// Other macros for sets that are in the table: the widths of AVX-512, and the parts of APX.
    private static let otherNames: Set = [
        "AVX10_1_512", "AVX10_2_512", "CCMP", "CF", "EVEX256", "EVEX512", "NDD", "NF", "PPX", "PUSH2POP2", "ZU",
    ]

    private var features: UnsafeBufferPointer<crate_feature> {
        UnsafeBufferPointer(start: crate_features, count: Int(crate_feature_count))
    }

    /// The compiler's names of instruction sets for `processor`, without the underscores around them; none if it does not know it.
    private func macros(_ processor: String) throws -> Set<String> {
        let result = try run([clang ?? "", "-march=\(processor)", "-dM", "-E", "-x", "c", "/dev/null"])
        let names = result.output.split(separator: "\n").compactMap { $0.split(separator: " ").dropFirst().first }
        return Set(
            names.filter { $0.hasPrefix("__") && $0.hasSuffix("__") && $0 == $0.uppercased() }
                .map { String($0.dropFirst(2).dropLast(2)) })
    }

    @Test(.enabled(if: clang != nil, "needs clang beside swift"))
    func everyInstructionSetOfTheCompilerIsKnown() throws {
        let known = Self.neverChosen.union(Self.otherNames).union(features.map { String(cString: $0.name) })
        let base = try macros("x86-64")
        try #require(base.contains("SSE2"))
        for processor in Self.processors {
            let unknown = try macros(processor).subtracting(base).subtracting(known).filter { !$0.hasPrefix("AMX_") }
            #expect(unknown.isEmpty, "\(processor): \(unknown)")
        }
    }

    private func missing(_ processor: crate_processor) -> [String] {
        var names = [CChar](repeating: 0, count: 1024)
        let count = withUnsafePointer(to: processor) { crate_missing_features($0, &names, names.count) }
        let text = String(decoding: names.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
        let list = text.split(separator: ", ").map(String.init)
        #expect(list.count == Int(count))
        return list
    }

    @Test func whatTheProcessorLacksIsNamed() {
        let used = features.filter { $0.is_used != 0 }.map { String(cString: $0.name).lowercased() }
        #expect(missing(crate_this_processor()).isEmpty)
        #expect(missing(crate_processor()) == used)
        // The processor has them, but the operating system does not save their registers.
        var unsaved = crate_this_processor()
        unsaved.states = 0
        #expect(
            missing(unsaved)
                == features.filter { $0.is_used != 0 && $0.states != 0 }.map { String(cString: $0.name).lowercased() })
    }

    /// /proc/cpuinfo has the same names as the compiler for these.
    @Test func theProcessorIsReadAsTheKernelReadsIt() throws {
        let text = try String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)
        let line = try #require(text.split(separator: "\n").first { $0.hasPrefix("flags") })
        let flags = Set(line.split(separator: " ").map(String.init))
        var processor = crate_this_processor()
        let names = [
            "SSSE3", "FMA", "SSE4_1", "SSE4_2", "MOVBE", "POPCNT", "AES", "AVX", "F16C", "SSE4A", "AVX2", "BMI2",
            "AVX512F",
            "AVX512DQ", "ADX", "AVX512IFMA", "AVX512CD", "AVX512BW", "AVX512VL", "AVX512VBMI", "GFNI", "VAES",
            "VPCLMULQDQ",
        ]
        for name in names {
            let index = try #require(features.firstIndex { String(cString: $0.name) == name })
            #expect(
                (crate_has(&processor, crate_features + index) != 0) == flags.contains(name.lowercased()), "\(name)")
        }
    }

    /// Compiles the check for processors that have nothing in common but what all have, and runs it.
    @Test(.enabled(if: clang != nil, "needs clang beside swift"))
    func programForAnotherProcessorEndsBeforeItBegins() throws {
        try withTemporaryDirectory { path in
            try "#include <stdio.h>\nint main(void) { puts(\"began\"); }".write(
                toFile: "\(path)/main.c", atomically: true, encoding: .utf8)
            func start(_ processor: String) throws -> CommandResult {
                let (facts, check) = ("\(sources)/CBuildFacts", "\(sources)/CProcessor")
                let script = """
                    set -e
                    "$1" -march=\(processor) -DCRATE_PROCESSOR=\(processor) -I\(facts)/include -c \(facts)/CBuildFacts.c -o \(path)/facts.o
                    "$1" -I\(facts)/include -I\(check)/include \(path)/main.c \(check)/CProcessor.c \(path)/facts.o -o \(path)/program
                    exec \(path)/program
                    """
                return try run(["bash", "-c", script, "bash", clang ?? ""])
            }
            let own = try start("native")
            #expect(own.status == 0 && own.output == "began\n", "\(own.errors)")
            let refused = try ["clearwaterforest", "bdver4"].map(start).filter { $0.status == 1 && $0.output.isEmpty }
            #expect(!refused.isEmpty)
            for result in refused {
                #expect(result.failureLines.count == 1, "\(result.errors)")
                #expect(result.errors.contains("which this one lacks; build it with Launch/build"), "\(result.errors)")
            }
        }
    }
}
