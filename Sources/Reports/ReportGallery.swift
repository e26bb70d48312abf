import Base
import Foundation
import Images

package struct ReportGallery {
    /// Pictures under one heading.
    private struct Group {
        var id, title, note: String
        var pictures: [(caption: String, png: [UInt8], width: Int)]
    }

    private var groups: [Group] = []
    /// Why pictures are missing, one sentence each.
    private(set) var remarks: [String] = []

    package init() {}

    /// Adds `images` with their captions under a heading. Throws `Failure` if one cannot be encoded.
    package mutating func add(_ id: String, title: String, note: String, images: [(caption: String, image: Image)])
        throws
    {
        let pictures = try images.map { ($0.caption, try PNGEncoder.encode($0.image), $0.image.width) }
        guard !pictures.isEmpty else { return }
        groups.append(Group(id: id, title: title, note: note, pictures: pictures))
    }

    /// The magnification of a picture of `width`, so that small ones are visible.
    private static func magnification(_ width: Int) -> Int { max(1, 320 / max(1, width)) }

    /// Notes in the report that pictures are missing, and why.
    package mutating func explain(missing pictures: String, _ failure: Failure) {
        remarks.append("No \(pictures): \(failure.problem).")
    }

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
