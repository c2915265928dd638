"""Estimates of the registers that Metal kernels need on an Apple GPU, from CUDA's compiler."""
