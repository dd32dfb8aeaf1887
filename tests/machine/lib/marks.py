# SPDX-License-Identifier: MIT
"""Marks for tests."""


class Skipped(Exception):
    """This machine cannot run the test; the text says what is missing."""


def slow(function):
    """Leave the test out of the quick set."""
    function.slow = True
    return function


def is_slow(function):
    return getattr(function, "slow", False)
