import Base
import Images

/// How the values of an image without a file format lie in its bytes: a byte a value, row after row.
struct RawPixels: Equatable, Sendable {
    let width: Int
    let height: Int
    /// 1 for grey, 3 for red, green and blue, 4 with an opacity, which is dropped as it is in PNG files.
    let channels: Int
    /// Whether a whole channel follows another one, and not the channels of a pixel each other.
    var isPlanar = false

    static let cifar = RawPixels(width: 32, height: 32, channels: 3, isPlanar: true)

    /// Throws `Failure` if the size is empty or beyond the limits of images; `name` is what has it.
    init(width: Int, height: Int, channels: Int, isPlanar: Bool, name: String) throws {
        guard [1, 3, 4].contains(channels) else {
            throw Failure("\(name) has images of \(channels) channels", hint: "store 1 (grey), 3 (RGB) or 4 (RGBA)")
        }
        guard (1...1 << 20).contains(width), (1...1 << 20).contains(height), width * height <= Image.maximumPixelCount
        else {
            throw Failure("\(name) has images of \(width) x \(height) pixels", hint: "store (N, H, W, C) or (N, H, W)")
        }
        self.init(width: width, height: height, channels: channels, isPlanar: isPlanar)
    }

    private init(width: Int, height: Int, channels: Int, isPlanar: Bool) {
        (self.width, self.height, self.channels, self.isPlanar) = (width, height, channels, isPlanar)
    }

    var byteCount: Int { width * height * channels }

    /// The image of `bytes`. Throws `Failure` if it has more than `pixelLimit` pixels.
    func image(_ bytes: [UInt8], pixelLimit: Int) throws -> Image {
        let count = width * height
        guard count <= pixelLimit, bytes.count == byteCount else {
            throw Failure("an image of \(width) x \(height) pixels is too large", hint: "raise --max-pixels")
        }
        let (pixel, channel) = isPlanar ? (1, count) : (channels, 1)
        let pixels = [UInt8](unsafeUninitializedCapacity: 3 * count) { pixels, initialised in
            for index in 0..<count {
                for colour in 0..<3 {
                    pixels[3 * index + colour] = bytes[index * pixel + (channels == 1 ? 0 : colour * channel)]
                }
            }
            initialised = 3 * count
        }
        return try Image(width: width, height: height, pixels: pixels)
    }
}
