"""Deployment: trained networks on new images."""
