/// "1 rank", "2 ranks", "0 classes".
package func counted(_ count: Int, _ noun: String) -> String {
    guard count != 1 else { return "1 \(noun)" }
    return "\(count) \(noun)\(noun.hasSuffix("s") ? "es" : "s")"
}

/// `number` (>= 0) with leading zeros, at least `digits` digits, so that names sort like numbers.
package func zeroPadded(_ number: Int, to digits: Int) -> String {
    String(repeating: "0", count: max(0, digits - "\(number)".count)) + "\(number)"
}
