#if canImport(CTIFF)
    extension FixedWidthInteger {
        /// `value` of 8 bits in the range of this type, UInt8 or UInt16.
        @inline(__always)
        init(widening value: UInt8) { self.init(truncatingIfNeeded: UInt16(value) * 257) }
    }

    // From the samples of the file to colours.
    extension TIFFLayout {
        /// Writes what is kept of `count` pixels of a row of one plane, or of all, to `values` from `first` on.
        func keep<Value: FixedWidthInteger>(
            _ row: UnsafePointer<UInt8>, count: Int, in values: UnsafeMutablePixels<Value>, at first: Int
        ) {
            let interleaved = isPlanar ? 1 : samples
            let kept = isPlanar ? 1 : storedSamples
            let stride = pixelStride
            let highest = UInt32(Value.max)
            // In 8 bits, the upper 8 of colours.
            let isCut = [.rgb, .premultiplied, .inks].contains(colours)
            // Indices into a palette stay as they are.
            let largest = colours == .palette ? highest : UInt32(1) << UInt32(bits) - 1
            for pixel in 0..<count {
                for channel in 0..<kept {
                    let sample = pixel * interleaved + channel
                    let value: Value
                    switch bits {
                    case 8: value = colours == .palette ? Value(row[sample]) : Value(widening: row[sample])
                    case 16:
                        let whole = UnsafeRawPointer(row).loadUnaligned(fromByteOffset: 2 * sample, as: UInt16.self)
                        if Value.bitWidth == 16 {
                            value = Value(truncatingIfNeeded: whole)
                        } else {
                            let scaled = isCut ? UInt32(whole) >> 8 : (UInt32(whole) * 255 + 32_895) >> 16
                            value = Value(truncatingIfNeeded: scaled)
                        }
                    default:
                        let packed = bitField(row, at: sample * bits, count: bits)
                        value = Value(truncatingIfNeeded: (packed * highest + largest / 2) / largest)
                    }
                    values[first + pixel * stride + channel] = value
                }
            }
        }

        /// The number of up to 16 bits that begins at a bit of `row`, the highest first.
        @inline(__always)
        private func bitField(_ row: UnsafePointer<UInt8>, at bit: Int, count: Int) -> UInt32 {
            var (value, place, left) = (UInt32(0), bit, count)
            while left > 0 {
                let taken = min(left, 8 - place % 8)
                let part = UInt32(row[place / 8]) >> UInt32(8 - taken - place % 8) & (1 << UInt32(taken) - 1)
                value = value << UInt32(taken) | part
                place += taken
                left -= taken
            }
            return value
        }

        /// The colours of the result from the samples that are kept, in place.
        func convert<Value: FixedWidthInteger>(_ values: UnsafeMutablePixels<Value>, palette: [SIMD3<UInt8>]) {
            let highest = UInt32(Value.max)
            switch colours {
            case .rgb, .converted, .bands: break
            case .grey where result.channels == 1: break
            case .invertedGrey where result.channels == 1:
                for pixel in 0..<pixelCount { values[pixel] = Value.max - values[pixel] }
            case .grey, .invertedGrey, .palette:
                // From the end, since RGB takes more space.
                for pixel in (0..<pixelCount).reversed() {
                    let value = values[pixel]
                    for channel in 0..<3 {
                        values[3 * pixel + channel] =
                            switch colours {
                            case .grey: value
                            case .palette: Value(widening: palette[Int(value)][channel])
                            default: Value.max - value
                            }
                    }
                }
            case .inks:
                for pixel in 0..<pixelCount {
                    let black = highest - UInt32(values[4 * pixel + 3])
                    for channel in 0..<3 {
                        let product = UInt32(values[4 * pixel + channel]) * black + highest / 2
                        values[3 * pixel + channel] = Value(truncatingIfNeeded: black - product / highest)
                    }
                }
            case .premultiplied:
                for pixel in 0..<pixelCount {
                    let alpha = UInt32(values[4 * pixel + 3])
                    for channel in 0..<3 {
                        let value = UInt32(values[4 * pixel + channel])
                        values[3 * pixel + channel] =
                            alpha == 0 ? 0 : Value(truncatingIfNeeded: min(highest, value * highest / alpha))
                    }
                }
            }
        }
    }
#endif
