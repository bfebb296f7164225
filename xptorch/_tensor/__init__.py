"""The Tensor: its class and methods, printing, copies between devices, exchange with NumPy."""
