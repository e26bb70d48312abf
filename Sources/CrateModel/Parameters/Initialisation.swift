import Base
import Foundation

extension ParameterLayout {
    /// Draws every parameter by its `initial` rule, each from its own stream under `seed`, so that the values do not
    /// depend on the order of drawing. The gaps of `buffer`, a flat buffer of this layout, are left alone.
    package func initialise(_ buffer: UnsafeMutablePointer<Float>, seed: UInt64) {
        for (index, parameter) in parameters.enumerated() {
            var generator = KeyedGenerator(seed: seed, .initialisation, index)
            let values = buffer + parameter.offset
            switch parameter.initial {
            case .constant(let value):
                values.update(repeating: value, count: parameter.count)
            case .uniform(let bound):
                for i in 0..<parameter.count { values[i] = Float(generator.uniform(in: -bound...bound)) }
            case .normal(let deviation):
                for i in 0..<parameter.count { values[i] = Float(deviation * generator.normal()) }
            }
        }
    }
}
