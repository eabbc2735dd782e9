"""Comparisons of runs simulated with a known truth, to measure how often the judge is wrong.

`structure`: which pairs share images and people · `components`: what makes the figures of real runs
vary · `networks`: distances of simulated networks with these components · `seeds`: figures of runs
drawn directly, for many studies at a time · `rates`: how often each test shows a difference.
"""
