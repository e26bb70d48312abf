import Base

/// Writes TIFF 6.0 files without compression.
package enum TIFFEncoder {
    private enum FieldType: UInt16 {
        case short = 3
        case long = 4
    }

    /// The image as one strip: pixels in (row, column, channel) order, little-endian. RGB of 8 bits is marked as such; of anything else,
    /// the first channel is marked as grey and the others as of no stated meaning.
    ///
    /// Throws `Failure` if the file would be larger than the format allows.
    package static func encode(_ image: Image) throws -> [UInt8] {
        let (format, count) = (image.format, image.pixels.count)
        let channels = format.channels
        let isRGB = format == .rgb
        let extras = channels - (isRGB ? 3 : 1)
        // The values of fields that do not fit into their entry follow the image, which begins behind the header.
        let start = 8
        guard count < 1 << 31 else {
            throw unencodable(image, as: "TIFF", "\(count) bytes do not fit into 2 GiB")
        }
        var directory = Directory(at: start + count + count % 2)
        directory.add(256, .long, [image.width])
        directory.add(257, .long, [image.height])
        directory.add(258, .short, [Int](repeating: format.depth, count: channels))
        directory.add(259, .short, [1])
        directory.add(262, .short, [isRGB ? 2 : 1])
        directory.add(273, .long, [start])
        directory.add(277, .short, [channels])
        directory.add(278, .long, [image.height])
        directory.add(279, .long, [count])
        directory.add(284, .short, [1])
        if extras > 0 { directory.add(338, .short, [Int](repeating: 0, count: extras)) }
        directory.add(339, .short, [Int](repeating: 1, count: channels))

        var file: [UInt8] = [0x49, 0x49, 42, 0]
        append(directory.start, bytes: 4, to: &file)
        file += image.pixels
        if count % 2 == 1 { file.append(0) }
        file += directory.encoded()
        return file
    }

    /// The list of fields, and the values that do not fit into it.
    private struct Directory {
        private static let entryBytes = 12
        let start: Int
        private var entries: [(tag: Int, type: FieldType, values: [Int])] = []

        init(at start: Int) { self.start = start }

        mutating func add(_ tag: Int, _ type: FieldType, _ values: [Int]) { entries.append((tag, type, values)) }

        func encoded() -> [UInt8] {
            var (table, more): ([UInt8], [UInt8]) = ([], [])
            let valuesStart = start + 2 + Self.entryBytes * entries.count + 4
            append(entries.count, bytes: 2, to: &table)
            for entry in entries {
                let bytes = entry.type == .short ? 2 : 4
                append(entry.tag, bytes: 2, to: &table)
                append(Int(entry.type.rawValue), bytes: 2, to: &table)
                append(entry.values.count, bytes: 4, to: &table)
                var values: [UInt8] = []
                for value in entry.values { append(value, bytes: bytes, to: &values) }
                if values.count > 4 {
                    append(valuesStart + more.count, bytes: 4, to: &table)
                    more += values
                } else {
                    table += values + [UInt8](repeating: 0, count: 4 - values.count)
                }
            }
            append(0, bytes: 4, to: &table)  // no further image
            return table + more
        }
    }

    private static func append(_ value: Int, bytes: Int, to file: inout [UInt8]) {
        for byte in 0..<bytes { file.append(UInt8(truncatingIfNeeded: value >> (8 * byte))) }
    }
}
