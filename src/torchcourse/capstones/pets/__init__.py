"""Capstone 2, cats and dogs: from a folder of photographs to a network that says where it looks."""
