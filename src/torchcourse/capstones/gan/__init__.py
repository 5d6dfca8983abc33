"""Capstone 4, digits from noise: a conditional WGAN-GP with spectral norm."""
