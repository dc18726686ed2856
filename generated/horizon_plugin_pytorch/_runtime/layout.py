# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/layout.py
"""How images and feature maps lie: [N, C, H, W]."""

IMAGE_DIMS = 4
"""The number of their dimensions."""
