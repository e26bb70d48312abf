import ArgumentParser

@main
struct Crate: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "crate",
        abstract: "Pretrain CRATE-MAE, the white-box masked autoencoder, on CPU clusters.",
        subcommands: [ShardCommand.self, SynthesizeCommand.self])
}
