import Foundation
import TestSupport
import Testing

/// Synthetic images in shards, and a barely trained model.
private func makeRun(_ directory: String) throws -> (train: String, validation: String, run: String) {
    let (train, validation, run) = ("\(directory)/train", "\(directory)/val", "\(directory)/run")
    for (name, count) in [(train, "120"), (validation, "60")] {
        let images = "\(name)-images"
        #expect(
            try crate([
                "synthesize", images, "--images", count, "--classes", "3", "--image-size", "32", "--seed", count,
            ]).status == 0)
        #expect(try crate(["shard", images, name, "--image-size", "32", "--patch-size", "8"]).status == 0)
    }
    let options = ["--dim", "16", "--depth", "2", "--heads", "2", "--image-size", "32", "--patch-size", "8"]
    let result = try crate(
        ["pretrain", "--data", train, "--run", run, "--batch-size", "8", "--steps", "2"] + options)
    #expect(result.status == 0, "\(result.errors)")
    return (train, validation, run)
}

@Suite struct ProbeTests {
    @Test func probingDoesNotDependOnRanksAndErrorsAreReported() throws {
        try withTemporaryDirectory { directory in
            let (train, validation, run) = try makeRun(directory)
            let probe = ["probe", "--checkpoint", run, "--train", train, "--validation", validation]
            let alone = try crate(probe + ["--layers", "all", "--pooling", "mean", "class", "--json"])
            #expect(alone.status == 0, "\(alone.errors)")
            let lines = alone.output.split(separator: "\n")
            #expect(lines.count == 6)
            #expect(lines.allSatisfy { $0.contains("\"linear\"") && $0.contains("\"neighbours\"") })
            let together = try crate(
                probe + ["--layers", "all", "--pooling", "mean", "class", "--json", "--threads", "2"], ranks: 2)
            #expect(together.output == alone.output)
            #expect(try crate(probe + ["--random", "3"]).status == 0)

            for (arguments, text) in [
                (probe + ["--layers", "3"], "there is no layer 3"),
                (probe + ["--layers", "0,norm"], "there is no layer 0"),
                (["probe", "--checkpoint", run, "--train", train, "--validation", directory], "index.json"),
            ] {
                let result = try crate(arguments, ranks: 2)
                #expect(result.status == 1)
                #expect(result.failureLines.count == 1)
                #expect(result.errors.contains(text), "\(result.errors)")
            }
        }
    }

    @Test func differentClassesAreRejected() throws {
        try withTemporaryDirectory { directory in
            let (train, validation, run) = try makeRun(directory)
            let images = "\(validation)-images"
            let first = try #require(try FileManager.default.contentsOfDirectory(atPath: images).sorted().first)
            try FileManager.default.moveItem(atPath: "\(images)/\(first)", toPath: "\(images)/other")
            let other = "\(directory)/other"
            #expect(try crate(["shard", images, other, "--image-size", "32", "--patch-size", "8"]).status == 0)
            let result = try crate(["probe", "--checkpoint", run, "--train", train, "--validation", other])
            #expect(result.status == 1)
            #expect(result.failureLines.count == 1)
            #expect(result.errors.contains("other classes"), "\(result.errors)")
        }
    }

    @Test func featuresAreReadableAndDoNotDependOnRanks() throws {
        try withTemporaryDirectory { directory in
            let (train, _, model) = try makeRun(directory)
            var sums: [String] = []
            for ranks in [nil, 2, 3] {
                let output = "\(directory)/features.h5"
                let result = try crate(
                    [
                        "features", "--checkpoint", model, "--data", train, "--output", output, "--layers", "all",
                        "--pooling",
                        "mean", "class",
                    ], ranks: ranks)
                #expect(result.status == 0, "\(result.errors)")
                let script = """
                    import h5py, hashlib
                    f = h5py.File("\(output)")
                    assert sorted(k for k in f) == sorted(["labels", "classes"] + [p + "." + l for p in ("mean", "class") for l in ("1", "2", "norm")])
                    assert f["mean.norm"].shape == (120, 16) and f["mean.norm"].dtype == "float32"
                    assert abs(f["mean.1"][:]).sum() > 0 and f["labels"][:].max() > 0
                    assert "step-" in f.attrs["checkpoint"]
                    assert list(f["classes"].asstr()) == ["class-%02d" % i for i in range(f["labels"][:].max() + 1)]
                    print(hashlib.md5(b"".join(f[k][:].tobytes() for k in sorted(f) if k != "classes")).hexdigest())
                    """
                let read = try run(["/usr/bin/python3", "-c", script])
                #expect(read.status == 0, "\(read.errors)")
                sums.append(read.output)
            }
            #expect(Set(sums).count == 1)
            let leftovers = try FileManager.default.contentsOfDirectory(atPath: directory).filter {
                $0.contains("partial")
            }
            #expect(leftovers.isEmpty)
        }
    }
}
