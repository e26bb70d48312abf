extension ImageFacts {
    /// The tags of the first image, wherever they are in the file.
    static func tiff(_ file: inout HeaderBytes) throws -> ImageFacts {
        file.isBigEndian = try file.byte(at: 0) == UInt8(ascii: "M")
        let isBig = try file.number(2, at: 2) == 43
        let directory = try file.number(isBig ? 8 : 4, at: isBig ? 8 : 4)
        let count = try file.number(isBig ? 8 : 2, at: directory)
        guard count <= 1000 else { throw Problem.damaged }
        var values: [Int: Int] = [:]
        for position in 0..<count {
            let entry = directory + (isBig ? 8 + 20 * position : 2 + 12 * position)
            let tag = try file.number(2, at: entry)
            guard Tag(rawValue: tag) != nil, values[tag] == nil else { continue }
            values[tag] = try firstValue(&file, at: entry, isBig: isBig)
        }
        func value(_ tag: Tag, _ standard: Int) -> Int { values[tag.rawValue] ?? standard }
        guard value(.sampleFormat, 1) == 1 else { throw Problem.unsupported }
        let (samples, photometric) = (value(.samples, 1), value(.photometric, 1))
        let (width, height) = (value(.width, 0), value(.height, 0))
        let isTurned = (5...8).contains(value(.orientation, 1))
        let (colours, own) = Self.colours(photometric: photometric, samples: samples)
        let isAlpha = [1, 2].contains(value(.extraSamples, 0)) && samples == own + 1
        return ImageFacts(
            kind: .tiff, width: isTurned ? height : width, height: isTurned ? width : height,
            colours: samples > own + (isAlpha ? 1 : 0) ? .channels(samples) : colours, hasAlpha: isAlpha,
            bits: value(.bits, 1))
    }

    private enum Tag: Int {
        case width = 256
        case height = 257
        case bits = 258
        case photometric = 262
        case orientation = 274
        case samples = 277
        case extraSamples = 338
        case sampleFormat = 339
    }

    /// What `photometric` means, and how many samples of a pixel that are.
    private static func colours(photometric: Int, samples: Int) -> (Colours, samples: Int) {
        switch photometric {
        case 2: (.rgb, 3)
        case 3: (.palette, 1)
        case 5: (.inks, 4)
        case 6: samples == 1 ? (.grey, 1) : (.rgb, 3)
        default: (.grey, 1)
        }
    }

    /// The first value of the entry at `entry`, of bytes, short or long numbers; 0 if it is of another type.
    private static func firstValue(_ file: inout HeaderBytes, at entry: Int, isBig: Bool) throws -> Int {
        let sizes = [1: 1, 3: 2, 4: 4, 16: 8]
        guard let size = sizes[try file.number(2, at: entry + 2)] else { return 0 }
        let count = try file.number(isBig ? 8 : 4, at: entry + 4)
        let place = entry + (isBig ? 12 : 8)
        let isInside = count <= (isBig ? 8 : 4) / size
        return try file.number(size, at: isInside ? place : file.number(isBig ? 8 : 4, at: place))
    }
}
