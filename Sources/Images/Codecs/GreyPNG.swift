import Base
import CZlib

/// Writes PNG files of one channel, of 8 or 16 bits.
///
/// libpng's simplified interface, which `PNGEncoder` uses, takes values of 16 bits for linear light and says so in the file.
package enum GreyPNGEncoder {
    /// Throws `Failure` unless the image has one channel, or if it is too large.
    package static func encode(_ image: Image) throws -> [UInt8] {
        let format = image.format
        guard format.channels == 1 else { throw unencodable(image, as: "a grey PNG", "it has \(format)") }
        var header = bigEndian(image.width) + bigEndian(image.height)
        // Grey, deflate, filters of each row, not interlaced.
        header += [UInt8(format.depth), 0, 0, 0, 0]
        let signature: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]
        let data = try deflated(rows(of: image), of: image)
        guard data.count < 1 << 31 else { throw unencodable(image, as: "a grey PNG", "the format's limit is 2 GiB") }
        return signature + chunk("IHDR", header) + chunk("IDAT", data) + chunk("IEND", [])
    }

    /// Each row behind a byte that says it is not filtered; the upper byte of a value first.
    private static func rows(of image: Image) -> [UInt8] {
        let (bytes, isWide) = (image.width * image.format.bytesPerPixel, image.format.depth == 16)
        var rows: [UInt8] = []
        rows.reserveCapacity(image.height * (bytes + 1))
        for row in 0..<image.height {
            rows.append(0)
            // The other byte of a value is next to it.
            for byte in row * bytes..<(row + 1) * bytes { rows.append(image.pixels[isWide ? byte ^ 1 : byte]) }
        }
        return rows
    }

    private static func deflated(_ bytes: [UInt8], of image: Image) throws -> [UInt8] {
        let bound = compressBound(uLong(bytes.count))
        return try [UInt8](unsafeUninitializedCapacity: Int(bound)) { output, initialised in
            var count = bound
            guard compress(output.baseAddress!, &count, bytes, uLong(bytes.count)) == Z_OK else {
                throw unencodable(image, as: "a grey PNG", "memory is short")
            }
            initialised = Int(count)
        }
    }

    private static func chunk(_ type: String, _ data: [UInt8]) -> [UInt8] {
        let body = Array(type.utf8) + data
        return bigEndian(data.count) + body + bigEndian(Int(Checksum(of: body).value))
    }

    private static func bigEndian(_ value: Int) -> [UInt8] {
        [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) }
    }
}
