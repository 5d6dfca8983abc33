"""Answers to the exercises of chapter 7's labs, one module a lab."""
