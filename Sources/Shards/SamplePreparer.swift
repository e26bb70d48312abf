import Buffers
import Dispatch
import Files
import Foundation
import Images

/// What is known of a file after it was read: a sample, or why there is none.
enum PreparedSample: Sendable {
    case sample(checksum: UInt32, statistics: PixelStatistics)
    case unreadable(reason: String)
}

/// Turns a source's files into patches, a batch at a time on all processors, each with tools of its own.
final class SamplePreparer {
    /// The most files of a batch.
    let batchSize: Int
    private let source: ShardSource
    private let grid: PatchGrid
    private let workers: [Worker]
    /// (batchSize, L, p * p * 3).
    private let patches: OwnedBuffer<UInt8>

    /// Throws `Failure` when memory is short.
    init(source: ShardSource, grid: PatchGrid) throws {
        self.source = source
        self.grid = grid
        workers = try (0..<ProcessInfo.processInfo.activeProcessorCount).map { _ in try Worker(grid: grid) }
        // Several files a processor even out that some take longer than others.
        batchSize = 8 * workers.count
        patches = try OwnedBuffer(count: batchSize * grid.valueCount)
    }

    /// The patches of the sample at `position` of the last batch.
    func patches(at position: Int) -> UnsafePointer<UInt8> {
        UnsafePointer(patches.pointer + position * grid.valueCount)
    }

    /// Reads, decodes, resizes and cuts the items `range` of the source, at most `batchSize` of them.
    func prepare(_ range: Range<Int>) -> [PreparedSample] {
        let count = range.count
        return [PreparedSample](unsafeUninitializedCapacity: count) { results, initialised in
            // Each worker writes its own positions of both, and nobody reads before all are done.
            nonisolated(unsafe) let results = results
            nonisolated(unsafe) let preparer = self
            DispatchQueue.concurrentPerform(iterations: workers.count) { number in
                for position in stride(from: number, to: count, by: preparer.workers.count) {
                    let item = preparer.source.items[range.lowerBound + position]
                    let target = preparer.patches.pointer + position * preparer.grid.valueCount
                    let result = preparer.workers[number].prepare(item, of: preparer.source, into: target)
                    results.initializeElement(at: position, to: result)
                }
            }
            initialised = count
        }
    }
}

/// One thread's tools.
private final class Worker {
    private let grid: PatchGrid
    private var resampler: Resampler
    private let square: OwnedBuffer<UInt8>

    init(grid: PatchGrid) throws {
        self.grid = grid
        resampler = try Resampler()
        square = try OwnedBuffer(count: grid.valueCount)
    }

    func prepare(
        _ item: ShardSource.Item, of source: ShardSource, into patches: UnsafeMutablePointer<UInt8>
    ) -> PreparedSample {
        do {
            let image = try ImageDecoder.decode(source.bytes(of: item))
            try resampler.resample(
                image.pixels, width: image.width, height: image.height, rowBytes: 3 * image.width,
                framing: .shortSide(ofWidth: image.width, height: image.height, to: grid.imageSize),
                into: square.pointer)
            grid.patchify(square.pointer, into: patches)
            let bytes = UnsafeRawBufferPointer(start: patches, count: grid.valueCount)
            return .sample(
                checksum: Checksum(of: bytes).value,
                statistics: PixelStatistics(square.pointer, valueCount: grid.valueCount))
        } catch let failure as Failure {
            return .unreadable(reason: failure.problem)
        } catch {
            return .unreadable(reason: "\(error)")
        }
    }
}
