"""The version of the package, for the build and for `xptorch.__version__`."""

__version__ = "0.1.0"
