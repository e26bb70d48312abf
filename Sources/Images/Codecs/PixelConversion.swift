import Base

extension Image {
    /// This image with the channels and depth of `format`, without a copy if it has them.
    ///
    /// Grey is repeated as RGB. RGB becomes luma of ITU-R 601 with Pillow's rounding, (19595 R + 38470 G + 7471 B + 2^15) >> 16, in 8 bits
    /// unless both formats have 16. 8 bits become 16 as 257 v, and 16 become 8 as v / 257, rounded. Throws `Failure` for other channels.
    package func converted(to format: PixelFormat) throws -> Image {
        try format.require(channels: self.format.channels)
        let narrow = format.depth < self.format.depth ? try narrowed() : self
        let image: Image
        switch (narrow.format.channels, format.channels) {
        case (3, 1): image = try narrow.luma()
        case (1, 3): image = try narrow.repeatedGrey()
        default: image = narrow
        }
        return format.depth > image.format.depth ? try image.widened() : image
    }

    private func with(channels: Int? = nil, depth: Int? = nil, _ pixels: [UInt8]) throws -> Image {
        let format = try PixelFormat(channels: channels ?? format.channels, depth: depth ?? format.depth)
        return try Image(width: width, height: height, pixels: pixels, format: format)
    }

    private func narrowed() throws -> Image {
        try with(
            depth: 8,
            mapped(UInt16.self) { (values: UnsafePixels<UInt16>, target: UnsafeMutablePixels<UInt8>) in
                for index in 0..<values.count { target[index] = UInt8((UInt32(values[index]) * 255 + 32_895) >> 16) }
            })
    }

    private func widened() throws -> Image {
        try with(
            depth: 16,
            mapped(UInt8.self) { (values: UnsafePixels<UInt8>, target: UnsafeMutablePixels<UInt16>) in
                for index in 0..<values.count { target[index] = UInt16(values[index]) * 257 }
            })
    }

    private func luma() throws -> Image {
        func weigh<Value: FixedWidthInteger>(_ values: UnsafePixels<Value>, _ target: UnsafeMutablePixels<Value>) {
            for pixel in 0..<values.count / 3 {
                let (red, green) = (UInt32(values[3 * pixel]), UInt32(values[3 * pixel + 1]))
                let sum = 19_595 * red + 38_470 * green + 7_471 * UInt32(values[3 * pixel + 2]) + 32_768
                target[pixel] = Value(truncatingIfNeeded: sum >> 16)
            }
        }
        return try with(
            channels: 1, format.depth == 8 ? mapped(UInt8.self, by: 3, weigh) : mapped(UInt16.self, by: 3, weigh))
    }

    private func repeatedGrey() throws -> Image {
        let size = format.bytesPerValue
        return try with(
            channels: 3,
            [UInt8](unsafeUninitializedCapacity: 3 * pixels.count) { target, initialised in
                for start in stride(from: 0, to: pixels.count, by: size) {
                    for copy in 0..<3 {
                        for byte in 0..<size { target[3 * start + copy * size + byte] = pixels[start + byte] }
                    }
                }
                initialised = 3 * pixels.count
            })
    }

    /// The bytes that `body` makes of the values: as many, or a `share`th.
    private func mapped<Value: FixedWidthInteger, Target: FixedWidthInteger>(
        _ type: Value.Type, by share: Int = 1, _ body: (UnsafePixels<Value>, UnsafeMutablePixels<Target>) -> Void
    ) -> [UInt8] {
        let count = pixels.count / MemoryLayout<Value>.size
        let byteCount = count / share * MemoryLayout<Target>.size
        return [UInt8](unsafeUninitializedCapacity: byteCount) { target, initialised in
            pixels.withUnsafeBytes {
                body(
                    UnsafePixels(start: $0.baseAddress!, count: count),
                    UnsafeMutablePixels(start: UnsafeMutableRawPointer(target.baseAddress!)))
            }
            initialised = byteCount
        }
    }
}

/// Values in bytes, little-endian whatever the processor is.
struct UnsafePixels<Value: FixedWidthInteger> {
    let start: UnsafeRawPointer
    let count: Int

    subscript(index: Int) -> Value {
        @inline(__always) get {
            Value(
                littleEndian: start.loadUnaligned(
                    fromByteOffset: index &* MemoryLayout<Value>.size, as: Value.self))
        }
    }
}

/// Values in bytes, little-endian whatever the processor is.
struct UnsafeMutablePixels<Value: FixedWidthInteger> {
    let start: UnsafeMutableRawPointer

    subscript(index: Int) -> Value {
        @inline(__always) get {
            Value(
                littleEndian: start.loadUnaligned(
                    fromByteOffset: index &* MemoryLayout<Value>.size, as: Value.self))
        }
        @inline(__always) nonmutating set {
            start.storeBytes(
                of: newValue.littleEndian, toByteOffset: index &* MemoryLayout<Value>.size, as: Value.self)
        }
    }
}

extension PixelFormat {
    /// Whether images of `channels` channels become images of this format: those with as many, and grey and RGB each other.
    package func accepts(channels: Int) -> Bool {
        channels == self.channels || ([1, 3].contains(channels) && [1, 3].contains(self.channels))
    }

    /// Throws `Failure` unless images of `channels` channels become images of this format.
    func require(channels: Int) throws {
        guard accepts(channels: channels) else {
            let counted = "\(channels) channel\(channels == 1 ? "" : "s")"
            throw undecodable("the image has \(counted), \(self.channels) are asked for")
        }
    }

    /// Bytes a pixel that `Image.converted(to:)` takes beside the image.
    package func conversionBytes(to format: PixelFormat) -> Int {
        let narrow = format.depth < depth ? channels : 0
        let coloured = channels != format.channels ? format.channels * min(depth, format.depth) / 8 : 0
        return narrow + coloured + (format.depth > depth ? format.bytesPerPixel : 0)
    }

    /// Throws `Failure` if an image takes more bytes than RGB of 8 bits of `pixelLimit` pixels, or of `ImageDecoder.pixelLimit` if that is
    /// more.
    package func requireSize(width: Int, height: Int, pixelLimit: Int) throws {
        let most = 3 * max(pixelLimit, ImageDecoder.pixelLimit)
        guard width * height <= most / bytesPerPixel else {
            throw Failure(
                "an image of \(width) x \(height) pixels with \(self) takes more than \(most / 1_000_000) MB",
                hint: "divide it, or raise --max-pixels beyond \(ImageDecoder.pixelLimit)")
        }
    }
}
