"""What everything stands on: dtypes, devices, the interface to array libraries, threads."""
