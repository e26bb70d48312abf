import Base
import Foundation

/// The sums of a survey.
struct SurveyCount {
    struct Extreme {
        /// In the source's items.
        let place: Int
        let width: Int
        let height: Int

        var shorterSide: Int { min(width, height) }
    }

    /// The side that images are resized to; nil if they keep their size.
    let side: Int?
    private(set) var formats: [String: Int] = [:]
    private(set) var modes: [String: Int] = [:]
    /// By the logarithm of the shorter side to base 2, rounded down.
    private(set) var sides: [Int: Int] = [:]
    private(set) var smallest: Extreme?
    private(set) var largest: Extreme?
    private(set) var enlarged = 0
    private(set) var leftOut: [String: SourceSurvey.LeftOut] = [:]
    /// Of all images whose beginning could be read: where it is among the items, and its digest.
    private(set) var digests: [(place: Int, digest: UInt64)] = []
    /// Images that can be decoded, as far as their headers tell.
    private(set) var readable: [Int] = []
    /// The bytes of their files.
    private(set) var readableBytes = 0

    init(side: Int?) { self.side = side }

    /// Adds what was seen of the item at `place`, which has the key `key`.
    mutating func add(_ glance: ImageGlance, at place: Int, key: () -> String) {
        if glance.byteCount > 0 { digests.append((place, glance.digest)) }
        switch glance.outcome {
        case .leftOut(let reason):
            leftOut[reason, default: .init(reason: reason, images: 0, example: key())].images += 1
        case .image(let image): add(image, at: place, byteCount: glance.byteCount)
        }
    }

    private mutating func add(_ image: SurveyedImage, at place: Int, byteCount: Int) {
        formats[image.format, default: 0] += 1
        modes[image.mode, default: 0] += 1
        let this = Extreme(place: place, width: image.width, height: image.height)
        sides[Int.bitWidth - 1 - this.shorterSide.leadingZeroBitCount, default: 0] += 1
        if smallest.map({ this.shorterSide < $0.shorterSide }) ?? true { smallest = this }
        if largest.map({ this.width * this.height > $0.width * $0.height }) ?? true { largest = this }
        if let side, this.shorterSide < side { enlarged += 1 }
        readable.append(place)
        readableBytes += byteCount
    }
}
