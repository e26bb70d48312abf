import ArgumentParser
import Foundation
import Settings

struct PCACommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pca",
        abstract: "Colour the patches of images by the principal components of their tokens.",
        discussion: """
            Red, green and blue are the first three components of the tokens of all images together, so that equal colours mean the \
            same in all of them. Prints how much of the variance each explains. --values adds where the tokens lie along \
            the components as the tensor `components` (images, rows, columns, 3).

            crate pca --checkpoint runs/tiny --output colours cat.jpg dog.png
            crate pca --checkpoint runs/tiny --output colours --layer 4 \\
                --image-size 448 cat.jpg dog.png
            """)

    @OptionGroup var pictures: PictureOptions
    @OptionGroup(title: "Speed") var speed: SpeedOptions

    func run() throws {
        try runWithWorld { world in
            try pictures.draw(speed, world) { loaded, pictures, block in
                let colours = try loaded.tokenColours(of: pictures, block: block)
                let parts = colours.explained.map { String(format: "%.1f%%", 100 * $0) }
                printLine("variance explained: \(parts.joined(separator: ", "))")
                let coordinates = colours.coordinates.joined().flatMap { place in (0..<3).map { Float(place[$0]) } }
                let grid = colours.tiling.patchesPerSide
                return DrawnPictures(
                    sheets: try colours.sheet(),
                    values: ("components", [pictures.count, grid, grid, 3], coordinates))
            }
        }
    }
}
