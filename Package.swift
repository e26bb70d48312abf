// swift-tools-version: 6.2
import Foundation
import PackageDescription

// The processor to compile for. `native` lets Swift emit the widest vectors of the building machine;
// CRATE_MARCH=x86-64-v3 (or another name that clang knows) builds for other nodes.
let processor = Context.environment["CRATE_MARCH"] ?? "native"

let swiftSettings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .unsafeFlags(["-Xcc", "-march=\(processor)"]),
]

func systemLibrary(_ name: String, pkgConfig: String? = nil, debian: String) -> Target {
    .systemLibrary(name: name, pkgConfig: pkgConfig, providers: [.apt([debian])])
}

func library(_ name: String, _ dependencies: [Target.Dependency], resources: [Resource] = []) -> Target {
    .target(name: name, dependencies: dependencies, resources: resources, swiftSettings: swiftSettings)
}

func tests(_ name: String, _ dependencies: [Target.Dependency], resources: [Resource] = []) -> Target {
    .testTarget(
        name: name, dependencies: dependencies, resources: resources, swiftSettings: swiftSettings)
}

// A target imports only targets above it in this list.
let package = Package(
    name: "crate",
    products: [.executable(name: "crate", targets: ["crate"])],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
        .package(url: "https://github.com/jpsim/Yams", exact: "6.2.2"),
    ],
    targets: [
        systemLibrary("COpenBLAS", pkgConfig: "openblas", debian: "libopenblas-dev"),
        systemLibrary("COpenMPI", pkgConfig: "ompi-c", debian: "libopenmpi-dev"),
        systemLibrary("CHDF5", pkgConfig: "hdf5", debian: "libhdf5-dev"),
        systemLibrary("CJPEG", pkgConfig: "libjpeg", debian: "libjpeg-dev"),
        systemLibrary("CTurboJPEG", pkgConfig: "libturbojpeg", debian: "libturbojpeg0-dev"),
        systemLibrary("CPNG", pkgConfig: "libpng", debian: "libpng-dev"),
        systemLibrary("CZlib", pkgConfig: "zlib", debian: "zlib1g-dev"),
        systemLibrary("CArchive", pkgConfig: "libarchive", debian: "libarchive-dev"),
        systemLibrary("CWebP", pkgConfig: "libwebp", debian: "libwebp-dev"),
        systemLibrary("CGIF", debian: "libgif-dev"),
        systemLibrary("CTIFF", pkgConfig: "libtiff-4", debian: "libtiff-dev"),
        .systemLibrary(name: "CSystem"),
        // Compiled for the processor as Swift code is, and without any code; all other C targets are compiled for any processor.
        .target(
            name: "CBuildFacts",
            cSettings: [.define("CRATE_PROCESSOR", to: processor), .unsafeFlags(["-march=\(processor)"])]),
        .target(name: "CProcessor", dependencies: ["CBuildFacts"]),
        .target(name: "CSignals"),
        .target(name: "CKernels"),
        library("Base", ["CBuildFacts", "CProcessor", "CSystem", "CZlib"]),
        library("Kernels", ["Base", "COpenBLAS", "CKernels"]),
        library("CrateModel", ["Base", "Kernels"]),
        library("Optimizers", ["Base", "Kernels", "CrateModel"]),
        library("Images", ["Base", "Kernels", "CJPEG", "CTurboJPEG", "CPNG", "CZlib", "CWebP", "CGIF", "CTIFF"]),
        library("HDF5", ["Base", "CHDF5"]),
        library("Shards", ["Base", "Kernels", "Images", "HDF5", "CArchive", "CZlib"]),
        library("Loader", ["Base", "Kernels", "Images", "Shards"]),
        library("Collectives", ["Base", "Kernels", "COpenMPI"]),
        library("Checkpoints", ["Base", "Kernels", "CrateModel", "Optimizers", "Images"]),
        library(
            "Settings",
            [
                "Base", "Kernels", "Shards", "Collectives", "Checkpoints",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]),
        library("Probing", ["Base", "Kernels"]),
        library(
            "Analysis",
            ["Base", "Kernels", "CrateModel", "Images", "Shards", "Loader", "Collectives", "Checkpoints", "Probing"]),
        library(
            "Reports",
            ["Base", "Images", "Shards", "Checkpoints", "Analysis"],
            // In the program itself, which stays a single file.
            resources: [.embedInCode("Page")]),
        library(
            "HuggingFace",
            ["Base", "CrateModel", "Images", "Shards", "Checkpoints", "Reports"],
            // Links to files of the Python package in Checkpoints.
            resources: [.embedInCode("Python")]),
        library(
            "Training",
            [
                "Base", "Kernels", "CrateModel", "Optimizers", "Images", "Shards", "Loader", "Collectives",
                "Checkpoints", "Settings", "Probing", "Analysis", "Reports",
            ]),
        library(
            "Diagnostics",
            [
                "Base", "Kernels", "CrateModel", "Optimizers", "Images", "HDF5", "Shards", "Loader", "Collectives",
                "Checkpoints", "Analysis", "Training",
            ]),
        .executableTarget(
            name: "crate",
            dependencies: [
                "CSignals", "Base", "Kernels", "CrateModel", "Optimizers", "Images", "HDF5", "Shards", "Loader",
                "Collectives", "Checkpoints", "Settings", "Probing", "Analysis", "Reports", "HuggingFace", "Training",
                "Diagnostics",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Yams", package: "Yams"),
            ],
            swiftSettings: swiftSettings),
        .target(name: "AllocationCounter", path: "Tests/AllocationCounter"),
        .target(name: "TestSupport", path: "Tests/TestSupport", swiftSettings: swiftSettings),
        tests("BaseTests", ["TestSupport", "Base"]),
        tests("KernelsTests", ["Base", "CKernels", "Kernels", "Optimizers"]),
        tests("ImagesTests", ["TestSupport", "Base", "Images", "Kernels"], resources: [.copy("Fixtures")]),
        tests(
            "ShardsTests",
            ["AllocationCounter", "TestSupport", "CHDF5", "Base", "Kernels", "HDF5", "Shards", "Loader", "Images"]),
        tests("CrateModelTests", ["Base", "Kernels", "CrateModel"]),
        tests("AnalysisTests", ["TestSupport", "Base", "CrateModel", "Images", "Analysis"]),
        tests("ProbingTests", ["Base", "Probing"]),
        tests("CollectivesTests", ["Base", "Collectives"]),
        tests("CheckpointsTests", ["TestSupport", "Base", "Kernels", "CrateModel", "Optimizers", "Checkpoints"]),
        tests("ReportsTests", ["TestSupport", "Base", "Images", "Reports"]),
        tests(
            "TrainingTests",
            [
                "AllocationCounter", "Base", "Kernels", "CrateModel", "Optimizers", "Images", "Shards", "Loader",
                "Collectives", "Training",
            ]),
        tests(
            "DiagnosticsTests",
            [
                "Base", "Kernels", "CrateModel", "Optimizers", "Images", "Shards", "Loader", "Collectives", "Training",
                "Diagnostics",
            ],
            resources: [.copy("Golden")]),
        // Not the program's target: its first function would block the signals of the tests' own process. They run the program.
        tests(
            "CommandTests",
            ["CBuildFacts", "CProcessor", "TestSupport", "Base", "Kernels", "Images", "Shards", "Loader"]),
    ]
)

