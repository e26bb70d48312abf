import Base
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
    /// Whether nothing tells Open MPI of other processes: no mpirun, and a srun, if any, that does not speak its protocol.
    private let isAlone: Bool

    static let ofProcess = Launcher(ProcessInfo.processInfo.environment)

    init(_ environment: [String: String]) {
        func number(_ names: String...) -> Int? { names.lazy.compactMap { environment[$0].flatMap { Int($0) } }.first }
        rank = number("OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "SLURM_PROCID") ?? 0
        // Without srun, a batch script has Slurm's number of tasks too.
        size = number("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS")
        localRank = number("OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID", "SLURM_LOCALID")
        connectsRanks =
            number("OMPI_COMM_WORLD_SIZE").map { $0 > 1 }
            ?? (environment["PMIX_NAMESPACE"] != nil && number("SLURM_STEP_NUM_TASKS") != 1)
        isAlone = environment["OMPI_COMM_WORLD_SIZE"] == nil && environment["PMIX_NAMESPACE"] == nil
    }

    /// To be called before MPI starts. Lets a process that is alone in a step of Slurm, as in the shell of `srun --pty bash`, be a world
    /// of one rank: Open MPI would try to connect to srun, and end the process.
    ///
    /// Throws `Failure` if the launcher has started several processes of which Open MPI will not know: they would all do the whole work,
    /// in the same files.
    func prepareMPI() throws {
        guard isAlone else { return }
        if let size, size > 1 {
            throw Failure(
                "this is one of \(size) processes of a launcher that Open MPI does not know, so they are no ranks of one world",
                hint: "start them with the mpirun of Open MPI")
        }
        for name in ["SLURM_STEP_ID", "SLURM_STEPID"] where getenv(name) != nil {
            unsetenv(name)
            setenv("OMPI_MCA_ess_singleton_isolated", "1", 0)
        }
    }
}
