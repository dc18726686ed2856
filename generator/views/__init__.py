"""What templates see: frozen dataclasses whose strings are final, one module a part of the output.

In: the catalog, the decisions and the compiled kernels. Out: views. Every `build` function is pure.
"""
