/// Defaults of `pretrain --debug`: a model and a batch that a core handles in seconds.
enum DebugDefaults {
    /// Stands for drawn images, whose shards exist only while the program runs.
    static let drawnData = "(drawn images)"

    /// Arguments for options that are not `given`. Options of a group are defaulted together.
    static func arguments(besides given: [String: String]) -> [String] {
        let groups: [(unless: [String], arguments: [String])] = [
            (["run"], ["--run=Checkpoints/debug"]),
            (["data", "image-size", "patch-size"], ["--image-size=32", "--patch-size=8"]),
            (["data"], ["--data=\(drawnData)"]),
            (["model", "dim", "depth", "heads"], ["--dim=48", "--depth=2", "--heads=3"]),
            (["batch-size"], ["--batch-size=4"]),
            (["epochs", "steps"], ["--steps=1000"]),
            (["blr", "lr"], ["--lr=1e-3"]),
        ]
        return groups.filter { group in group.unless.allSatisfy { given[$0] == nil } }.flatMap(\.arguments)
    }
}
