"""CuPy: the device `cuda`."""
