"""Tests and times the kernels on a Mac: one command, one report to send back."""
