import Base
import CHDF5
import Foundation
import Shards
import TestSupport

/// Shards in which libhdf5 replaced a part by one that it can read and this program cannot. Runs in a child process.
enum UnsupportedShards {
    enum Kind: CaseIterable {
        case filtered, external, otherVersion, softLink, compact, bigEndian, group, chunkedLabels

        var problem: String {
            switch self {
            case .filtered: "/labels has filters, which is not supported"
            case .external: "/labels has external storage, which is not supported"
            case .otherVersion: "the superblock is damaged or of a version that is not supported"
            case .softLink: "it has a link, which is not supported"
            case .compact: "the layout of /labels is not supported"
            case .bigEndian: "/labels has the wrong type"
            case .group: "/labels is not a dataset"
            case .chunkedLabels: "/labels is not stored in one piece"
            }
        }
    }

    /// Prints the failure of opening each, on a line.
    static func run() throws {
        crate_h5_prepare()
        try withTemporaryDirectory { directory in
            _ = try makeSource("\(directory)/in")
            for (number, kind) in Kind.allCases.enumerated() {
                let out = "\(directory)/\(number)"
                try shard("\(directory)/in", to: out)
                let path = "\(out)/shard-00000.h5"
                try replaceLabels(of: path, by: kind, directory)
                let data = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
                try editShard(0, of: out) {
                    $0["structure"] = nil
                    $0["bytes"] = data.count
                    $0["checksum"] = Checksum(of: data).value
                }
                do {
                    let index = try ShardIndex.load(directory: out)
                    _ = try ShardReader(directory: out, shard: 0, index: index)
                    print("\(kind) is read")
                } catch let failure as Failure {
                    print(failure)
                }
            }
        }
    }

    private static func replaceLabels(of path: String, by kind: Kind, _ directory: String) throws {
        let none = crate_h5_default()
        let file = H5Fopen(path, crate_h5_read_write(), none)
        defer { H5Fclose(file) }
        if kind == .otherVersion { return try copyAll(of: file, to: path) }
        H5Ldelete(file, "labels", none)
        if kind == .softLink { return _ = H5Lcreate_soft("/keys", file, "labels", none, none) }
        if kind == .group { return _ = H5Gclose(H5Gcreate2(file, "labels", none, none, none)) }
        let space = H5Screate_simple(1, [4], nil)
        let creation = H5Pcreate(crate_h5_dataset_creation())
        switch kind {
        case .filtered:
            H5Pset_chunk(creation, 1, [4])
            H5Pset_fletcher32(creation)
        case .chunkedLabels: H5Pset_chunk(creation, 1, [4])
        case .external:
            mkfifo("\(directory)/fifo", 0o600)
            H5Pset_external(creation, "\(directory)/fifo", 0, 32)
        case .compact: H5Pset_layout(creation, H5D_COMPACT)
        default: break
        }
        let type = H5Tcopy(crate_h5_int64())
        if kind == .bigEndian { H5Tset_order(type, H5T_ORDER_BE) }
        let dataset = H5Dcreate2(file, "labels", type, space, none, creation, none)
        if kind != .external {
            let labels: [Int64] = [0, 0, 0, 1]
            H5Dwrite(dataset, crate_h5_int64(), crate_h5_whole_space(), crate_h5_whole_space(), none, labels)
        }
        H5Dclose(dataset)
        H5Tclose(type)
        H5Pclose(creation)
        H5Sclose(space)
    }

    /// Writes the datasets of `file` to a new file of the newest version, and gives that the name `path`.
    private static func copyAll(of file: hid_t, to path: String) throws {
        let access = H5Pcreate(crate_h5_file_access())
        H5Pset_libver_bounds(access, H5F_LIBVER_V110, H5F_LIBVER_V110)
        let copy = H5Fcreate(path + ".new", crate_h5_exclusive(), crate_h5_default(), access)
        for name in ["patches", "labels", "checksums", "keys"] {
            H5Ocopy(file, name, copy, name, crate_h5_default(), crate_h5_default())
        }
        H5Fclose(copy)
        H5Pclose(access)
        try DurableFile.rename(path + ".new", to: path)
    }
}
