import Base
import Foundation

/// The pages of a source's column of images, and those that were read last: up to 256 MiB, and one of each thread that reads.
///
/// A class, since all threads share what was read; `lock` guards it.
final class ParquetPages: @unchecked Sendable {
    private static let cacheLimit = 256 << 20

    private let pages: [ParquetPage]
    private let lock = NSLock()
    /// Each with the use count at its last use.
    private var cache: [Int: (values: ParquetValues, lastUse: Int)] = [:]
    private var cachedBytes = 0
    private var useCount = 0

    init(_ pages: [ParquetPage]) { self.pages = pages }

    /// The value in the row `row` of the page `page`.
    ///
    /// Throws `Failure` if it is missing or damaged, and `MachineFailure` if the file cannot be read any more.
    func value(page: Int, row: Int, files: [SourceFile]) throws -> [UInt8] {
        let values = try self.values(page, files)
        guard let place = values.place(ofRow: row) else {
            throw Failure("the row has no image", hint: "leave it out")
        }
        guard case .numbers(let numbers) = values.values, let dictionary = pages[page].dictionary else {
            return try Self.bytes(place, of: values)
        }
        return try Self.bytes(numbers[place], of: self.values(dictionary, files))
    }

    /// The values of all rows of the page `page`; nil for missing ones.
    func rows(_ page: Int, _ files: [SourceFile]) throws -> [ArraySlice<UInt8>?] {
        let values = try self.values(page, files)
        let source = try pages[page].dictionary.map { try self.values($0, files) } ?? values
        guard case .own(let ranges) = source.values else { throw Self.damaged }
        return try (0..<values.count).map { row in
            guard var place = values.place(ofRow: row) else { return nil }
            if case .numbers(let numbers) = values.values { place = numbers[place] }
            guard ranges.indices.contains(place) else { throw Self.damaged }
            return source.bytes[ranges[place]]
        }
    }

    private static let damaged = Failure("a page is damaged", hint: "fetch the file again")

    private static func bytes(_ place: Int, of values: ParquetValues) throws -> [UInt8] {
        guard case .own(let ranges) = values.values, ranges.indices.contains(place) else {
            throw damaged
        }
        return Array(values.bytes[ranges[place]])
    }

    private func values(_ page: Int, _ files: [SourceFile]) throws -> ParquetValues {
        if let cached = lock.withLock({ cached(page) }) { return cached }
        // Without the lock: two threads may read the same page, and no thread waits for another.
        let entry = pages[page]
        let values = try ParquetValues(entry.decompressed(from: files[entry.file]), of: entry)
        lock.withLock { keep(values, of: page) }
        return values
    }

    private func cached(_ page: Int) -> ParquetValues? {
        guard let values = cache[page]?.values else { return nil }
        useCount += 1
        cache[page] = (values, useCount)
        return values
    }

    private func keep(_ values: ParquetValues, of page: Int) {
        guard cache[page] == nil, values.memory <= Self.cacheLimit else { return }
        while cachedBytes + values.memory > Self.cacheLimit,
            let oldest = cache.min(by: { $0.value.lastUse < $1.value.lastUse })
        {
            cachedBytes -= oldest.value.values.memory
            cache[oldest.key] = nil
        }
        useCount += 1
        cache[page] = (values, useCount)
        cachedBytes += values.memory
    }
}

extension ParquetValues {
    /// The memory of its bytes and of the table of values, about.
    fileprivate var memory: Int { bytes.count + 32 * count }
}
