import Base
import Foundation

/// Prints a line for people on standard output, as a terminal can show it. Names of files and classes in `text` can hold anything.
func printLine(_ text: String) { print(text.printableLine) }

/// Prints a line for people on standard error, behind the name of the program.
func printError(_ text: String) {
    try? FileHandle.standardError.write(contentsOf: Data("crate: \(text.printableLine)\n".utf8))
}

/// Prints `value` as one line of JSON with snake-case keys.
func printJSON(_ value: some Encodable) throws {
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.outputFormatting = [.sortedKeys]
    print(String(decoding: try encoder.encode(value), as: UTF8.self))
}
