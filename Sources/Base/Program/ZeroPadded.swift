/// `number`, which is not negative, with zeros in front, `digits` digits or more, so that names sort as numbers do.
package func zeroPadded(_ number: Int, to digits: Int) -> String {
    String(repeating: "0", count: max(0, digits - "\(number)".count)) + "\(number)"
}
