import Foundation

/// `text` escaped for an HTML element or a quoted attribute.
func escaped(_ text: String) -> String {
    var result = ""
    result.reserveCapacity(text.utf8.count)
    for scalar in text.unicodeScalars {
        switch scalar {
        case "&": result += "&amp;"
        case "<": result += "&lt;"
        case ">": result += "&gt;"
        case "\"": result += "&quot;"
        case "'": result += "&#39;"
        case "\n", "\t": result.unicodeScalars.append(scalar)
        // Control characters and bidirectional marks.
        case "\u{0}"..."\u{1F}", "\u{7F}"..."\u{9F}", "\u{202A}"..."\u{202E}", "\u{2066}"..."\u{2069}":
            result += "\u{FFFD}"
        default: result.unicodeScalars.append(scalar)
        }
    }
    return result
}

/// `value` with at most so many significant digits and thousands separators.
func readable(_ value: Double, digits: Int = 4) -> String {
    guard value.isFinite else { return "–" }
    guard abs(value) < 1e15 else { return String(format: "%.3e", value) }
    guard abs(value) < pow(10, Double(digits)) else { return readable(whole: Int(value.rounded())) }
    return String(format: "%.\(digits)g", value)
}

/// `count` with thousands separators.
func readable(whole count: Int) -> String {
    count.formatted(.number.locale(Locale(identifier: "en_US")))
}

/// `seconds` in a suitable unit.
func readable(seconds: Double) -> String {
    switch seconds {
    case ..<1: "\(readable(1000 * seconds, digits: 3)) ms"
    case ..<120: "\(readable(seconds, digits: 3)) s"
    case ..<7200: "\(readable(seconds / 60, digits: 3)) min"
    case ..<172_800: "\(readable(seconds / 3600, digits: 3)) h"
    default: "\(readable(seconds / 86_400, digits: 3)) days"
    }
}
