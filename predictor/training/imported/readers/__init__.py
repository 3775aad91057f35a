"""Readers of models, one for each kind of file that a team hands over."""
