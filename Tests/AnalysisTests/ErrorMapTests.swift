import Analysis
import Base
import Foundation
import Images
import TestSupport
import Testing

@Suite struct ErrorMapTests {
    /// In each round every patch is hidden, as often as the masks of one size allow: by n or n + 1 of them.
    @Test(arguments: [(16, 8), (16, 12), (16, 4), (49, 36), (49, 1), (9, 8)])
    func everyRoundHidesEveryPatch(patches: Int, hidden: Int) {
        let masks = MaskRounds(patchCount: patches, hidden: hidden, rounds: 3, seed: 1)
        let perRound = masks.count / 3
        #expect(masks.count == 3 * perRound && perRound * hidden >= patches && (perRound - 1) * hidden < patches)
        var mask = [UInt8](repeating: 7, count: patches)
        var orders: Set<[UInt8]> = []
        for round in 0..<3 {
            var times = [Int](repeating: 0, count: patches)
            for part in 0..<perRound {
                masks.draw(round * perRound + part, key: 5, into: &mask)
                #expect(mask.count { $0 == 1 } == hidden && mask.count { $0 == 0 } == patches - hidden)
                for patch in 0..<patches { times[patch] += Int(mask[patch]) }
                if part == 0 { orders.insert(mask) }
            }
            #expect((times.min() ?? 0) >= 1)
            #expect((times.max() ?? 0) <= (perRound * hidden + patches - 1) / patches + 1)
        }
        // Of nine patches without one, two rounds may be the same.
        #expect(orders.count > 1)
        var other = mask
        masks.draw(0, key: 5, into: &mask)
        masks.draw(0, key: 6, into: &other)
        #expect(mask != other)
        masks.draw(0, key: 5, into: &other)
        #expect(mask == other)
    }

    private func map(_ values: [Float], side: Int, patchSize: Int) throws -> AnomalyMap {
        let image = try Image(width: side, height: side, pixels: [UInt8](repeating: 90, count: 3 * side * side))
        return AnomalyMap(ErrorMap(original: image, values: values), patchSize: patchSize)
    }

    /// Against the sum over all pixels of the plane, the image continued by reflection.
    @Test func isSmoothedByAGaussian() throws {
        let (side, deviation) = (12, 2.0)
        var generator = KeyedGenerator(seed: 3, .drawing)
        let values = (0..<side * side).map { _ in Float(generator.uniform()) }
        let map = try map(values, side: side, patchSize: 8)
        func mirrored(_ place: Int) -> Int { place < 0 ? -1 - place : place < side ? place : 2 * side - 1 - place }
        let smooth = (0..<side * side).map { index -> Double in
            var (sum, weights) = (0.0, 0.0)
            for dy in -6...6 {
                for dx in -6...6 {
                    let weight = exp(-Double(dx * dx + dy * dy) / (2 * deviation * deviation))
                    let place = mirrored(index / side + dy) * side + mirrored(index % side + dx)
                    sum += weight * Double(values[place])
                    weights += weight
                }
            }
            return sum / weights
        }
        let mean = smooth.reduce(0, +) / Double(smooth.count)
        let error = zip(map.values, smooth).map { abs(Double($0) - $1 / mean) }.max() ?? 1
        #expect(error < 1e-5)
        #expect(abs(Double(map.score) - (smooth.max() ?? 0) / mean) < 1e-5)
    }

    @Test func isRelativeToTheImage() throws {
        var values = [Float](repeating: 0.25, count: 400)
        #expect(try map(values, side: 20, patchSize: 4).values.allSatisfy { abs($0 - 1) < 1e-5 })
        #expect(try map([Float](repeating: 0, count: 400), side: 20, patchSize: 4).score == 0)
        values[210] = 4
        let (one, tenfold) = (
            try map(values, side: 20, patchSize: 4), try map(values.map { 10 * $0 }, side: 20, patchSize: 4)
        )
        #expect(one.score > 2 && abs(one.score - tenfold.score) < 1e-4)
        #expect(one.values.max() == one.values[210])
    }

