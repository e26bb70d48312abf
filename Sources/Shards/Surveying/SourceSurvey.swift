import Base
import Foundation
import Images

/// What is in a source, from the headers of its images: nothing is decoded, and of most files only some kilobytes are read.
package struct SourceSurvey: Encodable, Sendable {
    /// How many images something has.
    package struct Tally: Encodable, Equatable, Sendable {
        package let name: String
        package let images: Int
    }

    package struct Classes: Encodable, Equatable, Sendable {
        package let count: Int
        /// Of those that have images.
        package let smallest: Tally
        package let largest: Tally
        /// Classes without images.
        package let empty: Int
        package let unlabelled: Int
    }

    package struct Side: Encodable, Equatable, Sendable {
        package let from: Int
        package let to: Int
        package let images: Int
    }

    package struct Sized: Encodable, Equatable, Sendable {
        package let name: String
        package let width: Int
        package let height: Int
    }

    package struct LeftOut: Encodable, Equatable, Sendable {
        package let reason: String
        package internal(set) var images: Int
        package let example: String
    }

    package let kind: String
    /// Files and the like that would be tried.
    package let images: Int
    /// Nil without classes.
    package let classes: Classes?
    package private(set) var formats: [Tally] = []
    package private(set) var modes: [Tally] = []
    /// The lengths of the shorter sides, in powers of two.
    package private(set) var shorterSides: [Side] = []
    /// By its shorter side.
    package private(set) var smallest: Sized?
    /// By its pixels.
    package private(set) var largest: Sized?
    /// Images that would be enlarged.
    package private(set) var enlarged = 0
    /// What would be left out as far as headers tell, by reason.
    package private(set) var leftOut: [LeftOut] = []
    /// What of the source is no image to take.
    package let passedOver: String?
    package let unicodeTwins: Int
    package private(set) var duplicates = Duplicates()
    package private(set) var shards: ShardEstimate?

    /// Surveys `source` as `Sharding` with `options` would read it. `progress` is called repeatedly with the number of images.
    ///
    /// Throws `Failure` if a file of the source cannot be read.
    package init(
        of source: ShardSource, options: ShardingOptions, progress: (Int) -> Void = { _ in }
    ) throws {
        kind = source.kind.rawValue
        images = source.items.count
        classes = Self.classes(of: source)
        passedOver = source.passedOver.description
        unicodeTwins = source.unicodeTwins.count
        let count = try Self.count(source, options, progress)
        func sized(_ extreme: SurveyCount.Extreme?) -> Sized? {
            extreme.map {
                Sized(name: source.key(of: source.items[$0.place]), width: $0.width, height: $0.height)
            }
        }
        formats = Self.tallies(count.formats)
        modes = Self.tallies(count.modes)
        shorterSides = count.sides.sorted { $0.key < $1.key }.map {
            Side(from: 1 << $0.key, to: 2 << $0.key - 1, images: $0.value)
        }
        smallest = sized(count.smallest)
        largest = sized(count.largest)
        enlarged = count.enlarged
        leftOut = count.leftOut.values.sorted { ($1.images, $0.reason) < ($0.images, $1.reason) }
        duplicates = try Duplicates(among: count.digests, of: source, jobs: options.jobs)
        shards = try ShardEstimate(of: source, options: options, count: count)
    }

    /// Looks at the beginning of each image.
    private static func count(
        _ source: ShardSource, _ options: ShardingOptions, _ progress: (Int) -> Void
    ) throws -> SurveyCount {
        var count = SurveyCount(side: options.format.side)
        // So many at a time that progress is seen and memory is small.
        let block = 4096
        for first in stride(from: 0, to: source.items.count, by: block) {
            let places = Array(first..<min(first + block, source.items.count))
            let glances = concurrentMap(places, jobs: options.jobs) { place in
                Result {
                    try source.glance(
                        at: source.items[place], as: options.format.pixel, pixelLimit: options.pixelLimit)
                }
            }
            for (place, glance) in zip(places, glances) {
                do {
                    count.add(try glance.get(), at: place, key: { source.key(of: source.items[place]) })
                } catch let broken as MachineFailure {
                    throw broken.failure
                }
            }
            progress(first + places.count)
        }
        return count
    }

    private static func tallies(_ counts: [String: Int]) -> [Tally] {
        counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map { Tally(name: $0.key, images: $0.value) }
    }

    private static func classes(of source: ShardSource) -> Classes? {
        guard !source.classes.isEmpty else { return nil }
        var counts = [Int](repeating: 0, count: source.classes.count)
        var unlabelled = 0
        for item in source.items { if item.label >= 0 { counts[item.label] += 1 } else { unlabelled += 1 } }
        let filled = counts.indices.filter { counts[$0] > 0 }
        guard let least = filled.min(by: { counts[$0] < counts[$1] }),
            let most = filled.max(by: { counts[$0] < counts[$1] })
        else { return nil }
        return Classes(
            count: counts.count, smallest: Tally(name: source.classes[least], images: counts[least]),
            largest: Tally(name: source.classes[most], images: counts[most]), empty: counts.count - filled.count,
            unlabelled: unlabelled)
    }
}

extension SampleFormat {
    /// The side of stored images; nil where they keep their size.
    var side: Int? {
        switch self {
        case .patches(let grid): grid.imageSize
        case .jpeg(let imageSize, _): imageSize
        case .original, .originalJPEG: nil
        }
    }
}
