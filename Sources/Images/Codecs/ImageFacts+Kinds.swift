// The headers of the kinds of images. Each function gets a file whose first bytes tell its kind.

extension ImageFacts {
    /// Steps from marker to marker to the one of the frame, over what lies between.
    static func jpeg(_ file: inout HeaderBytes) throws -> ImageFacts {
        file.isBigEndian = true
        var place = 2
        while true {
            // As the decoder does, over bytes that belong to nothing.
            while try file.byte(at: place) != 0xFF { place += 1 }
            while try file.byte(at: place) == 0xFF { place += 1 }
            let marker = try file.byte(at: place)
            place += 1
            switch marker {
            case 0, 1, 0xD0...0xD8: continue
            // A scan, or the end, before any frame.
            case 0xD9, 0xDA: throw Problem.damaged
            case 0xC0...0xC2, 0xC9, 0xCA: return try jpegFrame(&file, at: place)
            // Lossless and hierarchical ones.
            case 0xC3, 0xC5...0xC7, 0xCB, 0xCD...0xCF: throw Problem.unsupported
            default:
                let length = try file.number(2, at: place)
                guard length >= 2 else { throw Problem.damaged }
                place += length
            }
        }
    }

    private static func jpegFrame(_ file: inout HeaderBytes, at place: Int) throws -> ImageFacts {
        guard try file.byte(at: place + 2) == 8 else { throw Problem.unsupported }
        let (height, width) = (try file.number(2, at: place + 3), try file.number(2, at: place + 5))
        let colours: Colours
        switch try file.byte(at: place + 7) {
        case 1: colours = .grey
        case 3: colours = .rgb
        case 4: colours = .inks
        default: throw Problem.unsupported
        }
        return ImageFacts(kind: .jpeg, width: width, height: height, colours: colours)
    }

    static func png(_ file: inout HeaderBytes) throws -> ImageFacts {
        file.isBigEndian = true
        guard try file.bytes(4, at: 12) == Array("IHDR".utf8), try file.number(4, at: 8) == 13 else {
            throw Problem.damaged
        }
        let bits = Int(try file.byte(at: 24))
        let kinds: [UInt8: (Colours, Bool)] = [
            0: (.grey, false), 2: (.rgb, false), 3: (.palette, false), 4: (.grey, true), 6: (.rgb, true),
        ]
        guard let (colours, hasAlpha) = kinds[try file.byte(at: 25)], [1, 2, 4, 8, 16].contains(bits) else {
            throw Problem.damaged
        }
        return ImageFacts(
            kind: .png, width: try file.number(4, at: 16), height: try file.number(4, at: 20), colours: colours,
            hasAlpha: hasAlpha, bits: bits)
    }

    static func webP(_ file: inout HeaderBytes) throws -> ImageFacts {
        let form = String(decoding: try file.bytes(4, at: 12), as: UTF8.self)
        switch form {
        case "VP8 ":
            guard try file.bytes(3, at: 23) == [0x9D, 0x01, 0x2A] else { throw Problem.damaged }
            return ImageFacts(
                kind: .webP, width: try file.number(2, at: 26) & 0x3FFF, height: try file.number(2, at: 28) & 0x3FFF,
                colours: .rgb)
        case "VP8L":
            guard try file.byte(at: 20) == 0x2F else { throw Problem.damaged }
            let bits = try file.number(4, at: 21)
            return ImageFacts(
                kind: .webP, width: 1 + bits & 0x3FFF, height: 1 + bits >> 14 & 0x3FFF, colours: .rgb,
                hasAlpha: bits >> 28 & 1 == 1)
        case "VP8X":
            return ImageFacts(
                kind: .webP, width: 1 + (try file.number(3, at: 24)), height: 1 + (try file.number(3, at: 27)),
                colours: .rgb, hasAlpha: try file.byte(at: 20) & 0x10 != 0)
        default: throw Problem.damaged
        }
    }

    /// Steps over what is before the first frame, since the canvas is as large as that needs.
    static func gif(_ file: inout HeaderBytes) throws -> ImageFacts {
        func tableBytes(_ flags: UInt8) -> Int { flags & 0x80 == 0 ? 0 : 3 << (Int(flags & 7) + 1) }
        let screen = (try file.number(2, at: 6), try file.number(2, at: 8))
        var place = 13 + tableBytes(try file.byte(at: 10))
        while true {
            switch try file.byte(at: place) {
            case 0x2C:
                let frame = try (0..<4).map { try file.number(2, at: place + 1 + 2 * $0) }
                return ImageFacts(
                    kind: .gif, width: max(screen.0, frame[0] + frame[2]), height: max(screen.1, frame[1] + frame[3]),
                    colours: .palette)
            case 0x21:
                place += 2
                while true {
                    let length = Int(try file.byte(at: place))
                    place += 1 + length
                    if length == 0 { break }
                }
            default: throw Problem.damaged
            }
        }
    }

    static func bmp(_ file: inout HeaderBytes) throws -> ImageFacts {
        // The palette, too, is in the first piece.
        let header = try file.prefix().withUnsafeBytes { try BMPHeader(ImageBytes(bytes: $0)) }
        return ImageFacts(
            kind: .bmp, width: header.width, height: header.height, colours: header.bits <= 8 ? .palette : .rgb)
    }

    static func pnm(_ file: inout HeaderBytes) throws -> ImageFacts {
        let header = try file.prefix().withUnsafeBytes { bytes in
            var reader = PNMReader(bytes)
            return try reader.header()
        }
        return ImageFacts(
            kind: .pnm, width: header.width, height: header.height, colours: header.channels < 3 ? .grey : .rgb,
            hasAlpha: header.channels % 2 == 0, bits: header.isBitmap ? 1 : header.largest < 256 ? 8 : 16)
    }
}
