/// "1 rank", "2 ranks", "0 classes".
package func counted(_ count: Int, _ noun: String) -> String {
    guard count != 1 else { return "1 \(noun)" }
    return "\(count) \(noun)\(noun.hasSuffix("s") ? "es" : "s")"
}
