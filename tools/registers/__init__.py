"""What Metal kernels need of an Apple GPU's registers, counted on the Metal path by CUDA's compiler."""
