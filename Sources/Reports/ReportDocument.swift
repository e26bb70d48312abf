/// A section of the page.
struct ReportSection {
    /// For links.
    var id: String
    var title: String
    /// Markup.
    var body: String
}

/// The page around `sections`. `title` and `written` are text, `charts` is JSON without `<`.
func document(title: String, sections: [ReportSection], charts: String, written: String) -> String {
    let links = sections.map { "<a href=\"#\($0.id)\">\(escaped($0.title))</a>" }.joined(separator: " ")
    let parts = sections.map { "<section id=\"\($0.id)\"><h2>\(escaped($0.title))</h2>\n\($0.body)\n</section>\n" }
    let style = String(decoding: PackageResources.report_css, as: UTF8.self)
    let scripts = [
        PackageResources.scales_js, PackageResources.plot_js, PackageResources.kinds_js, PackageResources.readout_js,
        PackageResources.page_js,
    ]
    let script = scripts.map { String(decoding: $0, as: UTF8.self) }.joined(separator: "\n")
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
        <header><h1>\(escaped(title))</h1><p>A run of <b>crate</b>, as of \(escaped(written)).</p><nav>\(links)</nav></header>
        <main>
        <noscript><p class="remark">Charts and their tables are drawn by a script, and scripts are off.</p></noscript>
        \(parts.joined())</main>
        <script type="application/json" id="charts">\(charts)</script>
        <script>
        \(script)</script>
        </body>
        </html>

        """
}
