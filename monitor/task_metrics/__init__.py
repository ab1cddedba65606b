"""How well the answering model did where the right answer is known, how well its confidence is calibrated, and whether it abstains well.

``reference`` measures one answer against its reference, when it is taken in; the other modules sum up windows of answers.
"""
