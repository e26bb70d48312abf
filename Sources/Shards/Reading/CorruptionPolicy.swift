/// What happens at a sample that cannot be read: its checksum fails, or its shard is missing, cut short or damaged.
package enum CorruptionPolicy: String, Codable, CaseIterable, Sendable {
    /// The run ends.
    case stop
    /// Another sample takes its place.
    case substitute
}
