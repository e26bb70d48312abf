import Base

#if canImport(CTIFF)
    import CTIFF

    let tiffVersion: String? = {
        // The first line ends with it.
        let line = String(cString: TIFFGetVersion()).prefix { $0 != "\n" }
        return line.split(separator: " ").last.map(String.init)
    }()

    /// Decodes the first image of a TIFF to `format`, turned as its orientation says, as Pillow turns it. For other channels than 1 and 3,
    /// images of one sample each are the channels, if there are as many.
    ///
    /// In 8 bits, colours of 16 bits keep their upper 8, as in Pillow. Other values of 16 bits are scaled as in PNG (Pillow cuts grey off at
    /// 255).
    func decodeTIFF(
        _ bytes: UnsafeRawBufferPointer, as format: PixelFormat, pixelLimit: Int, reserve: (ImageHeader) throws -> Void
    ) throws -> Image {
        let first = try TIFFDirectory(firstOf: bytes)
        var file = crate_tiff_file()
        file.bytes = bytes.bindMemory(to: UInt8.self).baseAddress
        file.count = UInt64(bytes.count)
        return try withUnsafeMutablePointer(to: &file) { file in
            guard let tiff = crate_tiff_open(file, tmsize_t(8 * bytes.count + 256 << 20)) else {
                throw tiffFailure(file)
            }
            defer { TIFFClose(tiff) }
            var pages = [first]
            if !format.accepts(channels: 3), crate_tiff_short(tiff, UInt32(TIFFTAG_SAMPLESPERPIXEL)) == 1 {
                pages = try first.series(in: bytes, most: format.channels)
                try format.require(channels: pages.count)
            }
            func layout() throws -> TIFFLayout {
                try TIFFLayout(
                    tiff, format, isPage: pages.count > 1, byteCount: bytes.count, pixelLimit: pixelLimit)
            }
            func nextPage(_ page: TIFFDirectory, like first: TIFFLayout) throws -> TIFFLayout {
                guard TIFFSetSubDirectory(tiff, UInt64(page.offset)) == 1 else { throw tiffFailure(file) }
                let next = try layout()
                guard (next.width, next.height, next.orientation) == (first.width, first.height, first.orientation)
                else { throw undecodable("the images of the TIFF differ in size or orientation") }
                return next
            }
            let layout = try layout()
            let tagBytes = pages.map(\.tagBytes).max() ?? 0
            try reserve(
                ImageHeader(
                    width: layout.width, height: layout.height,
                    decodingBytes: layout.decodingBytes + 8 * tagBytes + 1 << 20))
            let values = max(layout.result.channels, layout.pixelStride) * layout.pixelCount
            let pixels = try [UInt8](unsafeUninitializedCapacity: values * layout.result.bytesPerValue) {
                bytes, initialised in
                let start = UnsafeMutableRawPointer(bytes.baseAddress!)
                for (channel, page) in pages.enumerated() {
                    let own = channel == 0 ? layout : try nextPage(page, like: layout)
                    let isComplete =
                        layout.result.depth == 8
                        ? try readTIFF(tiff, own, channel: channel, into: UnsafeMutablePixels<UInt8>(start: start))
                        : try readTIFF(tiff, own, channel: channel, into: UnsafeMutablePixels<UInt16>(start: start))
                    guard isComplete else { throw tiffFailure(file) }
                    guard file.pointee.ends_early == 0 else { throw ImageBytes.endsEarly }
                }
                initialised = layout.result.bytesPerPixel * layout.pixelCount
            }
            let image = try Image(width: layout.width, height: layout.height, pixels: pixels, format: layout.result)
            return try oriented(image.converted(to: format), layout.orientation)
        }
    }

    private func tiffFailure(_ file: UnsafePointer<crate_tiff_file>) -> Failure {
        let text = withUnsafeBytes(of: file.pointee.problem) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        return undecodable(text.isEmpty ? "the TIFF data are corrupt" : "TIFF: \(text.printable)")
    }

    /// Reads an image in the colours of its result, or a page as a channel of it. Returns whether all could be read.
    private func readTIFF<Value: FixedWidthInteger>(
        _ tiff: OpaquePointer, _ layout: TIFFLayout, channel: Int, into values: UnsafeMutablePixels<Value>
    ) throws -> Bool {
        let palette = try layout.colours == .palette ? tiffPalette(tiff, bits: layout.bits) : []
        guard layout.colours != .converted else { return try convertTIFF(tiff, layout, into: values) }
        guard try readSamples(tiff, layout, channel: channel, into: values) else { return false }
        layout.convert(values, palette: palette)
        return true
    }

    /// Reads the samples that are kept, pixel by pixel.
    private func readSamples<Value: FixedWidthInteger>(
        _ tiff: OpaquePointer, _ layout: TIFFLayout, channel: Int, into values: UnsafeMutablePixels<Value>
    ) throws -> Bool {
        let (partWidth, partHeight) = layout.tile ?? (layout.width, 1)
        let partBytes = Int(layout.tile == nil ? TIFFScanlineSize(tiff) : TIFFTileSize(tiff))
        guard partBytes >= layout.rowBytes(partWidth) * partHeight else {
            throw undecodable("the TIFF data are corrupt")
        }
        let part = try OwnedBuffer<UInt8>(count: partBytes)
        for plane in 0..<layout.planes {
            for y in stride(from: 0, to: layout.height, by: partHeight) {
                for x in stride(from: 0, to: layout.width, by: partWidth) {
                    let isRead =
                        layout.tile == nil
                        ? TIFFReadScanline(tiff, part.pointer, UInt32(y), UInt16(plane)) == 1
                        : TIFFReadTile(tiff, part.pointer, UInt32(x), UInt32(y), 0, UInt16(plane)) >= partBytes
                    guard isRead else { return false }
                    for row in 0..<min(partHeight, layout.height - y) {
                        layout.keep(
                            part.pointer + row * layout.rowBytes(partWidth), count: min(partWidth, layout.width - x),
                            in: values,
                            at: layout.pixelStride * ((y + row) * layout.width + x) + plane + channel)
                    }
                }
            }
        }
        return true
    }

    /// Lets libtiff convert an image to RGB. Returns whether it could.
    private func convertTIFF<Value: FixedWidthInteger>(
        _ tiff: OpaquePointer, _ layout: TIFFLayout, into values: UnsafeMutablePixels<Value>
    ) throws -> Bool {
        var conversion = TIFFRGBAImage()
        var message = [CChar](repeating: 0, count: 1024)
        guard TIFFRGBAImageBegin(&conversion, tiff, 1, &message) == 1 else { return false }
        defer { TIFFRGBAImageEnd(&conversion) }
        conversion.orientation = UInt16(ORIENTATION_TOPLEFT)
        conversion.req_orientation = UInt16(ORIENTATION_TOPLEFT)
        let raster = try OwnedBuffer<UInt32>(count: layout.pixelCount)
        guard TIFFRGBAImageGet(&conversion, raster.pointer, UInt32(layout.width), UInt32(layout.height)) == 1 else {
            return false
        }
        for pixel in 0..<layout.pixelCount {
            for channel in 0..<3 {
                let value = UInt8(truncatingIfNeeded: raster.pointer[pixel] >> UInt32(8 * channel))
                values[3 * pixel + channel] = Value(widening: value)
            }
        }
        return true
    }

    private func tiffPalette(_ tiff: OpaquePointer, bits: Int) throws -> [SIMD3<UInt8>] {
        guard let red = crate_tiff_palette(tiff, 0), let green = crate_tiff_palette(tiff, 1),
            let blue = crate_tiff_palette(tiff, 2)
        else { throw undecodable("a TIFF image without its palette") }
        return (0..<1 << bits).map {
            SIMD3(UInt8(red[$0] >> 8), UInt8(green[$0] >> 8), UInt8(blue[$0] >> 8))
        }
    }
#else
    let tiffVersion: String? = nil

    func decodeTIFF(
        _ bytes: UnsafeRawBufferPointer, as format: PixelFormat, pixelLimit: Int, reserve: (ImageHeader) throws -> Void
    ) throws -> Image {
        throw ImageKind.tiff.withoutLibrary
    }
#endif
