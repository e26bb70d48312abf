"""Means and differences over seeds, with 95% intervals by Student's t distribution."""
import math
import statistics
from dataclasses import dataclass

# The 97.5% quantile of the distribution with 1, 2, ... degrees of freedom.
QUANTILES = [
    12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281, 2.2010, 2.1788, 2.1604, 2.1448,
    2.1314
]


def quantile(freedom):
    if freedom <= len(QUANTILES):
        return QUANTILES[freedom - 1]
    # Its expansion by powers of 1 / freedom, around the quantile of the normal distribution.
    z = 1.959964
    return z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)


@dataclass(frozen=True)
class Interval:
    """The mean of `count` values. `half` is half the width of its interval: None for a single value, which tells
    nothing of the others."""
    mean: float
    half: float | None
    count: int

    @property
    def low(self):
        return self.mean - self.half

    @property
    def high(self):
        return self.mean + self.half

    @property
    def excludes_zero(self):
        return self.half is not None and (self.low > 0 or self.high < 0)


def interval(values):
    """The interval of the mean of `values`; None if there are none or one is not finite."""
    values = list(values)
    if not values or not all(math.isfinite(value) for value in values):
        return None
    half = None
    if len(values) > 1:
        half = quantile(len(values) - 1) * statistics.stdev(values) / math.sqrt(len(values))
    return Interval(statistics.fmean(values), half, len(values))


def difference(first, second):
    """The interval of `first` minus `second`, two dictionaries by seed, over the seeds that both have."""
    return interval(first[seed] - second[seed] for seed in sorted(first.keys() & second.keys()))
