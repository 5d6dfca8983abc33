"""Answers to the exercises of chapter 5's labs, one module a lab."""
