"""Ops that select or place elements by index or by order.

Indexing with brackets and masks, gather and scatter, segments, sorting and searching.
"""
