"""Automatic differentiation: how ops are declared, compiled, recorded and differentiated."""
