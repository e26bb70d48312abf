import Base

#if canImport(CTIFF)
    import CTIFF

    /// How the pixels of a TIFF are stored, and what is kept of them.
    struct TIFFLayout {
        enum Colours {
            case grey, invertedGrey, palette, rgb, inks
            /// RGB, multiplied by a fourth sample.
            case premultiplied
            /// What libtiff converts to RGB.
            case converted
            /// Samples of any meaning.
            case bands
        }

        let width, height, pixelCount, bits, orientation: Int
        let colours: Colours
        /// The size of a tile; nil if the image has whole rows.
        let tile: (width: Int, height: Int)?
        let isPlanar: Bool
        let samples: Int
        /// What comes of it, before it is converted to `format`.
        let result: PixelFormat
        private let format: PixelFormat
        private let isPage: Bool
        /// The pixels of a tile, or of a strip, which may be the whole image.
        private let segmentPixels: Int
        private let isJPEG: Bool

        /// The image of the current directory, of a file of `byteCount` bytes, or if `isPage` a channel of one in `format`.
        ///
        /// Throws `Failure` for what is not decoded, and for sizes that no memory is taken for.
        init(_ tiff: OpaquePointer, _ format: PixelFormat, isPage: Bool, byteCount: Int, pixelLimit: Int) throws {
            func tag(_ number: Int32) -> Int { Int(crate_tiff_short(tiff, UInt32(number))) }
            func size(_ number: Int32) -> Int { Int(crate_tiff_long(tiff, UInt32(number))) }
            let (width, height) = (size(TIFFTAG_IMAGEWIDTH), size(TIFFTAG_IMAGELENGTH))
            pixelCount = try Image.pixelCount(width: width, height: height, limit: pixelLimit)
            (self.width, self.height, self.format, self.isPage) = (width, height, format, isPage)
            orientation = tag(TIFFTAG_ORIENTATION)
            bits = tag(TIFFTAG_BITSPERSAMPLE)
            samples = tag(TIFFTAG_SAMPLESPERPIXEL)
            let isPlanar = tag(TIFFTAG_PLANARCONFIG) == Int(PLANARCONFIG_SEPARATE)
            let isJPEG = tag(TIFFTAG_COMPRESSION) == Int(COMPRESSION_JPEG)
            (self.isPlanar, self.isJPEG) = (isPlanar, isJPEG)
            try Self.requireKnown(compression: tag(TIFFTAG_COMPRESSION), format: tag(TIFFTAG_SAMPLEFORMAT))
            let kind = TIFFKind(
                photometric: Int32(tag(TIFFTAG_PHOTOMETRIC)), bits: bits, samples: samples,
                extra: Int32(crate_tiff_extra_sample(tiff)), isJPEG: isJPEG)
            colours = try kind.colours(for: format, isPage: isPage) {
                isJPEG && !isPlanar && crate_tiff_request_rgb(tiff) == 1
            }
            let isSingle = format.channels == 1 && (colours == .grey || colours == .invertedGrey)
            let isGrey = isSingle || colours == .grey || colours == .invertedGrey
            // Colours of 8 bits become others, and grey, in 8 bits.
            result = try PixelFormat(
                channels: colours == .bands ? format.channels : isSingle ? 1 : 3,
                depth: bits <= 8 && colours != .bands && !isGrey ? 8 : format.depth)
            if TIFFIsTiled(tiff) != 0 {
                let tile = (width: size(TIFFTAG_TILEWIDTH), height: size(TIFFTAG_TILELENGTH))
                try Self.require(tile: tile, width: width, height: height)
                (self.tile, segmentPixels) = (tile, tile.width * tile.height)
            } else {
                let rows = size(TIFFTAG_ROWSPERSTRIP)
                (tile, segmentPixels) = (nil, width * (rows == 0 ? height : min(rows, height)))
            }
            guard (storedSamples...max(16, storedSamples)).contains(samples) else {
                throw undecodable("a TIFF image of \(samples) samples a pixel")
            }
            // A code of LZW stands for up to 4,096 bytes. (Fax codes, of one bit a pixel, stand for more.)
            guard format == .rgb || bits == 1 || pixelCount / 4096 * samples <= byteCount else {
                throw undecodable("\(byteCount) bytes cannot hold an image of \(width) x \(height) pixels")
            }
        }

        /// The samples of a pixel that are kept.
        var storedSamples: Int {
            switch colours {
            case .grey, .invertedGrey, .palette: 1
            case .rgb, .converted: 3
            case .premultiplied, .inks: 4
            case .bands: isPage ? 1 : format.channels
            }
        }

        /// Values from a pixel to the next, where they are kept.
        var pixelStride: Int { isPage ? format.channels : storedSamples }

        /// How many times the rows are read, for one sample each or for all.
        var planes: Int { isPlanar ? storedSamples : 1 }

        /// The bytes of `count` pixels of a row, in one plane.
        func rowBytes(_ count: Int) -> Int { (count * bits * (isPlanar ? 1 : samples) + 7) / 8 }

        /// Memory that decoding takes at most, without that of the tags.
        var decodingBytes: Int {
            let values = max(result.channels, pixelStride) * result.bytesPerValue * pixelCount
            let turned = orientation > 1 ? format.bytesPerPixel : 0
            let copies = (turned + result.conversionBytes(to: format)) * pixelCount
            let conversion = colours == .converted ? 4 * pixelCount + 2 * samples * segmentPixels : 0
            let part = tile.map { rowBytes($0.width) * $0.height } ?? rowBytes(width)
            // The JPEG library keeps the coefficients of an image of several scans.
            return values + copies + conversion + part + (isJPEG ? 3 * samples * segmentPixels : 0)
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

        /// Tiles may reach beyond the image, but not by so much that they would take far longer than the image.
        private static func require(tile: (width: Int, height: Int), width: Int, height: Int) throws {
            func padded(_ size: Int, _ step: Int) -> Int { (size + step - 1) / step * step }
            let limit = 4 * width * height + 1 << 22
            guard (1...limit).contains(tile.width), (1...limit).contains(tile.height),
                padded(width, tile.width) <= limit / padded(height, tile.height)
            else { throw undecodable("a TIFF image of tiles of \(tile.width) x \(tile.height) pixels") }
        }
    }
#endif
