"""The synthetic world: the support knowledge base of Norvane, a telecom company that does not exist.

    rng       seeded random numbers, the same on every machine
    lexicon   the company's words: entities, their attributes, the sentences that state them, filler prose
    world     seed -> entities, documents with the offsets of every fact
    questions world -> questions with their atomic facts, references and gold passages
    source    the `Source` made of them

Fictional, so no model has read it: a closed-book score above the floor means that the question gave its answer away.
"""
