"""The study's data sets as the hub has them, turned once into data packs.

    readers   one function a data set: its rows -> documents and questions of a pack
    convert   fetch, read, write `corpus.jsonl` and `qa.jsonl` in the cache, once

After that a hub data set is a data pack like any other: the same checks, the same digests, the same results, and
`harness fetch` copies it for a machine without a network.
"""
