"""Answers to the exercises of chapter 3's labs, one module a lab."""
