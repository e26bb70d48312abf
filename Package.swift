// swift-tools-version: 6.2
import PackageDescription

// The processor to compile for. `native` lets Swift emit the widest vectors of the building machine;
// CRATE_MARCH=x86-64-v3 (or another name that clang knows) builds for other nodes.
let processor = Context.environment["CRATE_MARCH"] ?? "native"

let swiftSettings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .unsafeFlags(["-Xcc", "-march=\(processor)", "-Xcc", "-DCRATE_PROCESSOR=\(processor)"]),
]

func systemLibrary(_ name: String, pkgConfig: String, debian: String) -> Target {
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
        .systemLibrary(name: "COneDNN", providers: [.apt(["libdnnl-dev"])]),
        systemLibrary("COpenMPI", pkgConfig: "ompi-c", debian: "libopenmpi-dev"),
        systemLibrary("CHDF5", pkgConfig: "hdf5", debian: "libhdf5-dev"),
        systemLibrary("CTurboJPEG", pkgConfig: "libturbojpeg", debian: "libturbojpeg0-dev"),
        systemLibrary("CPNG", pkgConfig: "libpng", debian: "libpng-dev"),
        systemLibrary("CZlib", pkgConfig: "zlib", debian: "zlib1g-dev"),
        systemLibrary("CArchive", pkgConfig: "libarchive", debian: "libarchive-dev"),
        .systemLibrary(name: "CBuildFacts"),
        .target(name: "CSignals"),
        library("Files", ["CBuildFacts", "CZlib"]),
        library("Buffers", ["Files"]),
        library("Threads", []),
        library("Kernels", ["Buffers", "COpenBLAS", "COneDNN"]),
        library("CrateModel", ["Files", "Buffers", "Threads", "Kernels"]),
        library("Images", ["Files", "Buffers", "Kernels", "CTurboJPEG", "CPNG"]),
        library("Shards", ["Files", "Buffers", "Kernels", "Images", "CHDF5", "CArchive"]),
        library("Collectives", ["Files", "Buffers", "Kernels", "COpenMPI"]),
        library("Checkpoints", ["Files", "Buffers", "Kernels", "CrateModel", "Images"]),
        library("Probing", ["Files", "Buffers", "Threads", "Kernels"]),
        library(
            "Analysis",
            [
                "Files", "Buffers", "Threads", "Kernels", "CrateModel", "Images", "Shards", "Collectives",
                "Checkpoints", "Probing",
            ]),
        library(
            "Reports",
            ["Files", "Images", "Shards", "Checkpoints", "Analysis"],
            // In the program itself, which stays a single file.
            resources: [.embedInCode("Page")]),
        library(
            "Training",
            [
                "Files", "Buffers", "Threads", "Kernels", "CrateModel", "Images", "Shards", "Collectives",
                "Checkpoints", "Analysis", "Reports",
            ]),
        .executableTarget(
            name: "crate",
            dependencies: [
                "CSignals", "Files", "Kernels", "CrateModel", "Images", "Shards", "Collectives", "Checkpoints",
                "Probing", "Analysis", "Reports", "Training",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Yams", package: "Yams"),
            ],
            swiftSettings: swiftSettings),
        .target(name: "AllocationCounter", path: "Tests/AllocationCounter"),
        .target(name: "TestSupport", path: "Tests/TestSupport", swiftSettings: swiftSettings),
        tests("FilesTests", ["TestSupport", "Files"]),
        tests("BuffersTests", ["TestSupport", "Buffers"]),
        tests("KernelsTests", ["Buffers", "Kernels"]),
        tests("ImagesTests", ["TestSupport", "Files", "Images", "Kernels"], resources: [.copy("Fixtures")]),
        tests("ShardsTests", ["AllocationCounter", "TestSupport", "CHDF5", "Files", "Kernels", "Shards", "Images"]),
        tests("ThreadsTests", ["Threads"]),
        tests("CrateModelTests", ["Files", "Buffers", "Threads", "Kernels", "CrateModel"]),
        tests("AnalysisTests", ["Files", "CrateModel", "Images", "Analysis"]),
        tests("ProbingTests", ["Files", "Buffers", "Threads", "Probing"]),
        tests("CollectivesTests", ["Buffers", "Collectives"]),
        tests("CheckpointsTests", ["TestSupport", "Files", "Buffers", "Kernels", "CrateModel", "Checkpoints"]),
        tests("ReportsTests", ["TestSupport", "Files", "Images", "Reports"]),
        tests(
            "TrainingTests",
            [
                "AllocationCounter", "Files", "Buffers", "Threads", "Kernels", "CrateModel", "Images", "Shards",
                "Collectives", "Training",
            ],
            resources: [.copy("Golden")]),
        // Not the program's target: its first function would block the signals of the tests' own process. They run the program.
        tests("CommandTests", ["TestSupport", "Kernels", "Shards"]),
    ]
)

// What needs neither mpirun nor the program, for Launch/sanitize and Tests/Emulation.
if Context.environment["CRATE_WITHOUT_PROGRAM"] != nil {
    let left = ["Training", "crate", "TrainingTests", "CommandTests"]
    package.targets.removeAll { left.contains($0.name) }
    package.products = []
    package.dependencies = []
}
