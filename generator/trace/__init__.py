"""From a line of generated/ back to the template line and the spec fields that it was made from, on demand.

In: a path and a line. Out: an `Answer`. Nothing of it is in the committed bytes: the template is rendered once more, piece by
piece (`pieces`), the pieces are followed through the formatter (`align`), and their values to specs (`sources`).
"""
