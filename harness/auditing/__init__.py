"""How good is a judge? Its card: agreement with people, planted errors that it finds, biases, stability, injection.

    people         human judgements of answers: correct or not (AUC), which of two is better (correlation)
    perturbations  the synthetic world, where truth is known: an answer made worse in a known way must get a lower score
    biases         padding, natural length, a longer reference, order of passages
    injection      answers that talk to the judge
    stability      repeats against items
    card           the verdict, markdown and JSON

Knows no model: it asks a built `Judge` through the store, so a second audit computes only what is missing.
"""
