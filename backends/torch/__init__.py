"""PyTorch's own arrays: the device `torch`."""
