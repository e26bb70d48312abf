import Base
import CHDF5

/// The types of values.
package enum HDF5Type: Sendable {
    case uint8, uint16, uint32, int64, float
    /// Strings of any length in UTF-8.
    case text

    /// Bytes of a value in its dataset; of a string, those of its reference: length, address and number.
    var byteCount: Int {
        switch self {
        case .uint8: 1
        case .uint16: 2
        case .uint32, .float: 4
        case .int64: 8
        case .text: 16
        }
    }

    /// How the earliest version of the format describes the type: class and version, flags, bytes, and first bit and number of bits or,
    /// of a string, the type of its letters.
    var message: [UInt8] {
        switch self {
        case .uint8: [0x10, 0, 0, 0, 1, 0, 0, 0, 0, 0, 8, 0]
        case .uint16: [0x10, 0, 0, 0, 2, 0, 0, 0, 0, 0, 16, 0]
        case .uint32: [0x10, 0, 0, 0, 4, 0, 0, 0, 0, 0, 32, 0]
        case .int64: [0x10, 8, 0, 0, 8, 0, 0, 0, 0, 0, 64, 0]
        // With the places and the bias of the exponent.
        case .float: [0x11, 0x20, 31, 0, 4, 0, 0, 0, 0, 0, 32, 0, 23, 8, 0, 23, 127, 0, 0, 0]
        case .text: [0x19, 1, 1, 0, 16, 0, 0, 0, 0x10, 0, 0, 0, 1, 0, 0, 0, 0, 0, 8, 0]
        }
    }
}

extension HDF5Type {
    /// The library's own type, as a copy.
    func handle(_ turn: borrowing HDF5Turn, orThrow failure: @autoclosure () -> Failure) throws -> HDF5Handle {
        let own =
            switch self {
            case .uint8: crate_h5_uint8()
            case .uint16: crate_h5_uint16()
            case .uint32: crate_h5_uint32()
            case .int64: crate_h5_int64()
            case .float: crate_h5_float()
            case .text: crate_h5_string()
            }
        let type = try HDF5Handle(H5Tcopy(own), closedBy: H5Tclose, turn, orThrow: failure())
        if self == .text {
            try check(H5Tset_size(type.id, crate_h5_variable_length()), orThrow: failure())
            try check(H5Tset_cset(type.id, H5T_CSET_UTF8), orThrow: failure())
        }
        return type
    }
}
