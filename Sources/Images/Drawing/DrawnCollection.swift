import Base

/// A folder of drawn images: which there are, and what they show.
package struct DrawnCollection: Sendable {
    package let kind: DrawingKind
    package let images: Int
    package let classes: Int
    package let side: Int
    package let seed: UInt64

    /// Images of a kind (`classes` nil: all that the kind has, or 10), `side` pixels wide and high.
    ///
    /// Throws `Failure` if the kind has fewer classes, or if there are more classes than images.
    package init(_ kind: DrawingKind, images: Int, classes: Int?, side: Int, seed: UInt64) throws {
        let most = kind.classNames?.count ?? .max
        let classes = classes ?? min(images, kind.classNames?.count ?? 10)
        guard (1...most).contains(classes) else {
            throw Failure("there are no \(classes) classes of \(kind.rawValue)", hint: "choose from 1 to \(most)")
        }
        guard images > 0, classes <= images else {
            throw Failure("\(images) images are too few for \(classes) classes", hint: "choose at least one for each")
        }
        (self.kind, self.images, self.classes, self.side, self.seed) = (kind, images, classes, side, seed)
    }

    /// An image's number in its class, the directory and name of its file without extension, and the same of its mask.
    package func place(of number: Int) -> (image: String, mask: String) {
        let (label, rank) = (number % classes, zeroPadded(number / classes, to: 5))
        guard kind == .defects else {
            let name = kind.classNames?[label] ?? "class-" + zeroPadded(label, to: max(2, "\(classes - 1)".count))
            return ("\(name)/\(rank)", "\(name)/\(rank)")
        }
        let name = Drawing.products[label] + "-" + rank
        switch part(of: number) {
        case .train: return ("train/good/\(name)", "good/\(name)")
        case .good: return ("test/good/\(name)", "good/\(name)")
        case .defective(let defect):
            return ("test/\(Drawing.defects[defect])/\(name)", "\(Drawing.defects[defect])/\(name)")
        }
    }

    /// Throws `Failure` if the side is too large.
    package func scene(_ number: Int) throws -> DrawnScene {
        let label = number % classes
        switch kind {
        case .shapes:
            let scene = try Drawing.scene(number: number, label: label, side: side, seed: seed)
            return DrawnScene(image: scene.image, mask: scene.shapes)
        case .defects:
            guard case .defective(let defect) = part(of: number) else {
                return try Drawing.surface(number: number, label: label, defect: nil, side: side, seed: seed)
            }
            return try Drawing.surface(number: number, label: label, defect: defect, side: side, seed: seed)
        case .cells: return try Drawing.microscopy(number: number, label: label, side: side, seed: seed)
        case .fields: return try Drawing.land(number: number, label: label, side: side, seed: seed)
        }
    }

    private enum Part {
        case train, good, defective(Int)
    }

    /// Of five surfaces of a product, three are for training, one is sound, and one has a defect.
    private func part(of number: Int) -> Part {
        let rank = number / classes
        switch rank % 5 {
        case 3: return .good
        case 4: return .defective((rank / 5 + number % classes) % Drawing.defects.count)
        default: return .train
        }
    }
}
