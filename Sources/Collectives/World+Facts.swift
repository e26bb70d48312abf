import COpenMPI
import Foundation

extension World {
    /// MPI's name and version; can be called before MPI is started.
    package static var mpiVersion: String {
        var (text, count) = ([CChar](repeating: 0, count: Int(crate_mpi_version_length())), Int32(0))
        MPI_Get_library_version(&text, &count)
        let bytes = text.prefix(Int(max(0, count))).map { UInt8(bitPattern: $0) }
        return String(decoding: bytes.prefix { $0 != UInt8(ascii: ",") && $0 != 0 }, as: UTF8.self)
    }

    /// Each rank's `bytes`, in rank order, on all ranks.
    package func gather(_ bytes: [UInt8]) -> [[UInt8]] { (0..<size).map { broadcast(bytes, from: $0) } }
}
