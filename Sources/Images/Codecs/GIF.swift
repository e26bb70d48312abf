import Base

#if canImport(CGIF)
    import CGIF

    let gifVersion: String? = (0..<3).map { String(crate_gif_version($0)) }.joined(separator: ".")

    /// Decodes the first frame of a GIF. What the frame leaves free has the transparent colour, or the palette's first.
    func decodeGIF(
        _ bytes: UnsafeRawBufferPointer, pixelLimit: Int, reserve: (ImageHeader) throws -> Void
    ) throws -> Image {
        var file = GIFBytes(bytes: bytes)
        return try withUnsafeMutablePointer(to: &file) { file in
            var status: Int32 = 0
            guard let gif = DGifOpen(file, readGIF, &status) else { throw gifFailure(status) }
            defer { DGifCloseFile(gif, &status) }
            let transparent = try findGIFFrame(gif)
            let frame = gif.pointee.Image
            let (left, top) = (Int(frame.Left), Int(frame.Top))
            let (frameWidth, frameHeight) = (Int(frame.Width), Int(frame.Height))
            let width = max(Int(gif.pointee.SWidth), left + frameWidth)
            let height = max(Int(gif.pointee.SHeight), top + frameHeight)
            let count = try Image.pixelCount(width: width, height: height, limit: pixelLimit)
            // A code of 12 bits stands for at most 4,096 pixels.
            _ = try Image.pixelCount(
                width: frameWidth, height: frameHeight, byteCount: bytes.count, pixelsPerByte: 4096, limit: pixelLimit)
            try reserve(
                ImageHeader(width: width, height: height, decodingBytes: 3 * count + width + 32 * height + 1 << 20))
            let colours = gifColours(frame.ColorMap ?? gif.pointee.SColorMap)
            let pixels = try [UInt8](unsafeUninitializedCapacity: 3 * count) { values, initialised in
                if frameWidth * frameHeight < count {
                    for pixel in 0..<count { values.store(colours[transparent ?? 0], at: pixel) }
                }
                var line = [UInt8](repeating: 0, count: frameWidth)
                for row in gifRows(frameHeight, isInterlaced: frame.Interlace) {
                    guard DGifGetLine(gif, &line, frame.Width) == GIF_OK else { throw gifFailure(gif.pointee.Error) }
                    let start = (top + row) * width + left
                    for column in 0..<frameWidth { values.store(colours[Int(line[column])], at: start + column) }
                }
                initialised = 3 * count
            }
            return try Image(width: width, height: height, pixels: pixels)
        }
    }

    /// A file that giflib reads from memory.
    private struct GIFBytes {
        let bytes: UnsafeRawBufferPointer
        var place = 0
    }

    private func readGIF(
        _ gif: UnsafeMutablePointer<GifFileType>?, _ target: UnsafeMutablePointer<GifByteType>?, _ count: Int32
    ) -> Int32 {
        guard let gif, let target, let file = gif.pointee.UserData?.assumingMemoryBound(to: GIFBytes.self) else {
            return 0
        }
        let taken = min(Int(count), file.pointee.bytes.count - file.pointee.place)
        guard taken > 0 else { return 0 }
        UnsafeMutableRawPointer(target).copyMemory(
            from: file.pointee.bytes.baseAddress! + file.pointee.place, byteCount: taken)
        file.pointee.place += taken
        return Int32(taken)
    }

    /// Reads up to the pixels of the first frame. Returns its transparent colour; nil without one.
    private func findGIFFrame(_ gif: UnsafeMutablePointer<GifFileType>) throws -> Int? {
        var transparent: Int?
        while true {
            var kind = UNDEFINED_RECORD_TYPE
            guard DGifGetRecordType(gif, &kind) == GIF_OK else { throw gifFailure(gif.pointee.Error) }
            switch kind {
            case IMAGE_DESC_RECORD_TYPE:
                guard DGifGetImageDesc(gif) == GIF_OK else { throw gifFailure(gif.pointee.Error) }
                return transparent
            case EXTENSION_RECORD_TYPE:
                var code: Int32 = 0
                var block: UnsafeMutablePointer<GifByteType>?
                guard DGifGetExtension(gif, &code, &block) == GIF_OK else { throw gifFailure(gif.pointee.Error) }
                // Its length, flags, delay of two bytes, and the colour.
                if code == GRAPHICS_EXT_FUNC_CODE, let block, block[0] >= 4, block[1] & 1 == 1 {
                    transparent = Int(block[4])
                }
                while block != nil {
                    guard DGifGetExtensionNext(gif, &block) == GIF_OK else { throw gifFailure(gif.pointee.Error) }
                }
            default: throw undecodable("a GIF file without an image")
            }
        }
    }

    /// 256 colours, black where the palette has none; without a palette shades of grey.
    private func gifColours(_ map: UnsafeMutablePointer<ColorMapObject>?) -> [SIMD3<UInt8>] {
        guard let map = map?.pointee else { return (0..<256).map { SIMD3(repeating: UInt8($0)) } }
        return (0..<256).map { index in
            guard index < map.ColorCount else { return SIMD3() }
            let colour = map.Colors[index]
            return SIMD3(colour.Red, colour.Green, colour.Blue)
        }
    }

    /// The rows of a frame in the order in which the file has them.
    private func gifRows(_ height: Int, isInterlaced: Bool) -> [Int] {
        guard isInterlaced else { return Array(0..<height) }
        return [(0, 8), (4, 8), (2, 4), (1, 2)].flatMap { Array(stride(from: $0.0, to: height, by: $0.1)) }
    }

    private func gifFailure(_ status: Int32) -> Failure {
        undecodable(GifErrorString(status).map { "GIF: " + String(cString: $0) } ?? "the GIF data are corrupt")
    }
#else
    let gifVersion: String? = nil

    func decodeGIF(
        _ bytes: UnsafeRawBufferPointer, pixelLimit: Int, reserve: (ImageHeader) throws -> Void
    ) throws -> Image {
        throw ImageKind.gif.withoutLibrary
    }
#endif

extension UnsafeMutableBufferPointer<UInt8> {
    /// Writes the colour of a pixel of RGB.
    func store(_ colour: SIMD3<UInt8>, at pixel: Int) {
        for channel in 0..<3 { self[3 * pixel + channel] = colour[channel] }
    }
}
