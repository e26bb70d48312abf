import Base

#if canImport(CTIFF)
    import CTIFF

    let tiffVersion: String? = {
        // The first line ends with it.
        let line = String(cString: TIFFGetVersion()).prefix { $0 != "\n" }
        return line.split(separator: " ").last.map(String.init)
    }()

    /// Decodes the first image of a TIFF, turned as its orientation says, as Pillow turns it.
    ///
    /// Colours of 16 bits keep their upper 8, as in Pillow. Grey of 16 bits is scaled as in PNG (Pillow cuts it off at 255).
    func decodeTIFF(
        _ bytes: UnsafeRawBufferPointer, pixelLimit: Int, reserve: (ImageHeader) throws -> Void
    ) throws -> Image {
        let tagBytes = try tiffTagBytes(bytes)
        var file = crate_tiff_file()
        file.bytes = bytes.bindMemory(to: UInt8.self).baseAddress
        file.count = UInt64(bytes.count)
        return try withUnsafeMutablePointer(to: &file) { file in
            guard let tiff = crate_tiff_open(file, tmsize_t(8 * bytes.count + 256 << 20)) else {
                throw tiffFailure(file)
            }
            defer { TIFFClose(tiff) }
            let layout = try TIFFLayout(tiff, pixelLimit: pixelLimit)
            try reserve(
                ImageHeader(
                    width: layout.width, height: layout.height,
                    decodingBytes: layout.decodingBytes + 8 * tagBytes + 1 << 20))
            let palette = try layout.colours == .palette ? tiffPalette(tiff, bits: layout.bits) : []
            let stored = layout.storedSamples
            let pixels = try [UInt8](unsafeUninitializedCapacity: layout.pixelCount * max(3, stored)) {
                values, initialised in
                let isComplete =
                    try layout.colours == .converted
                    ? convertTIFF(tiff, layout, into: values) : readTIFF(tiff, layout, into: values)
                guard isComplete else { throw tiffFailure(file) }
                guard file.pointee.ends_early == 0 else { throw ImageBytes.endsEarly }
                layout.convert(values, palette: palette)
                initialised = 3 * layout.pixelCount
            }
            return try oriented(Image(width: layout.width, height: layout.height, pixels: pixels), layout.orientation)
        }
    }

    private func tiffFailure(_ file: UnsafePointer<crate_tiff_file>) -> Failure {
        let text = withUnsafeBytes(of: file.pointee.problem) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        return undecodable(text.isEmpty ? "the TIFF data are corrupt" : "TIFF: \(text.printable)")
    }

    /// Reads the samples that are kept, in 8 bits each, pixel by pixel. Returns whether all could be read.
    private func readTIFF(
        _ tiff: OpaquePointer, _ layout: TIFFLayout, into values: UnsafeMutableBufferPointer<UInt8>
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
                            plane: plane,
                            in: values.baseAddress! + layout.storedSamples * ((y + row) * layout.width + x))
                    }
                }
            }
        }
        return true
    }

    /// Lets libtiff convert an image to RGB. Returns whether it could.
    private func convertTIFF(
        _ tiff: OpaquePointer, _ layout: TIFFLayout, into values: UnsafeMutableBufferPointer<UInt8>
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
                values[3 * pixel + channel] = UInt8(truncatingIfNeeded: raster.pointer[pixel] >> UInt32(8 * channel))
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
        _ bytes: UnsafeRawBufferPointer, pixelLimit: Int, reserve: (ImageHeader) throws -> Void
    ) throws -> Image {
        throw ImageKind.tiff.withoutLibrary
    }
#endif
