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
    let isJPEG: Bool
}

extension ShardSource {
    /// Looks at the beginning of an item. Throws `MachineFailure` if the file system fails.
    func glance(at item: Item, pixelLimit: Int) throws -> ImageGlance {
        do {
            var header = try header(of: item)
            let start = try header.prefix()
            func result(_ outcome: ImageGlance.Outcome) -> ImageGlance {
                ImageGlance(
                    outcome: outcome, byteCount: header.byteCount,
                    digest: start.withUnsafeBytes { digest(of: $0, seed: UInt64(header.byteCount)) })
            }
            if let raw { return result(raw.outcome(pixelLimit: pixelLimit)) }
            do {
                let facts = try ImageFacts(
                    of: HeaderBytes(byteCount: header.byteCount, first: start, read: header.read))
                try facts.requireSize(byteCount: header.byteCount, pixelLimit: pixelLimit)
                return result(
                    .image(
                        SurveyedImage(
                            format: facts.kind.rawValue, mode: facts.mode, width: facts.width, height: facts.height,
                            isJPEG: facts.kind == .jpeg)))
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
    fileprivate func outcome(pixelLimit: Int) -> ImageGlance.Outcome {
        guard width * height <= pixelLimit else { return .leftOut(ImageFacts.Problem.tooManyPixels.rawValue) }
        let mode = [1: "grey", 3: "RGB", 4: "RGB with alpha"][channels] ?? "\(channels) channels"
        return .image(SurveyedImage(format: "array", mode: mode, width: width, height: height, isJPEG: false))
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
