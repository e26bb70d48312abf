import Base

/// What of a source is not taken, by reason: reported, so that nothing is lost unseen.
package struct PassedOver: Sendable {
    package enum Reason: Int, CaseIterable, Sendable {
        case hidden, emptyClass, besideClasses, withoutImage
        /// Of several members of one name, the last counts: `tar -r` and `zip` append newer versions.
        case replaced
        /// What follows the end of an archive or an array is none.
        case behindEnd

        fileprivate func text(_ count: Int) -> String {
            let one = count == 1
            return switch self {
            case .hidden: one ? "hidden entry" : "hidden entries"
            case .emptyClass: one ? "directory without files" : "directories without files"
            case .besideClasses: one ? "file next to the class directories" : "files next to the class directories"
            case .withoutImage: one ? "sample without an image" : "samples without an image"
            case .replaced: one ? "earlier version of a file" : "earlier versions of files"
            case .behindEnd: one ? "file that goes on behind its end" : "files that go on behind their end"
            }
        }
    }

    private var counts: [Reason: Int] = [:]

    package subscript(_ reason: Reason) -> Int {
        get { counts[reason, default: 0] }
        set { counts[reason] = newValue }
    }

    package static func += (sum: inout PassedOver, other: PassedOver) {
        sum.counts.merge(other.counts, uniquingKeysWith: +)
    }

    /// One line for people; nil if everything is taken.
    package var description: String? {
        let parts = Reason.allCases.filter { self[$0] > 0 }.map { "\(self[$0]) \($0.text(self[$0]))" }
        return parts.isEmpty ? nil : parts.joined(separator: ", ")
    }
}
