/// How large images may be and how finely they are cut: bounds of memory that is sized by numbers from outside.
package enum PatchLimits {
    /// The largest side of an image in pixels, be it stored or what a model sees.
    package static let imageSize = 4096
    /// The most patches of a side.
    package static let patchesPerSide = 128
}
