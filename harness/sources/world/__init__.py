"""The synthetic world: documents of a house that does not exist, and questions whose atomic facts are known.

    rng       seeded random numbers, the same on every machine
    lexicon   what a domain is made of: entities, attributes, wordings, rolls of values
    domains   the words of each domain: a telecom company, a public library
    world     domain, seed -> entities, documents with the offsets of every fact
    questions world -> questions with their atomic facts, references and gold passages
    source    the `Source` made of them, and its counterfactual twin

Fictional, so no model has read it: a closed-book score above the floor means that the question gave its answer away.
"""
