import Base
import Foundation

/// Prints a line for people on standard output, as a terminal can show it. Names of files and classes in `text` can hold anything.
func printLine(_ text: String) { print(text.printableLine) }

/// Prints `value` as one line of JSON with snake-case keys.
func printJSON(_ value: some Encodable) throws {
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.outputFormatting = [.sortedKeys]
    print(String(decoding: try encoder.encode(value), as: UTF8.self))
}

/// What a set of images is of: "of 10 classes", or "without labels".
func ofClasses(_ count: Int) -> String { count > 0 ? "of \(counted(count, "class"))" : "without labels" }