    /// Of 20 sound images, 16 of which look like the one in question; their errors differ by place, the others' are far off.
    @Test func isComparedWithSimilarImages() throws {
        func sound(_ level: UInt8, _ values: [Float]) throws -> AnomalyMap {
            let image = try Image(width: 16, height: 16, pixels: [UInt8](repeating: level, count: 768))
            return AnomalyMap(ErrorMap(original: image, values: values), patchSize: 4)
        }
        var generator = KeyedGenerator(seed: 6, .drawing)
        func errors(_ scale: Double) -> [Float] { (0..<256).map { Float(scale * Double($0) + generator.uniform()) } }
        var usual = UsualErrors()
        var similar: [[Float]] = []
        for number in 0..<20 {
            let map = try sound(number < 16 ? UInt8(90 + number) : 240, errors(number < 16 ? 0.01 : -0.003))
            usual.add(map)
            if number < 16 { similar.append(map.values) }
        }
        let map = try sound(100, errors(0.02))
        let standardised = usual.standardised(map)
        for pixel in [0, 17, 140, 255] {
            let values = similar.map { Double($0[pixel]) }
            let mean = values.reduce(0, +) / 16
            let deviation = (values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 16).squareRoot()
            let expected = (Double(map.values[pixel]) - mean) / (deviation + 0.1)
            #expect(abs(Double(standardised.values[pixel]) - expected) < 1e-4)
        }
        #expect(UsualErrors().standardised(map).values == map.values)
    }

    /// The header as numpy.save writes it.
    @Test func writesAFileOfNumPy() throws {
        let map = try map((0..<64).map(Float.init), side: 8, patchSize: 4)
        let file = map.numPyFile
        try #require(file.count == 128 + 4 * 64)
        #expect(file[..<10] == [0x93, 78, 85, 77, 80, 89, 1, 0, 118, 0])
        let header = String(decoding: file[10..<128], as: UTF8.self)
        #expect(
            header.hasPrefix("{'descr': '<f4', 'fortran_order': False, 'shape': (8, 8), }") && header.hasSuffix(" \n"))
        let values = file[128...].withUnsafeBytes { bytes in
            (0..<64).map { bytes.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self) }
        }
        #expect(values == map.values)
    }

    @Test func findsMasksByTheEndOfThePath() throws {
        try withTemporaryDirectory { path in
            for name in ["scratch/001.png", "crack/002_mask.png", "003.png"] {
                let file = "\(path)/masks/\(name)"
                try FileManager.default.createDirectory(
                    atPath: file.parentPath, withIntermediateDirectories: true)
                try Data().write(to: URL(fileURLWithPath: file))
            }
            try Data().write(to: URL(fileURLWithPath: "\(path)/secret.png"))
            let masks = try AnomalyMasks("\(path)/masks")
            func found(_ image: String) -> String? {
                masks.file(for: image).map { String($0.dropFirst(path.count + 7)) }
            }
            #expect(found("data/test/scratch/001.jpg") == "scratch/001.png")
            #expect(found("scratch/001.png") == "scratch/001.png")
            #expect(found("/x/crack/002.tif") == "crack/002_mask.png")
            #expect(found("./003.png") == "003.png")
            for other in ["good/001.png", "001.png", "scratch/002.png", "../secret.png", "a/../../secret.png", ""] {
                #expect(found(other) == nil, "\(other)")
            }
            #expect(throws: Failure.self) { try AnomalyMasks("\(path)/none") }
        }
    }

    @Test func detectionNeedsBothKindsOfImages() throws {
        let map = try map((0..<64).map(Float.init), side: 8, patchSize: 4)
        var detection = AnomalyDetection()
        #expect(throws: Failure.self) { try detection.areas() }
        detection.add(map, anomaly: (0..<64).map { $0 > 60 })
        #expect(throws: Failure.self) { try detection.areas() }
        detection.add(
            try self.map([Float](repeating: 1, count: 64), side: 8, patchSize: 4),
            anomaly: [Bool](repeating: false, count: 64))
        let areas = try detection.areas()
        #expect(areas.images.value == 1 && areas.pixels.value > 0.95)
        #expect(areas.pixels.positives == 3 && areas.pixels.negatives == 125)
    }
}
