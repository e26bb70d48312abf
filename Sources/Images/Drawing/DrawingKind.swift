import Base

/// A collection of drawn images.
package enum DrawingKind: String, CaseIterable, Sendable {
    /// Shaded shapes: RGB of 8 bits.
    case shapes
    /// Manufactured surfaces, some with a defect: RGB of 8 bits.
    case defects
    /// Cells under a microscope: grey, 12 bits in 16.
    case cells
    /// Fields from above: red, green, blue and near infrared of 16 bits.
    case fields

    /// The names of its classes, of which the first few may be drawn; nil: any number of classes without names.
    package var classNames: [String]? {
        switch self {
        case .shapes: nil
        case .defects: Drawing.products
        case .cells: Drawing.cells
        case .fields: Drawing.landUses
        }
    }

    /// What an image is encoded as.
    package var fileExtension: String {
        switch self {
        case .shapes: "jpg"
        case .defects, .cells: "png"
        case .fields: "tif"
        }
    }

    /// Throws `Failure` if the image is too large for the format.
    package func encode(_ image: Image) throws -> [UInt8] {
        switch self {
        case .shapes: try JPEGEncoder.encode(image)
        case .defects: try PNGEncoder.encode(image)
        case .cells: try GreyPNGEncoder.encode(image)
        case .fields: try TIFFEncoder.encode(image)
        }
    }

    /// Separates the random numbers of the kinds.
    var stream: Int {
        switch self {
        case .shapes: 0
        case .defects: 1
        case .cells: 2
        case .fields: 3
        }
    }
}
