import Base

#if canImport(CWebP)
    import CWebP

    let webPVersion: String? = {
        let number = WebPGetDecoderVersion()
        return "\(number >> 16).\(number >> 8 & 255).\(number & 255)"
    }()

    /// Decodes a WebP image, or the first frame of an animation on a black canvas.
    func decodeWebP(
        _ bytes: UnsafeRawBufferPointer, pixelLimit: Int, reserve: (ImageHeader) throws -> Void
    ) throws -> Image {
        let whole = try webPFeatures(bytes)
        guard whole.has_animation != 0 else {
            return try decodeWebPFrame(
                bytes, whole, at: (0, 0), canvas: (Int(whole.width), Int(whole.height)), pixelLimit: pixelLimit,
                reserve: reserve)
        }
        var data = WebPData(bytes: bytes.bindMemory(to: UInt8.self).baseAddress, size: bytes.count)
        guard let animation = WebPDemux(&data) else { throw corruptWebP }
        defer { WebPDemuxDelete(animation) }
        var frame = WebPIterator()
        guard WebPDemuxGetFrame(animation, 1, &frame) != 0 else { throw corruptWebP }
        defer { WebPDemuxReleaseIterator(&frame) }
        let part = UnsafeRawBufferPointer(start: frame.fragment.bytes, count: frame.fragment.size)
        return try decodeWebPFrame(
            part, try webPFeatures(part), at: (Int(frame.x_offset), Int(frame.y_offset)),
            canvas: (
                Int(WebPDemuxGetI(animation, WEBP_FF_CANVAS_WIDTH)),
                Int(WebPDemuxGetI(animation, WEBP_FF_CANVAS_HEIGHT))
            ),
            pixelLimit: pixelLimit, reserve: reserve)
    }

    private var corruptWebP: Failure { undecodable("the WebP data are corrupt or end early") }

    private func webPFeatures(_ bytes: UnsafeRawBufferPointer) throws -> WebPBitstreamFeatures {
        var features = WebPBitstreamFeatures()
        let start = bytes.bindMemory(to: UInt8.self).baseAddress
        guard WebPGetFeatures(start, bytes.count, &features) == VP8_STATUS_OK else { throw corruptWebP }
        return features
    }

    private func decodeWebPFrame(
        _ bytes: UnsafeRawBufferPointer, _ features: WebPBitstreamFeatures, at place: (x: Int, y: Int),
        canvas: (width: Int, height: Int), pixelLimit: Int, reserve: (ImageHeader) throws -> Void
    ) throws -> Image {
        let count = try Image.pixelCount(width: canvas.width, height: canvas.height, limit: pixelLimit)
        let (width, height) = (Int(features.width), Int(features.height))
        guard width > 0, height > 0, place.x + width <= canvas.width, place.y + height <= canvas.height else {
            throw corruptWebP
        }
        try reserve(
            ImageHeader(
                width: canvas.width, height: canvas.height,
                decodingBytes: 3 * count + webPBytes(features, byteCount: bytes.count)))
        let rowBytes = 3 * canvas.width
        let pixels = try [UInt8](unsafeUninitializedCapacity: 3 * count) { values, initialised in
            if width * height < count { values.initialize(repeating: 0) }
            let start = rowBytes * place.y + 3 * place.x
            guard
                WebPDecodeRGBInto(
                    bytes.bindMemory(to: UInt8.self).baseAddress, bytes.count, values.baseAddress! + start,
                    3 * count - start, Int32(rowBytes)) != nil
            else { throw corruptWebP }
            initialised = 3 * count
        }
        return try Image(width: canvas.width, height: canvas.height, pixels: pixels)
    }

    /// Memory that libwebp takes at most, beside the image.
    private func webPBytes(_ features: WebPBitstreamFeatures, byteCount: Int) -> Int {
        let rows = 128 * Int(features.width) + 1 << 20
        let isLossless = features.format == 2
        guard isLossless || features.has_alpha != 0 else { return rows }
        // The lossless format, in which alpha is stored too: all pixels, and a set of tables for squares of 4 x 4 pixels or more, which
        // takes some bytes of the file.
        let count = Int(features.width) * Int(features.height)
        let sets = min(65_536, count / 16 + 1, byteCount / 4 + 1000)
        return rows + 5 * count + 21 << 10 * sets
    }
#else
    let webPVersion: String? = nil

    func decodeWebP(
        _ bytes: UnsafeRawBufferPointer, pixelLimit: Int, reserve: (ImageHeader) throws -> Void
    ) throws -> Image {
        throw ImageKind.webP.withoutLibrary
    }
#endif
