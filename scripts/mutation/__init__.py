"""Mutation testing: which small changes of the code does no test notice?

The changes themselves are mutmut's. Of the two well-kept tools it has the richer set, as a plain table of functions
over libcst's nodes. Its runner does not fit here: it rewrites functions into trampolines, and so leaves out constants,
defaults and decorators, and shows in signatures, which are tested here; the Pythons that tests start see no change.
cosmic-ray edits the checkout itself, runs one command for every change, one after the other, and drops no statement
or argument. What both lack is here: the tests that run a line, quickest first, in forks, in a copy of the project.
"""
