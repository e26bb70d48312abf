import Foundation

/// A section of the page.
struct ReportSection {
    /// For links.
    var id: String
    var title: String
    /// Markup.
    var body: String
}

extension ReportSection {
    /// A section of `charts` after `introduction`, which is markup.
    init(id: String, title: String, introduction: String = "", charts: [Chart]) {
        let figures = charts.map { chart in
            """
            <figure class="chart\(chart.isWide ? " wide" : "")" data-chart="\(escaped(chart.id))"><figcaption>\
            <h3>\(escaped(chart.title))</h3><p>\(escaped(chart.note))</p></figcaption><div class="plot"></div>\
            <details><summary>Table</summary><div class="scroll"></div></details></figure>

            """
        }
        self.init(id: id, title: title, body: "\(introduction)<div class=\"charts\">\(figures.joined())</div>")
    }
}

/// Markup of what a reader should know about unreadable files and the like.
func paragraphs(remarks: [String]) -> String {
    remarks.map { "<p class=\"remark\">\(escaped($0))</p>" }.joined()
}

/// The page around `sections`. `title` and `subject` are text, `controls` is markup above the sections, `data` is JSON without
/// `<`, by the ids under which the script finds it.
func document(
    title: String, subject: String, controls: String = "", sections: [ReportSection],
    data: KeyValuePairs<String, String>
) -> String {
    let links = sections.map { "<a href=\"#\($0.id)\">\(escaped($0.title))</a>" }.joined(separator: " ")
    let parts = sections.map { "<section id=\"\($0.id)\"><h2>\(escaped($0.title))</h2>\n\($0.body)\n</section>\n" }
    let style = String(decoding: PackageResources.report_css, as: UTF8.self)
    let scripts = [
        PackageResources.scales_js, PackageResources.plot_js, PackageResources.kinds_js, PackageResources.readout_js,
        PackageResources.runs_js, PackageResources.page_js,
    ]
    let script = scripts.map { String(decoding: $0, as: UTF8.self) }.joined(separator: "\n")
    let json = data.map { "<script type=\"application/json\" id=\"\($0)\">\($1)</script>" }.joined(separator: "\n")
    let written = Date().formatted(.iso8601)
    // The policy ensures that the page makes no network requests, whatever it contains.
    return """
        <!doctype html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta http-equiv="Content-Security-Policy" \
        content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
        <meta name="color-scheme" content="light dark">
        <title>\(escaped(title)) – crate</title>
        <style>
        \(style)</style>
        </head>
        <body>
        <header><h1>\(escaped(title))</h1><p>\(escaped(subject)) of <b>crate</b>, as of \(written).</p>\
        <nav>\(links)</nav></header>
        <main>
        <noscript><p class="remark">Charts and their tables are drawn by a script, and scripts are off.</p></noscript>
        \(controls)\(parts.joined())</main>
        \(json)
        <script>
        \(script)</script>
        </body>
        </html>

        """
}

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
