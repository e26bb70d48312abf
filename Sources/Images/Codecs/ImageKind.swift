import Base

/// The kinds of images that are decoded.
package enum ImageKind: String, CaseIterable, Sendable {
    case jpeg = "JPEG"
    case png = "PNG"
    case webP = "WebP"
    case gif = "GIF"
    case tiff = "TIFF"
    case bmp = "BMP"
    case pnm = "PNM"

    /// The kind that the first bytes of a file tell, whatever its name is; nil if none.
    package init?(of bytes: [UInt8]) {
        let starts: [(Self, [UInt8])] = [
            (.jpeg, [0xFF, 0xD8, 0xFF]), (.png, [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]),
            (.gif, Array("GIF87a".utf8)), (.gif, Array("GIF89a".utf8)), (.bmp, Array("BM".utf8)),
            // In either byte order, and with addresses of 32 or 64 bits.
            (.tiff, [0x49, 0x49, 42, 0]), (.tiff, [0x4D, 0x4D, 0, 42]), (.tiff, [0x49, 0x49, 43, 0]),
            (.tiff, [0x4D, 0x4D, 0, 43]),
        ]
        if let kind = starts.first(where: { bytes.starts(with: $0.1) })?.0 {
            self = kind
        } else if bytes.starts(with: Array("RIFF".utf8)), bytes.dropFirst(8).starts(with: Array("WEBP".utf8)) {
            self = .webP
        } else if bytes.count > 2, bytes[0] == UInt8(ascii: "P"), (0x31...0x37).contains(bytes[1]),
            PNMReader.isSpace(bytes[2]) || bytes[2] == UInt8(ascii: "#")
        {
            self = .pnm
        } else {
            return nil
        }
    }

    /// The usual suffix of a file's name.
    package var suffix: String {
        switch self {
        case .jpeg: "jpg"
        case .tiff: "tif"
        case .png, .webP, .gif, .bmp, .pnm: rawValue.lowercased()
        }
    }

    /// The library that decodes this kind, where the program can be built without it.
    package var optionalLibrary: String? {
        switch self {
        case .webP: "libwebp"
        case .gif: "giflib"
        case .tiff: "libtiff"
        case .jpeg, .png, .bmp, .pnm: nil
        }
    }

    /// The version of that library; nil if this program was built without it.
    package var installedVersion: String? {
        switch self {
        case .webP: webPVersion
        case .gif: gifVersion
        case .tiff: tiffVersion
        case .jpeg, .png, .bmp, .pnm: nil
        }
    }

    /// The kinds that this program was built without.
    package static var missing: [Self] { allCases.filter { $0.optionalLibrary != nil && $0.installedVersion == nil } }

    /// The libraries that the program can be built without, with their versions.
    package static var libraries: String {
        allCases.compactMap { kind in kind.optionalLibrary.map { "\($0) \(kind.installedVersion ?? "missing")" } }
            .joined(separator: ", ")
    }

    /// The failure of an image of this kind in a program without its library.
    var withoutLibrary: Failure {
        Failure(
            "\(rawValue) images need \(optionalLibrary ?? ""), which this program was built without",
            hint: "run Launch/setup and build again, or convert the file to PNG")
    }
}
