import Base
import Testing

@Suite struct NamesTests {
    private let composed = "caf\u{e9}"
    private let decomposed = "cafe\u{301}"

    @Test func valuesAreFoundByBytesBeforeForms() {
        let names = NamedValues([(ExactName(composed), 1), (ExactName("tea"), 2), (ExactName("tea"), 3)])
        #expect(names[ExactName(composed)] == 1 && names[ExactName(decomposed)] == nil && names[ExactName("tea")] == 2)
        #expect(names.twins(of: ExactName(decomposed)) == [ExactName(composed)])
        #expect(names.twins(of: ExactName(composed)).isEmpty && names.twins(of: ExactName("ten")).isEmpty)
    }

    @Test func labelsThatMeanOtherClassesAreNamed() throws {
        func problem(_ one: [String], _ other: [String]) -> String? {
            let failure = #expect(throws: Failure.self) {
                try ClassMeanings(one, of: "VAL").requireSame(as: ClassMeanings(other, of: "TRAIN"), hint: "do")
            }
            return failure?.problem
        }
        let same = ClassMeanings(["ape", composed], of: "VAL")
        try same.requireSame(as: ClassMeanings(["ape", composed], of: "TRAIN"), hint: "")
        let cases: [(one: [String], other: [String], text: String)] = [
            (["ape", "cow"], ["ape", "bee"], "(2 and 2): label 1 means cow in the former and bee in the latter"),
            (["ape"], ["ape", "bee"], "(1 and 2): label 1 means nothing in the former and bee in the latter"),
            (["ape", "bee"], [], "(2 and 0): label 0 means ape in the former and nothing in the latter"),
            (
                [composed], [decomposed],
                "(1 and 1): label 0 means caf\\u{e9} in the former and cafe\\u{301} in the latter, which differ only in their "
                    + "Unicode form"
            ),
        ]
        for (one, other, text) in cases {
            #expect(problem(one, other) == "VAL has other classes than TRAIN \(text)")
        }
    }
}
