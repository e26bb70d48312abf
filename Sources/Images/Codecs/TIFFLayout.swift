import Base

#if canImport(CTIFF)
    import CTIFF

    /// How the pixels of a TIFF are stored.
    struct TIFFLayout {
        enum Colours {
            case grey, invertedGrey, palette, rgb, inks
            /// RGB, multiplied by a fourth sample.
            case premultiplied
            /// What libtiff converts to RGB.
            case converted
        }

        let width, height, pixelCount, bits, orientation: Int
        let colours: Colours
        /// The size of a tile; nil if the image has whole rows.
        let tile: (width: Int, height: Int)?
        private let samples: Int
        private let isPlanar: Bool
        /// The pixels of a tile, or of a strip, which may be the whole image.
        private let segmentPixels: Int
        private let isJPEG: Bool

        /// Throws `Failure` for what is not decoded, and for sizes that no memory is taken for.
        init(_ tiff: OpaquePointer, pixelLimit: Int) throws {
            func tag(_ number: Int32) -> Int { Int(crate_tiff_short(tiff, UInt32(number))) }
            func size(_ number: Int32) -> Int { Int(crate_tiff_long(tiff, UInt32(number))) }
            let (width, height) = (size(TIFFTAG_IMAGEWIDTH), size(TIFFTAG_IMAGELENGTH))
            pixelCount = try Image.pixelCount(width: width, height: height, limit: pixelLimit)
            (self.width, self.height) = (width, height)
            orientation = tag(TIFFTAG_ORIENTATION)
            bits = tag(TIFFTAG_BITSPERSAMPLE)
            samples = tag(TIFFTAG_SAMPLESPERPIXEL)
            let isPlanar = tag(TIFFTAG_PLANARCONFIG) == Int(PLANARCONFIG_SEPARATE)
            let isJPEG = tag(TIFFTAG_COMPRESSION) == Int(COMPRESSION_JPEG)
            (self.isPlanar, self.isJPEG) = (isPlanar, isJPEG)
            try Self.requireKnown(compression: tag(TIFFTAG_COMPRESSION), format: tag(TIFFTAG_SAMPLEFORMAT))
            colours = try Self.colours(
                photometric: Int32(tag(TIFFTAG_PHOTOMETRIC)), bits: bits, samples: samples,
                isPremultiplied: crate_tiff_extra_sample(tiff) == EXTRASAMPLE_ASSOCALPHA
            ) {
                isJPEG && !isPlanar && crate_tiff_request_rgb(tiff) == 1
            }
            if TIFFIsTiled(tiff) != 0 {
                let tile = (width: size(TIFFTAG_TILEWIDTH), height: size(TIFFTAG_TILELENGTH))
                try Self.require(tile: tile, width: width, height: height)
                (self.tile, segmentPixels) = (tile, tile.width * tile.height)
            } else {
                let rows = size(TIFFTAG_ROWSPERSTRIP)
                (tile, segmentPixels) = (nil, width * (rows == 0 ? height : min(rows, height)))
            }
            guard (storedSamples...16).contains(samples) else {
                throw undecodable("a TIFF image of \(samples) samples a pixel")
            }
        }

        /// The samples of a pixel that are kept.
        var storedSamples: Int {
            switch colours {
            case .grey, .invertedGrey, .palette: 1
            case .rgb, .converted: 3
            case .premultiplied, .inks: 4
            }
        }

        /// How many times the rows are read, for one sample each or for all.
        var planes: Int { isPlanar ? storedSamples : 1 }

        /// The bytes of `count` pixels of a row, in one plane.
        func rowBytes(_ count: Int) -> Int { (count * bits * (isPlanar ? 1 : samples) + 7) / 8 }

        /// Memory that decoding takes at most, without that of the tags.
        var decodingBytes: Int {
            let copies = 3 * pixelCount * (orientation > 1 ? 1 : 0) + max(3, storedSamples) * pixelCount
            let conversion = colours == .converted ? 4 * pixelCount + 2 * samples * segmentPixels : 0
            let part = tile.map { rowBytes($0.width) * $0.height } ?? rowBytes(width)
            // The JPEG library keeps the coefficients of an image of several scans.
            return copies + conversion + part + (isJPEG ? 3 * samples * segmentPixels : 0)
        }
    }

    extension TIFFLayout {
        private static func requireKnown(compression: Int, format: Int) throws {
            // No others: some take memory without a limit, and none is common.
            let known = [
                COMPRESSION_NONE, COMPRESSION_CCITTRLE, COMPRESSION_CCITTFAX3, COMPRESSION_CCITTFAX4, COMPRESSION_LZW,
                COMPRESSION_JPEG, COMPRESSION_ADOBE_DEFLATE, COMPRESSION_DEFLATE, COMPRESSION_PACKBITS,
            ]
            guard known.contains(Int32(compression)) else {
                throw undecodable("a TIFF image of an unknown compression (\(compression))")
            }
            guard format == Int(SAMPLEFORMAT_UINT) else {
                let isFloat = format == Int(SAMPLEFORMAT_IEEEFP)
                throw undecodable("a TIFF image of \(isFloat ? "floating-point" : "signed") values")
            }
        }

        /// `requestRGB` asks for YCbCr as RGB, and returns whether it comes so.
        private static func colours(
            photometric: Int32, bits: Int, samples: Int, isPremultiplied: Bool, requestRGB: () -> Bool
        ) throws -> Colours {
            let isWhole = bits == 8 || bits == 16
            switch photometric {
            case PHOTOMETRIC_MINISWHITE where isWhole || [1, 2, 4].contains(bits): return .invertedGrey
            case PHOTOMETRIC_MINISBLACK where isWhole || [1, 2, 4].contains(bits): return .grey
            case PHOTOMETRIC_RGB where isWhole: return isPremultiplied && samples > 3 ? .premultiplied : .rgb
            case PHOTOMETRIC_PALETTE where [1, 2, 4, 8].contains(bits): return .palette
            case PHOTOMETRIC_SEPARATED where isWhole: return .inks
            case PHOTOMETRIC_YCBCR where bits == 8 && samples == 1: return .grey
            case PHOTOMETRIC_YCBCR where bits == 8: return requestRGB() ? .rgb : .converted
            default: throw undecodable("a TIFF image of an unknown kind (\(photometric), \(bits) bits)")
            }
        }

        /// Tiles may reach beyond the image, but not by so much that they would take far longer than the image.
        private static func require(tile: (width: Int, height: Int), width: Int, height: Int) throws {
            func padded(_ size: Int, _ step: Int) -> Int { (size + step - 1) / step * step }
            let limit = 4 * width * height + 1 << 22
            guard (1...limit).contains(tile.width), (1...limit).contains(tile.height),
                padded(width, tile.width) <= limit / padded(height, tile.height)
            else { throw undecodable("a TIFF image of tiles of \(tile.width) x \(tile.height) pixels") }
        }
    }

    // From the samples of the file to RGB.
    extension TIFFLayout {
        /// Writes what is kept of `count` pixels of a row in `plane` to `values`, in 8 bits.
        func keep(_ row: UnsafePointer<UInt8>, count: Int, plane: Int, in values: UnsafeMutablePointer<UInt8>) {
            let interleaved = isPlanar ? 1 : samples
            let isGrey = colours == .grey || colours == .invertedGrey
            let scale = isGrey && bits < 8 ? 255 / (1 << bits - 1) : 1
            for pixel in 0..<count {
                for channel in 0..<(isPlanar ? 1 : storedSamples) {
                    let sample = pixel * interleaved + channel
                    let target = pixel * storedSamples + plane + channel
                    switch bits {
                    case 8: values[target] = row[sample]
                    case 16:
                        let value = UnsafeRawPointer(row).loadUnaligned(fromByteOffset: 2 * sample, as: UInt16.self)
                        values[target] = isGrey ? UInt8((UInt32(value) * 255 + 32_895) >> 16) : UInt8(value >> 8)
                    default:
                        let bit = sample * bits
                        let value = Int(row[bit / 8]) >> (8 - bits - bit % 8) & (1 << bits - 1)
                        values[target] = UInt8(value * scale)
                    }
                }
            }
        }

        /// RGB from the samples that are kept, in place.
        func convert(_ values: UnsafeMutableBufferPointer<UInt8>, palette: [SIMD3<UInt8>]) {
            switch colours {
            case .rgb, .converted: break
            case .grey, .invertedGrey, .palette:
                // From the end, since RGB takes more space.
                for pixel in (0..<pixelCount).reversed() {
                    let value = values[pixel]
                    let colour = SIMD3(repeating: colours == .grey ? value : 255 - value)
                    values.store(colours == .palette ? palette[Int(value)] : colour, at: pixel)
                }
            case .inks:
                for pixel in 0..<pixelCount {
                    let black = 255 - UInt32(values[4 * pixel + 3])
                    for channel in 0..<3 {
                        let product = UInt32(values[4 * pixel + channel]) * black + 128
                        values[3 * pixel + channel] = UInt8(black - (product >> 8 + product) >> 8)
                    }
                }
            case .premultiplied:
                for pixel in 0..<pixelCount {
                    let alpha = UInt32(values[4 * pixel + 3])
                    for channel in 0..<3 {
                        let value = UInt32(values[4 * pixel + channel])
                        values[3 * pixel + channel] = alpha == 0 ? 0 : UInt8(min(255, value * 255 / alpha))
                    }
                }
            }
        }
    }
#endif
