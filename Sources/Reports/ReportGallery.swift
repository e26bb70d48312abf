import Base
import Foundation
import Images

/// The pictures of a report.
package struct ReportGallery {
    /// Pictures of one kind, under one heading.
    private struct Group {
        var id, title, note: String
        var pictures: [(caption: String, png: [UInt8], width: Int)]
    }

    private var groups: [Group] = []
    /// Why pictures are missing, in a sentence each.
    private(set) var remarks: [String] = []

    /// No pictures.
    package init() {}

    /// Adds `images` with their captions under a heading. Throws `Failure` where one cannot be encoded.
    package mutating func add(_ id: String, title: String, note: String, images: [(caption: String, image: Image)])
        throws
    {
        let pictures = try images.map { ($0.caption, try PNGEncoder.encode($0.image), $0.image.width) }
        guard !pictures.isEmpty else { return }
        groups.append(Group(id: id, title: title, note: note, pictures: pictures))
    }

    /// How many pixels of the page a pixel of a picture of `width` takes to each side: small ones would not be seen.
    private static func magnification(_ width: Int) -> Int { max(1, 320 / max(1, width)) }

    /// Says in the report that pictures are missing, and why.
    package mutating func explain(missing pictures: String, _ failure: Failure) {
        remarks.append("No \(pictures): \(failure.problem).")
    }

    /// The sections of the page.
    var sections: [ReportSection] {
        groups.map { group in
            let figures = group.pictures.map { picture in
                """
                <figure class="picture"><img alt="\(escaped(picture.caption))" width="\(picture.width * Self.magnification(picture.width))" \
                src="data:image/png;base64,\(Data(picture.png).base64EncodedString())">\
                <figcaption>\(escaped(picture.caption))</figcaption></figure>
                """
            }
            return ReportSection(
                id: group.id, title: group.title,
                body: "<p>\(escaped(group.note))</p><div class=\"pictures\">\(figures.joined())</div>")
        }
    }
}
