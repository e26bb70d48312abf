import Base
import Images

/// What a survey learns of one image from its first bytes.
struct ImageGlance: Sendable {
    enum Outcome: Sendable {
        case image(SurveyedImage)
        /// It would be left out, for this reason.
        case leftOut(String)
    }

    let outcome: Outcome
    /// Size of the file.
    let byteCount: Int
    /// Of the size and the first bytes: equal files have equal ones.
    let digest: UInt64
}

/// An image as its header describes it.
struct SurveyedImage: Sendable {
    let format: String
    let mode: String
    let width: Int
    let height: Int
}

extension ShardSource {
    /// Looks at the beginning of an item, which is to become an image of `format`. Throws `MachineFailure` if the file
    /// system fails.
    func glance(at item: Item, as format: PixelFormat, pixelLimit: Int) throws -> ImageGlance {
        do {
            var header = try header(of: item)
            let start = try header.prefix()
            func result(_ outcome: ImageGlance.Outcome) -> ImageGlance {
                ImageGlance(
                    outcome: outcome, byteCount: header.byteCount,
                    digest: start.withUnsafeBytes { digest(of: $0, seed: UInt64(header.byteCount)) })
            }
            if let raw { return result(try raw.outcome(as: format, pixelLimit: pixelLimit)) }
            do {
                let facts = try ImageFacts(
                    of: HeaderBytes(byteCount: header.byteCount, first: start, read: header.read))
                try facts.requireSize(byteCount: header.byteCount, pixelLimit: pixelLimit)
                try facts.requireChannels(of: format)
                try format.requireSize(width: facts.width, height: facts.height, pixelLimit: pixelLimit)
                return result(
                    .image(
                        SurveyedImage(
                            format: facts.kind.rawValue, mode: facts.mode, width: facts.width, height: facts.height)))
            } catch let problem as ImageFacts.Problem {
                return result(.leftOut(problem.rawValue))
            }
        } catch let failure as Failure {
            return ImageGlance(outcome: .leftOut(failure.problem.printable(limit: 80)), byteCount: 0, digest: 0)
        } catch is ImageFacts.Problem {
            return ImageGlance(outcome: .leftOut("ends early"), byteCount: 0, digest: 0)
        }
    }
}

extension RawPixels {
    /// Throws `Failure` if its images do not become images of `format`.
    fileprivate func outcome(as format: PixelFormat, pixelLimit: Int) throws -> ImageGlance.Outcome {
        let (width, height, channels) = try extents(for: format)
        guard width * height <= pixelLimit else {
            return .leftOut(ImageFacts.Problem.tooManyPixels.rawValue)
        }
        try format.requireSize(width: width, height: height, pixelLimit: pixelLimit)
        let name = [1: "grey", 3: "RGB"][channels] ?? "\(channels) channels"
        let mode = name + (depth == 8 ? "" : ", \(depth) bits")
        return .image(SurveyedImage(format: "array", mode: mode, width: width, height: height))
    }
}

/// A number of 64 bits that differs for different bytes, except by chance; not for bytes that somebody has made to have equal ones.
func digest(of bytes: UnsafeRawBufferPointer, seed: UInt64) -> UInt64 {
    var state = KeyedGenerator.mixed(seed)
    var place = 0
    while place + 8 <= bytes.count {
        state = KeyedGenerator.mixed(state ^ bytes.loadUnaligned(fromByteOffset: place, as: UInt64.self))
        place += 8
    }
    for byte in bytes[place...] { state = KeyedGenerator.mixed(state ^ UInt64(byte)) }
    return state
}
