import Base

/// What the header of an image file says. Nothing is decoded.
package struct ImageFacts: Equatable, Sendable {
    package enum Colours: Equatable, Sendable {
        case grey, rgb, palette
        /// Cyan, magenta, yellow and black.
        case inks
        /// Bands of any meaning.
        case channels(Int)
    }

    /// Why a file is left out, as far as its header tells.
    package enum Problem: String, Error, CaseIterable, Sendable {
        case empty = "empty"
        case unknownKind = "no image of a known kind"
        case endsEarly = "ends inside its header"
        case damaged = "damaged header"
        case unsupported = "of a kind that is not decoded"
        case withoutLibrary = "of a format that this program was built without"
        case otherChannels = "of another number of channels than is asked for"
        case tooManyPixels = "too many pixels"
        case tooShort = "too few bytes for its size in pixels"
    }

    package let kind: ImageKind
    /// In pixels, as the image is decoded: of a TIFF, after it is turned.
    package let width: Int
    package let height: Int
    package let colours: Colours
    package let hasAlpha: Bool
    /// Bits of a stored value.
    package let bits: Int

    package init(
        kind: ImageKind, width: Int, height: Int, colours: Colours, hasAlpha: Bool = false, bits: Int = 8
    ) {
        (self.kind, self.width, self.height) = (kind, width, height)
        (self.colours, self.hasAlpha, self.bits) = (colours, hasAlpha, bits)
    }

    /// The facts of the image file `file`. Throws `Problem`, and what reading the file throws.
    package init(of file: HeaderBytes) throws {
        var file = file
        guard file.byteCount > 0 else { throw Problem.empty }
        guard let kind = ImageKind(of: try file.prefix(12)) else { throw Problem.unknownKind }
        guard !ImageKind.missing.contains(kind) else { throw Problem.withoutLibrary }
        do {
            self =
                switch kind {
                case .jpeg: try Self.jpeg(&file)
                case .png: try Self.png(&file)
                case .webP: try Self.webP(&file)
                case .gif: try Self.gif(&file)
                case .tiff: try Self.tiff(&file)
                case .bmp: try Self.bmp(&file)
                case .pnm: try Self.pnm(&file)
                }
        } catch let failure as Failure {
            // Of a reader of headers that decoding uses too.
            throw failure == ImageBytes.endsEarly ? Problem.endsEarly : Problem.damaged
        }
    }

    /// Throws `Problem` if an image in `byteCount` bytes is not decoded because of its size; `pixelLimit` is the most pixels.
    package func requireSize(byteCount: Int, pixelLimit: Int) throws {
        let (count, overflow) = width.multipliedReportingOverflow(by: height)
        guard width > 0, height > 0 else { throw Problem.damaged }
        guard !overflow, count <= min(pixelLimit, Image.maximumPixelCount) else { throw Problem.tooManyPixels }
        // The limits of the decoders: a block of 64 pixels takes a bit, deflate makes 1,032 bytes of one.
        let pixelsPerByte = kind == .jpeg ? 8 * 64 : kind == .png ? 8 * 1032 : .max
        guard count / pixelsPerByte <= byteCount else { throw Problem.tooShort }
    }

    /// Throws `Problem` if the image does not become one of `format`. A TIFF of one channel may have more in its other images.
    package func requireChannels(of format: PixelFormat) throws {
        let colour: Int
        switch colours {
        case .grey: colour = 1
        case .rgb, .palette, .inks: colour = 3
        case .channels(let count): colour = count
        }
        let isAccepted =
            format.accepts(channels: colour) || format.accepts(channels: colour + (hasAlpha ? 1 : 0))
            || (kind == .tiff && colour == 1 && !hasAlpha)
        guard isAccepted else { throw Problem.otherChannels }
    }

    /// "RGB", "grey with alpha", "RGB, 16 bits", "6 channels".
    package var mode: String {
        let name =
            switch colours {
            case .grey: "grey"
            case .rgb: "RGB"
            case .palette: "palette"
            case .inks: "CMYK"
            case .channels(let count): "\(count) channels"
            }
        return name + (hasAlpha ? " with alpha" : "")
            + (bits == 8 || colours == .palette ? "" : ", \(bits) bit\(bits == 1 ? "" : "s")")
    }
}
