"""Operators that are small graphs of other operators: read, checked, and lowered to calls of their children.

`model` says what a graph is, `functions` what it may call beside its children, `read` turns a spec into it and
`check` follows dtypes through it.
"""
