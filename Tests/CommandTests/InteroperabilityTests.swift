import Foundation
import TestSupport
import Testing

/// Debian's Python, for which Launch/setup --tests installs h5py. Another one in PATH may lack it.
private let python = "/usr/bin/python3"

private func pythonHas(_ module: String) -> Bool {
    (try? run([python, "-c", "import \(module)"]))?.status == 0
}

@Suite struct InteroperabilityTests {
    @Test(.enabled(if: pythonHas("h5py"), "\(python) has no h5py; install python3-h5py"))
    func h5pyReadsTheShards() throws {
        try withShards(train: 64) { path in
            let script = """
                import h5py, json, sys, zlib
                index = json.load(open(sys.argv[1] + "/index.json"))
                for shard in index["shards"]:
                    with h5py.File(sys.argv[1] + "/" + shard["file"]) as f:
                        patches, checksums = f["patches"], f["checksums"]
                        good = all(zlib.crc32(patches[i].tobytes()) == checksums[i] for i in range(len(patches)))
                        print(patches.shape, patches.dtype, patches.chunks, f["labels"].dtype, good)
                        print(f["keys"][0].decode(), f["labels"][0])
                """
            let result = try run([python, "-c", script, "\(path)/train"])
            #expect(result.status == 0, "\(result.errors)")
            #expect(
                result.output.split(separator: "\n") == [
                    "(40, 25, 192) uint8 (1, 25, 192) int64 True", "class-00/00000.jpg 0",
                    "(24, 25, 192) uint8 (1, 25, 192) int64 True", "class-02/00008.jpg 2",
                ])
        }
    }

    /// The other way round: h5py makes the files anew, with attributes, and `verify` reads them.
    @Test(
        .enabled(if: pythonHas("h5py"), "\(python) has no h5py; install python3-h5py"), arguments: ["patches", "jpeg"])
    func shardsOfH5pyAreRead(encoding: String) throws {
        try withTemporaryDirectory { path in
            try #require(try crate(["synthesize", "\(path)/in", "--images", "24", "--classes", "3"]).status == 0)
            let sharding = ["shard", "\(path)/in", "\(path)/out", "--encoding", encoding, "--image-size", "32"]
            try #require(try crate(sharding).status == 0)
            let script = """
                import h5py, json, os, sys, zlib
                path = sys.argv[1] + "/shard-00000.h5"
                with h5py.File(path) as old, h5py.File(path + ".new", "w", libver="earliest") as new:
                    new.attrs["made by"] = "h5py"
                    for name in old:
                        chunks, limits = old[name].chunks, old[name].maxshape if name == "bytes" else None
                        new.create_dataset(name, data=old[name][:], dtype=old[name].dtype, chunks=chunks, maxshape=limits)
                        new[name].attrs["note"] = "a copy of " + name
                os.rename(path + ".new", path)
                data = open(path, "rb").read()
                index = json.load(open(sys.argv[1] + "/index.json"))
                del index["indexChecksum"], index["shards"][0]["structure"]
                index["shards"][0].update(bytes=len(data), checksum=zlib.crc32(data))
                json.dump(index, open(sys.argv[1] + "/index.json", "w"))
                """
            let written = try run([python, "-c", script, "\(path)/out"])
            try #require(written.status == 0, "\(written.errors)")
            let verified = try crate(["verify", "\(path)/out"])
            #expect(verified.status == 0 && verified.output.contains("is sound: 24 samples"), "\(verified)")
        }
    }
}
