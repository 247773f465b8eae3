"""Inputs and params of rules that use trained networks."""
