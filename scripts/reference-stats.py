#!/usr/bin/env python3
"""Writes tests/data/reference_scipy.json, the values that src/stats is tested against.

    python3 -m venv /tmp/reference && /tmp/reference/bin/pip install numpy==2.4.6 scipy==1.17.1 diptest==0.12.0
    /tmp/reference/bin/python scripts/reference-stats.py            # writes the file
    /tmp/reference/bin/python scripts/reference-stats.py --check    # compares it with what is there, writes nothing

Everything is seeded. Closed forms agree between versions of scipy to the last digits; bootstrap intervals may move by
a per mille. Python's json writes NaN, which JSON does not have: the test reads it as null.
"""
import json
import math
import pathlib
import sys
import warnings

import diptest
import numpy as np
from scipy import stats
from scipy.stats import mstats

FILE = pathlib.Path(__file__).resolve().parent.parent / "tests" / "data" / "reference_scipy.json"
QUANTILES = [.5, .9, .95, .99]
P_VALUES = [.001, .008, .039, .041, .042, .06, .074, .205, .212, .216, .222, .251, .269, .275, .34, .341, .384, .569, .594,
            .696, .762, .94, .942, .975, .986]


def rounded(values):
    """What is written must be what was computed with."""
    return np.array([float(f"{value:.12g}") for value in values])


def samples():
    """The two arms of each set. The order of the draws is part of the seed: append, never insert."""
    rng = np.random.default_rng(20240601)
    normal = rng.standard_normal
    sets = {}
    sets["lognormal_30_30"] = (np.exp(4.6 + .1 * normal(30)), np.exp(4.65 + .1 * normal(30)))
    sets["normal_10_10"] = (100 + 5 * normal(10), 108 + 5 * normal(10))
    sets["unequal_n_8_15"] = (50 + 2 * normal(8), 51 + 6 * normal(15))
    calm = 505 + 3.9 * normal(60)
    sets["spike"] = (calm, np.where(rng.random(60) < .28, 1150 + 120 * normal(60), 120 + 5 * normal(60)))
    sets["ties"] = (np.round(20 + 2 * normal(25)), np.round(21 + 2 * normal(25)))
    base = np.where(rng.random(80) < .7, 100, 150) + 2 * normal(80)
    sets["bimodal"] = (base, np.where(rng.random(80) < .5, 100, 150) + 2 * normal(80))
    sets["tiny_4_4"] = (np.array([10., 11, 12, 13]), np.array([20., 21, 22, 23]))
    return {name: (rounded(x), rounded(y)) for name, (x, y) in sets.items()}


def means(x, y, out):
    welch = stats.ttest_ind(y, x, equal_var=False)
    interval = welch.confidence_interval(.95)
    out["welch"] = {"t": welch.statistic, "p": welch.pvalue, "df": welch.df,
                    "ci95_diff_mean_y_minus_x": [interval.low, interval.high]}
    logs = stats.ttest_ind(np.log(y), np.log(x), equal_var=False)
    interval = logs.confidence_interval(.95)
    difference = np.log(y).mean() - np.log(x).mean()
    out["welch_log"] = {"p": logs.pvalue, "ratio": np.exp(difference),
                        "ratio_ci95": [np.exp(interval.low), np.exp(interval.high)]}
    margin = np.log(1.1)
    error = np.sqrt(np.log(x).var(ddof=1) / len(x) + np.log(y).var(ddof=1) / len(y))
    out["tost_log_margin_1.10"] = {"p_lower": stats.t.sf((difference + margin) / error, logs.df),
                                   "p_upper": stats.t.cdf((difference - margin) / error, logs.df),
                                   "p_superiority_beyond_1.10": stats.t.sf((difference - margin) / error, logs.df)}


def ranks(name, x, y, out):
    if len(np.unique(np.concatenate([x, y]))) == len(x) + len(y):
        exact = stats.mannwhitneyu(y, x, alternative="two-sided", method="exact")
        out["mwu_exact"] = {"U_y": exact.statistic, "p": exact.pvalue}
    normal = stats.mannwhitneyu(y, x, alternative="two-sided", method="asymptotic", use_continuity=True)
    out["mwu_asymptotic_cc"] = {"U_y": normal.statistic, "p": normal.pvalue}
    if name != "tiny_4_4":
        test = stats.brunnermunzel(x, y)
        if np.isfinite(test.statistic):
            out["brunner_munzel"] = {"stat": test.statistic, "p": test.pvalue}
    out["hodges_lehmann_y_minus_x"] = np.median(y[:, None] - x[None, :])
    out["hl_log_ratio"] = np.exp(np.median(np.log(y)[:, None] - np.log(x)[None, :]))
    out["cliffs_delta_y_over_x"] = np.sign(y[:, None] - x[None, :]).mean()


