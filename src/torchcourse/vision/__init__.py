"""Networks of chapter 5, built in its lessons and used again elsewhere."""
