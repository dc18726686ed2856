# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/_runtime/__init__.py
"""Mechanism: everything here knows no march, no operator and no pattern by name."""
