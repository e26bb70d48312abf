/// Ranks of different versions do not train together.
package let programVersion = "0.1.0"
