import Foundation

/// What the program that started this process says of its place among others: Open MPI's mpirun, another MPI's, or Slurm's srun.
struct Launcher {
    /// 0 without a launcher.
    let rank: Int
    /// Nil if unknown.
    let size: Int?
    /// Among the ranks of this node; nil if unknown.
    let localRank: Int?
    /// Whether MPI connects the ranks. Started by what it does not know, Open MPI makes each process a world of its own, or aborts.
    let connectsRanks: Bool

    static let ofProcess = Launcher(ProcessInfo.processInfo.environment)

    init(_ environment: [String: String]) {
        func number(_ names: String...) -> Int? { names.lazy.compactMap { environment[$0].flatMap { Int($0) } }.first }
        rank = number("OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "SLURM_PROCID") ?? 0
        // Without srun, a batch script has Slurm's number of tasks too.
        size = number("OMPI_COMM_WORLD_SIZE", "PMI_SIZE")
        localRank = number("OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID", "SLURM_LOCALID")
        connectsRanks =
            number("OMPI_COMM_WORLD_SIZE").map { $0 > 1 }
            ?? (environment["PMIX_NAMESPACE"] != nil && number("SLURM_STEP_NUM_TASKS") != 1)
    }
}
