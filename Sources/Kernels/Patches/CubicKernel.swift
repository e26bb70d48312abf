/// Keys' cubic convolution kernel with coefficient a at x; zero outside of -2...2. With d = |x|:
///
///     (a + 2) d^3 - (a + 3) d^2 + 1      d < 1
///     a (d^3 - 5 d^2 + 8 d - 4)          d < 2
///
/// Source: Keys, Cubic Convolution Interpolation for Digital Image Processing (IEEE Transactions on Acoustics, Speech, and Signal
/// Processing 29, 1981).
@inlinable
package func cubicKernel(_ x: Double, coefficient a: Double) -> Double {
    let d = abs(x)
    if d < 1 { return ((a + 2) * d - (a + 3)) * d * d + 1 }
    if d < 2 { return (((d - 5) * d + 8) * d - 4) * a }
    return 0
}
