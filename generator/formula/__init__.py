"""The formula language: integer kernels as typed expressions, proved by intervals and lowered to code.

In: kernel specs. Out: `Compiled` kernels (see `model`): torch code, exact Python code, readable formulas, and the proof, by
`compiler.compile_kernel`; further lowerings are `lower_c`, `lower_elements` and `lower_latex`. Nothing is ever evaluated as
Python; no formula is written twice. The package imports none of its modules: most builds need few of them.
"""
