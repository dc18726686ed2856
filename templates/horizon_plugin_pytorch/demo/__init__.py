# mirrored to generated/ by the generator; edit only templates/horizon_plugin_pytorch/demo/__init__.py
"""The whole flow on two real photos: train, calibrate, train quantized, convert, compute in integers, and deploy on YUV.

In: nothing but two sample photos that scikit-learn ships. Out: tables on the screen and one picture. Run it with
`python -m horizon_plugin_pytorch.demo [--march MARCH] [--out DIR]`; it needs scikit-learn and Pillow, which nothing else
in the package does.
"""
