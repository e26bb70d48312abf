import Foundation
import Testing

/// A target imports only targets above it in Package.swift, and only its declared dependencies.
@Suite struct ImportTests {
    private let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/../.."

    /// The targets of `Sources` in the order of the manifest, each with its dependencies.
    private func targets() throws -> [(name: String, dependencies: Set<String>)] {
        let manifest = try String(contentsOfFile: "\(root)/Package.swift", encoding: .utf8)
        let start = try #require(manifest.range(of: "    targets: [")?.upperBound)
        let end = try #require(manifest[start...].range(of: ".target(name: \"AllocationCounter")?.lowerBound)
        let declarations = manifest[start..<end].matches(
            of: /(?:systemLibrary|library|executableTarget|\.target)\(\s*(?:name: )?"(\w+)"/)
        return zip(declarations.indices, declarations).map { index, match in
            let next = index + 1 < declarations.count ? declarations[index + 1].range.lowerBound : end
            let rest = manifest[match.range.upperBound..<next]
            return (String(match.1), Set(rest.matches(of: /"(\w+)"/).map { String($0.1) }))
        }
    }

    /// So nothing calls libhdf5 without the lock that the target HDF5 puts around every call.
    @Test func onlyOneTargetCallsLibhdf5() throws {
        #expect(try targets().filter { $0.dependencies.contains("CHDF5") }.map(\.name) == ["HDF5"])
        let directory = "\(root)/Sources/HDF5"
        var calls = 0
        for file in try FileManager.default.subpathsOfDirectory(atPath: directory) where file.hasSuffix(".swift") {
            let text = try String(contentsOfFile: "\(directory)/\(file)", encoding: .utf8)
            // Each function that calls has a turn, as an argument or by taking one.
            for function in text.split(separator: /\n(?:    )?\}\n/) where function.contains(/\bH5[A-Z][a-z_0-9]*\(/) {
                calls += 1
                #expect(function.contains("HDF5Turn"), "\(file): \(function)")
            }
        }
        #expect(calls >= 8)
    }

    @Test func noTargetImportsATargetBelowIt() throws {
        let targets = try targets()
        let directories = try FileManager.default.contentsOfDirectory(atPath: "\(root)/Sources")
        #expect(Set(targets.map(\.name)) == Set(directories), "every directory of Sources is a target of the manifest")
        let names = targets.map(\.name)
        for (place, target) in targets.enumerated() {
            let above = Set(names.prefix(place))
            #expect(
                target.dependencies.intersection(names).isSubset(of: above),
                "\(target.name) depends on \(target.dependencies.intersection(names).subtracting(above)) below it")
            let directory = "\(root)/Sources/\(target.name)"
            let files = try FileManager.default.subpathsOfDirectory(atPath: directory).filter { $0.hasSuffix(".swift") }
            for file in files {
                let text = try String(contentsOfFile: "\(directory)/\(file)", encoding: .utf8)
                for line in text.split(separator: "\n") where line.contains("import ") {
                    let words = line.split(separator: " ").map(String.init)
                    guard let word = words.firstIndex(of: "import"), word + 1 < words.count,
                        words[..<word].allSatisfy({
                            $0.hasPrefix("@") || ["public", "internal", "private"].contains($0)
                        })
                    else { continue }
                    let module = words.last(where: { !$0.isEmpty })!.split(separator: ".").first.map(String.init) ?? ""
                    #expect(
                        !names.contains(module) || target.dependencies.contains(module),
                        "Sources/\(target.name)/\(file) imports \(module), which the target does not depend on")
                }
            }
        }
    }
}
