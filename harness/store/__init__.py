"""Everything expensive, computed once: a SQLite file of records under keys that cover all they depend on.

store     the file: records, what computed them, and which runs need them
seals     a digest behind each value
faults    what is wrong with a store, in a line
salvage   what can be read of a damaged one
"""

from harness.store.store import Environment, Kind, Needs, Store, Usage, unknown_environment

__all__ = ["Environment", "Kind", "Needs", "Store", "Usage", "unknown_environment"]
