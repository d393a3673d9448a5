"""Lookout: YOLO object detection, here or offloaded to the cloud, with the same result either way."""

__version__ = "0.1.0"
__all__ = ["__version__"]
