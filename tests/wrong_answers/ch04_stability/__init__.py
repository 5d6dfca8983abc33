"""Answers to the exercises of chapter 4's labs, one module a lab."""
