/// The one of `names` that is most like `word`, if at most `distance` letters differ. No name is so long that a long word is like it.
func nearestName(to word: String, among names: [String], within distance: Int) -> String? {
    guard word.utf8.count <= 64 else { return nil }
    let distances = names.map { (name: $0, distance: editDistance($0, word)) }
    return distances.min { $0.distance < $1.distance }.flatMap { $0.distance <= distance ? $0.name : nil }
}

/// Levenshtein distance. Takes time in proportion to the product of the lengths.
private func editDistance(_ first: String, _ second: String) -> Int {
    let (first, second) = (Array(first), Array(second))
    var row = Array(0...second.count)
    for (index, character) in first.enumerated() {
        var diagonal = row[0]
        row[0] = index + 1
        for column in second.indices {
            let replaced = diagonal + (character == second[column] ? 0 : 1)
            diagonal = row[column + 1]
            row[column + 1] = min(replaced, row[column] + 1, row[column + 1] + 1)
        }
    }
    return row[second.count]
}
