/// `number` (>= 0) with leading zeros, at least `digits` digits, so that names sort like numbers.
package func zeroPadded(_ number: Int, to digits: Int) -> String {
    String(repeating: "0", count: max(0, digits - "\(number)".count)) + "\(number)"
}
