"""Each observer as its description reads: plain Python, one element after another."""

import itertools
import math

LEVELS = 127.5
EPSILON = 2.0**-23


def scale_of(low: float, high: float) -> float:
    return max(max(-low, high, 0.0) / LEVELS, EPSILON)


def min_max(x: list[float]) -> tuple[float, float]:
    return min(x), max(x)


def histogram(x: list[float], bins: int) -> tuple[list[float], float]:
    """Counts of absolute values, and the width of a bin; x holds more than zeros."""
    width = max(abs(v) for v in x) / bins
    counts = [0.0] * bins
    for value in x:
        counts[min(int(abs(value) / width), bins - 1)] += 1
    return counts, width


def percentile(x: list[float], percent: float = 99.99, bins: int = 2048) -> tuple[float, float]:
    if not any(x):
        return 0.0, 0.0
    counts, width = histogram(x, bins)
    target = percent / 100 * len(x)
    totals = itertools.accumulate(counts)
    clip = (next(index for index, total in enumerate(totals) if total >= target) + 0.5) * width
    return max(min(x), -clip), min(max(x), clip)


def error(x: list[float], low: float, high: float) -> float:
    scale = scale_of(low, high)
    return sum((min(max(math.floor(v / scale + 0.5), -128), 127) * scale - v) ** 2 for v in x)


def mse(x: list[float], stride: int = 1) -> tuple[float, float]:
    candidates = [(percent / 100 * min(x), percent / 100 * max(x)) for percent in list(range(100, 5, -1))[::stride]]
    return least(x, candidates)


def mix(x: list[float]) -> tuple[float, float]:
    return least(x, [percentile(x, p) for p in (100.0, 99.999, 99.995, 99.99, 99.95, 99.9)])


def least(x: list[float], candidates: list[tuple[float, float]]) -> tuple[float, float]:
    best = (math.inf, (0.0, 0.0))
    for low, high in candidates:
        lost = error(x, low, high)
        if lost <= best[0]:
            best = (lost, (low, high))
    return best[1]


def clip(x: list[float]) -> tuple[float, float]:
    return max(min(x), -1.0), min(max(x), 1.0)


def clip_std(x: list[float]) -> tuple[float, float]:
    mean = sum(x) / len(x)
    deviation = math.sqrt(sum((v - mean) ** 2 for v in x) / len(x))
    return max(min(x), mean - 3 * deviation), min(max(x), mean + 3 * deviation)


def kl(x: list[float], bins: int = 512, levels: int = 128) -> tuple[float, float]:
    if not any(x):
        return 0.0, 0.0
    counts, width = histogram(x, bins)
    counts[0] = counts[1]  # zeros are exact whatever the bound
    divergences = [divergence(counts, bound, levels) for bound in range(128, bins + 1)]
    padded = [divergences[0]] * 4 + divergences + [divergences[-1]] * 4
    means = [mean_of_finite(padded[i : i + 9]) if math.isfinite(d) else d for i, d in enumerate(divergences)]
    best = max(i for i, value in enumerate(means) if value <= min(means) + 1e-15)
    return -(128 + best) * width, (128 + best) * width


def mean_of_finite(values: list[float]) -> float:
    finite = [value for value in values if math.isfinite(value)]
    return sum(finite) / len(finite)


def divergence(counts: list[float], bound: int, levels: int) -> float:
    kept = counts[:bound]
    groups: dict[int, list[int]] = {}
    for index, count in enumerate(kept):
        if count > 0:
            groups.setdefault(index * levels // bound, []).append(index)
    quantized = [0.0] * bound
    for members in groups.values():
        for index in members:
            quantized[index] = sum(kept[i] for i in members) / len(members)
    reference = kept[:]
    reference[-1] += sum(counts[bound:])
    total, total_quantized = sum(reference), sum(quantized)
    result = 0.0
    for p, q in zip(reference, quantized, strict=True):
        if p > 0:
            if q == 0:
                return math.inf
            result += p / total * math.log((p / total) / (q / total_quantized))
    return result
