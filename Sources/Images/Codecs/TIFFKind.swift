import Base

#if canImport(CTIFF)
    import CTIFF

    /// What the tags of a TIFF say of its samples.
    struct TIFFKind {
        let photometric: Int32
        let bits, samples: Int
        /// The kind of the first sample beyond the colours.
        let extra: Int32
        let isJPEG: Bool

        private var isWhole: Bool { bits == 8 || bits == 16 }
        private var isGrey: Bool { photometric == PHOTOMETRIC_MINISBLACK || photometric == PHOTOMETRIC_MINISWHITE }

        /// How the samples become `format`; `requestRGB` asks for YCbCr as RGB, and returns whether it comes so.
        ///
        /// Throws `Failure` for what is not decoded, and for other channels.
        func colours(
            for format: PixelFormat, isPage: Bool, requestRGB: () -> Bool
        ) throws -> TIFFLayout.Colours {
            if isPage || !format.accepts(channels: 3) || (format != .rgb && isGrey && samples == format.channels) {
                return try bands(for: format, isPage: isPage)
            }
            let colours = try colours(isPackedKnown: format != .rgb, requestRGB)
            if format != .rgb { try requireColoursAlone(colours, format) }
            return colours
        }

        private func bands(for format: PixelFormat, isPage: Bool) throws -> TIFFLayout.Colours {
            guard isGrey || photometric == PHOTOMETRIC_RGB || photometric == PHOTOMETRIC_SEPARATED else {
                try format.require(channels: photometric == PHOTOMETRIC_YCBCR ? samples : 3)
                throw unknown
            }
            guard (1...16).contains(bits), !isJPEG || bits == 8 else { throw unknown }
            guard !isPage || samples == 1 else {
                throw undecodable("the images of the TIFF have different numbers of channels")
            }
            if !isPage { try format.require(channels: samples) }
            // One sample of grey may be inverted.
            if samples == 1 && !isPage { return photometric == PHOTOMETRIC_MINISWHITE ? .invertedGrey : .grey }
            return .bands
        }

        private func colours(isPackedKnown: Bool, _ requestRGB: () -> Bool) throws -> TIFFLayout.Colours {
            let isPacked = isPackedKnown && (9...15).contains(bits) && !isJPEG
            switch photometric {
            case PHOTOMETRIC_MINISWHITE where isWhole || isPacked || [1, 2, 4].contains(bits): return .invertedGrey
            case PHOTOMETRIC_MINISBLACK where isWhole || isPacked || [1, 2, 4].contains(bits): return .grey
            case PHOTOMETRIC_RGB where isWhole || isPacked:
                return extra == EXTRASAMPLE_ASSOCALPHA && samples > 3 ? .premultiplied : .rgb
            case PHOTOMETRIC_PALETTE where [1, 2, 4, 8].contains(bits): return .palette
            case PHOTOMETRIC_SEPARATED where isWhole || isPacked: return .inks
            case PHOTOMETRIC_YCBCR where bits == 8 && samples == 1: return .grey
            case PHOTOMETRIC_YCBCR where bits == 8: return requestRGB() ? .rgb : .converted
            default: throw unknown
            }
        }

        /// Throws `Failure` if there are samples beside the colours and an alpha channel.
        private func requireColoursAlone(_ colours: TIFFLayout.Colours, _ format: PixelFormat) throws {
            let isAlpha = extra == EXTRASAMPLE_ASSOCALPHA || extra == EXTRASAMPLE_UNASSALPHA
            let most: Int
            switch colours {
            case .grey, .invertedGrey, .palette, .bands: most = isAlpha ? 2 : 1
            case .rgb, .converted, .premultiplied: most = 4
            case .inks: most = 5
            }
            guard samples <= most else {
                throw undecodable("the image has \(samples) channels, \(format.channels) are asked for")
            }
        }

        private var unknown: Failure { undecodable("a TIFF image of an unknown kind (\(photometric), \(bits) bits)") }
    }
#endif
