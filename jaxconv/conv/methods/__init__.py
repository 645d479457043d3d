"""Who writes a kernel works here: the contract, and an algorithm a file."""
