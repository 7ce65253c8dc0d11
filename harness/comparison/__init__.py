"""Finished runs against one another: numbers in, numbers out; words and tables are made in `reports`.

stored       a run as comparisons take it
likeness     which runs may stand in one table
pairing      two runs, item by item
seeds        checkpoints that differ in their training seed alone, as one
verdicts     better, worse, no difference, cannot tell
board        a table of all that
request      what is compared with what, checked
kinds        by kind of question; abstention
causes       what a difference is made of
multiverse   the difference under every defensible choice
anchored     the difference corrected by people's labels
claims       published claims, tested
"""