def spreads_and_distances(x, y, out):
    test = stats.levene(x, y, center="median")
    out["brown_forsythe"] = {"F": test.statistic, "p": test.pvalue}
    test = stats.fligner(x, y)
    out["fligner"] = {"chi2": test.statistic, "p": test.pvalue}
    test = stats.ansari(x, y)
    out["ansari"] = {"AB": test.statistic, "p": test.pvalue}
    test = stats.ks_2samp(x, y)
    out["ks"] = {"D": test.statistic, "p": test.pvalue}
    test = stats.cramervonmises_2samp(x, y)
    out["cvm"] = {"T": test.statistic, "p": test.pvalue}


def quantiles(arm, values, out):
    by_q = lambda found: dict(zip(map(str, QUANTILES), map(float, found)))
    out["quantile_type7_" + arm] = by_q(np.quantile(values, QUANTILES))
    out["harrell_davis_" + arm] = by_q(mstats.hdquantiles(values, QUANTILES))
    out["maritz_jarrett_se_" + arm] = by_q(mstats.mjci(values, QUANTILES))
    dip, p = diptest.diptest(values)
    out["dip_" + arm] = {"dip": dip, "p": p}
    count, ordered = len(values), np.sort(values)
    confidence = lambda rank: 1 - 2 * stats.binom.cdf(rank - 1, count, .5)
    ranks = [rank for rank in range(1, count // 2 + 1) if confidence(rank) >= .95]
    out["median_orderstat_ci95_" + arm] = {
        "lo_order": ranks[-1], "hi_order": count - ranks[-1] + 1, "lo": ordered[ranks[-1] - 1],
        "hi": ordered[count - ranks[-1]], "confidence": confidence(ranks[-1])} if ranks else None
    out["mean_sd_mad_" + arm] = [values.mean(), values.std(ddof=1), stats.median_abs_deviation(values)]


def bootstraps(x, y, out):
    for name, of in (("medians", np.median), ("means", np.mean)):
        ratio = lambda a, b, axis=-1, of=of: of(b, axis=axis) / of(a, axis=axis)
        found = stats.bootstrap((x, y), ratio, n_resamples=20000, method="BCa", vectorized=True,
                                rng=np.random.default_rng(1)).confidence_interval
        out[f"bca95_ratio_of_{name}_B20000"] = [found.low, found.high]


def wilson(successes, trials, confidence=.95):
    z = stats.norm.ppf(.5 + confidence / 2)
    p, scale = successes / trials, 1 + z * z / trials
    center = (p + z * z / 2 / trials) / scale
    half = z * np.sqrt(p * (1 - p) / trials + z * z / 4 / trials / trials) / scale
    return center - half, center + half


def proportions():
    rows = []
    for x1, n1, x0, n0 in [(56, 70, 48, 80), (10, 10000, 30, 10000), (0, 1000, 5, 1000), (3, 100, 3, 100)]:
        low1, high1 = wilson(x1, n1)
        low0, high0 = wilson(x0, n0)
        p1, p0 = x1 / n1, x0 / n0
        newcombe = [p1 - p0 - np.sqrt((p1 - low1) ** 2 + (high0 - p0) ** 2),
                    p1 - p0 + np.sqrt((high1 - p1) ** 2 + (p0 - low0) ** 2)]
        rows.append({"x1": x1, "n1": n1, "x0": x0, "n0": n0, "wilson1": [low1, high1], "wilson0": [low0, high0],
                     "newcombe_hybrid_score_diff_ci95": newcombe,
                     "clopper_pearson1": list(map(float, stats.binomtest(x1, n1).proportion_ci(.95, "exact"))),
                     "fisher_p": stats.fisher_exact([[x1, n1 - x1], [x0, n0 - x0]])[1]})
    return rows


def adjusted():
    p, count = np.array(P_VALUES), len(P_VALUES)
    holm = np.minimum(1, np.maximum.accumulate((count - np.arange(count)) * np.sort(p)))
    return {"p": P_VALUES, "bh_adjusted": list(map(float, stats.false_discovery_control(p))),
            "by_adjusted": list(map(float, stats.false_discovery_control(p, method="by"))), "holm_adjusted": list(holm)}


def u_rank(few, many, tail=.025):
    """The largest k with P(U <= k - 1) <= tail, by Mann and Whitney's recurrence in whole numbers."""
    counts = {(0, 0): [1]}
    for a in range(few + 1):
        for b in range(many + 1):
            if (a, b) != (0, 0):
                ways = [0] * (a * b + 1)
                for u in range(a * b + 1):
                    ways[u] += counts[a - 1, b][u - b] if a and 0 <= u - b < len(counts[a - 1, b]) else 0
                    ways[u] += counts[a, b - 1][u] if b and u < len(counts[a, b - 1]) else 0
                counts[a, b] = ways
    below, rank, total = 0, 0, math.comb(few + many, few)
    for ways in counts[few, many]:
        below += ways
        if below > tail * total:
            return rank
        rank += 1


def beyond(sets):
    """What the sets above do not have: paired t, exact ranks with ties, Hodges-Lehmann intervals, trend, energy, density."""
    out = {}
    for name, (x, y) in sets.items():
        row, size = {}, min(len(x), len(y))
        if name != "tiny_4_4":
            test = stats.ttest_rel(y[:size], x[:size])
            interval = test.confidence_interval(.95)
            row["paired"] = {"t": test.statistic, "p": test.pvalue, "ci95": [interval.low, interval.high]}
        walsh = (y[:size] - x[:size])[:, None] / 2 + (y[:size] - x[:size])[None, :] / 2
        row["walsh_median"] = np.median(walsh[np.triu_indices(size)])
        if len(x) * len(y) <= 1000:
            rank, differences = u_rank(len(x), len(y)), np.sort((y[:, None] - x[None, :]).ravel())
            row["hodges_lehmann_ci95"] = [differences[rank - 1], differences[-rank]]
        row["energy_distance_squared"] = stats.energy_distance(x, y) ** 2
        if len(np.unique(y)) == len(y):
            test = stats.kendalltau(np.arange(len(y)), y, method="exact")
            row["kendall_of_y"] = {"tau": test.statistic, "p": test.pvalue}
        row["theil_sen_of_y"] = dict(zip(["slope", "intercept"], map(float, stats.theilslopes(y, np.arange(len(y)))[:2])))
        bandwidth = 0.9 * min(y.std(ddof=1), (np.quantile(y, .75) - np.quantile(y, .25)) / 1.34) * len(y) ** -.2
        density = stats.gaussian_kde(y, bw_method=bandwidth / y.std(ddof=1))
        row["density_of_y"] = {"bandwidth": bandwidth, "at_y": list(map(float, density(y)))}
        out[name] = row
    tied = ([1, 2, 2, 3, 5, 5], [2, 3, 5, 6, 6, 7, 7])
    test = stats.mannwhitneyu(tied[1], tied[0], method=stats.PermutationMethod(n_resamples=10**6))
    out["mwu_exact_with_ties"] = {"x": tied[0], "y": tied[1], "p": test.pvalue}
    out["student_quantiles"] = [[p, df, stats.t.ppf(p, df)] for p in (.6, .8, .975, .9995)
                                for df in (1, 2.5, 9, 57.98, 999, 1e4, 2e4, 1e6, 1e8)]
    return out


def reference():
    sets, out = samples(), {}
    for name, (x, y) in sets.items():
        out[name] = {"x": list(x), "y": list(y)}
        means(x, y, out[name])
        ranks(name, x, y, out[name])
        spreads_and_distances(x, y, out[name])
        quantiles("x", x, out[name])
        quantiles("y", y, out[name])
        if name != "tiny_4_4":
            bootstraps(x, y, out[name])
    out["binomial"] = proportions()
    out["multiple_testing"] = adjusted()
    out["beyond"] = beyond(sets)
    return out


def differences(path, old, new):
    """Where two references differ by more than 1e-9, bootstraps by more than 2 %."""
    if isinstance(old, dict):
        return [line for key in old for line in differences(f"{path}.{key}", old[key], new.get(key))]
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return [line for index, value in enumerate(old) for line in differences(f"{path}[{index}]", value, new[index])]
    if isinstance(old, (int, float)) and isinstance(new, (int, float)):
        bound = .02 if "bca95" in path else 1e-9
        same = math.isnan(old) and math.isnan(new) or abs(old - new) <= bound * max(1, abs(old))
        return [] if same else [f"{path}: {old} -> {new}"]
    return [] if old == new else [f"{path}: {old} -> {new}"]


def main():
    warnings.simplefilter("ignore")
    text = json.dumps(reference(), indent=1, default=float)
    if "--check" in sys.argv[1:]:
        found = differences("", json.loads(FILE.read_text()), json.loads(text))
        print("\n".join(found) or f"{FILE.name} agrees")
        sys.exit(1 if found else 0)
    FILE.write_text(text + "\n")
    print(f"wrote {FILE}")


if __name__ == "__main__":
    main()
