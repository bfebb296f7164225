"""Ops that reduce or accumulate along axes.

Sums, means, extremes, running sums, medians and quantiles, histograms.
"""
