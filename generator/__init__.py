"""The generator: reads the policy in specs/, proves what can be proved about it and writes generated/.

Stages, one module each, in reading order: `source`, `schema`, `link`, `checks`, `decide`, `formula`, `views`,
`plan`, `render`, `format`, `publish`. Each is a pure function; only `source` and `publish` touch the disk.
"""
