import Foundation
import TestSupport
import Testing

/// A .npy file of `images` images of 24 x 24 pixels with waves of one of two lengths, and one with their labels.
private func writeArrays(_ directory: String, images: Int, channels: Int, depth: Int) throws {
    var values = Data()
    for image in 0..<images {
        for pixel in 0..<576 {
            let (row, column) = (Double(pixel / 24), Double(pixel % 24))
            let wave = sin((0.3 + 0.4 * Double(image % 2)) * (row + Double(image))) * cos(0.5 * column)
            for channel in 0..<channels {
                let level = 0.4 + (channel % 2 == 0 ? 0.2 : -0.2) * wave + 0.01 * Double(channel % 7)
                let value = UInt16(level * (depth == 8 ? 255 : 65535))
                values.append(UInt8(value & 255))
                if depth == 16 { values.append(UInt8(value >> 8)) }
            }
        }
    }
    let type = depth == 8 ? "|u1" : "<u2"
    try array(type, "(\(images), 24, 24, \(channels))", values).write(
        to: URL(fileURLWithPath: "\(directory)/images.npy"))
    let labels = Data((0..<images).map { UInt8($0 % 2) })
    try array("|u1", "(\(images),)", labels).write(to: URL(fileURLWithPath: "\(directory)/labels.npy"))
}

/// NumPy's format of an array, version 1.0.
private func array(_ type: String, _ shape: String, _ values: Data) -> Data {
    var header = "{'descr': '\(type)', 'fortran_order': False, 'shape': \(shape), }"
    header += String(repeating: " ", count: 63 - (10 + header.count) % 64) + "\n"
    return Data([0x93]) + Data("NUMPY".utf8) + Data([1, 0, UInt8(header.count), 0]) + Data(header.utf8) + values
}

/// Images of other channels than RGB, or of 16 bits, from an array to pictures.
@Suite struct ChannelTests {
    private let extents = ["--image-size", "24", "--patch-size", "8"]
    private let model = ["--dim", "48", "--depth", "2", "--heads", "3", "--lr", "1e-3", "--batch-size", "16"]

    private func withShards(channels: Int, depth: Int, _ body: (String) throws -> Void) throws {
        try withTemporaryDirectory { path in
            try writeArrays(path, images: 48, channels: channels, depth: depth)
            try succeed(
                ["shard", "\(path)/images.npy", "\(path)/shards", "--labels", "\(path)/labels.npy"] + extents
                    + ["--channels", "\(channels)", "--depth", "\(depth)"])
            try body(path)
        }
    }

    @Test(arguments: [(1, 16), (5, 8), (8, 16)])
    func anyChannelsAreTrainedProbedAndShown(channels: Int, depth: Int) throws {
        try withShards(channels: channels, depth: depth) { path in
            let (data, run) = ("\(path)/shards", "\(path)/run")
            #expect(try succeed(["verify", data]).contains("is sound"))
            let pretrain = ["pretrain", "--data", data, "--virtual-ranks", "2"] + extents + model
            try succeed(pretrain + ["--run", run, "--steps", "30"])
            try succeed(pretrain + ["--run", "\(path)/two", "--steps", "30"], ranks: 2)
            #expect(try bytes(run, step: 30) == bytes("\(path)/two", step: 30), "on one rank and on two")
            let losses = try logged("loss", run)
            #expect(try #require(losses.last) < 0.9 * #require(losses.first))

            let probe = try succeed(["probe", "--checkpoint", run, "--train", data, "--validation", data])
            #expect(probe.contains("norm "), "\(probe)")
            let bands = channels == 1 ? "1" : "\(channels),2,1"
            try succeed([
                "reconstruct", "--checkpoint", run, "--output", "\(path)/pictures", "--data", data, "--samples", "3",
                "--bands", bands,
            ])
            #expect(try FileManager.default.contentsOfDirectory(atPath: "\(path)/pictures").count == 3)
            try succeed(["inspect", data, "--sheet", "\(path)/sheet.png", "--bands", bands])
            try refuse(
                "cannot be shown",
                [
                    "reconstruct", "--checkpoint", run, "--output", "\(path)/none", "--data", data, "--bands",
                    "\(channels + 1)",
                ])
        }
    }

    /// Operations on colours and ImageNet's statistics have no meaning, and weights of other channels do not fit.
    @Test func whatNeedsColoursIsRefused() throws {
        try withShards(channels: 4, depth: 16) { path in
            let data = "\(path)/shards"
            let train = ["train", "--data", data, "--run", "\(path)/run", "--steps", "2"] + extents + model
            try refuse("--rand-augment changes colours", train + ["--rand-augment", "2"])
            try refuse("ImageNet's mean", train + ["--normalise", "imagenet"])
            try succeed(train + ["--erasing", "0.5", "--mixup", "0.8", "--cutmix", "1"])
            try refuse(
                "has images of 4 channels",
                ["shard", "\(path)/images.npy", "\(path)/rgb"] + extents + ["--channels", "5"])
            try succeed(["shard", "\(path)/images.npy", "\(path)/rgb", "--labels", "\(path)/labels.npy"] + extents)
            try refuse(
                "has 3 channels, the model takes 4",
                ["evaluate", "--checkpoint", "\(path)/run", "--data", "\(path)/rgb"])
            try refuse(
                "has 4 channels, the model takes 3",
                ["finetune", "--run", "\(path)/tuned", "--data", data, "--steps", "1", "--batch-size", "16"]
                    + ["--from", try grey(path)])
        }
    }

    /// A run on RGB of the same shards.
    private func grey(_ path: String) throws -> String {
        try succeed(
            ["pretrain", "--data", "\(path)/rgb", "--run", "\(path)/colours", "--steps", "2"] + extents + model)
        return "\(path)/colours"
    }
}
