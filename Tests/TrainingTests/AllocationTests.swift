import AllocationCounter
import Base
import CrateModel
import Foundation
import Kernels
import Optimizers
import Synchronization
import Testing

@Suite struct AllocationTests {
    /// The first step creates what is created once: primitives and lazy constants. The remaining allocations are the closures that
    /// a team of threads passes on in each run, and a step has seven runs.
    @Test(arguments: Architecture.allCases, [(Precision.fp32, 1), (.fp32, 2), (.bf16, 1), (.bf16, 2)])
    func stepsAfterTheFirstAllocateNothing(
        architecture: Architecture, on engine: (precision: Precision, threads: Int)
    ) throws {
        let (precision, threads) = engine
        let configuration = try ModelConfiguration(
            architecture, imageSize: 32, patchSize: 8, dim: 48, depth: 2, heads: 3, normalisesTargets: true)
        try requireNoAllocation(Model(configuration), precision, threads: threads)
        for form in ClassifierForm.allCases {
            let classifier = try ClassifierConfiguration(configuration, form: form, pooling: .mean, classes: 10)
            try requireNoAllocation(Model(classifier), precision, threads: threads)
        }
    }

    private func requireNoAllocation(_ model: Model, _ precision: Precision, threads: Int) throws {
        let team = ThreadTeam(count: threads)
        let replica = try Replica(model, images: 4, precision: precision, team: team, isTrained: true)
        let optimizer = try Optimizer(
            model.layout, rule: .adamW(weightDecay: 0.1), average: WeightAverage(decay: 0.9))
        replica.initialise(seed: 1)
        let patches = (0..<4 * 16 * 192).map { sin(Float($0)) }
        let mask: [UInt8] = (0..<64).map { $0 % 4 == 0 ? 0 : 1 }
        let targets = (0..<40).map { $0 % 10 == 3 ? Float(1) : 0 }
        let isMasked = model.classifier == nil
        patches.withUnsafeBufferPointer { patches in
            mask.withUnsafeBufferPointer { mask in
                targets.withUnsafeBufferPointer { targets in
                    let batch = PatchBatch(
                        patches: patches.baseAddress!, mask: isMasked ? mask.baseAddress! : nil,
                        targets: targets.baseAddress!, images: 4)
                    step(0, replica, batch, optimizer)
                    // Clearing, preparing weights, two forward passes, losses and backward passes, the update.
                    let ofRuns = counted(team) { for _ in 0..<9 { team.run { _ in } } }
                    let ofStep = counted(team) { step(1, replica, batch, optimizer) }
                    #expect(ofStep == ofRuns && (threads > 1 || ofStep == 0), "\(ofStep) instead of \(ofRuns)")
                }
            }
        }
    }

    @Test func allocationIsCounted() {
        let before = counted_allocations()
        count_allocations(true)
        let values = [Int](unsafeUninitializedCapacity: 1000) { $1 = Int.random(in: 1...1000) }
        count_allocations(false)
        #expect(!values.isEmpty && counted_allocations() > before)
    }

    /// The allocations of the threads of `team` in `body`.
    private func counted(_ team: ThreadTeam, _ body: () -> Void) -> Int {
        let total = Atomic<Int>(0)
        team.run { _ in
            total.subtract(counted_allocations(), ordering: .relaxed)
            count_allocations(true)
        }
        body()
        team.run { _ in
            count_allocations(false)
            total.add(counted_allocations(), ordering: .relaxed)
        }
        return total.load(ordering: .relaxed)
    }

    private func step(
        _ step: Int, _ replica: borrowing Replica, _ batch: PatchBatch, _ optimizer: borrowing Optimizer
    ) {
        replica.clearGradients()
        replica.forward(batch)
        replica.loss(batch, gradientScale: 0.01)
        replica.backward(batch)
        replica.forward(batch)
        replica.loss(batch, gradientScale: 0.01)
        var completed = replica.parameters.count
        replica.completeBackward(batch) { completed = $0 }
        // No expectation here, because it would allocate.
        if completed != 0 { Issue.record("gradients are not complete before \(completed)") }
        optimizer.update(part: 0, of: replica, step: step, rate: 1e-3, scale: 1)
    }
}
