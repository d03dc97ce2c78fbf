"""Endless dialogues with random tools, from which the base model learns; see `train.synth.curriculum.lessons`."""
