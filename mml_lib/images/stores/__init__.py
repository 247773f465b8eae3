"""Stores of pixels on disk that arrays of NumPy alone do not make."""
