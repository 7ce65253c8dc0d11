"""From entries to objects: the only package that knows concrete classes. A module a noun; what is heavy is imported by
what is built, when it is first used.
"""
