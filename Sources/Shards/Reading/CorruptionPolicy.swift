/// What to do at a corrupt sample: its checksum fails, or its shard is missing, truncated or corrupt.
package enum CorruptionPolicy: String, Codable, CaseIterable, Sendable {
    /// End the run.
    case stop
    /// Use another sample instead.
    case substitute
}
