"""Annotated images: classes and shapes of images, which become masks or labels."""
