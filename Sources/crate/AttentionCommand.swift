import ArgumentParser
import Base
import Foundation
import Settings

struct AttentionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "attention",
        abstract: "Draw the attention of the class token, head by head.",
        discussion: """
            Writes a PNG for each image: the image, then its map for each head and their mean, each on its own scale; below, what \
            is left of the image by the mask that keeps most of the attention. --values adds the attention of all heads to patches as \
            the tensor `attention` (images, heads, rows, columns).

            crate attention --checkpoint runs/tiny --output maps cat.jpg dog.png
            crate attention --checkpoint runs/tiny --output maps --layer 3 --heads 1,4 \\
                --image-size 448 cat.jpg
            """)

    @OptionGroup var pictures: PictureOptions
    @Option(help: ArgumentHelp("Heads, counted from 1, separated by commas (default: all).", valueName: "list"))
    var heads: String?
    @Option(help: ArgumentHelp("Fraction of the attention that the mask covers.", valueName: "x"))
    var mass = 0.6
    @OptionGroup(title: "Speed") var speed: SpeedOptions

    func validate() throws {
        guard mass > 0, mass <= 1 else { throw ValidationError("--mass takes a number above 0 and up to 1.") }
        _ = try chosenHeads()
    }

    private func chosenHeads() throws -> [Int]? {
        try heads?.split(separator: ",").map {
            guard let head = Int($0) else { throw ValidationError("--heads takes whole numbers with commas.") }
            return head
        }
    }

    func run() throws {
        try runWithWorld { world in
            try pictures.draw(speed, world) { loaded, pictures, block in
                let maps = try loaded.attentionMaps(of: pictures, block: block)
                let heads = try chosenHeads() ?? Array(1...maps[0].heads.count)
                let kind = heads.count == 1 ? "head" : "heads"
                printLine(
                    "from left to right: image, \(kind) \(heads.map(String.init).joined(separator: ", ")), mean of all heads"
                )
                let grid = loaded.tiling.patchesPerSide
                let shape = [maps.count, maps[0].heads.count, grid, grid]
                return DrawnPictures(
                    sheets: try maps.map { try $0.sheet(heads: heads, mass: mass) },
                    values: ("attention", shape, maps.flatMap { $0.heads.flatMap { $0 } }))
            }
        }
    }
}
