"""From a task's pool of questions to LoRA checkpoints.

pools       which pairs: nested subsets, drawn by seed, never evaluated on
examples    what the model sees of a pair: five prompt formats, three targets
evidence    where shown passages hold the answer; quoting and citing it
counterfactual  values exchanged in passage and answer
placebo     answers exchanged between pairs
settings    the knobs that the study swept, and grids of them
training    transformers' Trainer with PEFT; resumes after a kill
job         one checkpoint to train
sweep       settings chosen on held-out pairs
checkpoints plain PEFT folders with a card, a manifest and a loss plot
leakage     what the pairs share with the questions that are evaluated
"""
