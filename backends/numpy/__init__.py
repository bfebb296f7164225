"""NumPy: the device `cpu`."""
