import Foundation
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
}
