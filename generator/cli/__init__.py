"""Commands: one module each, with `run(args, root) -> exit status`."""
