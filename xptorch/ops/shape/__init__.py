"""Ops on the shape and memory of tensors, not on their values.

Creation, views and copies, joining and splitting, strides, storage.
"""
