"""What a Mac tells of our kernels: one command, one report to send back."""
