"""Answers to the exercises of capstone 1's labs."""
