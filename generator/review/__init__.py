"""The semantic diff: what a spec edit does to every march, with both versions of each changed kernel executed.

In: two sets of specs, that of a git revision and that of the working tree. Out: events (`evaluators`), each with a severity
and a reason, and a report as text, Markdown or one self-contained HTML page.
"""
