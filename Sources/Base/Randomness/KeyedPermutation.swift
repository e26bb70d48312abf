/// A permutation of 0 ..< count that is a function of its key, computed position by position in constant memory.
///
/// A balanced Feistel network of six rounds over the smallest even number of bits that holds `count`; values out of range are mapped
/// again until they are in range (cycle walking), which keeps it a bijection.
/// Source: Black and Rogaway, Ciphers with Arbitrary Finite Domains (2002).
package struct KeyedPermutation: Sendable {
    private let count: UInt64
    private let halfBits: UInt64
    private let roundKeys: [6 of UInt64]

    package init(count: Int, seed: UInt64, epoch: Int) {
        precondition(count > 0)
        self.count = UInt64(count)
        let bits = 64 - (self.count - 1).leadingZeroBitCount
        halfBits = UInt64(max(1, (bits + 1) / 2))
        roundKeys = [6 of UInt64] { round in
            var generator = KeyedGenerator(seed: seed, .order, epoch, round)
            return generator.next()
        }
    }

    package subscript(position: Int) -> Int {
        var value = UInt64(position)
        precondition(value < count)
        repeat { value = scrambled(value) } while value >= count
        return Int(value)
    }

    /// The inverse: the position that maps to `value`.
    package func position(of value: Int) -> Int {
        var position = UInt64(value)
        precondition(position < count)
        repeat { position = unscrambled(position) } while position >= count
        return Int(position)
    }

    private func scrambled(_ value: UInt64) -> UInt64 {
        let mask = (1 << halfBits) - 1 as UInt64
        var left = value >> halfBits
        var right = value & mask
        for round in 0..<6 {
            (left, right) = (right, left ^ (KeyedGenerator.mixed(right ^ roundKeys[round]) & mask))
        }
        return left << halfBits | right
    }

    private func unscrambled(_ value: UInt64) -> UInt64 {
        let mask = (1 << halfBits) - 1 as UInt64
        var left = value >> halfBits
        var right = value & mask
        for round in (0..<6).reversed() {
            (left, right) = (right ^ (KeyedGenerator.mixed(left ^ roundKeys[round]) & mask), left)
        }
        return left << halfBits | right
    }
}
