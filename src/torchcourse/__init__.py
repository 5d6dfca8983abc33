"""Helpers of the course "Learn PyTorch by building": data, plots, checks, capstones."""

__version__ = "0.1.0"
