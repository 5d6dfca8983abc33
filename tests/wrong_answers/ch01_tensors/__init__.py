"""Answers to the exercises of chapter 1's labs, one module a lab."""
