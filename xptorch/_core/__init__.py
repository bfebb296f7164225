"""The foundations: dtypes, devices, the interface to array libraries, threads."""
