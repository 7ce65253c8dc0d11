"""One run: a task, a model, an arm, a judge. Gets built objects, writes a run folder, reads it again.

    stages      retrieve, fit, answer: from the store what is there, computed what is not
    scoring     answers -> scores, by a judge
    adaptive    fewer repeats for the same decision
    samples     one question with all that happened to it, and its measures
    aggregates  measures over items: mean, standard error, interval
    run         the two halves of a run: answers, then scores and the folder
    folder      the one writer and the one reader of run folders
    rejudging   a finished run under another judge
    external    answers of any system, scored as a run's are
    host        what differs from machine to machine

Knows neither YAML nor which classes it holds.
"""
