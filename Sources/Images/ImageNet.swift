/// The statistics of ImageNet's pixels that published models are trained with, per channel, in units of 0...1.
public enum ImageNet {
    /// The mean of red, green and blue.
    public static let mean = SIMD3<Float>(0.485, 0.456, 0.406)
    /// The standard deviation of red, green and blue.
    public static let deviation = SIMD3<Float>(0.229, 0.224, 0.225)
}
