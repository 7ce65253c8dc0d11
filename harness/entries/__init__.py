"""YAML entries: tasks, groups, models, judges, leaderboards; checked whole, found by name.

    parts        the strict base of every block, shared blocks
    task model judge leaderboard     one module a kind of entry; unions by `kind` or `engine`
    yaml         files to plain dictionaries, `include:` merged
    checking     dictionaries to entries, or to one line for each mistake
    catalog      entries by name; LoRA entries and judges with what they refer to looked up

Nothing is imported here, so that reading YAML does not wait for pydantic.
"""
