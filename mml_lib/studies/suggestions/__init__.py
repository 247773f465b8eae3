"""Suggestions: pipelines for the pivot, merged from the best runs on similar tasks."""
