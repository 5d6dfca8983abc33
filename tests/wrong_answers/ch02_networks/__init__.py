"""Answers to the exercises of chapter 2's labs, one module a lab."""