/// Whether a header of the system declares `function`. SwiftPM remembers the answer; Launch/setup makes it forget.
func isDeclared(_ function: String, in header: String) -> Bool {
    let triples = (try? FileManager.default.contentsOfDirectory(atPath: "/usr/include")) ?? []
    let places = ["/usr/local/include", "/usr/include"] + triples.map { "/usr/include/\($0)" }
    return places.contains {
        (try? String(contentsOfFile: "\($0)/\(header)", encoding: .utf8))?.contains(function) == true
    }
}

// Without one of these libraries the program is built without its format, by `#if canImport(CWebP)`. Only since version 4.5 libtiff
// has limits and error handlers for each file.
let missing = [
    isDeclared("WebPDemuxGetFrame", in: "webp/demux.h") ? nil : "CWebP",
    isDeclared("DGifGetImageDesc", in: "gif_lib.h") ? nil : "CGIF",
    isDeclared("TIFFClientOpenExt", in: "tiffio.h") ? nil : "CTIFF",
].compactMap(\.self)
package.targets.removeAll { missing.contains($0.name) }
for target in package.targets {
    target.dependencies.removeAll {
        guard case .byNameItem(let name, _) = $0 else { return false }
        return missing.contains(name)
    }
}

// What needs neither mpirun nor the program, for Launch/sanitize and Tests/Emulation.
if Context.environment["CRATE_WITHOUT_PROGRAM"] != nil {
    let left = ["Settings", "Training", "Diagnostics", "crate", "TrainingTests", "DiagnosticsTests", "CommandTests"]
    package.targets.removeAll { left.contains($0.name) }
    package.products = []
    package.dependencies = []
}
